//! Why and how a user is logged out.

use std::time::Instant;

use crate::{plan::Scope, wire::Stamp};

/// What brought a logout about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it.
    Logout,
    /// A sweep found the user stale.
    Sweep,
    /// A key by which the user was live expired or was evicted.
    Expiry,
}

impl Cause {
    /// The reason, if nobody gave another.
    pub fn reason(self) -> &'static [u8] {
        match self {
            Self::Logout => b"logout",
            Self::Sweep => b"sweep",
            Self::Expiry => b"expired",
        }
    }
}

/// Why and how a user is logged out.
#[derive(Clone, Copy, Debug)]
pub struct LogoutContext<'a> {
    /// All of the user, or one socket.
    pub scope: Scope,
    /// What brought it about.
    pub cause: Cause,
    /// The reason in words.
    pub reason: &'a [u8],
    /// When the work began.
    pub began: Instant,
    /// It is one node's part of a logout on a whole cluster, and this is what all parts have in common. Then the node that was
    /// called tells others, and has written what the layout wants, when all have done their part.
    pub within: Option<&'a Stamp>,
}

impl LogoutContext<'static> {
    /// A logout of all of a user for which nobody gave a reason.
    pub fn user(cause: Cause, began: Instant) -> Self {
        Self { scope: Scope::User, cause, reason: cause.reason(), began, within: None }
    }
}
