//! The index: subject -> places where it may show up, for one database.
//!
//! A *superset*, never a subset: a place stays until somebody who looks finds nothing there any more. Whoever uses a
//! place checks it first. Pure; it never looks into Redis.
//!
//! Built for memory, since there is one record for every user of the server: a record is one allocation that holds the
//! subject and its places packed one behind the other, and a place holds only what the key's name does not say already
//! (the values of the placeholders other than the user's id). Sharded, so that the growth of a hash table moves a
//! thousandth of the records at a time, and so that a walk can pause between shards.

mod crowd;
mod mark;
mod owners;
mod place;
mod sessions;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use hashbrown::HashTable;

use crowd::Crowd;
use mark::Packed;
use place::{pack, read_length, unpack, write_length};

pub use mark::{Mark, News, Tick};
pub use place::{Place, PlaceRef, Places};

/// Who shows up at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user, by id.
    User,
    /// A socket, by id.
    Socket,
    /// Perhaps anyone: too much is stored there to know them all. The id is empty.
    Anyone,
    /// Whoever has a socket, by the socket's id: see [`Index::owner`]. It has no places.
    Owner,
}

/// Into how many hash tables the records are spread.
pub const SHARDS: usize = 1024;

/// With which of them the few crowds are met.
const SHARD_OF_CROWDS: usize = 0;

/// A record above so many bytes becomes a [`Crowd`], so that adding to it does not cost its length.
const PACKED_LIMIT: usize = 2048;

/// A subject and its places, packed: kind, id with its length, then each place with its length.
#[derive(Clone, Debug)]
struct Record(Box<[u8]>);

impl Record {
    /// A record of packed places and one more.
    fn new(subject: Subject, id: &[u8], places: &[u8], new: Option<&Place>) -> Self {
        let new = new.map_or(&[][..], |place| &place.0);
        let mut bytes = Vec::with_capacity(2 + id.len() + places.len() + 1 + new.len());
        bytes.push(kind(subject));
        write_length(&mut bytes, id.len());
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(places);
        if !new.is_empty() {
            write_length(&mut bytes, new.len());
            bytes.extend_from_slice(new);
        }
        Self(bytes.into())
    }

    fn parts(&self) -> (Subject, &[u8], &[u8]) {
        let (&first, mut rest) = self.0.split_first().expect("a record begins with the kind of subject");
        let subject = match first {
            0 => Subject::User,
            1 => Subject::Socket,
            2 => Subject::Anyone,
            _ => Subject::Owner,
        };
        let length = read_length(&mut rest);
        let (id, places) = rest.split_at(length);
        (subject, id, places)
    }

    fn is(&self, subject: Subject, id: &[u8]) -> bool {
        let (own_subject, own_id, _) = self.parts();
        own_subject == subject && own_id == id
    }
}

fn kind(subject: Subject) -> u8 {
    match subject {
        Subject::User => 0,
        Subject::Socket => 1,
        Subject::Anyone => 2,
        Subject::Owner => 3,
    }
}

/// A hash of a subject. It is kept beside the record, so that a table grows without a look at every record, each of which
/// is a cache miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hash(u32);

impl Hash {
    /// The bits for a table, which uses the lowest and the highest.
    fn spread(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// The table, by bits that leave the lowest to it.
    fn shard(self) -> usize {
        const SHIFT: u32 = u32::BITS - SHARDS.trailing_zeros();
        usize::try_from(self.0 >> SHIFT).expect("a shard's number is small")
    }
}

/// What a table holds.
#[derive(Debug)]
struct Entry {
    hash: Hash,
    mark: Packed,
    record: Record,
}

/// One of the tables.
#[derive(Debug, Default)]
struct Shard {
    entries: HashTable<Entry>,
    /// No user in it ceases to be live before this moment without anybody's doing.
    first_end: Tick,
}

impl Entry {
    fn is(&self, hash: Hash, subject: Subject, id: &[u8]) -> bool {
        self.hash == hash && self.record.is(subject, id)
    }
}

/// What came of adding a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// How many places the subject has now; `None` if it had this one already.
    pub count: Option<usize>,
    /// The subject's mark before; `None` if it had no place.
    pub before: Option<Mark>,
}

