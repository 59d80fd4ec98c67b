//! What others are told of a logout: which messages and entries follow it, in which order, and their bytes.
//!
//! A [`Departure`] says what happened and an [`Audience`] who wants to know. Both make a [`Notice`], before anything is
//! changed; [`Notice::check`] looks which keys can take an entry and gives a [`Ready`], in which nothing is left that could
//! be refused for a reason known before; [`Ready::tell`] then yields command by command. Nothing here calls the server
//! but that look, by [`Keyspace`].

mod departure;
mod event;
mod id;
mod socketio;
#[cfg(test)]
mod tests;
mod then;

use std::{cell::OnceCell, collections::HashSet, ffi::CStr};

pub use departure::Departure;
pub use id::new_id;
pub use then::writes;

use crate::{
    announcement::{Announcement, Append, Form, json},
    config::{Adapter, Options, SocketIo},
    layout::Layout,
    plan::{KeyTrace, LeftOut, Unfit},
    ports::{Key, Keyspace, Kind},
};
use socketio::Rooms;

/// Who is to be told, and how.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    channel: Option<&'a str>,
    stream: Option<(&'a str, i64)>,
    socketio: Option<SocketIo<'a>>,
    announce: &'a [Announcement],
}

impl<'a> Audience<'a> {
    /// Who is to be told by these options and this layout; `None` if nobody is.
    pub fn new(options: &'a Options, layout: &'a Layout) -> Option<Self> {
        let (channel, stream, socketio) = (options.channel(), options.stream(), options.socketio());
        let keeps = layout.announce.iter().any(|announcement| announcement.append.is_some());
        let anybody = channel.is_some() || stream.is_some() || socketio.is_some() || keeps;
        let announce = if socketio.is_some() || keeps { &*layout.announce } else { &[] };
        anybody.then_some(Self { channel, stream, socketio, announce })
    }

    /// Whether events are all that they are told, and not in which room a socket was or which ones are closed.
    pub fn is_of_events_alone(&self) -> bool {
        self.announce.is_empty() && self.socketio.is_none()
    }

    /// Whether it takes more than messages to channels, which belong to no hash slot of a cluster.
    pub fn depends_on_slots(&self) -> bool {
        let keeps = self.announce.iter().any(|announcement| announcement.append.is_some());
        self.stream.is_some() || keeps || self.socketio.is_some_and(|socketio| socketio.adapter != Adapter::Classic)
    }
}

/// A command of the server, ready to be called.
#[derive(Clone, Copy, Debug)]
pub struct ServerCommand<'c> {
    /// Its name.
    pub name: &'static CStr,
    /// Its arguments.
    pub arguments: &'c [&'c [u8]],
}

impl<'c> ServerCommand<'c> {
    /// The key that it writes to; messages write to none.
    pub fn key(&self) -> Option<&'c [u8]> {
        [c"XADD", c"RPUSH"].contains(&self.name).then(|| self.arguments.first().copied()).flatten()
    }
}

/// What is to be told of a logout.
#[derive(Debug)]
pub struct Notice<'a> {
    audience: Audience<'a>,
    departure: Departure<'a>,
    /// The departure's moment as announcements say it.
    now: String,
}

impl<'a> Notice<'a> {
    /// Tells these people of this.
    pub fn new(audience: Audience<'a>, departure: Departure<'a>) -> Self {
        let now = if audience.announce.is_empty() { String::new() } else { departure.at.to_string() };
        Self { audience, departure, now }
    }

    /// Looks, before the logout changes anything, which keys can take an entry. Those that cannot are left out: the logout
    /// itself is never lost over them. `going` are those that the logout deletes; `is_trace` says of a key's name whether it is that of somebody's trace.
    pub fn check<K: Keyspace>(
        mut self,
        space: &K,
        going: &[KeyTrace<K::Name>],
        is_trace: impl Fn(&[u8]) -> bool,
    ) -> Ready<'a> {
        let mut left_out = Vec::new();
        // There may be as many keys to look for as there are to look among.
        let names: OnceCell<HashSet<&[u8]>> = OnceCell::new();
        let goes = |key: &[u8]| names.get_or_init(|| going.iter().map(|key| key.name.as_ref()).collect()).contains(key);
        let mut fits = |key: &[u8], kind, events| {
            let why = if goes(key) { Some(Unfit::Trace) } else { unfit(space, key, kind) };
            left_out.extend(why.map(|why| LeftOut { key: key.to_vec(), why, events }));
            why.is_none()
        };
        self.audience.stream = self.audience.stream.filter(|(stream, _)| fits(stream.as_bytes(), Kind::Stream, 1));
        let (mut entries, mut colliding) = (Vec::new(), Vec::new());
        for announcement in self.audience.announce {
            let Some(Append { key, form }) = &announcement.append else { continue };
            for room in self.departure.rooms {
                let key = key.bytes(&self.departure.values(room, &self.now));
                // Ids can make it the name of somebody else's trace.
                if is_trace(&key) {
                    colliding.push(LeftOut { key, why: Unfit::Trace, events: 1 });
                } else if fits(&key, form.kind(), 1) {
                    entries.push(Entry { announcement, room, key, form: *form });
                }
            }
        }
        let messages = self.messages();
        let may_reach = |to: &SocketIo<'_>| to.stream().is_none_or(|stream| fits(stream, Kind::Stream, messages));
        self.audience.socketio = self.audience.socketio.filter(may_reach);
        left_out.extend(colliding);
        Ready { notice: self, entries, left_out }
    }

    /// How many messages Socket.IO's servers get.
    fn messages(&self) -> u64 {
        let to_rooms = self.departure.named_rooms().count() * self.audience.announce.len();
        to_rooms as u64 + u64::from(!self.departure.own.is_empty())
    }
}

