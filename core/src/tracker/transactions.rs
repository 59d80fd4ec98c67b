//! What open transactions have queued.
//!
//! The module sees a command before the server does: it may be refused, and so may the `MULTI` before it. What is queued here
//! is therefore held against the server's own word, see [`Transactions::answer`].

use std::collections::HashMap;

use super::{Queued, Word};
use crate::watcher::Suspect;

/// Stands for a client that the server does not identify.
pub const ANYBODY: u64 = 0;

/// As long as a queue holds no more bytes of names that the server was not asked about, it can wait for a quiet moment.
const FEW_BYTES: usize = 1024;

/// The most names that are held for one client, and for all. Their bytes the server holds anyway, in its own queues: these are
/// references. What is beyond is left to keyspace events.
const MOST_OF_ONE: usize = 4 << 20;
const MOST_OF_ALL: usize = 16 << 20;

/// The most bytes where clients cannot be told apart, and it is not known either what the server has refused.
const MOST_BYTES_OF_ANYBODY: usize = 16 << 20;

/// What transactions have queued. `K` is a key's name.
///
/// Servers from 7.2 on say which client sends a command; 7.0 does not. There, all clients are taken for one that may
/// have several transactions open: a key stays queued until none is. Whoever sends `EXEC` or `DISCARD` without `MULTI` spoils the
/// count. So when it comes to nothing, what was queued is kept, and what comes is queued, until it is known that each of those
/// commands ended a transaction ([`Transactions::confirm_count`]); if one did not, nothing is forgotten until the server has said how
/// many are open.
#[derive(Debug)]
pub struct Transactions<K> {
    open: HashMap<u64, Queue<K>>,
    /// An `EXEC` or `DISCARD` has come since the count was known to be right.
    is_doubtful: bool,
    /// The count is known to be wrong.
    is_miscounted: bool,
    /// Where clients cannot be told apart: it is known that none has a transaction open, and none was opened since.
    is_none_open: bool,
}

#[derive(Debug)]
struct Queue<K> {
    transactions: usize,
    queued: Queued<K>,
    /// What was queued in transactions that have ended, by a count that may be wrong.
    ended: Queued<K>,
    /// Bytes of the arguments in it.
    bytes: usize,
    /// How many commands it is from: those that name keys which matter.
    commands: usize,
    /// How many bytes there were when the server last gave no reason to doubt them.
    believed: usize,
    /// What the server said the last two times, the last one first, if the client did not wait in between.
    said: [Option<Said>; 2],
    /// The client waited when the server was asked last.
    is_blocked: bool,
    /// The server refused a command of it, so `EXEC` will execute nothing.
    is_void: bool,
}

/// An answer of the server, and what was known here at the same moment.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// How many commands it had queued, whatever they name.
    queued: usize,
    commands: usize,
    bytes: usize,
}

/// More was executed than was known to be open.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfStep;

impl<K> Default for Transactions<K> {
    fn default() -> Self {
        Self { open: HashMap::new(), is_doubtful: false, is_miscounted: false, is_none_open: false }
    }
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            transactions: 0,
            queued: Queued::default(),
            ended: Queued::default(),
            bytes: 0,
            commands: 0,
            believed: 0,
            said: [None; 2],
            is_blocked: false,
            is_void: false,
        }
    }
}

impl<K> Queue<K> {
    fn needs_asking(&self, about: usize) -> bool {
        !self.is_void && self.bytes > self.believed + about
    }
}

impl<K: Clone + AsRef<[u8]>> Transactions<K> {
    /// The client opens a transaction.
    pub fn begin(&mut self, client: u64) {
        self.is_none_open = false;
        let queue = self.open.entry(client).or_default();
        queue.transactions = if client == ANYBODY { queue.transactions + 1 } else { 1 };
    }

    /// Whether the client may have a transaction open.
    pub fn is_open(&self, client: u64) -> bool {
        self.open.contains_key(&client)
    }

