// `POST /api/logout`: who may log whom out, and what the caller hears.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { disconnectAll, enter, post, SECRET, signIn, startApp, type TestApp } from "./support/app.ts";
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

const logOut = (body?: unknown, headers?: Record<string, string>) => post(`${app.url}/api/logout`, body, headers);

test("whoever is signed in is logged out", async () => {
  const ada = await enter(app, "Ada");
  const { status, body } = await logOut(undefined, { cookie: ada.cookie });
  assert.deepEqual([status, body], [200, { success: true, userId: "ada", removed: 7 }]);
  assert.deepEqual(await redis.keys(), []);
});

test("without a cookie, the token of the session does", async () => {
  const ada = await enter(app, "Ada");
  const { status, body } = await logOut({ userId: "ada", token: ada.logoutToken });
  assert.deepEqual([status, body.removed], [200, 7]);
  assert.deepEqual(await redis.keys(), []);
  assert.equal((await logOut({ userId: "ada", token: ada.logoutToken })).body.removed, 0);
});

test("without anybody signed in or named it is a bad request", async () => {
  for (const body of [undefined, "no JSON", {}, [], { userId: "" }, { userId: 7 }]) {
    const { status, body: answer } = await logOut(body);
    assert.deepEqual([status, answer], [400, { error: "Nobody is signed in, and the body names no userId." }]);
  }
});

test("somebody else's id in the body is refused", async () => {
  const [ada, eve] = [await enter(app, "Ada"), await enter(app, "Eve")];
  const before = await redis.contents();
  const attempts: [unknown, Record<string, string>][] = [
    [{ userId: "ada" }, {}],
    [{ userId: "ada" }, { cookie: eve.cookie }],
    [{ userId: "ada", token: eve.logoutToken }, {}],
    [{ userId: "ada", token: eve.logoutToken }, { cookie: eve.cookie }],
    [{ userId: "ada" }, { cookie: forged(eve.cookie) }],
    [{ userId: "ada", token: forged(eve.logoutToken) }, {}],
    // What was signed for one purpose is no good for another.
    [{ userId: "ada", token: ada.cookie.split("=")[1] }, {}],
    [{ userId: "ada" }, { cookie: `easyshare_session=${ada.logoutToken}` }],
    [{ userId: "ada" }, { authorization: "Bearer of nothing" }],
    [{ userId: "ada", token: { userId: "ada" } }, {}],
    [{ userId: "eve", token: "none" }, { cookie: eve.cookie }],
  ];
  for (const [body, headers] of attempts) assert.equal((await logOut(body, headers)).status, 403, JSON.stringify(body));
  assert.deepEqual(await redis.contents(), before);
});

/** The same text, as if Ada had got it; its signature is the one that it was. */
function forged(signed: string): string {
  const [name, value] = signed.includes("=") ? signed.split("=") : ["", signed];
  const [body, signature] = value!.split(".");
  const text = Buffer.from(body!, "base64url").toString().replaceAll("eve", "ada");
  return `${name && `${name}=`}${Buffer.from(text).toString("base64url")}.${signature}`;
}

test("a service that knows the secret may log anybody out", async () => {
  await enter(app, "Ada");
  const { status, body } = await logOut({ userId: "ada" }, { authorization: `Bearer ${SECRET}` });
  assert.deepEqual([status, body.removed], [200, 7]);
  assert.deepEqual(await redis.keys(), []);
});

test("a late request does not end the session that began after it", async () => {
  const first = await enter(app, "Ada");
  await logOut(undefined, { cookie: first.cookie });
  for (const again of [signIn, enter]) {
    const now = await again(app, "Ada");
    const cookie = typeof now === "string" ? now : now.cookie;
    const before = await redis.contents();
    assert.equal((await logOut(undefined, { cookie: first.cookie })).body.removed, 0);
    // A browser sends the cookie that it has by now.
    for (const headers of [undefined, { cookie }]) {
      assert.equal((await logOut({ userId: "ada", token: first.logoutToken }, headers)).body.removed, 0);
    }
    assert.deepEqual(await redis.contents(), before);
  }
});

test("a cookie is worth nothing after the logout", async () => {
  const { cookie } = await enter(app, "Ada");
  const session = async () => (await fetch(`${app.url}/api/session`, { headers: { cookie } })).json();
  assert.equal((await session()).user.userId, "ada");
  await logOut(undefined, { cookie });
  assert.deepEqual(await session(), { user: null });
});

test("what Redis holds about somebody is for this one alone", async () => {
  const ada = await enter(app, "Ada");
  const inspect = (body?: unknown, headers?: Record<string, string>) => post(`${app.url}/api/inspect`, body, headers);
  const { body } = await inspect({}, { cookie: ada.cookie });
  assert.deepEqual([body.user, body.removed, body.live], ["ada", 7, true]);
  assert.equal((await inspect({ userId: "ada" })).status, 403);
  await logOut(undefined, { cookie: ada.cookie });
  assert.equal((await inspect({ token: ada.logoutToken })).body.removed, 0);
});

test("a name is one to forty characters, and no id holds a colon", async () => {
  const names = ["", "   ", "x".repeat(41), 7, null];
  for (const name of names) assert.equal((await post(`${app.url}/api/session`, { name })).status, 400);
  const { body } = await post(`${app.url}/api/session`, { name: " Zoë:Ω  Ng " });
  assert.deepEqual([body.user.userId, body.user.userName], ["zoë-ω-ng", "Zoë:Ω  Ng"]);
});

test("if Redis is away, the answer says so and nobody is logged out", async () => {
  let lonely = await startRedis();
  const alone = await startApp(lonely.port);
  try {
    const cookie = await signIn(alone, "Ada");
    await lonely.crash();
    const { status, body } = await post(`${alone.url}/api/logout`, {}, { cookie });
    assert.equal(status, 500);
    assert.deepEqual(body, { error: "Redis cannot be reached, so nobody was logged out. Try again in a moment." });
    await lonely.stop();
    lonely = await startRedis(lonely.port);
    const isIn = async () => (await post(`${alone.url}/api/session`, { name: "Ada" })).status === 200;
    await until("the application has found the server again", isIn);
    assert.deepEqual(await lonely.keys(), ["cache:user_session:ada"]);
  } finally {
    await alone.stop();
    await lonely.stop();
  }
});
