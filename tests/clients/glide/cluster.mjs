import { GlideClusterClient, Logger } from "@valkey/valkey-glide";

Logger.setLoggerConfig("off");
const { hostname, port } = new URL(process.argv[2]);
const cluster = await GlideClusterClient.createClient({
  addresses: [{ host: hostname, port: Number(port) }],
  requestTimeout: 3000, // Longer than session.cluster-timeout. The default, 250 ms, is over before a missing node is named.
});
try {
  // The user's id chooses a node: the one that would hold a key of this name.
  console.log(await cluster.customCommand(["SESSION.LOGOUT", "ann"])); // => 13
} catch (error) {
  console.log(error.message);
}
cluster.close();
