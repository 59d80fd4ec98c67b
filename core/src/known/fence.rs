//! The fence: the data of a socket that was logged out stays away, even if a request in flight writes it again.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, Instant},
};

use crate::hash;

/// The most logouts of sockets that are remembered; of more, the first are forgotten.
const MOST_LOGOUTS: usize = 1 << 16;

/// The most bytes that they may take, tables included; of more, the first are forgotten.
const MOST_BYTES: usize = 16 << 20;

/// How many are forgotten at a time, a few times a second.
pub const MOST_FORGOTTEN: usize = 512;

/// How many are forgotten with each logout, which adds one as a rule.
pub const FORGOTTEN_BY_A_LOGOUT: usize = 2;

/// Sockets that were logged out, and whose they were: a socket may be several users' in turn, and each of them stays
/// logged out. Pure.
#[derive(Debug, Default)]
pub struct Fence {
    /// In their order.
    logouts: VecDeque<Logout>,
    /// The number of the first of them, counted since the fence was made.
    first: u64,
    /// Which is the last of a socket and user, by the hash of both. The ids stand there alone.
    last: ByHash<u64>,
    /// How many users of a socket are remembered, by its hash.
    sockets: ByHash<u32>,
    /// How many sockets of a user are, by the user's hash.
    users: ByHash<u32>,
    /// What the ids take.
    bytes: usize,
}

/// What is known by hashes that nobody can foresee: they need no second one.
type ByHash<V> = HashMap<u64, V, BuildHasherDefault<AsItIs>>;

/// Hashes a number to itself.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// A socket of a user was logged out.
#[derive(Debug)]
struct Logout {
    database: usize,
    /// The socket's id and, from `user` on, the user's. Empty if the two were logged out once more since.
    ids: Box<[u8]>,
    user: usize,
    /// Of the socket, of the user, and of both.
    hashes: [u64; 3],
    until: Instant,
}

impl Logout {
    fn socket(&self) -> &[u8] {
        &self.ids[..self.user]
    }

    fn is_of_socket(&self, database: usize, socket: &[u8]) -> bool {
        self.database == database && self.socket() == socket && !self.ids.is_empty()
    }

    fn is_of(&self, database: usize, socket: &[u8], user: &[u8]) -> bool {
        self.is_of_socket(database, socket) && &self.ids[self.user..] == user
    }
}

impl Fence {
    /// Remembers a socket of a user who was logged out, for as long as `lasts`. Ids that would take more than
    /// half of the memory for all are not remembered.
    pub fn add(&mut self, database: usize, socket: &[u8], user: &[u8], now: Instant, lasts: Duration) {
        let size = socket.len() + user.len();
        if size > MOST_BYTES / 2 {
            return;
        }
        let hashes @ [of_socket, of_user, of_both] = Self::hashes(database, socket, user);
        let former = self.last.get(&of_both).copied();
        let former = former.and_then(|number| self.get_mut(number)).filter(|last| last.is_of(database, socket, user));
        let ids = if let Some(former) = former {
            former.user = 0;
            std::mem::take(&mut former.ids)
        } else {
            *self.sockets.entry(of_socket).or_default() += 1;
            *self.users.entry(of_user).or_default() += 1;
            self.bytes += size;
            [socket, user].concat().into()
        };
        while self.logouts.len() >= MOST_LOGOUTS {
            self.forget_first();
        }
        self.last.insert(of_both, self.first + self.logouts.len() as u64);
        self.logouts.push_back(Logout { database, ids, user: socket.len(), hashes, until: now + lasts });
        while self.bytes() > MOST_BYTES && !self.is_empty() {
            self.forget_first();
        }
    }

    /// Forgets those whose time is over, `at_most` of them: of many that were logged out at once it is over at once.
    pub fn tidy(&mut self, now: Instant, at_most: usize) {
        let before = self.logouts.len();
        for _ in 0..at_most {
            if self.logouts.front().is_none_or(|logout| logout.until > now) {
                break;
            }
            self.forget_first();
        }
        if self.logouts.len() < before && self.logouts.capacity() > 4 * self.logouts.len() {
            self.logouts.shrink_to(2 * self.logouts.len());
            self.last.shrink_to(2 * self.last.len());
            self.sockets.shrink_to(2 * self.sockets.len());
            self.users.shrink_to(2 * self.users.len());
        }
    }

