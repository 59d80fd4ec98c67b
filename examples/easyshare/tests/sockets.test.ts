// What the socket server does for its clients, and what they hear when somebody goes.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { ask, connect, disconnectAll, enter, must, signIn, startApp, type TestApp } from "./support/app.ts";
import { startRedis, type TestRedis, until } from "./support/redis.ts";

let redis: TestRedis;
let app: TestApp;

before(async () => {
  redis = await startRedis();
  app = await startApp(redis.port);
});
beforeEach(() => redis.client.flushAll());
afterEach(disconnectAll);
after(async () => {
  await app.stop();
  await redis.stop();
});

type Person = Awaited<ReturnType<typeof enter>>;

/** People in one room, which the first of them made. */
async function together(...names: string[]): Promise<{ people: Person[]; roomId: string; code: string }> {
  const people: Person[] = [];
  for (const name of names) people.push(await enter(app, name));
  const { room } = await must(people[0]!.client, "room:create", { name: "Tea" });
  for (const one of people.slice(1)) await must(one.client, "room:join", { code: room.code });
  return { people, roomId: room.id, code: room.code };
}

const socketData = async () => (await redis.keys()).filter((key) => key.startsWith("socket_data:"));
const namesOf = (event: unknown[]) => event[0];
const heardOf = (one: Person, event: string) => one.heard.filter((heard) => heard[0] === event);

async function participants(roomId: string): Promise<[string, boolean][]> {
  const room = JSON.parse((await redis.client.get(`room:${roomId}`))!);
  return room.participants.map((one: { userId: string; isOnline: boolean }) => [one.userId, one.isOnline]);
}

test("a client is who its cookie says, and nobody else", async () => {
  const cookie = await signIn(app, "Eve");
  const { client } = await connect(app, cookie);
  const refused = await ask(client, "user:authenticate", { userId: "ada" });
  assert.deepEqual(refused, { ok: false, error: "You are signed in as somebody else." });
  const { client: stranger } = await connect(app, "");
  for (const event of ["user:authenticate", "user:logout", "room:create", "room:join", "message:send", "user:typing"] as const) {
    assert.equal((await ask(stranger, event, { userId: "eve", name: "x", code: "x" })).ok, false, event);
  }
  assert.deepEqual(await redis.keys(), ["cache:user_session:eve"]);
});

test("clients may send anything", async () => {
  const { client } = await enter(app, "Ada");
  for (const data of [undefined, null, 7, "x", [], { name: {} }, { name: "" }, { name: "x".repeat(61) }]) {
    assert.equal((await ask(client, "room:create", data)).ok, false);
    assert.equal((await ask(client, "room:join", data)).ok, false);
  }
  await must(client, "room:create", { name: "Tea" });
  for (const content of [undefined, 7, "  ", "x".repeat(2001)]) {
    assert.equal((await ask(client, "message:send", { content })).ok, false);
  }
  // No answer is asked for, and no data is sent.
  (client as { emit(event: string): unknown }).emit("message:send");
  await must(client, "message:send", { content: "still here" });
});

test("people in a room see who comes, who types, and what is said", async () => {
  const { people, roomId, code } = await together("Ada", "Ben");
  const [ada, ben] = people as [Person, Person];
  assert.deepEqual(await participants(roomId), [["ada", true], ["ben", true]]);
  await must(ben.client, "user:typing", { isTyping: true });
  assert.equal(await redis.client.exists(`cache:typing:${roomId}:ben`), 1);
  const { message } = await must(ben.client, "message:send", { content: "  hello " });
  assert.equal(message.content, "hello");
  await until("Ada has heard it", () => heardOf(ada, "message:new").length === 2);
  const told = ada.heard.map(namesOf);
  assert.deepEqual(told, ["message:new", "room:participants", "user:typing", "message:new"]);
  assert.deepEqual(ada.heard.at(-1), ["message:new", message]);
  const cleo = await enter(app, "Cleo");
  const view = await must(cleo.client, "room:join", { code: code.toLowerCase() });
  assert.deepEqual(view.messages.map((one: { content: string }) => one.content), ["Ada joined", "Ben joined", "hello", "Cleo joined"]);
});

test("at a logout the others hear it, find it in the history, and the socket is closed", async () => {
  const { people, roomId } = await together("Ben", "Ada");
  const [ben, ada] = people as [Person, Person];
  await must(ada.client, "user:typing", { isTyping: true });
  const closed = new Promise((resolve) => ada.client.once("disconnect", resolve));
  ada.client.emit("user:logout", { userId: "ada" }, () => {});
  assert.equal(await closed, "io server disconnect");
  await until("Ben hears of it", () => heardOf(ben, "user:left").length === 1);
  assert.deepEqual(heardOf(ben, "user:left"), [["user:left", "ada"]]);
  await until("Ben sees the system message", () => heardOf(ben, "message:new").length === 2);
  const [, message] = heardOf(ben, "message:new").at(-1) as [string, { id: string; content: string; reason: string }];
  assert.deepEqual([message.content, message.reason], ["Ada left", "logout"]);
  assert.deepEqual(JSON.parse((await redis.client.get(`message:${message.id}`))!), message);
  assert.deepEqual(await participants(roomId), [["ben", true]]);
  assert.deepEqual(await redis.keysOf("ada"), []);
  assert.deepEqual(await socketData(), [`socket_data:${ben.client.id}`]);
  assert.deepEqual(ada.heard.map(namesOf).filter((event) => event === "user:left"), []);
});

