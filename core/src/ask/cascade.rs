//! The expiry cascade: a user whose mapping or data key expired is cleaned up after the grace, without waiting for a sweep.
//!
//! A server deletes keys that have expired when it comes across them, which may take minutes among many keys. So the
//! moment is read from the index, which knows until when a user is live, and not taken from the server's events alone:
//! those tell of keys that were evicted, and of keys that ended before anybody had looked.

use std::{cmp::Reverse, time::Instant};

use super::{
    context::{Cause, LogoutContext},
    dead, follow, gate,
    judge::{self, Judged},
    logout,
};
use crate::{
    known::{
        candidates,
        job::Job,
        sweeping::{Candidate, PendingExpiry},
    },
    ports::Host,
    session::Ask,
};

/// So many users are asked about together.
const MOST_TOGETHER: usize = 32;

/// Cleans up those whose grace is over, until `deadline`. `true` if there are more to be cleaned up now. Leaves another database selected.
pub fn clean<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    loop {
        let now = ask.host.now();
        let is_due = ask.state(|state| {
            let grace = u64::try_from(state.options.grace().as_millis()).unwrap_or(u64::MAX);
            let passed = now.saturating_sub(grace);
            state.sweeping.pending_expiries.peek().is_some_and(|expiry| expiry.ended.0 <= passed)
        });
        // While the server refuses writes they wait.
        if !is_due || gate::pass(ask).is_err() {
            return false;
        }
        let next = ask.state(|state| state.sweeping.pending_expiries.pop());
        let Some(PendingExpiry { database, user, since, ended: Reverse(ended) }) = next else { return false };
        ask.host.select(database);
        let began = ask.host.instant();
        match judge::judge(ask, &user) {
            Judged::Stale(stale_user) if stale_user.since <= since && !ask.host.peers().is_empty() => {
                ask_all(ask, database, user, Some(ended));
            }
            Judged::Unclear(_) | Judged::Other if !ask.host.peers().is_empty() => {
                ask_all(ask, database, user, None);
            }
            Judged::Stale(stale_user) if stale_user.since <= since => {
                let context = LogoutContext::user(Cause::Expiry, began);
                if let Ok(checked) = logout::check(ask, stale_user.plan, &context, &ask.host.anybody(), false) {
                    logout::log_out(ask, &checked, context);
                }
            }
            Judged::Live(sockets) => {
                // One at a time: each was noted by itself. The server itself may do it.
                if let Some(socket) = sockets.iter().find(|socket| socket.since <= ended) {
                    let _ = dead::log_out(ask, &user, &socket.id, &ask.host.anybody(), Cause::Expiry);
                }
            }
            _ => {}
        }
        if ask.host.instant() >= deadline {
            return true;
        }
    }
}

/// Has all nodes of a cluster judge a user.
fn ask_all<H: Host>(ask: Ask<'_, H>, database: usize, user: Box<[u8]>, since: Option<u64>) {
    let now = ask.host.instant();
    ask.state(|state| {
        let fits =
            |job: &&mut Job<H>| job.has_expired && job.database == database && job.suspects.len() < MOST_TOGETHER;
        match state.cluster.asking.last_mut().filter(fits) {
            Some(job) => job.suspects.push((user, since)),
            None => state.cluster.asking.push(Job::of_expired(database, user, since, now)),
        }
        state.wants.soon = true;
    });
}

/// Looks at those who wait, until `deadline`. `true` if there are more. Leaves another database selected.
pub fn look<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    while let Some(Candidate { database, user, has_expired }) = ask.state(|state| state.sweeping.candidates.pop_front())
    {
        ask.host.select(database);
        // What cannot be judged now stays doubtful for the next sweep.
        match judge::judge(ask, &user) {
            Judged::Stale(stale_user) if has_expired => {
                ask.state(|state| candidates::note_expiry(state, database, &user, stale_user.since));
            }
            // Others may know, or hold what is left of the user.
            Judged::Unclear(_) | Judged::Other if has_expired && ask.host.is_cluster() => {
                let now = ask.host.now();
                ask.state(|state| candidates::note_expiry(state, database, &user, state.clock.after(now)));
            }
            Judged::Live(dead) if has_expired => {
                ask.state(|state| candidates::note_dead(state, database, &user, &dead));
            }
            _ => {}
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
