//! What PHP's `serialize` writes, and its `php` session handler.
//!
//! The crates that read it know no references, or fail at an object; here an object is only its properties, and no class is
//! looked for. Bytes behind the value are left alone, as PHP leaves them.

use std::borrow::Cow;

use super::{
    bounds::DEEPEST,
    bytes::{Reader, decimal},
    unreadable::Why,
    walk::{Name, Place, Tree},
};

/// A value of which each part is sound. A part is known by its place.
pub(super) struct Php<'d> {
    bytes: &'d [u8],
    slots: Slots,
}

/// The places of values by their numbers, from 1: what `R:2;` and `r:2;` refer to.
#[derive(Default)]
struct Slots {
    places: Vec<u32>,
    /// Whether an object with a form of its own was met, which may hold any number of values.
    are_uncounted: bool,
}

/// A value, or the beginning of one: what stands before its parts.
enum Head<'d> {
    String(Cow<'d, [u8]>),
    Integer(i64),
    /// An array of so many members.
    Array(usize),
    /// An object of so many properties.
    Object(usize),
    /// `R:`, a reference to the value of this number.
    Same(usize),
    /// `r:`, the object of this number once more.
    SameObject(usize),
    /// An object that a class of PHP writes in a form of its own.
    Custom,
    /// Nothing that can be a text.
    Other,
}

impl<'d> Php<'d> {
    /// Reads a value.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, Why> {
        let mut slots = Slots::new(bytes)?;
        skip(&mut Reader::new(bytes, 0), 0, Some(&mut slots))?;
        Ok(Self { bytes, slots })
    }

    /// The beginning of a value behind all references, and where its parts begin.
    fn head(&self, part: usize) -> Result<(Head<'d>, Reader<'d>), Why> {
        let (mut at, mut reader) = (part, Reader::new(self.bytes, part));
        let mut met = head(&mut reader)?;
        while let Head::Same(number) | Head::SameObject(number) = met {
            // What comes later is not there yet for PHP. So no reference leads in a circle.
            let Some(place) = self.slots.place(number).filter(|place| *place < at) else {
                return Ok((Head::Other, reader));
            };
            (at, reader) = (place, Reader::new(self.bytes, place));
            met = head(&mut reader)?;
        }
        Ok((met, reader))
    }
}

impl Slots {
    /// None yet, of a value whose places fit.
    fn new(bytes: &[u8]) -> Result<Self, Why> {
        u32::try_from(bytes.len()).map_err(|_| Why::TooLarge)?;
        Ok(Self::default())
    }

    fn note(&mut self, place: usize) {
        self.places.extend(u32::try_from(place).ok().filter(|_| !self.are_uncounted));
    }

    fn place(&self, number: usize) -> Option<usize> {
        self.places.get(number.checked_sub(1)?).map(|place| *place as usize)
    }
}

impl<'d> Tree<'d> for Php<'d> {
    type Part = usize;

    fn root(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn text(&self, part: usize) -> Option<Cow<'d, [u8]>> {
        match self.head(part).ok()?.0 {
            Head::String(text) => Some(text),
            Head::Integer(number) => Some(decimal(number)),
            _ => None,
        }
    }

    fn children(&self, part: usize, each: &mut dyn FnMut(Place<'d>, usize)) -> Result<usize, Why> {
        let (head, mut reader) = self.head(part)?;
        let begin = reader.at();
        let (Head::Array(length) | Head::Object(length)) = head else { return Ok(1) };
        for _ in 0..length {
            let name = match (&head, key(&mut reader)?) {
                (Head::Object(_), Name::String(name)) => Name::Property(name),
                (_, name) => name,
            };
            each(Place::Member(name), reader.at());
            skip(&mut reader, 0, None)?;
        }
        Ok(reader.at() - begin + 1)
    }
}

/// Skips a value that has so many containers around it, and gives numbers to the values in it.
fn skip(reader: &mut Reader<'_>, depth: usize, mut slots: Option<&mut Slots>) -> Result<(), Why> {
    let place = reader.at();
    let head = head(reader)?;
    if let Some(slots) = slots.as_deref_mut() {
        slots.are_uncounted |= matches!(head, Head::Custom);
        // A reference is no value of its own.
        if !matches!(head, Head::Same(_)) {
            slots.note(place);
        }
    }
    let (Head::Array(length) | Head::Object(length)) = head else { return Ok(()) };
    if depth == DEEPEST {
        return Err(Why::TooDeep);
    }
    for _ in 0..length {
        key(reader)?;
        skip(reader, depth + 1, slots.as_deref_mut())?;
    }
    expect(reader, b"}")
}

fn key<'d>(reader: &mut Reader<'d>) -> Result<Name<'d>, Why> {
    match head(reader)? {
        Head::String(name) => Ok(Name::String(name)),
        Head::Integer(number) => Ok(Name::Integer(decimal(number))),
        _ => Err(Why::Malformed("a key is neither a string nor an integer")),
    }
}

