//! Users whom a request in flight brought back after their logout: what it writes of them comes in parts.

use std::time::{Duration, Instant};

/// The most users; of more, the first are left to the next sweep.
const MOST: usize = 1024;

/// How long it has to be quiet about a user before a look. A login is written in parts too, in any order, and within it.
const SETTLES: Duration = Duration::from_millis(250);

/// A user of whom something came back that the fence stopped.
#[derive(Debug)]
struct Returned {
    database: usize,
    user: Box<[u8]>,
    /// Until when what comes back is of the request in flight.
    until: Instant,
    news: News,
}

/// What was heard of a user since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    /// Something, and nobody has looked at the clock since.
    Some,
    /// Something, and a look is due then.
    At(Instant),
}

/// All of them, few as a rule.
#[derive(Debug, Default)]
pub struct ReturnedUsers(Vec<Returned>);

impl ReturnedUsers {
    /// The fence stopped something of a user.
    pub fn add(&mut self, database: usize, user: &[u8], until: Instant) {
        if let Some(known) = self.find(database, user) {
            (known.until, known.news) = (until, News::Some);
            return;
        }
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(Returned { database, user: user.into(), until, news: News::Some });
    }

    /// A user was seen somewhere.
    pub fn seen(&mut self, database: usize, user: &[u8]) {
        if let Some(known) = self.find(database, user) {
            known.news = News::Some;
        }
    }

    fn find(&mut self, database: usize, user: &[u8]) -> Option<&mut Returned> {
        self.0.iter_mut().find(|known| known.database == database && *known.user == *user)
    }

    /// Whether there is news of anybody.
    pub fn has_news(&self) -> bool {
        self.0.iter().any(|known| known.news != News::None)
    }

    /// Takes the users at whom it is time to look, and forgets those whose time is over.
    pub fn due(&mut self, now: Instant) -> Vec<(usize, Box<[u8]>)> {
        let mut due = Vec::new();
        for known in &mut self.0 {
            known.news = match known.news {
                News::Some => News::At(now + SETTLES),
                News::At(moment) if moment <= now => {
                    due.push((known.database, known.user.clone()));
                    News::None
                }
                other => other,
            };
        }
        self.0.retain(|known| known.until > now || known.news != News::None);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_due_once_it_has_been_quiet() {
        let (mut returned, now) = (ReturnedUsers::default(), Instant::now());
        let minute = Duration::from_secs(60);
        returned.add(0, b"ann", now + minute);
        returned.seen(0, b"bob");
        returned.seen(1, b"ann");
        assert_eq!(returned.due(now), []);
        assert!(returned.has_news());
        returned.seen(0, b"ann");
        assert_eq!(returned.due(now + SETTLES), [], "something came in between");
        assert_eq!(returned.due(now + 2 * SETTLES), [(0, Box::from(&b"ann"[..]))]);
        assert!(!returned.has_news());
        returned.seen(0, b"ann");
        assert_eq!(returned.due(now + minute), []);
        assert_eq!(returned.due(now + 2 * minute).len(), 1, "it is looked at, late as it is");
        returned.seen(0, b"ann");
        assert!(!returned.has_news(), "its time is over");
        (0..2000_u32).for_each(|number| returned.add(0, &number.to_be_bytes(), now));
        assert_eq!(returned.0.len(), MOST);
    }
}
