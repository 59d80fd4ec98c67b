//! Clients of the fake: what they have selected, queued, and wait for.

use std::{cell::RefCell, collections::BTreeMap};

use super::{Bytes, text};
use crate::{
    error::Error,
    ports::ConnectedClient,
    reply::{Reply, Ticket},
};

/// What a command answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// No value.
    Nil,
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bytes(Bytes),
    /// A status, such as `OK`.
    Status(&'static str),
    /// An error, with its code.
    Error(String),
    /// An array.
    Array(Vec<Answer>),
    /// A map.
    Map(Vec<(&'static str, Answer)>),
    /// None yet: the client waits for a key, for the end of a pause, or with a ticket of the module's.
    Waits(Option<Ticket>),
}

impl Answer {
    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => write!(f, "\"{}\"", text(bytes)),
            Self::Status(status) => f.write_str(status),
            Self::Error(error) => f.write_str(error),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Map(fields) => f.debug_map().entries(fields.iter().map(|(name, value)| (name, value))).finish(),
            Self::Waits(ticket) => write!(f, "waits {ticket:?}"),
        }
    }
}

impl From<Result<Reply, Error>> for Answer {
    fn from(result: Result<Reply, Error>) -> Self {
        match result {
            Ok(reply) => reply.into(),
            Err(error) => Self::Error(error.to_string()),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Integer(integer) => Self::Integer(integer),
            Reply::Bytes(bytes) => Self::Bytes(bytes),
            Reply::Line(line) => Self::Status(line),
            Reply::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Reply::Map(fields) => Self::Map(fields.into_iter().map(|(name, value)| (name, value.into())).collect()),
            Reply::Later(ticket) => Self::Waits(Some(ticket)),
        }
    }
}

/// What a client waits for.
#[derive(Clone, Debug)]
pub(super) enum Wait {
    /// A key: with this command.
    Key(Vec<Bytes>),
    /// The end of a pause: with this command.
    Pause(Vec<Bytes>),
    /// Its turn, after a pause: the client counts as free already.
    Turn(Vec<Bytes>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    pub(super) database: usize,
    /// The commands of an open transaction.
    pub(super) queue: Option<Vec<Vec<Bytes>>>,
    /// A command of it was refused.
    pub(super) is_void: bool,
    pub(super) wait: Option<Wait>,
    pub(super) command: Bytes,
}

/// All clients, by their ids.
#[derive(Debug, Default)]
pub(super) struct Connections(RefCell<BTreeMap<u64, Client>>);

impl Connections {
    /// Connects one more client.
    pub(super) fn add(&self) -> u64 {
        let mut all = self.0.borrow_mut();
        let id = all.keys().next_back().copied().unwrap_or_default() + 1;
        all.insert(id, Client::default());
        id
    }

    pub(super) fn remove(&self, id: u64) {
        self.0.borrow_mut().remove(&id);
    }

    /// Works on a client that is connected.
    pub(super) fn with<R>(&self, id: u64, work: impl FnOnce(&mut Client) -> R) -> R {
        work(self.0.borrow_mut().get_mut(&id).expect("the client is connected"))
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.0.borrow().keys().copied().collect()
    }

    /// As the server lists them.
    pub(super) fn list(&self) -> Vec<ConnectedClient> {
        let all = self.0.borrow();
        let listed = all.iter().map(|(id, client)| ConnectedClient {
            id: *id,
            database: client.database,
            queued: client.queue.as_ref().map(Vec::len),
            is_blocked: matches!(client.wait, Some(Wait::Key(_) | Wait::Pause(_))),
            command: client.command.clone(),
        });
        listed.collect()
    }
}
