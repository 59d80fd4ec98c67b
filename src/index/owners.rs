//! Socket -> user: whose a socket's data was when it was read last.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::place::{read_length, write_length};

/// Whose sockets are. When a socket's data is gone, nothing but this says whose it was.
///
/// A superset like the index: an entry may be out of date, and is taken as a hint whom to look at.
#[derive(Debug, Default)]
pub struct Owners {
    /// Each is the socket's id with its length, then the user's.
    records: HashTable<Box<[u8]>>,
    hasher: RandomState,
    bytes: usize,
}

impl Owners {
    /// Notes whose a socket is. Returns whose it was, if that was somebody else.
    pub fn insert(&mut self, socket: &[u8], user: &[u8]) -> Option<Box<[u8]>> {
        let hash = self.hasher.hash_one(socket);
        let before = self.records.find_mut(hash, |record| parts(record).0 == socket);
        if before.as_ref().is_some_and(|record| parts(record).1 == user) {
            return None;
        }
        let mut record = Vec::with_capacity(2 + socket.len() + user.len());
        write_length(&mut record, socket.len());
        record.extend_from_slice(socket);
        record.extend_from_slice(user);
        self.bytes += record.len();
        if let Some(place) = before {
            self.bytes -= place.len();
            let other = parts(place).1.into();
            *place = record.into();
            return Some(other);
        }
        let hasher = &self.hasher;
        self.records.insert_unique(hash, record.into(), |record| hasher.hash_one(parts(record).0));
        None
    }

    /// Whose the socket was.
    pub fn get(&self, socket: &[u8]) -> Option<&[u8]> {
        let record = self.records.find(self.hasher.hash_one(socket), |record| parts(record).0 == socket)?;
        Some(parts(record).1)
    }

    /// Forgets a socket, if it is this user's.
    pub fn remove(&mut self, socket: &[u8], user: &[u8]) {
        let hash = self.hasher.hash_one(socket);
        if let Ok(found) = self.records.find_entry(hash, |record| parts(record) == (socket, user)) {
            self.bytes -= found.remove().0.len();
        }
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.records.allocation_size()
    }
}

/// The socket's id and the user's.
fn parts(mut record: &[u8]) -> (&[u8], &[u8]) {
    let length = read_length(&mut record);
    record.split_at(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_whose_it_was_last() {
        let mut owners = Owners::default();
        assert_eq!(owners.insert(b"s1", b"ann"), None);
        assert_eq!(owners.insert(b"s1", b"ann"), None);
        assert_eq!(owners.insert(b"s2", b"ann"), None);
        assert_eq!(owners.insert(b"s1", b"bob").as_deref(), Some(&b"ann"[..]));
        assert_eq!(
            (owners.get(b"s1"), owners.get(b"s2"), owners.get(b"s")),
            (Some(&b"bob"[..]), Some(&b"ann"[..]), None)
        );
        owners.remove(b"s1", b"ann");
        assert_eq!(owners.get(b"s1"), Some(&b"bob"[..]), "it is not hers any more");
        owners.remove(b"s1", b"bob");
        owners.remove(b"s2", b"ann");
        assert_eq!((owners.get(b"s1"), owners.bytes), (None, 0));
    }
}
