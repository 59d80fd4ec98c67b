//! The places of one subject that has very many.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::place::{Places, pack, read_length, unpack};

/// A set of places that keeps the order in which they were added. Keys that were written one after the other lie close
/// to each other in the server's memory; whoever deletes them in that order is several times faster.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Each place with its length; where one was removed there are zeros.
    packed: Vec<u8>,
    /// Where in `packed` each of them begins.
    starts: HashTable<usize>,
    /// How many bytes of `packed` are such zeros.
    zeros: usize,
    hasher: RandomState,
}

impl<'p> FromIterator<&'p [u8]> for Crowd {
    fn from_iter<I: IntoIterator<Item = &'p [u8]>>(places: I) -> Self {
        let mut crowd = Self::default();
        for place in places {
            crowd.add(place);
        }
        crowd
    }
}

impl Crowd {
    /// Adds a place and says how many there are now; `None` if it was there already.
    pub(super) fn add(&mut self, place: &[u8]) -> Option<usize> {
        let (packed, hasher) = (&mut self.packed, &self.hasher);
        let hash = hasher.hash_one(place);
        if self.starts.find(hash, |start| at(packed, *start).0 == place).is_some() {
            return None;
        }
        let start = packed.len();
        packed.extend(pack([place]));
        self.starts.insert_unique(hash, start, |start| hasher.hash_one(at(packed, *start).0));
        Some(self.starts.len())
    }

    /// Removes a place. `false` if it was not there.
    pub(super) fn remove(&mut self, place: &[u8]) -> bool {
        let hash = self.hasher.hash_one(place);
        let Ok(found) = self.starts.find_entry(hash, |start| at(&self.packed, *start).0 == place) else { return false };
        let (start, _) = found.remove();
        let end = at(&self.packed, start).1;
        self.packed[start..end].fill(0);
        self.zeros += end - start;
        if self.zeros * 2 > self.packed.len() {
            *self = unpack(&self.packed).collect();
        }
        true
    }

    /// Removes all places but those to keep, and says how many went.
    pub(super) fn retain(&mut self, keep: impl FnMut(&&[u8]) -> bool) -> usize {
        let kept: Self = unpack(&self.packed).filter(keep).collect();
        let removed = self.starts.len() - kept.starts.len();
        if removed > 0 {
            *self = kept;
        }
        removed
    }

    /// All places.
    pub(super) fn places(&self) -> Places {
        Places(self.packed.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.packed.capacity() + self.starts.allocation_size()
    }
}

/// The place that begins at `start`, and where it ends.
fn at(packed: &[u8], start: usize) -> (&[u8], usize) {
    let mut rest = &packed[start..];
    let length = read_length(&mut rest);
    let begin = packed.len() - rest.len();
    (&rest[..length], begin + length)
}
