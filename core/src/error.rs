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
    /// The server became a replica while the command was under way.
    Demoted,
    /// Nothing can wait where the command was called, so it can be about this node of a cluster alone, and must say so.
    NeedsLocal,
    /// The parts of these nodes of a cluster are missing, each by its address, and why; and for how many seconds they are asked
    /// again.
    Partial(Vec<(String, String)>, Option<u64>),
    /// A sweep in a cluster judges by what all nodes know, and these said nothing, or did not do their part: each by its address, and
    /// why.
    Unjudged(Vec<(String, String)>),
    /// A node of a cluster has another layout than the one that asks.
    OtherLayout,
    /// A node of a cluster has no user of this name, or a disabled one.
    UnknownUser(String),
    /// A node of a cluster runs another version of the module.
    OtherVersion,
    /// What a node of a cluster has to say is longer than a message may be.
    TooMuch,
    /// What a node of a cluster is to be told is longer than a message may be.
    TooMuchToAsk,
    /// More calls wait on a node of a cluster than it keeps.
    Busy,
    /// The clients of a node of a cluster are paused.
    Paused,
    /// A part of a call comes late, and the user may have logged in since.
    CameBack,
    /// A node of a cluster has no database of this number.
    NoDatabase(u64),
    /// Keys of the user are on their way to a node of a cluster, which does not serve their slots yet.
    Arriving,
    /// The server refuses writes: what it says itself, with its code.
    Refused(String),
    /// A defect of the module, caught at its border.
    Defect,
}

impl Error {
    /// The caller may not remove a trace.
    pub const NOT_TO_REMOVE: Self = Self::NoPermission { to: "delete or write" };
    /// The caller may not be shown a trace.
    pub const NOT_TO_SHOW: Self = Self::NoPermission { to: "read" };

    /// Whether nothing but a state of the server stands in the way, which may change by itself or by the operator's hand.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::ClusterDown
                | Self::Demoted
                | Self::OtherLayout
                | Self::OtherVersion
                | Self::Busy
                | Self::Paused
                | Self::Arriving
                | Self::Refused(_)
        )
    }
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
                f.write_str("READONLY the server became a replica meanwhile, or is one; call its master")
            }
            Self::NeedsLocal => f.write_str(
                "ERR a transaction, script or function cannot wait for the other masters of the cluster; \
                 say LOCAL for what this node holds, or call the command by itself",
            ),
            Self::Unjudged(missing) => {
                write!(f, "ERR a sweep judges by what all nodes know, and these are missing: {}", list(missing))
            }
            Self::Partial(missing, again) => {
                write!(
                    f,
                    "PARTIAL the part of these nodes is missing: {}; \
                     what the others did is done, and it is safe to call again",
                    list(missing)
                )?;
                again.map_or(Ok(()), |seconds| write!(f, "; they are asked again for {seconds} seconds"))
            }
            Self::OtherLayout => f.write_str("ERR it has another layout; load the same one on all nodes"),
            Self::UnknownUser(user) => write!(f, "NOPERM its ACL has no enabled user '{user}'"),
            Self::OtherVersion => f.write_str("ERR it runs another version of the module; load the same one on all nodes"),
            Self::TooMuch => f.write_str("ERR it did its part, and what it has to show is longer than a message may be"),
            Self::TooMuchToAsk => f.write_str("ERR what it has to be told is longer than a message may be"),
            Self::Busy => f.write_str("ERR too many calls wait there"),
            Self::Paused => f.write_str("ERR its clients are paused"),
            Self::CameBack => f.write_str("ERR the user may have logged in again since; call again if not"),
            Self::NoDatabase(number) => write!(f, "ERR it has no database {number}"),
            Self::Arriving => f.write_str("ERR traces of the user are on their way to it, and their hash slots are not there yet"),
            Self::Refused(why) => f.write_str(why),
            Self::Defect => f.write_str(
                "ERR internal error in redis-session, caught before it reached the server; \
                 the server's log says what to report",
            ),
        }
    }
}

/// Nodes by their addresses, and why their part is missing.
fn list(missing: &[(String, String)]) -> String {
    let missing = missing.iter().map(|(address, why)| format!("{address} ({why})"));
    missing.collect::<Vec<_>>().join(", ")
}

impl std::error::Error for Error {}
