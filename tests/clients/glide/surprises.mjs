import { GlideClusterClient, Logger } from "@valkey/valkey-glide";

Logger.setLoggerConfig("off");
const { hostname, port } = new URL(process.argv[2]);
const cluster = await GlideClusterClient.createClient({ addresses: [{ host: hostname, port: Number(port) }] });

// A command without arguments goes to any node. A replica refuses it, and the client tries again until the time is over.
let problem;
while (!problem) await cluster.customCommand(["SESSION.SWEEP"]).catch((error) => (problem = error));
console.log(problem.name); // => TimeoutError
const route = { type: "primarySlotKey", key: "any" };
const replies = [];
while (replies.length < 20) replies.push(await cluster.customCommand(["SESSION.SWEEP"], { route }));
console.log(new Set(replies)); // => Set(1) { 0 }

cluster.close();
