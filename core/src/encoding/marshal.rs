//! What Ruby's `Marshal.dump` writes, version 4.8.
//!
//! The crates that read it build every object, or give up at a class of which they know nothing. Here a value is followed by
//! the places of its parts, and an object is only its instance variables. Bytes behind the value are left alone, as Ruby
//! leaves them.

use std::borrow::Cow;

use super::{
    bounds::DEEPEST,
    bytes::{Reader, decimal},
    unreadable::Why,
    walk::{Name, Place, Tree},
};

/// A value of which each part is sound. A part is known by its place.
pub(super) struct Marshal<'d> {
    bytes: &'d [u8],
    tables: Tables,
}

/// What a value refers to by numbers, from 0.
#[derive(Default)]
struct Tables {
    /// The places of objects: of all but symbols, small integers, `nil`, `true` and `false`.
    objects: Vec<u32>,
    /// Where symbols' texts begin and end.
    symbols: Vec<(u32, u32)>,
}

/// The two bytes before each value.
const VERSION: [u8; 2] = [4, 8];

impl<'d> Marshal<'d> {
    /// Reads a value.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, Why> {
        u32::try_from(bytes.len()).map_err(|_| Why::TooLarge)?;
        let mut reader = Reader::new(bytes, 0);
        if reader.array()? != VERSION {
            return Err(Why::Malformed("it does not begin with the bytes 4 and 8"));
        }
        let mut tables = Tables::default();
        Skip { reader, tables: Some(&mut tables) }.value(0, false)?;
        Ok(Self { bytes, tables })
    }

    /// The bytes from the type of a value on, behind all that stands around it: instance variables, a class, links.
    fn inside(&self, part: usize) -> Result<Reader<'d>, Why> {
        let mut reader = Reader::new(self.bytes, part);
        // A link leads back to an object and not to a link; one that leads in a circle ends here.
        for _ in 0..DEEPEST {
            let before = reader;
            match reader.byte()? {
                b'I' => (),
                b'C' | b'e' => reader = behind_symbol(reader)?,
                b'@' => {
                    let number = length(&mut reader)?;
                    let place = self.tables.objects.get(number).ok_or(NO_SUCH_LINK)?;
                    reader = Reader::new(self.bytes, *place as usize);
                }
                _ => return Ok(before),
            }
        }
        Err(Why::TooDeep)
    }

    /// A part as a key, which is also the text that it is.
    fn name(&self, part: usize) -> Option<Name<'d>> {
        let mut reader = self.inside(part).ok()?;
        match reader.byte().ok()? {
            b'"' => string(&mut reader).ok().map(Cow::Borrowed).map(Name::String),
            b':' => string(&mut reader).ok().map(Name::Symbol),
            b';' => self.symbol(length(&mut reader).ok()?).map(Name::Symbol),
            b'i' => integer(&mut reader).ok().map(|number| Name::Integer(decimal(number))),
            b'l' => large(&mut reader).ok().flatten().map(Name::Integer),
            _ => None,
        }
    }

    fn symbol(&self, number: usize) -> Option<&'d [u8]> {
        let (begin, end) = *self.tables.symbols.get(number)?;
        self.bytes.get(begin as usize..end as usize)
    }
}

impl<'d> Tree<'d> for Marshal<'d> {
    type Part = usize;

    fn root(&self) -> usize {
        VERSION.len()
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn text(&self, part: usize) -> Option<Cow<'d, [u8]>> {
        self.name(part).map(Name::into_text)
    }

    fn children(&self, part: usize, each: &mut dyn FnMut(Place<'d>, usize)) -> Result<usize, Why> {
        let mut reader = self.inside(part)?;
        let begin = reader.at();
        let kind = reader.byte()?;
        let mut skip = Skip { reader, tables: None };
        match kind {
            b'[' => {
                for index in 0..length(&mut skip.reader)? {
                    each(Place::Element(index), skip.reader.at());
                    skip.value(0, false)?;
                }
            }
            b'{' | b'}' => self.members(&mut skip, each)?,
            b'o' | b'S' => {
                skip.symbol(0)?;
                self.members(&mut skip, each)?;
            }
            _ => (),
        }
        Ok(skip.reader.at() - begin + 1)
    }
}

impl<'d> Marshal<'d> {
    /// The members of a hash, an object or a struct, from their number on.
    fn members(&self, skip: &mut Skip<'d, '_>, each: &mut dyn FnMut(Place<'d>, usize)) -> Result<(), Why> {
        for _ in 0..length(&mut skip.reader)? {
            let key = skip.reader.at();
            skip.value(0, false)?;
            each(self.name(key).map_or(Place::Nameless, Place::Member), skip.reader.at());
            skip.value(0, false)?;
        }
        Ok(())
    }
}

/// Skips what a value is made of.
struct Skip<'d, 't> {
    reader: Reader<'d>,
    /// Where what is met for the first time gets its numbers; nowhere when the value is read again.
    tables: Option<&'t mut Tables>,
}

impl Skip<'_, '_> {
    /// Skips a value that has so many containers around it. Behind one that is wrapped come instance variables: they are
    /// skipped here only if the value gets its number after them.
    fn value(&mut self, depth: usize, is_wrapped: bool) -> Result<(), Why> {
        if depth > DEEPEST {
            return Err(Why::TooDeep);
        }
        let place = self.reader.at();
        let kind = self.reader.byte()?;
        if b"\"/[{}oSUdcmMfl".contains(&kind) {
            self.enter(place);
        }
        match kind {
            b'0' | b'T' | b'F' => Ok(()),
            b'i' => integer(&mut self.reader).map(|_| ()),
            b'"' | b'c' | b'm' | b'M' | b'f' => string(&mut self.reader).map(|_| ()),
            b'l' => large(&mut self.reader).map(|_| ()),
            b'/' => string(&mut self.reader).and_then(|_| self.reader.byte()).map(|_| ()),
            b':' => self.new_symbol(),
            b';' => self.known_symbol(),
            b'@' => self.known_object(),
            b'I' => self.wrapped(depth),
            b'[' => length(&mut self.reader).and_then(|length| self.values(length, depth)),
            b'{' => self.pairs(depth),
            b'}' => self.pairs(depth).and_then(|()| self.value(depth + 1, false)),
            b'o' | b'S' => self.symbol(depth).and_then(|()| self.pairs(depth)),
            b'U' | b'd' | b'C' | b'e' => self.symbol(depth).and_then(|()| self.value(depth + 1, false)),
            b'u' => {
                self.symbol(depth)?;
                string(&mut self.reader)?;
                if is_wrapped {
                    self.pairs(depth)?;
                }
                self.enter(place);
                Ok(())
            }
            _ => Err(Why::Malformed("a value begins like none of Ruby's")),
        }
    }

