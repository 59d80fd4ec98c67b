//! Commands that were seen and may run later: the client waits, in a blocking command or because clients are paused.

use std::collections::HashMap;

use super::{ANYBODY, Queued, Word, argument_bytes};
use crate::watcher::Suspect;

/// The most keys that may wait for clients that cannot be told apart.
const MOST_OF_ANYBODY: usize = 256;

/// The most bytes of names that are held for clients that wait, as the server itself holds them.
const MOST_BYTES: usize = 256 << 20;

/// What clients may write that wait. A client that waits sends nothing else, so each has at most one command here; of those that
/// cannot be told apart (see [`ANYBODY`]) all commands are one.
#[derive(Debug)]
pub struct Waiting<K> {
    held: HashMap<u64, Held<K>>,
}

#[derive(Debug)]
struct Held<K> {
    queued: Queued<K>,
    bytes: usize,
    known: Known,
}

/// What the server said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was not asked.
    Nothing,
    /// The client waits.
    Blocked,
    /// The client does not wait, but its command may not have run.
    Free,
}

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self { held: HashMap::new() }
    }
}

impl<K: Clone + AsRef<[u8]>> Waiting<K> {
    /// Holds what a client's command may write. What its last one may have written is returned: that has run, or never
    /// will.
    pub fn hold(&mut self, client: u64, queued: Queued<K>) -> Queued<K> {
        let bytes = argument_bytes(&queued.keys);
        if client == ANYBODY
            && let Some(held) = self.held.get_mut(&ANYBODY)
        {
            (held.bytes, held.known) = (held.bytes + bytes, Known::Nothing);
            held.queued.add(queued);
            return Queued::default();
        }
        let former = self.held.insert(client, Held { queued, bytes, known: Known::Nothing });
        former.map(|held| held.queued).unwrap_or_default()
    }

    /// The client is known to wait, and may write anything.
    pub fn hold_unknown(&mut self, client: u64) {
        let queued = Queued { anything: true, ..Queued::default() };
        self.held.insert(client, Held { queued, bytes: 0, known: Known::Blocked });
    }

    /// The clients about whom the server should be asked: those whose commands are new, and now and then (`all`) those who are
    /// known to wait.
    pub fn to_ask(&self, all: bool) -> impl Iterator<Item = u64> {
        let known = self.held.iter().filter(|(client, _)| **client != ANYBODY);
        known.filter(move |(_, held)| all || held.known != Known::Blocked).map(|(client, _)| *client)
    }

    /// What the server said before holds no more.
    pub fn forget_words(&mut self) {
        self.held.values_mut().for_each(|held| held.known = Known::Nothing);
    }

    /// The clients who may write anything when they go on.
    pub fn unknown(&self) -> impl Iterator<Item = u64> {
        self.held.iter().filter(|(_, held)| held.queued.anything).map(|(client, _)| *client)
    }

    /// What the server says of a client, once in a turn of its loop. If it says twice that the client does not wait, the
    /// command has run or never will, and what it may have written is returned. (Once is not enough: after a pause a
    /// client is free for a moment before its command runs.)
    pub fn answer(&mut self, client: u64, word: Word) -> Queued<K> {
        let Some(held) = self.held.get_mut(&client) else { return Queued::default() };
        let was_free = held.known == Known::Free;
        held.known = if matches!(word, Word::Blocked) { Known::Blocked } else { Known::Free };
        if was_free && held.known == Known::Free { self.settle(client) } else { Queued::default() }
    }

    /// The client does not wait any more.
    pub fn settle(&mut self, client: u64) -> Queued<K> {
        self.held.remove(&client).map(|held| held.queued).unwrap_or_default()
    }

    /// Whether clients that cannot be told apart have commands here that the server was not asked about.
    pub fn is_anybody_new(&self) -> bool {
        self.held.get(&ANYBODY).is_some_and(|held| held.known == Known::Nothing)
    }

    /// Whether there are any.
    pub fn is_anybody(&self) -> bool {
        self.held.contains_key(&ANYBODY)
    }

    /// Some of those who cannot be told apart wait.
    pub fn keep_anybody(&mut self) {
        if let Some(held) = self.held.get_mut(&ANYBODY) {
            held.known = Known::Blocked;
        }
    }

    /// Whether clients wait with more than can be kept here.
    pub fn is_overrun(&self) -> bool {
        let waits = |held: &&Held<K>| held.known == Known::Blocked;
        let anybody = self.held.get(&ANYBODY).filter(waits);
        anybody.is_some_and(|held| held.queued.keys.len() > MOST_OF_ANYBODY)
            || self.held.values().filter(waits).map(|held| held.bytes).sum::<usize>() > MOST_BYTES
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What they may write.
    pub fn suspects(&self) -> impl Iterator<Item = &Suspect<K>> {
        self.held.values().flat_map(|held| &held.queued.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Word = Word::Free { queued: None };

    fn queued(name: &'static str) -> Queued<&'static str> {
        Queued { keys: vec![Suspect { key: name, member: None }], ..Queued::default() }
    }

    #[test]
    fn a_client_waits_with_its_last_command_alone() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.hold(7, queued("a")), Queued::default());
        assert_eq!(waiting.hold(8, queued("b")), Queued::default());
        assert_eq!(waiting.hold(7, queued("c")), queued("a"));
        assert_eq!(waiting.suspects().count(), 2);
    }

    #[test]
    fn a_command_is_settled_when_its_client_was_free_in_two_turns() {
        let table: [(&[Word], bool); 6] = [
            (&[FREE], false),
            (&[FREE, FREE], true),
            (&[Word::Blocked, FREE], false),
            (&[FREE, Word::Blocked, FREE], false),
            (&[Word::Blocked, FREE, FREE], true),
            (&[Word::Free { queued: Some(1) }, FREE], true),
        ];
        for (words, settles) in table {
            let mut waiting = Waiting::default();
            waiting.hold(7, queued("a"));
            let last = words.iter().fold(Queued::default(), |_, word| waiting.answer(7, *word));
            assert_eq!((last == queued("a"), waiting.is_empty()), (settles, settles), "{words:?}");
        }
    }

    #[test]
    fn who_is_known_to_wait_is_asked_about_now_and_then() {
        let mut waiting = Waiting::default();
        waiting.hold(7, queued("a"));
        assert_eq!(waiting.to_ask(false).count(), 1);
        waiting.answer(7, Word::Blocked);
        assert_eq!((waiting.to_ask(false).count(), waiting.to_ask(true).count()), (0, 1));
        waiting.hold_unknown(9);
        assert_eq!(waiting.unknown().collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn those_who_cannot_be_told_apart_wait_together() {
        let mut waiting = Waiting::default();
        for _ in 0..=MOST_OF_ANYBODY {
            waiting.hold(ANYBODY, queued("a"));
        }
        assert!(waiting.is_anybody_new() && !waiting.is_overrun(), "they may not wait at all");
        assert_eq!(waiting.to_ask(true).count(), 0);
        waiting.keep_anybody();
        assert!(!waiting.is_anybody_new() && waiting.is_overrun());
        assert_eq!(waiting.settle(ANYBODY).keys.len(), MOST_OF_ANYBODY + 1);
        assert!(waiting.is_empty());
    }
}
