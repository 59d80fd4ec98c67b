// What the browser and the server tell each other, and what Redis holds.

/** A person who is signed in, in one browser. */
export interface User {
  userId: string;
  /** One sign-in: a browser that signs in again has another one. */
  sessionId: string;
  userName: string;
  /** The address of a picture, or empty. */
  userImage: string;
  email: string;
}

/** What Redis holds of a connection, as `socket_data:{socketId}`; `roomId` is empty outside of rooms. */
export type SocketData = Omit<User, "sessionId"> & { roomId: string };

/** Times are milliseconds since 1970 here and below. */
export interface Participant {
  userId: string;
  userName: string;
  userImage: string;
  joinedAt: number;
  isOnline: boolean;
  lastSeen: number;
}

export interface Room {
  id: string;
  /** What people tell each other to come in. */
  code: string;
  name: string;
  createdAt: number;
  participants: Participant[];
}

export interface Message {
  id: string;
  roomId: string;
  /** The author, or `system`. */
  userId: string;
  type: "text" | "join" | "leave";
  /** The author's name; of a system message that of the person it is about. */
  userName: string;
  /** Whom a system message is about. */
  subject?: string;
  /** Why somebody left: `logout`, `left`, `sweep`, or what a logout gave as its reason. */
  reason?: string;
  content: string;
  timestamp: number;
}

/** What Redis holds about a user: the reply of `SESSION.INSPECT`. */
export interface Traces {
  user: string;
  /** How many traces a logout would remove. */
  removed: number;
  keys: string[];
  /** Pairs of a collection and the member that goes. */
  members: [string, string][];
  /** Pairs of a JSON document and the number of its elements that go. */
  entries: [string, number][];
  sockets: string[];
  rooms: string[];
  live: boolean;
}

/** How the socket server answers an event: what was asked for, or why not, in words for people. */
export type Answer<T = object> = ({ ok: true } & T) | { ok: false; error: string };

export interface RoomView {
  room: Room;
  messages: Message[];
}

type Ack<T = object> = (answer: Answer<T>) => void;

export interface ClientEvents {
  "user:authenticate": (data: { userId: string }, ack: Ack<{ logoutToken: string }>) => void;
  "user:logout": (data: { userId: string }, ack: Ack<{ removed: number }>) => void;
  "user:typing": (data: { isTyping: boolean }, ack: Ack) => void;
  "room:create": (data: { name: string }, ack: Ack<RoomView>) => void;
  "room:join": (data: { code: string }, ack: Ack<RoomView>) => void;
  "room:leave": (data: object, ack: Ack) => void;
  "message:send": (data: { content: string }, ack: Ack<{ message: Message }>) => void;
}

export interface ServerEvents {
  /** Sent by the module, when somebody is logged out, leaves, or is swept. */
  "user:left": (userId: string) => void;
  /** Sent by the module too, for the system message that goes with `user:left`. */
  "message:new": (message: Message) => void;
  "user:typing": (typing: { userId: string; isTyping: boolean }) => void;
  "room:participants": (participants: Participant[]) => void;
  /** To the other tabs of somebody who left a room. */
  "room:left": (roomId: string) => void;
}
