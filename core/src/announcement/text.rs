//! Texts with placeholders, as announcements hold them.

use std::borrow::Cow;

use crate::template::{
    TemplateError, acl_literal,
    text::{Backslash, Piece, pieces},
};

/// What a placeholder of an announcement stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    User,
    UserName,
    Room,
    Socket,
    Reason,
    Now,
    Id,
}

impl Hole {
    /// All of them, with their names.
    pub(crate) const NAMES: [(&'static str, Self); 7] = [
        ("userId", Self::User),
        ("userName", Self::UserName),
        ("roomId", Self::Room),
        ("socketId", Self::Socket),
        ("reason", Self::Reason),
        ("now", Self::Now),
        ("id", Self::Id),
    ];
}

/// What the placeholders of an announcement stand for.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) user: &'a [u8],
    /// The user's id, if the name is not known.
    pub(crate) user_name: &'a [u8],
    pub(crate) room: &'a [u8],
    /// The user's socket in the room if it is known, else the first one, else nothing.
    pub(crate) socket: &'a [u8],
    pub(crate) reason: &'a [u8],
    pub(crate) at: u64,
    /// The same as text.
    pub(crate) now: &'a [u8],
    /// A new id, the same for all that is told and written of one logout.
    pub(crate) id: &'a [u8],
}

impl Values<'static> {
    /// Some values, to see what a text may be.
    pub(crate) fn sample() -> Self {
        Self { user: b"u", user_name: b"n", room: b"r", socket: b"s", reason: b"w", at: 0, now: b"0", id: b"i" }
    }
}

impl<'a> Values<'a> {
    /// Those of a user of whom nothing else is known: all others are `nobody`.
    pub(crate) fn of_nobody(user: &'a [u8], nobody: &'a [u8]) -> Self {
        let [user_name, room, socket, reason, id] = [nobody; 5];
        Self { user, user_name, room, socket, reason, at: 0, now: b"0", id }
    }

    pub(crate) fn get(&self, hole: Hole) -> &'a [u8] {
        match hole {
            Hole::User => self.user,
            Hole::UserName => self.user_name,
            Hole::Room => self.room,
            Hole::Socket => self.socket,
            Hole::Reason => self.reason,
            Hole::Now => self.now,
            Hole::Id => self.id,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Box<str>),
    Hole(Hole),
}

/// A text whose placeholders may stand anywhere and as often as it likes, unlike those of a key that has to be taken
/// apart again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text(Box<[Part]>);

/// Why a text is not such a text.
#[derive(Debug)]
pub(crate) enum TextError {
    Braces(TemplateError),
    Unknown(String),
}

impl From<TemplateError> for TextError {
    fn from(error: TemplateError) -> Self {
        Self::Braces(error)
    }
}

impl Text {
    pub(crate) fn parse(text: &str) -> Result<Self, TextError> {
        let part = |piece| match piece {
            Piece::Literal(literal) => Ok(Part::Literal(String::from_utf8_lossy(&literal).into())),
            Piece::Name(name) => {
                let known = Hole::NAMES.iter().find(|(known, _)| *known == name);
                known.map(|(_, hole)| Part::Hole(*hole)).ok_or_else(|| TextError::Unknown(name.to_owned()))
            }
        };
        pieces(text, Backslash::Literal)?.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// A text without placeholders.
    pub(crate) fn literal(text: &str) -> Self {
        Self([Part::Literal(text.into())].into())
    }

    /// The text, if no placeholder stands in it.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Literal(literal)] => Some(literal),
            _ => None,
        }
    }

    /// A pattern for access control that every such text matches: see [`crate::template::Template::acl_pattern`].
    pub(crate) fn acl_pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => acl_literal(literal.as_bytes(), &mut pattern),
                Part::Hole(_) => pattern.push(b'*'),
            }
        }
        pattern
    }

    /// Whether the text is this placeholder and nothing else.
    pub(crate) fn is(&self, hole: Hole) -> bool {
        *self.0 == [Part::Hole(hole)]
    }

    /// Whether there is such a placeholder in it.
    pub(crate) fn holds(&self, wanted: &dyn Fn(Hole) -> bool) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Hole(hole) if wanted(*hole)))
    }

    /// Whether the text begins with a literal: then no value of a user decides what it begins with.
    pub(crate) fn begins_with_a_literal(&self) -> bool {
        matches!(self.0.first(), Some(Part::Literal(_)))
    }

    /// The text as Unicode: bytes of a value that are none become U+FFFD.
    pub(crate) fn show<'t>(&'t self, values: &Values<'t>) -> Cow<'t, str> {
        let show = |part: &'t Part| match part {
            Part::Literal(literal) => Cow::Borrowed(&**literal),
            Part::Hole(hole) => String::from_utf8_lossy(values.get(*hole)),
        };
        match &*self.0 {
            [part] => show(part),
            parts => parts.iter().map(show).collect::<String>().into(),
        }
    }

    /// The text as bytes, values as they are.
    pub(crate) fn bytes(&self, values: &Values<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        for part in &self.0 {
            bytes.extend_from_slice(match part {
                Part::Literal(literal) => literal.as_bytes(),
                Part::Hole(hole) => values.get(*hole),
            });
        }
        bytes
    }
}