    /// Queues the keys of one command if the client may have a transaction open. The command may run at once all the same:
    /// `MULTI` may have been refused.
    pub fn queue(&mut self, client: u64, suspects: &[Suspect<K>]) {
        let Some(queue) = self.open.get_mut(&client).filter(|queue| !queue.is_void) else { return };
        let is_same = |one: &Suspect<K>, other: &Suspect<K>| std::ptr::eq(one.key.as_ref(), other.key.as_ref());
        // While another module holds clients back, the server may show a command twice: the same strings.
        if queue.queued.keys.last().zip(suspects.last()).is_some_and(|(last, new)| is_same(last, new)) {
            return;
        }
        queue.bytes += super::argument_bytes(suspects);
        queue.commands += 1;
        queue.queued.keys.extend_from_slice(suspects);
    }

    /// The same for a command that may create keys that it does not name.
    pub fn queue_populating(&mut self, client: u64) {
        if let Some(queue) = self.open.get_mut(&client) {
            queue.queued.populates = true;
        }
    }

    /// The client has a transaction open in which anything may be queued.
    pub fn begin_unknown(&mut self, client: u64) {
        self.begin(client);
        if let Some(queue) = self.open.get_mut(&client) {
            queue.queued.anything = true;
        }
    }

    /// The client executes its transaction.
    ///
    /// # Errors
    /// [`OutOfStep`] if clients cannot be told apart, and whether one has a transaction open is not known.
    pub fn execute(&mut self, client: u64) -> Result<Queued<K>, OutOfStep> {
        match self.end(client) {
            None if client == ANYBODY && !self.is_none_open => Err(OutOfStep),
            queued => Ok(queued.unwrap_or_default()),
        }
    }

    /// The same where clients cannot be told apart, and the server may not execute it now but show it once more later.
    pub fn may_execute(&self) -> Queued<K> {
        let mut queued = Queued::default();
        if let Some(queue) = self.open.get(&ANYBODY) {
            queued.add(queue.ended.clone());
            queued.add(queue.queued.clone());
        }
        queued
    }

    /// The client drops its transaction. With clients that cannot be told apart nothing is dropped.
    pub fn discard(&mut self, client: u64) -> Queued<K> {
        let queued = self.end(client).unwrap_or_default();
        if client == ANYBODY { queued } else { Queued::default() }
    }

    /// What a transaction that ends has queued. With clients that cannot be told apart it stays queued, or is kept.
    fn end(&mut self, client: u64) -> Option<Queued<K>> {
        if client != ANYBODY {
            return self.open.remove(&client).map(|queue| queue.queued);
        }
        self.is_doubtful = true;
        let queue = self.open.get_mut(&ANYBODY).filter(|queue| queue.transactions > 0)?;
        let queued = queue.queued.clone();
        if queue.transactions > 1 || self.is_miscounted {
            queue.transactions = (queue.transactions - 1).max(1);
        } else {
            queue.transactions = 0;
            queue.ended.add(std::mem::take(&mut queue.queued));
        }
        Some(queued)
    }

    /// Where clients cannot be told apart: whether it was not looked into since the last `EXEC` or `DISCARD` whether all of them have
    /// ended a transaction.
    pub fn is_count_doubtful(&self) -> bool {
        self.is_doubtful && self.open.contains_key(&ANYBODY)
    }

    /// The same if something is held that may be forgotten too early.
    pub fn is_queue_doubtful(&self) -> bool {
        let holds = |queue: &Queue<K>| !queue.queued.is_empty() || !queue.ended.is_empty();
        self.is_doubtful && self.open.get(&ANYBODY).is_some_and(holds)
    }

    /// All of them have, and none is under way.
    pub fn confirm_count(&mut self) {
        self.is_doubtful = false;
        let Some(queue) = self.open.get_mut(&ANYBODY) else { return };
        queue.ended = Queued::default();
        queue.bytes = super::argument_bytes(&queue.queued.keys);
        queue.believed = queue.believed.min(queue.bytes);
        if queue.transactions == 0 {
            self.open.remove(&ANYBODY);
            self.is_none_open = true;
        }
    }

    /// Some have not: any transaction may still be open. Returned is what may have been executed meanwhile.
    pub fn reject_count(&mut self) -> Queued<K> {
        (self.is_doubtful, self.is_miscounted) = (false, true);
        let Some(queue) = self.open.get_mut(&ANYBODY) else { return Queued::default() };
        queue.transactions = queue.transactions.max(1);
        queue.queued.add(std::mem::take(&mut queue.ended));
        queue.queued.clone()
    }

