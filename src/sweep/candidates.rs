//! Users who may have ceased to be live: what changed is told here, and they are looked at soon or by the next sweep.

use std::time::Instant;

use super::{cascade, judge};
use crate::{
    engine::server::Server,
    index::{Mark, News},
    layout::Holder,
    state::{self, State},
};

/// So many users wait to be looked at; of more, the next sweep takes care. Those whose session ended by itself wait however
/// many they are: without a sweep nobody else would.
const MOST_CANDIDATES: usize = 1 << 16;

/// A user to be looked at soon.
#[derive(Debug)]
pub struct Candidate {
    /// The number of the user's database.
    pub(super) database: usize,
    user: Box<[u8]>,
    /// A key expired or was evicted.
    has_expired: bool,
}

/// A key by which a user may be live is gone, or is not what it was.
pub fn doubt(state: &mut State, database: usize, user: &[u8], is_gone: bool) {
    let now = state.clock.moment();
    let before = state.databases[database].index.tell(user, News::Vital(now, now));
    if before.is_some() {
        heard(state, database, user, before, is_gone);
    }
}

/// Whoever was known to be stale is looked at again soon, and so is whose key is gone: since when the user is stale would
/// be forgotten otherwise, or not be noticed. The cascade wants to know of everybody.
pub fn heard(state: &mut State, database: usize, user: &[u8], before: Option<Mark>, is_gone: bool) {
    let is_urgent = is_gone || matches!(before, Some(Mark::Stale(_))) || state.options.expire_cascade;
    if is_urgent {
        add(state, Candidate { database, user: user.into(), has_expired: false });
    }
}

/// A key by which somebody may be live expired or was evicted.
pub fn expired(state: &mut State, database: usize, holder: Holder<'_>) {
    let users = state.databases[database].users_by(holder);
    if let (Holder::Socket(socket), true) = (holder, users.is_empty()) {
        state.sweeping.unknown_ends.push((database, socket.into()));
    }
    for user in users {
        add(state, Candidate { database, user, has_expired: true });
    }
}

/// What was read is noted: whose were the sockets that ended meanwhile? Of one that is still nobody's nobody ever asks.
pub fn find_out(state: &mut State) {
    for (database, socket) in std::mem::take(&mut state.sweeping.unknown_ends) {
        for user in state.databases[database].users_by(Holder::Socket(&socket)) {
            add(state, Candidate { database, user, has_expired: true });
        }
    }
}

/// A user was live until now. However many those are, nobody else knows of them any more.
pub(super) fn ended(state: &mut State, database: usize, user: Box<[u8]>) {
    state.sweeping.candidates.push_back(Candidate { database, user, has_expired: true });
}

fn add(state: &mut State, candidate: Candidate) {
    let candidates = &mut state.sweeping.candidates;
    let count = candidates.len();
    let is_same = |last: &&mut Candidate| last.database == candidate.database && last.user == candidate.user;
    if let Some(last) = candidates.back_mut().filter(is_same) {
        last.has_expired |= candidate.has_expired;
    } else if count < MOST_CANDIDATES || (candidate.has_expired && state.options.expire_cascade) {
        candidates.push_back(candidate);
    }
}

/// Looks at those who wait, until `deadline`. `true` if there are more. Leaves another database selected.
pub fn look(server: &Server, deadline: Instant) -> bool {
    while let Some(Candidate { database, user, has_expired }) =
        state::with(|state| state.sweeping.candidates.pop_front())
    {
        server.select(database);
        // What cannot be judged now stays doubtful for the next sweep.
        if let Ok(Some(ghost)) = judge::judge(server, &user)
            && has_expired
        {
            state::with(|state| cascade::depart(state, database, &user, ghost.since));
        }
        if Instant::now() >= deadline {
            return state::with(|state| !state.sweeping.candidates.is_empty());
        }
    }
    false
}
