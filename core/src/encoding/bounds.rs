//! How much of a value is read.

/// How many containers may be around a part of a value: an array of numbers is one level deep.
pub const DEEPEST: usize = 128;

/// The most bytes that a value may unpack to.
pub const LARGEST: usize = 64 << 20;

/// How many times its own size a value may unpack to, however many wrappers are around each other. What is written as zlib
/// or gzip can grow a little more.
pub const MOST_GROWTH: usize = 1000;
