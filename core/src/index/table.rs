//! A hash table of small values that know their own hash.
//!
//! A value lies where its hash says or a few places behind, in one piece with its neighbours: so to look for one meets as a rule a
//! single line of the processor's cache, where tables that keep their marks apart meet two. The table grows by half,
//! so that many of them that grow alike are not half empty together.
//!
//! Measured against `HashTable` of hashbrown, which would be ninety lines shorter: with that, piped writes of keys that the index
//! cares for cost 3-5 % more of the server's time; memory, loading, and writes of which fewer come at once are the same.

use std::num::NonZeroU32;

use crate::hash;

/// Into how many hash tables the records are spread: few enough that their heads stay in the processor's cache.
pub const SHARDS: usize = 256;

/// A hash that nobody outside can foresee. It is kept beside what it is of, so that a table grows without a look elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(NonZeroU32);

impl Hash {
    /// The hash of something, and some more bits of it.
    pub(super) fn of(value: impl std::hash::Hash) -> (Self, u32) {
        let bits = hash::of(value);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("half of the bits fit");
        (Self::from_bits(half(bits >> 32)), half(bits))
    }

    fn from_bits(bits: u32) -> Self {
        Self(NonZeroU32::new(bits).unwrap_or(NonZeroU32::MIN))
    }

    /// Which of the shards, by the highest bits.
    pub(super) fn shard(self) -> usize {
        const SHIFT: u32 = u32::BITS - SHARDS.trailing_zeros();
        usize::try_from(self.0.get() >> SHIFT).expect("a shard's number is small")
    }

    /// Where in a table of `size` places, by the bits that do not choose the shard.
    fn home(self, size: usize) -> usize {
        let bits = u64::from(self.0.get() << SHARDS.trailing_zeros());
        usize::try_from((bits * size as u64) >> u32::BITS).expect("less than the size")
    }
}

/// A value that knows its hash.
pub(super) trait Hashed: Copy {
    fn hash(&self) -> Hash;
}

/// The table.
#[derive(Debug)]
pub(super) struct Table<T> {
    places: Box<[Option<T>]>,
    used: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { places: Box::default(), used: 0 }
    }
}

impl<T: Hashed> Table<T> {
    /// Where the value is for which `is_it` holds, among those that have this hash.
    fn position(&self, hash: Hash, is_it: impl Fn(&T) -> bool) -> Option<usize> {
        let size = self.places.len();
        let mut at = hash.home(size);
        while let Some(Some(value)) = self.places.get(at) {
            if value.hash() == hash && is_it(value) {
                return Some(at);
            }
            at = next(at, size);
        }
        None
    }

    /// The value for which `is_it` holds, among those that have this hash.
    pub(super) fn find(&self, hash: Hash, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        self.places[self.position(hash, is_it)?].as_ref()
    }

    /// The same, to change. The hash must stay as it is.
    pub(super) fn find_mut(&mut self, hash: Hash, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        let at = self.position(hash, is_it)?;
        self.places[at].as_mut()
    }

    /// All values that have this hash.
    pub(super) fn of_hash(&self, hash: Hash) -> impl Iterator<Item = &T> {
        let size = self.places.len();
        let mut at = hash.home(size);
        let values = std::iter::from_fn(move || {
            let value = self.places.get(at)?.as_ref()?;
            at = next(at, size);
            Some(value)
        });
        values.filter(move |value| value.hash() == hash)
    }

    /// Whatever lies where a value of this hash would, to have it in the processor's cache.
    pub(super) fn touch(&self, hash: Hash) -> bool {
        self.places.get(hash.home(self.places.len())).is_some_and(Option::is_some)
    }

    /// Puts in a value, whether there is an equal one or not.
    pub(super) fn insert(&mut self, value: T) {
        let size = self.places.len();
        if (self.used + 1) * 5 > size * 4 {
            self.resize(size + size / 2 + 4);
        }
        self.put(value);
    }

    /// Takes out the value for which `is_it` holds, among those that have this hash.
    pub(super) fn remove(&mut self, hash: Hash, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let mut free = self.position(hash, is_it)?;
        let removed = self.places[free].take();
        self.used -= 1;
        // Those behind it close up, as far as none comes to lie before where its hash says.
        let size = self.places.len();
        let mut at = next(free, size);
        while let Some(value) = self.places[at] {
            let distance = |from: usize| (at + size - from) % size;
            if distance(value.hash().home(size)) >= distance(free) {
                self.places.swap(free, at);
                free = at;
            }
            at = next(at, size);
        }
        if self.used * 3 < size {
            self.resize(self.used + self.used / 2 + 1);
        }
        removed
    }

    fn resize(&mut self, size: usize) {
        let before = std::mem::replace(&mut self.places, vec![None; size].into());
        self.used = 0;
        before.into_iter().flatten().for_each(|value| self.put(value));
    }

    /// There must be room. (There is always some, or a search would never end.)
    fn put(&mut self, value: T) {
        let size = self.places.len();
        let mut at = value.hash().home(size);
        while self.places[at].is_some() {
            at = next(at, size);
        }
        self.places[at] = Some(value);
        self.used += 1;
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    /// All values, to change; their hashes must stay as they are.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }

    /// How many bytes it takes.
    pub(super) fn allocation_size(&self) -> usize {
        size_of_val(&*self.places)
    }
}

/// The place behind, round a table of this size.
fn next(at: usize, size: usize) -> usize {
    if at + 1 == size { 0 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Number(Hash, u32);

    impl Hashed for Number {
        fn hash(&self) -> Hash {
            self.0
        }
    }

    #[test]
    fn a_table_agrees_with_a_list_whatever_the_hashes() {
        assert_eq!(size_of::<Option<Number>>(), 8, "a free place takes no mark of its own");
        let mut random = fastrand::Rng::with_seed(7);
        // Many of one hash, hashes that lie side by side or at the end, and any.
        let hashes: [fn(u32) -> u32; 4] =
            [|_| 1 << 31, |n| u32::MAX - (n % 50), |n| (n % 9) << 20, |n| n.wrapping_mul(0x9E37_79B9)];
        for hash in hashes {
            let hash = |n: u32| Hash::from_bits(hash(n));
            let (mut table, mut list) = (Table::default(), Vec::new());
            for step in 0..4000 {
                let number = random.u32(0..200);
                let value = Number(hash(number), number);
                // It grows at first and is empty in the end.
                if random.u32(0..4000) > step {
                    table.insert(value);
                    list.push(number);
                } else {
                    let removed = table.remove(value.0, |known| known.1 == number);
                    let known = list.iter().position(|known| *known == number);
                    assert_eq!(removed, known.map(|_| value));
                    known.map(|at| list.swap_remove(at));
                }
                assert_eq!(table.find(value.0, |known| known.1 == number).is_some(), list.contains(&number));
                let alike = table.of_hash(value.0).count();
                assert_eq!(alike, list.iter().filter(|known| hash(**known) == value.0).count());
            }
            let mut all: Vec<u32> = table.iter().map(|value| value.1).collect();
            all.sort_unstable();
            list.sort_unstable();
            assert_eq!(all, list);
            for number in list {
                assert!(table.remove(hash(number), |known| known.1 == number).is_some());
            }
            assert!(table.len() == 0 && table.allocation_size() <= 4 * size_of::<Number>());
        }
    }
}
