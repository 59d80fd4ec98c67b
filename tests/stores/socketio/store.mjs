// Socket.IO with its adapter on Redis streams, and recovery of connections: store.mjs PORT
//
// A session here is a client, with its socket's id. The application has users who are let in by a key of theirs, and notes each
// socket. A client whose network dropped comes back as the socket that it was, without being asked for anything, unless the
// adapter has forgotten it.

import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

import { serve } from "../serve.mjs";

const redis = new Redis({ host: "127.0.0.1", port: Number(process.argv[2]) });

const http = createServer();
const io = new Server(http, { adapter: createAdapter(redis), connectionStateRecovery: {} });
// Not asked when a connection is recovered.
io.use(async (socket, next) => {
  const { userId } = socket.handshake.auth;
  next((await redis.exists(`allowed:${userId}`)) ? undefined : new Error("log in first"));
});
io.on("connection", async (socket) => {
  if (!socket.recovered) socket.data.userId = socket.handshake.auth.userId;
  const { userId } = socket.data;
  await redis.set(`socket:${socket.id}`, JSON.stringify({ userId }));
  socket.on("disconnect", () => redis.del(`socket:${socket.id}`));
  socket.emit("welcome", userId);
});
http.listen(0, "127.0.0.1");
await once(http, "listening");

/** Clients by the id that their socket had first. */
const clients = new Map();

async function until(done) {
  const end = Date.now() + 30_000;
  while (!(await done())) {
    if (Date.now() > end) throw new Error("waited in vain");
    await sleep(2);
  }
}

/** Waits until the client is in, or is turned away. */
async function arrive(client) {
  const [welcome, refused] = [once(client, "welcome"), once(client, "connect_error")];
  // The one that does not come stays without an answer.
  return Promise.race([welcome.then(() => (client.recovered ? "recovered" : "in")), refused.then(() => "refused")]);
}

await serve({
  /** A client of a user who may come in. */
  enter: async (userId) => {
    await redis.set(`allowed:${userId}`, "yes");
    const client = connect(`http://127.0.0.1:${http.address().port}`, {
      auth: { userId },
      forceNew: true,
      reconnection: false,
      transports: ["websocket"],
    });
    await arrive(client);
    clients.set(client.id, client);
    return client.id;
  },
  /** The client's network drops, and the server has noticed. */
  drop: async (id) => {
    const client = clients.get(id);
    client.io.engine.close();
    await until(async () => (await redis.exists(`sio:session:${client._pid}`)) && !(await redis.exists(`socket:${id}`)));
  },
  /** The server has sent the client away. */
  gone: (id) => until(() => clients.get(id).disconnected),
  /** The client comes back. */
  back: async (id) => {
    const client = clients.get(id);
    const arrived = arrive(client);
    client.connect();
    return arrived;
  },
});
