//! What the layout has written at a logout, after the removal and in the same transaction. Checked once, when the layout loads.

mod commands;

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    announcement::{Hole, Setting, Text, TextError, Values},
    ports::{Access, Key, Kind},
};

use commands::{ALL, Piece, Shape};
pub use commands::{Known, Step, Takes};

/// A command that is called at a logout.
#[derive(Debug, PartialEq)]
pub struct Then {
    /// For what it is called.
    pub each: Each,
    /// What it is.
    pub command: &'static Known,
    /// Its arguments, and whether they are keys.
    arguments: Vec<(Word, bool)>,
}

/// For what a command is called, once for each that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Each {
    /// The user.
    User,
    /// Each socket.
    Socket,
    /// Each room.
    Room,
}

/// A command that is written at a logout, for each user, socket or room that goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Then"))]
pub(crate) struct Document<'a> {
    /// For what it is called, once for each.
    #[serde(rename = "for")]
    each: Each,
    /// The command's name and arguments: texts and numbers, or any other JSON, which is written as JSON text. Strings may hold
    /// placeholders.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<serde_json::Value>", length(min = 2)))]
    command: Vec<&'a RawValue>,
}

/// An argument.
#[derive(Debug, PartialEq)]
enum Word {
    Text(Text),
    Json(Setting),
}

/// Why it is refused. The text says what to fix.
#[derive(Debug)]
pub struct ThenError(String);

impl fmt::Display for ThenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T, ThenError> {
    Err(ThenError(sentence.into()))
}

impl Then {
    /// Reads and checks an item of `then`. `goes` says of a key's name, and of the texts that the command would put there, whether a
    /// logout may remove the key or one of them, or who is live follows from it.
    ///
    /// # Errors
    /// [`ThenError`].
    pub fn parse(text: &str, goes: impl Fn(&[u8], &[Vec<u8>]) -> bool) -> Result<Self, ThenError> {
        let Document { each, command } = serde_json::from_str(text).map_err(|error| ThenError(error.to_string()))?;
        let mut words = command.iter();
        let Some(Ok(name)) = words.next().map(|name| serde_json::from_str::<String>(name.get())) else {
            return refuse("`command` must begin with the name of a command");
        };
        let is_it = |known: &&Known| known.name.to_bytes().eq_ignore_ascii_case(name.as_bytes());
        let Some(command) = ALL.iter().find(is_it) else {
            let names: Vec<_> = ALL.iter().map(|known| known.name.to_string_lossy()).collect();
            return refuse(format!(
                "'{}' is none of the commands that can be written at a logout; there are {}",
                name.escape_default(),
                names.join(", ")
            ));
        };
        let words: Vec<Word> = words.map(|word| Word::parse(word, each)).collect::<Result<_, _>>()?;
        let keys = keys_among(command, &words)?;
        let then = Self { each, command, arguments: words.into_iter().zip(keys).collect() };
        let sample = then.arguments(&Values::sample());
        let added = if command.adds() {
            sample.iter().filter(|(_, is_key)| !is_key).map(|(text, _)| text.clone()).collect()
        } else {
            Vec::new()
        };
        for ((word, _), (key, _)) in then.arguments.iter().zip(&sample).filter(|(_, (_, is_key))| *is_key) {
            let Word::Text(text) = word else { return refuse("a key must be a text") };
            if !text.begins_with_a_literal() {
                return refuse("a key must begin with a literal, so that no id can name a key at will");
            }
            if goes(key, &added) {
                return refuse(
                    "what it writes is a trace, which the next logout would remove, or a sign of life: \
                     write somewhere else",
                );
            }
        }
        Ok(then)
    }

    /// Whether a placeholder stands in it.
    pub(crate) fn holds(&self, hole: Hole) -> bool {
        self.arguments.iter().any(|(word, _)| word.holds(&|held| held == hole))
    }

    /// The arguments, and whether they are keys.
    pub(crate) fn arguments(&self, values: &Values<'_>) -> Vec<(Vec<u8>, bool)> {
        let bytes = |word: &Word| match word {
            Word::Text(text) => text.bytes(values),
            Word::Json(value) => value.json(values),
        };
        self.arguments.iter().map(|(word, is_key)| (bytes(word), *is_key)).collect()
    }

