//! What the module is to do when the core is done.

use std::time::Duration;

use crate::{
    error::Error,
    reply::{Reply, Ticket},
};

/// What the core wants of the module: it never sets a timer, subscribes to an event, or answers a client itself. The module
/// takes it after each call, and does it before it returns to the server.
#[derive(Debug, Default)]
pub struct Wants {
    /// A slice of work soon: see [`crate::work::tick`].
    pub slice: bool,
    /// [`crate::work::soon`] as soon as the commands that clients have sent are done.
    pub soon: bool,
    /// A slice of work after this time at the latest.
    pub alarm: Option<Duration>,
    /// Keyspace events to be told of from now on.
    pub events: Events,
    /// What clients get who wait for a reply.
    pub answers: Vec<(Ticket, Result<Reply, Error>)>,
}

impl Wants {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        // Field by field, for it is asked after each call.
        let Self { slice, soon, alarm, events, answers } = self;
        !slice && !soon && alarm.is_none() && events.is_empty() && answers.is_empty()
    }
}

/// A set of kinds of keyspace events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u8);

impl Events {
    /// Every change of a key. It makes every write of the server dearer, so it is the last resort: where clients cannot be
    /// told apart and their transactions could not be followed, or where more is queued than can be held.
    pub const CHANGES: Self = Self(1);
    /// Keys that appear, where the server lets the module write as soon as the command that made one is over.
    pub const NEW_KEYS: Self = Self(2);
    /// Keys that are evicted.
    pub const EVICTIONS: Self = Self(4);
    /// Keys that expire.
    pub const EXPIRIES: Self = Self(8);

    /// Whether no kind is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of these kinds is in the set.
    pub fn has(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }

    /// Adds kinds to the set.
    pub fn add(&mut self, kinds: Self) {
        self.0 |= kinds.0;
    }

    /// The set without these kinds.
    #[must_use]
    pub fn without(self, kinds: Self) -> Self {
        Self(self.0 & !kinds.0)
    }
}
