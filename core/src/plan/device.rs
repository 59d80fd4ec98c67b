//! Narrowing a plan to one device.

use std::mem;

use super::{
    Detail, EntriesTrace, Extent, KeyTrace, Mapping, MemberTrace, NamedSockets, Plan, Socket, Unclear, Whose,
    entries::CutBy,
};
use crate::{
    layout::MappedIds,
    ports::Kind,
    template::{Bindings, Placeholder},
};

/// What a logout is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of a user.
    User,
    /// One socket of a user who goes on with another.
    Socket,
    /// The traces that have a placeholder of some value.
    Part,
}

impl<N> Socket<N> {
    /// The rooms that the user leaves with this socket.
    pub fn rooms_left(&self) -> &[Vec<u8>] {
        if self.whose == Whose::Users { &self.rooms } else { &[] }
    }

    /// Whether its data names somebody else, so that what names it stays.
    pub fn is_others(&self) -> bool {
        self.whose == Whose::Others
    }

    /// Whether the user's mapping holds it.
    pub fn is_mapped(&self) -> bool {
        self.named_by.mapping
    }

    /// Whether the connection's holder is to close it: the socket's data named the user, or the mapping's word is
    /// enough by the layout and no data names somebody else.
    pub fn closes(&self) -> bool {
        self.closes
    }
}

/// Whether the user may go on with this socket.
fn may_live<N>(socket: &Socket<N>) -> bool {
    socket.data.is_some() || socket.elsewhere
}

impl<N: AsRef<[u8]>> Plan<N> {
    /// Narrows the plan to one socket: its own keys, its place in the mapping, and members that name it.
    ///
    /// If no other socket of the user has its data key the plan stays whole: with this device the user is gone. A socket
    /// that is not the user's is nothing to remove, so that a late call can never end a newer session. Nor can one that
    /// reaches a cluster node which does not hold the mapping, or not the data of a socket in it, or that
    /// finds in the mapping what can be no socket's id: what cannot be seen is not judged.
    #[must_use]
    pub fn only_socket(self: Box<Self>, socket: &[u8]) -> (Box<Self>, Scope) {
        let mut others = self.sockets.iter().filter(|other| other.id != socket && may_live(other));
        if others.next().is_none() && self.unclear != Unclear::Sockets {
            return (self, Scope::User);
        }
        (self.narrowed(socket), Scope::Socket)
    }

    /// Whether the mapping, or a collection of the user's own, holds a socket that has no data key.
    pub fn is_dead(&self, socket: &[u8]) -> bool {
        let is_held = |known: &Socket<N>| known.named_by.mapping || known.named_by.collection;
        let is_it = |known: &Socket<N>| known.id == socket && is_held(known) && !may_live(known);
        self.sockets.iter().any(is_it)
    }

    /// The part of the plan that is about one socket, whoever else is there.
    #[must_use]
    pub fn narrowed(mut self: Box<Self>, socket: &[u8]) -> Box<Self> {
        let others = self.sockets.iter().filter(|other| other.id != socket && may_live(other));
        let others_rooms: Vec<Vec<u8>> = others.flat_map(|other| other.rooms.clone()).collect();
        self.sockets.retain(|known| known.id == socket);
        self.rooms.clear();
        self.sort_rooms();
        self.rooms.retain(|room| !others_rooms.contains(room));
        self.keys.retain(|key| key.sockets.has(socket));
        self.take_up_inside();
        self.members.retain(|member| member.sockets.has(socket));
        self.entries = self.entries.into_iter().filter_map(|document| document.only_socket(socket)).collect();
        self.leave_mapping(socket);
        self
    }

    /// Leaves what lies in keys of these names.
    #[must_use]
    pub fn only_keys(mut self: Box<Self>, names: &[Vec<u8>]) -> Box<Self> {
        let is_one = |name: &N| names.iter().any(|known| **known == *name.as_ref());
        self.keys.retain(|key| is_one(&key.name));
        self.members.retain(|member| is_one(&member.key));
        self.entries.retain(|document| is_one(&document.key));
        self
    }

    /// Leaves the part of the plan that was asked for: see [`super::Part`]. Of sockets and rooms, those that are left with it.
    #[must_use]
    pub fn only_part(mut self: Box<Self>) -> Box<Self> {
        self.keys.retain(|key| key.is_part);
        self.take_up_inside();
        let keys = &self.keys;
        let goes = |name: &N| keys.iter().any(|key| key.name.as_ref() == name.as_ref());
        self.sockets.retain(|socket| socket.data.as_ref().is_some_and(goes));
        self.sort_rooms();
        self
    }

    /// Takes up what lies in keys that go no more.
    fn take_up_inside(&mut self) {
        let (members, entries) = (mem::take(&mut self.members_inside), mem::take(&mut self.entries_inside));
        if members.is_empty() && entries.is_empty() {
            return;
        }
        let keys = &self.keys;
        let stays = |name: &N| !keys.iter().any(|key| key.name.as_ref() == name.as_ref());
        self.members.extend(members.into_iter().filter(|member| stays(&member.key)));
        self.entries.extend(entries.into_iter().filter(|document| stays(&document.key)));
        self.sort();
    }

    /// Adds the socket's place in the mapping, which is of no part.
    fn leave_mapping(&mut self, socket: &[u8]) {
        if self.extent == Extent::Part || !self.sockets.iter().any(|known| known.named_by.mapping) {
            return;
        }
        let is_left = |mapping: &Mapping<N>| self.detail == Detail::Sweep && !mapping.is_swept;
        let Some(mapping) = self.mapping.take_if(|mapping| !is_left(mapping)) else { return };
        let (key, kind, sockets) = (mapping.name, mapping.kind, NamedSockets::of(Some(socket)));
        match (mapping.ids.text(&self.user, socket), mapping.ids) {
            (Some(_), _) if kind == Kind::String => {
                self.keys.push(KeyTrace { name: key, sockets, is_part: false });
            }
            (Some(member), _) => {
                self.members.push(MemberTrace { key, kind, member, sockets });
            }
            (None, MappedIds::Elements(entries)) => {
                let given = Bindings::user(&self.user).with(Placeholder::SOCKET, socket);
                let by = CutBy::new(&entries, &given, 0);
                // A trace of the layout may be the same elements.
                let known = self.entries.iter_mut().find(|known| known.key.as_ref() == key.as_ref());
                if known.is_none_or(|known| known.cut(&mapping.document, by.clone()).is_err()) {
                    self.entries.extend(EntriesTrace::of(key, &mapping.document, by).ok().flatten());
                }
            }
            (None, MappedIds::Values(_)) => {}
        }
        // It may have been found as a trace already.
        self.sort();
    }
}
