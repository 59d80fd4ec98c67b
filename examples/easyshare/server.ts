// One port for everything: the pages and the API by Next, and the sockets. `npm start` runs it after `npm run build`.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { createAdapter } from "@socket.io/redis-streams-adapter";
import next from "next";
import { Server } from "socket.io";

import { connect } from "./src/lib/redis.ts";
import { type IO, serveSockets } from "./src/server/sockets.ts";
import { services } from "./src/services/index.ts";

/** How long Socket.IO keeps a dropped connection for its client, in milliseconds. */
const RECOVERY = 60_000;

const hostname = process.env.HOST ?? "127.0.0.1";
const port = Number(process.env.PORT ?? 3000);

const app = next({ dev: false, dir: import.meta.dirname, hostname, port });
await app.prepare();
const http = createServer(app.getRequestHandler());

const adapters = connect();
await adapters.connect();
const io: IO = new Server(http, {
  adapter: createAdapter(adapters),
  connectionStateRecovery: { maxDisconnectionDuration: RECOVERY },
  serveClient: false,
});
const closeSockets = serveSockets(io, services());

http.listen(port, hostname, () => {
  console.log(`EasyShare is on http://${hostname}:${(http.address() as AddressInfo).port}`);
});

// Connections that Redis still held after this server is gone would keep their users live.
async function end(): Promise<void> {
  await closeSockets();
  process.exit(0);
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void end());
