//! `MessagePack`, with the marks of the crate `rmp`.
//!
//! `rmp-serde` reads values too. But a pointer is followed by the places of values, of which it tells nothing, and it reads an
//! extension in a way of its own.

use std::borrow::Cow;

use rmp::Marker;

use super::{
    bounds::DEEPEST,
    bytes::{Reader, decimal},
    unreadable::Why,
    walk::{Name, Place, Tree},
};

/// A value of which each part is sound. A part is known by its place.
pub(super) struct Msgpack<'d>(&'d [u8]);

/// A value, or the beginning of one: what stands before its parts.
enum Head<'d> {
    /// A string or bytes.
    String(&'d [u8]),
    Unsigned(u64),
    Signed(i64),
    /// An array of so many elements.
    Array(usize),
    /// A map of so many members.
    Map(usize),
    /// Nothing that can be a text.
    Other,
}

impl<'d> Msgpack<'d> {
    /// Reads a value, all of it.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, Why> {
        let mut reader = Reader::new(bytes, 0);
        skip(&mut reader, 0)?;
        if reader.is_at_end() { Ok(Self(bytes)) } else { Err(Why::Malformed("something follows its end")) }
    }
}

impl<'d> Tree<'d> for Msgpack<'d> {
    type Part = usize;

    fn root(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn text(&self, part: usize) -> Option<Cow<'d, [u8]>> {
        head(&mut Reader::new(self.0, part)).ok()?.name().map(Name::into_text)
    }

    fn children(&self, part: usize, each: &mut dyn FnMut(Place<'d>, usize)) -> Result<usize, Why> {
        let mut reader = Reader::new(self.0, part);
        match head(&mut reader)? {
            Head::Array(length) => {
                for index in 0..length {
                    each(Place::Element(index), reader.at());
                    skip(&mut reader, 0)?;
                }
            }
            Head::Map(length) => {
                for _ in 0..length {
                    let key = head(&mut reader)?;
                    skip_parts(&key, &mut reader, 0)?;
                    each(key.name().map_or(Place::Nameless, Place::Member), reader.at());
                    skip(&mut reader, 0)?;
                }
            }
            _ => (),
        }
        Ok(reader.at() - part)
    }
}

impl<'d> Head<'d> {
    /// It as a key, which is also the text that it is.
    fn name(&self) -> Option<Name<'d>> {
        match self {
            Self::String(text) => Some(Name::String(Cow::Borrowed(text))),
            Self::Unsigned(number) => Some(Name::Integer(decimal(number))),
            Self::Signed(number) => Some(Name::Integer(decimal(number))),
            _ => None,
        }
    }
}

/// Skips a value that has so many containers around it.
fn skip(reader: &mut Reader<'_>, depth: usize) -> Result<(), Why> {
    let head = head(reader)?;
    skip_parts(&head, reader, depth)
}

fn skip_parts(head: &Head<'_>, reader: &mut Reader<'_>, depth: usize) -> Result<(), Why> {
    let parts = match head {
        Head::Array(length) => *length,
        Head::Map(length) => length.saturating_mul(2),
        _ => return Ok(()),
    };
    if depth == DEEPEST {
        return Err(Why::TooDeep);
    }
    (0..parts).try_for_each(|_| skip(reader, depth + 1))
}

fn head<'d>(reader: &mut Reader<'d>) -> Result<Head<'d>, Why> {
    Ok(match Marker::from_u8(reader.byte()?) {
        Marker::FixPos(number) => Head::Unsigned(number.into()),
        Marker::U8 => Head::Unsigned(reader.byte()?.into()),
        Marker::U16 => Head::Unsigned(u16::from_be_bytes(reader.array()?).into()),
        Marker::U32 => Head::Unsigned(u32::from_be_bytes(reader.array()?).into()),
        Marker::U64 => Head::Unsigned(u64::from_be_bytes(reader.array()?)),
        Marker::FixNeg(number) => Head::Signed(number.into()),
        Marker::I8 => Head::Signed(i8::from_be_bytes(reader.array()?).into()),
        Marker::I16 => Head::Signed(i16::from_be_bytes(reader.array()?).into()),
        Marker::I32 => Head::Signed(i32::from_be_bytes(reader.array()?).into()),
        Marker::I64 => Head::Signed(i64::from_be_bytes(reader.array()?)),
        Marker::FixStr(length) => Head::String(reader.take(length.into())?),
        Marker::Str8 | Marker::Bin8 => string(reader, 1)?,
        Marker::Str16 | Marker::Bin16 => string(reader, 2)?,
        Marker::Str32 | Marker::Bin32 => string(reader, 4)?,
        Marker::FixArray(length) => Head::Array(length.into()),
        Marker::Array16 => Head::Array(length(reader, 2)?),
        Marker::Array32 => Head::Array(length(reader, 4)?),
        Marker::FixMap(length) => Head::Map(length.into()),
        Marker::Map16 => Head::Map(length(reader, 2)?),
        Marker::Map32 => Head::Map(length(reader, 4)?),
        Marker::Null | Marker::False | Marker::True => Head::Other,
        Marker::F32 => other(reader, 4)?,
        Marker::F64 => other(reader, 8)?,
        // An extension's type stands before its bytes.
        Marker::FixExt1 => other(reader, 1 + 1)?,
        Marker::FixExt2 => other(reader, 1 + 2)?,
        Marker::FixExt4 => other(reader, 1 + 4)?,
        Marker::FixExt8 => other(reader, 1 + 8)?,
        Marker::FixExt16 => other(reader, 1 + 16)?,
        Marker::Ext8 => extension(reader, 1)?,
        Marker::Ext16 => extension(reader, 2)?,
        Marker::Ext32 => extension(reader, 4)?,
        Marker::Reserved => return Err(Why::Malformed("it holds a byte that stands for nothing")),
    })
}

/// A number of so many bytes that says how long something is.
fn length(reader: &mut Reader<'_>, bytes: usize) -> Result<usize, Why> {
    Ok(reader.take(bytes)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn string<'d>(reader: &mut Reader<'d>, bytes: usize) -> Result<Head<'d>, Why> {
    let length = length(reader, bytes)?;
    reader.take(length).map(Head::String)
}

fn extension<'d>(reader: &mut Reader<'d>, bytes: usize) -> Result<Head<'d>, Why> {
    let length = length(reader, bytes)?;
    other(reader, length.saturating_add(1))
}

fn other<'d>(reader: &mut Reader<'d>, length: usize) -> Result<Head<'d>, Why> {
    reader.take(length).map(|_| Head::Other)
}
