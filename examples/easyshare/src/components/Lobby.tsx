"use client";

import { useId } from "react";

import { Field } from "./Field.tsx";
import { useSocket } from "./providers/SocketProvider.tsx";
import { useFocusedHeading } from "./useFocusedHeading.ts";
import { useSubmit } from "./useSubmit.ts";

/** Where rooms are made and joined. */
export function Lobby() {
  const heading = useFocusedHeading();
  return (
    <>
      <h2 ref={heading} tabIndex={-1} className="title">
        Where to?
      </h2>
      <div className="choices">
        <JoinRoom />
        <CreateRoom />
      </div>
    </>
  );
}

function JoinRoom() {
  const heading = useId();
  const { enter, state } = useSocket();
  const { submit, busy, problem } = useSubmit((form) => enter("room:join", { code: String(form.get("code")) }));
  return (
    <section className="card" aria-labelledby={heading}>
      <h3 id={heading}>Join a room</h3>
      <p className="quiet">Somebody has told you its code.</p>
      <form onSubmit={submit}>
        <Field label="Code" name="code" className="code" maxLength={6} autoComplete="off" autoCapitalize="characters" problem={problem} />
        <button type="submit" disabled={busy || !state.isOnline}>
          Join
        </button>
      </form>
    </section>
  );
}

function CreateRoom() {
  const heading = useId();
  const { enter, state } = useSocket();
  const { submit, busy, problem } = useSubmit((form) => enter("room:create", { name: String(form.get("room")) }));
  return (
    <section className="card" aria-labelledby={heading}>
      <h3 id={heading}>Make a room</h3>
      <p className="quiet">You get a code to share.</p>
      <form onSubmit={submit}>
        <Field label="Name of the room" name="room" maxLength={60} autoComplete="off" problem={problem} />
        <button type="submit" disabled={busy || !state.isOnline}>
          Make
        </button>
      </form>
    </section>
  );
}
