// The socket server. Nothing here removes traces, tells others of a logout or closes sockets after it: the module does.

import type { DefaultEventsMap, Server, Socket } from "socket.io";

import { auth } from "../auth.ts";
import { logoutToken } from "../lib/permission.ts";
import type { Services } from "../services/index.ts";
import type { Answer, ClientEvents, Message, RoomView, ServerEvents, User } from "../types.ts";

/** `data` is the user, flat, so that `layout.json` finds whose the connections are that Socket.IO may recover. */
type Data = Partial<User> & { roomId?: string };
export type IO = Server<ClientEvents, ServerEvents, DefaultEventsMap, Data>;
type Connected = Socket<ClientEvents, ServerEvents, DefaultEventsMap, Data>;

const LONGEST_MESSAGE = 2000;
const LONGEST_ROOM_NAME = 60;

/** What was asked for cannot be; says why, in words for people. */
class Refused extends Error {}

/** Serves all who connect. What it returns closes every connection and waits until Redis has heard of that. */
export function serveSockets(io: IO, services: Services): () => Promise<void> {
  const open = new Set<Connection>();
  io.on("connection", (socket) => {
    const connection = new Connection(io, socket, services);
    open.add(connection);
    connection.begin(() => open.delete(connection));
  });
  return async () => {
    const closing = [...open];
    await io.close();
    await Promise.all(closing.map((connection) => connection.last));
  };
}

/** One connection of somebody, who may not have said yet who it is. */
class Connection {
  private readonly io: IO;
  private readonly socket: Connected;
  private readonly services: Services;
  /** What is done last of all that the client has sent. */
  last: Promise<unknown> = Promise.resolve();

  constructor(io: IO, socket: Connected, services: Services) {
    this.io = io;
    this.socket = socket;
    this.services = services;
  }

  begin(ended: () => void): void {
    this.on("user:authenticate", (data) => this.authenticate(data));
    this.on("user:logout", (data) => this.logOut(data));
    this.on("user:typing", (data) => this.type(data));
    this.on("room:create", (data) => this.createRoom(data));
    this.on("room:join", (data) => this.joinRoom(data));
    this.on("room:leave", () => this.leaveRoom());
    this.on("message:send", (data) => this.say(data));
    this.socket.on("disconnect", () => void this.inTurn(() => this.disconnected()).then(ended));
    if (this.socket.recovered) void this.inTurn(() => this.recovered());
  }

  // Only who the cookie says, whatever the message says.
  private async authenticate({ userId }: Given): Promise<{ logoutToken: string }> {
    const user = await auth(new Headers({ cookie: this.socket.handshake.headers.cookie ?? "" }));
    if (user === null) throw new Refused("Sign in first.");
    if (userId !== user.userId) throw new Refused("You are signed in as somebody else.");
    await this.services.sessions.authenticate(user, this.socket.id);
    Object.assign(this.socket.data, user, { roomId: "" });
    await this.socket.join(ownRoom(user.userId));
    return { logoutToken: await logoutToken(user) };
  }

  private async logOut({ userId }: Given): Promise<{ removed: number }> {
    const user = this.user();
    if (userId !== user.userId) throw new Refused("You may log out yourself alone.");
    return { removed: await this.services.sessions.cleanupUserLogout(user.userId, user.sessionId) };
  }

  private async createRoom({ name }: Given): Promise<RoomView> {
    const room = await this.services.rooms.create(this.user(), words(name, LONGEST_ROOM_NAME, "The room's name"));
    return this.enter(room.id);
  }

  private async joinRoom({ code }: Given): Promise<RoomView> {
    const roomId = typeof code === "string" ? await this.services.rooms.find(code) : null;
    if (roomId === null) throw new Refused("There is no room with this code.");
    return this.enter(roomId);
  }

  private async enter(roomId: string): Promise<RoomView> {
    const user = this.user();
    if (this.socket.data.roomId && this.socket.data.roomId !== roomId) await this.leaveRoom();
    const joined = await this.services.rooms.join(user, roomId);
    if (joined === null) throw new Refused("There is no room with this code.");
    await this.services.sessions.updateRoom(user, this.socket.id, roomId);
    this.socket.data.roomId = roomId;
    // This connection gets all of that as its answer.
    if (joined.isNew) this.socket.to(roomId).emit("message:new", await this.services.messages.sayJoined(user, roomId));
    this.socket.to(roomId).emit("room:participants", joined.room.participants);
    await this.socket.join(roomId);
    return { room: joined.room, messages: await this.services.messages.history(roomId) };
  }

