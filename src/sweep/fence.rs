//! The fence: the data of a socket that was logged out stays away, even if a request in flight writes it again.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    engine::server::{Caller, Name, Server},
    plan, state,
};

/// So many sockets are remembered; of more, those that were logged out first are forgotten.
const MOST_SOCKETS: usize = 1 << 16;

/// A socket of a database.
type Key = (usize, Box<[u8]>);

/// Sockets that were logged out, and whose they were. Pure.
#[derive(Debug, Default)]
pub struct Fence {
    users: HashMap<Key, (Box<[u8]>, Instant)>,
    /// The order in which they were logged out.
    order: VecDeque<(Key, Instant)>,
    /// What the ids take.
    bytes: usize,
}

impl Fence {
    /// Remembers a socket of a user who was logged out, for as long as `lasts`.
    pub fn add(&mut self, database: usize, socket: &[u8], user: &[u8], now: Instant, lasts: Duration) {
        let (key, until): (Key, _) = ((database, socket.into()), now + lasts);
        self.bytes += cost(&key, user);
        self.order.push_back((key.clone(), until));
        if let Some((former, _)) = self.users.insert(key.clone(), (user.into(), until)) {
            self.bytes -= cost(&key, &former);
        }
        while self.order.len() > MOST_SOCKETS {
            self.forget_first();
        }
    }

    /// Forgets those whose time is over.
    pub fn tidy(&mut self, now: Instant) {
        let before = self.order.len();
        while self.order.front().is_some_and(|(_, until)| *until <= now) {
            self.forget_first();
        }
        if self.order.len() < before && self.order.capacity() > 4 * self.order.len() {
            self.order.shrink_to(2 * self.order.len());
            self.users.shrink_to(2 * self.users.len());
        }
    }

    fn forget_first(&mut self) {
        let Some((key, until)) = self.order.pop_front() else { return };
        // It may have been logged out once more since.
        if self.users.get(&key).is_some_and(|(_, last)| *last <= until) {
            let (user, _) = self.users.remove(&key).expect("it was just there");
            self.bytes -= cost(&key, &user);
        }
    }

    /// Whose the socket was, if it was logged out not long ago.
    pub fn user(&self, database: usize, socket: &[u8], now: Instant) -> Option<&[u8]> {
        if self.users.is_empty() {
            return None;
        }
        let (user, until) = self.users.get(&(database, socket.into()))?;
        (*until > now).then_some(user)
    }

    /// How many sockets are remembered.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// About how many bytes that takes.
    pub fn bytes(&self) -> usize {
        let tables = self.users.capacity() * size_of::<(Key, (Box<[u8]>, Instant))>()
            + self.order.capacity() * size_of::<(Key, Instant)>();
        self.bytes + tables
    }
}

/// What one socket takes besides the tables: its id twice, and the user's.
fn cost((_, socket): &Key, user: &[u8]) -> usize {
    2 * socket.len() + user.len()
}

/// Whose socket's data a key of this name is, if the socket was logged out not long ago.
pub fn stops(database: usize, name: &[u8]) -> bool {
    state::with(|state| {
        let is_on = !state.sweeping.fence.is_empty() && state.options.fence().is_some();
        let Some(sockets) = state.layout.sockets.as_ref().filter(|_| is_on) else { return false };
        let Some(socket) = sockets.socket(name) else { return false };
        state.sweeping.fence.user(database, socket, Instant::now()).is_some()
    })
}

/// Removes a key of the selected database if it is the data of a socket that was logged out, and still names its user.
pub fn enforce(server: &Server, name: &Name) {
    let database = server.database();
    let found = state::with(|state| {
        let socket = state.layout.sockets.as_ref()?.socket(name.as_ref())?;
        let user = state.sweeping.fence.user(database, socket, Instant::now())?;
        Some((state.layout.clone(), user.to_vec()))
    });
    let Some((layout, user)) = found else { return };
    let plan = plan::find_key(server, &layout, &user, name);
    let Ok(checked) = plan.check(server, &Caller::anybody(), false) else { return };
    let removed = checked.apply(server);
    state::with(|state| state.sweeping.report.fenced += removed.total());
}

/// Removes those keys that were noted since the last time. Leaves another database selected.
pub fn enforce_noted(server: &Server) {
    for (database, name) in state::with(|state| std::mem::take(&mut state.sweeping.trespassers)) {
        server.select(database);
        enforce(server, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_remembered_for_its_time_and_in_its_database() {
        let (mut fence, now, minute) = (Fence::default(), Instant::now(), Duration::from_secs(60));
        fence.add(0, b"s", b"ann", now, minute);
        fence.add(0, b"t", b"bob", now, minute);
        fence.add(0, b"s", b"ann", now + minute / 2, minute);
        assert_eq!(fence.user(0, b"s", now), Some(&b"ann"[..]));
        assert_eq!((fence.user(1, b"s", now), fence.user(0, b"u", now)), (None, None));
        fence.tidy(now + minute);
        assert_eq!((fence.len(), fence.user(0, b"t", now + minute)), (1, None), "bob's time is over");
        assert_eq!(fence.user(0, b"s", now + minute), Some(&b"ann"[..]), "ann's began anew");
        fence.tidy(now + 2 * minute);
        assert_eq!((fence.len(), fence.bytes(), fence.order.len()), (0, 0, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut fence, now) = (Fence::default(), Instant::now());
        for number in 0..MOST_SOCKETS + 100 {
            fence.add(0, number.to_string().as_bytes(), b"u", now, Duration::from_secs(60));
        }
        assert_eq!(fence.len(), MOST_SOCKETS);
        assert_eq!(fence.user(0, b"99", now), None);
        assert_eq!(fence.user(0, b"100", now), Some(&b"u"[..]));
    }
}