    /// Patterns for access control that its keys match.
    pub fn key_patterns(&self) -> Vec<Vec<u8>> {
        let key = |(word, is_key): &(Word, bool)| match word {
            Word::Text(text) if *is_key => Some(text.acl_pattern()),
            _ => None,
        };
        self.arguments.iter().filter_map(key).collect()
    }

    /// What it does to its keys.
    pub fn access(&self) -> Access {
        let deletes = [c"DEL", c"UNLINK"].contains(&self.command.name);
        if deletes { Access::Delete } else { Access::Update }
    }

    /// Whether the command does not fail by what a key holds.
    pub fn fits(&self, key: &impl Key, arguments: &[(Vec<u8>, bool)]) -> bool {
        let argument = |at: usize| arguments.get(at).map(|(argument, _)| &**argument).unwrap_or_default();
        let is_kind = |kind| key.kind() == kind;
        match self.command.takes {
            Takes::Anything => true,
            Takes::Kind(kind) => is_kind(kind),
            Takes::Integer(step) => {
                let step = if step == Step::One { Some(1) } else { integer(argument(1)) };
                let is_down = self.command.name.to_bytes().starts_with(b"DECR");
                let step = step.and_then(|step| if is_down { step.checked_neg() } else { Some(step) });
                let now = integer(&key.string());
                is_kind(Kind::String) && now.zip(step).and_then(|(now, step)| now.checked_add(step)).is_some()
            }
            Takes::Number => is_kind(Kind::String) && number(&key.string()).is_some(),
            Takes::FieldInteger => {
                let sum = |now: Vec<u8>| integer(&now)?.checked_add(integer(argument(2))?);
                is_kind(Kind::Hash) && key.field(argument(1)).is_none_or(|now| sum(now).is_some())
            }
            Takes::FieldNumber => {
                is_kind(Kind::Hash) && key.field(argument(1)).is_none_or(|now| number(&now).is_some())
            }
        }
    }
}

