//! One user's logout, from the state's side: what every caller of the phases in [`crate::plan`] does around them.

use std::time::{Duration, Instant};

use crate::{
    engine::server::{Name, Server},
    faults,
    index::Subject,
    journal,
    plan::{self, Checked, Plan, Removed, Scope},
    state, upkeep,
};

/// Every trace of the user in the selected database at this instant.
pub fn plan(server: &Server, user: &[u8]) -> Plan<Name> {
    upkeep::catch_up(server);
    faults::point("plan", user);
    let layout = state::with(|state| state.layout.clone());
    let database = server.database();
    let places = |subject, id: &[u8]| state::with(|state| state.databases[database].index.places(subject, id));
    let plan = plan::find(server, &layout, &places, user);
    state::with(|state| {
        state.metrics.mistyped += plan.mistyped;
        let index = &mut state.databases[database].index;
        plan.stale.iter().for_each(|(subject, id, place)| index.remove(*subject, id, place));
    });
    plan
}

/// Why and how a user is logged out.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// All of the user, or one socket.
    pub scope: Scope,
    /// What the caller gave as the reason.
    pub reason: &'a [u8],
    /// When the work began.
    pub began: Instant,
}

/// Removes what was planned, and tells the log and INFO.
pub fn log_out(server: &Server, checked: &Checked<Name>, occasion: Occasion<'_>) -> Removed {
    if checked.plan().removed() == 0 {
        return Removed::default();
    }
    let user = &checked.plan().user;
    let is_logged = state::with(|state| state.journal.admits(Instant::now(), 3).then_some(state.log_level));
    let log = |line: &str| {
        if let Some(level) = is_logged {
            server.log(level.name(), line);
        }
    };
    log("=== USER LOGOUT DETECTED ===");
    log(&format!(
        "=== CLEANING UP USER LOGOUT === user={} reason={}",
        journal::printable(user),
        journal::printable(occasion.reason)
    ));
    if occasion.scope == Scope::User {
        forget(server, checked.plan());
    }
    faults::point("apply", user);
    let removed = checked.apply(server);
    let took = occasion.began.elapsed();
    count(removed, took);
    log(&format!(
        "SUCCESS: User logout cleanup completed user={} keys={} members={} entries={} usec={}",
        journal::printable(user),
        removed.keys,
        removed.members,
        removed.entries,
        took.as_micros()
    ));
    if is_logged.is_none() {
        crate::engine::watching::wake(server);
    }
    faults::point("applied", user);
    removed
}

/// What the index knows of the user is about to be gone. Before the first change, not after the last: what somebody adds
/// meanwhile must stay known.
fn forget(server: &Server, plan: &Plan<Name>) {
    let database = server.database();
    state::with(|state| {
        let index = &mut state.databases[database].index;
        index.forget(Subject::User, &plan.user);
        plan.sockets.iter().for_each(|socket| index.forget(Subject::Socket, &socket.id));
    });
}

fn count(removed: Removed, took: Duration) {
    state::with(|state| {
        let metrics = &mut state.metrics;
        metrics.logouts += 1;
        metrics.removed.keys += removed.keys;
        metrics.removed.members += removed.members;
        metrics.removed.entries += removed.entries;
        metrics.slowest = metrics.slowest.max(took);
    });
}
