//! What this node told others of users, so that all together judge whether they are live, and whether it still holds.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::ports::NodeId;

/// The most statements; of more, the first are forgotten, and do not hold any more.
const MOST: usize = 256;

/// Statements of the last moments. Pure.
#[derive(Debug, Default)]
pub struct Statements(VecDeque<Statement>);

/// What one node was told of some users.
#[derive(Debug)]
struct Statement {
    to: NodeId,
    trial: u64,
    database: usize,
    at: Instant,
    /// The users and sockets that it was about, and whether nothing was written of them since.
    holds: HashMap<Box<[u8]>, bool>,
}

impl Statements {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// States something of these users and sockets. What was stated in the same trial before is replaced.
    pub fn give<'i>(
        &mut self,
        (to, trial): (NodeId, u64),
        database: usize,
        ids: impl Iterator<Item = &'i [u8]>,
        at: Instant,
    ) {
        self.0.retain(|known| (known.to, known.trial) != (to, trial));
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        let holds = ids.map(|id| (id.into(), true)).collect();
        self.0.push_back(Statement { to, trial, database, at, holds });
    }

    /// Something was written of a user or a socket.
    pub fn touch(&mut self, database: usize, id: &[u8]) {
        for statement in self.0.iter_mut().filter(|statement| statement.database == database) {
            if let Some(holds) = statement.holds.get_mut(id) {
                *holds = false;
            }
        }
    }

    /// Whether what was stated of a user, or of a socket, still holds.
    pub fn hold(&self, (to, trial): (NodeId, u64), id: &[u8]) -> bool {
        let known = self.0.iter().find(|known| (known.to, known.trial) == (to, trial));
        known.is_some_and(|known| known.holds.get(id) == Some(&true))
    }

    /// Nothing holds any more: the data was replaced.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets those that nobody comes back to.
    pub fn tidy(&mut self, now: Instant, lasts: Duration) {
        while self.0.front().is_some_and(|first| now.duration_since(first.at) >= lasts) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_holds_until_something_is_written() {
        let (mut all, now, second) = (Statements::default(), Instant::now(), Duration::from_secs(1));
        let ids = || [&b"ann"[..], b"s1", b"bob"].into_iter();
        let (one, other) = (([1; 40], 7), ([2; 40], 7));
        all.give(one, 0, ids(), now);
        all.touch(0, b"ann");
        all.give(other, 0, ids(), now + second);
        all.touch(0, b"s1");
        all.touch(1, b"bob");
        let hold = |all: &Statements, at| [&b"ann"[..], b"s1", b"bob", b"eve"].map(|id| all.hold(at, id));
        assert_eq!(hold(&all, one), [false, false, true, false]);
        assert_eq!(hold(&all, other), [true, false, true, false], "what was stated later knows of what came before");
        assert_eq!(hold(&all, ([1; 40], 8)), [false; 4]);
        all.give(one, 0, ids().take(1), now + second);
        assert_eq!(hold(&all, one), [true, false, false, false]);
        all.tidy(now + 2 * second, second);
        assert!(all.is_empty());
        for number in 0..=u64::try_from(MOST).unwrap() {
            all.give(([1; 40], number), 0, ids(), now);
        }
        assert!(!all.hold(([1; 40], 0), b"ann") && all.hold(([1; 40], 1), b"ann"));
        all.clear();
        assert!(!all.hold(([1; 40], 1), b"ann"));
    }
}
