// @fastify/session with connect-redis: store.mjs PORT

import { EventEmitter, once } from "node:events";

import fastifyCookie from "@fastify/cookie";
import fastifySession from "@fastify/session";
import { RedisStore } from "connect-redis";
import fastify from "fastify";
import { createClient } from "redis";

import { serve } from "../serve.mjs";

const client = await createClient({ url: `redis://127.0.0.1:${process.argv[2]}` }).connect();

/** What a request in flight says when it has read its session, and waits for before it is done. */
const flight = new EventEmitter();

const app = fastify();
app.register(fastifyCookie);
app.register(fastifySession, {
  secret: "a secret that is long enough for a session",
  store: new RedisStore({ client }),
  saveUninitialized: false,
  cookie: { secure: false },
});
app.get("/visit", async (request) => {
  request.session.cart = ["tea"];
  return null;
});
app.get("/login/:user", async (request) => {
  await request.session.regenerate();
  request.session.userId = request.params.user;
  return null;
});
app.get("/who", async (request) => ({ user: request.session.userId ?? null }));
// Its session is written though it did not change: that is how it comes.
app.get("/slow", async () => {
  flight.emit("begun");
  await once(flight, "may end");
  return null;
});

/** The cookie of each session. */
const cookies = new Map();

const get = (url, cookie = "") => app.inject({ url, headers: { cookie } });

/** Opens a page and keeps the new cookie, `ID.SIGNATURE`, by its session's id. */
async function open(page, cookie) {
  const [given] = (await get(page, cookie)).cookies;
  const [id] = given.value.split(".");
  cookies.set(id, `${given.name}=${encodeURIComponent(given.value)}`);
  return id;
}

let inFlight;

await serve({
  /** A visitor's session. */
  guest: () => open("/visit"),
  /** A visitor who logs in, by a browser that may still have the cookie of a session that is over. */
  login: async (user, old) => open(`/login/${user}`, cookies.get(await open("/visit", cookies.get(old)))),
  /** Whom the application takes the browser for. */
  who: async (id) => (await get("/who", cookies.get(id))).json().user,
  /** A request that has read its session, and is not done yet. */
  begin: async (id) => {
    const begun = once(flight, "begun");
    inFlight = get("/slow", cookies.get(id));
    // An injected request begins when it is waited for.
    inFlight.then(() => undefined);
    await begun;
  },
  /** The request is done, and its session is written. */
  end: async () => {
    flight.emit("may end");
    await inFlight;
  },
});