fn head<'d>(reader: &mut Reader<'d>) -> Result<Head<'d>, Why> {
    let (kind, colon) = (reader.byte()?, reader.byte()?);
    if (kind, colon) == (b'N', b';') {
        return Ok(Head::Other);
    }
    if colon != b':' {
        return Err(NOT_A_VALUE);
    }
    Ok(match kind {
        b's' => {
            let text = quoted(reader)?;
            expect(reader, b";")?;
            Head::String(Cow::Borrowed(text))
        }
        b'S' => Head::String(Cow::Owned(escaped(reader)?)),
        b'i' => Head::Integer(number(reader, b';')?),
        b'b' | b'd' => {
            reader.until(b';')?;
            Head::Other
        }
        b'a' => Head::Array(opened(reader)?),
        b'O' => {
            quoted(reader)?;
            expect(reader, b":")?;
            Head::Object(opened(reader)?)
        }
        b'C' => {
            quoted(reader)?;
            expect(reader, b":")?;
            let length = opened(reader)?;
            reader.take(length)?;
            expect(reader, b"}")?;
            Head::Custom
        }
        b'E' => {
            quoted(reader)?;
            expect(reader, b";")?;
            Head::Other
        }
        b'R' => Head::Same(number(reader, b';')?),
        b'r' => Head::SameObject(number(reader, b';')?),
        _ => return Err(NOT_A_VALUE),
    })
}

const NOT_A_VALUE: Why = Why::Malformed("a value begins like none of PHP's");

/// A number up to this byte.
fn number<T: std::str::FromStr>(reader: &mut Reader<'_>, end: u8) -> Result<T, Why> {
    let digits = std::str::from_utf8(reader.until(end)?).ok();
    digits.and_then(|digits| digits.parse().ok()).ok_or(Why::Malformed("a number is none"))
}

/// How much is between the braces that open here.
fn opened(reader: &mut Reader<'_>) -> Result<usize, Why> {
    let length = number(reader, b':')?;
    expect(reader, b"{")?;
    Ok(length)
}

/// A length, and so many bytes in quotes.
fn quoted<'d>(reader: &mut Reader<'d>) -> Result<&'d [u8], Why> {
    let length = number(reader, b':')?;
    expect(reader, b"\"")?;
    let text = reader.take(length)?;
    expect(reader, b"\"")?;
    Ok(text)
}

/// The same with escapes `\xx`, each of which counts as one byte, and a semicolon.
fn escaped(reader: &mut Reader<'_>) -> Result<Vec<u8>, Why> {
    let length: usize = number(reader, b':')?;
    expect(reader, b"\"")?;
    let mut text = Vec::new();
    while text.len() < length {
        let byte = reader.byte()?;
        text.push(if byte == b'\\' { hexadecimal(reader.array()?)? } else { byte });
    }
    expect(reader, b"\";")?;
    Ok(text)
}

fn hexadecimal(digits: [u8; 2]) -> Result<u8, Why> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    let byte = high.zip(low).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
    byte.ok_or(Why::Malformed("an escape is none"))
}

fn expect(reader: &mut Reader<'_>, bytes: &[u8]) -> Result<(), Why> {
    let is_there = reader.take(bytes.len())? == bytes;
    if is_there { Ok(()) } else { Err(Why::Malformed("something stands where a value should end or go on")) }
}

/// A session of PHP's handler `php`: `key|value` over and over, and no array around it.
pub(super) struct Session<'d> {
    values: Php<'d>,
}

impl<'d> Session<'d> {
    /// Reads a session. Of none at all there is an empty one.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, Why> {
        let mut slots = Slots::new(bytes)?;
        let mut reader = Reader::new(bytes, 0);
        while !reader.is_at_end() {
            reader.until(b'|')?;
            // As if an array were around it, whose number no reference has.
            skip(&mut reader, 1, Some(&mut slots))?;
        }
        Ok(Self { values: Php { bytes, slots } })
    }
}

impl<'d> Tree<'d> for Session<'d> {
    /// A value's place; none for the whole session.
    type Part = Option<usize>;

    fn root(&self) -> Self::Part {
        None
    }

    fn size(&self) -> usize {
        self.values.size()
    }

    fn text(&self, part: Self::Part) -> Option<Cow<'d, [u8]>> {
        self.values.text(part?)
    }

    fn children(&self, part: Self::Part, each: &mut dyn FnMut(Place<'d>, Self::Part)) -> Result<usize, Why> {
        if let Some(part) = part {
            return self.values.children(part, &mut |place, child| each(place, Some(child)));
        }
        let mut reader = Reader::new(self.values.bytes, 0);
        while !reader.is_at_end() {
            let name = reader.until(b'|')?;
            each(Place::Member(Name::String(Cow::Borrowed(name))), Some(reader.at()));
            skip(&mut reader, 0, None)?;
        }
        Ok(reader.at())
    }
}
