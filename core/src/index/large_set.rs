//! The places of one subject that has very many.

use std::ops::Range;

use super::{
    place::{PlaceSet, pack, read_length, unpack},
    table::{Hash, Hashed, Table},
};

/// A set of places that keeps the order in which they were added. Keys that were written one after the other lie close
/// to each other in the server's memory; to delete them in that order is several times faster.
#[derive(Debug, Default)]
pub(super) struct LargeSet {
    /// Each place with its length; where one was removed there are zeros.
    packed: Vec<u8>,
    /// Where in `packed` each of them begins.
    starts: Table<Start>,
    count: usize,
    /// How many bytes of `packed` are such zeros.
    zeros: usize,
}

/// Where a place begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    hash: Hash,
    at: u32,
}

impl Hashed for Start {
    fn hash(&self) -> Hash {
        self.hash
    }
}

impl<'p> FromIterator<&'p [u8]> for LargeSet {
    fn from_iter<I: IntoIterator<Item = &'p [u8]>>(places: I) -> Self {
        let mut large = Self::default();
        for place in places {
            large.add(place);
        }
        large
    }
}

impl LargeSet {
    /// Adds a place and says how many there are now; `None` if it was there already.
    pub(super) fn add(&mut self, place: &[u8]) -> Option<usize> {
        if self.has(place) {
            return None;
        }
        let at = u32::try_from(self.packed.len()).expect("a large set's places take less than 4 GB");
        self.starts.insert(Start { hash: Hash::of(place).0, at });
        self.packed.extend(pack([place]));
        self.count += 1;
        Some(self.count)
    }

    /// Whether the place is there.
    pub(super) fn has(&self, place: &[u8]) -> bool {
        self.starts.find(Hash::of(place).0, |start| start.of(&self.packed).0 == place).is_some()
    }

    /// Removes a place. `false` if it was not there.
    pub(super) fn remove(&mut self, place: &[u8]) -> bool {
        let found = self.starts.remove(Hash::of(place).0, |start| start.of(&self.packed).0 == place);
        let Some(start) = found else { return false };
        let zeros = start.span(&self.packed);
        self.count -= 1;
        self.zeros += zeros.len();
        self.packed[zeros].fill(0);
        if self.zeros * 2 > self.packed.len() {
            *self = unpack(&self.packed).collect();
        }
        true
    }

    /// Removes all places but those to keep, and says how many went.
    pub(super) fn retain(&mut self, keep: impl FnMut(&&[u8]) -> bool) -> usize {
        let kept: Self = unpack(&self.packed).filter(keep).collect();
        let removed = self.count - kept.count;
        if removed > 0 {
            *self = kept;
        }
        removed
    }

    /// All places.
    pub(super) fn places(&self) -> PlaceSet {
        PlaceSet(self.packed.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.packed.capacity() + self.starts.allocation_size()
    }
}

impl Start {
    /// The place that begins there, and where it ends.
    fn of(self, packed: &[u8]) -> (&[u8], usize) {
        let mut rest = &packed[self.index()..];
        let length = read_length(&mut rest);
        let begin = packed.len() - rest.len();
        (&rest[..length], begin + length)
    }

    /// The bytes of the place with its length.
    fn span(self, packed: &[u8]) -> Range<usize> {
        self.index()..self.of(packed).1
    }

    fn index(self) -> usize {
        usize::try_from(self.at).expect("what is in memory can be numbered")
    }
}
