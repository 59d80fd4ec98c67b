import { Redis } from "ioredis";

const redis = new Redis(process.argv[2]);
console.log(await redis.call("SESSION.LOGOUT", "ada")); // => 4

// A map is an array of names and values, and an object if the client is told so.
const list = await redis.call("SESSION.LOGOUT", "ben", "WITHTRACES");
console.log(list.slice(0, 4)); // => [ 'user', 'ben', 'removed', 4 ]
const resp3 = redis.duplicate({ replyMapping: "resp3" });
const map = await resp3.call("SESSION.LOGOUT", "cid", "WITHTRACES");
console.log(map.removed, map.rooms); // => 4 [ 'den' ]

await redis.call("SESSION.LOGOUT", "").catch((error) => console.log(error.message)); // => ERR user id must not be empty

// Each reply has its error before it.
const pipeline = redis.pipeline().call("SESSION.LOGOUT", "dan").call("SESSION.LOGOUT", "eve");
console.log(await pipeline.exec()); // => [ [ null, 4 ], [ null, 4 ] ]
const transaction = redis.multi().call("SESSION.LOGOUT", "fay").publish("moderation", "fay");
console.log(await transaction.exec()); // => [ [ null, 4 ], [ null, 0 ] ]

redis.disconnect();
resp3.disconnect();
