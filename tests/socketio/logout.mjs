// Real Socket.IO servers and clients, and one of them logged out.
//
//     node logout.mjs ADAPTER REDIS_PORT REDIS_CLI
//
// Two servers share one Redis. In one room are ann and dan on the first of them, and bob on the second; eve and fay are in
// another room, one on each. The servers have no code that knows of logouts. Then `redis-cli SESSION.LOGOUT` logs ann out.
// So that nothing has to be waited for that should not come, zed is logged out next, who is in both rooms and on no server:
// what everybody has heard when that is heard is all there was to hear.
//
// Ends with 0 if it went as it should; prints what differs otherwise.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import redisAdapter from "@socket.io/redis-adapter";
import streamsAdapter from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";

const [adapter, port, cli] = process.argv.slice(2);

// Names that would do harm if any of them were taken for more than a name; rooms as long as a socket's id.
const DEN = 'den#*"\\{é} 567890123';
const HALL = "hall/?[a-z]#/#890123";
const ANN = 'ann "#*{now}\u2028é';
assert.deepEqual([DEN.length, HALL.length], [20, 20]);

/** A connection that is ready: before that, ioredis takes no subscription for what it is. */
async function redis() {
  const connection = new Redis({ host: "127.0.0.1", port: Number(port), lazyConnect: true });
  await connection.connect();
  return connection;
}

const ADAPTERS = {
  "classic": redisAdapter.createAdapter,
  "sharded-dynamic": sharded("dynamic"),
  "sharded-dynamic-private": sharded("dynamic-private"),
  "sharded-static": sharded("static"),
  "streams": streamsAdapter.createAdapter,
};

function sharded(subscriptionMode) {
  return (publisher, subscriber) => redisAdapter.createShardedAdapter(publisher, subscriber, { subscriptionMode });
}

/** The adapter of a server; the one on streams makes further connections by itself. */
async function makeAdapter() {
  const connections = adapter === "streams" ? [await redis()] : [await redis(), await redis()];
  return ADAPTERS[adapter](...connections);
}

/** A server as an application would write it: it joins sockets to rooms, and notes in Redis who is where. */
async function startServer(store) {
  const http = createServer();
  const io = new Server(http, { adapter: await makeAdapter() });
  io.on("connection", async (socket) => {
    const { userId, roomId } = socket.handshake.auth;
    await socket.join(roomId);
    await store.set(`user_socket:${userId}`, socket.id);
    await store.set(`socket_data:${socket.id}`, JSON.stringify({ userId, userName: `${userId}'s name`, roomId }));
    socket.emit("joined");
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { io, http, url: `http://127.0.0.1:${http.address().port}` };
}

/** A client that notes all that it hears. */
async function enter(server, userId, roomId) {
  const socket = connect(server.url, { auth: { userId, roomId }, transports: ["websocket"], reconnection: false });
  const client = { socket, heard: [], warm: false, left: undefined };
  socket.on("disconnect", (reason) => (client.left = reason));
  const joined = new Promise((resolve, reject) => {
    socket.on("connect_error", reject);
    socket.onAny((event, ...args) => {
      if (event === "joined") resolve();
      else if (event === "warm-up") client.warm = true;
      else client.heard.push([event, ...args]);
    });
  });
  await joined;
  return client;
}

async function until(what, done) {
  const end = Date.now() + 30_000;
  while (!(await done())) {
    assert(Date.now() < end, `waited in vain: ${what}`);
    await sleep(5);
  }
}

/** Waits until the servers hear each other: adapters begin to listen at a time of their own. */
async function warmUp(store, [first, second], [onFirst, onSecond]) {
  await until("the servers hear each other", () => {
    first.io.to(HALL).to(DEN).emit("warm-up");
    second.io.to(HALL).to(DEN).emit("warm-up");
    return sleep(5).then(() => onFirst.warm && onSecond.warm);
  });
  // Each server hears its own at once, so what the other says has to be told apart.
  for (const [speaker, listener] of [[first, onSecond], [second, onFirst]]) {
    listener.warm = false;
    await until("one server hears the other", () => {
      speaker.io.emit("warm-up");
      return sleep(5).then(() => listener.warm);
    });
  }
  if (adapter === "classic") {
    const requests = async () => (await store.pubsub("NUMSUB", "socket.io-request#/#"))[1];
    await until("the servers take requests", async () => Number(await requests()) === 2);
  }
}

async function logOut(userId) {
  const { stdout } = await promisify(execFile)(cli, ["-h", "127.0.0.1", "-p", port, "SESSION.LOGOUT", userId]);
  return Number(stdout);
}

/** What everybody in a room hears of a logout. */
function announced(userId, userName, roomId) {
  const content = `${userName} logged out`;
  return [
    ["user:left", userId],
    ["message:new", { roomId, userId: "system", type: "leave", content, timestamp: "a moment" }],
  ];
}

/** What a client heard, with a moment in the place of each timestamp that is one. */
function heard(client) {
  const isMoment = (value) => Number.isInteger(value) && Math.abs(Date.now() - value) < 60_000;
  const plain = (arg) => (isMoment(arg?.timestamp) ? { ...arg, timestamp: "a moment" } : arg);
  return client.heard.map((event) => event.map(plain));
}

async function main() {
  const store = await redis();
  const servers = [await startServer(store), await startServer(store)];
  const [first, second] = servers;
  const ann = await enter(first, ANN, DEN);
  const [bob, dan] = [await enter(second, "bob", DEN), await enter(first, "dan", DEN)];
  const [eve, fay] = [await enter(second, "eve", HALL), await enter(first, "fay", HALL)];
  const others = [bob, dan, eve, fay];
  await warmUp(store, servers, [fay, bob]);

  assert.equal(await logOut(ANN), 2, "ann's mapping and the data of her socket");
  await store.mset(`typing:${DEN}:zed`, 1, `typing:${HALL}:zed`, 1);
  assert.equal(await logOut("zed"), 2);
  const isLast = ([event, message]) => event === "message:new" && message.content === "zed logged out";
  await until("everybody hears of zed", () => others.every((client) => client.heard.some(isLast)));
  await until("ann is disconnected", () => ann.left !== undefined);

  const ofZed = (roomId) => announced("zed", "zed", roomId);
  const inDen = [...announced(ANN, `${ANN}'s name`, DEN), ...ofZed(DEN)];
  assert.deepEqual(heard(bob), inDen, "on the other server");
  assert.deepEqual(heard(dan), inDen, "on ann's own server");
  assert.deepEqual(heard(eve), ofZed(HALL), "in another room on the other server");
  assert.deepEqual(heard(fay), ofZed(HALL), "in another room on ann's own server");
  assert.deepEqual(heard(ann), [], "of herself");
  assert.equal(ann.left, "io server disconnect");
  assert.deepEqual(others.map((client) => client.left), [undefined, undefined, undefined, undefined]);

  for (const client of [ann, ...others]) client.socket.disconnect();
  for (const { io } of servers) io.close();
}

main().then(
  () => process.exit(0),
  (problem) => {
    console.error(problem);
    process.exit(1);
  },
);
