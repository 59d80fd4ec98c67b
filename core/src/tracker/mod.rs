//! What was written and is not read yet. Pure.
//!
//! The command filter shows each command before the server looks at it, so nothing that is noted here has to come true: the
//! command may be refused, queued, held back by a pause, or wait for something to come. What cannot run any more is read
//! once and forgotten; what may run later is held, as long as the server's own word says so: in a transaction
//! ([`Transactions`]), or by a client that waits ([`Waiting`]).

mod transactions;
mod waiting;

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

pub use transactions::{ANYBODY, OutOfStep, Transactions};
pub use waiting::Waiting;

use crate::watcher::Suspect;

/// When this many keys are unread, memory that many more took is given back.
const FEW_UNREAD: usize = 1024;

/// From this many unread keys on, a key that is unread already is not noted again. One read from a connection seldom brings more, so that
/// nobody pays for it who writes each key once.
const MANY_UNREAD: usize = 256;

/// What a command, or a transaction, may write when it runs. `K` is a key's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued<K> {
    /// These keys.
    pub keys: Vec<Suspect<K>>,
    /// Keys of any name, if `DEBUG POPULATE` is carried out.
    pub populates: bool,
    /// Nobody knows what.
    pub anything: bool,
}

/// Whether all that changed is noted, from the most to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// It is.
    Whole,
    /// Not if `DEBUG POPULATE` was carried out.
    Doubtful,
    /// Something may have changed any key.
    Lost,
}

/// What the server says of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It waits: what it sent last may run later.
    Blocked,
    /// It does not wait, or is gone.
    Free {
        /// If it has a transaction open: how many commands are queued in it.
        queued: Option<usize>,
    },
}

/// What was written and is not read yet.
#[derive(Debug)]
pub struct Tracker<K> {
    unread: VecDeque<Suspect<K>>,
    /// Of what is unread the hashes, once that is much, so that each key is read once however often it is named.
    known: HashSet<u64>,
    hasher: RandomState,
    /// The client about whom the server was asked last.
    asked: u64,
    /// Clients were paused, and it is not known yet what became of what they sent.
    was_paused: bool,
    /// The server should be asked once more about those who wait by its last word.
    pub asks_all: bool,
    /// What open transactions have queued.
    pub transactions: Transactions<K>,
    /// What clients that wait may write.
    pub waiting: Waiting<K>,
    /// Whether all that changed is noted here.
    pub trust: Trust,
    /// Keyspace events are watched too, because transactions or waiting clients could not be followed. Then nothing is
    /// held: what is written will be told.
    pub watches_events: bool,
}

impl<K> Default for Queued<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), populates: false, anything: false }
    }
}

impl<K> Queued<K> {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.populates && !self.anything
    }

    fn add(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.populates |= other.populates;
        self.anything |= other.anything;
    }
}

impl<K> Default for Tracker<K> {
    fn default() -> Self {
        Self {
            unread: VecDeque::new(),
            known: HashSet::new(),
            hasher: RandomState::new(),
            asked: 0,
            was_paused: false,
            asks_all: false,
            transactions: Transactions::default(),
            waiting: Waiting::default(),
            trust: Trust::Whole,
            watches_events: false,
        }
    }
}

impl<K: Clone + AsRef<[u8]>> Tracker<K> {
    /// A command of this client is about to run, or be queued, and may write these keys. `may_wait`: it may also run later
    /// without being shown once more.
    pub fn suspect(&mut self, client: u64, suspects: impl Iterator<Item = Suspect<K>>, may_wait: bool) {
        let is_open = self.transactions.is_open(client);
        if self.watches_events || !(may_wait || is_open) {
            return suspects.for_each(|suspect| self.note(suspect));
        }
        let suspects: Vec<Suspect<K>> = suspects.collect();
        if is_open {
            self.transactions.queue(client, &suspects);
        }
        for suspect in &suspects {
            self.note(suspect.clone());
        }
        if may_wait {
            self.hold(client, Queued { keys: suspects, ..Queued::default() });
        }
    }

