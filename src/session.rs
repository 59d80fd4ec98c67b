//! One user's logout, from the state's side: what every caller of the phases in [`crate::plan`] does around them.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use crate::{
    engine::{
        keyspace,
        server::{Name, Server},
        slots::View,
    },
    error::Error,
    faults,
    index::{Mark, PlaceRef, SocketHash, Subject, Whom},
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
    check_view(server)?;
    upkeep::catch_up(server);
    plan_now(server, user, detail)
}

/// Refuses a command to which keys may seem gone that are there. What it found would not be all, and what is noted by it
/// would be forgotten; what is told of it might be written where nobody looks.
///
/// # Errors
/// [`Error::OneSlot`], [`Error::ClusterDown`].
pub fn check_view(server: &Server) -> Result<(), Error> {
    check_cluster(server)?;
    match server.view() {
        View::All => Ok(()),
        View::AllOfOneSlot if !Messenger::now().depends_on_slots() => Ok(()),
        View::AllOfOneSlot | View::Partial => Err(Error::OneSlot),
    }
}

/// Refuses a command while the cluster is down: nothing can be removed then, or not even be seen.
///
/// # Errors
/// [`Error::ClusterDown`].
pub fn check_cluster(server: &Server) -> Result<(), Error> {
    if server.is_in_a_cluster_that_is_down() { Err(Error::ClusterDown) } else { Ok(()) }
}

/// The same where the index is known to be right.
///
/// # Errors
/// [`Error::OneSlot`].
pub fn plan_now(server: &Server, user: &[u8], detail: Detail) -> Result<Plan<Name>, Error> {
    faults::point("plan", user);
    let layout = state::with(|state| state.layout.clone());
    let database = server.database();
    let places = |subject, id: &[u8]| state::with(|state| state.databases[database].index.places(subject, id));
    let plan = plan::find(server, &layout, &places, user, detail);
    state::with(|state| {
        state.metrics.mistyped += plan.mistyped;
        for (subject, id, place) in &plan.stale {
            state.forget_place(database, *subject, id, place.borrowed());
        }
    });
    Ok(plan)
}

/// What brought a logout about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it.
    Logout,
    /// A sweep found the user stale.
    Sweep,
    /// A key by which the user was live expired or was evicted.
    Expiry,
}

impl Cause {
    /// The reason, if nobody gave another.
    pub fn reason(self) -> &'static [u8] {
        match self {
            Self::Logout => b"logout",
            Self::Sweep => b"sweep",
            Self::Expiry => b"expired",
        }
    }
}

/// Why and how a user is logged out.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// All of the user, or one socket.
    pub scope: Scope,
    /// What brought it about.
    pub cause: Cause,
    /// The reason in words.
    pub reason: &'a [u8],
    /// When the work began.
    pub began: Instant,
}

impl Occasion<'static> {
    /// A logout of all of a user for which nobody gave a reason.
    pub fn user(cause: Cause, began: Instant) -> Self {
        Self { scope: Scope::User, cause, reason: cause.reason(), began }
    }
}

/// How much a plan has to say for a logout of which others are told, or whose sockets are fenced off.
pub fn detail() -> Detail {
    if state::with(|state| state.is_fencing()) || Messenger::now().has_audience() {
        Detail::Audience
    } else {
        Detail::Names
    }
}

/// Removes what was planned, fences it off, and tells whoever is to be told, the log and INFO.
pub fn log_out(server: &Server, checked: &Checked<Name>, occasion: Occasion<'_>) -> Removed {
    let user = &checked.plan().user;
    let messenger = Messenger::now();
    let ready = messenger.prepare(server, checked.plan(), occasion);
    if occasion.scope == Scope::User && checked.plan().left_out == 0 {
        forget(server, checked.plan());
    }
    faults::point("apply", user);
    let removed = checked.apply(server);
    if removed.total() > 0 {
        fence_off(server, checked.plan());
        if let Some(ready) = ready {
            messenger::tell(server, &ready, user, removed.total());
        }
        let took = occasion.began.elapsed();
        let level = state::with(|state| {
            let is_asked_for = occasion.cause == Cause::Logout;
            state.metrics.count(removed, is_asked_for.then_some(took));
            state.sweeping.report.users += u64::from(!is_asked_for);
            // A sweep has one line at its end.
            let is_told = occasion.cause != Cause::Sweep && state.journal.admits(occasion.began + took, 3);
            is_told.then(|| state.options.log_level())
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

/// Remembers the sockets that were logged out, so that a request in flight does not bring their data back.
fn fence_off(server: &Server, plan: &Plan<Name>) {
    if !state::with(|state| state.is_fencing()) {
        return;
    }
    keyspace::watch_new_keys(server);
    let database = server.database();
    state::with(|state| {
        let lasts = state.options.fence().unwrap_or_default();
        let (now, fence) = (Instant::now(), &mut state.sweeping.fence);
        fence.tidy(now);
        plan.sockets_gone().for_each(|socket| fence.add(database, socket, &plan.user, now, lasts));
    });
}

/// What the index knows of the user is about to be gone. Before the first change, not after the last: what somebody adds
/// meanwhile must stay known. A collection whose name holds the user may stay, with members that are nobody's yet, and
/// a sweep leaves some traces alone.
fn forget(server: &Server, plan: &Plan<Name>) {
    let database = server.database();
    state::with(|state| {
        let (known, layout) = (&mut state.databases[database], &state.layout);
        // By a mapping that is no trace, a sweep finds the user again.
        let keeps_mapping = !layout.removes_mapping();
        let stays = |place: PlaceRef<'_>| {
            let trace = &layout.traces[place.trace()];
            trace.reach == Reach::ByName && matches!(trace.what, What::Member { .. })
                || plan.detail == Detail::Ghost && !trace.sweep
                || keeps_mapping && trace.what == What::Mapping
        };
        // Those whose data is gone already too, which no plan tells.
        let sockets = RefCell::new(Vec::new());
        let forgets = |place: PlaceRef<'_>| {
            let socket = layout.owned_socket(place).map(SocketHash::of);
            sockets.borrow_mut().extend(socket);
        };
        known.index.retain(Subject::User, &plan.user, |place| {
            let stays = stays(place);
            if !stays {
                forgets(place);
            }
            stays
        });
        let mark = if keeps_mapping { Mark::Doubtful(state.clock.now()) } else { Mark::Quiet };
        known.index.set_mark(&plan.user, mark);
        for socket in &plan.sockets {
            known.index.retain(Subject::Socket, &socket.id, stays);
        }
        // Where no data says whose a socket is, the plan does, or at least the names of keys.
        let is_told = layout.sockets.as_ref().is_some_and(|sockets| sockets.owned.is_some());
        let planned = plan.sockets.iter().map(|socket| &*socket.id);
        let planned = planned.chain(plan.keys.iter().filter_map(|key| key.socket()));
        let planned = planned.filter(|_| !is_told).map(SocketHash::of);
        let user = Whom::new(Subject::User, &plan.user).hash;
        for socket in sockets.into_inner().into_iter().chain(planned) {
            known.index.forget_owner(socket, user);
        }
    });
}
