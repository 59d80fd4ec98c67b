"use client";

import { createContext, type Dispatch, type ReactNode, useContext, useEffect, useMemo, useReducer, useRef, useState } from "react";
import { io, type Socket } from "socket.io-client";

import { reload, useUser } from "../../auth.ts";
import type { Answer, ClientEvents, Message, Participant, RoomView, ServerEvents, User } from "../../types.ts";
import { type Action, EMPTY, reduce, type State } from "./reducer.ts";

type Client = Socket<ServerEvents, ClientEvents>;

/** How long the server may take to answer, in milliseconds. */
const PATIENCE = 10_000;

/** How long "is typing" counts if nothing more is heard, in milliseconds: as long as Redis keeps it. */
const TYPING = 5_000;

/** How long a notice is shown, in milliseconds. */
const NOTICE = 8_000;

/** When to try again what a server that is away did not do, in milliseconds. */
const RETRY = 2_000;

/** The room to come back to when this tab is loaded again. */
const LAST_ROOM = "easyshare-room";

interface Shared {
  state: State;
  /** Permission to ask about a user who is signed out by now; null before the first sign-in. */
  token: string | null;
  /** Sends an event and waits for its answer. @throws Error with the answer's words for people */
  ask: (event: keyof ClientEvents, data?: object) => Promise<unknown>;
  enter: (event: "room:create" | "room:join", data: object) => Promise<void>;
  leave: () => Promise<void>;
  notify: (text: string) => void;
}

const Context = createContext<Shared | null>(null);

/** The connection and the room that the page shows. */
export function useSocket(): Shared {
  const shared = useContext(Context);
  if (shared === null) throw new Error("useSocket is for what stands in a SocketProvider");
  return shared;
}

export function SocketProvider({ children }: { children: ReactNode }) {
  const { user } = useUser();
  const [state, dispatch] = useReducer(reduce, EMPTY);
  const [token, setToken] = useState<string | null>(null);
  const connection = useRef<Connection | null>(null);

  // The whole logout: somebody was signed in before, and is not any more. That is compared instead of left to the effect's
  // clean-up, which React also runs when nobody has gone.
  useEffect(() => {
    const before = connection.current;
    if (before !== null && before.sessionId !== user?.sessionId) {
      connection.current = null;
      void before.logOut();
    }
    if (user !== null) connection.current ??= new Connection(user, dispatch, setToken);
  }, [user]);

  useEffect(() => {
    const timer = setInterval(() => dispatch({ type: "time passed", now: Date.now() }), 1000);
    return () => clearInterval(timer);
  }, []);

  const shared = useMemo(() => {
    const now = () => {
      if (connection.current === null) throw new Error("Sign in first.");
      return connection.current;
    };
    return {
      ask: async (event: keyof ClientEvents, data: object = {}) => now().ask(event, data),
      enter: async (event: "room:create" | "room:join", data: object) => now().enter(event, data),
      leave: async () => now().leave(),
      notify: (text: string) => notify(dispatch, text),
    };
  }, []);
  return <Context value={{ ...shared, state, token }}>{children}</Context>;
}

/** One connection of one session, from the sign-in to the logout. */
class Connection {
  readonly sessionId: string;
  private readonly user: User;
  private readonly dispatch: Dispatch<Action>;
  private readonly setToken: (token: string) => void;
  private readonly socket: Client;
  private token: string | undefined;
  private isOver = false;
  /** The names of people who were here: the module does not know those of ghosts. */
  private readonly names = new Map<string, string>();

  constructor(user: User, dispatch: Dispatch<Action>, setToken: (token: string) => void) {
    this.sessionId = user.sessionId;
    this.user = user;
    this.dispatch = dispatch;
    this.setToken = setToken;
    this.socket = io({ transports: ["websocket"], forceNew: true });
    this.socket.on("connect", () => void this.arrive());
    this.socket.on("disconnect", (reason) => this.lost(reason));
    this.socket.on("user:left", (userId) => dispatch({ type: "user left", userId }));
    this.socket.on("message:new", (message) => this.hear(message));
    this.socket.on("room:participants", (participants) => {
      this.remember(participants);
      dispatch({ type: "participants", participants });
    });
    this.socket.on("user:typing", ({ userId, isTyping }) => dispatch({ type: "typing", userId, until: isTyping ? Date.now() + TYPING : 0 }));
    this.socket.on("room:left", () => void this.leave());
  }

