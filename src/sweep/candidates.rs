//! Users who may have ceased to be live: what changed is told here, and they are looked at soon or by the next sweep.

use std::time::Instant;

use super::{cascade, judge};
use crate::{
    engine::server::Server,
    index::{Mark, Tick},
    layout::Holder,
    plan::End,
    state::{self, State},
};

/// So many users wait to be looked at; of more, the next sweep takes care.
const MOST_CANDIDATES: usize = 1 << 16;

/// A user to be looked at soon.
#[derive(Debug)]
pub struct Candidate {
    database: usize,
    user: Box<[u8]>,
    /// A key expired or was evicted.
    has_expired: bool,
}

/// A key by which somebody may be live was written, deleted, or only seen; `end` says when it ends now.
pub fn doubt(state: &mut State, database: usize, holder: Holder<'_>, end: End) {
    let user: Box<[u8]> = match holder {
        Holder::User(user) => user.into(),
        Holder::Socket(socket) => {
            let Some(user) = state.databases[database].owners.get(socket) else { return };
            user.into()
        }
    };
    doubt_user(state, database, user, end);
}

/// The same for a user by id.
pub fn doubt_user(state: &mut State, database: usize, user: Box<[u8]>, end: End) {
    let now = state.clock.now();
    let index = &mut state.databases[database].index;
    let Some(mark) = index.mark(&user) else { return };
    let earliest = match end {
        End::At(moment) => state.clock.tick(moment).next().max(now),
        End::Unknown | End::Gone | End::Never => now,
    };
    // Another of the user's keys may end later; a later moment errs towards leaving the user alone for a while.
    let earliest = match mark {
        Mark::Doubtful(since) => earliest.max(since),
        Mark::Live(until) if until < Tick::LAST => earliest.max(until),
        Mark::Live(_) | Mark::Stale(_) | Mark::Quiet => earliest,
    };
    // What is known to be stale is not forgotten before somebody has looked.
    let is_stale = matches!(mark, Mark::Stale(_));
    if !is_stale {
        index.set_mark(&user, Mark::Doubtful(earliest));
    }
    if is_stale || end == End::Gone || state.options.expire_cascade {
        add(state, Candidate { database, user, has_expired: false });
    }
}

/// A key by which somebody may be live expired or was evicted.
pub fn expired(state: &mut State, database: usize, holder: Holder<'_>) {
    let user: Option<Box<[u8]>> = match holder {
        Holder::User(user) => Some(user.into()),
        Holder::Socket(socket) => state.databases[database].owners.get(socket).map(Into::into),
    };
    if let Some(user) = user {
        add(state, Candidate { database, user, has_expired: true });
    }
}

fn add(state: &mut State, candidate: Candidate) {
    let candidates = &mut state.sweeping.candidates;
    let count = candidates.len();
    let is_same = |last: &&mut Candidate| last.database == candidate.database && last.user == candidate.user;
    if let Some(last) = candidates.back_mut().filter(is_same) {
        last.has_expired |= candidate.has_expired;
    } else if count < MOST_CANDIDATES {
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
            cascade::depart(database, user, ghost.since);
        }
        if Instant::now() >= deadline {
            return state::with(|state| !state.sweeping.candidates.is_empty());
        }
    }
    false
}
