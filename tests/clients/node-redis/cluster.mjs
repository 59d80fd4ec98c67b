import { createCluster } from "redis";

const cluster = await createCluster({
  rootNodes: [{ url: process.argv[2] }],
  minimizeConnections: true, // Else it connects to every master first, and waits for one that is down.
}).connect();
try {
  // The first argument chooses a node: the one that would hold a key of this name.
  console.log(await cluster.sendCommand("ann", false, ["SESSION.LOGOUT", "ann"])); // => 13
} catch (error) {
  console.log(error.message);
}
cluster.destroy();
