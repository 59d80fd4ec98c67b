//! How what was found is noted in the index.

use super::{
    candidates,
    findings::{FEW_BYTES, Findings, Look, Seen},
    state::State,
};
use crate::{
    index::{Added, HashedSubject, LivenessChange, PlaceRef, SocketHash, Subject},
    layout::{Holder, Layout},
    plan::End,
    ports::Host,
};

impl Findings {
    /// Notes all of it, in the order in which it was found, and is empty then.
    pub fn note<H: Host>(&mut self, state: &mut State<H>) {
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

    fn note_look<H: Host>(&self, state: &mut State<H>, layout: &Layout, look: &Look, seen: &[Seen]) {
        state.metrics.mistyped += look.mistyped;
        let holder = look.holder.clone().map(|id| {
            let id = &self.bytes[id];
            if look.socket.is_some() { Holder::Socket(id) } else { Holder::User(id) }
        });
        if let (Some(Holder::Socket(socket)), false) = (holder, look.is_gone) {
            state.sweeping.dead.forget(self.database, socket);
        }
        let owned = layout.sockets.as_ref().and_then(|sockets| sockets.owned);
        let mut is_told = false;
        for Seen { subject, hash, id, place, end } in seen {
            let (id, place) = (&self.bytes[id.clone()], PlaceRef::of_bytes(&self.bytes[place.clone()]));
            let is_owned = *subject == Subject::User && owned == Some(place.trace());
            is_told |= is_owned || holder == Some(Holder::User(id));
            let whom = HashedSubject { subject: *subject, id, hash: *hash };
            see(state, self.database, look.socket.filter(|_| is_owned), whom, place, *end);
        }
        if !state.cluster.statements.is_empty() && !look.is_gone {
            let users = seen.iter().filter(|seen| seen.subject == Subject::User).map(|seen| &seen.id);
            for id in users.chain(&look.holder) {
                state.cluster.statements.touch(self.database, &self.bytes[id.clone()]);
            }
        }
        if state.cluster.logins.is_reading() && !look.is_gone {
            self.note_logins(state, layout, (holder, owned), seen);
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

impl Findings {
    /// Notes who may have logged in by what was written; `owned` is the trace by which the data of a socket names its user.
    fn note_logins<H: Host>(
        &self,
        state: &mut State<H>,
        layout: &Layout,
        (holder, owned): (Option<Holder<'_>>, Option<usize>),
        seen: &[Seen],
    ) {
        let database = self.database;
        match holder {
            // What a request in flight writes for a socket that was logged out is no login.
            Some(Holder::Socket(socket)) if state.sweeping.fence.knows(database, socket) => return,
            Some(Holder::Socket(_)) if owned.is_some() => {}
            Some(holder) => {
                for user in state.databases[database].users_by(holder) {
                    state.saw_login(database, &user);
                }
            }
            None => {}
        }
        // Where nothing says who is live, anything may have come with a login.
        let may_be_login = |seen: &&Seen| {
            let is_owned = owned == Some(PlaceRef::of_bytes(&self.bytes[seen.place.clone()]).trace());
            seen.subject == Subject::User && (is_owned || seen.end != End::Unknown || !layout.tells_live())
        };
        for seen in seen.iter().filter(may_be_login) {
            state.saw_login(database, &self.bytes[seen.id.clone()]);
        }
    }
}

impl<H: Host> State<H> {
    /// A user may just have logged in.
    fn saw_login(&mut self, database: usize, user: &[u8]) {
        self.cluster.logins.note(database, user);
        self.sweeping.stale.forget(database, user);
    }

    /// Goes on with what is not noted yet, or begins anew where that was another database's.
    pub fn take_findings(&mut self, database: usize) -> Findings {
        let mut findings = std::mem::take(&mut self.findings);
        if findings.database != database {
            findings.note(self);
            findings.database = database;
        }
        findings
    }

    /// Notes what was found and is not noted yet.
    pub fn note_findings(&mut self) {
        let mut findings = std::mem::take(&mut self.findings);
        findings.note(self);
        self.findings = findings;
    }
}

/// Notes a sighting; `socket` is the one whose data names the user there.
fn see<H: Host>(
    state: &mut State<H>,
    database: usize,
    socket: Option<SocketHash>,
    whom: HashedSubject<'_>,
    place: PlaceRef<'_>,
    end: End,
) {
    if whom.subject == Subject::Anyone {
        state.sweeping.void_collection_scans(database, place);
    }
    if whom.subject == Subject::User {
        state.sweeping.returned.seen(database, whom.id, place);
    }
    let now = state.clock.moment();
    let news = match end {
        End::Unknown if state.layout.traces[place.trace()].lists_sockets() => LivenessChange::Listed(now),
        End::Unknown => LivenessChange::Evidence(now),
        End::Never => LivenessChange::Vital(now, now),
        End::At(moment) => LivenessChange::Vital(now, state.clock.tick(moment).next()),
    };
    let added = add(state, database, whom, place, news);
    if end != End::Unknown {
        candidates::heard(state, database, whom.id, added.before, false);
    }
    // A user who has the place already has the socket too.
    if let Some(socket) = socket.filter(|_| added.count.is_some()) {
        for former in state.databases[database].index.change_owner(socket, whom, place) {
            candidates::doubt(state, database, &former, false);
        }
    }
}

/// Notes that the data of a socket names this user.
pub fn add_owner<H: Host>(
    state: &mut State<H>,
    layout: &Layout,
    database: usize,
    key: &[u8],
    id: &[u8],
    place: PlaceRef<'_>,
) {
    let socket = layout.sockets.as_ref().and_then(|sockets| sockets.socket(key)).map(SocketHash::of);
    see(state, database, socket, HashedSubject::new(Subject::User, id), place, End::Unknown);
}

/// From this many places on, a subject's places are looked at whenever their number has doubled.
const LARGE_SET: usize = 16;

/// Notes that a subject shows up at a place.
pub fn add<H: Host>(
    state: &mut State<H>,
    database: usize,
    whom: HashedSubject<'_>,
    place: PlaceRef<'_>,
    news: LivenessChange,
) -> Added {
    let added = state.databases[database].index.add(whom, place, news);
    if added.count.is_some_and(|count| count >= LARGE_SET && count.is_power_of_two()) {
        state.grown.push((database, whom.subject, whom.id.to_vec()));
    }
    added
}
