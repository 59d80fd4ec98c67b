import { type Redis, redis } from "../lib/redis.ts";
import { MessageService } from "./MessageService.ts";
import { RoomService } from "./RoomService.ts";
import { UserSessionService } from "./UserSessionService.ts";

/** The services, on the shared client or another one. */
export function services(client: Redis = redis()) {
  const sessions = new UserSessionService(client);
  return { sessions, rooms: new RoomService(client, sessions), messages: new MessageService(client, sessions) };
}

export type Services = ReturnType<typeof services>;