/// The few subjects with too many places for a packed record.
type Crowds = HashMap<(Subject, Box<[u8]>), (Mark, Crowd)>;

/// The index of one database.
#[derive(Debug, Default)]
pub struct Index {
    /// Empty until the first place is added: most databases of a server are never used.
    shards: Box<[Shard]>,
    crowds: Crowds,
    hasher: RandomState,
    places: usize,
    /// What the packed records take, without the tables.
    bytes: usize,
}

impl Index {
    /// Adds a place, and changes the mark of a user as the news are.
    pub fn add(&mut self, subject: Subject, id: &[u8], place: &Place, news: News) -> Added {
        let added = match self.crowd(subject, id) {
            Some((mark, crowd)) => {
                let before = Some(*mark);
                *mark = news.change(*mark);
                Added { count: crowd.add(&place.0), before }
            }
            None => self.add_packed(subject, id, place, news),
        };
        self.places += usize::from(added.count.is_some());
        added
    }

    fn add_packed(&mut self, subject: Subject, id: &[u8], place: &Place, news: News) -> Added {
        let hash = self.hash(subject, id);
        let Some(entry) = self.entry_mut(hash, subject, id) else {
            let mark = if subject == Subject::User { news.first() } else { Mark::Quiet };
            self.insert(hash, mark.into(), Record::new(subject, id, &[], Some(place)));
            return Added { count: Some(1), before: None };
        };
        let mark: Mark = entry.mark.into();
        if subject == Subject::User {
            entry.mark = news.change(mark).into();
        }
        let (before, mark) = (Some(mark), entry.mark.into());
        let (_, _, places) = entry.record.parts();
        if unpack(places).any(|known| known == &*place.0) {
            return Added { count: None, before };
        }
        let count = Some(unpack(places).count() + 1);
        if places.len() < PACKED_LIMIT {
            let record = Record::new(subject, id, places, Some(place));
            let (old, new) = (entry.record.0.len(), record.0.len());
            entry.record = record;
            self.bytes = self.bytes + new - old;
        } else {
            let crowd = unpack(places).chain([&*place.0]).collect();
            self.crowds.insert((subject, id.into()), (mark, crowd));
            self.take(subject, id);
        }
        Added { count, before }
    }

    /// The places of a subject, copied: whoever looks at them calls into the server, which may call back.
    pub fn places(&self, subject: Subject, id: &[u8]) -> Places {
        if let Some(record) = self.record(self.hash(subject, id), subject, id) {
            return Places(record.parts().2.to_vec());
        }
        let crowd = (!self.crowds.is_empty()).then(|| self.crowds.get(&(subject, id.into()))).flatten();
        crowd.map(|(_, crowd)| crowd.places()).unwrap_or_default()
    }

    /// The test for no crowd at all spares everybody else an owned key.
    fn crowd(&mut self, subject: Subject, id: &[u8]) -> Option<&mut (Mark, Crowd)> {
        if self.crowds.is_empty() { None } else { self.crowds.get_mut(&(subject, id.into())) }
    }

    /// Removes a place, if it is there.
    pub fn remove(&mut self, subject: Subject, id: &[u8], place: PlaceRef<'_>) {
        let is_removed = match self.crowd(subject, id) {
            Some((_, crowd)) => crowd.remove(place.0),
            None => self.remove_packed(subject, id, place),
        };
        self.places -= usize::from(is_removed);
        self.forget_empty_crowd(subject, id);
    }

