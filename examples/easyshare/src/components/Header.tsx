"use client";

import { signOut, useUser } from "../auth.ts";
import { Avatar } from "./Avatar.tsx";
import { useSocket } from "./providers/SocketProvider.tsx";

/** Who is signed in, and the button that this is all about. */
export function Header() {
  const { user } = useUser();
  const { state, notify } = useSocket();
  const logOut = () =>
    signOut().then(
      () => notify("You are logged out."),
      () => notify("You are not logged out: the server does not answer."),
    );
  return (
    <header className="top">
      <h1 className="brand">
        <span aria-hidden="true" className="mark" />
        EasyShare
      </h1>
      {user && (
        <div className="me">
          <Avatar userId={user.userId} userName={user.userName} />
          <span className="who">
            <strong>{user.userName}</strong>
            <small role="status">{state.isOnline ? "connected" : "connecting …"}</small>
          </span>
          <button type="button" className="plain" onClick={logOut}>
            Log out
          </button>
        </div>
      )}
    </header>
  );
}
