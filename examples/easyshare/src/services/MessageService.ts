import { HISTORY, keys, SECONDS } from "../lib/keys.ts";
import type { Redis } from "../lib/redis.ts";
import type { Message, User } from "../types.ts";
import { newId } from "./RoomService.ts";
import type { UserSessionService } from "./UserSessionService.ts";

/** What was said in rooms. That somebody left is written by the module: see `then` in `layout.json`. */
export class MessageService {
  private readonly redis: Redis;
  private readonly sessions: UserSessionService;

  constructor(redis: Redis, sessions: UserSessionService) {
    this.redis = redis;
    this.sessions = sessions;
  }

  /** Stores what the user says. @throws SignedOut */
  async say(user: User, roomId: string, content: string): Promise<Message> {
    const { userId, userName } = user;
    return this.store(user, { ...this.begin(roomId), userId, type: "text", userName, content });
  }

  /** Stores that the user came into the room. @throws SignedOut */
  async sayJoined(user: User, roomId: string): Promise<Message> {
    const { userId: subject, userName } = user;
    const content = `${userName} joined`;
    return this.store(user, { ...this.begin(roomId), userId: "system", type: "join", userName, subject, content });
  }

  /** The last messages of a room, the oldest first. */
  async history(roomId: string): Promise<Message[]> {
    const ids = await this.redis.zRange(keys.roomMessages(roomId), -HISTORY, -1);
    if (ids.length === 0) return [];
    const texts = await this.redis.mGet(ids.map(keys.message));
    // The list of a room outlives its messages, which expire.
    return texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as Message]));
  }

  private begin(roomId: string) {
    return { id: newId(), roomId, timestamp: Date.now() };
  }

  private async store(user: User, message: Message): Promise<Message> {
    const { id, roomId, timestamp } = message;
    await this.sessions.write(user, [
      ["SET", keys.message(id), JSON.stringify(message), "EX", String(SECONDS.message)],
      ["ZADD", keys.roomMessages(roomId), String(timestamp), id],
      ["INCR", keys.messageCount(roomId)],
    ]);
    return message;
  }
}
