import { createClient } from "redis";

const url = process.argv[2];
const redis = await createClient({ url }).connect();
console.log(await redis.sendCommand(["SESSION.LOGOUT", "ada"])); // => 4

// A map is an object, and in RESP2 an array of names and values.
const map = await redis.sendCommand(["SESSION.LOGOUT", "ben", "WITHTRACES"]);
console.log(map.removed, map.rooms); // => 4 [ 'den' ]
const resp2 = await createClient({ url, RESP: 2 }).connect();
const list = await resp2.sendCommand(["SESSION.LOGOUT", "cid", "WITHTRACES"]);
console.log(list.slice(0, 4)); // => [ 'user', 'cid', 'removed', 4 ]

await redis.sendCommand(["SESSION.LOGOUT", ""]).catch((error) => {
  console.log(error.message); // => ERR user id must not be empty
});

// Commands that nobody waits for in between are sent together.
const calls = ["dan", "eve"].map((user) => redis.sendCommand(["SESSION.LOGOUT", user]));
console.log(await Promise.all(calls)); // => [ 4, 4 ]
const transaction = redis.multi().addCommand(["SESSION.LOGOUT", "fay"]).publish("moderation", "fay");
console.log(await transaction.exec()); // => [ 4, 0 ]

redis.destroy();
resp2.destroy();