    /// The clients about whom the server should be asked: those with much that it has not confirmed, or with anything
    /// (`all`).
    pub fn to_ask(&self, all: bool) -> impl Iterator<Item = u64> {
        let about = if all { 0 } else { FEW_BYTES };
        let known = self.open.iter().filter(|(client, _)| **client != ANYBODY);
        let asks = move |queue: &Queue<K>| queue.needs_asking(about) && (all || !queue.is_blocked);
        known.filter(move |(_, queue)| asks(queue)).map(|(client, _)| *client)
    }

    /// What the server says of a client, once in a turn of its loop.
    ///
    /// If it says twice that the client has no transaction, then `MULTI` was refused, and what is returned has run or never
    /// will. (Once is not enough: after a pause a client is free for a moment before its command runs.) Once it has refused
    /// a command it queues no other and will execute none. So that has happened if it has queued fewer commands than there
    /// were here one turn before, or none at all of those that came between the last two turns.
    pub fn answer(&mut self, client: u64, word: Word) -> Queued<K> {
        let Some(queue) = self.open.get_mut(&client) else { return Queued::default() };
        queue.is_blocked = word == Word::Blocked;
        let Word::Free { queued } = word else {
            queue.said = [None; 2];
            return Queued::default();
        };
        let [last, before] = queue.said;
        let Some(queued) = queued else {
            if last.is_some() {
                return self.forget(client);
            }
            queue.said = [Some(Said { queued: 0, commands: 0, bytes: 0 }), None];
            return Queued::default();
        };
        let lacks = last.is_some_and(|last| queued < last.commands);
        let stands =
            last.zip(before).is_some_and(|(last, before)| last.commands > before.commands && queued == before.queued);
        if lacks || stands {
            *queue = Queue { transactions: queue.transactions, is_void: true, ..Queue::default() };
            return Queued::default();
        }
        queue.believed = last.map_or(queue.believed, |last| last.bytes.max(queue.believed));
        queue.said = [Some(Said { queued, commands: queue.commands, bytes: queue.bytes }), last];
        Queued::default()
    }

    /// Whether something is held for a client that may have had a transaction open.
    pub fn holds(&self, client: u64) -> bool {
        self.open.get(&client).is_some_and(|queue| queue.is_void || !queue.queued.is_empty())
    }

    /// The client has no transaction open. What it had queued is returned.
    pub fn forget(&mut self, client: u64) -> Queued<K> {
        self.open.remove(&client).map(|queue| queue.queued).unwrap_or_default()
    }

    /// What the server said before of who waits holds no more.
    pub fn forget_words(&mut self) {
        self.open.values_mut().for_each(|queue| queue.is_blocked = false);
    }

    /// Where clients cannot be told apart: whether the list of all clients should be asked for, by the size of what is held.
    pub fn is_much_of_anybody(&self) -> bool {
        self.open.get(&ANYBODY).is_some_and(|queue| queue.needs_asking(MOST_BYTES_OF_ANYBODY / 16))
    }

    /// Where clients cannot be told apart: how many have a transaction open, as the server lists them. What is returned has run,
    /// or never will.
    pub fn answer_anybody(&mut self, open: usize) -> Queued<K> {
        (self.is_none_open, self.is_miscounted) = (open == 0, false);
        let Some(queue) = self.open.get_mut(&ANYBODY) else { return Queued::default() };
        queue.queued.add(std::mem::take(&mut queue.ended));
        (queue.transactions, queue.believed) = (open, queue.bytes);
        if open > 0 {
            return Queued::default();
        }
        self.open.remove(&ANYBODY).map(|queue| queue.queued).unwrap_or_default()
    }

    /// Whether the server has queued more than can be kept here.
    pub fn is_overrun(&self) -> bool {
        let names = |queue: &Queue<K>| if queue.believed > 0 { queue.queued.keys.len() } else { 0 };
        let is_overrun = |(client, queue): (&u64, &Queue<K>)| match *client {
            ANYBODY => queue.believed > MOST_BYTES_OF_ANYBODY,
            _ => names(queue) > MOST_OF_ONE,
        };
        self.open.iter().any(is_overrun) || self.open.values().map(names).sum::<usize>() > MOST_OF_ALL
    }

