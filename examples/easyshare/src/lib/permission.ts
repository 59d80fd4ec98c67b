// Who may log somebody out, or see what Redis holds of them, without being signed in any more.

import { timingSafeEqual } from "node:crypto";

import type { User } from "../types.ts";
import { sign, verify } from "./signature.ts";

const PURPOSE = "logout";
const DAY = 86400;

/** A session, as far as its permission names it. */
export type Session = Pick<User, "userId" | "sessionId">;

/** What a page gets while it is signed in, to log that session out when the provider knows it no more. */
export async function logoutToken({ userId, sessionId }: User): Promise<string> {
  return sign(PURPOSE, { userId, sessionId }, DAY);
}

/** The session that a logout token names; null if the token is not ours. */
export async function sessionOf(token: unknown): Promise<Session | null> {
  return typeof token === "string" ? verify<Session>(PURPOSE, token) : null;
}

/** Whether the caller knows the secret that other services share with this one: `Authorization: Bearer ...`. */
export function isTrusted(headers: Headers): boolean {
  const secret = process.env.LOGOUT_SECRET;
  if (!secret) return false;
  const [given, wanted] = [headers.get("authorization") ?? "", `Bearer ${secret}`].map((text) => Buffer.from(text));
  return given!.length === wanted!.length && timingSafeEqual(given!, wanted!);
}
