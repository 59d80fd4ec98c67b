// The whole application, as people use it: two of them or one, in Chromium.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import { post, SECRET, startApp, type TestApp } from "./support/app.ts";
import { joinRoom, type Look, logOut, makeRoom, open, say, signIn, startBrowser, untilPeople } from "./support/browser.ts";
import { network } from "./support/network.ts";
import { startRedis, type TestRedis, until } from "./support/redis.ts";

let redis: TestRedis;
let app: TestApp;
let browser: Browser;
let opened: Awaited<ReturnType<typeof open>>[] = [];

before(async () => {
  redis = await startRedis();
  app = await startApp(redis.port);
  browser = await startBrowser();
});
beforeEach(() => redis.client.flushAll());
afterEach(async () => {
  const troubles = opened.flatMap((one) => one.troubles);
  await Promise.all(opened.map((one) => one.context.close()));
  opened = [];
  // What the pages of this test leave is not to meet those of the next one.
  await until("nobody is connected", async () => (await sockets()).length === 0);
  assert.deepEqual(troubles, []);
});
after(async () => {
  await browser?.close();
  await app?.stop();
  await redis?.stop();
});

async function visit(url = app.url, look: Look = {}): Promise<Page> {
  const one = await open(browser, url, look);
  opened.push(one);
  return one.page;
}

const keysWith = async (text: string) => (await redis.keys()).filter((key) => key.includes(text));
const sockets = () => keysWith("socket_data:");

/** Ben has made a room, and Ada has not come yet. */
async function benInRoom(): Promise<{ ben: Page; code: string; roomId: string }> {
  const ben = await visit();
  await signIn(ben, "Ben");
  const code = await makeRoom(ben, "Tea");
  return { ben, code, roomId: (await redis.client.get(`room_code:${code}`))! };
}

async function adaJoins(code: string, url = app.url): Promise<Page> {
  const ada = await visit(url);
  await signIn(ada, "Ada");
  await joinRoom(ada, code);
  return ada;
}

/** What Redis holds but for messages, which stay when people go, and activity, which is of the moment. */
async function contents(): Promise<Record<string, string>> {
  const all = Object.entries(await redis.contents());
  const isPassing = /^(message:|room_messages:|message_count:|cache:activity:|cache:user_presence:|cache:typing:)/;
  return Object.fromEntries(all.filter(([key]) => !isPassing.test(key)));
}

const notice = (page: Page, text: string) => page.getByRole("status", { name: "Notices" }).getByText(text).waitFor();
const systemMessage = (page: Page, text: string) => page.getByRole("log").getByText(text).waitFor();

test("one of two people logs out: nothing of her is left, and the other sees it", async () => {
  const { ben, code, roomId } = await benInRoom();
  const before = await contents();
  const ada = await visit();
  const socketClosed = ada.waitForEvent("websocket").then((socket) => socket.waitForEvent("close"));
  await signIn(ada, "Ada");
  await joinRoom(ada, code);
  await say(ada, "hello");
  await ada.getByLabel("Message", { exact: true }).fill("I am about to");
  await ben.getByText("Ada is typing …").waitFor();
  await untilPeople(ben, ["Ben (you)", "Ada"]);
  const [socket] = (await sockets()).filter((key) => !(key in before));
  const { body: held } = await post(`${app.url}/api/inspect`, {}, { cookie: await cookieOf(ada) });
  const caches = ["activity", "user_presence", "user_session", "user_status"].map((name) => `cache:${name}:ada`);
  // Typing is forgotten by itself, maybe before this line.
  const typing = `cache:typing:${roomId}:ada`;
  assert.deepEqual(new Set(held.keys).add(typing), new Set([...caches, typing, socket, "user_socket:ada"]));
  assert.deepEqual([held.members, held.entries], [[["active_users", "ada"]], [[`room:${roomId}`, 1]]]);

  await logOut(ada);

  await notice(ben, "Ada logged out");
  await systemMessage(ben, "Ada logged out");
  await untilPeople(ben, ["Ben (you)"]);
  assert.equal(await ben.getByText("Ada is typing …").count(), 0);
  await socketClosed;
  assert.deepEqual(await contents(), before);
  assert.deepEqual((await redis.keysOf("ada")).concat(await keysWith("sio:session:")), []);
  const [last] = await redis.client.zRange(`room_messages:${roomId}`, -1, -1);
  assert.equal(JSON.parse((await redis.client.get(`message:${last}`))!).content, "Ada left");
});

