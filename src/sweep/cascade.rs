//! The expiry cascade: a user whose mapping or data key expired is cleaned up after the grace, without waiting for a sweep.
//!
//! A server deletes keys that have expired when it comes across them, which may take minutes among many keys. So the
//! moment is read from the index, which knows until when a user is live, and not taken from the server's events alone:
//! those tell of keys that were evicted, and of keys that ended before anybody had looked.

use std::{cmp::Reverse, time::Instant};

use super::{candidates, gate, job::Job, judge};
use crate::{
    engine::server::{Caller, Server},
    index::{SHARDS, Tick},
    session::{self, Cause, Occasion},
    state::{self, Clock, State},
};

/// A user whose session ended by itself, and who is cleaned up when the grace is over, if still stale for the same reason.
/// Who has been so for longest is the greatest, as a heap wants it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Departure {
    /// Since when, in milliseconds since 1970: the indexes' clock may begin anew before.
    ended: Reverse<u64>,
    database: usize,
    user: Box<[u8]>,
    /// The same by the indexes' clock. Whoever is stale since later came back meanwhile, and may have left otherwise.
    since: Tick,
}

impl Departure {
    /// The user's database has another number now.
    #[must_use]
    pub fn in_database(self, number: impl Fn(usize) -> usize) -> Self {
        Self { database: number(self.database), ..self }
    }

    /// The marks that say since when somebody is stale are gone.
    #[must_use]
    pub fn without_since(self) -> Self {
        Self { since: Tick::LAST, ..self }
    }
}

/// Notes that a user's session ended by itself.
pub fn depart(state: &mut State, database: usize, user: &[u8], since: Tick) {
    if state.options.expire_cascade {
        let ended = Reverse(state.clock.milliseconds_at(since));
        state.sweeping.departures.push(Departure { ended, database, user: user.into(), since });
    }
}

/// Has everybody looked at once of whom it is not known until when they are live: when the cascade was switched on, and
/// when the indexes were begun anew.
pub fn settle() {
    state::with(|state| {
        let is_on = state.options.expire_cascade && state.layout.sockets.is_some();
        if !is_on {
            state.sweeping.departures.clear();
        }
        if is_on && !state.sweeping.is_settled {
            let databases = 0..state.databases.len();
            let used = databases.filter(|database| !state.databases[*database].index.is_empty());
            let jobs: Vec<Job> = used.map(Job::to_settle).collect();
            state.sweeping.jobs.extend(jobs);
        }
        state.sweeping.is_settled = is_on;
    });
}

/// Where so many users wait to be looked at, no more are looked for.
const ENOUGH: usize = 4096;

/// Finds users who were live until now, and leaves it to the next slices to look at them. Called a few times a second.
pub fn find_ended() {
    state::with(|state| {
        if !state.options.expire_cascade {
            return;
        }
        let now = state.clock.now();
        for database in 0..state.databases.len() {
            for shard in 0..SHARDS {
                // The others are found the next time.
                if state.sweeping.candidates.len() > ENOUGH {
                    return;
                }
                for user in state.databases[database].index.ended(shard, now) {
                    candidates::ended(state, database, user);
                }
            }
        }
    });
}

/// Cleans up those whose grace is over, until `deadline`. `true` if there are more to be cleaned up now. Leaves another database selected.
pub fn clean(server: &Server, deadline: Instant) -> bool {
    loop {
        let is_due = state::with(|state| {
            let grace = u64::try_from(state.options.grace().as_millis()).unwrap_or(u64::MAX);
            let passed = Clock::milliseconds().saturating_sub(grace);
            state.sweeping.departures.peek().is_some_and(|departure| departure.ended.0 <= passed)
        });
        // While the server refuses writes they wait.
        if !is_due || gate::pass(server).is_err() {
            return false;
        }
        let next = state::with(|state| state.sweeping.departures.pop());
        let Some(Departure { database, user, since, .. }) = next else { return false };
        server.select(database);
        let began = Instant::now();
        if let Ok(Some(ghost)) = judge::judge(server, &user)
            && ghost.since <= since
            && let Ok(checked) = ghost.plan.check(server, &Caller::anybody(), false)
        {
            session::log_out(server, &checked, Occasion::user(Cause::Expiry, began));
        }
        if Instant::now() >= deadline {
            return true;
        }
    }
}
