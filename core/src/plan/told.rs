//! What nodes of a cluster know together of a user's sockets.
//!
//! One node may have the mapping, and others the sockets' data. So before something is decided by them, all are asked twice: which
//! sockets they know, and then what they know of each of these.

use super::{Liveness, NamedBy, Plan, Unclear, Whose};
use crate::{layout::Sockets, ports::NodeId, template::Placeholder};

/// What nodes know of a user's sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The sockets, sorted by id, none twice.
    pub(super) sockets: Vec<ToldSocket>,
    /// Whether a mapping holds what can be no socket's id.
    pub(crate) is_unclear: bool,
    /// How far the nodes have been asked.
    pub(crate) known: Known,
    /// What they know of the user besides.
    pub(crate) signs: Signs,
    /// Whether one of them may have something that names a socket and nobody else.
    pub(crate) names_sockets: bool,
}

/// What nodes know of a user, besides sockets, that tells whether the user is live, or has been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Whether one of them knows for itself that the user is live.
    pub(crate) is_live: bool,
    /// Whether there is evidence of a session.
    pub(crate) has_evidence: bool,
    /// Whether anything would be removed.
    pub(crate) removes: bool,
    /// The node of the smallest name that has evidence; who asks knows.
    pub(crate) holder: Option<NodeId>,
}

/// How far the nodes have been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// They are being asked: who has said nothing is not known to have no data.
    #[default]
    Some,
    /// All have said all.
    All,
    /// Some did not answer, and may know more.
    Less,
    /// Nobody was asked yet, and all will be: what is a socket's alone is left until then, if another node may have its data.
    Nothing,
}

/// A socket that may be the user's, by what the nodes know together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldSocket {
    pub(super) id: Vec<u8>,
    pub(super) named_by: NamedBy,
    /// Whether its data key exists.
    pub(super) has_data: bool,
    pub(super) whose: Whose,
    pub(super) rooms: Vec<Vec<u8>>,
}

impl Told {
    /// Before anybody was asked: see [`Known::Nothing`].
    pub(crate) fn nothing() -> Self {
        Self { known: Known::Nothing, ..Self::default() }
    }

    /// What a node knows by a plan of all facts.
    pub(crate) fn of<N>(plan: &Plan<N>) -> Self {
        let sockets = plan.sockets.iter().map(|socket| ToldSocket {
            id: socket.id.clone(),
            named_by: socket.named_by,
            has_data: socket.data.is_some(),
            whose: socket.whose,
            rooms: socket.rooms.clone(),
        });
        // Without a mapping here it is unclear only what others know.
        let is_unclear = plan.mapping.is_some() && plan.unclear == Unclear::Sockets;
        let signs =
            Signs { is_live: plan.live, has_evidence: plan.is_evidence(), removes: plan.removed() > 0, holder: None };
        Self { sockets: sockets.collect(), is_unclear, known: Known::Some, signs, names_sockets: plan.seen.any_named }
    }

    /// Adds what another node knows.
    pub(crate) fn merge(&mut self, other: Self) {
        self.is_unclear |= other.is_unclear;
        self.signs.is_live |= other.signs.is_live;
        self.signs.has_evidence |= other.signs.has_evidence;
        self.signs.removes |= other.signs.removes;
        self.names_sockets |= other.names_sockets;
        self.signs.holder = self.signs.holder.into_iter().chain(other.signs.holder).min();
        self.sockets.extend(other.sockets);
        self.sockets.sort_by(|one, other| one.id.cmp(&other.id));
        self.sockets.dedup_by(|again, one| {
            let is_same = again.id == one.id;
            if is_same {
                one.named_by = one.named_by.and(again.named_by);
                one.has_data |= again.has_data;
                // Only one node has the data, and with it the last word.
                if one.whose == Whose::Nobodys {
                    one.whose = again.whose;
                }
                if one.rooms.is_empty() {
                    one.rooms = std::mem::take(&mut again.rooms);
                }
            }
            is_same
        });
    }

