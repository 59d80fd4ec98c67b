// The names of all keys, and how long they live. `layout.json` tells the module the same names.

const DAY = 86400;

export const SECONDS = { session: DAY, activity: 300, typing: 5, message: 30 * DAY, room: 30 * DAY };

/** How many messages a room shows to somebody who comes in. */
export const HISTORY = 50;

/** The repository of caches puts this before each name. */
const cache = (name: string) => `cache:${name}`;

export const keys = {
  userSocket: (userId: string) => `user_socket:${userId}`,
  socketData: (socketId: string) => `socket_data:${socketId}`,
  activeUsers: "active_users",
  activity: (userId: string) => cache(`activity:${userId}`),
  typing: (roomId: string, userId: string) => cache(`typing:${roomId}:${userId}`),
  userSession: (userId: string) => cache(`user_session:${userId}`),
  userPresence: (userId: string) => cache(`user_presence:${userId}`),
  userStatus: (userId: string) => cache(`user_status:${userId}`),
  room: (roomId: string) => `room:${roomId}`,
  roomCode: (code: string) => `room_code:${code}`,
  activeRooms: "active_rooms",
  message: (id: string) => `message:${id}`,
  roomMessages: (roomId: string) => `room_messages:${roomId}`,
  messageCount: (roomId: string) => `message_count:${roomId}`,
};