impl Form {
    fn kind(self) -> Kind {
        match self {
            Self::List => Kind::List,
            Self::Stream => Kind::Stream,
        }
    }
}

fn unfit<K: Keyspace>(space: &K, key: &[u8], kind: Kind) -> Option<Unfit> {
    let name = space.name(key);
    if !space.serves(&name) {
        return Some(Unfit::Elsewhere);
    }
    space.open(&name).filter(|found| found.kind() != kind).map(|_| Unfit::Mistyped)
}

/// A message to be kept.
#[derive(Debug)]
struct Entry<'a> {
    announcement: &'a Announcement,
    room: &'a [u8],
    key: Vec<u8>,
    form: Form,
}

/// What will be told once the logout is done.
#[derive(Debug)]
pub struct Ready<'a> {
    notice: Notice<'a>,
    entries: Vec<Entry<'a>>,
    /// Keys that entries were meant for and that cannot take them.
    pub left_out: Vec<LeftOut>,
}

impl Ready<'_> {
    /// Tells of a logout that removed something: entries first, which belong to the same transaction, then messages.
    pub fn tell(&self, removed: u64, send: &mut dyn FnMut(ServerCommand<'_>)) {
        let Notice { audience, departure, now } = &self.notice;
        let event = (audience.channel.is_some() || audience.stream.is_some()).then(|| event::json(departure, removed));
        let event = event.as_deref().unwrap_or_default();
        if let Some((stream, length)) = audience.stream {
            add(stream.as_bytes(), Some(length.to_string().as_bytes()), &[(b"event", event)], send);
        }
        for Entry { announcement, room, key, form } in &self.entries {
            let kept = announcement.kept(departure.values(room, now));
            match form {
                Form::List => send(ServerCommand { name: c"RPUSH", arguments: &[key, &kept] }),
                Form::Stream => add(key, None, &[(b"message", &kept)], send),
            }
        }
        if let Some(channel) = audience.channel {
            send(ServerCommand { name: c"PUBLISH", arguments: &[channel.as_bytes(), event] });
        }
        if let Some(socketio) = audience.socketio {
            self.tell_servers(socketio, send);
        }
    }

    /// Announces to each room left, and closes the user's sockets.
    fn tell_servers(&self, socketio: SocketIo<'_>, send: &mut dyn FnMut(ServerCommand<'_>)) {
        let Notice { audience, departure, now } = &self.notice;
        let own = &*departure.own;
        let except = own.get(..MOST_SPARED).unwrap_or(own);
        for announcement in audience.announce {
            for room in departure.named_rooms() {
                let args = announcement.args(departure.values(room.as_bytes(), now));
                socketio.emit(room, except, &announcement.event, args, send);
            }
        }
        if let Some(sockets) = Rooms::new(own) {
            socketio.disconnect(sockets, send);
        }
    }
}

/// The most of the user's own sockets that are spared an announcement, which names them all: of somebody with thousands of
/// forgotten ones in as many rooms it would be millions of names. The others hear it right before they are disconnected.
const MOST_SPARED: usize = 64;

/// Adds to a stream.
fn add(key: &[u8], length: Option<&[u8]>, fields: &[(&[u8], &[u8])], send: &mut dyn FnMut(ServerCommand<'_>)) {
    let mut arguments = vec![key];
    if let Some(length) = length {
        arguments.extend_from_slice(&[b"MAXLEN", b"~", length]);
    }
    arguments.push(b"*");
    for (name, value) in fields {
        arguments.extend_from_slice(&[name, value]);
    }
    send(ServerCommand { name: c"XADD", arguments: &arguments });
}