    fn forget_first(&mut self) {
        let Some(logout) = self.logouts.pop_front() else { return };
        let number = self.first;
        self.first += 1;
        if logout.ids.is_empty() {
            return;
        }
        self.bytes -= logout.ids.len();
        let [of_socket, of_user, of_both] = logout.hashes;
        if self.last.get(&of_both) == Some(&number) {
            self.last.remove(&of_both);
        }
        take_one(&mut self.sockets, of_socket);
        take_one(&mut self.users, of_user);
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Logout> {
        self.logouts.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Of a socket, of a user, and of both.
    fn hashes(database: usize, socket: &[u8], user: &[u8]) -> [u64; 3] {
        [hash::of((database, socket)), hash::of((database, user)), hash::of((database, socket, user))]
    }

    /// Whether the socket may have been logged out not long ago, as any user's.
    pub fn knows(&self, database: usize, socket: &[u8]) -> bool {
        !self.is_empty() && self.sockets.contains_key(&hash::of((database, socket)))
    }

    /// Whether a socket may have been logged out not long ago as this user's.
    pub fn knows_user(&self, database: usize, user: &[u8]) -> bool {
        !self.is_empty() && self.users.contains_key(&hash::of((database, user)))
    }

    /// The users as whose a socket was logged out not long ago. Looks at all that is remembered.
    pub fn users_of(&self, database: usize, socket: &[u8], now: Instant) -> Vec<Vec<u8>> {
        let is_it = |logout: &&Logout| logout.is_of_socket(database, socket) && logout.until > now;
        self.logouts.iter().filter(is_it).map(|logout| logout.ids[logout.user..].to_vec()).collect()
    }

    /// Whether the socket was logged out not long ago as this user's.
    pub fn stops(&self, database: usize, socket: &[u8], user: &[u8], now: Instant) -> bool {
        let [_, _, of_both] = Self::hashes(database, socket, user);
        let number = self.last.get(&of_both);
        let at = number.and_then(|number| usize::try_from(number.checked_sub(self.first)?).ok());
        let last = at.and_then(|at| self.logouts.get(at));
        last.is_some_and(|last| last.is_of(database, socket, user) && last.until > now)
    }

    /// How many sockets are remembered.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.logouts.is_empty()
    }

    /// About how many bytes that takes.
    pub fn bytes(&self) -> usize {
        self.bytes
            + self.logouts.capacity() * size_of::<Logout>()
            + self.last.capacity() * size_of::<(u64, u64)>()
            + (self.sockets.capacity() + self.users.capacity()) * size_of::<(u64, u32)>()
    }
}

/// Counts one less, and forgets what is none.
fn take_one(counts: &mut ByHash<u32>, hash: u64) {
    if let Some(count) = counts.get_mut(&hash) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&hash);
        }
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
        assert!(fence.stops(0, b"s", b"ann", now) && fence.knows(0, b"s"));
        assert!(!fence.stops(1, b"s", b"ann", now) && !fence.knows(1, b"s"));
        assert!(!fence.stops(0, b"sa", b"nn", now) && !fence.knows(0, b"u"));
        assert_eq!((fence.len(), fence.bytes), (2, 8), "each id is kept once");
        fence.tidy(now + minute, MOST_FORGOTTEN);
        assert!(!fence.knows(0, b"t"), "bob's time is over");
        assert!(fence.stops(0, b"s", b"ann", now + minute), "ann's began anew");
        assert!(!fence.stops(0, b"s", b"ann", now + 2 * minute));
        fence.tidy(now + 2 * minute, MOST_FORGOTTEN);
        assert_eq!((fence.len(), fence.bytes(), fence.logouts.len()), (0, 0, 0));
    }

    #[test]
    fn each_user_of_a_socket_has_a_time_of_their_own() {
        let (mut fence, now, minute) = (Fence::default(), Instant::now(), Duration::from_secs(60));
        fence.add(0, b"s", b"ann", now, minute);
        fence.add(0, b"s", b"bob", now + minute / 2, minute);
        assert!(fence.stops(0, b"s", b"ann", now) && fence.stops(0, b"s", b"bob", now));
        assert!(!fence.stops(0, b"s", b"cid", now));
        assert_eq!(fence.len(), 1);
        fence.tidy(now + minute, MOST_FORGOTTEN);
        assert!(!fence.stops(0, b"s", b"ann", now + minute) && fence.stops(0, b"s", b"bob", now + minute));
        assert!(fence.knows(0, b"s"));
        assert!(!fence.knows_user(0, b"ann") && fence.knows_user(0, b"bob") && !fence.knows_user(1, b"bob"));
        assert_eq!(fence.users_of(0, b"s", now + minute), [b"bob".to_vec()]);
        assert!(fence.users_of(1, b"s", now).is_empty() && fence.users_of(0, b"s", now + 2 * minute).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut fence, now, minute) = (Fence::default(), Instant::now(), Duration::from_secs(60));
        for number in 0..MOST_LOGOUTS + 100 {
            fence.add(0, number.to_string().as_bytes(), b"u", now, minute);
        }
        assert_eq!((fence.len(), fence.logouts.capacity()), (MOST_LOGOUTS, MOST_LOGOUTS));
        assert!(!fence.stops(0, b"99", b"u", now) && fence.stops(0, b"100", b"u", now));

        let long = |number: usize| format!("{number:0>20000}").into_bytes();
        (0..2000).for_each(|number| fence.add(0, &long(number), b"u", now, minute));
        assert!(fence.bytes() <= MOST_BYTES);
        assert!(!fence.stops(0, &long(0), b"u", now) && fence.stops(0, &long(1999), b"u", now));

        fence.add(0, &vec![b'x'; MOST_BYTES], b"u", now, minute);
        assert!(!fence.stops(0, &vec![b'x'; MOST_BYTES], b"u", now), "it does not fit");
        assert!(fence.stops(0, &long(1999), b"u", now), "and takes nobody's place");
    }

    #[test]
    fn many_that_are_over_at_once_are_forgotten_one_part_at_a_time() {
        let (mut fence, now, minute) = (Fence::default(), Instant::now(), Duration::from_secs(60));
        let many = 2 * MOST_FORGOTTEN + 1;
        (0..many).for_each(|number| fence.add(0, number.to_string().as_bytes(), b"u", now, minute));
        for left in [MOST_FORGOTTEN + 1, 1, 0] {
            fence.tidy(now + minute, MOST_FORGOTTEN);
            assert_eq!(fence.len(), left);
            assert!(!fence.stops(0, (many - 1).to_string().as_bytes(), b"u", now + minute), "its time is over");
        }
        assert_eq!(fence.bytes(), 0);
    }

    #[test]
    fn the_same_logout_again_and_again_takes_no_more() {
        let (mut fence, now, minute) = (Fence::default(), Instant::now(), Duration::from_secs(60));
        (0..MOST_LOGOUTS + 10).for_each(|_| fence.add(0, b"s", b"ann", now, minute));
        assert_eq!((fence.len(), fence.bytes, fence.last.len()), (1, 4, 1));
        assert!(fence.stops(0, b"s", b"ann", now));
    }
}
