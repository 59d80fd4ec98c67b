"use client";

import { useUser } from "../auth.ts";
import { Header } from "./Header.tsx";
import { Inspector } from "./Inspector.tsx";
import { Lobby } from "./Lobby.tsx";
import { Notices } from "./Notices.tsx";
import { SocketProvider, useSocket } from "./providers/SocketProvider.tsx";
import { Room } from "./Room.tsx";
import { SignIn } from "./SignIn.tsx";

export function App() {
  return (
    <SocketProvider>
      <Header />
      <div className="page">
        <main>
          <View />
        </main>
        <Inspector />
      </div>
      <Notices />
    </SocketProvider>
  );
}

/** What somebody sees who is not signed in, is in no room, or is in one. */
function View() {
  const { isLoaded, user } = useUser();
  const { state } = useSocket();
  if (!isLoaded) return <p className="quiet">One moment …</p>;
  if (user === null) return <SignIn />;
  return state.room === null ? <Lobby /> : <Room room={state.room} user={user} />;
}
