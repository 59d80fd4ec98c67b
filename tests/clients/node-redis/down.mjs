// The master that `ann` chooses is down. The client tries to reach it again and again, and does nothing else.

import { createCluster } from "redis";

const rootNodes = [{ url: process.argv[2] }];

/** What becomes of a call, if it is not over when the client has failed to reach a node five times. */
function outcome(cluster, call) {
  let failed = 0;
  const waits = new Promise((resolve) => cluster.on("node-error", () => ++failed === 5 && resolve("waits")));
  return Promise.race([waits, call()]);
}

const eager = createCluster({ rootNodes });
console.log(await outcome(eager, () => eager.connect())); // => waits

const lazy = await createCluster({ rootNodes, minimizeConnections: true }).connect();
console.log(await outcome(lazy, () => lazy.sendCommand("ann", false, ["SESSION.LOGOUT", "ann"]))); // => waits
process.exit();
