//! The commands that may be written at a logout: writes that name their keys, and neither block nor run others. What each takes is
//! checked when the layout loads, so that at a logout the server has nothing to refuse but what a key holds.
//!
//! Shapes and options are those of the servers' command reference, as far as Redis 7.0 has them.

use std::ffi::CStr;

use crate::ports::Kind;

/// A command.
#[derive(Debug, PartialEq)]
pub struct Known {
    /// Its name.
    pub name: &'static CStr,
    /// What its keys may hold.
    pub takes: Takes,
    /// What its arguments are, in order.
    pub(super) pieces: &'static [Piece],
}

impl Known {
    /// Whether it puts something into a collection.
    pub(super) fn adds(&self) -> bool {
        const TAKE: [&CStr; 7] =
            [c"HDEL", c"LREM", c"LTRIM", c"SREM", c"ZREM", c"ZREMRANGEBYRANK", c"ZREMRANGEBYSCORE"];
        let is_collection = match self.takes {
            Takes::Kind(kind) => kind.is_collection(),
            Takes::FieldInteger | Takes::FieldNumber => true,
            Takes::Anything | Takes::Integer(_) | Takes::Number => false,
        };
        is_collection && !TAKE.contains(&self.name)
    }
}

/// What a key may hold for a command not to fail. What does not exist always fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Anything.
    Anything,
    /// A value of this type.
    Kind(Kind),
    /// A string that is an integer, to which this is added: the argument of that number, from 0, or one.
    Integer(Step),
    /// A string that is a number.
    Number,
    /// A hash whose field, the second argument, is an integer, if there is one.
    FieldInteger,
    /// A hash whose field, the second argument, is a number, if there is one.
    FieldNumber,
}

/// By how much an integer grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One more or less.
    One,
    /// The second argument.
    Argument,
}

/// Some arguments.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// One.
    One(Shape),
    /// Any of these, at most one of each group, in any order.
    Options(&'static [Choice]),
    /// These, once or more often.
    Many(&'static [Shape]),
}

/// An option.
#[derive(Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) word: &'static str,
    /// At most one of a group may be given.
    pub(super) group: u8,
    /// What follows it.
    pub(super) shape: Option<Shape>,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A key.
    Key,
    /// Any text.
    Text,
    /// An integer of 64 bits.
    Integer,
    /// An integer from 1 on, for times.
    Time,
    /// A finite number.
    Number,
    /// A score with which a range begins or ends.
    Bound,
    /// How much of a stream is kept: an integer, after `=` or `~` if one of them is there.
    Length,
    /// The id of an entry of a stream; always `*`, which is a new one.
    Entry,
}

use Piece::{Many, One, Options};
use Shape::{Bound, Entry, Integer, Key, Length, Number, Text, Time};

const fn choice(word: &'static str, group: u8, shape: Option<Shape>) -> Choice {
    Choice { word, group, shape }
}

const SET_OPTIONS: &[Choice] = &[
    choice("EX", 1, Some(Time)),
    choice("PX", 1, Some(Time)),
    choice("EXAT", 1, Some(Time)),
    choice("PXAT", 1, Some(Time)),
    choice("KEEPTTL", 1, None),
    choice("NX", 2, None),
    choice("XX", 2, None),
];
const EXPIRE_OPTIONS: &[Choice] =
    &[choice("NX", 1, None), choice("XX", 1, None), choice("GT", 1, None), choice("LT", 1, None)];
const ZADD_OPTIONS: &[Choice] = &[
    choice("NX", 1, None),
    choice("XX", 1, None),
    choice("GT", 1, None),
    choice("LT", 1, None),
    choice("CH", 2, None),
];
const XADD_OPTIONS: &[Choice] = &[choice("NOMKSTREAM", 1, None), choice("MAXLEN", 2, Some(Length))];

