//! What a logout does, in phases that are types.
//!
//! [`find()`] looks for every trace of a user and makes a [`Plan`], changing nothing; [`Plan::only_socket`] narrows it to
//! one device; [`Plan::check`] asks for the caller's permissions and gives a [`Checked`]; [`Checked::apply`] changes, and
//! has no expected failure left. Every command is a thin caller of these. [`observe()`] is the other side: what the index
//! must know of a key so that `find` finds it.

mod apply;
mod check;
mod device;
mod entries;
mod explain;
mod find;
mod gone;
mod listed;
mod live;
mod mapping;
mod observe;
mod show;
mod sockets;
#[cfg(test)]
mod tests;
mod told;
mod value;
mod write;

use crate::{
    index::{Place, Subject},
    ports::Kind,
};

pub use apply::Removed;
pub use check::{Checked, NOBODY, Unseen, check_unseen};
pub use device::Scope;
pub use entries::EntriesTrace;
pub use explain::{Reading, explain, words};
pub use find::{Detail, Known, Part, find, find_key, named, owners, sockets_of, still_there};
pub use gone::{Gone, GoneSocket};
use mapping::Mapping;

pub use live::{LiveBy, LiveSocket, live_by, rule as live_by_rule};
pub use mapping::mapped_sockets;
pub use observe::{End, MOST_MEMBERS, Presence, Sight, Sighting, Sought, observe, observe_members};
pub use told::{Known as ToldOf, Signs, Told, ToldSocket};
pub use write::{LeftOut, Unfit, Write};

/// Every trace of one user that exists at this instant. `N` is a key's name in the server's form.
///
/// `keys`, `members` and `entries` stand as they were found, and what two traces of the layout name stands there twice. In
/// a plan that is shown ([`Detail::Facts`], [`Detail::Sweep`]) they are sorted by their bytes and hold nothing twice. A key
/// that goes as a whole is in `keys` alone. A plan is long, and handed on from phase to phase: so it stands in a box.
#[derive(Debug)]
pub struct Plan<N> {
    /// Whose traces these are.
    pub user: Vec<u8>,
    /// Keys to delete.
    pub keys: Vec<KeyTrace<N>>,
    /// Members to remove.
    pub members: Vec<MemberTrace<N>>,
    /// Documents to cut elements out of.
    pub entries: Vec<EntriesTrace<N>>,
    /// Members in keys that go as a whole. They go by themselves if the plan is narrowed to less than those keys.
    members_inside: Vec<MemberTrace<N>>,
    /// The same of documents.
    entries_inside: Vec<EntriesTrace<N>>,
    /// The user's sockets, sorted, none twice.
    pub sockets: Vec<Socket<N>>,
    /// The rooms that the user leaves, sorted, none twice, unless [`Detail::Names`] was enough.
    pub rooms: Vec<Vec<u8>>,
    /// Whether one of the user's sockets has its data key, or what else the layout asks for is there.
    pub live: bool,
    /// Whether a trace was found that is evidence of a session.
    has_evidence: bool,
    /// The user's name, where the layout says how to find it and a socket's data has it.
    pub user_name: Option<String>,
    /// The keys of the layout's `live` that are there, unless less than all facts were asked for.
    signs: Vec<N>,
    /// The key that maps the user to sockets, if there is one.
    mapping: Option<Mapping<N>>,
    /// What was seen of sockets besides the user's.
    seen: SocketsSeen,
    /// What is not known, because another node of the cluster would know of a key, or the mapping holds what the layout does
    /// not allow as a socket's id.
    unclear: Unclear,
    /// How many traces that lie here were left out, because another node of the cluster serves them, or none.
    pub left_out: usize,
    /// How many of them are here, or may be.
    pub arriving: usize,
    /// Whether a [`Part`] was asked for.
    extent: Extent,
    /// How much of the user was asked for.
    pub detail: Detail,
    /// What the index knows and is not so any more.
    pub stale: Vec<(Subject, Box<[u8]>, Place)>,
    /// How many values could not hold a trace: not JSON, or of another type.
    pub mistyped: u64,
    /// When it is carried out, in milliseconds since 1970.
    pub at: u64,
    /// A new id, if the layout has one told or written.
    pub id: String,
    /// What is written after the removal.
    pub writes: Vec<Write<N>>,
    /// What of it was left out.
    pub unwritten: Vec<LeftOut>,
}

/// What a plan has seen of sockets besides the user's own.
#[derive(Clone, Copy, Debug, Default)]
struct SocketsSeen {
    /// Whether a collection of the user's own names a socket that is not the user's, and would be if its data key went.
    lists_others: bool,
    /// Whether there may be traces here that name a socket and nobody else.
    any_named: bool,
}

/// A key to delete.
#[derive(Debug)]
pub struct KeyTrace<N> {
    /// Its name.
    pub name: N,
    sockets: NamedSockets,
    /// Whether it is of the part that was asked for.
    is_part: bool,
}

impl<N> KeyTrace<N> {
    /// The sockets that its name holds or its value names.
    pub fn sockets(&self) -> impl Iterator<Item = &[u8]> {
        self.sockets.iter()
    }
}

/// The sockets that a key or a member names: nearly always one at most. One that it names twice may stand here twice.
#[derive(Debug, Default)]
struct NamedSockets {
    first: Option<Box<[u8]>>,
    others: Vec<Box<[u8]>>,
}