    /// The clients that may have one open, as far as they can be told apart.
    pub fn clients(&self) -> impl Iterator<Item = u64> {
        self.open.keys().copied().filter(|client| *client != ANYBODY)
    }

    /// What is queued.
    pub fn suspects(&self) -> impl Iterator<Item = &Suspect<K>> {
        self.open.values().flat_map(|queue| queue.ended.keys.iter().chain(&queue.queued.keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &'static str) -> [Suspect<&'static str>; 1] {
        [Suspect { key: name, member: None }]
    }

    fn names(queued: &Queued<&'static str>) -> Vec<&'static str> {
        queued.keys.iter().map(|suspect| suspect.key).collect()
    }

    #[test]
    fn a_clients_transaction_is_its_own() {
        let mut transactions = Transactions::default();
        transactions.queue(7, &key("before"));
        transactions.begin(7);
        transactions.begin(7);
        transactions.queue(7, &key("a"));
        transactions.queue(8, &key("b"));
        assert_eq!(transactions.execute(8), Ok(Queued::default()), "EXEC without MULTI");
        transactions.queue_populating(7);
        transactions.queue_populating(8);
        let queued = transactions.execute(7).unwrap();
        assert_eq!((names(&queued), queued.populates, queued.anything), (vec!["a"], true, false));
        assert_eq!(transactions.execute(7), Ok(Queued::default()));
        transactions.begin(7);
        transactions.queue(7, &key("d"));
        assert_eq!(transactions.discard(7), Queued::default());
        assert_eq!(transactions.execute(7), Ok(Queued::default()));
        transactions.begin(9);
        assert!(transactions.clients().any(|client| client == 9));
        transactions.forget(9);
        assert!(!transactions.is_open(9));
    }

    /// A name so long that the server is asked about it.
    const LONG: &str = match str::from_utf8(&[b'x'; 2 * FEW_BYTES]) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    };

    #[test]
    fn what_the_server_refused_is_not_held() {
        let (in_none, blocked) = (Word::Free { queued: None }, Word::Blocked);
        let in_one = |queued| Word::Free { queued: Some(queued) };
        // Words of the server, and the names that are still queued after the last of them.
        let table: [(&[Word], Vec<&str>); 8] = [
            (&[in_none], vec!["a", LONG]),
            (&[in_none, in_none], vec![]),
            (&[in_none, blocked, in_none], vec!["a", LONG]),
            (&[in_one(0), in_one(2)], vec!["a", LONG]),
            // There may be others that name nothing of interest.
            (&[in_one(9), in_one(9), in_one(9)], vec!["a", LONG]),
            (&[in_one(1), in_one(1)], vec![]),
            (&[in_one(0), blocked, in_one(0)], vec!["a", LONG]),
            (&[in_one(0), in_one(0), in_one(0)], vec![]),
        ];
        for (words, expected) in table {
            let mut transactions = Transactions::default();
            transactions.begin(7);
            transactions.queue(7, &key("a"));
            assert_eq!(transactions.to_ask(false).count(), 0);
            assert_eq!(transactions.to_ask(true).count(), 1);
            transactions.queue(7, &key(LONG));
            assert_eq!(transactions.to_ask(false).collect::<Vec<_>>(), [7]);
            for word in words {
                transactions.answer(7, *word);
            }
            assert_eq!(names(&transactions.execute(7).unwrap()), expected, "{words:?}");
        }
    }

    #[test]
    fn a_command_that_is_shown_twice_is_queued_once() {
        let (mut transactions, name) = (Transactions::default(), String::from("a"));
        let suspects = [Suspect { key: name.as_str(), member: None }];
        transactions.begin(7);
        transactions.queue(7, &suspects);
        transactions.queue(7, &suspects);
        assert_eq!(transactions.suspects().count(), 1);
    }

    #[test]
    fn where_the_server_queues_no_more_it_has_refused_something() {
        let mut transactions = Transactions::default();
        let word = Word::Free { queued: Some(9) };
        transactions.begin(7);
        let texts = [1, 2, 3].map(|n| format!("{n}{LONG}"));
        let keys = texts.each_ref().map(|text| [Suspect { key: text.as_str(), member: None }]);
        transactions.queue(7, &keys[0]);
        transactions.answer(7, word);
        transactions.queue(7, &keys[1]);
        transactions.answer(7, word);
        // Of the second one the server knew nothing yet, perhaps.
        assert_eq!((transactions.suspects().count(), transactions.to_ask(false).count()), (2, 1));
        transactions.answer(7, word);
        assert_eq!((transactions.suspects().count(), transactions.to_ask(true).count()), (0, 0), "it was refused");
        transactions.queue(7, &keys[2]);
        assert_eq!(transactions.suspects().count(), 0, "and with it all that follows");
        assert!(transactions.holds(7));
        transactions.execute(7).unwrap();
        transactions.begin(7);
        transactions.queue(7, &keys[2]);
        assert_eq!(transactions.suspects().count(), 1, "until the next one");
        assert_eq!((transactions.forget(7).keys.len(), transactions.holds(7)), (1, false));
    }

    #[test]
    fn clients_that_cannot_be_told_apart_share_a_queue_until_none_is_open() {
        let mut transactions = Transactions::default();
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &key("a"));
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &key("b"));
        assert_eq!(transactions.execute(ANYBODY).map(|queued| names(&queued)), Ok(vec!["a", "b"]));
        transactions.queue(ANYBODY, &key("c"));
        assert_eq!(names(&transactions.may_execute()), ["a", "b", "c"]);
        assert_eq!(names(&transactions.discard(ANYBODY)), ["a", "b", "c"], "another may have executed in its place");
        assert_eq!(transactions.execute(ANYBODY), Err(OutOfStep));
    }

