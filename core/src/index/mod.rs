//! The index: subject -> places where it may show up, for one database.
//!
//! A *superset*, never a subset: a place stays until somebody who looks finds nothing there any more. Who uses a
//! place checks it first. Pure; it never looks into Redis.
//!
//! Built for memory and for few cache misses, since there is one record for every user of the server: a record holds the
//! subject and its places packed one behind the other, and a place holds only what the key's name does not say already
//! (the values of the placeholders other than the user's id). Sharded, so that the growth of a hash table moves a
//! small part of the records at a time, and so that a walk can pause between shards.

mod large_set;
mod mark;
mod owners;
mod place;
mod records;
mod sessions;
mod shard;
mod table;

use std::collections::HashMap;

use large_set::LargeSet;
use place::{pack, unpack};
use records::Record;
use shard::Shard;

pub use mark::{LivenessChange, LivenessMark, Tick};
pub use owners::SocketHash;
pub use place::{Place, PlaceRef, PlaceSet};
pub use shard::HashedSubject;
pub use table::{Hash, SHARDS};

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

/// A record with this many bytes of places becomes a [`LargeSet`], so that adding to it does not cost its length.
const PACKED_LIMIT: usize = 2048;

impl Subject {
    fn kind(self) -> u8 {
        match self {
            Self::User => 0,
            Self::Socket => 1,
            Self::Anyone => 2,
        }
    }

    fn of_kind(kind: u8) -> Self {
        match kind {
            0 => Self::User,
            1 => Self::Socket,
            _ => Self::Anyone,
        }
    }
}

/// What came of adding a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// How many places the subject has now; `None` if it had this one already.
    pub count: Option<usize>,
    /// The subject's mark before; `None` if it had no place.
    pub before: Option<LivenessMark>,
}

/// The places of the few subjects that have too many for a packed record.
type Crowds = HashMap<(Subject, Box<[u8]>), LargeSet>;

/// The index of one database.
#[derive(Debug, Default)]
pub struct Index {
    /// Empty until the first place is added: most databases of a server are never used.
    shards: Box<[Shard]>,
    large_sets: Crowds,
    places: usize,
    /// How many subjects of each kind have a place.
    subjects: [usize; 3],
}

impl Index {
    /// Adds a place, and changes the mark of a user as the news are.
    pub fn add(&mut self, whom: HashedSubject<'_>, place: PlaceRef<'_>, news: LivenessChange) -> Added {
        let HashedSubject { subject, id, .. } = whom;
        let Self { shards, large_sets, places, subjects } = self;
        let shard = of_mut(shards, whom.hash);
        let Some((entry, records)) = shard.find_mut(whom) else {
            let mark = if subject == Subject::User { news.first() } else { LivenessMark::Quiet };
            shard.insert(whom, mark.into(), place.0);
            *places += 1;
            subjects[usize::from(subject.kind())] += 1;
            return Added { count: Some(1), before: None };
        };
        let before: LivenessMark = entry.mark.into();
        if subject == Subject::User {
            entry.mark = news.change(before).into();
        }
        let record = records.get(entry.at);
        let count = if record.is_large_set {
            large_sets.get_mut(&(subject, id.into())).and_then(|large| large.add(place.0))
        } else if unpack(record.places).any(|known| known == place.0) {
            None
        } else if record.places.len() < PACKED_LIMIT {
            let count = unpack(record.places).count() + 1;
            entry.at = records.extend(entry.at, place.0);
            Some(count)
        } else {
            let large: LargeSet = unpack(record.places).chain([place.0]).collect();
            let count = large.len();
            records.remove(entry.at);
            entry.at = records.add(Record { subject, is_large_set: true, id, places: &[] });
            large_sets.insert((subject, id.into()), large);
            Some(count)
        };
        if count.is_some() {
            *places += 1;
            shard.tidy();
        }
        Added { count, before: Some(before) }
    }

    /// The places of a subject, copied: to look at them calls the host, which may call back.
    pub fn places(&self, subject: Subject, id: &[u8]) -> PlaceSet {
        // Few layouts name sockets alone, and few collections are too large.
        if !self.has_any(subject) {
            return PlaceSet::default();
        }
        let Some(record) = self.record(HashedSubject::new(subject, id)) else { return PlaceSet::default() };
        if !record.is_large_set {
            return PlaceSet(record.places.to_vec());
        }
        self.large_sets.get(&(subject, id.into())).map(LargeSet::places).unwrap_or_default()
    }