    /// A value with instance variables, such as a string with its encoding.
    fn wrapped(&mut self, depth: usize) -> Result<(), Why> {
        let has_own = self.reader.peek() == Some(b'u');
        self.value(depth + 1, true)?;
        if has_own { Ok(()) } else { self.pairs(depth) }
    }

    fn values(&mut self, length: usize, depth: usize) -> Result<(), Why> {
        (0..length).try_for_each(|_| self.value(depth + 1, false))
    }

    fn pairs(&mut self, depth: usize) -> Result<(), Why> {
        let length = length(&mut self.reader)?;
        self.values(length.saturating_mul(2), depth)
    }

    /// What must be a symbol, such as the name of a class.
    fn symbol(&mut self, depth: usize) -> Result<(), Why> {
        match self.reader.byte()? {
            b':' => self.new_symbol(),
            b';' => self.known_symbol(),
            b'I' if self.reader.byte()? == b':' => self.new_symbol().and_then(|()| self.pairs(depth)),
            _ => Err(Why::Malformed("a name is no symbol")),
        }
    }

    fn new_symbol(&mut self) -> Result<(), Why> {
        let text = string(&mut self.reader)?;
        if let Some(tables) = &mut self.tables {
            let end = self.reader.at();
            tables.symbols.push((place(end - text.len()), place(end)));
        }
        Ok(())
    }

    fn known_symbol(&mut self) -> Result<(), Why> {
        let number = length(&mut self.reader)?;
        let is_known = self.tables.as_ref().is_none_or(|tables| number < tables.symbols.len());
        if is_known { Ok(()) } else { Err(NO_SUCH_LINK) }
    }

    fn known_object(&mut self) -> Result<(), Why> {
        let number = length(&mut self.reader)?;
        let is_known = self.tables.as_ref().is_none_or(|tables| number < tables.objects.len());
        if is_known { Ok(()) } else { Err(NO_SUCH_LINK) }
    }

    fn enter(&mut self, at: usize) {
        if let Some(tables) = &mut self.tables {
            tables.objects.push(place(at));
        }
    }
}

const NO_SUCH_LINK: Why = Why::Malformed("it refers to a part that is not there");

/// A place as it is kept in tables.
fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a longer value is not read")
}

fn behind_symbol(reader: Reader<'_>) -> Result<Reader<'_>, Why> {
    let mut skip = Skip { reader, tables: None };
    skip.symbol(0)?;
    Ok(skip.reader)
}

fn string<'d>(reader: &mut Reader<'d>) -> Result<&'d [u8], Why> {
    let length = length(reader)?;
    reader.take(length)
}

fn length(reader: &mut Reader<'_>) -> Result<usize, Why> {
    usize::try_from(integer(reader)?).map_err(|_| Why::Malformed("a length is negative"))
}

/// A small integer: itself and 5 more or less in one byte, or how many bytes follow, negative for a negative number.
fn integer(reader: &mut Reader<'_>) -> Result<i64, Why> {
    let first = i8::from_be_bytes(reader.array()?);
    match first {
        0 => Ok(0),
        5.. => Ok(i64::from(first) - 5),
        ..=-5 => Ok(i64::from(first) + 5),
        _ => {
            let bytes = reader.take(first.unsigned_abs().into())?;
            let fill: i64 = if first < 0 { -1 } else { 0 };
            Ok(bytes.iter().rev().fold(fill, |number, byte| number << 8 | i64::from(*byte)))
        }
    }
}

/// A large integer's decimal text; `None` if it has more than 128 bits, which no id has.
fn large(reader: &mut Reader<'_>) -> Result<Option<Cow<'static, [u8]>>, Why> {
    let sign = match reader.byte()? {
        b'+' => "",
        b'-' => "-",
        _ => return Err(Why::Malformed("a large number has no sign")),
    };
    // It is counted in pieces of two bytes, the smallest first.
    let bytes = length(reader)?.saturating_mul(2);
    let bytes = reader.take(bytes)?;
    let significant = bytes.iter().rposition(|byte| *byte != 0).map_or(&[][..], |last| &bytes[..=last]);
    let number = significant.iter().rev().fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
    Ok((significant.len() <= 16).then(|| decimal(format_args!("{sign}{number}"))))
}