    /// This key may have changed.
    pub fn note(&mut self, suspect: Suspect<K>) {
        // One command often names a key that the one before named.
        let is_known = |last: &Suspect<K>| {
            last.member.is_none() && suspect.member.is_none() && last.key.as_ref() == suspect.key.as_ref()
        };
        if !self.unread.back().is_some_and(is_known) && self.is_new(&suspect) {
            self.unread.push_back(suspect);
        }
    }

    /// Whether it is not unread yet, as far as that is worth knowing.
    fn is_new(&mut self, suspect: &Suspect<K>) -> bool {
        if self.unread.len() < MANY_UNREAD {
            return true;
        }
        if self.known.is_empty() {
            self.known = self.unread.iter().map(|unread| hash(&self.hasher, unread)).collect();
        }
        self.known.insert(hash(&self.hasher, suspect))
    }

    /// All of this may have been written.
    pub fn note_all(&mut self, queued: Queued<K>) {
        queued.keys.into_iter().for_each(|suspect| self.note(suspect));
        if queued.anything {
            self.distrust(Trust::Lost);
        } else if queued.populates {
            self.distrust(Trust::Doubtful);
        }
    }

    /// A client executes its transaction. `may_wait`: not at once, and without being shown once more.
    ///
    /// # Errors
    /// [`OutOfStep`].
    pub fn execute(&mut self, client: u64, may_wait: bool) -> Result<(), OutOfStep> {
        let queued = self.transactions.execute(client)?;
        if may_wait {
            self.hold(client, queued);
        } else {
            self.note_all(queued);
        }
        Ok(())
    }

    /// Where clients cannot be told apart: some of them have sent an end to no transaction, so that others may still be open.
    pub fn reject_count(&mut self) {
        let queued = self.transactions.reject_count();
        self.note_all(queued);
    }

    /// Holds what the client may write later. Whatever it sent before has run, or never will.
    pub fn hold(&mut self, client: u64, queued: Queued<K>) {
        let former = if queued.is_empty() { self.waiting.settle(client) } else { self.waiting.hold(client, queued) };
        self.note_all(former);
    }

    /// Clients about whom the server should be asked, each once, at most `most`, and in their turn: see
    /// [`Tracker::answer`]. `all`: those too who wait by its last word.
    pub fn to_ask(&mut self, all: bool, most: usize) -> Vec<u64> {
        let mut clients: Vec<u64> = self.waiting.to_ask(all).chain(self.transactions.to_ask(all)).collect();
        clients.sort_unstable();
        clients.dedup();
        let next = clients.partition_point(|client| *client <= self.asked);
        clients.rotate_left(next);
        clients.truncate(most);
        self.asked = clients.last().copied().unwrap_or_default();
        clients
    }

    /// Whether there is a client about whom the server should be asked soon.
    pub fn asks(&self) -> bool {
        self.waiting.to_ask(false).chain(self.transactions.to_ask(false)).next().is_some()
    }

    /// Whether there is anybody about whom the next slice will ask it.
    pub fn asks_anything(&self) -> bool {
        let all = self.asks_all;
        self.waiting.to_ask(all).chain(self.transactions.to_ask(all)).next().is_some()
    }

    /// Clients are paused, or not. When a pause is over, those who waited because of it do so no longer.
    pub fn set_paused(&mut self, is_paused: bool) {
        if self.was_paused && !is_paused {
            self.waiting.forget_words();
            self.transactions.forget_words();
        }
        self.was_paused = is_paused;
    }

    /// What the server says of such a client.
    pub fn answer(&mut self, client: u64, word: Word) {
        let queued = self.transactions.answer(client, word);
        self.note_all(queued);
        let queued = self.waiting.answer(client, word);
        self.note_all(queued);
    }

