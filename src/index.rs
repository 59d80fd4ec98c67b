//! The index: subject -> places where it may show up, for one database.
//!
//! A *superset*, never a subset: a place stays until somebody who looks finds nothing there any more. Whoever uses a
//! place checks it first. Pure; it never looks into Redis.
//!
//! Built for memory, since there is one record for every user of the server: a record is one allocation that holds the
//! subject and its places packed one behind the other, and a place holds only what the key's name does not say already
//! (the values of the placeholders other than the user's id). Sharded, so that the growth of a hash table moves a
//! thousandth of the records at a time, and so that a walk can pause between shards.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use hashbrown::HashTable;

use crate::template::{Bindings, Placeholder, Template};

/// Who shows up at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user, by id.
    User,
    /// A socket, by id.
    Socket,
    /// Perhaps anyone: too much is stored there to know them all. The id is empty.
    Anyone,
}

/// Into how many hash tables the records are spread.
pub const SHARDS: usize = 1024;

/// A record above so many bytes becomes a hash set, so that adding to it does not cost its length.
const PACKED_LIMIT: usize = 2048;

/// One place where a subject may show up: a trace of the layout, and what its key's placeholders stand for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(Box<[u8]>);

impl Place {
    /// The place of `trace` (its number in the layout) at the key that `bindings` make of `key`.
    ///
    /// # Panics
    /// If a placeholder of `key` is not bound.
    pub fn new(trace: usize, key: &Template, bindings: &Bindings<'_>) -> Self {
        let values = || stored(key).map(|p| bindings.get(p).expect("a match binds every placeholder"));
        // One byte is enough for nearly every length, and a vector that is full need not be copied into its box.
        let mut bytes = Vec::with_capacity(1 + values().map(|value| value.len() + 1).sum::<usize>());
        write_length(&mut bytes, trace);
        for value in values() {
            write_length(&mut bytes, value.len());
            bytes.extend_from_slice(value);
        }
        Self(bytes.into())
    }

    /// The same place, borrowed.
    pub fn borrowed(&self) -> PlaceRef<'_> {
        PlaceRef(&self.0)
    }
}

/// A place that somebody else owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRef<'p>(&'p [u8]);

impl<'p> PlaceRef<'p> {
    /// A copy of its own.
    pub fn to_owned(self) -> Place {
        Place(self.0.into())
    }

    /// The trace's number in the layout.
    pub fn trace(self) -> usize {
        let mut bytes = self.0;
        read_length(&mut bytes)
    }

    /// Binds the placeholders of `key`, the trace's key, besides those already in `bindings`.
    pub fn bind<'a>(self, key: &Template, mut bindings: Bindings<'a>) -> Bindings<'a>
    where
        'p: 'a,
    {
        let mut bytes = self.0;
        read_length(&mut bytes);
        for placeholder in stored(key) {
            let length = read_length(&mut bytes);
            let (value, rest) = bytes.split_at(length);
            bindings = bindings.with(placeholder, value);
            bytes = rest;
        }
        bindings
    }
}

/// The placeholders whose values a place keeps. The user's id is the subject's, or is checked when the place is used.
fn stored(key: &Template) -> impl Iterator<Item = Placeholder> {
    key.placeholders().iter().copied().filter(|p| *p != Placeholder::USER)
}

/// Lengths and numbers are written in groups of seven bits, the lowest first, as in LEB128.
fn write_length(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

fn low_bits(value: usize) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit")
}

/// Reads what [`write_length`] wrote and moves `bytes` behind it.
fn read_length(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a length ends with a byte below 0x80");
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

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
            _ => Subject::Anyone,
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
    }
}

/// Places of one subject, copied out of the index in one piece.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<u8>);

impl Places {
    /// One after the other, in no order.
    pub fn iter(&self) -> impl Iterator<Item = PlaceRef<'_>> {
        unpack(&self.0).map(PlaceRef)
    }
}

/// The places in a record's packed part.
fn unpack(mut places: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if places.is_empty() {
            return None;
        }
        let length = read_length(&mut places);
        let (place, rest) = places.split_at(length);
        places = rest;
        Some(place)
    })
}

fn pack<'p>(places: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in places {
        write_length(&mut bytes, place.len());
        bytes.extend_from_slice(place);
    }
    bytes
}

/// The few subjects with too many places for a packed record.
type Crowded = HashMap<(Subject, Box<[u8]>), HashSet<Place>>;

/// The index of one database.
#[derive(Debug, Default)]
pub struct Index {
    /// Empty until the first place is added: most databases of a server are never used.
    shards: Box<[HashTable<Record>]>,
    crowded: Crowded,
    hasher: RandomState,
    places: usize,
    bytes: usize,
}

impl Index {
    /// Adds a place and says how many the subject has now; `None` if it had this one already.
    pub fn add(&mut self, subject: Subject, id: &[u8], place: &Place) -> Option<usize> {
        let count = match self.crowded(subject, id) {
            Some(set) => {
                if !set.insert(place.clone()) {
                    return None;
                }
                set.len()
            }
            None => self.add_packed(subject, id, place)?,
        };
        self.places += 1;
        self.bytes += place.0.len() + 1;
        Some(count)
    }

