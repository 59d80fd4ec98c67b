//! Taking bytes of a value, and making some.

use std::{borrow::Cow, fmt};

use super::unreadable::Why;

/// Reads bytes from a place on. What is taken borrows from the value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'d> {
    bytes: &'d [u8],
    at: usize,
}

impl<'d> Reader<'d> {
    /// Begins at this place; one behind the end is the end.
    pub(super) fn new(bytes: &'d [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    /// How many bytes stand before the next one.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// What stands between two places that were passed.
    pub(super) fn part(&self, begin: usize, end: usize) -> &'d [u8] {
        &self.bytes[begin..end]
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'d [u8], Why> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(length).ok_or(Why::ENDS)?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Why> {
        let (taken, _) = self.bytes[self.at..].split_first_chunk().ok_or(Why::ENDS)?;
        self.at += N;
        Ok(*taken)
    }

    /// The bytes before the next one that is this; that one is taken too.
    pub(super) fn until(&mut self, end: u8) -> Result<&'d [u8], Why> {
        let length = memchr::memchr(end, &self.bytes[self.at..]).ok_or(Why::ENDS)?;
        let taken = self.take(length)?;
        self.at += 1;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Why> {
        self.array().map(|[byte]| byte)
    }
}

/// A number's text.
pub(super) fn decimal(number: impl fmt::Display) -> Cow<'static, [u8]> {
    Cow::Owned(number.to_string().into_bytes())
}
