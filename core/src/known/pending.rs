//! Logouts of which the part of a node is missing: kept, so that the node gets its part when it is back.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    plan::{Gone, Scope},
    ports::NodeId,
    wire::Stamp,
};

/// The most logouts that are kept; of more, callers are told that nobody asks again.
const MOST: usize = 1 << 14;

/// The most bytes that they may take together.
const MOST_BYTES: usize = 16 << 20;

/// The most that are begun at a time.
const MOST_AT_ONCE: usize = 64;

/// How long nobody is asked again after a node has still not done its part.
const REST: Duration = Duration::from_secs(1);

/// A logout of which the part of a node is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The command as it was called, its name first.
    pub(crate) command: Vec<Vec<u8>>,
    /// The number of the database.
    pub(crate) database: u64,
    /// The name of the caller's user; without one, the caller may do anything.
    pub(crate) user: Option<Vec<u8>>,
    /// What all parts have in common.
    pub(crate) stamp: Stamp,
    /// What it was about.
    pub(crate) scope: Scope,
    /// When it was called.
    pub(crate) began: Instant,
    /// Until when nodes are asked.
    pub(crate) until: Instant,
    /// Who is gone by it so far: others were told of them.
    pub(crate) told: Gone,
    /// Nodes that have written what the layout wants.
    pub(crate) wrote: Vec<NodeId>,
    /// Whether anything was removed.
    pub(crate) removes: bool,
    /// Whether it was complete: see [`super::recent`].
    pub(crate) is_complete: bool,
}

impl Pending {
    /// What it takes, without what only few have.
    pub(super) fn bytes(&self) -> usize {
        let words: usize = self.command.iter().map(Vec::len).sum();
        let sockets: usize = self.told.sockets.iter().map(|socket| socket.id.len() + size_of_val(socket)).sum();
        let rooms: usize = self.told.rooms.iter().map(|room| room.len() + size_of_val(room)).sum();
        size_of_val(self) + words + sockets + rooms
    }

    /// Of which database, and whom it is about.
    fn subject(&self) -> (u64, Vec<u8>) {
        (self.database, self.command.get(1).cloned().unwrap_or_default())
    }

    /// Whether both are about the same.
    fn is_same(&self, other: &Self) -> bool {
        (self.database, &self.command) == (other.database, &other.command)
    }
}

/// All of them, in the order in which they are taken up.
#[derive(Debug)]
pub struct PendingLogouts {
    queue: VecDeque<Pending>,
    bytes: usize,
    /// How many are begun at a time: more as long as it goes well.
    at_once: usize,
    /// Before then nobody is asked.
    next: Option<Instant>,
    /// How many there are of a user of a database: mostly it is none.
    users: HashMap<(u64, Vec<u8>), usize>,
}

impl Default for PendingLogouts {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, at_once: 1, next: None, users: HashMap::new() }
    }
}

impl PendingLogouts {
    /// How many there are, besides those that are being asked for.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps one, for the first time or again. `false` if there is no room.
    pub fn keep(&mut self, pending: Pending) -> bool {
        // Who called again has the same missing once more.
        if self.users.contains_key(&pending.subject()) {
            self.remove(|other| other.is_same(&pending));
        }
        let bytes = pending.bytes();
        if self.queue.len() >= MOST || self.bytes + bytes > MOST_BYTES {
            return false;
        }
        self.bytes += bytes;
        *self.users.entry(pending.subject()).or_default() += 1;
        self.queue.push_back(pending);
        true
    }

    /// A node has still not done its part.
    pub fn rest(&mut self, now: Instant) {
        (self.at_once, self.next) = (1, Some(now + REST));
    }

    /// One is complete.
    pub fn go_on(&mut self) {
        self.at_once = (2 * self.at_once).min(MOST_AT_ONCE);
    }

    /// Takes those whose time is over.
    pub fn take_old(&mut self, now: Instant) -> Vec<Pending> {
        self.remove(|pending| pending.until <= now)
    }

    /// Takes those that it is time to ask for. Nobody is asked before the last ones are done with.
    pub fn take_due(&mut self, now: Instant) -> Vec<Pending> {
        if self.next.is_some_and(|next| now < next) {
            return Vec::new();
        }
        let count = self.at_once.min(self.queue.len());
        let due: Vec<Pending> = self.queue.drain(..count).collect();
        self.gone(&due);
        due
    }

    /// All of a user is logged out completely: nothing is missing any more.
    pub fn forget(&mut self, database: u64, user: &[u8]) {
        let subject = (database, user.to_vec());
        if self.users.contains_key(&subject) {
            self.remove(|pending| pending.subject() == subject);
        }
    }

    fn remove(&mut self, is_meant: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        // Nothing is moved where nothing goes, which is nearly always.
        if !self.queue.iter().any(&is_meant) {
            return Vec::new();
        }
        let (gone, kept) = std::mem::take(&mut self.queue).into_iter().partition::<Vec<_>, _>(is_meant);
        self.queue = kept.into();
        self.gone(&gone);
        gone
    }

    fn gone(&mut self, gone: &[Pending]) {
        for pending in gone {
            self.bytes -= pending.bytes();
            let subject = pending.subject();
            let left = self.users.get(&subject).copied().unwrap_or_default().saturating_sub(1);
            if left > 0 {
                self.users.insert(subject, left);
            } else {
                self.users.remove(&subject);
            }
        }
    }
}

#[cfg(test)]
impl Pending {
    /// A plain logout that has removed nothing.
    pub(super) fn plain(user: &str, began: Instant, until: Instant) -> Self {
        Self {
            command: vec![b"SESSION.LOGOUT".to_vec(), user.into()],
            database: 0,
            user: None,
            stamp: Stamp::default(),
            scope: Scope::User,
            began,
            until,
            told: Gone::default(),
            wrote: Vec::new(),
            removes: false,
            is_complete: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(user: &str, until: Instant) -> Pending {
        Pending::plain(user, until, until)
    }

    fn users(pending: Vec<Pending>) -> String {
        let user = |pending: Pending| String::from_utf8(pending.command[1].clone()).expect("text");
        pending.into_iter().map(user).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_is_tried_first_and_more_as_long_as_it_goes_well() {
        let (mut all, now) = (PendingLogouts::default(), Instant::now());
        for user in ["a", "b", "c", "d", "e", "b"] {
            assert!(all.keep(pending(user, now + REST)));
        }
        assert_eq!(all.len(), 5, "who called again is kept once");
        assert_eq!(users(all.take_due(now)), "a");
        all.go_on();
        assert_eq!(users(all.take_due(now)), "c d");
        all.rest(now);
        assert_eq!(users(all.take_due(now + REST / 2)), "");
        assert_eq!(users(all.take_due(now + REST)), "e");
        all.forget(1, b"b");
        all.forget(0, b"b");
        assert!(all.is_empty() && all.bytes == 0);
    }

    #[test]
    fn what_is_old_goes_and_what_is_too_much_is_not_kept() {
        let (mut all, now) = (PendingLogouts::default(), Instant::now());
        all.keep(pending("a", now));
        all.keep(pending("b", now + REST));
        assert_eq!(users(all.take_old(now)), "a");
        assert_eq!(users(all.take_old(now + REST)), "b");
        let long = "x".repeat(MOST_BYTES / 2);
        assert!(all.keep(pending(&long, now)) && !all.keep(pending(&long.replacen('x', "y", 1), now)));
        assert!(all.keep(pending("c", now)));
        all.take_old(now);
        assert_eq!(all.bytes, 0);
    }
}
