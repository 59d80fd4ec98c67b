//! Why a value could not be read.

use std::fmt;

use super::{
    bounds::{DEEPEST, LARGEST, MOST_GROWTH},
    format::Format,
};

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
                let megabytes = LARGEST >> 20;
                write!(f, "{format}: larger than {megabytes} MB, or {MOST_GROWTH} times the value, when unpacked")
            }
            Why::TooManyReferences => write!(f, "{format}: it refers to its own parts too often"),
        }
    }
}

impl std::error::Error for Unreadable {}
