import { createClient, createCluster } from "redis";

const url = process.argv[2];
const redis = await createClient({ url }).connect();
const cluster = await createCluster({ rootNodes: [{ url }] }).connect();
const words = (error) => `${error.name}: ${error.message}`;

// Ids are strings.
console.log(await redis.sendCommand(["SESSION.LOGOUT", 7]).catch(words)); // => TypeError: "arguments[1]" must be of type "string | Buffer", got number instead.

// On a cluster, what a single server takes as the first argument is the third.
console.log(await cluster.sendCommand(["SESSION.LOGOUT", "ann"]).catch(words)); // => TypeError: Cannot read properties of undefined (reading 'forEach')

// A transaction says only that something failed; what it is has to be looked for.
const transaction = cluster.multi().addCommand("ann", false, ["SESSION.LOGOUT", "ann"]);
const error = await transaction.exec().catch((error) => error);
console.log(error.message); // => 1 commands failed, see .replies and .errorIndexes for more information
console.log(error.replies[0].message.includes("say LOCAL")); // => true

redis.destroy();
cluster.destroy();