    fn remove_packed(&mut self, subject: Subject, id: &[u8], place: PlaceRef<'_>) -> bool {
        let hash = self.hash(subject, id);
        let Some(record) = self.record(hash, subject, id) else { return false };
        let (_, _, places) = record.parts();
        let left = pack(unpack(places).filter(|known| *known != place.0));
        let is_removed = left.len() != places.len();
        if left.is_empty() {
            self.take(subject, id);
        } else if is_removed {
            self.replace(hash, subject, id, Record::new(subject, id, &left, None));
        }
        is_removed
    }

    /// Removes the places of a subject but those that `keep` names.
    pub fn retain(&mut self, subject: Subject, id: &[u8], keep: impl Fn(PlaceRef<'_>) -> bool) {
        let is_kept = |place: &&[u8]| keep(PlaceRef(place));
        if let Some((_, crowd)) = self.crowd(subject, id) {
            self.places -= crowd.retain(is_kept);
            return self.forget_empty_crowd(subject, id);
        }
        // Most often nothing is kept, and the record goes as it is.
        let Some((mark, record)) = self.take(subject, id) else { return };
        let (_, _, places) = record.parts();
        let kept = pack(unpack(places).filter(is_kept));
        self.places -= unpack(places).count() - unpack(&kept).count();
        if !kept.is_empty() {
            self.insert(self.hash(subject, id), mark, Record::new(subject, id, &kept, None));
        }
    }

    fn forget_empty_crowd(&mut self, subject: Subject, id: &[u8]) {
        if self.crowd(subject, id).is_some_and(|(_, crowd)| crowd.is_empty()) {
            self.crowds.remove(&(subject, id.into()));
        }
    }

    /// Puts in the record of a subject that has none.
    fn insert(&mut self, hash: Hash, mark: Packed, record: Record) {
        if self.shards.is_empty() {
            self.shards = (0..SHARDS).map(|_| Shard::default()).collect();
        }
        self.bytes += record.0.len();
        let entry = Entry { hash, mark, record };
        self.shards[hash.shard()].entries.insert_unique(hash.spread(), entry, |entry| entry.hash.spread());
    }

    /// Puts in another record of the subject.
    fn replace(&mut self, hash: Hash, subject: Subject, id: &[u8], record: Record) {
        let new = record.0.len();
        let Some(entry) = self.entry_mut(hash, subject, id) else { return };
        let old = std::mem::replace(&mut entry.record, record).0.len();
        self.bytes = self.bytes + new - old;
    }

    /// Takes out a record.
    fn take(&mut self, subject: Subject, id: &[u8]) -> Option<(Packed, Record)> {
        let hash = self.hash(subject, id);
        let entries = &mut self.shards.get_mut(hash.shard())?.entries;
        let entry = entries.find_entry(hash.spread(), |entry| entry.is(hash, subject, id)).ok()?;
        let (Entry { mark, record, .. }, _) = entry.remove();
        self.bytes -= record.0.len();
        Some((mark, record))
    }

    fn record(&self, hash: Hash, subject: Subject, id: &[u8]) -> Option<&Record> {
        let entries = &self.shards.get(hash.shard())?.entries;
        entries.find(hash.spread(), |entry| entry.is(hash, subject, id)).map(|entry| &entry.record)
    }

    fn entry_mut(&mut self, hash: Hash, subject: Subject, id: &[u8]) -> Option<&mut Entry> {
        let entries = &mut self.shards.get_mut(hash.shard())?.entries;
        entries.find_mut(hash.spread(), |entry| entry.is(hash, subject, id))
    }

    /// How many places there are, stale ones included.
    pub fn len(&self) -> usize {
        self.places
    }

    /// Whether there is no place at all.
    pub fn is_empty(&self) -> bool {
        self.places == 0
    }

    /// About how many bytes the index takes: what it stores, and its tables.
    pub fn bytes(&self) -> usize {
        let tables: usize = self.shards.iter().map(|shard| shard.entries.allocation_size()).sum();
        let crowds: usize = self.crowds.values().map(|(_, crowd)| crowd.bytes()).sum();
        self.bytes + crowds + tables + self.shards.len() * size_of::<Shard>()
    }

    /// The subjects of one shard; a walk over all shards meets every subject that was there all the time.
    pub fn subjects(&self, shard: usize) -> Vec<(Subject, Box<[u8]>)> {
        let packed = self.shards.get(shard).into_iter().flat_map(|shard| &shard.entries).filter_map(|entry| {
            let (subject, id, _) = entry.record.parts();
            (subject != Subject::Owner).then(|| (subject, id.into()))
        });
        let crowds = self.crowds.keys().filter(|_| shard == SHARD_OF_CROWDS).cloned();
        packed.chain(crowds).collect()
    }

    fn hash(&self, subject: Subject, id: &[u8]) -> Hash {
        let hash = self.hasher.hash_one((kind(subject), id));
        Hash(u32::try_from(hash >> 32).expect("half of the bits fit"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::template::{Bindings, Placeholder, Placeholders, Template};

    fn key() -> Template {
        Template::parse("typing:{roomId}:{userId}", &mut Placeholders::default()).unwrap()
    }

    fn place(trace: usize, room: &[u8]) -> Place {
        let bindings = Bindings::user(b"ignored").with(Placeholder::ROOM, room);
        Place::new(trace, &key(), &bindings)
    }

    #[test]
    fn a_place_gives_back_the_keys_name() {
        let room = vec![b'r'; 300];
        let place = place(200, &room);
        assert_eq!(place.borrowed().trace(), 200);
        let bindings = place.borrowed().bind(&key(), Bindings::user(b"u:1"));
        assert_eq!(key().render(&bindings), [b"typing:", &*room, b":u:1"].concat());
    }

    #[test]
    fn the_index_agrees_with_a_map_of_sets() {
        let mut index = Index::default();
        let mut model: BTreeMap<(u8, Vec<u8>), BTreeSet<Vec<u8>>> = BTreeMap::new();
        let mut random = 12345_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..20_000 {
            let subject =
                [Subject::User, Subject::User, Subject::Socket, Subject::Anyone][usize::try_from(next(4)).unwrap()];
            // User 0 has so many rooms that it becomes crowded.
            let id = vec![b'u'; usize::try_from(1 + next(5) * next(2)).unwrap()];
            let rooms = if id.len() == 1 { 900 } else { 20 };
            let place = place(6, format!("room {}", next(rooms)).as_bytes());
            let known = model.entry((kind(subject), id.clone())).or_default();
            if next(3) < 2 {
                let is_new = known.insert(place.0.to_vec());
                assert_eq!(
                    index.add(subject, &id, &place, News::Evidence(Tick::FIRST)).count,
                    is_new.then_some(known.len())
                );
            } else {
                known.remove(&*place.0);
                index.remove(subject, &id, place.borrowed());
            }
            let places: BTreeSet<Vec<u8>> = index.places(subject, &id).iter().map(|p| p.0.into()).collect();
            assert_eq!(&places, &model[&(kind(subject), id)]);
        }
        assert!(!index.crowds.is_empty(), "the test must reach the crowds");
        assert_eq!(index.len(), model.values().map(BTreeSet::len).sum::<usize>());
        let subjects: BTreeSet<_> =
            (0..SHARDS).flat_map(|s| index.subjects(s)).map(|(s, id)| (kind(s), id.to_vec())).collect();
        let expected: BTreeSet<_> =
            model.iter().filter(|(_, places)| !places.is_empty()).map(|(k, _)| k.clone()).collect();
        assert_eq!(subjects, expected);
        let kept = place(6, b"room 7");
        for (subject, id) in (0..SHARDS).flat_map(|s| index.subjects(s)).collect::<Vec<_>>() {
            index.retain(subject, &id, |place| place == kept.borrowed());
            assert!(index.places(subject, &id).iter().all(|place| place == kept.borrowed()));
            index.retain(subject, &id, |_| false);
            assert_eq!(index.places(subject, &id).iter().count(), 0);
        }
        assert_eq!((index.len(), index.bytes), (0, 0), "what was added is counted off when it is removed");
    }
}
