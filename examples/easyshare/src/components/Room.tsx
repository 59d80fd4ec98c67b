"use client";

import { useId } from "react";

import type { Participant, Room as RoomData, User } from "../types.ts";
import { Avatar } from "./Avatar.tsx";
import { Composer } from "./Composer.tsx";
import { Messages } from "./Messages.tsx";
import { useSocket } from "./providers/SocketProvider.tsx";
import { useFocusedHeading } from "./useFocusedHeading.ts";

export function Room({ room, user }: { room: RoomData; user: User }) {
  const heading = useFocusedHeading();
  const { leave, notify, state } = useSocket();
  const copy = () => navigator.clipboard.writeText(room.code).then(() => notify("The code is copied."), () => {});
  return (
    <section className="card room">
      <header className="room-head">
        <div>
          <h2 ref={heading} tabIndex={-1}>
            {room.name}
          </h2>
          <p className="quiet">
            Code <code className="code">{room.code}</code>{" "}
            <button type="button" className="link" onClick={copy}>
              Copy<span className="hidden"> the code</span>
            </button>
          </p>
        </div>
        <button type="button" className="plain" onClick={() => void leave()}>
          Leave<span className="hidden"> the room</span>
        </button>
      </header>
      <People participants={state.participants} me={user.userId} />
      <Messages messages={state.messages} me={user.userId} />
      <Typing />
      <Composer key={room.id} />
    </section>
  );
}

function People({ participants, me }: { participants: Participant[]; me: string }) {
  const heading = useId();
  return (
    <section className="people" aria-labelledby={heading}>
      <h3 id={heading}>
        People <span className="count">{participants.length}</span>
      </h3>
      <ul>
        {participants.map(({ userId, userName, isOnline }) => (
          <li key={userId} className={isOnline ? "online" : "away"}>
            <Avatar userId={userId} userName={userName} />
            <span>
              {userName}
              {userId === me && " (you)"}
              {!isOnline && <small> away</small>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Typing() {
  const { participants, typing } = useSocket().state;
  const names = participants.filter((one) => one.userId in typing).map((one) => one.userName);
  const text = names.length === 0 ? "" : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing …`;
  return (
    <p className="typing quiet" aria-live="polite">
      {text}
    </p>
  );
}
