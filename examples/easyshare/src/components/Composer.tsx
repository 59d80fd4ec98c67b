"use client";

import { type FormEvent, useId, useRef, useState } from "react";

import { useSocket } from "./providers/SocketProvider.tsx";

/** How often others are told that somebody still types, in milliseconds: before they forget it. */
const AGAIN = 3_000;

export function Composer() {
  const id = useId();
  const { ask, notify, state } = useSocket();
  const [content, setContent] = useState("");
  const told = useRef(0);

  // That somebody types is a nicety: nothing is said if it can't be told.
  const tell = (isTyping: boolean) => {
    const isKnown = isTyping ? Date.now() - told.current < AGAIN : told.current === 0;
    if (isKnown) return;
    told.current = isTyping ? Date.now() : 0;
    ask("user:typing", { isTyping }).catch(() => {});
  };
  const write = (text: string) => {
    setContent(text);
    tell(text !== "");
  };
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (content.trim() === "") return;
    write("");
    ask("message:send", { content }).catch((error: Error) => {
      notify(error.message);
      setContent(content);
    });
  };
  return (
    <form className="composer" onSubmit={send}>
      <label htmlFor={id} className="hidden">
        Message
      </label>
      <input
        id={id}
        value={content}
        onChange={(event) => write(event.target.value)}
        onBlur={() => tell(false)}
        placeholder="Write a message"
        maxLength={2000}
        autoComplete="off"
      />
      <button type="submit" disabled={!state.isOnline}>
        Send
      </button>
    </form>
  );
}
