//! Places and how they are packed.

use crate::template::{Bindings, Placeholder};

/// One place where a subject may show up: a trace of the layout, and what its key's placeholders stand for, but for the user's
/// id, which is the subject's, or is checked when the place is used. `stored` are those placeholders. Of some collections the
/// place is one member: then [`Placeholder::MEMBER`] is among them, and stands for nothing where the whole collection is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub(super) Box<[u8]>);

impl Place {
    /// The place of `trace` (its number in the layout) at the key that `bindings` make of its template.
    ///
    /// # Panics
    /// If one of the `stored` is not bound.
    pub fn new(trace: usize, stored: &[Placeholder], bindings: &Bindings<'_>) -> Self {
        let mut bytes = Vec::new();
        Self::write(trace, stored, bindings, &mut bytes);
        Self(bytes.into())
    }

    /// Appends the same place to `out`, for [`PlaceRef::of_bytes`].
    ///
    /// # Panics
    /// As [`Place::new`].
    pub fn write(trace: usize, stored: &[Placeholder], bindings: &Bindings<'_>, out: &mut Vec<u8>) {
        write_length(out, trace);
        for placeholder in stored {
            let whole = (*placeholder == Placeholder::MEMBER).then_some(&[][..]);
            let value = bindings.get(*placeholder).or(whole).expect("a match binds every placeholder");
            write_length(out, value.len());
            out.extend_from_slice(value);
        }
    }

    /// The same place, borrowed.
    pub fn borrowed(&self) -> PlaceRef<'_> {
        PlaceRef(&self.0)
    }
}

/// A place that somebody else owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRef<'p>(pub(super) &'p [u8]);

impl<'p> PlaceRef<'p> {
    /// A place as [`Place::write`] wrote it.
    pub fn of_bytes(bytes: &'p [u8]) -> Self {
        Self(bytes)
    }

    /// A copy of its own.
    pub fn to_owned(self) -> Place {
        Place(self.0.into())
    }

    /// The trace's number in the layout.
    pub fn trace(self) -> usize {
        let mut bytes = self.0;
        read_length(&mut bytes)
    }

    /// What the `stored` placeholders of the trace stand for, besides what is `given`.
    #[inline]
    pub fn bind<'a>(self, stored: &[Placeholder], given: &Bindings<'a>) -> Bindings<'a>
    where
        'p: 'a,
    {
        let mut bindings = *given;
        let mut bytes = self.0;
        read_length(&mut bytes);
        for placeholder in stored {
            let length = read_length(&mut bytes);
            let (value, rest) = bytes.split_at(length);
            // No id is empty.
            if !value.is_empty() {
                bindings.bind(*placeholder, value);
            }
            bytes = rest;
        }
        bindings
    }
}

/// Lengths and numbers are written in groups of seven bits, the lowest first, as in LEB128.
pub(super) fn write_length(out: &mut Vec<u8>, mut value: usize) {
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
pub(super) fn read_length(bytes: &mut &[u8]) -> usize {
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

/// Places of one subject, copied out of the index in one piece.
#[derive(Clone, Debug, Default)]
pub struct PlaceSet(pub(super) Vec<u8>);

impl PlaceSet {
    /// About how many there are.
    pub fn about(&self) -> usize {
        const USUAL: usize = 16;
        self.0.len() / USUAL
    }

    /// One after the other, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = PlaceRef<'_>> {
        unpack(&self.0).map(PlaceRef)
    }
}

/// Packed places one by one. Zeros between them are skipped: no place is empty.
pub(super) fn unpack(mut places: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while !places.is_empty() {
            let length = read_length(&mut places);
            let (place, rest) = places.split_at(length);
            places = rest;
            if !place.is_empty() {
                return Some(place);
            }
        }
        None
    })
}

/// Each with its length, one behind the other.
pub(super) fn pack<'p>(places: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in places {
        write_length(&mut bytes, place.len());
        bytes.extend_from_slice(place);
    }
    bytes
}
