// What the services write, and what a logout leaves of it. No application runs here, and nobody is connected.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { keys } from "../src/lib/keys.ts";
import { services, type Services } from "../src/services/index.ts";
import { SignedOut } from "../src/services/UserSessionService.ts";
import type { User } from "../src/types.ts";
import { startRedis, type TestRedis } from "./support/redis.ts";

let redis: TestRedis;
let on: Services;
let round = 0;

before(async () => {
  redis = await startRedis();
  on = services(redis.client as never);
});
beforeEach(async () => {
  await redis.client.flushAll();
  round += 1;
});
after(() => redis.stop());

const person = (userId: string, sessionId = `session-of-${userId}`): User => {
  return { userId, sessionId, userName: userId.toUpperCase(), userImage: "", email: `${userId}@example.org` };
};
/** Connections are new in each test, because the module keeps those out for a while that were logged out. */
const socketOf = (name: string) => `socket-${round}-of-${name}`;

const ada = person("ada");
const ben = person("ben");

async function enter(user: User, socketId: string): Promise<void> {
  await on.sessions.open(user);
  await on.sessions.authenticate(user, socketId);
}

/** Ben makes a room; its id. */
async function roomOfBen(): Promise<string> {
  await enter(ben, socketOf("ben"));
  const room = await on.rooms.create(ben, "Tea");
  await join(ben, socketOf("ben"), room.id);
  return room.id;
}

async function join(user: User, socketId: string, roomId: string): Promise<void> {
  await on.rooms.join(user, roomId);
  await on.sessions.updateRoom(user, socketId, roomId);
}

/** Everything that Redis can hold of Ada. */
async function adaEverywhere(roomId: string): Promise<void> {
  await enter(ada, socketOf("ada"));
  await join(ada, socketOf("ada"), roomId);
  await on.sessions.updateTyping(ada, roomId, true);
}

const ofAda = (roomId: string) => [
  "cache:activity:ada",
  `cache:typing:${roomId}:ada`,
  "cache:user_presence:ada",
  "cache:user_session:ada",
  "cache:user_status:ada",
  `socket_data:${socketOf("ada")}`,
  "user_socket:ada",
];

test("somebody who is in a room is where the data model says", async () => {
  const roomId = await roomOfBen();
  const before = await redis.keys();
  await adaEverywhere(roomId);
  const room = await on.rooms.get(roomId);
  const { code } = room!;
  assert.deepEqual(await redis.keys(), [...before, ...ofAda(roomId)].sort());
  assert.deepEqual(await redis.client.sMembers("active_users").then((all) => all.sort()), ["ada", "ben"]);
  assert.deepEqual(room!.participants.map((one) => [one.userId, one.isOnline]), [["ben", true], ["ada", true]]);
  assert.equal(await redis.client.get(`room_code:${code}`), roomId);
  assert.deepEqual(await redis.client.sMembers("active_rooms"), [roomId]);
  const { sessionId: _, ...data } = ada;
  assert.deepEqual(JSON.parse((await redis.client.get(`socket_data:${socketOf("ada")}`))!), { ...data, roomId });
});

test("everything expires in the time that the data model says", async () => {
  const roomId = await roomOfBen();
  await adaEverywhere(roomId);
  const { id } = await on.messages.say(ada, roomId, "hello");
  const longest: Record<string, number> = {
    "user_socket:ada": 86400,
    [`socket_data:${socketOf("ada")}`]: 86400,
    active_users: 86400,
    "cache:user_session:ada": 86400,
    "cache:activity:ada": 300,
    [`cache:typing:${roomId}:ada`]: 5,
    [`message:${id}`]: 30 * 86400,
  };
  for (const [key, seconds] of Object.entries(longest)) {
    const left = await redis.client.ttl(key);
    assert.ok(left > 0 && left <= seconds, `${key} lives for ${left} seconds`);
    // Nothing lives for a shorter time by some orders of magnitude either.
    assert.ok(seconds === 5 || left > seconds / 2, `${key} lives for ${left} seconds`);
  }
});

test("a logout leaves Redis as if the user had never been there, but for the system message", async () => {
  const roomId = await roomOfBen();
  const before = await redis.contents();
  await adaEverywhere(roomId);
  const foreseen = await on.sessions.inspect("ada");
  assert.deepEqual(foreseen.keys, ofAda(roomId));
  assert.deepEqual([foreseen.live, foreseen.rooms, foreseen.sockets], [true, [roomId], [socketOf("ada")]]);
  assert.equal(await on.sessions.cleanupUserLogout("ada", ada.sessionId), foreseen.removed);

  const [message, ...others] = await on.messages.history(roomId);
  assert.deepEqual(others, []);
  const { id, timestamp, ...told } = message!;
  const expected = { roomId, userId: "system", type: "leave", userName: "ADA", subject: "ada", reason: "logout", content: "ADA left" };
  assert.deepEqual(told, expected);
  const now = await redis.contents();
  for (const key of [keys.message(id), keys.roomMessages(roomId), keys.messageCount(roomId)]) delete now[key];
  assert.deepEqual(now, before);
  assert.equal(await redis.client.zScore(keys.roomMessages(roomId), id), timestamp);
  assert.equal(await redis.client.get(keys.messageCount(roomId)), "1");
  assert.equal((await on.sessions.inspect("ada")).removed, 0);
});

