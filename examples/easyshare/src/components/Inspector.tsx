"use client";

import { type ReactNode, useEffect, useId, useState } from "react";

import { useUser } from "../auth.ts";
import type { Traces } from "../types.ts";
import { useSocket } from "./providers/SocketProvider.tsx";

/** How often Redis is asked, in milliseconds. */
const AGAIN = 1_000;

/** What Redis holds about whoever is signed in here, or was. */
export function Inspector() {
  const heading = useId();
  const traces = useTraces();
  const { user } = useUser();
  return (
    <aside className="card inspector" aria-labelledby={heading}>
      <header>
        <h2 id={heading}>What Redis holds about you</h2>
        <p className="quiet">
          <code>SESSION.INSPECT{traces && ` ${traces.user}`}</code>
        </p>
      </header>
      {traces === null ? (
        <p className="quiet">You are nobody yet. Sign in and watch what is written.</p>
      ) : (
        <>
          <p className="sum" aria-live="polite">
            <strong>{traces.removed}</strong> {traces.removed === 1 ? "trace" : "traces"}
            <span className={traces.live ? "badge live" : "badge"}>{traces.live ? "live" : "not live"}</span>
          </p>
          {traces.removed === 0 && <p className="nothing">{user ? "Nothing." : "Nothing is left of you."}</p>}
          <Lists traces={traces} />
        </>
      )}
    </aside>
  );
}

function Lists({ traces }: { traces: Traces }) {
  const members = traces.members.map(([key, member]) => <Pair key={`${key} ${member}`} name={key} value={member} />);
  const entries = traces.entries.map(([key, count]) => <Pair key={key} name={key} value={count === 1 ? "1 participant" : `${count} participants`} />);
  return (
    <>
      <List title="Keys" items={traces.keys.map((key) => <code key={key}>{key}</code>)} />
      <List title="Members of collections" items={members} />
      <List title="Places in documents" items={entries} />
    </>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <span>
      <code>{name}</code> <span className="quiet">{value}</span>
    </span>
  );
}

function List({ title, items }: { title: string; items: (ReactNode & { key?: unknown })[] }) {
  if (items.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul>
        {items.map((item, at) => (
          <li key={String(item.key ?? at)}>{item}</li>
        ))}
      </ul>
    </>
  );
}

/** Asked again and again while the page is looked at. Null as long as nobody has been signed in. */
function useTraces(): Traces | null {
  const { token } = useSocket();
  const { user } = useUser();
  const [traces, setTraces] = useState<Traces | null>(null);
  const isSomebody = user !== null || token !== null;
  useEffect(() => {
    if (!isSomebody) return;
    let isOver = false;
    const look = async () => {
      if (document.hidden) return;
      const response = await fetch("/api/inspect", { method: "POST", body: JSON.stringify({ token }), cache: "no-store" });
      if (response.ok && !isOver) setTraces(await response.json());
    };
    // A server that does not answer is asked again like any other.
    const lookAgain = () => void look().catch(() => {});
    lookAgain();
    const timer = setInterval(lookAgain, AGAIN);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [isSomebody, token]);
  return traces;
}
