// A Redis server with the module, for one file of tests.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { createClient } from "redis";

const LAYOUT = join(import.meta.dirname, "../../layout.json");
const WAIT = 30_000;

/** Waits for what has to come, however slow the machine is; fails if it does not come at all. */
export async function until(what: string, holds: () => unknown): Promise<void> {
  const end = Date.now() + WAIT;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Has a child end with this process, also when that fails. */
export function endWithUs(child: ChildProcess): void {
  process.once("exit", () => child.kill());
}

/** Ends a child, and waits until it is gone. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

export type TestRedis = Awaited<ReturnType<typeof startRedis>>;

/** Starts a server of its own with the module that `REDIS_SESSION_MODULE` names, on this port or a free one. */
export async function startRedis(chosen?: number) {
  const module = process.env.REDIS_SESSION_MODULE;
  if (!module) throw new Error("REDIS_SESSION_MODULE must name the module that was built");
  const folder = await mkdtemp(join(tmpdir(), "easyshare-"));
  const port = chosen ?? (await freePort());
  const where = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--logfile", join(folder, "log"), "--save", ""];
  // For `contents`.
  where.push("--enable-debug-command", "local");
  const options = ["--loadmodule", module, "layout", LAYOUT, "socketio", "streams"];
  const child = spawn(process.env.REDIS_SESSION_SERVER ?? "redis-server", [...where, ...options], { stdio: "ignore" });
  endWithUs(child);
  const log = () => readFile(join(folder, "log"), "utf8").catch(() => "");
  await until("redis-server is ready", async () => {
    if (child.exitCode !== null) throw new Error(`redis-server ended:\n${await log()}`);
    return (await log()).includes("Ready to accept connections");
  });
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 });
  client.on("error", () => {});
  await client.connect();
  const keys = async () => (await client.keys("*")).filter((key) => key !== "socket.io").sort();
  return {
    port,
    client,
    log,
    /** The names of all keys, in order. What Socket.IO's servers tell each other is nobody's. */
    keys,
    /** Those of them that name a user. Random ids hold short names by chance. */
    keysOf: async (user: string) => (await keys()).filter((key) => new RegExp(`\\b${user}\\b`).test(key)),
    /** Everything that Redis holds: each key with a digest of its value. Expiries are left out. */
    contents: async () => {
      const names = await keys();
      const digests = await Promise.all(names.map((name) => client.sendCommand(["DEBUG", "DIGEST-VALUE", name])));
      return Object.fromEntries(names.map((name, at) => [name, String(digests[at])]));
    },
    /** Ends the server alone, as a crash would. */
    crash: () => end(child),
    stop: async () => {
      client.destroy();
      await end(child);
      await rm(folder, { recursive: true });
    },
  };
}
