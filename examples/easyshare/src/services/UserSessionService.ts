import { providerEndsSessions } from "../auth.ts";
import { keys, SECONDS } from "../lib/keys.ts";
import type { Redis } from "../lib/redis.ts";
import type { SocketData, Traces, User } from "../types.ts";

/** A Redis command: its name and arguments. */
export type Command = string[];

// Whoever is logged out while a request of theirs is under way must not be written again by it. So all writes go through this:
// they take place in the same step in which the session is seen to be open.
const WRITE = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
for _, command in ipairs(cjson.decode(ARGV[2])) do redis.call(unpack(command)) end
return 1`;

// A logout that comes late finds its session closed, and leaves alone the one that the user began since.
const LOGOUT = `
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 0 end
return redis.call('SESSION.LOGOUT', ARGV[1], 'REASON', ARGV[3])`;

/** A write was refused because the session is over. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";

  constructor() {
    super("You were logged out. Sign in again.");
  }
}

/** What Redis holds of people who are signed in. Every method fails as the Redis client does if Redis is away. */
export class UserSessionService {
  private readonly redis: Redis;

  constructor(redis: Redis) {
    this.redis = redis;
  }

  /** Opens a session. A user may have several, one in each browser. */
  async open(user: User): Promise<void> {
    const key = keys.userSession(user.userId);
    const transaction = this.redis.multi().hSet(key, user.sessionId, String(Date.now()));
    await transaction.expire(key, SECONDS.session).exec();
  }

  async isOpen(user: User): Promise<boolean> {
    if (providerEndsSessions) return true;
    return (await this.redis.hExists(keys.userSession(user.userId), user.sessionId)) === 1;
  }

  /** Notes a connection of the user's. @throws SignedOut */
  async authenticate(user: User, socketId: string, roomId = ""): Promise<void> {
    if (providerEndsSessions) await this.open(user);
    const { sessionId: _, ...person } = user;
    const data: SocketData = { ...person, roomId };
    await this.write(user, [
      ["SET", keys.socketData(socketId), JSON.stringify(data), "EX", String(SECONDS.session)],
      ["SET", keys.userSocket(user.userId), socketId, "EX", String(SECONDS.session)],
      ["SADD", keys.activeUsers, user.userId],
      ["EXPIRE", keys.activeUsers, String(SECONDS.session)],
      ["SET", keys.userStatus(user.userId), "online", "EX", String(SECONDS.session)],
      ...activity(user.userId),
    ]);
  }

  /** Notes the room that a connection is in; empty is none. @throws SignedOut */
  async updateRoom(user: User, socketId: string, roomId: string): Promise<void> {
    const { sessionId: _, ...person } = user;
    const data: SocketData = { ...person, roomId };
    // A connection that is gone meanwhile stays so: XX.
    await this.write(user, [
      ["SET", keys.socketData(socketId), JSON.stringify(data), "XX", "KEEPTTL"],
      ...activity(user.userId),
    ]);
  }

  /** Notes that the user types in a room, or does no more. It is forgotten by itself. @throws SignedOut */
  async updateTyping(user: User, roomId: string, isTyping: boolean): Promise<void> {
    const key = keys.typing(roomId, user.userId);
    await this.write(user, [isTyping ? ["SET", key, "1", "EX", String(SECONDS.typing)] : ["DEL", key]]);
  }

  /** Notes that the user did something. @throws SignedOut */
  async updateActivity(user: User): Promise<void> {
    await this.write(user, activity(user.userId));
  }

  /**
   * Forgets a connection that is closed, and nothing else: a page that is loaded again is back in a moment. Whoever is not is a
   * ghost, which the module's sweep removes. Returns whether the user goes on with another connection.
   */
  async disconnected(user: User, socketId: string): Promise<boolean> {
    await this.redis.del(keys.socketData(socketId));
    return (await this.inspect(user.userId)).live;
  }

  /** What a logout of the user would remove. */
  async inspect(userId: string): Promise<Traces> {
    return traces((await this.redis.sendCommand(["SESSION.INSPECT", userId])) as unknown[]);
  }

  /**
   * Takes the user out of one room. Others there hear of it, and find it in the room's history, as at a logout. Returns the
   * number of traces that were removed.
   */
  async leaveRoom(userId: string, roomId: string): Promise<number> {
    const part = ["WHERE", "roomId", roomId, "REASON", "left"];
    return Number(await this.redis.sendCommand(["SESSION.LOGOUT", userId, ...part]));
  }

  /**
   * Logs the user out, everywhere: removes every trace, tells the others in the room, stores the system message, and closes the
   * sockets, all by one command. With the id of a session it does so only if that session is still open. Returns the number of
   * traces that were removed: 0 if the user was logged out before.
   */
  async cleanupUserLogout(userId: string, sessionId?: string, reason = "logout"): Promise<number> {
    if (sessionId === undefined) {
      return Number(await this.redis.sendCommand(["SESSION.LOGOUT", userId, "REASON", reason]));
    }
    const guard = { keys: [keys.userSession(userId)], arguments: [userId, sessionId, reason] };
    return Number(await this.redis.eval(LOGOUT, guard));
  }

  /** Runs the commands in one step, if the user's session is open in that step. @throws SignedOut */
  async write(user: User, commands: Command[]): Promise<void> {
    const guard = { keys: [keys.userSession(user.userId)], arguments: [user.sessionId, JSON.stringify(commands)] };
    if ((await this.redis.eval(WRITE, guard)) !== 1) throw new SignedOut();
  }
}

function activity(userId: string): Command[] {
  const now = String(Date.now());
  return [keys.activity(userId), keys.userPresence(userId)].map((key) => ["SET", key, now, "EX", String(SECONDS.activity)]);
}

/** The reply is a list of names and values. */
function traces(reply: unknown[]): Traces {
  const fields = Object.fromEntries(reply.flatMap((name, at) => (at % 2 === 0 ? [[name, reply[at + 1]]] : [])));
  return { ...fields, live: fields.live === 1 } as Traces;
}
