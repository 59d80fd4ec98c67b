//! Reading a value as an application wrote it: as JSON or in another encoding, in base64, or compressed.
//!
//! An [`Encoding`] is a list of formats. A value is unwrapped from left to right, and pointers lead through the last one.
//! Nothing that a value says is run or imported: an object of a program is only looked at.
//!
//! # Bounds
//!
//! Anybody may write a value. So reading never panics, and takes time and memory of a small multiple of the value and of
//! what it unpacks to:
//!
//! - [`DEEPEST`]: a value that is nested deeper is not read. JSON and pickle are read without recursion, at any depth.
//! - [`LARGEST`] and [`MOST_GROWTH`]: a value that unpacks to more is not read.
//! - A value may refer to its own parts, which can make it look exponentially large. `walk` says how often they are followed.

mod bounds;
mod bytes;
mod format;
mod marshal;
mod msgpack;
mod php;
mod pickle;
#[cfg(test)]
mod tests;
mod unpack;
mod unreadable;
mod walk;

use std::{borrow::Cow, fmt};

use crate::json::{self, Pointer};

pub use bounds::{DEEPEST, LARGEST, MOST_GROWTH};
pub use format::Format;
pub use unreadable::Unreadable;

use unreadable::Why;

/// The most formats in an [`Encoding`].
pub const MOST_FORMATS: usize = 8;

/// How a value is read where a pointer goes: unwrapped from left to right, the last one is what the pointer walks in.
/// JSON alone by default.
///
/// A document format that is not the last one means that the whole value is a string in it: `json`, `json` is JSON in a
/// JSON string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    wrappings: Box<[Format]>,
    /// What the pointers lead through. No wrapper.
    document: Format,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { wrappings: Box::default(), document: Format::Json }
    }
}

/// Why names are no [`Encoding`]. Its text is one sentence that says what to fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodingError {
    /// There is no format of this name.
    Unknown(Box<str>),
    /// No name at all.
    Empty,
    /// The last one is a wrapper, in which no pointer leads anywhere.
    EndsInWrapper(Format),
    /// `php-session` is no string in anything.
    SessionInside,
    /// More than [`MOST_FORMATS`].
    TooMany,
}

impl fmt::Display for EncodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(f, "'{}' is no encoding; there are", name.escape_debug())?;
                Format::ALL.iter().enumerate().try_for_each(|(i, format)| {
                    let between = if i == 0 { "" } else { "," };
                    write!(f, "{between} {format}")
                })
            }
            Self::Empty => f.write_str("an encoding names at least one format"),
            Self::EndsInWrapper(last) => {
                write!(f, "after '{last}' write what is inside it, such as [\"{last}\", \"json\"]")
            }
            Self::SessionInside => f.write_str("'php-session' must be the last format: it is no string"),
            Self::TooMany => write!(f, "an encoding names at most {MOST_FORMATS} formats"),
        }
    }
}

impl Encoding {
    /// Reads the names in a layout, such as `base64`, `msgpack`.
    ///
    /// # Errors
    /// [`EncodingError`], saying what to fix.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, EncodingError> {
        let format = |name: &str| Format::named(name).ok_or_else(|| EncodingError::Unknown(name.into()));
        let mut formats = Vec::new();
        for name in names {
            if formats.len() == MOST_FORMATS {
                return Err(EncodingError::TooMany);
            }
            formats.push(format(name)?);
        }
        let document = formats.pop().ok_or(EncodingError::Empty)?;
        if document.is_wrapper() {
            return Err(EncodingError::EndsInWrapper(document));
        }
        if formats.contains(&Format::PhpSession) {
            return Err(EncodingError::SessionInside);
        }
        Ok(Self { wrappings: formats.into(), document })
    }

    /// Whether it is JSON alone.
    pub fn is_json(&self) -> bool {
        self.wrappings.is_empty() && self.document == Format::Json
    }

    /// The formats, in the order in which a value is unwrapped.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        self.wrappings.iter().copied().chain([self.document])
    }

    /// Reads the value and calls `found(n, text)` for every text that pointer `n` leads to; for one pointer in the order
    /// in which they stand. Without any pointer nothing is read.
    ///
    /// A text is a string, bytes, a symbol, or an integer in decimal; in JSON any number, as it is written. A JSON string
    /// with a lone surrogate is none. A step names a member by its key: a string, bytes, a symbol or an integer; of an
    /// object of PHP by the property's own name, of one of Ruby by `@name`. Where a name stands twice, the last one counts.
    ///
    /// # Errors
    /// [`Unreadable`]. Texts may have been found before, if the value refers to its own parts too often.
    pub fn texts(
        &self,
        value: &[u8],
        pointers: &[Option<&Pointer>],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Unreadable> {
        if pointers.iter().all(Option::is_none) {
            return Ok(());
        }
        if self.is_json() {
            return in_json(value, pointers, found).map_err(|why| Unreadable::new(Format::Json, why));
        }
        self.texts_inside(value, pointers, found)
    }

    /// The same of whatever is not JSON alone.
    #[inline(never)] // for the room on the stack, which JSON does without
    fn texts_inside(
        &self,
        value: &[u8],
        pointers: &[Option<&Pointer>],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Unreadable> {
        let limit = unpack::limit(value.len());
        let mut inside = Cow::Borrowed(value);
        for format in &self.wrappings {
            let unwrapped = unwrap(*format, &inside, limit).map_err(|why| Unreadable::new(*format, why))?;
            inside = Cow::Owned(unwrapped);
        }
        texts(self.document, &inside, pointers, found).map_err(|why| Unreadable::new(self.document, why))
    }
}

/// What is inside a wrapper, or in the string that a whole document is.
fn unwrap(format: Format, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Why> {
    match format {
        Format::Base64 => unpack::base64(bytes),
        Format::Zlib => unpack::zlib(bytes, limit),
        Format::Gzip => unpack::gzip(bytes, limit),
        document => {
            let mut inside = None;
            texts(document, bytes, &[Some(&Pointer::default())], &mut |_, text| inside = Some(text.to_vec()))?;
            inside.ok_or(Why::NoString)
        }
    }
}

fn in_json(document: &[u8], pointers: &[Option<&Pointer>], found: &mut dyn FnMut(usize, &[u8])) -> Result<(), Why> {
    json::texts(document, pointers, found).map_err(|_| Why::Malformed("it is no JSON document"))
}

fn texts(
    format: Format,
    bytes: &[u8],
    pointers: &[Option<&Pointer>],
    found: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), Why> {
    match format {
        Format::Json => in_json(bytes, pointers, found),
        Format::Msgpack => walk::walk(&msgpack::Msgpack::read(bytes)?, pointers, found),
        Format::Php => walk::walk(&php::Php::read(bytes)?, pointers, found),
        Format::PhpSession => walk::walk(&php::Session::read(bytes)?, pointers, found),
        Format::Pickle => walk::walk(&pickle::Pickle::read(bytes)?, pointers, found),
        Format::Marshal => walk::walk(&marshal::Marshal::read(bytes)?, pointers, found),
        // They hold bytes, in which no pointer leads anywhere.
        Format::Base64 | Format::Zlib | Format::Gzip => Ok(()),
    }
}
