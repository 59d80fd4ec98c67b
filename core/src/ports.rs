//! What the core needs of a host, as traits: [`Keyspace`] to look, [`Store`] to change, [`Permissions`] to ask first. The module
//! implements them on a running server, and `fake` in memory, for tests.

use std::{
    borrow::Cow,
    ffi::CStr,
    fmt::Debug,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Instant,
};

use crate::journal::Level;

/// What of the host may be kept between calls, and be used while the state is borrowed: it does not lead back to the host.
pub trait Kept: Debug + UnwindSafe + RefUnwindSafe + 'static {}

impl<T: Debug + UnwindSafe + RefUnwindSafe + 'static> Kept for T {}

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
    type Name: AsRef<[u8]> + Clone + Kept;
    /// A key that exists, opened for reading.
    type Key<'a>: Key
    where
        Self: 'a;

    /// The name in the server's form.
    fn name(&self, bytes: &[u8]) -> Self::Name;

    /// Opens a key; `None` if it does not exist.
    fn open<'a>(&'a self, name: &'a Self::Name) -> Option<Self::Key<'a>>;

    /// Whether fields of a hash may expire by themselves; nothing tells when they do. Asked seldom.
    fn fields_expire(&self) -> bool;

    /// The time of day, in milliseconds since 1970, as the server reckons when a key expires.
    fn now(&self) -> u64;

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

    /// When the key expires, in milliseconds since 1970; `None` if it does not. A moment that has passed if the key is gone: to
    /// read a value may take a call, and a key that has just expired goes with it.
    fn expires_at(&self) -> Option<u64>;

    /// The bytes of a string; empty for other types.
    fn string(&self) -> Cow<'_, [u8]>;

    /// The value of a hash's field; `None` for other types and if there is no such field.
    fn field(&self, field: &[u8]) -> Option<Vec<u8>>;

    /// The score of a member of a sorted set; `None` for other types and if there is no such member.
    fn score(&self, member: &[u8]) -> Option<f64>;

    /// The fields of a hash with their values, in no order; none of other types.
    fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// The members of a collection (of a hash: its fields), in no order. A caller who needs the key itself must not expect it
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

    /// A command that the layout has written; what the server says if it refuses it all the same goes to the log.
    fn write(&self, command: &'static CStr, arguments: &[&[u8]]);
}

/// What a command is shown on a node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Every key.
    All,
    /// Every key that there is, because all of them lie in one slot, or there is none. A key of another slot might be
    /// written where nobody finds it.
    AllOfOneSlot,
    /// Perhaps the keys of one slot alone, while there are others.
    Partial,
}

/// A node of a cluster, by the name that all nodes have for it.
pub type NodeId = [u8; 40];

/// Another node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name among the nodes.
    pub id: NodeId,
    /// Where clients find it, for people to read.
    pub address: String,
}

impl Peer {
    /// This node, where its own part is missing.
    pub(crate) fn this_node() -> Self {
        Self { id: [0; 40], address: "this node".to_owned() }
    }
}

/// A client that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedClient {
    /// The client's id.
    pub id: u64,
    /// The number of the database that it has selected.
    pub database: usize,
    /// If it has opened a transaction: how many commands are queued in it.
    pub queued: Option<usize>,
    /// It waits in a blocking command.
    pub is_blocked: bool,
    /// The command it sent last.
    pub command: Vec<u8>,
}

/// The server's clients.
pub trait Clients {
    /// Whether clients are paused, so that commands wait that the module has seen already.
    fn is_paused(&self) -> bool;

    /// Whether the server says which client sends a command; Redis 7.0 does not.
    fn knows_clients(&self) -> bool;

    /// All clients. Costs time for each.
    fn clients(&self) -> Vec<ConnectedClient>;

    /// Those of these clients that are connected. One that is no real client, such as that of a script, is not among them.
    /// `None` if the server does not say.
    fn clients_among(&self, ids: &[u64]) -> Option<Vec<ConnectedClient>>;

    /// Whether a client is connected.
    fn has_client(&self, client: u64) -> bool;

    /// How many clients wait, in a blocking command or because clients are paused; `None` if the server does not say.
    fn blocked_clients(&self) -> Option<u64>;

    /// How often `DEBUG` was carried out and how long that took: another text each time. `None` if it was never called, or
    /// refused, since the server began to count.
    fn debug_calls(&self) -> Option<String>;

