//! Ids: which placeholders a layout has, and what each of them may stand for.

use std::fmt;

use super::{TemplateError, text};

/// The most different placeholders in one layout; the bound makes [`super::Bindings`] a small plain array.
pub const MAX_PLACEHOLDERS: usize = 8;

const _: () = assert!(Placeholder::MEMBER.0 as usize == MAX_PLACEHOLDERS, "no placeholder has its number");

/// The longest id of a fixed length, in bytes.
pub const LONGEST_LENGTH: usize = 64 * 1024;

/// A placeholder of a layout, known by its number. The same name is the same number in every template of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Placeholder(u8);

impl Placeholder {
    /// `{userId}`: whose trace it is.
    pub const USER: Self = Self(0);
    /// `{socketId}`: one connection of a user.
    pub const SOCKET: Self = Self(1);
    /// `{roomId}`: where the user was; reported by replies and events.
    pub const ROOM: Self = Self(2);
    /// No placeholder of a template, but the whole member of a collection, where the index has to know which one it is.
    pub const MEMBER: Self = Self(8);

    pub(super) fn of_index(index: usize) -> Self {
        Self(u8::try_from(index).expect("fewer placeholders than MAX_PLACEHOLDERS"))
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What an id may hold, besides that it is never empty. Bytes are compared one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdRule {
    /// The layout says nothing of it. A logout, which is told the id, takes it as [`IdRule::Any`]; a sweep, which would have
    /// to take it out of a name, does not guess.
    #[default]
    Unsaid,
    /// Any bytes.
    Any,
    /// Any bytes but these, one behind the other.
    Without(Box<[u8]>),
    /// Exactly that many bytes, of any kind.
    Length(usize),
}

impl IdRule {
    /// That no id holds these bytes, which are written as in a template: see [`super::Template`].
    ///
    /// # Errors
    /// [`TemplateError::Empty`] and [`TemplateError::BadEscape`].
    pub fn without(bytes: &str) -> Result<Self, TemplateError> {
        let bytes = text::bytes(bytes)?;
        if bytes.is_empty() { Err(TemplateError::Empty) } else { Ok(Self::Without(bytes.into())) }
    }

    /// Whether an id may have these bytes.
    pub fn allows(&self, id: &[u8]) -> bool {
        !id.is_empty()
            && match self {
                Self::Unsaid | Self::Any => true,
                Self::Without(bytes) => text::find(id, bytes).is_none(),
                Self::Length(length) => id.len() == *length,
            }
    }
}

/// What an id must be, to go on after "must".
impl fmt::Display for IdRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsaid | Self::Any => f.write_str("not be empty"),
            Self::Without(bytes) => write!(f, "not hold '{}'", bytes.escape_ascii()),
            Self::Length(1) => f.write_str("have 1 byte"),
            Self::Length(length) => write!(f, "have {length} bytes"),
        }
    }
}

/// The placeholders of one layout, and what they may stand for.
#[derive(Clone, Debug)]
pub struct Placeholders {
    names: Vec<String>,
    /// What is said of every one of which nothing else is.
    general: IdRule,
    /// What is said of some, by name.
    exceptions: Vec<(String, IdRule)>,
}

impl Default for Placeholders {
    fn default() -> Self {
        Self::new(IdRule::Unsaid, Vec::new())
    }
}

impl Placeholders {
    /// Those that every layout has, with a rule for all ids and one for each placeholder named.
    pub fn new(general: IdRule, exceptions: Vec<(String, IdRule)>) -> Self {
        let names = ["userId", "socketId", "roomId"].map(String::from).to_vec();
        Self { names, general, exceptions }
    }

    /// The placeholder of that name, if a template of the layout holds it, or every layout has it.
    pub fn find(&self, name: &[u8]) -> Option<Placeholder> {
        let found = self.names.iter().position(|known| known.as_bytes() == name)?;
        Some(Placeholder(u8::try_from(found).expect("fewer placeholders than MAX_PLACEHOLDERS")))
    }

    /// The placeholder of that name, numbered now if the layout did not use it before.
    pub(super) fn intern(&mut self, name: &str) -> Result<Placeholder, TemplateError> {
        if self.find(name.as_bytes()).is_none() {
            if self.names.len() == MAX_PLACEHOLDERS {
                return Err(TemplateError::TooManyPlaceholders(name.to_owned()));
            }
            self.names.push(name.to_owned());
        }
        Ok(self.find(name.as_bytes()).expect("it is there now"))
    }

    /// The name as the layout writes it, without braces.
    pub fn name(&self, placeholder: Placeholder) -> &str {
        &self.names[placeholder.index()]
    }

    /// What the placeholder may stand for.
    pub fn rule(&self, placeholder: Placeholder) -> &IdRule {
        let name = self.name(placeholder);
        self.exceptions.iter().find(|(known, _)| known == name).map_or(&self.general, |(_, rule)| rule)
    }

    /// A name of which something is said, and which no template holds.
    pub fn stray(&self) -> Option<&str> {
        self.exceptions.iter().map(|(name, _)| &**name).find(|name| self.find(name.as_bytes()).is_none())
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = Placeholder> {
        (0..).map(Placeholder).take(self.names.len())
    }
}
