// What the page knows of the room it shows. All of it goes at a logout.

import type { Message, Participant, Room, RoomView } from "../../types.ts";

export interface State {
  /** Whether the server knows who this is. */
  isOnline: boolean;
  room: Room | null;
  participants: Participant[];
  messages: Message[];
  /** Who types, by user id, and until when that counts, in milliseconds since 1970. */
  typing: Record<string, number>;
  /** What happened just now, in words, the newest last. */
  notices: Notice[];
}

export interface Notice {
  id: number;
  text: string;
}

export type Action =
  | { type: "online"; isOnline: boolean }
  | { type: "entered"; view: RoomView }
  | { type: "left room" }
  | { type: "participants"; participants: Participant[] }
  | { type: "message"; message: Message }
  | { type: "user left"; userId: string }
  | { type: "typing"; userId: string; until: number }
  | { type: "time passed"; now: number }
  | { type: "notice"; notice: Notice }
  | { type: "notice read"; id: number }
  | { type: "cleared" };

export const EMPTY: State = { isOnline: false, room: null, participants: [], messages: [], typing: {}, notices: [] };

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "online":
      return { ...state, isOnline: action.isOnline };
    case "entered":
      return { ...state, ...entered(action.view) };
    case "left room":
      return { ...state, ...OUTSIDE };
    case "participants":
      return state.room ? { ...state, participants: action.participants } : state;
    case "message":
      return { ...state, messages: withMessage(state, action.message), typing: without(state.typing, action.message.userId) };
    case "user left":
      return { ...state, participants: remaining(state, action.userId), typing: without(state.typing, action.userId) };
    case "typing":
      return { ...state, typing: { ...without(state.typing, action.userId), ...(action.until && { [action.userId]: action.until }) } };
    case "time passed":
      return { ...state, typing: Object.fromEntries(Object.entries(state.typing).filter(([, until]) => until > action.now)) };
    case "notice":
      return { ...state, notices: [...state.notices, action.notice] };
    case "notice read":
      return { ...state, notices: state.notices.filter((notice) => notice.id !== action.id) };
    case "cleared":
      // What there is to say about the logout itself is said after it.
      return { ...EMPTY, notices: state.notices };
  }
}

const OUTSIDE = { room: null, participants: [], messages: [], typing: {} };

function entered({ room, messages }: RoomView): Partial<State> {
  return { room, participants: room.participants, messages, typing: {} };
}

/** A message may come twice: as the answer to whoever sent it, and to the room. */
function withMessage({ room, messages }: State, message: Message): Message[] {
  const isKnown = message.roomId !== room?.id || messages.some((one) => one.id === message.id);
  return isKnown ? messages : [...messages, message];
}

function remaining({ participants }: State, userId: string): Participant[] {
  return participants.filter((one) => one.userId !== userId);
}

function without(typing: State["typing"], userId: string): State["typing"] {
  const { [userId]: _, ...others } = typing;
  return others;
}
