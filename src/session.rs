//! One user's logout, from the state's side: what every caller of the phases in [`crate::plan`] does around them.

use std::time::{Duration, Instant};

use crate::{
    engine::server::{Name, Server},
    error::Error,
    faults,
    index::{PlaceRef, Subject},
    journal::{self, Level},
    layout::{Reach, What},
    messenger::{self, Messenger},
    plan::{self, Checked, Detail, Plan, Removed, Scope},
    state, upkeep,
};

/// Every trace of the user in the selected database at this instant.
///
/// # Errors
/// [`Error::OneSlot`].
pub fn plan(server: &Server, user: &[u8], detail: Detail) -> Result<Plan<Name>, Error> {
    if !server.sees_all_slots() {
        return Err(Error::OneSlot);
    }
    upkeep::catch_up(server);
    faults::point("plan", user);
    let layout = state::with(|state| state.layout.clone());
    let database = server.database();
    let places = |subject, id: &[u8]| state::with(|state| state.databases[database].index.places(subject, id));
    let plan = plan::find(server, &layout, &places, user, detail);
    state::with(|state| {
        state.metrics.mistyped += plan.mistyped;
        let index = &mut state.databases[database].index;
        plan.stale.iter().for_each(|(subject, id, place)| index.remove(*subject, id, place.borrowed()));
    });
    Ok(plan)
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

/// How much a plan has to say for a logout that others may be told of.
pub fn detail() -> Detail {
    if Messenger::now().has_audience() { Detail::Audience } else { Detail::Names }
}

/// Removes what was planned, and tells whoever is to be told, the log and INFO.
pub fn log_out(server: &Server, checked: &Checked<Name>, occasion: Occasion<'_>) -> Removed {
    let user = &checked.plan().user;
    let messenger = Messenger::now();
    let ready = messenger.prepare(server, checked.plan(), occasion);
    if occasion.scope == Scope::User && !checked.plan().is_partial {
        forget(server, checked.plan());
    }
    faults::point("apply", user);
    let removed = checked.apply(server);
    if removed.total() > 0 {
        if let Some(ready) = ready {
            messenger::tell(server, &ready, user, removed.total());
        }
        let took = occasion.began.elapsed();
        let level = state::with(|state| {
            state.metrics.count(removed, took);
            state.journal.admits(Instant::now(), 3).then_some(state.options.log_level())
        });
        if let Some(level) = level {
            write_lines(server, level, user, &occasion, removed, took);
        }
        faults::point("applied", user);
    }
    removed
}

fn write_lines(server: &Server, level: Level, user: &[u8], occasion: &Occasion<'_>, removed: Removed, took: Duration) {
    let user = journal::printable(user);
    let reason = journal::printable(occasion.reason);
    let Removed { keys, members, entries } = removed;
    let counts = format!("keys={keys} members={members} entries={entries} usec={}", took.as_micros());
    server.log(level.name(), "=== USER LOGOUT DETECTED ===");
    server.log(level.name(), &format!("=== CLEANING UP USER LOGOUT === user={user} reason={reason}"));
    server.log(level.name(), &format!("SUCCESS: User logout cleanup completed user={user} {counts}"));
}

/// What the index knows of the user is about to be gone. Before the first change, not after the last: what somebody adds
/// meanwhile must stay known. A collection whose name holds the user may stay, with members that are nobody's yet.
fn forget(server: &Server, plan: &Plan<Name>) {
    let database = server.database();
    state::with(|state| {
        let (index, traces) = (&mut state.databases[database].index, &state.layout.traces);
        let stays = |place: PlaceRef<'_>| {
            let trace = &traces[place.trace()];
            trace.reach == Reach::ByName && matches!(trace.what, What::Member { .. })
        };
        index.retain(Subject::User, &plan.user, stays);
        plan.sockets.iter().for_each(|socket| index.retain(Subject::Socket, &socket.id, |_| false));
    });
}