    /// Takes the first of what is unread, at most `limit`; it stays unread if it `stays` so.
    pub fn take(&mut self, limit: usize, stays: bool) -> Vec<Suspect<K>> {
        let count = limit.min(self.unread.len());
        if stays {
            // What is at its beginning now was taken, and comes again later.
            let taken: Vec<_> = self.unread.iter().take(count).cloned().collect();
            self.unread.rotate_left(count);
            return taken;
        }
        let taken: Vec<_> = self.unread.drain(..count).collect();
        if self.unread.is_empty() {
            self.unread.shrink_to(FEW_UNREAD);
            self.known = HashSet::new();
        } else if !self.known.is_empty() {
            for suspect in &taken {
                self.known.remove(&hash(&self.hasher, suspect));
            }
        }
        taken
    }

    /// What clients that wait may write, each key once.
    pub fn held_back(&self) -> Vec<Suspect<K>> {
        let mut known = HashSet::new();
        let is_new = |suspect: &&Suspect<K>| known.insert(hash(&self.hasher, suspect));
        self.waiting.suspects().filter(is_new).cloned().collect()
    }

    /// Something may have changed that is not noted here.
    pub fn distrust(&mut self, trust: Trust) {
        self.trust = self.trust.max(trust);
    }

    /// How many keys are unread.
    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Whether more has to be held than can be kept, so that keyspace events must be watched.
    pub fn is_overrun(&self) -> bool {
        !self.watches_events && (self.transactions.is_overrun() || self.waiting.is_overrun())
    }

    /// Keyspace events are watched from now on.
    pub fn watch_events(&mut self) {
        self.watches_events = true;
        self.transactions = Transactions::default();
        self.waiting = Waiting::default();
    }

    /// How many keys are noted or held, and how many bytes that takes, as if none of them were shared with the server.
    pub fn size(&self) -> (usize, usize) {
        let all = self.unread.iter().chain(self.transactions.suspects()).chain(self.waiting.suspects());
        let bytes = |suspect: &Suspect<K>| {
            size_of::<Suspect<K>>()
                + suspect.key.as_ref().len()
                + suspect.member.as_ref().map_or(0, |m| m.as_ref().len())
        };
        all.fold((0, 0), |(keys, total), suspect| (keys + 1, total + bytes(suspect)))
    }
}

fn hash<K: AsRef<[u8]>>(hasher: &RandomState, suspect: &Suspect<K>) -> u64 {
    hasher.hash_one((suspect.key.as_ref(), suspect.member.as_ref().map(AsRef::as_ref)))
}