test("somebody else's id is refused", async () => {
  const { people } = await together("Ben", "Eve");
  const [ben, eve] = people as [Person, Person];
  const before = await redis.contents();
  const answer = await ask(eve.client, "user:logout", { userId: "ben" });
  assert.deepEqual(answer, { ok: false, error: "You may log out yourself alone." });
  assert.deepEqual(await redis.contents(), before);
  assert.ok(ben.client.connected && eve.client.connected);
});

test("events that are under way at the logout leave nothing behind", async () => {
  const other = await startApp(redis.port);
  const { client } = await enter(other, "Ada");
  await must(client, "room:create", { name: "Tea" });
  const type = () => client.emit("user:typing", { isTyping: true }, () => {});
  for (let time = 0; time < 50; time++) type();
  client.emit("user:logout", { userId: "ada" }, () => {});
  for (let time = 0; time < 50; time++) type();
  await until("she is disconnected", () => !client.connected);
  // It ends when it has done all that she sent.
  await other.stop();
  assert.deepEqual((await redis.keysOf("ada")).concat(await socketData()), []);
});

test("a client need not wait for an answer before it sends what builds on it", async () => {
  const { client } = await enter(app, "Ada");
  const answers = [ask(client, "room:create", { name: "Tea" }), ask(client, "message:send", { content: "hello" })];
  answers.push(ask(client, "room:leave"), ask(client, "message:send", { content: "to whom?" }));
  assert.deepEqual((await Promise.all(answers)).map((answer) => answer.ok), [true, true, true, false]);
});

test("somebody who leaves a room stays signed in, and may come back", async () => {
  const { people, roomId, code } = await together("Ben", "Ada");
  const [ben, ada] = people as [Person, Person];
  await must(ada.client, "room:leave");
  await until("Ben hears of it", () => heardOf(ben, "user:left").length === 1);
  assert.deepEqual(await participants(roomId), [["ben", true]]);
  assert.equal((await ask(ada.client, "message:send", { content: "x" })).ok, false);
  await must(ada.client, "room:join", { code });
  assert.deepEqual(await participants(roomId), [["ben", true], ["ada", true]]);
});

test("a tab that leaves a room tells the user's other tabs, which leave it too", async () => {
  const { people, roomId, code } = await together("Ada");
  const ada = people[0]!;
  const { client: tab, heard } = await connect(app, ada.cookie);
  await must(tab, "user:authenticate", { userId: "ada" });
  await must(tab, "room:join", { code });
  await must(ada.client, "room:leave");
  await until("the tab hears of it", () => heard.some((event) => event[0] === "room:left"));
  assert.deepEqual(heard.at(-1), ["room:left", roomId]);
  assert.deepEqual(await participants(roomId), []);
});

test("somebody whose connection drops is away, and with another connection is not", async () => {
  const { people, roomId, code } = await together("Ben", "Ada");
  const [ben, ada] = people as [Person, Person];
  const { client: tab } = await connect(app, ada.cookie);
  await must(tab, "user:authenticate", { userId: "ada" });
  await must(tab, "room:join", { code });
  const sockets = async () => (await redis.keys()).filter((key) => key.startsWith("socket_data:")).length;
  ada.client.disconnect();
  await until("Redis forgets the connection", async () => (await sockets()) === 2);
  assert.deepEqual(await participants(roomId), [["ben", true], ["ada", true]]);
  tab.disconnect();
  await until("Ada is away", async () => (await participants(roomId)).some(([, isOnline]) => !isOnline));
  assert.deepEqual(await participants(roomId), [["ben", true], ["ada", false]]);
  await until("Ben sees it", () => JSON.stringify(ben.heard.at(-1)).includes('"isOnline":false'));
  assert.equal(await redis.client.sendCommand(["SESSION.SWEEP"]), 1);
  await until("Ben hears that she is gone", () => heardOf(ben, "user:left").length === 1);
  assert.deepEqual(await participants(roomId), [["ben", true]]);
});

test("a server that is stopped leaves no connection in Redis", async () => {
  const other = await startApp(redis.port);
  await enter(other, "Ada");
  await other.stop();
  assert.deepEqual((await redis.keys()).filter((key) => key.startsWith("socket_data:")), []);
});