test("a logout is seen in the server's log", async () => {
  await enter(ada, socketOf("ada"));
  await on.sessions.cleanupUserLogout("ada", ada.sessionId);
  const lines = (await redis.log()).split("\n").filter((line) => line.includes("<session>"));
  const last = lines.slice(-3).map((line) => line.replace(/.*<session> /, "").replace(/ usec=\d+/, ""));
  assert.deepEqual(last, [
    "=== USER LOGOUT DETECTED ===",
    "=== CLEANING UP USER LOGOUT === user=ada reason=logout",
    "SUCCESS: User logout cleanup completed user=ada keys=6 members=1 entries=0",
  ]);
});

test("a logout that comes late does not end the session that began after it", async () => {
  await enter(ada, socketOf("1"));
  assert.notEqual(await on.sessions.cleanupUserLogout("ada", ada.sessionId), 0);
  // Signed in again, and not connected yet: there is nothing else to tell the sessions apart by.
  const again = person("ada", "another session");
  await on.sessions.open(again);
  const before = await redis.contents();
  assert.equal(await on.sessions.cleanupUserLogout("ada", ada.sessionId), 0);
  assert.deepEqual(await redis.contents(), before);
});

test("nothing is written any more for a session that was logged out", async () => {
  const roomId = await roomOfBen();
  await adaEverywhere(roomId);
  await on.sessions.cleanupUserLogout("ada", ada.sessionId);
  const before = await redis.contents();
  const late = [
    () => on.sessions.authenticate(ada, socketOf("late"), roomId),
    () => on.sessions.updateRoom(ada, socketOf("ada"), roomId),
    () => on.sessions.updateTyping(ada, roomId, true),
    () => on.sessions.updateActivity(ada),
    () => on.rooms.create(ada, "Late"),
    () => on.rooms.join(ada, roomId),
    () => on.rooms.markAway(ada, roomId),
    () => on.messages.say(ada, roomId, "late"),
  ];
  for (const write of late) await assert.rejects(write, SignedOut);
  assert.deepEqual(await redis.contents(), before);
});

test("a logout takes all sessions of the user, and their cookies with them", async () => {
  const phone = person("ada", "on the phone");
  await enter(ada, socketOf("laptop"));
  await enter(phone, socketOf("phone"));
  await on.sessions.cleanupUserLogout("ada", ada.sessionId);
  assert.equal(await on.sessions.isOpen(phone), false);
  assert.deepEqual(await redis.keys(), []);
});

test("leaving a room takes the user out of it and leaves the session whole", async () => {
  const roomId = await roomOfBen();
  await adaEverywhere(roomId);
  await on.sessions.leaveRoom("ada", roomId);
  const gone = `cache:typing:${roomId}:ada`;
  const left = ofAda(roomId).filter((key) => key !== gone);
  assert.deepEqual((await on.sessions.inspect("ada")).keys, left);
  assert.deepEqual((await on.rooms.get(roomId))!.participants.map((one) => one.userId), ["ben"]);
  const [message] = await on.messages.history(roomId);
  assert.deepEqual([message!.userName, message!.reason], ["ADA", "left"]);
});

test("people who come into a room at once are all in it", async () => {
  const roomId = await roomOfBen();
  const people = Array.from({ length: 8 }, (_, at) => person(`user-${at}`));
  await Promise.all(people.map((user) => on.sessions.open(user)));
  await Promise.all(people.map((user) => on.rooms.join(user, roomId)));
  const there = (await on.rooms.get(roomId))!.participants.map((one) => one.userId).sort();
  assert.deepEqual(there, ["ben", ...people.map((user) => user.userId)]);
});

test("a ghost stays until the sweep, which keeps the browser signed in", async () => {
  const roomId = await roomOfBen();
  const before = await redis.contents();
  await adaEverywhere(roomId);
  assert.equal(await redis.client.sendCommand(["SESSION.SWEEP"]), 0);
  assert.equal(await on.sessions.disconnected(ada, socketOf("ada")), false);
  await on.rooms.markAway(ada, roomId);
  const away = (await on.rooms.get(roomId))!.participants.find((one) => one.userId === "ada");
  assert.equal(away!.isOnline, false);

  assert.equal(await redis.client.sendCommand(["SESSION.SWEEP"]), 1);
  const [message] = await on.messages.history(roomId);
  const { id, reason } = message!;
  assert.equal(reason, "sweep");
  const now = await redis.contents();
  for (const key of [keys.message(id), keys.roomMessages(roomId), keys.messageCount(roomId)]) delete now[key];
  delete now["cache:user_session:ada"];
  assert.deepEqual(now, before);
  assert.equal(await on.sessions.isOpen(ada), true);
});
