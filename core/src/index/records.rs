//! The records of one shard, one behind the other in one piece of memory.
//!
//! A record of its own for every user would cost an allocation each time a place comes or goes, what the allocator
//! rounds up, and a pointer twice as long as a number. Here one is written once and never changed: another takes its
//! place, and what was left behind is squeezed out when it has become too much.

use super::{
    Subject,
    place::{read_length, write_length},
};

/// Where a record begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(u32);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Each is its length, the kind of subject, the id with its length, then places, each with its length.
    bytes: Vec<u8>,
    /// How many of the bytes belong to records that nobody needs any more.
    garbage: usize,
}

/// A subject and its places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'r> {
    pub(super) subject: Subject,
    /// Whether the places are kept elsewhere, because they are too many.
    pub(super) is_large_set: bool,
    pub(super) id: &'r [u8],
    /// Each with its length.
    pub(super) places: &'r [u8],
}

/// What marks a record of a subject with too many places.
const LARGE_SET: u8 = 0x80;

impl Records {
    /// Adds a record.
    pub(super) fn add(&mut self, record: Record<'_>) -> At {
        let at = self.begin_record(record, record.places.len());
        self.bytes.extend_from_slice(record.places);
        at
    }

    /// Adds the record of a subject with one place.
    pub(super) fn add_first(&mut self, subject: Subject, id: &[u8], place: &[u8]) -> At {
        let record = Record { subject, is_large_set: false, id, places: &[] };
        let at = self.begin_record(record, length_of(place.len()) + place.len());
        self.push_place(place);
        at
    }

    fn push_place(&mut self, place: &[u8]) {
        write_length(&mut self.bytes, place.len());
        self.bytes.extend_from_slice(place);
    }

    /// Writes all of a record but its places, given their length.
    fn begin_record(&mut self, record: Record<'_>, places: usize) -> At {
        let Record { subject, is_large_set, id, .. } = record;
        let at = self.begin(1 + length_of(id.len()) + id.len() + places);
        self.bytes.push(subject.kind() | if is_large_set { LARGE_SET } else { 0 });
        write_length(&mut self.bytes, id.len());
        self.bytes.extend_from_slice(id);
        at
    }

    /// Puts a record with one more place in the place of another.
    pub(super) fn extend(&mut self, at: At, place: &[u8]) -> At {
        let (start, end) = self.span(at);
        self.remove(at);
        let extended = self.begin(end - start + length_of(place.len()) + place.len());
        self.bytes.extend_from_within(start..end);
        self.push_place(place);
        extended
    }

    /// Makes room for a record of this length.
    fn begin(&mut self, length: usize) -> At {
        let (at, needed) = (self.bytes.len(), length_of(length) + length);
        if needed > self.bytes.capacity() - at {
            // By half: shards that grow alike would be half empty together if each doubled.
            self.bytes.reserve_exact(needed.max(at / 2));
        }
        write_length(&mut self.bytes, length);
        At(u32::try_from(at).expect("a shard's records take less than 4 GB"))
    }

    /// The record there.
    pub(super) fn get(&self, at: At) -> Record<'_> {
        let (start, end) = self.span(at);
        let (&head, mut rest) = self.bytes[start..end].split_first().expect("a record begins with the kind of subject");
        let length = read_length(&mut rest);
        let (id, places) = rest.split_at(length);
        Record { subject: Subject::of_kind(head & !LARGE_SET), is_large_set: head & LARGE_SET != 0, id, places }
    }

    /// A byte of the record and one a cache line behind it, to have it in the processor's cache.
    pub(super) fn touch(&self, at: At) -> u8 {
        const LINE: usize = 64;
        let at = Self::index(at);
        self.bytes[at] ^ self.bytes[(at + LINE).min(self.bytes.len() - 1)]
    }

    /// Nobody needs this record any more.
    pub(super) fn remove(&mut self, at: At) {
        self.garbage += self.span(at).1 - Self::index(at);
    }

    /// Whether what is left behind should be squeezed out.
    pub(super) fn is_wasteful(&self) -> bool {
        self.garbage * 2 > self.bytes.len()
    }

    /// Only the records that somebody needs. `moved` is given the place of each, and changes it.
    pub(super) fn squeeze<'e>(&mut self, needed: impl Iterator<Item = &'e mut At>) {
        let length = self.live();
        let mut bytes = Vec::with_capacity(length + length / 8);
        for at in needed {
            let from = Self::index(*at);
            let record = &self.bytes[from..self.span(*at).1];
            *at = At(u32::try_from(bytes.len()).expect("fewer bytes than before"));
            bytes.extend_from_slice(record);
        }
        *self = Self { bytes, garbage: 0 };
    }

    /// How many bytes are in use.
    pub(super) fn live(&self) -> usize {
        self.bytes.len() - self.garbage
    }

    /// How many bytes it takes.
    pub(super) fn allocation_size(&self) -> usize {
        self.bytes.capacity()
    }

    fn index(At(at): At) -> usize {
        usize::try_from(at).expect("what is in memory can be numbered")
    }

    /// Where the record begins behind its length, and where it ends.
    fn span(&self, at: At) -> (usize, usize) {
        let mut rest = &self.bytes[Self::index(at)..];
        let length = read_length(&mut rest);
        let start = self.bytes.len() - rest.len();
        (start, start + length)
    }
}

/// How many bytes a length takes.
fn length_of(length: usize) -> usize {
    let bits = usize::BITS - length.leading_zeros();
    usize::try_from(bits.div_ceil(7).max(1)).expect("a few")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_takes_what_is_written() {
        for length in [0, 1, 127, 128, 16_383, 16_384, usize::MAX] {
            let mut bytes = Vec::new();
            write_length(&mut bytes, length);
            assert_eq!(length_of(length), bytes.len(), "{length}");
        }
    }

    #[test]
    fn what_is_left_behind_is_squeezed_out() {
        let mut records = Records::default();
        let record = |id| Record { subject: Subject::User, is_large_set: false, id, places: &[] };
        let mut kept = [records.add(record(b"ann")), records.add(record(b"bob"))];
        let removed = records.add(record(&[b'x'; 300]));
        kept[0] = records.extend(kept[0], b"a place");
        records.remove(removed);
        assert!(records.is_wasteful());
        records.squeeze(kept.iter_mut());
        assert!(!records.is_wasteful());
        let [ann, bob] = kept.map(|at| records.get(at));
        assert_eq!((ann.id, ann.places), (&b"ann"[..], &b"\x07a place"[..]));
        assert_eq!((bob.id, bob.places), (&b"bob"[..], &[][..]));
        assert_eq!(records.live(), records.bytes.len());
    }
}
