//! One of the tables into which the records are spread.

use std::hash::Hasher;

use super::{
    Subject, Tick,
    mark::Packed,
    owners::OwnerEntry,
    records::{At, Record, Records},
    table::{Hash, Hashed, Table},
};

/// A subject that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct HashedSubject<'i> {
    /// The kind of subject.
    pub subject: Subject,
    /// Its id.
    pub id: &'i [u8],
    /// The hash of both, from [`HashedSubject::new`].
    pub hash: Hash,
}

/// What a table holds: twelve bytes, all that a walk over all users needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    hash: Hash,
    pub(super) mark: Packed,
    pub(super) at: At,
}

impl Hashed for Entry {
    fn hash(&self) -> Hash {
        self.hash
    }
}

/// The subjects of one shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) entries: Table<Entry>,
    pub(super) records: Records,
    /// Whose sockets are; by the socket, so these need not be of the same subjects.
    pub(super) ties: Table<OwnerEntry>,
    /// No user in it ceases to be live before this moment without anybody's doing.
    pub(super) first_end: Tick,
}

impl<'i> HashedSubject<'i> {
    /// Computes the hash.
    pub fn new(subject: Subject, id: &'i [u8]) -> Self {
        Self { subject, id, hash: Hash::of(Hashable(subject, id)).0 }
    }

    fn is(self, entry: &Entry, records: &Records) -> bool {
        let record = records.get(entry.at);
        record.subject == self.subject && record.id == self.id
    }
}

/// What the hash is made of, in as few pieces as can be.
struct Hashable<'i>(Subject, &'i [u8]);

impl std::hash::Hash for Hashable<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(self.1);
        hasher.write_u8(self.0.kind());
    }
}

impl Shard {
    pub(super) fn find(&self, whom: HashedSubject<'_>) -> Option<&Entry> {
        self.entries.find(whom.hash, |entry| whom.is(entry, &self.records))
    }

    /// The entry, and what its record is among.
    pub(super) fn find_mut(&mut self, whom: HashedSubject<'_>) -> Option<(&mut Entry, &mut Records)> {
        let Self { entries, records, .. } = self;
        let entry = entries.find_mut(whom.hash, |entry| whom.is(entry, records))?;
        Some((entry, records))
    }

    /// Puts in a subject that is not there, with a place.
    pub(super) fn insert(&mut self, whom: HashedSubject<'_>, mark: Packed, place: &[u8]) {
        let at = self.records.add_first(whom.subject, whom.id, place);
        let entry = Entry { hash: whom.hash, mark, at };
        self.entries.insert(entry);
    }

    /// Takes a subject out.
    pub(super) fn remove(&mut self, whom: HashedSubject<'_>) {
        let Self { entries, records, .. } = self;
        if let Some(entry) = entries.remove(whom.hash, |entry| whom.is(entry, records)) {
            records.remove(entry.at);
        }
    }

    /// Gives back what was left behind, once it is worth it. To be called after every change of a record.
    pub(super) fn tidy(&mut self) {
        if self.records.is_wasteful() {
            self.records.squeeze(self.entries.iter_mut().map(|entry| &mut entry.at));
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&Entry, Record<'_>)> {
        self.entries.iter().map(|entry| (entry, self.records.get(entry.at)))
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.entries.allocation_size()
            + self.ties.allocation_size()
            + self.records.allocation_size()
    }
}
