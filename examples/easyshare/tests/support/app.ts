// The application, built and started as `npm start` does, and people who speak to it without a browser.

import { spawn } from "node:child_process";
import { join } from "node:path";

import { io, type Socket } from "socket.io-client";

import type { Answer, ClientEvents, ServerEvents } from "../../src/types.ts";
import { end, endWithUs, freePort, until } from "./redis.ts";

export const SECRET = "a secret that other services share with this one";

export type TestApp = Awaited<ReturnType<typeof startApp>>;

/** Starts the application, on the Redis server at this port. */
export async function startApp(redisPort: number) {
  const environment = {
    ...process.env,
    NODE_ENV: "production" as const,
    PORT: String(await freePort()),
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    EASYSHARE_SECRET: "only for tests, and as long as it has to be",
    LOGOUT_SECRET: SECRET,
    NEXT_TELEMETRY_DISABLED: "1",
  };
  const folder = join(import.meta.dirname, "../..");
  const child = spawn(process.execPath, ["--import", "tsx", "server.ts"], { cwd: folder, env: environment });
  endWithUs(child);
  let said = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (text) => (said += text));
  await until("the application listens", () => {
    if (child.exitCode !== null) throw new Error(`the application ended:\n${said}`);
    return said.includes("EasyShare is on");
  });
  return { url: `http://127.0.0.1:${environment.PORT}`, port: Number(environment.PORT), said: () => said, stop: () => end(child) };
}

export type Client = Socket<ServerEvents, ClientEvents>;

/** Sends a request with a JSON body; the answer is its status and its JSON. */
export async function post(url: string, body?: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url, { method: "POST", body: text, headers });
  return { status: response.status, cookie: response.headers.get("set-cookie"), body: await response.json() };
}

/** The cookie of somebody who signs in by name. */
export async function signIn(app: TestApp, name: string): Promise<string> {
  const { cookie } = await post(`${app.url}/api/session`, { name });
  return cookie!.split(";")[0]!;
}

const clients: Client[] = [];

/** A connection that sends this cookie and has not said yet who it is. It notes what it hears as `[event, ...arguments]`. */
export async function connect(app: TestApp, cookie: string): Promise<{ client: Client; heard: unknown[][] }> {
  const client: Client = io(app.url, { extraHeaders: { cookie }, transports: ["websocket"], reconnection: false, forceNew: true });
  clients.push(client);
  const heard: unknown[][] = [];
  // The adapter puts behind the arguments where in its stream the event stands.
  client.onAny((...event) => heard.push(event.filter((one) => !/^\d+-\d+$/.test(String(one)))));
  await until("the client is connected", () => client.connected);
  return { client, heard };
}

export function disconnectAll(): void {
  for (const client of clients.splice(0)) client.disconnect();
}

/** Asks the socket server for something. */
export async function ask(client: Client, event: keyof ClientEvents, data: unknown = {}): Promise<Answer<any>> {
  return (client as Socket).timeout(30_000).emitWithAck(event, data);
}

/** The same, when nothing but success will do. */
export async function must(client: Client, event: keyof ClientEvents, data: unknown = {}): Promise<any> {
  const answer = await ask(client, event, data);
  if (!answer.ok) throw new Error(`${event}: ${answer.error}`);
  return answer;
}

/** Somebody who is signed in and connected. */
export async function enter(app: TestApp, name: string) {
  const cookie = await signIn(app, name);
  const { client, heard } = await connect(app, cookie);
  const userId = name.toLowerCase();
  const { logoutToken } = await must(client, "user:authenticate", { userId });
  return { userId, cookie, client, heard, logoutToken: logoutToken as string };
}
