import { Batch, GlideClient, Logger, ProtocolVersion } from "@valkey/valkey-glide";

Logger.setLoggerConfig("off"); // Else it writes every error to the standard output too.
const { hostname, port } = new URL(process.argv[2]);
const addresses = [{ host: hostname, port: Number(port) }];
const redis = await GlideClient.createClient({ addresses });
console.log(await redis.customCommand(["SESSION.LOGOUT", "ada"])); // => 4

// A map is an array of pairs, and in RESP2 an array of names and values.
const map = await redis.customCommand(["SESSION.LOGOUT", "ben", "WITHTRACES"]);
console.log(map.slice(0, 2)); // => [ { key: 'user', value: 'ben' }, { key: 'removed', value: 4 } ]
const resp2 = await GlideClient.createClient({ addresses, protocol: ProtocolVersion.RESP2 });
const list = await resp2.customCommand(["SESSION.LOGOUT", "cid", "WITHTRACES"]);
console.log(list.slice(0, 4)); // => [ 'user', 'cid', 'removed', 4 ]

await redis.customCommand(["SESSION.LOGOUT", ""]).catch((error) => {
  console.log(error.message); // => An error was signalled by the server: - ResponseError: user id must not be empty
});

// `Batch(true)` is a transaction.
const pipeline = new Batch(false).customCommand(["SESSION.LOGOUT", "dan"]).customCommand(["SESSION.LOGOUT", "eve"]);
console.log(await redis.exec(pipeline, true)); // => [ 4, 4 ]
const transaction = new Batch(true).customCommand(["SESSION.LOGOUT", "fay"]).publish("fay", "moderation");
console.log(await redis.exec(transaction, true)); // => [ 4, 0 ]

redis.close();
resp2.close();
