//! Sockets of live users that are in the mapping and have no data key: since when, as far as it was noticed.

use std::collections::HashMap;

/// The most users of whom it is remembered. Of more, sweeps with a grace leave the dead sockets where they are.
const MOST_USERS: usize = 1 << 16;

/// A socket in a mapping that has no data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadSocket {
    /// Its id.
    pub id: Box<[u8]>,
    /// When that was noticed first, in milliseconds since 1970.
    pub since: u64,
}

/// What is remembered of dead sockets, by database and user.
#[derive(Debug, Default)]
pub struct DeadSockets(HashMap<(usize, Box<[u8]>), Vec<DeadSocket>>);

impl DeadSockets {
    /// Notes which of a user's sockets are dead at a moment; the others are not, or not any more.
    pub fn note(&mut self, database: usize, user: &[u8], dead: &[Vec<u8>], now: u64) -> Vec<DeadSocket> {
        if dead.is_empty() && self.0.is_empty() {
            return Vec::new();
        }
        let key = (database, user.into());
        let before = self.0.remove(&key).unwrap_or_default();
        let since = |id: &[u8]| before.iter().find(|known| *known.id == *id).map_or(now, |known| known.since);
        let dead: Vec<_> = dead.iter().map(|id| DeadSocket { since: since(id), id: (&**id).into() }).collect();
        if !dead.is_empty() && self.0.len() < MOST_USERS {
            self.0.insert(key, dead.clone());
        }
        dead
    }

    /// Forgets those of databases whose data was replaced.
    pub fn forget(&mut self, is_affected: impl Fn(usize) -> bool) {
        self.0.retain(|(database, _), _| !is_affected(*database));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_dead_since_it_was_noticed_first() {
        let mut known = DeadSockets::default();
        let ids = |ids: &[&str]| ids.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut note = |database, user: &str, dead: &[&str], now| {
            let dead = known.note(database, user.as_bytes(), &ids(dead), now);
            dead.iter().map(|dead| format!("{}@{}", dead.id.escape_ascii(), dead.since)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(note(0, "ann", &["s1"], 5), "s1@5");
        assert_eq!(note(0, "ann", &["s2", "s1"], 7), "s2@7 s1@5");
        assert_eq!(note(1, "ann", &["s1"], 8), "s1@8");
        assert_eq!(note(0, "ann", &["s2"], 9), "s2@7");
        assert_eq!(note(0, "ann", &["s1", "s2"], 10), "s1@10 s2@7", "it was there in between");
        assert_eq!(note(0, "ann", &[], 11), "");
        assert_eq!(note(0, "ann", &["s1"], 12), "s1@12");
        known.forget(|database| database == 0);
        assert_eq!(known.0.len(), 1);
    }
}
