//! Narrowing a plan to one device.

use super::{KeyTrace, MemberTrace, Plan, Socket, Whose};
use crate::ports::Kind;

/// What a logout is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of a user.
    User,
    /// One socket of a user who goes on with another.
    Socket,
}

impl<N> Socket<N> {
    /// The room that the user leaves with this socket.
    pub fn room_left(&self) -> Option<&[u8]> {
        self.room.as_deref().filter(|_| self.whose == Whose::Users)
    }

    /// Whether the user's mapping holds it.
    pub fn is_mapped(&self) -> bool {
        self.mapped
    }

    /// Whether the connection's holder is to close it: the socket's data named the user, or the mapping's word is
    /// enough by the layout and no data names somebody else.
    pub fn closes(&self) -> bool {
        self.closes
    }
}

impl<N: AsRef<[u8]>> Plan<N> {
    /// Narrows the plan to one socket: its own keys, its place in the mapping, and members that name it.
    ///
    /// If no other socket of the user has its data key the plan stays whole: with this device the user is gone. A socket
    /// that is not the user's is nothing to remove, so that a late call can never end a newer session. Nor can one that
    /// reaches a cluster node which does not hold the mapping, or not the data of a socket in it, or that
    /// finds in the mapping what can be no socket's id: what cannot be seen is not judged.
    #[must_use]
    pub fn only_socket(mut self, socket: &[u8]) -> (Self, Scope) {
        let may_live = |other: &Socket<N>| other.data.is_some() || other.elsewhere;
        let others = || self.sockets.iter().filter(|other| other.id != socket && may_live(other));
        if others().next().is_none() && !self.is_mapping_unclear {
            return (self, Scope::User);
        }
        let others_rooms: Vec<Vec<u8>> = others().filter_map(|other| other.room.clone()).collect();
        self.sockets.retain(|known| known.id == socket);
        self.rooms = self.sockets.iter().filter_map(Socket::room_left).map(<[u8]>::to_vec).collect();
        self.rooms.retain(|room| !others_rooms.contains(room));
        self.keys.retain(|key| key.socket.as_deref() == Some(socket));
        self.members.retain(|member| member.socket.as_deref() == Some(socket));
        self.entries.clear();
        self.leave_mapping(socket);
        (self, Scope::Socket)
    }

    /// Adds the socket's place in the mapping.
    fn leave_mapping(&mut self, socket: &[u8]) {
        if !self.sockets.iter().any(|known| known.mapped) {
            return;
        }
        let Some(mapping) = self.mapping.take() else { return };
        let socket_name = Some(socket.into());
        if mapping.kind == Kind::String {
            self.keys.push(KeyTrace { name: mapping.name, socket: socket_name });
        } else {
            let (key, kind, member) = (mapping.name, mapping.kind, socket.into());
            self.members.push(MemberTrace { key, kind, member, socket: socket_name });
        }
        // It may have been found as a trace already.
        self.sort();
    }
}