    /// Whether what all nodes know together of the user's sockets may change what each can do, or what others are told.
    pub(crate) fn says_more(&self, sockets: &Sockets, is_fencing: bool) -> bool {
        let data_names_users = sockets.owned.is_some() || sockets.data.has(Placeholder::USER);
        // Whoever has the data has said so.
        let is_without_data = |socket: &ToldSocket| socket.named_by.mapping && !socket.has_data;
        // Whether it is closed depends on that nobody has; and whoever would have it is to fence it off.
        let asks = sockets.trusts_mapping || is_fencing;
        let is_unknown = asks && self.sockets.iter().any(is_without_data);
        !self.sockets.is_empty() && (self.names_sockets || !data_names_users || is_unknown)
    }

    /// What a node said, whose name is this.
    pub(crate) fn said_by(&mut self, node: &NodeId) {
        self.signs.holder = self.signs.has_evidence.then_some(*node);
    }

    /// What all nodes know together of the user's session; `by_mapping`: sockets count that the mapping names.
    pub(crate) fn liveness(&self, by_mapping: bool) -> Liveness {
        let counts = |socket: &ToldSocket| socket.named_by.mapping || !by_mapping && socket.whose == Whose::Users;
        if self.signs.is_live || self.sockets.iter().any(|socket| socket.has_data && counts(socket)) {
            Liveness::Live
        } else if self.is_unclear {
            Liveness::Unclear
        } else if self.signs.has_evidence && self.signs.removes {
            Liveness::Stale
        } else {
            Liveness::Absent
        }
    }

    /// What is known of a socket.
    pub(super) fn socket(&self, id: &[u8]) -> Option<&ToldSocket> {
        self.sockets.binary_search_by(|socket| (*socket.id).cmp(id)).ok().map(|at| &self.sockets[at])
    }

    /// Whether a socket may have its data on another node.
    pub(super) fn may_have_data(&self, socket: &[u8]) -> bool {
        match (self.socket(socket), self.known) {
            (Some(socket), Known::Some | Known::All) => socket.has_data,
            // Nobody knew of it when they were asked.
            (None, Known::All) | (_, Known::Less | Known::Nothing) => true,
            (None, Known::Some) => false,
        }
    }
}

/// The forms in which messages hold these.
impl ToldSocket {
    /// What names it as the user's, and whether it has data, and whose that is, as bits.
    pub(crate) fn bits(&self) -> u8 {
        let NamedBy { mapping, key, collection } = self.named_by;
        let flags = [mapping, key, collection, self.has_data, self.whose == Whose::Users, self.whose == Whose::Others];
        flags.iter().enumerate().fold(0, |bits, (at, flag)| bits | u8::from(*flag) << at)
    }

    /// Its id and the rooms in its data.
    pub(crate) fn texts(&self) -> (&[u8], &[Vec<u8>]) {
        (&self.id, &self.rooms)
    }

    /// The socket of an id, bits and rooms; `None` if the bits mean nothing.
    pub(crate) fn from_parts(id: Vec<u8>, bits: u8, rooms: Vec<Vec<u8>>) -> Option<Self> {
        let has = |at: u8| bits >> at & 1 == 1;
        let whose = match (has(4), has(5)) {
            (true, false) => Whose::Users,
            (false, true) => Whose::Others,
            (false, false) => Whose::Nobodys,
            (true, true) => return None,
        };
        let named_by = NamedBy { mapping: has(0), key: has(1), collection: has(2) };
        (bits < 64).then_some(Self { id, named_by, has_data: has(3), whose, rooms })
    }
}

impl Told {
    /// The sockets.
    pub(crate) fn sockets(&self) -> &[ToldSocket] {
        &self.sockets
    }

    /// What a message said; `None` if sockets are not sorted.
    pub(crate) fn from_parts(
        sockets: Vec<ToldSocket>,
        is_unclear: bool,
        known: Known,
        [is_live, has_evidence, removes, names_sockets]: [bool; 4],
    ) -> Option<Self> {
        let signs = Signs { is_live, has_evidence, removes, holder: None };
        sockets.is_sorted_by(|one, other| one.id < other.id).then_some(Self {
            sockets,
            is_unclear,
            known,
            signs,
            names_sockets,
        })
    }
}
