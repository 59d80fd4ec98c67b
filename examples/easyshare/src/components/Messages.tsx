"use client";

import { useEffect, useRef } from "react";

import type { Message } from "../types.ts";
import { whatHappened } from "./providers/SocketProvider.tsx";

/** What was said. New messages are read out, and the end stays in view. */
export function Messages({ messages, me }: { messages: Message[]; me: string }) {
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [messages]);
  return (
    <div ref={log} className="messages" role="log" aria-label="Messages" tabIndex={0}>
      <ol>
        {messages.map((message) => (
          <Line key={message.id} message={message} isMine={message.userId === me} />
        ))}
      </ol>
    </div>
  );
}

function Line({ message, isMine }: { message: Message; isMine: boolean }) {
  const time = <Time at={message.timestamp} />;
  if (message.type !== "text") {
    const text = message.type === "leave" ? whatHappened(message) : message.content;
    return (
      <li className="system">
        {text} {time}
      </li>
    );
  }
  return (
    <li className={isMine ? "mine" : "theirs"}>
      <p className="by">
        {isMine ? "You" : message.userName} {time}
      </p>
      <p className="text">{message.content}</p>
    </li>
  );
}

function Time({ at }: { at: number }) {
  const date = new Date(at);
  return <time dateTime={date.toISOString()}>{date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</time>;
}