test("the page of whoever logs out forgets the room, and shows that Redis has too", async () => {
  const { code } = await benInRoom();
  const ada = await adaJoins(code);
  await say(ada, "a secret");
  await ada.locator(".inspector").getByText("cache:user_session:ada").waitFor();
  await logOut(ada);
  await notice(ada, "You are logged out.");
  await ada.getByText("Nothing is left of you.").waitFor();
  assert.equal(await ada.getByText("a secret").count(), 0);
  assert.equal(await ada.getByRole("log").count(), 0);
  assert.equal(await ada.locator(".inspector li").count(), 0);
  assert.deepEqual(await ada.evaluate(() => [document.cookie, sessionStorage.length, localStorage.length]), ["", 0, 0]);
  assert.deepEqual(await ada.context().cookies(), []);
});

test("the server's log tells of the logout", async () => {
  const ada = await visit();
  await signIn(ada, "Ada");
  await logOut(ada);
  await until("Redis holds nothing of her", async () => (await redis.keysOf("ada")).length === 0);
  const log = await redis.log();
  for (const line of ["=== USER LOGOUT DETECTED ===", "=== CLEANING UP USER LOGOUT ===", "SUCCESS: User logout cleanup completed"]) {
    assert.ok(log.includes(line), line);
  }
});

test("logging in again is clean", async () => {
  const { ben, code } = await benInRoom();
  const ada = await adaJoins(code);
  await logOut(ada);
  await untilPeople(ben, ["Ben (you)"]);
  await signIn(ada, "Ada");
  await ada.getByRole("heading", { name: "Where to?" }).waitFor();
  assert.equal(await ada.getByRole("log").count(), 0);
  const { removed, live } = await post(`${app.url}/api/inspect`, {}, { cookie: await cookieOf(ada) }).then((answer) => answer.body);
  // Five keys of the user's, one of the connection's, and a place among the active users.
  assert.deepEqual([removed, live], [7, true]);
  await joinRoom(ada, code);
  await untilPeople(ben, ["Ben (you)", "Ada"]);
  await say(ada, "here again");
  await systemMessage(ben, "here again");
});