    /// How often `EXEC` and `DISCARD` were refused or failed: another text whenever one has failed since.
    fn failed_ends(&self) -> String;
}

/// A whole server, of which one database is selected. It may call back into the core from any of these.
pub trait Host: Store + Clients + Debug + Sized {
    /// A walk over keys or members, which may pause between its steps.
    type Cursor: Default + Kept;
    /// What somebody may do at this moment. Not to be kept.
    type Caller: Permissions<Name = Self::Name>;
    /// A command with its caller, to ask later what the caller may do then.
    type Summons: Kept;

    /// The number of the selected database.
    fn database(&self) -> usize;

    /// Selects a database; `false` if there is none of that number.
    fn select(&self, database: usize) -> bool;

    /// How many keys the selected database holds, expired ones included.
    fn size(&self) -> u64;

    /// Takes one step of a walk over the selected database and adds the names that `wanted` accepts to `names`. A key that
    /// exists all the time is met at least once. `false` when the walk is done.
    fn walk(&self, cursor: &Self::Cursor, wanted: &dyn Fn(&[u8]) -> bool, names: &mut Vec<Self::Name>) -> bool;

    /// Goes on with a walk over the members of a collection until it has met at least `piece` of them, and adds them to
    /// `members`. A member that is there all the time is met at least once. `false` when the walk is done, or if there is
    /// no collection. (A list is met as a whole: the places of its elements are no cursor.)
    fn scan_members(&self, name: &Self::Name, cursor: &Self::Cursor, piece: usize, members: &mut Vec<Vec<u8>>) -> bool;

    /// What the caller of the command that is running may do.
    fn caller(&self) -> Self::Caller;

    /// Somebody who may do anything: the server itself.
    fn anybody(&self) -> Self::Caller;

    /// The command that is running, with its caller; `None` for a caller without a user, who may do anything.
    fn summons(&self) -> Option<Self::Summons>;

    /// The name of the caller's user; `None` for a caller without one, who may do anything.
    fn user(&self) -> Option<Vec<u8>>;

    /// Whether the server has a user of this name who may do something.
    fn knows_user(&self, user: &[u8]) -> bool;

    /// The same as [`Host::summons`] for a command that a user of this name called on another node.
    fn summons_of(&self, user: &[u8], command: &[Vec<u8>]) -> Self::Summons;

    /// This node's name in the cluster; outside of one it is none.
    fn node_id(&self) -> NodeId;

    /// The other masters of the cluster, of which each may hold keys: none outside of a cluster.
    fn peers(&self) -> Vec<Peer>;

    /// Has the connections to other nodes send at once what is to be sent, where the server lets it wait for more. Takes a moment.
    fn hurry(&self);

    /// Sends a message to another node; `false` if there is no connection. That it was sent does not say that it arrives.
    fn send_to(&self, node: &NodeId, message: &[u8]) -> bool;

    /// What the caller of a command may do at this moment, in the selected database.
    fn caller_of(&self, summons: Option<&Self::Summons>) -> Self::Caller;

    /// Whether the caller of the command that is running can wait for the reply: not in a transaction or script.
    fn lets_wait(&self) -> bool;

    /// Whether what is done now is part of a transaction, or of a script.
    fn is_in_transaction(&self) -> bool;

    /// What the command that is running is shown of the server's databases, given their number.
    fn view(&self, databases: usize) -> View;

    /// Whether the server is a node of a cluster that is down. It may still show keys, and removes none.
    fn is_in_a_cluster_that_is_down(&self) -> bool;

    /// The names of all keys in the selected database that lie in a slot of a cluster's.
    fn names_in_slot(&self, slot: u16) -> Vec<Self::Name>;

    /// Whether slots are on their way to this node of a cluster, and keys of theirs may be here.
    fn receives_slots(&self) -> bool;

    /// Whether the server follows a master.
    fn is_replica(&self) -> bool;

    /// Whether the server would take a write from a client at this moment; what it says if not. It asks by calling
    /// `SESSION.SWEEP`, which has to do nothing then.
    ///
    /// # Errors
    /// What the server says, with its code.
    fn takes_writes(&self) -> Result<(), String>;

    /// Calls a command for replicas too: a message, or an entry in a stream or list. Says whether it was done.
    fn send(&self, command: &'static CStr, arguments: &[&[u8]]) -> bool;

    /// Writes a line to the server's log.
    fn log(&self, level: Level, line: &str);

    /// A moment, to tell how long something takes.
    fn instant(&self) -> Instant;
}
