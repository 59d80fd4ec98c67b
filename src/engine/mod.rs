//! The server, as the rest of the module sees it.
//!
//! The only room with `unsafe` code and the only one that knows the server's C interface. The logic depends on the two
//! narrow traits below: [`Keyspace`] to look, [`Store`] to change. [`server::Server`] implements them on a running
//! server, and `double` in memory, for unit tests.

use std::borrow::Cow;

mod access;
pub mod blocked;
pub mod border;
pub mod call;
mod clients;
pub mod commands;
#[cfg(test)]
pub mod double;
// Outside a server, as in unit tests and in fuzz/, there is no allocator and nobody to load the module.
#[cfg(not(any(test, fuzzing)))]
mod entry;
mod filter;
pub mod keys;
pub mod keyspace;
pub mod load;
mod options;
pub mod reply;
pub mod server;
pub mod slots;
mod store;
pub mod threads;
pub mod unload;
pub mod watching;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash; its fields are what other collections call members.
    Hash,
    /// A stream; its entries are no members.
    Stream,
    /// A type of another module.
    Other,
}

impl Kind {
    /// Whether the value has members.
    pub fn is_collection(self) -> bool {
        !matches!(self, Self::String | Self::Stream | Self::Other)
    }
}

/// What a caller wants to do with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// See that it exists, and what it holds.
    Read,
    /// Delete it, or a part of it.
    Delete,
    /// Write it anew.
    Update,
}

/// One database of a server. A key that has expired does not exist, whether the server has deleted it yet or not.
pub trait Keyspace {
    /// A key's name in the form in which the server takes it.
    type Name: AsRef<[u8]>;
    /// A key that exists, opened for reading.
    type Key<'a>: Key
    where
        Self: 'a;

    /// The name in the server's form.
    fn name(&self, bytes: &[u8]) -> Self::Name;

    /// Opens a key; `None` if it does not exist.
    fn open<'a>(&'a self, name: &'a Self::Name) -> Option<Self::Key<'a>>;

    /// Whether fields of a hash may expire by themselves, of which nothing tells. Asked seldom.
    fn fields_expire(&self) -> bool;

    /// Whether there are nodes that serve other slots.
    fn is_cluster(&self) -> bool;

    /// Whether this node serves the key's slot; outside a cluster it serves all.
    fn serves(&self, name: &Self::Name) -> bool;

    /// Whether the collection at the key, of type `kind`, holds the member. A cluster node that does not serve the key's
    /// slot says no.
    fn contains(&self, name: &Self::Name, kind: Kind, member: &[u8]) -> bool;
}

/// Says whether a rule permits something with a key.
pub type May<'r, N> = &'r dyn Fn(&N, Access) -> bool;

/// What a caller may do.
pub trait Permissions {
    /// A key's name in the form in which the server takes it.
    type Name;

    /// Whether one of the caller's rules permits everything. `asks` puts all questions to one rule, and says whether it is
    /// content with the answers; it may be called for several, and for none.
    fn permit(&self, asks: &dyn Fn(May<'_, Self::Name>) -> bool) -> bool;

    /// Whether the caller may do anything with any key; `false` if that takes asking.
    fn permits_everything(&self) -> bool {
        false
    }
}

/// A key that exists, open for reading.
pub trait Key {
    /// The type of its value.
    fn kind(&self) -> Kind;

    /// How many members a collection has, or bytes a string; 0 for other types.
    fn size(&self) -> usize;

    /// When the key expires, in milliseconds since 1970; `None` if it does not.
    fn expires_at(&self) -> Option<u64>;

    /// The bytes of a string; empty for other types.
    fn string(&self) -> Cow<'_, [u8]>;

    /// The value of a hash's field; `None` for other types and if there is no such field.
    fn field(&self, field: &[u8]) -> Option<Vec<u8>>;

    /// The members of a collection (of a hash: its fields), in no order. Whoever needs the key itself must not expect it
    /// to stay open meanwhile.
    fn members(&self) -> Vec<Vec<u8>>;
}

/// Changing a database. Nothing here is expected to fail: what could go wrong was checked before. Each change replicates
/// itself as the plain command that its name says, and all changes of one command as one transaction. What is not there
/// is not counted, and a change that finds nothing to remove is not replicated.
pub trait Store: Keyspace {
    /// `UNLINK`. Says how many of the keys there were.
    fn unlink(&self, names: &[&Self::Name]) -> u64;

    /// `SREM`, `ZREM`, `HDEL`, or `LREM` of every equal element, by the collection's type. Says how many of the members
    /// there were.
    fn remove_members(&self, name: &Self::Name, kind: Kind, members: &[&[u8]]) -> u64;

    /// `SET` with `KEEPTTL`. Says whether it was done.
    fn replace(&self, name: &Self::Name, value: &[u8]) -> bool;
}