async function cookieOf(page: Page): Promise<string> {
  return (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
}

test("whoever closes the browser is a ghost, until the sweep", async () => {
  const { ben, code, roomId } = await benInRoom();
  const before = await contents();
  const ada = await adaJoins(code);
  await ada.context().close();
  await untilPeople(ben, ["Ben (you)", "Ada away"]);
  assert.deepEqual((await redis.keysOf("ada")).filter((key) => !key.startsWith("cache:")), ["user_socket:ada"]);
  assert.equal(await redis.client.sendCommand(["SESSION.SWEEP"]), 1);
  await notice(ben, "Ada lost the connection");
  await systemMessage(ben, "Ada lost the connection");
  await untilPeople(ben, ["Ben (you)"]);
  // Her browser may come back without signing in again.
  const { "cache:user_session:ada": cookie, ...now } = await contents();
  assert.deepEqual(now, before);
  assert.ok(cookie);
  assert.equal(await redis.client.exists(`cache:typing:${roomId}:ada`), 0);
});

test("a page that is loaded again is back in its room", async () => {
  const { ben, code } = await benInRoom();
  const ada = await adaJoins(code);
  await ada.reload();
  await ada.getByRole("log").waitFor();
  await untilPeople(ben, ["Ben (you)", "Ada"]);
  assert.equal(await ben.getByRole("log").getByText("Ada joined").count(), 1);
});

test("a late request to log out does not end the session that began after it", async () => {
  const ada = await visit();
  await signIn(ada, "Ada");
  const held = new Promise<() => Promise<void>>((resolve) => void ada.route("**/api/logout", (route) => resolve(() => route.continue())));
  await logOut(ada);
  const release = await held;
  await until("the socket server has logged her out", async () => (await redis.keysOf("ada")).length === 0);
  await signIn(ada, "Ada");
  const before = await contents();
  const late = ada.waitForResponse("**/api/logout");
  await release();
  assert.deepEqual(await (await late).json(), { success: true, userId: "ada", removed: 0 });
  assert.deepEqual(await contents(), before);
  assert.equal(await ada.getByRole("heading", { name: "Where to?" }).count(), 1);
  const code = await makeRoom(ada, "Still here");
  assert.match(code, /^[A-Z2-9]{6}$/);
});

test("the page cannot log out somebody else", async () => {
  const { ben, code } = await benInRoom();
  const eve = await adaJoins(code);
  const before = await contents();
  const status = await eve.evaluate(async () => {
    const response = await fetch("/api/logout", { method: "POST", body: JSON.stringify({ userId: "ben" }) });
    return response.status;
  });
  assert.equal(status, 403);
  assert.deepEqual(await contents(), before);
  await say(ben, "still here");
});

test("a client whose network drops comes back as it was", async () => {
  const { ben, code } = await benInRoom();
  const between = await network(app.port);
  try {
    const ada = await adaJoins(code, between.url);
    await say(ben, "before");
    await systemMessage(ada, "before");
    const before = await sockets();
    between.cut();
    await untilPeople(ben, ["Ben (you)", "Ada away"]);
    await say(ben, "meanwhile");
    assert.equal((await keysWith("sio:session:")).length, 1);
    between.mend();
    await systemMessage(ada, "meanwhile");
    await untilPeople(ben, ["Ben (you)", "Ada"]);
    // Recovered: it is the connection that it was.
    assert.deepEqual(await sockets(), before);
  } finally {
    between.close();
  }
});

test("a client whose network drops before the logout is not recovered after it", async () => {
  const { ben, code } = await benInRoom();
  const before = await contents();
  const between = await network(app.port);
  try {
    const ada = await adaJoins(code, between.url);
    await say(ben, "before");
    await systemMessage(ada, "before");
    between.cut();
    await untilPeople(ben, ["Ben (you)", "Ada away"]);
    assert.equal((await keysWith("sio:session:")).length, 1);
    const answer = await post(`${app.url}/api/logout`, { userId: "ada" }, { authorization: `Bearer ${SECRET}` });
    assert.equal(answer.status, 200);
    assert.deepEqual(await contents(), before);
    between.mend();
    await notice(ada, "You were logged out on another device.");
    await ada.getByLabel("Your name").waitFor();
    await untilPeople(ben, ["Ben (you)"]);
    assert.deepEqual(await contents(), before);
  } finally {
    between.close();
  }
});

test("a logout on one device ends the others too", async () => {
  const laptop = await visit();
  await signIn(laptop, "Ada");
  const code = await makeRoom(laptop, "Tea");
  const phone = await adaJoins(code);
  await logOut(phone);
  await notice(laptop, "You were logged out on another device.");
  await laptop.getByLabel("Your name").waitFor();
  assert.deepEqual(await redis.keysOf("ada"), []);
});

test("another tab of the same browser is logged out with the first", async () => {
  const first = await visit();
  await signIn(first, "Ada");
  const second = await first.context().newPage();
  await second.goto(app.url);
  await second.getByText("connected", { exact: true }).waitFor();
  await logOut(first);
  await second.getByLabel("Your name").waitFor();
  await until("Redis holds nothing of her", async () => (await redis.keysOf("ada")).length === 0);
});

/** While this runs, Redis refuses what the application writes and logs out by. */
async function whileRefused(step: () => Promise<void>): Promise<void> {
  await redis.client.sendCommand(["ACL", "SETUSER", "default", "-eval"]);
  try {
    await step();
  } finally {
    await redis.client.sendCommand(["ACL", "SETUSER", "default", "+eval"]);
  }
}

test("a logout that Redis does not take at once follows", async () => {
  const ada = await visit();
  await signIn(ada, "Ada");
  await whileRefused(async () => {
    await logOut(ada);
    await notice(ada, "The server cannot be reached. Your logout follows as soon as it can.");
    await ada.getByLabel("Your name").waitFor();
    assert.notDeepEqual(await redis.keysOf("ada"), []);
  });
  await ada.getByText("Nothing is left of you.").waitFor();
  assert.deepEqual(await redis.keysOf("ada"), []);
});

test("a page that Redis does not let in at once tries again", async () => {
  const ada = await visit();
  await whileRefused(async () => {
    await ada.getByLabel("Your name").fill("Ada");
    await ada.getByRole("button", { name: "Sign in" }).click();
    await until("it was refused", () => app.said().includes("NOPERM"));
    await ada.getByText("connecting …").waitFor();
  });
  await ada.getByText("connected", { exact: true }).waitFor();
  assert.equal((await sockets()).length, 1);
});

test("everything can be done with the keyboard", async () => {
  const ada = await visit();
  const { keyboard } = ada;
  const focused = () => ada.evaluate(() => (document.activeElement as HTMLElement).innerText);
  // The page begins with the focus in the field.
  await ada.getByLabel("Your name").waitFor();
  await keyboard.type("Ada");
  await keyboard.press("Enter");
  await ada.getByText("connected", { exact: true }).waitFor();
  assert.equal(await focused(), "Where to?");
  // The code, Join, and the name of a room.
  for (let time = 0; time < 3; time++) await keyboard.press("Tab");
  await keyboard.type("Tea");
  await keyboard.press("Enter");
  await ada.getByRole("log").waitFor();
  assert.equal(await focused(), "Tea");
  // Copy, Leave, the messages, and the field.
  for (let time = 0; time < 4; time++) await keyboard.press("Tab");
  await keyboard.type("hello");
  await keyboard.press("Enter");
  await systemMessage(ada, "hello");
  await ada.getByRole("button", { name: "Log out" }).focus();
  await keyboard.press("Enter");
  await ada.getByLabel("Your name").waitFor();
  assert.ok(await ada.getByLabel("Your name").evaluate((field) => field === document.activeElement));
});

/** What axe finds: names, roles, contrasts and more. */
async function flaws(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core") });
  const { violations } = await page.evaluate(() => (globalThis as any).axe.run());
  return violations.map((one: any) => `${one.help}: ${one.nodes.map((node: any) => node.html).join(" ")}`);
}

/** Texts of the page's head that reach into what stands beside them. */
async function overlaps(page: Page): Promise<string[]> {
  return page.locator(".who > *").evaluateAll((texts) => {
    const limit = document.querySelector(".me button")?.getBoundingClientRect().left ?? Infinity;
    return texts.filter((text) => text.getBoundingClientRect().right > limit).map((text) => text.textContent ?? "");
  });
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`every view is accessible, and fits a narrow window, in ${colorScheme}`, async () => {
    const ada = await visit(app.url, { width: 360, height: 640, colorScheme });
    const look = async (view: string) => {
      assert.deepEqual(await flaws(ada), [], view);
      assert.equal(await ada.evaluate(() => document.documentElement.scrollWidth), 360, view);
      assert.deepEqual(await overlaps(ada), [], view);
    };
    await ada.getByLabel("Your name").waitFor();
    await look("sign-in");
    await signIn(ada, "Ada of a Name As Long as Names May Be 12");
    await look("lobby");
    await ada.getByLabel("Code").fill("NOSUCH");
    await ada.getByRole("button", { name: "Join" }).click();
    await ada.getByText("There is no room with this code.").waitFor();
    await look("lobby with a problem");
    await makeRoom(ada, "A room whose name is one very long word: Donaudampfschiff");
    await say(ada, "w".repeat(200));
    await look("room");
    await logOut(ada);
    await ada.getByText("Nothing is left of you.").waitFor();
    await look("after the logout");
  });
}

test("nothing is loaded from elsewhere", async () => {
  const elsewhere: string[] = [];
  const ada = await visit("about:blank");
  ada.on("request", (request) => {
    if (!request.url().startsWith(app.url)) elsewhere.push(request.url());
  });
  await ada.goto(app.url);
  await signIn(ada, "Ada");
  await makeRoom(ada, "Tea");
  assert.deepEqual(elsewhere, []);
});
