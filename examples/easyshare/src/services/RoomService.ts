import { randomBytes, randomInt } from "node:crypto";

import { keys, SECONDS } from "../lib/keys.ts";
import type { Redis } from "../lib/redis.ts";
import type { Participant, Room, User } from "../types.ts";
import { SignedOut, type UserSessionService } from "./UserSessionService.ts";

/** Without letters and digits that look alike. */
const LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";
const CODE_LENGTH = 6;

/** How often a change is tried while others change the same room. */
const TRIES = 20;

// A room is one document, which several people and the module change. A change counts only if the room is what it was when the
// change was thought of, and if the session is still open.
const REPLACE = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return -1 end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'KEEPTTL')
return 1`;

/** Rooms and who is in them. People leave by `UserSessionService`, as the module takes them out. */
export class RoomService {
  private readonly redis: Redis;
  private readonly sessions: UserSessionService;

  constructor(redis: Redis, sessions: UserSessionService) {
    this.redis = redis;
    this.sessions = sessions;
  }

  /** Makes a room that nobody is in. @throws SignedOut */
  async create(user: User, name: string): Promise<Room> {
    const room: Room = { id: newId(), code: await this.newCode(), name, createdAt: Date.now(), participants: [] };
    await this.sessions.write(user, [
      ["SET", keys.room(room.id), JSON.stringify(room), "EX", String(SECONDS.room)],
      ["SET", keys.roomCode(room.code), room.id, "EX", String(SECONDS.room)],
      ["SADD", keys.activeRooms, room.id],
    ]);
    return room;
  }

  async get(roomId: string): Promise<Room | null> {
    const text = await this.redis.get(keys.room(roomId));
    return text === null ? null : (JSON.parse(text) as Room);
  }

  /** The id of the room with this code, in upper or lower case. */
  async find(code: string): Promise<string | null> {
    return this.redis.get(keys.roomCode(code.trim().toUpperCase()));
  }

  /** Puts the user into the room, or marks that the user is back. Null if there is no such room. @throws SignedOut */
  async join(user: User, roomId: string): Promise<{ room: Room; isNew: boolean } | null> {
    const now = Date.now();
    const { userId, userName, userImage } = user;
    let isNew = false;
    const room = await this.update(user, roomId, (participants) => {
      const known = participants.find((one) => one.userId === userId);
      isNew = known === undefined;
      const joinedAt = known?.joinedAt ?? now;
      const participant = { userId, userName, userImage, joinedAt, isOnline: true, lastSeen: now };
      return isNew ? [...participants, participant] : participants.map((one) => (one === known ? participant : one));
    });
    return room && { room, isNew };
  }

  /** Marks that the user has no connection at the moment. Null if the room is gone. @throws SignedOut */
  async markAway(user: User, roomId: string): Promise<Room | null> {
    const away = (one: Participant) => ({ ...one, isOnline: false, lastSeen: Date.now() });
    return this.update(user, roomId, (participants) =>
      participants.map((one) => (one.userId === user.userId ? away(one) : one)),
    );
  }

  private async update(user: User, roomId: string, change: (_: Participant[]) => Participant[]): Promise<Room | null> {
    const names = [keys.userSession(user.userId), keys.room(roomId)];
    for (let tried = 0; tried < TRIES; tried++) {
      const before = await this.redis.get(keys.room(roomId));
      if (before === null) return null;
      const room = JSON.parse(before) as Room;
      room.participants = change(room.participants);
      const done = await this.redis.eval(REPLACE, { keys: names, arguments: [user.sessionId, before, JSON.stringify(room)] });
      if (done === -1) throw new SignedOut();
      if (done === 1) return room;
    }
    throw new Error("Too many people change this room at once. Try again.");
  }

  private async newCode(): Promise<string> {
    const code = Array.from({ length: CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join("");
    return (await this.find(code)) === null ? code : this.newCode();
  }
}

export function newId(): string {
  return randomBytes(8).toString("hex");
}
