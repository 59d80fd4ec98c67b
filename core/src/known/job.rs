//! Sweeps that are under way.

use std::time::{Duration, Instant};

use super::waiter::Waiter;
use crate::{
    index::{Place, SHARDS},
    ports::Host,
    reply::Reply,
};

/// What a sweep is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Only users who have been stale for this long.
    pub grace: Duration,
    /// At most this many users.
    pub limit: u64,
    /// They are counted, and nothing changes.
    pub is_dry: bool,
    /// The answer shows what would be removed of them.
    pub shows: bool,
    /// It is about this node of a cluster alone.
    pub is_local: bool,
}

/// A sweep under way.
#[derive(Debug)]
pub struct Job<H: Host> {
    pub(crate) order: Order,
    pub(crate) database: usize,
    /// It only notes until when users are live, and nobody is told of it.
    pub(crate) settles: bool,
    /// In a cluster: whether all nodes judge together. Else this one judges by what it knows alone.
    pub(crate) asks_all: bool,
    /// The users whom all are to be asked about next; of those whom this node knows to be stale, since when, in milliseconds since
    /// 1970.
    pub(crate) suspects: Vec<(Box<[u8]>, Option<u64>)>,
    /// They are users whose session ended by itself, and that is all that there is to do.
    pub(crate) has_expired: bool,
    /// The name of the user who called it, with its summons.
    pub(crate) user: Option<Vec<u8>>,
    /// With whose permissions; without a summons, with all.
    pub(crate) summons: Option<H::Summons>,
    /// Who waits for the number, if anybody does.
    pub(crate) waits: Option<Waiter>,
    /// The next part of the index.
    pub(crate) shard: usize,
    /// Users of the last part who have not been looked at.
    pub(crate) pending: Vec<Box<[u8]>>,
    /// Collections that are written all the time, and were read as far as that goes.
    pub(crate) changing: Vec<Place>,
    pub(crate) found: u64,
    /// Dead sockets of live users.
    pub(crate) sockets: u64,
    /// The first users found, for the log.
    pub(crate) first: Vec<String>,
    /// What the answer shows of the users found.
    pub(crate) shown: Vec<Reply>,
    pub(crate) began: Instant,
    pub(crate) slices: u64,
    pub(crate) longest: Duration,
}

impl<H: Host> Job<H> {
    /// A sweep of a database that has not begun.
    pub fn new(order: Order, database: usize, summons: Option<H::Summons>, began: Instant) -> Self {
        Self {
            order,
            database,
            settles: false,
            asks_all: false,
            suspects: Vec::new(),
            has_expired: false,
            user: None,
            summons,
            waits: None,
            shard: 0,
            pending: Vec::new(),
            changing: Vec::new(),
            found: 0,
            sockets: 0,
            first: Vec::new(),
            shown: Vec::new(),
            began,
            slices: 0,
            longest: Duration::ZERO,
        }
    }

    /// A look at everybody of a database who may be stale, which changes nothing.
    pub fn to_settle(database: usize, began: Instant) -> Self {
        let order = Order { grace: Duration::MAX, limit: u64::MAX, is_dry: true, shows: false, is_local: true };
        Self { settles: true, ..Self::new(order, database, None, began) }
    }

    /// A look at a user whose session ended by itself, by all nodes of a cluster.
    pub fn of_expired(database: usize, user: Box<[u8]>, since: Option<u64>, began: Instant) -> Self {
        let order = Order { grace: Duration::ZERO, limit: u64::MAX, is_dry: false, shows: false, is_local: false };
        let job = Self::new(order, database, None, began);
        // Nobody else is looked for.
        Self { asks_all: true, has_expired: true, suspects: vec![(user, since)], shard: SHARDS, ..job }
    }

    /// The same, by all nodes of a cluster.
    #[must_use]
    pub fn by_all(self, user: Option<Vec<u8>>) -> Self {
        Self { asks_all: true, user, ..self }
    }

    /// The same, for somebody who waits.
    #[must_use]
    pub fn for_waiter(self, waiter: Waiter) -> Self {
        Self { waits: Some(waiter), ..self }
    }

    /// Whether the server itself ordered it.
    pub fn is_by_the_clock(&self) -> bool {
        self.waits.is_none() && !self.settles && !self.has_expired
    }

    /// Whether it only notes until when users are live.
    pub fn settles(&self) -> bool {
        self.settles
    }

    /// The database that is swept.
    pub fn database(&self) -> usize {
        self.database
    }

    /// Begins again: what it has seen was replaced. A user who was counted without being cleaned up is met once more.
    pub fn restart(&mut self) {
        (self.pending, self.suspects, self.changing) = (Vec::new(), Vec::new(), Vec::new());
        if !self.has_expired {
            self.shard = 0;
        }
        if self.order.is_dry {
            (self.found, self.sockets, self.first, self.shown) = (0, 0, Vec::new(), Vec::new());
        }
    }

    /// What the caller gets in the end.
    pub fn answer(&mut self) -> Reply {
        if self.order.shows {
            Reply::Array(std::mem::take(&mut self.shown))
        } else {
            Reply::Integer(i64::try_from(self.found).unwrap_or(i64::MAX))
        }
    }
}
