//! Who may have logged in lately, by what clients wrote here: whoever did so after a logout must not be met by a part of it that comes
//! late.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

/// The most users that are remembered; with more, it counts as unknown who logged in before.
const MOST: usize = 1 << 17;

/// Users of whom something was written that they may be live by, and when that was read last. Only a node of a cluster keeps them. Pure.
#[derive(Debug, Default)]
pub struct Logins {
    is_kept: bool,
    /// By the hash of database and user.
    at: HashMap<u64, Instant>,
    hasher: RandomState,
    /// Who logged in before is not known; without it, everybody is.
    known_from: Option<Instant>,
    /// When what is being read now was read.
    now: Option<Instant>,
}

impl Logins {
    /// Begins to remember. What clients wrote before `known_from`, if they could, was not seen.
    pub fn keep(&mut self, known_from: Option<Instant>) {
        (self.is_kept, self.known_from) = (true, known_from);
    }

    /// What clients wrote until now was not seen.
    pub fn miss(&mut self, now: Instant) {
        self.at.clear();
        self.known_from = Some(now);
    }

    /// What is read from now on was just written, if it is said when; else it may be old.
    pub fn reads(&mut self, written: Option<Instant>) {
        self.now = written.filter(|_| self.is_kept);
    }

    /// Whether what is read counts.
    pub fn is_reading(&self) -> bool {
        self.now.is_some()
    }

    /// Something was read that the user may be live by.
    pub fn note(&mut self, database: usize, user: &[u8]) {
        let Some(now) = self.now else { return };
        let user = self.hasher.hash_one((database, user));
        if self.at.len() >= MOST && !self.at.contains_key(&user) {
            self.miss(now);
        }
        self.at.insert(user, now);
    }

    /// The user was logged out here: nothing is left of what was written before.
    pub fn forget(&mut self, database: usize, user: &[u8]) {
        if !self.at.is_empty() {
            self.at.remove(&self.hasher.hash_one((database, user)));
        }
    }

    /// Whether the user may have logged in at a moment or after it.
    pub fn may_be(&self, database: usize, user: &[u8], since: Instant) -> bool {
        self.known_from.is_some_and(|known| known > since)
            || self.at.get(&self.hasher.hash_one((database, user))).is_some_and(|at| *at >= since)
    }

    /// Forgets those of whom nobody asks any more.
    pub fn tidy(&mut self, now: Instant, lasts: Duration) {
        if self.at.len() >= 64 {
            let before = self.at.len();
            self.at.retain(|_, at| now.duration_since(*at) < lasts);
            // Somebody may ask for longer than that: what is forgotten is not known.
            let known = now.checked_sub(lasts).filter(|_| self.at.len() < before);
            self.known_from = self.known_from.max(known);
            self.at.shrink_to(2 * self.at.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_written_to_since_may_have_logged_in() {
        let (ann, bob) = (&b"ann"[..], &b"bob"[..]);
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut logins = Logins::default();
        logins.reads(Some(start));
        logins.note(0, ann);
        assert!(!logins.is_reading() && !logins.may_be(0, ann, start), "not kept outside of a cluster");
        logins.keep(None);
        logins.note(0, ann);
        logins.reads(Some(start + second));
        logins.note(0, ann);
        logins.reads(None);
        logins.note(0, bob);
        let may_be = |logins: &Logins, database, user, seconds| logins.may_be(database, user, start + seconds * second);
        assert!(may_be(&logins, 0, ann, 0) && may_be(&logins, 0, ann, 1));
        assert!(!may_be(&logins, 0, ann, 2) && !may_be(&logins, 1, ann, 0) && !may_be(&logins, 0, bob, 0));
        logins.forget(0, ann);
        assert!(!may_be(&logins, 0, ann, 0));
        logins.keep(Some(start + second));
        assert!(may_be(&logins, 0, bob, 0) && !may_be(&logins, 0, bob, 1), "what was before is not known");
    }

    #[test]
    fn more_than_it_remembers_is_unknown_and_what_is_old_is_forgotten() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut logins = Logins::default();
        logins.keep(None);
        logins.reads(Some(start));
        (0..MOST).for_each(|number| logins.note(0, &number.to_be_bytes()));
        assert!(!logins.may_be(0, &MOST.to_be_bytes(), start));
        logins.reads(Some(start + second));
        logins.note(0, &MOST.to_be_bytes());
        assert!(
            logins.may_be(0, &(MOST + 1).to_be_bytes(), start)
                && !logins.may_be(0, &(MOST + 1).to_be_bytes(), start + second)
        );
        (0..100_usize).for_each(|number| logins.note(0, &number.to_be_bytes()));
        logins.tidy(start + 2 * second, 2 * second);
        assert!(logins.may_be(0, &5_usize.to_be_bytes(), start + second));
        logins.tidy(start + 4 * second, 2 * second);
        assert!(!logins.may_be(0, &5_usize.to_be_bytes(), start + 2 * second));
        assert!(logins.may_be(0, &5_usize.to_be_bytes(), start + second), "that is not known any more");
    }
}
