//! The commands: one file and one struct for each, with its syntax, options and reply.

mod explain;
mod help;
mod inspect;
mod layout;
mod logout;
mod sweep;

pub use explain::Explain;
pub use help::Help;
pub use inspect::Inspect;
pub use layout::ShowLayout;
pub use logout::Logout;
pub use sweep::Sweep;

use std::{
    ffi::{CStr, c_int},
    time::Instant,
};

use crate::{
    ask::{
        logout::{plan, plan_between},
        moving,
    },
    error::Error,
    plan::{Detail, Part as PlanPart, Plan, Told},
    ports::Host,
    reply::Reply,
    session::Ask,
    template::Placeholder,
    wire::{Part, Stamp},
};

/// A command of the module.
pub trait Command {
    /// What the server is told of it.
    const INFO: Info;

    /// Carries it out. `arguments` are those behind the command's name.
    ///
    /// # Errors
    /// Whatever it refuses; then it changed nothing.
    fn run<H: Host>(ask: Ask<'_, H>, arguments: &[&[u8]]) -> Result<Reply, Error>;
}

/// How a command is carried out on this node.
#[derive(Debug)]
pub struct Act<'a, H: Host> {
    /// With whose permissions.
    pub(crate) caller: &'a H::Caller,
    /// When the work began.
    pub(crate) began: Instant,
    /// It is a part of a call on the whole cluster, and this is what all parts have in common.
    pub(crate) within: Option<&'a Stamp>,
    /// What all nodes know together of the user's sockets, if they were asked.
    pub(crate) told: Option<&'a Told>,
    /// No command runs, so that every key is seen.
    pub(crate) is_between: bool,
}

impl<H: Host> Act<'_, H> {
    /// Every trace of a user that is here, or a part of them.
    ///
    /// # Errors
    /// [`Error::OneSlot`] and [`Error::ClusterDown`].
    fn plan(
        &self,
        ask: Ask<'_, H>,
        user: &[u8],
        detail: Detail,
        part: PlanPart<'_>,
    ) -> Result<Box<Plan<H::Name>>, Error> {
        if self.is_between {
            Ok(plan_between(ask, user, detail, part, self.told))
        } else {
            plan(ask, user, detail, part, self.told)
        }
    }

    /// What this node knows of a user's sockets.
    ///
    /// # Errors
    /// [`Error::OneSlot`] and [`Error::ClusterDown`].
    pub(crate) fn learn(&self, ask: Ask<'_, H>, user: &[u8]) -> Result<Part, Error> {
        let plan = self.plan(ask, user, Detail::Facts, &[])?;
        Ok(Part { told: Told::of(&plan), motion: moving::motion(ask, &plan), ..Part::nothing() })
    }
}

/// What the server is told of a command: for `COMMAND INFO`, `COMMAND DOCS`, access control, and cluster clients.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its name, in lower case.
    pub name: &'static CStr,
    /// Flags as `RM_CreateCommand` takes them.
    pub flags: &'static CStr,
    /// Access control categories besides those that follow from the flags.
    pub categories: &'static CStr,
    /// How many arguments it takes, its name included; negative for "at least".
    pub arity: c_int,
    /// What it does, in a line.
    pub summary: &'static CStr,
    /// What it costs.
    pub complexity: &'static CStr,
    /// Command tips, separated by spaces.
    pub tips: Option<&'static CStr>,
    /// Its arguments.
    pub arguments: &'static [Argument],
}

/// An argument, as `COMMAND DOCS` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static CStr,
    /// The word that it begins with.
    pub token: Option<&'static CStr>,
    /// What follows that word.
    pub kind: ArgumentKind,
    /// Whether it may be left out.
    pub is_optional: bool,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A text.
    Text,
    /// The name of a key that is read. A command has one at most, right behind its own name.
    Key,
    /// A whole number.
    Number,
    /// Nothing but its word.
    Flag,
    /// A placeholder and a value; it may be given several times.
    Pairs,
}

impl Argument {
    /// A value that must be there.
    pub const fn required(name: &'static CStr) -> Self {
        Self { name, token: None, kind: ArgumentKind::Text, is_optional: false }
    }

    /// The name of a key that is read: see [`ArgumentKind::Key`].
    pub const fn key(name: &'static CStr) -> Self {
        Self { kind: ArgumentKind::Key, ..Self::required(name) }
    }

    /// A value behind a word; both may be left out.
    pub const fn option(token: &'static CStr, name: &'static CStr) -> Self {
        Self { token: Some(token), is_optional: true, ..Self::required(name) }
    }

    /// A number behind a word; both may be left out.
    pub const fn number(token: &'static CStr, name: &'static CStr) -> Self {
        Self { kind: ArgumentKind::Number, ..Self::option(token, name) }
    }

    /// A placeholder and a value behind a word, as often as one likes.
    pub const fn pairs(token: &'static CStr, name: &'static CStr) -> Self {
        Self { kind: ArgumentKind::Pairs, ..Self::option(token, name) }
    }

    /// A word that may be left out.
    pub const fn flag(token: &'static CStr, name: &'static CStr) -> Self {
        Self { kind: ArgumentKind::Flag, ..Self::option(token, name) }
    }
}

/// The most bytes that a user's or a socket's id may have. It becomes part of key names, messages and log lines, so a
/// longer one would cost the server many times its length.
const LONGEST_ID: usize = 64 * 1024;

/// The most bytes that a key's name may have to be explained.
const LONGEST_KEY: usize = 1024 * 1024;

/// The most bytes that a reason may have.
const LONGEST_REASON: usize = 4 * 1024;

/// The arguments of a command, taken one by one.
#[derive(Debug)]
struct Arguments<'a> {
    rest: &'a [&'a [u8]],
}

impl<'a> Arguments<'a> {
    fn new(arguments: &'a [&'a [u8]]) -> Self {
        Self { rest: arguments }
    }

    /// The next argument, if there is one.
    fn next(&mut self) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The user id that commands begin with.
    fn user(&mut self) -> Result<&'a [u8], Error> {
        match self.next() {
            None => Err(Error::WrongArity),
            Some([]) => Err(Error::EmptyUser),
            Some(user) => no_longer("user id", user, LONGEST_ID),
        }
    }

    /// The value of an option that may be given once: `place` holds what was given before.
    fn once(&mut self, place: &mut Option<&'a [u8]>) -> Result<(), Error> {
        match (&place, self.next()) {
            (None, Some(value)) => {
                *place = Some(value);
                Ok(())
            }
            _ => Err(Error::Syntax),
        }
    }

    /// There must be no more.
    fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::WrongArity) }
    }
}

/// Refuses an id that the layout does not allow for a placeholder.
fn check_id<H: Host>(ask: Ask<'_, H>, what: &'static str, placeholder: Placeholder, id: &[u8]) -> Result<(), Error> {
    let layout = ask.state(|state| state.layout.clone());
    let rule = layout.ids.rule(placeholder);
    if rule.allows(id) { Ok(()) } else { Err(Error::BadId(what, rule.clone())) }
}

/// The text, if it has at most `most` bytes.
fn no_longer<'a>(what: &'static str, text: &'a [u8], most: usize) -> Result<&'a [u8], Error> {
    if text.len() <= most { Ok(text) } else { Err(Error::TooLong(what, most)) }
}