  async ask(event: keyof ClientEvents, data: object): Promise<unknown> {
    const socket = this.socket as Socket;
    const answer: Answer = await socket.timeout(PATIENCE).emitWithAck(event, data).catch(() => {
      throw new Error("The server does not answer. Check your connection.");
    });
    if (!answer.ok) throw new Error(answer.error);
    return answer;
  }

  async enter(event: "room:create" | "room:join", data: object): Promise<void> {
    const view = (await this.ask(event, data)) as RoomView;
    sessionStorage.setItem(LAST_ROOM, view.room.code);
    this.remember(view.room.participants);
    this.dispatch({ type: "entered", view });
  }

  async leave(): Promise<void> {
    sessionStorage.removeItem(LAST_ROOM);
    this.dispatch({ type: "left room" });
    await this.ask("room:leave", {}).catch(() => {}); // Another tab may have left already.
  }

  /** Tells the server by both ways: one of them may be cut off, and the second finds nothing left to do. */
  async logOut(): Promise<void> {
    this.isOver = true;
    sessionStorage.removeItem(LAST_ROOM);
    const told = this.socket.connected ? this.ask("user:logout", { userId: this.user.userId }) : Promise.resolve();
    const called = this.callLogout();
    this.dispatch({ type: "cleared" });
    const [, isDone] = await Promise.all([told.catch(() => {}), called]);
    this.socket.disconnect();
    if (!isDone) await this.logOutAtLast();
  }

  /** Calls the endpoint once; returns whether it has done what it can. The call goes on when the page is closed. */
  private async callLogout(): Promise<boolean> {
    const body = JSON.stringify({ userId: this.user.userId, token: this.token });
    const response = await fetch("/api/logout", { method: "POST", body, keepalive: true }).catch(() => null);
    return response !== null && response.status < 500;
  }

  // A call that comes late ends no other session, so it may be tried as often as it takes.
  private async logOutAtLast(): Promise<void> {
    notify(this.dispatch, "The server cannot be reached. Your logout follows as soon as it can.");
    do await new Promise((resolve) => setTimeout(resolve, RETRY));
    while (!(await this.callLogout()));
  }

  private hear(heard: Message): void {
    const message = { ...heard, userName: this.names.get(heard.subject ?? "") ?? heard.userName };
    this.dispatch({ type: "message", message });
    if (message.type === "leave") notify(this.dispatch, whatHappened(message));
  }

  private remember(participants: Participant[]): void {
    for (const { userId, userName } of participants) this.names.set(userId, userName);
  }

  /** Says who this is, unless the server remembers, and goes back to the room. */
  private async arrive(): Promise<void> {
    try {
      if (!this.socket.recovered) await this.authenticate();
      this.dispatch({ type: "online", isOnline: true });
    } catch {
      // The session may have been ended while the connection was away, or something else is.
      await this.lookWhetherOver();
      if (!this.isOver) setTimeout(() => this.socket.connected && void this.arrive(), RETRY);
    }
  }

  private async authenticate(): Promise<void> {
    const { logoutToken } = (await this.ask("user:authenticate", { userId: this.user.userId })) as { logoutToken: string };
    this.token = logoutToken;
    this.setToken(logoutToken);
    const code = sessionStorage.getItem(LAST_ROOM);
    if (code !== null) await this.enter("room:join", { code }).catch(() => sessionStorage.removeItem(LAST_ROOM));
  }

  private lost(reason: string): void {
    this.dispatch({ type: "online", isOnline: false });
    // The server closes connections of people who were logged out.
    if (reason === "io server disconnect" && !this.isOver) void this.lookWhetherOver();
  }

  /** If nobody is signed in any more, that was done elsewhere: `logOut` follows, as the user is gone. */
  private async lookWhetherOver(): Promise<void> {
    const user = await reload().catch(() => this.user);
    if (user === null) notify(this.dispatch, "You were logged out on another device.");
  }
}

let notices = 0;

function notify(dispatch: Dispatch<Action>, text: string): void {
  const id = ++notices;
  dispatch({ type: "notice", notice: { id, text } });
  setTimeout(() => dispatch({ type: "notice read", id }), NOTICE);
}

/** What a message of the module's says, in words that fit its reason. */
export function whatHappened({ userName, reason }: { userName: string; reason?: string }): string {
  const words: Record<string, string> = { left: "left the room", sweep: "lost the connection", expired: "lost the connection" };
  return `${userName} ${words[reason ?? ""] ?? "logged out"}`;
}
