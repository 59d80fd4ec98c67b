import { createClient } from "redis";

export type Redis = ReturnType<typeof connect>;

// Next bundles each route apart from the socket server, so a variable of this module would be there several times.
const shared = globalThis as { easyshareRedis?: Redis };

/** A client of the server that `REDIS_URL` names. */
export function connect(options: { failAtOnce?: boolean } = {}) {
  const client = createClient({
    url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379",
    // The Socket.IO adapter reads streams as this version of the protocol answers them.
    RESP: 2,
    // A person who waits for an answer is told that Redis is away, instead of waiting until it is back.
    disableOfflineQueue: options.failAtOnce ?? false,
    socket: { reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2000) },
  });
  client.on("error", (error: Error) => console.error(`redis: ${error.message}`));
  return client;
}

/** The client that the services share. It connects by itself, again and again. */
export function redis(): Redis {
  if (!shared.easyshareRedis) {
    shared.easyshareRedis = connect({ failAtOnce: true });
    shared.easyshareRedis.connect().catch(() => {}); // The listener above has said it.
  }
  return shared.easyshareRedis;
}
