//! Socket -> user: whose a socket's data was when it was read last.
//!
//! When that key is gone, nothing but this says whose it was. It may be out of date, and is taken as a hint whom to look
//! at. So two hashes are enough, where the ids would take ten times as much: a hash that two sockets share, or two users,
//! makes a hint too many. (One is missing only if two sockets of one user share all forty bits and one of them is gone, or
//! if a socket changes hands between two users who share all 32.)

use super::{
    HashedSubject, Index, PlaceRef, Subject,
    table::{Hash, Hashed, SHARDS},
};

/// A socket, as it is known here: by more bits than a hash has.
#[derive(Clone, Copy, Debug)]
pub struct SocketHash {
    pub(super) shard: usize,
    pub(super) hash: Hash,
}

impl SocketHash {
    /// Computes it.
    pub fn of(socket: &[u8]) -> Self {
        let (hash, more) = Hash::of(socket);
        Self { shard: usize::try_from(more).expect("small enough for an index") % SHARDS, hash }
    }
}

/// A socket and the user whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnerEntry {
    socket: Hash,
    user: Hash,
}

impl Hashed for OwnerEntry {
    fn hash(&self) -> Hash {
        self.socket
    }
}

impl Index {
    /// Notes that a socket is this user's, perhaps among others. Nothing is noted of a user without a place.
    pub fn add_owner(&mut self, socket: SocketHash, user: Hash) {
        let tie = OwnerEntry { socket: socket.hash, user };
        let Some(shard) = self.shards.get_mut(socket.shard) else { return };
        if shard.ties.find(tie.socket, |known| *known == tie).is_none() {
            shard.ties.insert(tie);
        }
    }

    /// Notes that a socket is this user's alone, by what is stored at a place. Returns whose it was; they are not at the
    /// place any more.
    pub fn change_owner(&mut self, socket: SocketHash, user: HashedSubject<'_>, place: PlaceRef<'_>) -> Vec<Box<[u8]>> {
        let ties = self.shards.get(socket.shard).into_iter().flat_map(|shard| shard.ties.of_hash(socket.hash));
        let others = ties.filter(|tie| tie.user != user.hash).flat_map(|tie| self.users_of_hash(tie.user));
        let former: Vec<Box<[u8]>> = others.filter(|other| self.has(Subject::User, other, place)).collect();
        for other in &former {
            self.remove(Subject::User, other, place);
            self.forget_owner(socket, HashedSubject::new(Subject::User, other).hash);
        }
        self.add_owner(socket, user.hash);
        former
    }

    /// Whether the socket was this user's.
    pub fn is_owner(&self, socket: SocketHash, user: Hash) -> bool {
        let tie = OwnerEntry { socket: socket.hash, user };
        self.shards.get(socket.shard).is_some_and(|shard| shard.ties.find(tie.socket, |known| *known == tie).is_some())
    }

    /// Those who may have had the socket, as far as they have a place.
    pub fn owners(&self, socket: SocketHash) -> Vec<Box<[u8]>> {
        let ties = self.shards.get(socket.shard).into_iter().flat_map(|shard| shard.ties.of_hash(socket.hash));
        ties.flat_map(|tie| self.users_of_hash(tie.user)).collect()
    }

    fn users_of_hash(&self, hash: Hash) -> impl Iterator<Item = Box<[u8]>> {
        let shard = &self.shards[hash.shard()];
        let records = shard.entries.of_hash(hash).map(|entry| shard.records.get(entry.at));
        records.filter(|record| record.subject == Subject::User).map(|record| record.id.into())
    }

    /// Forgets whose a socket was.
    pub fn forget_owners(&mut self, socket: SocketHash) {
        if let Some(shard) = self.shards.get_mut(socket.shard) {
            while shard.ties.remove(socket.hash, |_| true).is_some() {}
        }
    }

    /// Forgets whose the sockets of one shard are as far as nobody has a place any more who could be meant. Looks at
    /// `most` of them, at others for another `part`.
    pub fn forget_strays(&mut self, shard: usize, part: usize, most: usize) {
        let Some(of_sockets) = self.shards.get(shard) else { return };
        let parts = of_sockets.ties.len().div_ceil(most).max(1);
        let ties = of_sockets.ties.iter().skip(part % parts * most).take(most);
        let is_stray = |tie: &&OwnerEntry| self.shards[tie.user.shard()].entries.of_hash(tie.user).next().is_none();
        let strays: Vec<OwnerEntry> = ties.filter(is_stray).copied().collect();
        for stray in strays {
            self.shards[shard].ties.remove(stray.socket, |tie| *tie == stray);
        }
    }

