// Who is signed in: `auth()` on the server and `useUser()` in the browser, as sign-in providers offer them. This one is a stand-in
// that believes everybody's name and asks for no password. A real provider is put in by replacing this file: the README says how.

// As a whole, because the server's React has no hooks and would refuse their names.
import * as React from "react";

import { sign, verify } from "./lib/signature.ts";
import type { User } from "./types.ts";

/**
 * Whether `auth()` knows that a session was ended. This stand-in's cookies are valid for a day, whatever happens, so Redis holds
 * which sessions are open. A real provider keeps that itself.
 */
export const providerEndsSessions = false;

// --- on the server ----------------------------------------------------------------------------------------------------------

const COOKIE = "easyshare_session";
const DAY = 86400;
const ATTRIBUTES = "Path=/; HttpOnly; SameSite=Lax";

/** Who sent a request with these headers; null if nobody is signed in. */
export async function auth(headers: Headers): Promise<User | null> {
  const cookies = (headers.get("cookie") ?? "").split(/; */);
  const cookie = cookies.find((one) => one.startsWith(`${COOKIE}=`));
  return cookie === undefined ? null : verify<User>("session", cookie.slice(COOKIE.length + 1));
}

/** A session for somebody of this name, and the header `Set-Cookie` that begins it. The same name is the same user. */
export async function begin(name: string): Promise<{ user: User; cookie: string }> {
  const user = { userId: userIdOf(name), sessionId: crypto.randomUUID(), userName: name, userImage: "", email: "" };
  return { user, cookie: `${COOKIE}=${await sign("session", user, DAY)}; Max-Age=${DAY}; ${ATTRIBUTES}` };
}

/** The header `Set-Cookie` that ends the session in the browser. */
export function end(): string {
  return `${COOKIE}=; Max-Age=0; ${ATTRIBUTES}`;
}

/** Ids hold no `:`, which separates the parts of keys. */
function userIdOf(name: string): string {
  const words = name.normalize("NFKC").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["somebody"];
  return words.join("-");
}

// --- in the browser ---------------------------------------------------------------------------------------------------------

interface Known {
  isLoaded: boolean;
  user: User | null;
}

let known: Known = { isLoaded: false, user: null };
const listeners = new Set<() => void>();
const UNKNOWN = known;

// The other tabs of this browser share the cookie, so they hear of every change.
const CHANNEL = "easyshare-auth";
let tabs: BroadcastChannel | undefined;

/** Who is signed in here: nobody is known before `isLoaded`, and `user` is null when nobody is. */
export function useUser(): Known {
  const now = () => known;
  return React.useSyncExternalStore(subscribe, now, () => UNKNOWN);
}

/** Signs in by name. @throws Error that says what to do, in words for people */
export async function signIn(name: string): Promise<void> {
  learn((await request("POST", { name })).user);
  tabs?.postMessage("changed");
}

/** Ends the session in this browser. What Redis holds of the user is the application's to remove. */
export async function signOut(): Promise<void> {
  await request("DELETE");
  learn(null);
  tabs?.postMessage("changed");
}

/** Asks the server again who is signed in. @throws Error if it does not answer */
export async function reload(): Promise<User | null> {
  const { user } = await request("GET");
  learn(user);
  return user;
}

function subscribe(listener: () => void): () => void {
  if (tabs === undefined) {
    tabs = new BroadcastChannel(CHANNEL);
    tabs.onmessage = () => void reload().catch(() => {});
    reload().catch(() => learn(null));
  }
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function learn(user: User | null): void {
  if (known.isLoaded && user?.sessionId === known.user?.sessionId) return;
  known = { isLoaded: true, user };
  for (const listener of listeners) listener();
}

async function request(method: string, body?: object): Promise<{ user: User | null }> {
  const response = await fetch("/api/session", { method, body: body && JSON.stringify(body), cache: "no-store" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
