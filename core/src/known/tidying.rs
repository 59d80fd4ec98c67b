//! Where the walk is that looks which places are still right.

use std::time::Instant;

use crate::index::Subject;

/// Where the walk is.
#[derive(Debug)]
pub struct Tidying {
    /// The database whose turn it is.
    pub database: usize,
    /// The part of its index.
    pub shard: usize,
    /// Subjects of the shard that were not looked at yet.
    pub rest: Vec<(Subject, Box<[u8]>)>,
    /// How many were.
    pub looked: usize,
    /// How many of their places were stale.
    pub stale: usize,
    /// When the shard's turn is.
    pub at: Instant,
}

impl Tidying {
    /// A walk that has not begun.
    pub fn new(at: Instant) -> Self {
        Self { database: 0, shard: 0, rest: Vec::new(), looked: 0, stale: 0, at }
    }

    /// Whether many places were stale.
    pub fn is_hurried(&self) -> bool {
        self.stale * 4 > self.looked
    }
}
