//! The expiry cascade: a user whose mapping or data key expired is cleaned up after the grace, without waiting for a sweep.
//!
//! A server deletes keys that have expired when it comes across them, which may take minutes among many keys. So the
//! moment is read from the index, which knows until when a user is live, and not taken from the server's events alone:
//! those tell of keys that were evicted, and of keys that ended before anybody had looked.

use std::time::Instant;

use super::{
    follow, gate, judge, logout,
    occasion::{Cause, Occasion},
};
use crate::{
    known::{
        candidates,
        sweeping::{Candidate, Departure},
    },
    ports::Host,
    session::Ask,
};

/// Cleans up those whose grace is over, until `deadline`. `true` if there are more to be cleaned up now. Leaves another database selected.
pub fn clean<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    loop {
        let now = ask.host.now();
        let is_due = ask.state(|state| {
            let grace = u64::try_from(state.options.grace().as_millis()).unwrap_or(u64::MAX);
            let passed = now.saturating_sub(grace);
            state.sweeping.departures.peek().is_some_and(|departure| departure.ended.0 <= passed)
        });
        // While the server refuses writes they wait.
        if !is_due || gate::pass(ask).is_err() {
            return false;
        }
        let next = ask.state(|state| state.sweeping.departures.pop());
        let Some(Departure { database, user, since, .. }) = next else { return false };
        ask.host.select(database);
        let began = ask.host.instant();
        if let Ok(Some(ghost)) = judge::judge(ask, &user)
            && ghost.since <= since
            && let Ok(checked) = ghost.plan.check(ask.host, &ask.host.anybody(), false)
        {
            logout::log_out(ask, &checked, Occasion::user(Cause::Expiry, began));
        }
        if ask.host.instant() >= deadline {
            return true;
        }
    }
}

/// Looks at those who wait, until `deadline`. `true` if there are more. Leaves another database selected.
pub fn look<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    while let Some(Candidate { database, user, has_expired }) = ask.state(|state| state.sweeping.candidates.pop_front())
    {
        ask.host.select(database);
        // What cannot be judged now stays doubtful for the next sweep.
        if let Ok(Some(ghost)) = judge::judge(ask, &user)
            && has_expired
        {
            ask.state(|state| candidates::depart(state, database, &user, ghost.since));
        }
        if ask.host.instant() >= deadline {
            return ask.state(|state| !state.sweeping.candidates.is_empty());
        }
    }
    false
}

/// A key expired or was evicted. It is gone already.
pub fn key_ended<H: Host>(ask: Ask<'_, H>, name: &[u8]) {
    let database = ask.host.database();
    let is_vital = ask.state(|state| {
        let layout = state.layout.clone();
        let holder = layout.sockets.as_ref().and_then(|sockets| sockets.holder(name));
        holder.map(|holder| candidates::expired(state, database, holder)).is_some()
    });
    if is_vital {
        follow::changed(ask, ask.host.name(name));
    }
}
