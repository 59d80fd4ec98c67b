// Better Auth with its storage for Redis as secondary storage: store.mjs PORT

import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";

import { redisStorage } from "@better-auth/redis-storage";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { Redis } from "ioredis";

import { serve } from "../serve.mjs";

const client = new Redis({ host: "127.0.0.1", port: Number(process.argv[2]) });
const storage = redisStorage({ client });

/** Makes the next write of a session wait until the request in flight may end. */
const flight = new EventEmitter();
let holds = false;

async function set(...args) {
  if (holds) {
    holds = false;
    flight.emit("begun");
    await once(flight, "may end");
  }
  return storage.set(...args);
}

/** The id that the user has who signs up next. */
let nextUser;

const auth = betterAuth({
  secret: "a secret that is long enough for it",
  baseURL: "http://localhost",
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  secondaryStorage: { ...storage, set },
  emailAndPassword: { enabled: true, autoSignIn: false },
  // Each request writes its session anew.
  session: { updateAge: 0 },
  advanced: { database: { generateId: ({ model }) => (model === "user" ? nextUser : randomUUID()) } },
  logger: { disabled: true },
});
const { internalAdapter } = await auth.$context;

/** The cookie of each session. */
const cookies = new Map();

/** What the browser says that has the session's cookie. */
const browser = (id) => new Headers({ cookie: cookies.get(id) ?? "" });

const get = (id) => auth.api.getSession({ headers: browser(id) });

/** Signs up who is not known yet. */
async function account(user) {
  const body = { email: `${user}@example.org`, password: "a password", name: `User ${user}` };
  if (!(await internalAdapter.findUserById(user))) {
    nextUser = user;
    await auth.api.signUpEmail({ body });
  }
  return body;
}

let inFlight;

await serve({
  /** A visitor has no session before the login. */
  guest: () => null,
  /** A user who signs in, by a browser that may still have the cookie of a session that is over. */
  login: async (user, old) => {
    const request = { body: await account(user), headers: browser(old), returnHeaders: true };
    const { headers, response } = await auth.api.signInEmail(request);
    cookies.set(response.token, headers.getSetCookie()[0].split(";")[0]);
    return response.token;
  },
  /** Whom the application takes the browser for. */
  who: async (id) => (await get(id))?.user.id ?? null,
  /** The user's sessions, as the library lists them. */
  list: async (user) => (await internalAdapter.listSessions(user)).map(({ token }) => token),
  /** A request that has read its session, and is about to write it. */
  begin: async (id) => {
    holds = true;
    const begun = once(flight, "begun");
    inFlight = get(id);
    await begun;
  },
  /** The request writes its session. */
  end: async () => {
    flight.emit("may end");
    await inFlight;
  },
});
