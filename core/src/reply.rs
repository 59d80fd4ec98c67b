//! Replies, and clients that wait for one.

/// A reply to a command. Replies have an order, in which those of several nodes are sorted: texts by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bytes(Vec<u8>),
    /// A simple string: one line.
    Line(&'static str),
    /// An array.
    Array(Vec<Reply>),
    /// None yet: the client waits for it, and gets it when the core wants it: see [`crate::known::wants::Wants::answers`].
    Later(Ticket),
    /// A map; to RESP2 clients, keys and values as a flat array.
    Map(Vec<(&'static str, Reply)>),
}

impl Reply {
    /// An integer, from a number of things.
    pub fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// An array of bulk strings.
    pub fn texts<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Self {
        Self::Array(texts.into_iter().map(|text| Self::Bytes(text.to_vec())).collect())
    }
}

/// A client that waits for a reply. Each ticket is given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);
