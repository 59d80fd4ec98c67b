//! What looks at keys found, and is not in the index yet.
//!
//! Keys are looked at several at a time, and what was found is noted afterwards: each note meets parts of the index that
//! the processor's caches do not hold, and meeting them all at once takes little longer than meeting one.

use std::ops::Range;

use crate::{
    index::{Hash, HashedSubject, SocketHash, Subject},
    layout::{Holder, Layout},
    plan::{self, End, Sighting, Sought},
    ports::Key,
};

/// This many looks are worth noting together.
const MANY: usize = 32;

/// How many bytes are kept for the next names; what long ones took is given back.
pub(super) const FEW_BYTES: usize = 64 << 10;

/// What was found in keys of one database and is not noted yet. One piece of memory, used again and again.
#[derive(Debug, Default)]
pub struct Findings {
    /// The database's number.
    pub(super) database: usize,
    pub(super) looks: Vec<Look>,
    pub(super) seen: Vec<Seen>,
    /// Ids and places.
    pub(super) bytes: Vec<u8>,
}

/// A look at one key.
#[derive(Debug)]
pub(super) struct Look {
    /// The user or the socket that its name holds, if somebody may be live by it.
    pub(super) holder: Option<Range<usize>>,
    /// Of a socket, the hash.
    pub(super) socket: Option<SocketHash>,
    /// Until where its sightings stand among all.
    pub(super) end: usize,
    pub(super) is_gone: bool,
    pub(super) mistyped: u64,
}

/// A sighting, with its id and place among the bytes.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) subject: Subject,
    pub(super) hash: Hash,
    pub(super) id: Range<usize>,
    pub(super) place: Range<usize>,
    pub(super) end: End,
}

impl Findings {
    /// Whether it is time to note them.
    pub fn are_many(&self) -> bool {
        self.looks.len() >= MANY
    }

    /// Looks at a key that `open` opens.
    pub fn look_at<K: Key>(&mut self, layout: &Layout, sought: Sought<'_>, open: &dyn Fn() -> Option<K>) {
        let holder = layout.sockets.as_ref().and_then(|sockets| sockets.holder(sought.name));
        let sought = Sought { is_vital: holder.is_some(), ..sought };
        let sight = plan::observe(layout, sought, open, &mut |sighting| self.push(&sighting));
        let id = holder.map(|holder| self.keep(holder.id()));
        self.looks.push(Look {
            holder: id,
            socket: if let Some(Holder::Socket(socket)) = holder { Some(SocketHash::of(socket)) } else { None },
            end: self.seen.len(),
            is_gone: sight.is_gone,
            mistyped: sight.mistyped,
        });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn push(&mut self, sighting: &Sighting<'_>) {
        let id = self.keep(sighting.id);
        let start = self.bytes.len();
        sighting.write_place(&mut self.bytes);
        let place = start..self.bytes.len();
        let HashedSubject { subject, hash, .. } = HashedSubject::new(sighting.subject, sighting.id);
        self.seen.push(Seen { subject, hash, id, place, end: sighting.end });
    }
}
