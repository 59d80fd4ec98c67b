import { Cluster } from "ioredis";

const cluster = new Cluster([process.argv[2]]);
cluster.on("error", () => {}); // A node that is down is named in the reply.
try {
  // Some master is called, another one each time.
  console.log(await cluster.call("SESSION.LOGOUT", "ann")); // => 13
} catch (error) {
  console.log(error.message);
}
cluster.disconnect();
