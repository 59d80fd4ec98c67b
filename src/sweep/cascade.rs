//! The expiry cascade: a user whose mapping or data key expired is cleaned up after the grace, without waiting for a sweep.
//!
//! A server deletes keys that have expired when it comes across them, which may take minutes among many keys. So the
//! moment is read from the index, which knows until when a user is live, and not taken from the server's events alone:
//! those tell of keys that were evicted, and of keys that ended before anybody had looked.

use std::{cmp::Reverse, time::Instant};

use super::{candidates, judge};
use crate::{
    engine::server::{Caller, Server},
    index::{SHARDS, Tick},
    session::{self, Cause, Occasion},
    state::{self, Clock},
};

/// A user who is cleaned up then, if still stale for the same reason. The earliest is the greatest, as a heap wants it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Departure {
    /// In milliseconds since 1970: the indexes' clock may begin anew before.
    at: Reverse<u64>,
    database: usize,
    user: Box<[u8]>,
    /// Since when the user has been stale. Whoever is so since later came back meanwhile, and may have left otherwise.
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
pub fn depart(database: usize, user: Box<[u8]>, since: Tick) {
    state::with(|state| {
        if state.options.expire_cascade {
            let at = Reverse(state.clock.milliseconds_at(since.later(state.options.grace())));
            state.sweeping.departures.push(Departure { at, database, user, since });
        }
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

/// Cleans up those whose grace is over, until `deadline`. `true` if there are more. Leaves another database selected.
pub fn clean(server: &Server, deadline: Instant) -> bool {
    loop {
        let next = state::with(|state| {
            let passed = Clock::milliseconds();
            let is_due = state.sweeping.departures.peek().is_some_and(|departure| departure.at.0 <= passed);
            if is_due { state.sweeping.departures.pop() } else { None }
        });
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
