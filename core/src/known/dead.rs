//! Sockets of live users that are in the mapping, or in a collection of the user's own, and have no data key: since when, as
//! far as it was noticed.

use std::collections::HashMap;

/// The most sockets of which it is remembered. Of more, sweeps with a grace leave the dead ones where they are.
const MOST: usize = 1 << 16;

/// When there are so many, those go that were noticed longer ago than this, in milliseconds: whoever took them out of where
/// they stood did not say so.
const OLD: u64 = 24 * 3600 * 1000;

/// A socket of a live user that has no data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadSocket {
    /// Its id.
    pub id: Box<[u8]>,
    /// When that was noticed first, in milliseconds since 1970.
    pub since: u64,
}

/// What is remembered of dead sockets, by database.
#[derive(Debug, Default)]
pub struct DeadSockets(HashMap<(usize, Box<[u8]>), u64>);

impl DeadSockets {
    /// Notes that sockets are dead at a moment, and returns since when they are.
    pub fn note(&mut self, database: usize, dead: &[Vec<u8>], now: u64) -> Vec<DeadSocket> {
        let since = |id: &Vec<u8>| {
            let key = (database, Box::from(&**id));
            if self.0.len() >= MOST {
                self.0.retain(|_, since| now.saturating_sub(*since) < OLD);
            }
            let is_full = self.0.len() >= MOST;
            let known = self.0.get(&key).copied();
            if known.is_none() && !is_full {
                self.0.insert(key, now);
            }
            DeadSocket { id: (&**id).into(), since: known.unwrap_or(now) }
        };
        dead.iter().map(since).collect()
    }

    /// The data of a socket was written, or the socket is gone altogether.
    pub fn forget(&mut self, database: usize, socket: &[u8]) {
        if !self.0.is_empty() {
            self.0.remove(&(database, socket.into()));
        }
    }

    /// Forgets those of databases whose data was replaced.
    pub fn forget_databases(&mut self, is_affected: impl Fn(usize) -> bool) {
        self.0.retain(|(database, _), _| !is_affected(*database));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_dead_since_it_was_noticed_first_and_not_written_since() {
        let mut known = DeadSockets::default();
        let note = |known: &mut DeadSockets, database, dead: &[&str], now| {
            let dead: Vec<Vec<u8>> = dead.iter().map(|id| id.as_bytes().to_vec()).collect();
            let dead = known.note(database, &dead, now);
            dead.iter().map(|dead| format!("{}@{}", dead.id.escape_ascii(), dead.since)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(note(&mut known, 0, &["s1"], 5), "s1@5");
        assert_eq!(note(&mut known, 0, &["s2", "s1"], 7), "s2@7 s1@5");
        assert_eq!(note(&mut known, 1, &["s1"], 8), "s1@8");
        known.forget(0, b"s1");
        assert_eq!(note(&mut known, 0, &["s1", "s2"], 10), "s1@10 s2@7", "it came back in between");
        known.forget_databases(|database| database == 0);
        assert_eq!(known.0.len(), 1);
        let many: Vec<Vec<u8>> = (0..MOST).map(|number| number.to_string().into_bytes()).collect();
        known.note(0, &many, 20);
        assert_eq!((known.0.len(), note(&mut known, 0, &["more"], 21)), (MOST, "more@21".to_owned()));
        assert_eq!(note(&mut known, 0, &["more"], 22), "more@22", "it was not remembered");
        note(&mut known, 0, &["later"], OLD + 21);
        assert_eq!(known.0.len(), 1, "the old ones went");
    }
}
