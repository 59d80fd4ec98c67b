//! Calls of `SESSION.EXPLAIN` that wait.

use crate::{ports::Host, reply::Ticket};

/// A key that a client wants explained, and waits for it.
#[derive(Debug)]
pub struct Question<H: Host> {
    /// Who waits.
    pub(crate) client: Ticket,
    /// The database that the client had selected.
    pub(crate) database: usize,
    /// The key's name.
    pub(crate) key: Box<[u8]>,
    /// With whose permissions; without a summons, with all.
    pub(crate) summons: Option<H::Summons>,
}