const EXPIRE: &[Piece] = &[One(Key), One(Time), Options(EXPIRE_OPTIONS)];
const MEMBERS: &[Piece] = &[One(Key), Many(&[Text])];
const FIELDS: &[Piece] = &[One(Key), Many(&[Text, Text])];
const KEYS: &[Piece] = &[Many(&[Key])];

const fn known(name: &'static CStr, takes: Takes, pieces: &'static [Piece]) -> Known {
    Known { name, takes, pieces }
}

const STRING: Takes = Takes::Kind(Kind::String);
const LIST: Takes = Takes::Kind(Kind::List);
const SET: Takes = Takes::Kind(Kind::Set);
const SORTED_SET: Takes = Takes::Kind(Kind::SortedSet);
const HASH: Takes = Takes::Kind(Kind::Hash);
const STREAM: Takes = Takes::Kind(Kind::Stream);

/// All of them, in the order of their names.
pub(super) static ALL: [Known; 37] = [
    known(c"APPEND", STRING, &[One(Key), One(Text)]),
    known(c"DECR", Takes::Integer(Step::One), &[One(Key)]),
    known(c"DECRBY", Takes::Integer(Step::Argument), &[One(Key), One(Integer)]),
    known(c"DEL", Takes::Anything, KEYS),
    known(c"EXPIRE", Takes::Anything, EXPIRE),
    known(c"EXPIREAT", Takes::Anything, EXPIRE),
    known(c"HDEL", HASH, MEMBERS),
    known(c"HINCRBY", Takes::FieldInteger, &[One(Key), One(Text), One(Integer)]),
    known(c"HINCRBYFLOAT", Takes::FieldNumber, &[One(Key), One(Text), One(Number)]),
    known(c"HMSET", HASH, FIELDS),
    known(c"HSET", HASH, FIELDS),
    known(c"HSETNX", HASH, &[One(Key), One(Text), One(Text)]),
    known(c"INCR", Takes::Integer(Step::One), &[One(Key)]),
    known(c"INCRBY", Takes::Integer(Step::Argument), &[One(Key), One(Integer)]),
    known(c"INCRBYFLOAT", Takes::Number, &[One(Key), One(Number)]),
    known(c"LPUSH", LIST, MEMBERS),
    known(c"LPUSHX", LIST, MEMBERS),
    known(c"LREM", LIST, &[One(Key), One(Integer), One(Text)]),
    known(c"LTRIM", LIST, &[One(Key), One(Integer), One(Integer)]),
    known(c"PERSIST", Takes::Anything, &[One(Key)]),
    known(c"PEXPIRE", Takes::Anything, EXPIRE),
    known(c"PEXPIREAT", Takes::Anything, EXPIRE),
    known(c"PSETEX", Takes::Anything, &[One(Key), One(Time), One(Text)]),
    known(c"RPUSH", LIST, MEMBERS),
    known(c"RPUSHX", LIST, MEMBERS),
    known(c"SADD", SET, MEMBERS),
    known(c"SET", Takes::Anything, &[One(Key), One(Text), Options(SET_OPTIONS)]),
    known(c"SETEX", Takes::Anything, &[One(Key), One(Time), One(Text)]),
    known(c"SETNX", Takes::Anything, &[One(Key), One(Text)]),
    known(c"SREM", SET, MEMBERS),
    known(c"UNLINK", Takes::Anything, KEYS),
    known(c"XADD", STREAM, &[One(Key), Options(XADD_OPTIONS), One(Entry), Many(&[Text, Text])]),
    known(c"ZADD", SORTED_SET, &[One(Key), Options(ZADD_OPTIONS), Many(&[Number, Text])]),
    known(c"ZINCRBY", SORTED_SET, &[One(Key), One(Number), One(Text)]),
    known(c"ZREM", SORTED_SET, MEMBERS),
    known(c"ZREMRANGEBYRANK", SORTED_SET, &[One(Key), One(Integer), One(Integer)]),
    known(c"ZREMRANGEBYSCORE", SORTED_SET, &[One(Key), One(Bound), One(Bound)]),
];
