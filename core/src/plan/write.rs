//! What is written at a logout, besides what is removed.

use std::ffi::CStr;

use super::Plan;
use crate::ports::Access;

/// A command that is called after the removal, in the same transaction.
#[derive(Debug)]
pub struct Write<N> {
    /// Its name.
    pub name: &'static CStr,
    /// Its arguments, the keys among them.
    pub arguments: Vec<Vec<u8>>,
    /// Its keys.
    pub keys: Vec<N>,
    /// What it does to them.
    pub access: Access,
}

/// Why a key cannot be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Another node of the cluster serves it.
    Elsewhere,
    /// It holds a value of another type, or one that the command can't change.
    Mistyped,
    /// It is a trace: the logout deletes it, or somebody else's would.
    Trace,
}

/// A key that is not written to.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub key: Vec<u8>,
    /// Why.
    pub why: Unfit,
    /// How many entries it would have taken.
    pub events: u64,
}

impl<N> Plan<N> {
    /// Adds what is written after the removal, and says what was left out of that.
    #[must_use]
    pub fn followed_by(mut self: Box<Self>, writes: Vec<Write<N>>, left_out: Vec<LeftOut>) -> Box<Self> {
        (self.writes, self.unwritten) = (writes, left_out);
        self
    }
}
