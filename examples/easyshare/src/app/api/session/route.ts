// The stand-in's sign-in, called by `src/auth.ts` alone. It goes when a real provider comes.

import { auth, begin, end } from "../../../auth.ts";
import { bodyOf, refuse, withRedis } from "../../../lib/http.ts";
import { services } from "../../../services/index.ts";

const LONGEST_NAME = 40;

/** Who is signed in. */
export async function GET(request: Request): Promise<Response> {
  return withRedis("nobody knows whether you are signed in", async () => {
    const user = await auth(request.headers);
    return Response.json({ user: user && (await services().sessions.isOpen(user)) ? user : null });
  });
}

/** Signs in: `{ name }`. */
export async function POST(request: Request): Promise<Response> {
  const { name } = await bodyOf(request);
  const text = typeof name === "string" ? name.trim() : "";
  if (text === "" || text.length > LONGEST_NAME) return refuse(400, `Give a name of 1 to ${LONGEST_NAME} characters.`);
  return withRedis("you are not signed in", async () => {
    const { user, cookie } = await begin(text);
    await services().sessions.open(user);
    return Response.json({ user }, { headers: { "set-cookie": cookie } });
  });
}

/** Ends the session in the browser. */
export function DELETE(): Response {
  return Response.json({ user: null }, { headers: { "set-cookie": end() } });
}
