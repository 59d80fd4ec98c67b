//! Socket -> user: whose a socket's data was when it was read last.
//!
//! When that key is gone, nothing but this says whose it was. It may be out of date, and is taken as a hint whom to look at.

use super::{Index, Mark, Record, Subject, place::Place, unpack};

impl Index {
    /// Notes whose a socket is. Returns whose it was, if that was somebody else.
    pub fn set_owner(&mut self, socket: &[u8], user: &[u8]) -> Option<Box<[u8]>> {
        let hash = self.hash(Subject::Owner, socket);
        let record = || Record::new(Subject::Owner, socket, &[], Some(&Place(user.into())));
        let Some(entry) = self.entry_mut(hash, Subject::Owner, socket) else {
            self.insert(hash, Mark::Quiet.into(), record());
            return None;
        };
        let former = entry.record.owner().filter(|former| *former != user)?.into();
        let (record, bytes) = (record(), entry.record.0.len());
        self.bytes = self.bytes + record.0.len() - bytes;
        self.entry_mut(hash, Subject::Owner, socket)?.record = record;
        Some(former)
    }

    /// Whose the socket was.
    pub fn owner(&self, socket: &[u8]) -> Option<&[u8]> {
        self.record(self.hash(Subject::Owner, socket), Subject::Owner, socket)?.owner()
    }

    /// Forgets a socket, if it is this user's.
    pub fn forget_owner(&mut self, socket: &[u8], user: &[u8]) {
        if self.owner(socket) == Some(user) {
            self.take(Subject::Owner, socket);
        }
    }
}

impl Record {
    /// The user, if this is the record of a socket's owner.
    fn owner(&self) -> Option<&[u8]> {
        let (_, _, user) = self.parts();
        unpack(user).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_whose_it_was_last() {
        let mut index = Index::default();
        assert_eq!(index.set_owner(b"s1", b"ann"), None);
        assert_eq!(index.set_owner(b"s1", b"ann"), None);
        assert_eq!(index.set_owner(b"s2", b"ann"), None);
        assert_eq!(index.set_owner(b"s1", b"bobby").as_deref(), Some(&b"ann"[..]));
        assert_eq!(index.owner(b"s1"), Some(&b"bobby"[..]));
        assert_eq!((index.owner(b"s2"), index.owner(b"s")), (Some(&b"ann"[..]), None));
        index.forget_owner(b"s1", b"ann");
        assert_eq!(index.owner(b"s1"), Some(&b"bobby"[..]), "it is not hers any more");
        index.forget_owner(b"s1", b"bobby");
        index.forget_owner(b"s2", b"ann");
        assert_eq!((index.owner(b"s1"), index.bytes, index.len()), (None, 0, 0));
        assert!((0..super::super::SHARDS).all(|shard| index.subjects(shard).is_empty()));
    }
}
