//! Errors that a caller sees: the only place where reply codes stand.

use std::fmt;

use crate::{layout::Unsaid, template::IdRule};

/// Why a command changed nothing. The text is one line that says what to fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// More or fewer arguments than the command takes. The server words it.
    WrongArity,
    /// The user id has no bytes.
    EmptyUser,
    /// The socket id has no bytes.
    EmptySocket,
    /// An id or a text has more bytes than the module takes. What it is, and how many it may have.
    TooLong(&'static str, usize),
    /// An id that the layout does not allow: what it is, and what it must be.
    BadId(&'static str, IdRule),
    /// What `WHERE` names is no placeholder of the layout, which has these.
    UnknownPlaceholder(Vec<String>),
    /// An option that the command does not have, or has already, or one without its value.
    Syntax,
    /// The caller's ACL key patterns do not cover a key of the plan. Which one is not said: the caller may not see it.
    NoPermission {
        /// What was asked for.
        to: &'static str,
    },
    /// The server shows the keys of one hash slot alone, because of the transaction or script that the command is in.
    OneSlot,
    /// Another node of the cluster serves the key.
    Elsewhere,
    /// The cluster is down, so that this node takes no writes, or shows no keys.
    ClusterDown,
    /// A number is none, or is negative.
    NoNumber,
    /// The layout does not say who is live.
    NoSockets,
    /// The layout does not say enough for a sweep.
    Unsaid(Unsaid),
    /// The server became a replica during a sweep.
    Demoted,
    /// The server refuses writes: what it says itself, with its code.
    Refused(String),
    /// A defect of the module, caught at its border.
    Defect,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongArity => f.write_str("ERR wrong number of arguments"),
            Self::EmptyUser => f.write_str("ERR user id must not be empty"),
            Self::EmptySocket => f.write_str("ERR socket id must not be empty"),
            Self::TooLong(what, most) => write!(f, "ERR {what} must not be longer than {most} bytes"),
            Self::BadId(what, rule) => write!(f, "ERR {what} must {rule}, by `separator` and `ids` of the layout"),
            Self::UnknownPlaceholder(known) => {
                write!(f, "ERR WHERE takes a placeholder of the layout, without braces: {}", known.join(", "))
            }
            Self::Syntax => f.write_str("ERR syntax error"),
            Self::NoPermission { to } => write!(
                f,
                "NOPERM No permission to {to} one of the user's traces; \
                 grant the key patterns that SESSION.LAYOUT shows with ACL SETUSER"
            ),
            Self::OneSlot => f.write_str(
                "ERR in this transaction or script the cluster node shows only keys of one hash slot; \
                 call the command by itself, or in one that names no key",
            ),
            Self::Elsewhere => f.write_str("ERR another node of the cluster serves this key; ask that one"),
            Self::ClusterDown => f.write_str(
                "CLUSTERDOWN the cluster is down, so nothing was looked for and nothing removed; call again when it is up",
            ),
            Self::NoNumber => f.write_str("ERR value is not an integer or out of range"),
            Self::NoSockets => f.write_str(
                "ERR the layout has no `sockets` and no `live`, so nobody is known to be live or stale; add one of them",
            ),
            Self::Unsaid(unsaid) => write!(f, "ERR {unsaid}"),
            Self::Demoted => {
                f.write_str("READONLY the server became a replica during the sweep, which has ended; call its master")
            }
            Self::Refused(why) => f.write_str(why),
            Self::Defect => f.write_str(
                "ERR internal error in redis-session, caught before it reached the server; \
                 the server's log says what to report",
            ),
        }
    }
}

impl std::error::Error for Error {}
