// A master does not answer, and the module waits for it longer than this client does for the module.

import { GlideClusterClient, Logger } from "@valkey/valkey-glide";

Logger.setLoggerConfig("off");
const { hostname, port } = new URL(process.argv[2]);
const cluster = await GlideClusterClient.createClient({ addresses: [{ host: hostname, port: Number(port) }] });
await cluster.customCommand(["SESSION.LOGOUT", "ann"]).catch((error) => {
  console.log(error.name, error.message); // => TimeoutError timed out
});
cluster.close();
