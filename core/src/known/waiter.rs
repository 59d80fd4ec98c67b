//! For whom a piece of work is done.

use crate::{ports::NodeId, reply::Ticket};

/// Who waits for what comes of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// A client.
    Client(Ticket),
    /// The call of this number, of which it is this node's own part.
    Round(u64),
    /// Another node, and its number for the call.
    Node(NodeId, u64),
}
