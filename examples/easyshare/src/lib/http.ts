// What the routes of the API have in common.

/** The body of a request: an empty object if it is no JSON object. */
export async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  const body: unknown = await request.json().catch(() => null);
  return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
}

/** Runs a route that needs Redis; if Redis does not do what it should, the answer says so with status 500. */
export async function withRedis(what: string, route: () => Promise<Response>): Promise<Response> {
  try {
    return await route();
  } catch (error) {
    console.error(`${what}:`, error);
    return refuse(500, `Redis cannot be reached, so ${what}. Try again in a moment.`);
  }
}

export function refuse(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