/// An integer as servers read one: of 64 bits, without a plus sign or leading zeros.
fn integer(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    let value: i64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

fn number(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok().filter(|text| !text.starts_with([' ', '+']))?;
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

impl Word {
    fn parse(raw: &RawValue, each: Each) -> Result<Self, ThenError> {
        let error = |error: &dyn fmt::Display| ThenError(format!("`command`: {error}"));
        let word = match raw.get().as_bytes().first() {
            Some(b'"') => {
                let text: String = serde_json::from_str(raw.get()).map_err(|wrong| error(&wrong))?;
                Self::Text(Text::parse(&text).map_err(|wrong| match wrong {
                    TextError::Braces(wrong) => error(&wrong),
                    TextError::Unknown(name) => ThenError(unknown(&name, each)),
                })?)
            }
            Some(b'-' | b'0'..=b'9') => Self::Text(Text::literal(raw.get())),
            _ => Self::Json(Setting::parse_any(raw).map_err(|wrong| error(&wrong))?),
        };
        let stray = Hole::NAMES.iter().find(|(_, hole)| !each.knows(*hole) && word.holds(&|held| held == *hole));
        match stray {
            Some((name, _)) => refuse(unknown(name, each)),
            None => Ok(word),
        }
    }

    fn holds(&self, wanted: &dyn Fn(Hole) -> bool) -> bool {
        match self {
            Self::Text(text) => text.holds(wanted),
            Self::Json(value) => value.holds(wanted),
        }
    }

    /// The text, if no placeholder stands in it.
    fn fixed(&self) -> Option<&str> {
        if let Self::Text(text) = self { text.fixed() } else { None }
    }

    fn is_now(&self) -> bool {
        matches!(self, Self::Text(text) if text.is(Hole::Now))
    }

    /// Whether it can be such an argument, whatever its placeholders stand for.
    fn is(&self, shape: Shape) -> bool {
        let integer = || self.fixed().and_then(|text| integer(text.as_bytes()));
        match shape {
            Shape::Key | Shape::Text => true,
            Shape::Integer => self.is_now() || integer().is_some(),
            // Beyond it a server would reckon with more than 64 bits.
            Shape::Time => integer().is_some_and(|value| (1..=1_000_000_000_000_000).contains(&value)),
            Shape::Number => self.is_now() || self.fixed().is_some_and(|text| number(text.as_bytes()).is_some()),
            Shape::Bound => {
                let is_bound = |text: &str| {
                    let text = text.strip_prefix('(').unwrap_or(text);
                    ["-inf", "+inf", "inf"].contains(&text) || number(text.as_bytes()).is_some()
                };
                self.is_now() || self.fixed().is_some_and(is_bound)
            }
            Shape::Length => integer().is_some_and(|value| value >= 0),
            Shape::Entry => self.fixed() == Some("*"),
        }
    }
}

impl Each {
    fn knows(self, hole: Hole) -> bool {
        match hole {
            Hole::Room => self == Self::Room,
            Hole::Socket => self == Self::Socket,
            Hole::User | Hole::UserName | Hole::Reason | Hole::Now | Hole::Id => true,
        }
    }
}

fn unknown(name: &str, each: Each) -> String {
    let known = Hole::NAMES.iter().filter(|(_, hole)| each.knows(*hole)).map(|(name, _)| format!("{{{name}}}"));
    let (known, of) = (known.collect::<Vec<_>>().join(", "), format!("{each:?}").to_lowercase());
    format!("`command` holds {{{name}}}, which nothing is known of; for each {of} it may hold {known}")
}

/// Which arguments are keys, if they are those that the command takes.
fn keys_among(command: &Known, words: &[Word]) -> Result<Vec<bool>, ThenError> {
    let mut reader = Reader { words, at: 0, keys: Vec::new() };
    let is_whole = command.pieces.iter().all(|piece| reader.read(piece)) && reader.at == words.len();
    if is_whole {
        return Ok(reader.keys);
    }
    let name = command.name.to_string_lossy();
    match words.get(reader.at) {
        Some(_) => refuse(format!(
            "argument {} of {name} is not what the server takes there: {}",
            reader.at + 1,
            "a number or a time must be written out (a time from 1 on), or a score be {now}; options as the server has them"
        )),
        None => refuse(format!("{name} takes more arguments")),
    }
}

struct Reader<'w> {
    words: &'w [Word],
    at: usize,
    keys: Vec<bool>,
}

impl Reader<'_> {
    fn read(&mut self, piece: &Piece) -> bool {
        match piece {
            Piece::One(shape) => self.take(*shape),
            Piece::Options(choices) => {
                let mut groups = Vec::new();
                while let Some(word) = self.words.get(self.at).and_then(Word::fixed) {
                    let Some(choice) = choices.iter().find(|choice| choice.word.eq_ignore_ascii_case(word)) else {
                        break;
                    };
                    if groups.contains(&choice.group) {
                        return false;
                    }
                    groups.push(choice.group);
                    self.step(false);
                    if choice.shape.is_some_and(|shape| !self.take(shape)) {
                        return false;
                    }
                }
                true
            }
            Piece::Many(shapes) => {
                let mut is_any = false;
                while self.at < self.words.len() {
                    is_any = true;
                    if !shapes.iter().all(|shape| self.take(*shape)) {
                        return false;
                    }
                }
                is_any
            }
        }
    }

    fn take(&mut self, shape: Shape) -> bool {
        if shape == Shape::Length
            && self.words.get(self.at).and_then(Word::fixed).is_some_and(|word| ["=", "~"].contains(&word))
        {
            self.step(false);
        }
        let fits = self.words.get(self.at).is_some_and(|word| word.is(shape));
        if fits {
            self.step(shape == Shape::Key);
        }
        fits
    }

    fn step(&mut self, is_key: bool) {
        self.at += 1;
        self.keys.push(is_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_layouts_names_every_command() {
        let page = include_str!("../../../docs/layouts.md");
        let (_, section) = page.split_once("\n## Then\n").expect("the section");
        let (_, list) = section.split_once(" others are taken:\n").expect("the list");
        let list = list.split_once("Their arguments").expect("it ends").0;
        let named: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
        assert_eq!(named, ALL.iter().map(|known| known.name.to_str().unwrap()).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_are_those_that_a_server_reads() {
        let integers = ["0", "-1", "9223372036854775807", "-9223372036854775808"];
        assert!(integers.iter().all(|text| integer(text.as_bytes()).is_some()));
        let none = ["", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808", "x", "\u{661}"];
        assert!(none.iter().all(|text| integer(text.as_bytes()).is_none()));
        assert!(["1", "1.5", "-2e3", "0.0"].iter().all(|text| number(text.as_bytes()).is_some()));
        assert!(["", "nan", "inf", " 1", "1 ", "+1", "x"].iter().all(|text| number(text.as_bytes()).is_none()));
    }
}
