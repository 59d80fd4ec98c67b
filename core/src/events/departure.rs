//! What happened, and what the placeholders of announcements stand for because of it.

use crate::{
    announcement::Values,
    plan::{Gone, GoneSocket, Plan, Scope, Socket},
    wire::Stamp,
};

/// A user, or one socket of a user, is logged out.
#[derive(Clone, Debug)]
pub struct Departure<'a> {
    /// Who.
    pub(super) user: &'a [u8],
    /// By which name, if it is known.
    pub(super) user_name: Option<&'a str>,
    /// The sockets.
    pub(super) sockets: Vec<&'a [u8]>,
    /// Those of them that are closed ([`Socket::closes`]), as Socket.IO knows them: what is not UTF-8 is no socket there.
    /// Those in the mapping come first.
    pub(super) own: Vec<&'a str>,
    /// In which room a socket was, where it is known: sorted by room.
    pub(super) seats: Vec<(&'a [u8], &'a [u8])>,
    /// The rooms left.
    pub(super) rooms: &'a [Vec<u8>],
    /// All of the user, or one socket.
    pub(super) scope: Scope,
    /// Why.
    pub(super) reason: &'a [u8],
    /// When, in milliseconds since 1970.
    pub(super) at: u64,
    /// The new id of this logout.
    pub(super) id: &'a str,
}

impl<'a> Departure<'a> {
    /// What an event says of a plan that is about to be applied: nothing of [`own`](Self::own) and [`seats`](Self::seats).
    pub fn brief<N>(plan: &'a Plan<N>, scope: Scope, reason: &'a [u8]) -> Self {
        Self {
            user: &plan.user,
            user_name: plan.user_name.as_deref(),
            sockets: plan.sockets.iter().map(|socket| &*socket.id).collect(),
            own: Vec::new(),
            seats: Vec::new(),
            rooms: &plan.rooms,
            scope,
            reason,
            at: plan.at,
            id: &plan.id,
        }
    }

    /// What others may know of a plan that is about to be applied.
    pub fn new<N>(plan: &'a Plan<N>, scope: Scope, reason: &'a [u8]) -> Self {
        let seats = |socket: &'a Socket<N>| socket.rooms_left().iter().map(|room| (&**room, &*socket.id));
        let mut seats: Vec<_> = plan.sockets.iter().flat_map(seats).collect();
        seats.sort_unstable();
        let own = |mapped| plan.sockets.iter().filter(move |s| s.is_mapped() == mapped && s.closes());
        let text = |socket: &'a Socket<N>| str::from_utf8(&socket.id).ok();
        let own = own(true).chain(own(false)).filter_map(text).collect();
        Self { own, seats, ..Self::brief(plan, scope, reason) }
    }

    /// The same of somebody who is gone already.
    pub fn of(gone: &'a Gone, stamp: &'a Stamp, scope: Scope, reason: &'a [u8]) -> Self {
        let seats = |socket: &'a GoneSocket| socket.rooms.iter().map(|room| (&**room, &*socket.id));
        let mut seats: Vec<_> = gone.sockets.iter().flat_map(seats).collect();
        seats.sort_unstable();
        let own = |mapped| gone.sockets.iter().filter(move |s| s.is_mapped == mapped && s.closes);
        let text = |socket: &'a GoneSocket| str::from_utf8(&socket.id).ok();
        Self {
            user: &gone.user,
            user_name: gone.user_name.as_deref(),
            sockets: gone.sockets.iter().map(|socket| &*socket.id).collect(),
            own: own(true).chain(own(false)).filter_map(text).collect(),
            seats,
            rooms: &gone.rooms,
            scope,
            reason,
            at: stamp.at,
            id: &stamp.id,
        }
    }

    /// Whether all of the user goes.
    pub(super) fn is_whole(&self) -> bool {
        self.scope == Scope::User
    }

    /// The rooms left, as Socket.IO knows them: what is not UTF-8 is no room there.
    pub(super) fn named_rooms(&self) -> impl Iterator<Item = &'a str> {
        self.rooms.iter().filter_map(|room| str::from_utf8(room).ok())
    }

    /// What the placeholders of an announcement to a room stand for.
    pub(super) fn values<'v>(&'v self, room: &'v [u8], now: &'v str) -> Values<'v> {
        let at = self.seats.partition_point(|(other, _)| *other < room);
        let there = self.seats.get(at).filter(|(other, _)| *other == room).map(|(_, socket)| *socket);
        let socket = there.or(self.own.first().map(|socket| socket.as_bytes())).or(self.sockets.first().copied());
        Values {
            user: self.user,
            user_name: self.user_name.map_or(self.user, str::as_bytes),
            room,
            socket: socket.unwrap_or_default(),
            reason: self.reason,
            at: self.at,
            now: now.as_bytes(),
            id: self.id.as_bytes(),
        }
    }
}
