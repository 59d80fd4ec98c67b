//! The commands: one file and one struct for each, with its syntax, options and reply.

mod help;
mod inspect;
mod layout;
mod logout;
mod sweep;
mod traces;

pub use help::Help;
pub use inspect::Inspect;
pub use layout::ShowLayout;
pub use logout::Logout;
pub use sweep::Sweep;

use crate::error::Error;

/// The most bytes that a user's or a socket's id may have. It becomes part of key names, messages and log lines, so a
/// longer one would cost the server many times its length.
const LONGEST_ID: usize = 64 * 1024;

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

/// The text, if it has at most so many bytes.
fn no_longer<'a>(what: &'static str, text: &'a [u8], most: usize) -> Result<&'a [u8], Error> {
    if text.len() <= most { Ok(text) } else { Err(Error::TooLong(what, most)) }
}