/// Bytes of the arguments of one command that its suspects share: a key whose members are suspected is one argument.
fn argument_bytes<K: AsRef<[u8]>>(suspects: &[Suspect<K>]) -> usize {
    let mut last = std::ptr::null();
    let length = |suspect: &Suspect<K>| {
        let key = suspect.key.as_ref();
        let is_new = !std::ptr::eq(std::mem::replace(&mut last, key.as_ptr()), key.as_ptr());
        let member = suspect.member.as_ref().map_or(0, |member| member.as_ref().len());
        member + if is_new { key.len() } else { 0 }
    };
    suspects.iter().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspects(names: &[&'static str]) -> Vec<Suspect<&'static str>> {
        names.iter().map(|key| Suspect { key: *key, member: None }).collect()
    }

    fn unread(tracker: &mut Tracker<&'static str>) -> Vec<&'static str> {
        tracker.take(usize::MAX, false).into_iter().map(|suspect| suspect.key).collect()
    }

    #[test]
    fn what_a_command_may_have_written_is_unread() {
        let mut tracker = Tracker::default();
        tracker.suspect(7, suspects(&["a", "a", "b"]).into_iter(), false);
        assert_eq!(tracker.unread(), 2);
        assert_eq!(tracker.take(1, true), suspects(&["a"]));
        assert_eq!(unread(&mut tracker), ["b", "a"], "what stays is taken last");
        assert_eq!(tracker.size(), (0, 0));
    }

    #[test]
    fn much_that_is_unread_is_noted_once() {
        let (mut tracker, names) =
            (Tracker::default(), (0..MANY_UNREAD + 10).map(|n| n.to_string()).collect::<Vec<_>>());
        for _ in 0..3 {
            for key in &names {
                tracker.note(Suspect { key: key.as_str(), member: None });
            }
        }
        assert_eq!(tracker.unread(), names.len());
        assert_eq!(tracker.take(1, false)[0].key, "0");
        tracker.note(Suspect { key: "0", member: None });
        tracker.note(Suspect { key: "0", member: Some("m") });
        assert_eq!(tracker.unread(), names.len() + 1, "what was read may change again, and a member is not the key");
        tracker.take(usize::MAX, false);
        tracker.note(Suspect { key: "0", member: None });
        assert_eq!(tracker.unread(), 1);
    }

    #[test]
    fn a_transaction_is_unread_when_it_is_executed_or_held_when_that_waits() {
        let mut tracker = Tracker::default();
        for may_wait in [false, true] {
            tracker.transactions.begin(7);
            tracker.suspect(7, suspects(&["a"]).into_iter(), false);
            assert_eq!(unread(&mut tracker), ["a"], "it may run at once");
            assert_eq!(tracker.execute(7, may_wait), Ok(()));
            assert_eq!(unread(&mut tracker), if may_wait { vec![] } else { vec!["a"] });
        }
        tracker.answer(7, Word::Blocked);
        assert_eq!((tracker.to_ask(false, 9), tracker.to_ask(true, 9)), (vec![], vec![7]));
        for _ in 0..2 {
            assert_eq!(unread(&mut tracker), [""; 0]);
            tracker.answer(7, Word::Free { queued: None });
        }
        assert_eq!(unread(&mut tracker), ["a"]);
        assert!(tracker.waiting.is_empty());
    }

    #[test]
    fn clients_are_asked_about_once_and_in_their_turn() {
        let mut tracker = Tracker::default();
        for client in [9, 7, 8] {
            tracker.transactions.begin(client);
            tracker.suspect(client, suspects(&["a"]).into_iter(), client == 7);
        }
        assert_eq!((tracker.to_ask(false, 9), tracker.asks()), (vec![7], true));
        assert_eq!([(); 4].map(|()| tracker.to_ask(true, 2)), [[8, 9], [7, 8], [9, 7], [8, 9]]);
    }

    #[test]
    fn after_a_pause_those_who_waited_are_asked_about() {
        let mut tracker = Tracker::default();
        tracker.set_paused(true);
        tracker.suspect(7, suspects(&["a"]).into_iter(), true);
        tracker.answer(7, Word::Blocked);
        tracker.set_paused(true);
        assert!(!tracker.asks());
        tracker.set_paused(false);
        assert!(tracker.asks());
        tracker.answer(7, Word::Blocked);
        tracker.set_paused(false);
        assert!(!tracker.asks(), "it waits for something else");
    }

    #[test]
    fn where_events_are_watched_nothing_is_held() {
        let mut tracker = Tracker::default();
        tracker.transactions.begin(7);
        tracker.suspect(8, suspects(&["a"]).into_iter(), true);
        tracker.watch_events();
        tracker.suspect(7, suspects(&["b"]).into_iter(), true);
        assert_eq!((tracker.size().0, tracker.waiting.is_empty()), (2, true));
        assert_eq!(unread(&mut tracker), ["a", "b"]);
    }

    #[test]
    fn an_argument_is_counted_once() {
        let key = "key";
        let members = ["a", "bc"].map(|member| Suspect { key, member: Some(member) });
        assert_eq!(argument_bytes(&members), 6);
        assert_eq!(
            argument_bytes(&[
                Suspect { key: String::from("key"), member: None },
                Suspect { key: String::from("key"), member: None }
            ]),
            6
        );
    }
}
