//! What looks at keys found, and how it is noted in the index.
//!
//! Keys are looked at several at a time, and what was found is noted afterwards: each note meets parts of the index that
//! the processor's caches do not hold, and meeting them all at once takes little longer than meeting one.

use std::{cell::OnceCell, ops::Range};

use crate::{
    engine::{
        Key, Keyspace,
        server::{Name, Server},
    },
    index::{Added, Hash, News, PlaceRef, SocketHash, Subject, Whom},
    layout::{Holder, Layout},
    plan::{self, End, Presence, Sighting, Sought},
    state::{self, State},
    sweep::{candidates, crowds},
    watcher::Suspect,
};

/// So many looks are worth noting together.
const MANY: usize = 32;

/// So much memory is kept for the next names; what long ones took is given back.
const FEW_BYTES: usize = 64 << 10;

/// What was found in keys of one database and is not noted yet. One piece of memory, used again and again.
#[derive(Debug, Default)]
pub struct Findings {
    /// The database's number.
    database: usize,
    looks: Vec<Look>,
    seen: Vec<Seen>,
    /// Ids and places.
    bytes: Vec<u8>,
}

/// A look at one key.
#[derive(Debug)]
struct Look {
    /// The user or the socket that its name holds, if somebody may be live by it.
    holder: Option<Range<usize>>,
    /// Of a socket, the hash.
    socket: Option<SocketHash>,
    /// Until where its sightings stand among all.
    end: usize,
    is_gone: bool,
    mistyped: u64,
}

/// A sighting, with its id and place among the bytes.
#[derive(Debug)]
struct Seen {
    subject: Subject,
    hash: Hash,
    id: Range<usize>,
    place: Range<usize>,
    end: End,
}

impl Findings {
    /// Goes on with what is not noted yet, or begins anew where that was another database's.
    pub(super) fn of(database: usize) -> Self {
        state::with(|state| {
            if state.findings.database != database {
                state.note_findings();
            }
            Self { database, ..std::mem::take(&mut state.findings) }
        })
    }

    /// Looks at a key of the selected database that may have changed.
    pub(super) fn look(&mut self, server: &Server, layout: &Layout, suspect: &Suspect<Name>) {
        self.look_at(layout, Sought::suspect(suspect), &|| server.open(&suspect.key));
    }

    /// Looks at a key of the selected database that is there.
    pub(super) fn look_at_certain(&mut self, server: &Server, layout: &Layout, name: &[u8]) {
        let sought = Sought { name, member: None, presence: Presence::Certain, is_vital: false };
        // Few have to be opened.
        let own = OnceCell::new();
        self.look_at(layout, sought, &|| server.open(own.get_or_init(|| Name::new(name))));
    }

    fn look_at<K: Key>(&mut self, layout: &Layout, sought: Sought<'_>, open: &dyn Fn() -> Option<K>) {
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
        if self.looks.len() >= MANY {
            state::with(|state| self.note(state));
        }
    }

    /// Notes what is left.
    pub(super) fn end(mut self) {
        state::with(|state| {
            self.note(state);
            state.findings = self;
        });
    }

    /// Leaves what was found to whoever goes on.
    pub(super) fn pause(self) {
        state::with(|state| state.findings = self);
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
        let Whom { subject, hash, .. } = Whom::new(sighting.subject, sighting.id);
        self.seen.push(Seen { subject, hash, id, place, end: sighting.end });
    }

    /// Notes all of it, in the order in which it was found, and is empty then.
    fn note(&mut self, state: &mut State) {
        let layout = state.layout.clone();
        let sockets = self.looks.iter().filter_map(|look| look.socket);
        state.databases[self.database].index.warm_up(self.seen.iter().map(|seen| seen.hash), sockets);
        let mut start = 0;
        for look in &self.looks {
            self.note_look(state, &layout, look, &self.seen[start..look.end]);
            start = look.end;
        }
        self.looks.clear();
        self.seen.clear();
        self.bytes.clear();
        self.bytes.shrink_to(FEW_BYTES);
        candidates::find_out(state);
    }

    fn note_look(&self, state: &mut State, layout: &Layout, look: &Look, seen: &[Seen]) {
        state.metrics.mistyped += look.mistyped;
        let holder = look.holder.clone().map(|id| {
            let id = &self.bytes[id];
            if look.socket.is_some() { Holder::Socket(id) } else { Holder::User(id) }
        });
        let owned = layout.sockets.as_ref().and_then(|sockets| sockets.owned);
        let mut is_told = false;
        for Seen { subject, hash, id, place, end } in seen {
            let (id, place) = (&self.bytes[id.clone()], PlaceRef::of_bytes(&self.bytes[place.clone()]));
            let is_owned = *subject == Subject::User && owned == Some(place.trace());
            is_told |= is_owned || holder == Some(Holder::User(id));
            let whom = Whom { subject: *subject, id, hash: *hash };
            see(state, self.database, look.socket.filter(|_| is_owned), whom, place, *end);
        }
        // Nobody who shows up there now has heard of it, but somebody else may have been live by it.
        if let Some(holder) = holder.filter(|_| !is_told) {
            for user in state.databases[self.database].users_by(holder) {
                candidates::doubt(state, self.database, &user, look.is_gone);
            }
            // Where the mapping said whose it is, nothing else would ever take that back.
            if let (true, Some(socket), None) = (look.is_gone, look.socket, owned) {
                state.databases[self.database].index.forget_owners(socket);
            }
        }
    }
}

impl State {
    /// Notes what was found and is not noted yet.
    pub(super) fn note_findings(&mut self) {
        let mut findings = std::mem::take(&mut self.findings);
        findings.note(self);
        self.findings = findings;
    }
}

/// Notes a sighting; `socket` is the one whose data names the user there.
fn see(state: &mut State, database: usize, socket: Option<SocketHash>, whom: Whom<'_>, place: PlaceRef<'_>, end: End) {
    if whom.subject == Subject::Anyone {
        crowds::restart(&mut state.sweeping.crawls, database, place);
    }
    let now = state.clock.moment();
    let news = match end {
        End::Unknown => News::Evidence(now),
        End::Never => News::Vital(now, now),
        End::At(moment) => News::Vital(now, state.clock.tick(moment).next()),
    };
    let added = add(state, database, whom, place, news);
    if end != End::Unknown {
        candidates::heard(state, database, whom.id, added.before, false);
    }
    // Whoever has the place already has the socket too.
    if let Some(socket) = socket.filter(|_| added.count.is_some()) {
        for former in state.databases[database].index.change_owner(socket, whom, place) {
            candidates::doubt(state, database, &former, false);
        }
    }
}

/// Notes that the data of a socket names this user.
pub fn add_owner(state: &mut State, layout: &Layout, database: usize, key: &Name, id: &[u8], place: PlaceRef<'_>) {
    let socket = layout.sockets.as_ref().and_then(|sockets| sockets.socket(key.as_ref())).map(SocketHash::of);
    see(state, database, socket, Whom::new(Subject::User, id), place, End::Unknown);
}

/// From so many places on, a subject's places are looked at whenever their number has doubled.
const CROWD: usize = 16;

/// Notes that a subject shows up at a place.
pub fn add(state: &mut State, database: usize, whom: Whom<'_>, place: PlaceRef<'_>, news: News) -> Added {
    let added = state.databases[database].index.add(whom, place, news);
    if added.count.is_some_and(|count| count >= CROWD && count.is_power_of_two()) {
        state.crowding.push((database, whom.subject, whom.id.to_vec()));
    }
    added
}
