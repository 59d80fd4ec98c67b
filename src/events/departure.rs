//! What happened, and what the placeholders of announcements stand for because of it.

use super::text::Hole;
use crate::plan::{Plan, Scope, Socket};

/// A user, or one socket of a user, is logged out.
#[derive(Clone, Debug)]
pub struct Departure<'a> {
    /// Who.
    pub(super) user: &'a [u8],
    /// By which name, if it is known.
    pub(super) user_name: Option<&'a str>,
    /// The sockets, and where each was.
    pub(super) sockets: Vec<Seat<'a>>,
    /// The rooms left.
    pub(super) rooms: &'a [Vec<u8>],
    /// All of the user, or one socket.
    pub(super) scope: Scope,
    /// Why.
    pub(super) reason: &'a [u8],
    /// When, in milliseconds since 1970.
    pub(super) at: u64,
}

/// A socket, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat<'a> {
    pub(super) socket: &'a [u8],
    pub(super) room: Option<&'a [u8]>,
    /// Its data names somebody else, whatever the user's mapping says.
    pub(super) is_others: bool,
}

impl<'a> Departure<'a> {
    /// What others may know of a plan that is about to be applied.
    pub fn new<N>(plan: &'a Plan<N>, scope: Scope, reason: &'a [u8], at: u64) -> Self {
        let seat = |socket: &'a Socket<N>| Seat {
            socket: &socket.id,
            room: socket.room_left(),
            is_others: socket.is_somebody_elses(),
        };
        Self {
            user: &plan.user,
            user_name: plan.user_name.as_deref(),
            sockets: plan.sockets.iter().map(seat).collect(),
            rooms: &plan.rooms,
            scope,
            reason,
            at,
        }
    }

    /// The rooms left, as Socket.IO knows them: what is not UTF-8 is no room there.
    pub(super) fn named_rooms(&self) -> impl Iterator<Item = &'a str> {
        self.rooms.iter().filter_map(|room| str::from_utf8(room).ok())
    }

    /// The user's sockets, as Socket.IO knows them.
    pub(super) fn own_sockets(&self) -> Vec<&'a str> {
        let own = self.sockets.iter().filter(|seat| !seat.is_others);
        own.filter_map(|seat| str::from_utf8(seat.socket).ok()).collect()
    }

    /// What the placeholders of an announcement to a room stand for.
    pub(super) fn values<'v>(&'v self, room: &'v [u8], now: &'v str) -> Values<'v> {
        let there = self.sockets.iter().find(|seat| seat.room == Some(room)).or(self.sockets.first());
        Values {
            user: self.user,
            user_name: self.user_name.map_or(self.user, str::as_bytes),
            room,
            socket: there.map_or(b"", |seat| seat.socket),
            reason: self.reason,
            at: self.at,
            now: now.as_bytes(),
        }
    }
}

/// What the placeholders of an announcement stand for.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) user: &'a [u8],
    /// The user's id, if the name is not known.
    pub(super) user_name: &'a [u8],
    pub(super) room: &'a [u8],
    /// The user's socket in the room if it is known, else the first one, else nothing.
    pub(super) socket: &'a [u8],
    pub(super) reason: &'a [u8],
    pub(super) at: u64,
    /// The same as text.
    pub(super) now: &'a [u8],
}

impl<'a> Values<'a> {
    pub(super) fn get(&self, hole: Hole) -> &'a [u8] {
        match hole {
            Hole::User => self.user,
            Hole::UserName => self.user_name,
            Hole::Room => self.room,
            Hole::Socket => self.socket,
            Hole::Reason => self.reason,
            Hole::Now => self.now,
        }
    }
}
