import { auth } from "../../../auth.ts";
import { bodyOf, refuse, withRedis } from "../../../lib/http.ts";
import { sessionOf } from "../../../lib/permission.ts";
import { services } from "../../../services/index.ts";

/**
 * What Redis holds about the caller. After a logout the body's `token` says who that was, so that the page can show that nothing
 * is left.
 */
export async function POST(request: Request): Promise<Response> {
  const { token } = await bodyOf(request);
  const session = (await auth(request.headers)) ?? (await sessionOf(token));
  if (session === null) return refuse(403, "Sign in to see what Redis holds about you.");
  return withRedis("nobody knows what it holds", async () =>
    Response.json(await services().sessions.inspect(session.userId)),
  );
}