  private async leaveRoom(): Promise<object> {
    const user = this.user();
    const roomId = this.room();
    this.socket.data.roomId = "";
    // The user's own tabs are told apart from the others: they are not to see themselves leave.
    this.io.in(ownRoom(user.userId)).socketsLeave(roomId);
    this.socket.to(ownRoom(user.userId)).emit("room:left", roomId);
    await this.services.sessions.leaveRoom(user.userId, roomId);
    await this.services.sessions.updateRoom(user, this.socket.id, "");
    return {};
  }

  private async say({ content }: Given): Promise<{ message: Message }> {
    const [user, roomId] = [this.user(), this.room()];
    const text = words(content, LONGEST_MESSAGE, "A message");
    const message = await this.services.messages.say(user, roomId, text);
    await this.services.sessions.updateActivity(user);
    this.io.to(roomId).emit("message:new", message);
    return { message };
  }

  private async type({ isTyping }: Given): Promise<object> {
    const [user, roomId] = [this.user(), this.room()];
    await this.services.sessions.updateTyping(user, roomId, isTyping === true);
    this.socket.to(roomId).emit("user:typing", { userId: user.userId, isTyping: isTyping === true });
    return {};
  }

  /** The network is back: Socket.IO has given the connection its id, its user and its room again. */
  private async recovered(): Promise<void> {
    const { roomId = "", userId } = this.socket.data;
    // It was not signed in when the network dropped.
    if (userId === undefined) return;
    try {
      await this.services.sessions.authenticate(this.user(), this.socket.id, roomId);
      if (roomId !== "") await this.enter(roomId);
    } catch {
      this.socket.disconnect(true);
    }
  }

  private async disconnected(): Promise<void> {
    const { roomId, userId } = this.socket.data;
    if (userId === undefined) return;
    const user = this.user();
    const goesOn = await this.services.sessions.disconnected(user, this.socket.id);
    if (goesOn || !roomId || !(await this.services.sessions.isOpen(user))) return;
    const room = await this.services.rooms.markAway(user, roomId);
    if (room !== null) this.io.to(roomId).emit("room:participants", room.participants);
  }

  private user(): User {
    if (this.socket.data.userId === undefined) throw new Refused("Sign in first.");
    return this.socket.data as User;
  }

  private room(): string {
    if (!this.socket.data.roomId) throw new Refused("Join a room first.");
    return this.socket.data.roomId;
  }

  /** Answers an event with what the handler returns, or with why not. */
  private on(event: keyof ClientEvents, handler: (data: Given) => Promise<object>): void {
    // Clients may send anything.
    const listener = (data: unknown, ack: unknown) => {
      const answer = typeof ack === "function" ? (ack as (answer: Answer) => void) : () => {};
      const given = typeof data === "object" && data !== null ? (data as Given) : {};
      void this.inTurn(async () => answer({ ok: true, ...(await handler(given)) }), (error) => answer({ ok: false, error }));
    };
    this.socket.on(event, listener as never);
  }

  /** One after the other: a client need not wait for an answer before it sends what builds on it. */
  private inTurn(step: () => Promise<unknown>, failed: (error: string) => void = () => {}): Promise<unknown> {
    this.last = this.last.then(step).catch((error: Error) => {
      if (!isForPeople(error)) console.error(error);
      failed(isForPeople(error) ? error.message : "The server cannot do this at the moment. Try again.");
    });
    return this.last;
  }
}

/** What a client sent, which may be anything. */
type Given = Record<string, unknown>;

/** The Socket.IO room of all of a user's own connections. Ids of rooms for people hold no `:`. */
function ownRoom(userId: string): string {
  return `user:${userId}`;
}

function words(text: unknown, longest: number, what: string): string {
  const trimmed = typeof text === "string" ? text.trim() : "";
  if (trimmed === "" || trimmed.length > longest) throw new Refused(`${what} has 1 to ${longest} characters.`);
  return trimmed;
}

function isForPeople(error: Error): boolean {
  return error instanceof Refused || error.name === "SignedOut";
}
