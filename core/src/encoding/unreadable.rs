//! Why a value could not be read.

use std::fmt;

use super::format::Format;

/// How many containers may be around a part of a value: an array of numbers is one level deep.
pub const DEEPEST: usize = 128;

/// The most bytes that a value may unpack to.
pub const LARGEST: usize = 64 << 20;

/// How many times its own size a value may unpack to. What is written as zlib or gzip can grow a little more.
pub const MOST_GROWTH: usize = 1000;

/// Why a value could not be read. Its text is for people: `not msgpack: it ends too early`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    format: Format,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not of that format. Says what is wrong of "it".
    Malformed(&'static str),
    /// What should be a string with more inside is something else.
    NoString,
    TooDeep,
    TooLarge,
    TooManyReferences,
}

impl Why {
    pub(super) const ENDS: Self = Self::Malformed("it ends too early");
}

impl Unreadable {
    /// The value is no JSON document.
    pub const NOT_JSON: Self = Self { format: Format::Json, why: Why::Malformed("it is no JSON document") };

    pub(super) fn new(format: Format, why: Why) -> Self {
        Self { format, why }
    }

    pub(super) fn why(self) -> Why {
        self.why
    }

    /// The format in which it could not be read.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.format;
        match self.why {
            Why::Malformed(what) => write!(f, "not {format}: {what}"),
            Why::NoString => write!(f, "{format}: it is no string with something inside"),
            Why::TooDeep => write!(f, "{format}: nested deeper than {DEEPEST} levels"),
            Why::TooLarge => {
                let (megabytes, growth) = (LARGEST >> 20, MOST_GROWTH);
                write!(f, "{format}: larger than {megabytes} MB, or {growth} times the value, when unpacked")
            }
            Why::TooManyReferences => write!(f, "{format}: it refers to its own parts too often"),
        }
    }
}

impl std::error::Error for Unreadable {}