    /// Forgets that a socket was this user's.
    pub fn forget_owner(&mut self, socket: SocketHash, user: Hash) {
        let tie = OwnerEntry { socket: socket.hash, user };
        if let Some(shard) = self.shards.get_mut(socket.shard) {
            shard.ties.remove(tie.socket, |known| *known == tie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{LivenessChange, Place, Tick},
        *,
    };

    fn hashes(socket: &[u8], user: &[u8]) -> (SocketHash, Hash) {
        (SocketHash::of(socket), HashedSubject::new(Subject::User, user).hash)
    }

    #[test]
    fn a_socket_is_whose_it_was() {
        let mut index = Index::default();
        let add = |index: &mut Index, (socket, user)| index.add_owner(socket, user);
        let is_owner = |index: &Index, (socket, user)| index.is_owner(socket, user);
        let forget = |index: &mut Index, (socket, user)| index.forget_owner(socket, user);
        let owners = |index: &Index, socket: &[u8]| {
            let mut owners = index.owners(SocketHash::of(socket));
            owners.sort();
            owners.into_iter().map(|id| String::from_utf8(id.into()).unwrap()).collect::<Vec<_>>()
        };
        add(&mut index, hashes(b"s1", b"ann"));
        assert!(!is_owner(&index, hashes(b"s1", b"ann")), "nobody has a place");
        for user in [&b"ann"[..], b"bobby"] {
            index.add(
                HashedSubject::new(Subject::User, user),
                Place([6].into()).borrowed(),
                LivenessChange::Evidence(Tick::FIRST),
            );
        }
        for pair in [hashes(b"s1", b"ann"), hashes(b"s1", b"ann"), hashes(b"s2", b"ann"), hashes(b"s1", b"bobby")] {
            add(&mut index, pair);
        }
        assert_eq!(owners(&index, b"s1"), ["ann", "bobby"]);
        assert_eq!((owners(&index, b"s2"), owners(&index, b"s")), (vec!["ann".to_owned()], vec![]));
        forget(&mut index, hashes(b"s1", b"ann"));
        assert_eq!(owners(&index, b"s1"), ["bobby"], "noted twice is noted once");
        assert!(is_owner(&index, hashes(b"s1", b"bobby")) && is_owner(&index, hashes(b"s2", b"ann")));
        assert!(!is_owner(&index, hashes(b"s1", b"ann")));
        add(&mut index, hashes(b"s1", b"ann"));
        index.forget_owners(SocketHash::of(b"s1"));
        assert!(owners(&index, b"s1").is_empty());
        add(&mut index, hashes(b"s1", b"bobby"));
        // Ann goes, and what was known of her sockets with the next walk.
        index.retain(HashedSubject::new(Subject::User, b"ann"), |_| false);
        for (shard, part) in (0..SHARDS).flat_map(|shard| [(shard, 6), (shard, 7)]) {
            index.forget_strays(shard, part, 1);
        }
        assert!(!is_owner(&index, hashes(b"s2", b"ann")) && is_owner(&index, hashes(b"s1", b"bobby")));
        forget(&mut index, hashes(b"s1", b"bobby"));
        assert!(index.shards.iter().all(|shard| shard.ties.len() == 0));
    }

    #[test]
    fn a_socket_that_changes_hands_leaves_the_former_owners_place() {
        let mut index = Index::default();
        let (socket, place, kept) = (SocketHash::of(b"s1"), Place([1, 7].into()), Place([6].into()));
        let news = LivenessChange::Evidence(Tick::FIRST);
        let [ann, bob, eve] = [&b"ann"[..], b"bob", b"eve"].map(|user| HashedSubject::new(Subject::User, user));
        for user in [ann, eve] {
            index.add(user, kept.borrowed(), news);
        }
        index.add(ann, place.borrowed(), news);
        assert!(index.change_owner(socket, ann, place.borrowed()).is_empty());
        // Eve has the socket too as far as is known, but not by this place.
        index.add_owner(socket, eve.hash);
        index.add(bob, place.borrowed(), news);
        assert_eq!(index.change_owner(socket, bob, place.borrowed()), [Box::from(&b"ann"[..])]);
        let owns = [ann, bob, eve].map(|user| index.is_owner(socket, user.hash));
        assert_eq!(owns, [false, true, true]);
        let places = [ann, bob, eve].map(|user| index.places(Subject::User, user.id).iter().count());
        assert_eq!(places, [1, 1, 1]);
        assert!(
            !index.has(Subject::User, b"ann", place.borrowed()) && index.has(Subject::User, b"bob", place.borrowed())
        );
    }
}
