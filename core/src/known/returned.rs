//! Users of whom a request in flight wrote something after their logout: what else of them was seen right after.

use std::time::{Duration, Instant};

use crate::index::{Place, PlaceRef};

/// The most users; of more, the first are left to the next sweep.
const MOST: usize = 1024;

/// The most places of one user; of more, the others are left to the next sweep.
const MOST_PLACES: usize = 256;

/// What follows within this time is taken for the same request's. Not longer: a login may begin with what has no socket in it.
const IN_FLIGHT: Duration = Duration::from_millis(250);

/// A user of whom the fence stopped something.
#[derive(Debug)]
pub struct Returned {
    /// The user's database.
    pub database: usize,
    /// The user's id.
    pub user: Box<[u8]>,
    /// Where the user was seen since.
    pub places: Vec<Place>,
    until: Instant,
}

/// All of them, few as a rule.
#[derive(Debug, Default)]
pub struct ReturnedUsers(Vec<Returned>);

impl ReturnedUsers {
    /// The fence stopped something of a user, or is about to.
    pub fn add(&mut self, database: usize, user: &[u8], now: Instant) {
        let until = now + IN_FLIGHT;
        if let Some(known) = self.find(database, user) {
            known.until = until;
            return;
        }
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(Returned { database, user: user.into(), places: Vec::new(), until });
    }

    /// A user was seen somewhere.
    pub fn seen(&mut self, database: usize, user: &[u8], place: PlaceRef<'_>) {
        let known = self.find(database, user).filter(|known| known.places.len() < MOST_PLACES);
        if let Some(known) = known.filter(|known| known.places.iter().all(|seen| seen.borrowed() != place)) {
            known.places.push(place.to_owned());
        }
    }

    fn find(&mut self, database: usize, user: &[u8]) -> Option<&mut Returned> {
        self.0.iter_mut().find(|known| known.database == database && *known.user == *user)
    }

    /// Whether there is anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one whose time is over.
    pub fn take_due(&mut self, now: Instant) -> Option<Returned> {
        let at = self.0.iter().position(|known| known.until <= now)?;
        Some(self.0.swap_remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Bindings;

    #[test]
    fn places_are_noted_for_a_moment_and_taken_once() {
        let (mut returned, now) = (ReturnedUsers::default(), Instant::now());
        let [one, other] = [1, 2].map(|trace| Place::new(trace, &[], &Bindings::default()));
        returned.seen(0, b"ann", one.borrowed());
        assert!(returned.is_empty());
        returned.add(0, b"ann", now);
        for place in [&one, &other, &one] {
            returned.seen(0, b"ann", place.borrowed());
            returned.seen(1, b"ann", place.borrowed());
        }
        assert!(returned.take_due(now).is_none());
        returned.add(0, b"ann", now + IN_FLIGHT);
        assert!(returned.take_due(now + IN_FLIGHT).is_none(), "something came in between");
        let due = returned.take_due(now + 2 * IN_FLIGHT).unwrap();
        assert_eq!((due.database, &*due.user, due.places), (0, &b"ann"[..], vec![one, other]));
        assert!(returned.is_empty());
        (0..2000_u32).for_each(|number| returned.add(0, &number.to_be_bytes(), now));
        assert_eq!(returned.0.len(), MOST);
    }
}