    #[test]
    fn what_has_ended_by_the_count_is_kept_until_the_count_is_known_to_be_right() {
        let mut transactions = Transactions::default();
        for is_right in [true, false] {
            transactions.begin(ANYBODY);
            transactions.queue(ANYBODY, &key("a"));
            assert_eq!(names(&transactions.discard(ANYBODY)), ["a"]);
            // It may be a command of one that is open.
            transactions.queue(ANYBODY, &key("b"));
            assert_eq!(transactions.execute(ANYBODY), Err(OutOfStep));
            assert!(transactions.is_count_doubtful() && transactions.is_queue_doubtful());
            if is_right {
                transactions.confirm_count();
                assert_eq!((transactions.suspects().count(), transactions.is_open(ANYBODY)), (0, false));
                assert_eq!(transactions.execute(ANYBODY), Ok(Queued::default()), "nothing is executed by it");
            } else {
                assert_eq!(names(&transactions.reject_count()), ["b", "a"]);
            }
            assert!(!transactions.is_count_doubtful());
        }
        for _ in 0..4 {
            assert_eq!(names(&transactions.execute(ANYBODY).unwrap()), ["b", "a"], "any may be the last");
        }
        assert_eq!(transactions.answer_anybody(1), Queued::default());
        assert_eq!(names(&transactions.execute(ANYBODY).unwrap()), ["b", "a"]);
        assert_eq!(transactions.answer_anybody(1), Queued::default(), "it was none");
        assert_eq!(names(&transactions.execute(ANYBODY).unwrap()), ["b", "a"]);
        assert_eq!(names(&transactions.answer_anybody(0)), ["b", "a"]);
        assert_eq!(transactions.suspects().count(), 0);
    }

    #[test]
    fn the_list_of_all_clients_corrects_the_count() {
        let mut transactions = Transactions::default();
        transactions.begin(ANYBODY);
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &key("a"));
        assert_eq!(transactions.answer_anybody(1), Queued::default());
        assert_eq!(transactions.execute(ANYBODY).map(|queued| names(&queued)), Ok(vec!["a"]));
        assert_eq!(transactions.execute(ANYBODY), Err(OutOfStep));
        assert_eq!(names(&transactions.answer_anybody(0)), ["a"], "whoever had it queued has executed or dropped it");
        assert_eq!(transactions.execute(ANYBODY), Ok(Queued::default()), "nothing is executed by it");
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &key("b"));
        assert_eq!(names(&transactions.answer_anybody(0)), ["b"], "it was refused, or ran at once");
        assert!(!transactions.is_open(ANYBODY));
    }
}