    fn add_packed(&mut self, subject: Subject, id: &[u8], place: &Place) -> Option<usize> {
        if self.shards.is_empty() {
            self.shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        }
        let hash = self.hash(subject, id);
        let hasher = &self.hasher;
        let shard = &mut self.shards[shard_of(hash)];
        let Some(record) = shard.find_mut(hash, |record| record.is(subject, id)) else {
            let record = Record::new(subject, id, &[], Some(place));
            self.bytes += size_of::<Record>() + id.len() + 2;
            shard.insert_unique(hash, record, |record| hash_of(hasher, record));
            return Some(1);
        };
        let (_, _, places) = record.parts();
        if unpack(places).any(|known| known == &*place.0) {
            return None;
        }
        let count = unpack(places).count() + 1;
        if places.len() < PACKED_LIMIT {
            *record = Record::new(subject, id, places, Some(place));
        } else {
            let set = unpack(places).map(|known| Place(known.into())).chain([place.clone()]).collect();
            self.crowded.insert((subject, id.into()), set);
            self.take_record(subject, id);
        }
        Some(count)
    }

    /// The places of a subject, copied: whoever looks at them calls into the server, which may call back.
    pub fn places(&self, subject: Subject, id: &[u8]) -> Places {
        if let Some(record) = self.record(subject, id) {
            return Places(record.parts().2.to_vec());
        }
        let crowded = (!self.crowded.is_empty()).then(|| self.crowded.get(&(subject, id.into()))).flatten();
        Places(crowded.map(|set| pack(set.iter().map(|place| &*place.0))).unwrap_or_default())
    }

    /// The places of a crowded subject. The test for none at all spares everybody else an owned key.
    fn crowded(&mut self, subject: Subject, id: &[u8]) -> Option<&mut HashSet<Place>> {
        if self.crowded.is_empty() { None } else { self.crowded.get_mut(&(subject, id.into())) }
    }

    /// Removes a place, if it is there.
    pub fn remove(&mut self, subject: Subject, id: &[u8], place: PlaceRef<'_>) {
        let is_removed = match self.crowded(subject, id) {
            Some(set) => {
                let is_removed = set.remove(&place.to_owned());
                if set.is_empty() {
                    self.crowded.remove(&(subject, id.into()));
                }
                is_removed
            }
            None => self.remove_packed(subject, id, place),
        };
        if is_removed {
            self.places -= 1;
            self.bytes -= place.0.len() + 1;
        }
    }

    fn remove_packed(&mut self, subject: Subject, id: &[u8], place: PlaceRef<'_>) -> bool {
        let hash = self.hash(subject, id);
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return false };
        let Some(record) = shard.find_mut(hash, |record| record.is(subject, id)) else { return false };
        let (_, _, places) = record.parts();
        let left = pack(unpack(places).filter(|known| *known != place.0));
        let is_removed = left.len() != places.len();
        if left.is_empty() {
            self.take_record(subject, id);
        } else if is_removed {
            *record = Record::new(subject, id, &left, None);
        }
        is_removed
    }

    /// Removes the places of a subject but those that `keep` names.
    pub fn retain(&mut self, subject: Subject, id: &[u8], keep: impl Fn(PlaceRef<'_>) -> bool) {
        let places = self.places(subject, id);
        if !places.iter().any(&keep) {
            return self.forget(subject, id, &places);
        }
        for place in places.iter().filter(|place| !keep(*place)) {
            self.remove(subject, id, place);
        }
    }

    /// Removes all of a subject's places at once.
    fn forget(&mut self, subject: Subject, id: &[u8], places: &Places) {
        let bytes: usize = places.iter().map(|place| place.0.len() + 1).sum();
        self.places -= places.iter().count();
        self.bytes -= bytes;
        if self.crowded(subject, id).is_some() {
            self.crowded.remove(&(subject, id.into()));
        } else {
            self.take_record(subject, id);
        }
    }

    /// Takes out a packed record, without counting its places.
    fn take_record(&mut self, subject: Subject, id: &[u8]) {
        let hash = self.hash(subject, id);
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return };
        if let Ok(entry) = shard.find_entry(hash, |record| record.is(subject, id)) {
            entry.remove();
            self.bytes -= size_of::<Record>() + id.len() + 2;
        }
    }

    fn record(&self, subject: Subject, id: &[u8]) -> Option<&Record> {
        let hash = self.hash(subject, id);
        self.shards.get(shard_of(hash))?.find(hash, |record| record.is(subject, id))
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
        let tables: usize = self.shards.iter().map(HashTable::allocation_size).sum();
        self.bytes + tables + self.shards.len() * size_of::<HashTable<Record>>()
    }

    /// The subjects of one shard; a walk over all shards meets every subject that was there all the time.
    pub fn subjects(&self, shard: usize) -> Vec<(Subject, Box<[u8]>)> {
        let packed = self.shards.get(shard).into_iter().flatten().map(|record| {
            let (subject, id, _) = record.parts();
            (subject, id.into())
        });
        // The crowded ones are few; they are met with the first shard.
        let crowded = self.crowded.keys().filter(|_| shard == 0).cloned();
        packed.chain(crowded).collect()
    }

    fn hash(&self, subject: Subject, id: &[u8]) -> u64 {
        self.hasher.hash_one((kind(subject), id))
    }
}

fn hash_of(hasher: &RandomState, record: &Record) -> u64 {
    let (subject, id, _) = record.parts();
    hasher.hash_one((kind(subject), id))
}

/// The table uses the lowest and the highest bits of the hash; the shard is chosen by others.
fn shard_of(hash: u64) -> usize {
    usize::try_from((hash >> 32) % SHARDS as u64).expect("a shard's number is small")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::template::Placeholders;

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
                assert_eq!(index.add(subject, &id, &place), is_new.then_some(known.len()));
            } else {
                known.remove(&*place.0);
                index.remove(subject, &id, place.borrowed());
            }
            let places: BTreeSet<Vec<u8>> = index.places(subject, &id).iter().map(|p| p.0.into()).collect();
            assert_eq!(&places, &model[&(kind(subject), id)]);
        }
        assert!(!index.crowded.is_empty(), "the test must reach the crowded records");
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