impl NamedSockets {
    fn of(socket: Option<&[u8]>) -> Self {
        Self { first: socket.map(Into::into), others: Vec::new() }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.first.iter().chain(&self.others).map(|socket| &**socket)
    }

    fn has(&self, socket: &[u8]) -> bool {
        self.iter().any(|known| known == socket)
    }

    /// Takes over what another one names.
    fn take_from(&mut self, other: &mut Self) {
        if self.first.is_none() {
            self.first = other.first.take();
        }
        self.others.extend(other.first.take());
        self.others.append(&mut other.others);
    }
}

/// A member to remove.
#[derive(Debug)]
pub struct MemberTrace<N> {
    /// The collection's key.
    pub key: N,
    /// The collection's type.
    pub kind: Kind,
    /// The member; of a hash the field; of a list every element equal to it.
    pub member: Vec<u8>,
    sockets: NamedSockets,
}

/// One of the user's sockets.
#[derive(Debug)]
pub struct Socket<N> {
    /// Its id.
    pub id: Vec<u8>,
    /// What names it as the user's.
    named_by: NamedBy,
    /// Whether another node of the cluster would know of its data key.
    elsewhere: bool,
    /// Its data key, if the layout says which and it exists.
    data: Option<N>,
    /// The rooms in its data.
    rooms: Vec<Vec<u8>>,
    /// Whose that data is.
    whose: Whose,
    /// Whether the connection's holder is to close it.
    closes: bool,
}

/// What names a socket as the user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NamedBy {
    /// The mapping.
    mapping: bool,
    /// The name of a key that is the user's.
    key: bool,
    /// A member of a collection that is the user's own by the name of its key.
    collection: bool,
}

impl NamedBy {
    /// What names a socket to one or the other.
    fn and(self, other: Self) -> Self {
        Self {
            mapping: self.mapping || other.mapping,
            key: self.key || other.key,
            collection: self.collection || other.collection,
        }
    }
}

/// Whose a socket's data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It is one of the user's traces: only then has the user been there by it.
    Users,
    /// It could be one and is not: it names somebody else.
    Others,
    /// There is none, or nothing that says it.
    Nobodys,
}

/// How much of a user was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Every trace.
    All,
    /// A [`Part`].
    Part,
}

/// What cannot be known of a user's session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Unclear {
    #[default]
    Nothing,
    /// Whether what else the layout asks for is there.
    Signs,
    /// Which sockets the user has.
    Sockets,
}

/// What is known of a user's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// The user is live.
    Live,
    /// There is evidence of a session, but the user is not live.
    Stale,
    /// There is none.
    Absent,
    /// It can't be told: another node of the cluster may know more, or the mapping holds what is no socket's id.
    Unclear,
}

impl<N> Plan<N> {
    /// How many traces there are: keys, members (of a list, all equal elements are one), and cut elements.
    pub fn removed(&self) -> usize {
        self.keys.len() + self.members.len() + self.elements()
    }

    /// What a plan made for a sweep says of the user's session.
    pub fn liveness(&self) -> Liveness {
        if self.live {
            Liveness::Live
        } else if self.unclear != Unclear::Nothing
            || self.sockets.iter().any(|socket| socket.named_by.mapping && socket.elsewhere)
        {
            Liveness::Unclear
        } else if self.is_evidence() && self.removed() > 0 {
            Liveness::Stale
        } else {
            Liveness::Absent
        }
    }

    /// Whether there is evidence of a session.
    pub fn is_evidence(&self) -> bool {
        self.has_evidence || self.mapping.as_ref().is_some_and(|mapping| mapping.is_swept)
    }

    /// The sockets that are gone with the user: not those whose data is somebody else's.
    pub fn sockets_gone(&self) -> impl Iterator<Item = &[u8]> {
        let gone = self.sockets.iter().filter(|socket| socket.whose == Whose::Users || socket.data.is_none());
        gone.map(|socket| &*socket.id)
    }

    /// The sockets in the mapping, as far as they were asked for.
    pub fn mapped_sockets(&self) -> impl Iterator<Item = &[u8]> {
        self.sockets.iter().filter(|socket| socket.named_by.mapping).map(|socket| &*socket.id)
    }

    /// The sockets that collections of the user's own name, and that are the user's.
    pub fn listed_sockets(&self) -> impl Iterator<Item = &[u8]> {
        self.sockets.iter().filter(|socket| socket.named_by.collection).map(|socket| &*socket.id)
    }

    /// Whether the user may be live, by whatever a plan of all facts can tell.
    pub fn may_be_live(&self) -> bool {
        let has_data = self.sockets.iter().any(|socket| socket.data.is_some() || socket.elsewhere);
        self.live || has_data || self.unclear != Unclear::Nothing
    }

    /// Whether what is left of the user may become evidence of a session without a word: see [`SocketsSeen`].
    pub fn lists_others(&self) -> bool {
        self.seen.lists_others
    }

    /// Whether the user has a mapping.
    pub fn has_mapping(&self) -> bool {
        self.mapping.is_some()
    }

    /// How many elements are cut out of documents.
    pub fn elements(&self) -> usize {
        self.entries.iter().map(|document| document.elements).sum()
    }
}
