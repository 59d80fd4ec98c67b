import { Cluster } from "ioredis";

const cluster = new Cluster([process.argv[2]], { keyPrefix: "app:" });

// `keyPrefix` is put before the keys of commands that the client knows. It knows none of the module's.
console.log(await cluster.call("SESSION.LOGOUT", "ann")); // => 13
console.log((await cluster.call("SESSION.EXPLAIN", "typing:den:ann"))[1]); // => typing:den:ann

// What is not a string is made one, and nothing becomes the empty one.
console.log(await cluster.call("SESSION.LOGOUT", 7)); // => 0
for (const nobody of [undefined, null]) {
  const error = await cluster.call("SESSION.LOGOUT", nobody).catch((error) => error);
  if (error.message !== "ERR user id must not be empty") throw error;
}

// A transaction in which something failed ends well. The error is in its place.
const [[error, reply]] = await cluster.multi().call("SESSION.LOGOUT", "ann").exec();
console.log(error.message.includes("say LOCAL"), reply); // => true undefined

// Calls go to all masters by turns, by chance.
for (let calls = 0; calls < 100; calls++) await cluster.call("SESSION.LAYOUT");
const counts = await Promise.all(cluster.nodes("master").map((node) => node.info("commandstats")));
console.log(counts.map((text) => text.includes("session.layout"))); // => [ true, true, true ]

cluster.disconnect();
