import { auth } from "../../../auth.ts";
import { bodyOf, refuse, withRedis } from "../../../lib/http.ts";
import { isTrusted, type Session, sessionOf } from "../../../lib/permission.ts";
import { services } from "../../../services/index.ts";

/** Whom to log out: a user, and of which session if it is not all the same. */
type Whom = Pick<Session, "userId"> & Partial<Session>;

/**
 * Logs a user out: the one who is signed in, or without one the `userId` of the body. The body then needs the `token` of that
 * user's session, or the request the shared secret, because otherwise anybody could log anybody out. With a token, that session
 * is meant, whoever is signed in by now.
 *
 * The answer is `{ success, userId, removed }`. It is 400 if nobody is named, 403 if the caller may not, 500 if Redis is away.
 */
export async function POST(request: Request): Promise<Response> {
  const whom = await whomFrom(request);
  if (whom instanceof Response) return whom;
  return withRedis("nobody was logged out", async () => {
    const removed = await services().sessions.cleanupUserLogout(whom.userId, whom.sessionId);
    return Response.json({ success: true, userId: whom.userId, removed });
  });
}

async function whomFrom(request: Request): Promise<Whom | Response> {
  const body = await bodyOf(request);
  const userId = typeof body.userId === "string" ? body.userId : "";
  if (userId !== "" && isTrusted(request.headers)) return { userId };
  // A token says which session is meant. The cookie may be that of a newer one: browsers send the cookie that they have when a
  // request goes out at last, not the one that they had when it was made.
  const session = body.token === undefined ? await auth(request.headers) : await sessionOf(body.token);
  if (session === null && userId === "") return refuse(400, "Nobody is signed in, and the body names no userId.");
  if (session === null) return refuse(403, "Only somebody who was signed in as this user may log the user out.");
  if (userId !== "" && userId !== session.userId) return refuse(403, "You may log out yourself alone.");
  return session;
}
