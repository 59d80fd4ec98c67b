//! Users who may have ceased to be live: what changed is told here, and they are looked at soon or by the next sweep.

use std::{cmp::Reverse, time::Instant};

use super::{
    dead::DeadSocket,
    job::Job,
    state::State,
    sweeping::{Candidate, PendingExpiry},
};
use crate::{
    index::{HashedSubject, LivenessChange, LivenessMark, PlaceRef, SHARDS, SocketHash, Subject, Tick},
    layout::Holder,
    ports::Host,
};

/// The most users that wait to be looked at; of more, the next sweep takes care. Those whose session ended by itself wait however
/// many they are: without a sweep nobody else would.
const MOST_CANDIDATES: usize = 1 << 16;

/// A key by which a user may be live is gone, or is not what it was.
pub fn doubt<H: Host>(state: &mut State<H>, database: usize, user: &[u8], is_gone: bool) {
    let now = state.clock.moment();
    let before = state.databases[database].index.tell(user, LivenessChange::Vital(now, now));
    if before.is_some() {
        heard(state, database, user, before, is_gone);
    }
}

/// A user who was known to be stale is looked at again soon, and so is one whose key is gone: since when the user is stale would
/// be forgotten otherwise, or not be noticed. The cascade wants to know of everybody.
pub fn heard<H: Host>(state: &mut State<H>, database: usize, user: &[u8], before: Option<LivenessMark>, is_gone: bool) {
    let is_urgent = is_gone || matches!(before, Some(LivenessMark::Stale(_))) || state.options.expire_cascade;
    if is_urgent {
        add(state, Candidate { database, user: user.into(), has_expired: false });
    }
}

/// A key by which somebody may be live expired or was evicted.
pub fn expired<H: Host>(state: &mut State<H>, database: usize, holder: Holder<'_>) {
    let users = state.databases[database].users_by(holder);
    if let (Holder::Socket(socket), true) = (holder, users.is_empty()) {
        state.sweeping.unknown_ends.push((database, socket.into()));
    }
    for user in users {
        add(state, Candidate { database, user, has_expired: true });
    }
}

/// What was read is noted: whose were the sockets that ended meanwhile? Of one that is still nobody's nobody ever asks.
pub fn find_out<H: Host>(state: &mut State<H>) {
    for (database, socket) in std::mem::take(&mut state.sweeping.unknown_ends) {
        for user in state.databases[database].users_by(Holder::Socket(&socket)) {
            add(state, Candidate { database, user, has_expired: true });
        }
    }
}

/// A user was live until now. However many those are, nobody else knows of them any more.
pub fn ended<H: Host>(state: &mut State<H>, database: usize, user: Box<[u8]>) {
    state.sweeping.candidates.push_back(Candidate { database, user, has_expired: true });
}

fn add<H: Host>(state: &mut State<H>, candidate: Candidate) {
    let candidates = &mut state.sweeping.candidates;
    let count = candidates.len();
    let is_same = |last: &&mut Candidate| last.database == candidate.database && last.user == candidate.user;
    if let Some(last) = candidates.back_mut().filter(is_same) {
        last.has_expired |= candidate.has_expired;
    } else if count < MOST_CANDIDATES || (candidate.has_expired && state.options.expire_cascade) {
        candidates.push_back(candidate);
    }
}

/// Notes that a user's session ended by itself.
pub fn note_expiry<H: Host>(state: &mut State<H>, database: usize, user: &[u8], since: Tick) {
    if state.options.expire_cascade {
        let ended = Reverse(state.clock.milliseconds_at(since));
        state.sweeping.pending_expiries.push(PendingExpiry { ended, database, user: user.into(), since });
    }
}

/// Users whose session ended by itself could not be judged at a time in milliseconds since 1970: they are, when the grace has passed once
/// more.
pub fn put_back<H: Host>(state: &mut State<H>, database: usize, users: Vec<(Box<[u8]>, Option<u64>)>, now: u64) {
    let expiry = |(user, _)| PendingExpiry { ended: Reverse(now), database, user, since: Tick::LAST };
    state.sweeping.pending_expiries.extend(users.into_iter().map(expiry));
}

/// Notes that sockets of a live user have no data key any more.
pub fn note_dead<H: Host>(state: &mut State<H>, database: usize, user: &[u8], dead: &[DeadSocket]) {
    if state.options.expire_cascade {
        let since = Tick::LAST;
        let expiry =
            |socket: &DeadSocket| PendingExpiry { ended: Reverse(socket.since), database, user: user.into(), since };
        state.sweeping.pending_expiries.extend(dead.iter().map(expiry));
    }
}

/// Has everybody looked at once whose session may end at a time that is not known: when the cascade was switched on, and
/// when the indexes were begun anew.
pub fn settle<H: Host>(state: &mut State<H>, began: Instant) {
    let is_on = state.options.expire_cascade && state.layout.tells_live();
    if !is_on {
        state.sweeping.pending_expiries.clear();
    }
    if is_on && !state.sweeping.is_settled {
        let databases = 0..state.databases.len();
        let used = databases.filter(|database| !state.databases[*database].index.is_empty());
        let jobs: Vec<Job<H>> = used.map(|database| Job::to_settle(database, began)).collect();
        state.sweeping.jobs.extend(jobs);
    }
    state.sweeping.is_settled = is_on;
}

/// While this many users wait to be looked at, no more are looked for.
const ENOUGH: usize = 4096;

/// Finds users who were live until now, and leaves it to the next slices to look at them. Called a few times a second.
pub fn find_ended<H: Host>(state: &mut State<H>, now: u64) {
    if !state.options.expire_cascade {
        return;
    }
    let now = state.clock.after(now);
    for database in 0..state.databases.len() {
        for shard in 0..SHARDS {
            // The others are found the next time.
            if state.sweeping.candidates.len() > ENOUGH {
                return;
            }
            for user in state.databases[database].index.ended(shard, now) {
                ended(state, database, user);
            }
        }
    }
}

impl<H: Host> State<H> {
    /// Forgets that a subject shows up at a place of a database.
    pub fn forget_place(&mut self, database: usize, subject: Subject, id: &[u8], place: PlaceRef<'_>, now: u64) {
        let (layout, index) = (self.layout.clone(), &mut self.databases[database].index);
        index.remove(subject, id, place);
        let Some(socket) = layout.owned_socket(place) else { return };
        index.forget_owner(SocketHash::of(socket), HashedSubject::new(Subject::User, id).hash);
        // The socket may be in the mapping still, or another one may be. When that ends, nothing tells that it matters to
        // this user. An end that has come is left to the look for ends.
        let now = self.clock.after(now);
        let until = index.mark(id).and_then(LivenessMark::live_until).filter(|until| *until > now);
        if let Some(until) = until {
            index.set_mark(id, LivenessMark::Doubtful(until.next().min(now)));
            doubt(self, database, id, true);
        }
    }
}