    /// Whether the subject is known at a place.
    pub fn has(&self, subject: Subject, id: &[u8], place: PlaceRef<'_>) -> bool {
        let Some(record) = self.record(HashedSubject::new(subject, id)) else { return false };
        let large = || self.large_sets.get(&(subject, id.into())).is_some_and(|large| large.has(place.0));
        if record.is_large_set { large() } else { unpack(record.places).any(|known| known == place.0) }
    }

    /// Removes a place, if it is there.
    pub fn remove(&mut self, subject: Subject, id: &[u8], place: PlaceRef<'_>) {
        let whom = HashedSubject::new(subject, id);
        self.thin_out(whom, |known| known != place, |large| usize::from(large.remove(place.0)));
    }

    /// Removes the places of a subject but those that `keep` names. `true` if any is left.
    pub fn retain(&mut self, whom: HashedSubject<'_>, keep: impl Fn(PlaceRef<'_>) -> bool) -> bool {
        self.thin_out(whom, &keep, |large| large.retain(|place| keep(PlaceRef(place))))
    }

    /// Removes places: of few those that `keep` does not name, and of a large set what `thin` does, which says how many. `true`
    /// if any is left.
    fn thin_out(
        &mut self,
        whom: HashedSubject<'_>,
        keep: impl Fn(PlaceRef<'_>) -> bool,
        thin: impl FnOnce(&mut LargeSet) -> usize,
    ) -> bool {
        let HashedSubject { subject, id, .. } = whom;
        let Self { shards, large_sets, places, subjects } = self;
        let Some(shard) = shards.get_mut(whom.hash.shard()) else { return false };
        let Some((entry, records)) = shard.find_mut(whom) else { return false };
        let record = records.get(entry.at);
        let is_empty = if record.is_large_set {
            let key = (subject, id.into());
            *places -= large_sets.get_mut(&key).map_or(0, thin);
            let is_empty = large_sets.get(&key).is_none_or(LargeSet::is_empty);
            if is_empty {
                large_sets.remove(&key);
            }
            is_empty
        } else {
            let kept = pack(unpack(record.places).filter(|place| keep(PlaceRef(place))));
            *places -= unpack(record.places).count() - unpack(&kept).count();
            if kept.len() < record.places.len() && !kept.is_empty() {
                records.remove(entry.at);
                entry.at = records.add(Record { subject, is_large_set: false, id, places: &kept });
            }
            kept.is_empty()
        };
        if is_empty {
            shard.remove(whom);
            subjects[usize::from(subject.kind())] -= 1;
        }
        shard.tidy();
        !is_empty
    }

    /// Brings what is known of these subjects into the processor's cache, and what of these sockets. The looks do not
    /// wait for each other, as they would where each is followed by a change.
    pub fn warm_up(&self, subjects: impl Iterator<Item = Hash> + Clone, sockets: impl Iterator<Item = SocketHash>) {
        if self.shards.is_empty() {
            return;
        }
        let shards = subjects.map(|hash| (&self.shards[hash.shard()], hash));
        let touched = shards.clone().fold(false, |touched, (shard, hash)| touched ^ shard.entries.touch(hash));
        let touched =
            sockets.fold(touched, |touched, socket| touched ^ self.shards[socket.shard].ties.touch(socket.hash));
        std::hint::black_box(touched);
        let records = shards.filter_map(|(shard, hash)| Some((shard, shard.entries.of_hash(hash).next()?.at)));
        let records: Vec<_> = records.collect();
        std::hint::black_box(records.iter().fold(0, |touched, (shard, at)| touched ^ shard.records.touch(*at)));
    }

    fn record(&self, whom: HashedSubject<'_>) -> Option<Record<'_>> {
        let shard = self.shards.get(whom.hash.shard())?;
        shard.find(whom).map(|entry| shard.records.get(entry.at))
    }

    /// Whether it knows a place of any socket's.
    pub fn has_sockets(&self) -> bool {
        self.has_any(Subject::Socket)
    }

    fn has_any(&self, subject: Subject) -> bool {
        self.subjects[usize::from(subject.kind())] > 0
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
        let large_sets: usize = self.large_sets.values().map(LargeSet::bytes).sum();
        large_sets + self.shards.iter().map(Shard::bytes).sum::<usize>()
    }

    /// The subjects of one shard; a walk over all shards meets every subject that was there all the time.
    pub fn subjects(&self, shard: usize) -> Vec<(Subject, Box<[u8]>)> {
        let records = self.shards.get(shard).into_iter().flat_map(Shard::records);
        records.map(|(_, record)| (record.subject, record.id.into())).collect()
    }
}

/// The shard of a hash, where something is to be put in.
fn of_mut(shards: &mut Box<[Shard]>, hash: Hash) -> &mut Shard {
    if shards.is_empty() {
        *shards = (0..SHARDS).map(|_| Shard::default()).collect();
    }
    &mut shards[hash.shard()]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::template::{Bindings, IdRule, Placeholder, Placeholders, Template};

    fn key() -> Template {
        Template::parse("typing:{roomId}:{userId}", &mut Placeholders::new(IdRule::Length(1), Vec::new())).unwrap()
    }

    fn place(trace: usize, room: &[u8]) -> Place {
        let bindings = Bindings::user(b"ignored").with(Placeholder::ROOM, room);
        Place::new(trace, &[Placeholder::ROOM], &bindings)
    }

    #[test]
    fn a_place_gives_back_the_keys_name() {
        let room = vec![b'r'; 300];
        let place = place(200, &room);
        assert_eq!(place.borrowed().trace(), 200);
        let bindings = place.borrowed().bind(&[Placeholder::ROOM], &Bindings::user(b"u:1"));
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
            // User 0 has enough rooms for a large set.
            let id = vec![b'u'; usize::try_from(1 + next(5) * next(2)).unwrap()];
            let rooms = if id.len() == 1 { 900 } else { 20 };
            let place = place(6, format!("room {}", next(rooms)).as_bytes());
            let known = model.entry((subject.kind(), id.clone())).or_default();
            if next(3) < 2 {
                let is_new = known.insert(place.0.to_vec());
                assert_eq!(
                    index
                        .add(HashedSubject::new(subject, &id), place.borrowed(), LivenessChange::Evidence(Tick::FIRST))
                        .count,
                    is_new.then_some(known.len())
                );
            } else {
                known.remove(&*place.0);
                index.remove(subject, &id, place.borrowed());
            }
            let places: BTreeSet<Vec<u8>> = index.places(subject, &id).iter().map(|p| p.0.into()).collect();
            assert_eq!(&places, &model[&(subject.kind(), id)]);
        }
        assert!(!index.large_sets.is_empty(), "the test must reach the large sets");
        assert_eq!(index.len(), model.values().map(BTreeSet::len).sum::<usize>());
        let count =
            |wanted: u8| model.iter().filter(|((kind, _), places)| *kind == wanted && !places.is_empty()).count();
        assert_eq!(index.subjects, [0, 1, 2].map(count));
        let subjects: BTreeSet<_> =
            (0..SHARDS).flat_map(|s| index.subjects(s)).map(|(s, id)| (s.kind(), id.to_vec())).collect();
        let expected: BTreeSet<_> =
            model.iter().filter(|(_, places)| !places.is_empty()).map(|(k, _)| k.clone()).collect();
        assert_eq!(subjects, expected);
        let kept = place(6, b"room 7");
        for (subject, id) in (0..SHARDS).flat_map(|s| index.subjects(s)).collect::<Vec<_>>() {
            let whom = HashedSubject::new(subject, &id);
            assert_eq!(index.retain(whom, |place| place == kept.borrowed()), index.has(subject, &id, kept.borrowed()));
            assert!(index.places(subject, &id).iter().all(|place| place == kept.borrowed()));
            assert!(!index.retain(whom, |_| false));
            assert_eq!(index.places(subject, &id).iter().count(), 0);
        }
        let left: usize = index.shards.iter().map(|shard| shard.records.live()).sum();
        assert_eq!(index.subjects, [0; 3]);
        assert_eq!((index.len(), left), (0, 0), "what was added is counted off when it is removed");
    }
}
