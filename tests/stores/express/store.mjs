// express-session with connect-redis, and Passport: store.mjs PORT

import { once, EventEmitter } from "node:events";

import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import passport from "passport";
import { Strategy } from "passport-local";
import { createClient } from "redis";

import { serve } from "../serve.mjs";

const client = await createClient({ url: `redis://127.0.0.1:${process.argv[2]}` }).connect();

// Users are numbers here, as in a table of a database.
passport.use(new Strategy((username, _password, done) => done(null, { id: Number(username) })));
passport.serializeUser((user, done) => done(null, user.id));
passport.deserializeUser((id, done) => done(null, { id }));

/** What a request in flight says when it has read its session, and waits for before it is done. */
const flight = new EventEmitter();

const app = express();
app.use(session({ store: new RedisStore({ client }), secret: "secret", resave: false, saveUninitialized: false }));
app.use(passport.authenticate("session"));
app.get("/visit", (request, response) => {
  request.session.cart = ["tea"];
  response.end();
});
app.get("/login", passport.authenticate("local"), (_request, response) => response.end());
app.get("/who", (request, response) => response.json(request.user ? String(request.user.id) : null));
app.get("/slow", async (request, response) => {
  flight.emit("begun");
  await once(flight, "may end");
  request.session.cart = ["milk"];
  response.end();
});
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");

/** The cookie of each session. */
const cookies = new Map();

async function get(page, cookie = "") {
  const response = await fetch(`http://127.0.0.1:${server.address().port}${page}`, { headers: { cookie } });
  if (!response.ok) throw new Error(`${page}: ${response.status}`);
  return response;
}

/** Opens a page and keeps the new cookie, `s:ID.SIGNATURE`, by its session's id. */
async function open(page, cookie) {
  const response = await get(page, cookie);
  const [given] = response.headers.getSetCookie()[0].split(";");
  const id = decodeURIComponent(given).match(/=s:([^.]+)\./)[1];
  cookies.set(id, given);
  return id;
}

let inFlight;

await serve({
  /** A visitor's session. */
  guest: () => open("/visit"),
  /** A visitor who logs in, by a browser that may still have the cookie of a session that is over. */
  login: async (user, old) =>
    open(`/login?username=${user}&password=any`, cookies.get(await open("/visit", cookies.get(old)))),
  /** Whom the application takes the browser for. */
  who: async (id) => (await get("/who", cookies.get(id))).json(),
  /** A request that has read its session, and is not done yet. */
  begin: async (id) => {
    const begun = once(flight, "begun");
    inFlight = get("/slow", cookies.get(id));
    await begun;
  },
  /** The request is done, and its session is written. */
  end: async () => {
    flight.emit("may end");
    await inFlight;
  },
});
