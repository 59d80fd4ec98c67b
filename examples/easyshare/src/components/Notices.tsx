"use client";

import { useSocket } from "./providers/SocketProvider.tsx";

/** What happened just now, read out and shown for a while. */
export function Notices() {
  const { notices } = useSocket().state;
  return (
    <div className="notices" role="status" aria-label="Notices">
      {notices.map(({ id, text }) => (
        <p key={id} className="notice">
          {text}
        </p>
      ))}
    </div>
  );
}
