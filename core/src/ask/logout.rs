//! One user's logout, from the state's side: what every caller of the phases in [`crate::plan`] does around them.

use std::{cell::RefCell, time::Duration};

use super::{
    context::{Cause, LogoutContext},
    follow, read,
    tell::{self, Messenger},
};
use crate::{
    error::Error,
    events::{self, Departure, new_id},
    faults,
    index::{HashedSubject, LivenessMark, PlaceRef, SocketHash, Subject},
    journal::{self, Level},
    known::{candidates, fence::FORGOTTEN_BY_A_LOGOUT, wants::Events},
    layout::{Reach, What},
    plan::{self, Checked, Detail, Gone, Part, Plan, Removed, Scope, Told, Unfit, Write},
    ports::{Host, May, Permissions, View},
    session::Ask,
    template::Bindings,
    wire::Stamp,
};

/// Every trace of the user in the selected database at this instant, or a part of them; `told` is what all nodes of a cluster know
/// together of the user's sockets, if they were asked.
///
/// # Errors
/// [`Error::OneSlot`].
pub fn plan<H: Host>(
    ask: Ask<'_, H>,
    user: &[u8],
    detail: Detail,
    part: Part<'_>,
    told: Option<&Told>,
) -> Result<Box<Plan<H::Name>>, Error> {
    check_view(ask)?;
    read::catch_up(ask);
    Ok(plan_part(ask, user, detail, part, told))
}

/// The same between commands, where every key is seen, as long as the cluster is up: see [`check_cluster`].
pub fn plan_between<H: Host>(
    ask: Ask<'_, H>,
    user: &[u8],
    detail: Detail,
    part: Part<'_>,
    told: Option<&Told>,
) -> Box<Plan<H::Name>> {
    read::catch_up(ask);
    plan_part(ask, user, detail, part, told)
}

/// Refuses a command to which keys may seem gone that are there. What it found would not be all, and what is noted by it
/// would be forgotten; what is told of it might be written where nobody looks.
///
/// # Errors
/// [`Error::OneSlot`], [`Error::ClusterDown`].
pub fn check_view<H: Host>(ask: Ask<'_, H>) -> Result<(), Error> {
    check_cluster(ask)?;
    match ask.host.view(ask.state(|state| state.databases.len())) {
        View::All => Ok(()),
        View::AllOfOneSlot if !Messenger::now(ask).depends_on_slots() => Ok(()),
        View::AllOfOneSlot | View::Partial => Err(Error::OneSlot),
    }
}

/// Refuses a command while the cluster is down: nothing can be removed then, or not even be seen.
///
/// # Errors
/// [`Error::ClusterDown`].
pub fn check_cluster<H: Host>(ask: Ask<'_, H>) -> Result<(), Error> {
    if ask.host.is_in_a_cluster_that_is_down() { Err(Error::ClusterDown) } else { Ok(()) }
}

/// The same where the index is known to be right.
pub fn plan_now<H: Host>(ask: Ask<'_, H>, user: &[u8], detail: Detail) -> Box<Plan<H::Name>> {
    plan_part(ask, user, detail, &[], None)
}

fn plan_part<H: Host>(
    ask: Ask<'_, H>,
    user: &[u8],
    detail: Detail,
    part: Part<'_>,
    told: Option<&Told>,
) -> Box<Plan<H::Name>> {
    faults::point("plan", user);
    let (layout, watcher) = ask.state(|state| (state.layout.clone(), state.watcher.clone()));
    let database = ask.host.database();
    let places = |subject, id: &[u8]| ask.state(|state| state.databases[database].index.places(subject, id));
    let has_sockets = ask.state(|state| state.databases[database].index.has_sockets());
    let known = plan::Known { places: &places, has_sockets, unseen: Some(watcher.unseen()), told };
    let plan = plan::find(ask.host, &layout, known, user, detail, part);
    let now = ask.host.now();
    ask.state(|state| {
        state.metrics.mistyped += plan.mistyped;
        for (subject, id, place) in &plan.stale {
            state.forget_place(database, *subject, id, place.borrowed(), now);
        }
    });
    plan
}

/// How much a plan has to say for a logout that others are told of, or that fences sockets off.
pub fn detail<H: Host>(ask: Ask<'_, H>) -> Detail {
    if ask.state(|state| state.is_fencing() || !state.layout.then.is_empty()) || Messenger::now(ask).has_audience() {
        Detail::Audience
    } else {
        Detail::Names
    }
}

/// Asks whether the caller may carry out a plan, with what the layout has written then; see [`Plan::check`].
///
/// # Errors
/// [`Error::NoPermission`].
pub fn check<H: Host>(
    ask: Ask<'_, H>,
    mut plan: Box<Plan<H::Name>>,
    context: &LogoutContext<'_>,
    caller: &H::Caller,
    shown: bool,
) -> Result<Checked<H::Name>, Error> {
    let layout = ask.state(|state| state.layout.clone());
    Stamp { at: plan.at, id: plan.id } = context.within.map_or_else(|| stamp(ask), Stamp::clone);
    // A replica writes nothing: its master has.
    if !layout.then.is_empty() && !ask.host.is_replica() {
        let departure = Departure::new(&plan, context.scope, context.reason);
        let (writes, left_out) = events::writes(ask.host, &layout, &plan.keys, &departure);
        plan = plan.followed_by(writes, left_out);
    }
    let checked = plan.check(ask.host, caller, shown)?;
    Ok(if context.within.is_some() { checked.without_writes() } else { checked })
}

/// What all parts of a logout have in common that begins now.
pub fn stamp<H: Host>(ask: Ask<'_, H>) -> Stamp {
    let has_id = ask.state(|state| state.layout.has_id);
    Stamp { at: ask.host.now(), id: if has_id { new_id() } else { String::new() } }
}

/// Writes what the layout wants at a logout that all nodes of a cluster have done their part of, as far as this node serves the
/// keys.
///
/// # Errors
/// [`Error::NoPermission`].
pub fn write<H: Host>(
    ask: Ask<'_, H>,
    gone: &Gone,
    stamp: &Stamp,
    (scope, reason): (Scope, &[u8]),
    caller: &H::Caller,
) -> Result<(), Error> {
    let layout = ask.state(|state| state.layout.clone());
    let departure = Departure::of(gone, stamp, scope, reason);
    let (writes, mut left_out) = events::writes(ask.host, &layout, &[], &departure);
    left_out.retain(|left_out| left_out.why != Unfit::Elsewhere);
    let may = |may: May<'_, H::Name>| writes.iter().all(|write| write.keys.iter().all(|key| may(key, write.access)));
    if !caller.permit(&may) {
        return Err(Error::NOT_TO_REMOVE);
    }
    for write in &writes {
        let arguments: Vec<&[u8]> = write.arguments.iter().map(|argument| &**argument).collect();
        ask.host.write(write.name, &arguments);
    }
    note_writes(ask, &writes);
    tell::tell_unwritten(ask, &gone.user, &left_out);
    Ok(())
}

/// Removes what was planned, fences it off, and tells the audience, the log and INFO.
pub fn log_out<H: Host>(ask: Ask<'_, H>, checked: &Checked<H::Name>, context: LogoutContext<'_>) -> Removed {
    let plan = checked.plan();
    let messenger = Messenger::now(ask);
    let tells = context.within.is_none();
    let ready = tells.then(|| messenger.prepare(ask.host, plan, context)).flatten();
    if context.scope == Scope::User && plan.left_out == 0 {
        forget(ask, plan);
    }
    faults::point("apply", &plan.user);
    let removed = checked.apply(ask.host);
    if removed.total() > 0 {
        note_removal(ask, plan, context);
        if let Some(ready) = ready {
            tell::tell(ask, &ready, &plan.user, removed.total());
        }
        count(ask, plan, context, removed);
        faults::point("applied", &plan.user);
    } else if context.within.is_some() && context.cause == Cause::Logout {
        // What a request in flight writes of a socket may come to a node that has nothing of it now.
        fence_off(ask, plan);
    }
    removed
}

/// Notes what follows from what went, for whoever is still there.
fn note_removal<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>, context: LogoutContext<'_>) {
    note_writes(ask, &plan.writes);
    tell::tell_unwritten(ask, &plan.user, &plan.unwritten);
    doubt(ask, plan, context.scope);
    let database = ask.host.database();
    ask.state(|state| {
        for socket in &plan.sockets {
            state.sweeping.dead.forget(database, &socket.id);
        }
        if context.scope == Scope::User {
            state.cluster.logins.forget(database, &plan.user);
        }
    });
    // A dead socket may be one whose data is on its way: it was not logged out, but tidied away.
    if context.scope != Scope::Socket || context.cause == Cause::Logout {
        fence_off(ask, plan);
    }
}

/// Counts for INFO what was removed, and writes it into the log.
fn count<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>, context: LogoutContext<'_>, removed: Removed) {
    let took = ask.host.instant().duration_since(context.began);
    let level = ask.state(|state| {
        let is_asked_for = context.cause == Cause::Logout;
        state.metrics.count(removed, is_asked_for.then_some(took));
        let report = &mut state.sweeping.report;
        match context.scope {
            _ if is_asked_for => {}
            Scope::User => report.users += 1,
            Scope::Socket | Scope::Part => report.sockets += 1,
        }
        // A sweep has one line at its end.
        let is_told = context.cause != Cause::Sweep && state.journal.admits(context.began + took, 3);
        is_told.then(|| state.options.log_level())
    });
    if let Some(level) = level {
        write_lines(ask, level, &plan.user, &context, removed, took);
    }
}

/// The command filter does not show the module its own calls.
fn note_writes<H: Host>(ask: Ask<'_, H>, writes: &[Write<H::Name>]) {
    for key in writes.iter().flat_map(|write| &write.keys) {
        if ask.state(|state| state.watcher.cares_for(key.as_ref())) {
            follow::changed(ask, key.clone());
        }
    }
}

#[inline(never)] // the log takes few lines a second
fn write_lines<H: Host>(
    ask: Ask<'_, H>,
    level: Level,
    user: &[u8],
    context: &LogoutContext<'_>,
    removed: Removed,
    took: Duration,
) {
    let user = journal::field(user);
    let reason = journal::printable(context.reason);
    let Removed { keys, members, entries } = removed;
    let counts = format!("keys={keys} members={members} entries={entries} usec={}", took.as_micros());
    ask.host.log(level, "=== USER LOGOUT DETECTED ===");
    ask.host.log(level, &format!("=== CLEANING UP USER LOGOUT === user={user} reason={reason}"));
    ask.host.log(level, &format!("SUCCESS: User logout cleanup completed user={user} {counts}"));
}

/// Remembers the sockets that were logged out, so that a request in flight does not bring their data back.
fn fence_off<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>) {
    if !ask.state(|state| state.is_fencing()) {
        return;
    }
    let (database, now) = (ask.host.database(), ask.host.instant());
    ask.state(|state| {
        state.wants.events.add(Events::NEW_KEYS);
        let lasts = state.options.fence().unwrap_or_default();
        let fence = &mut state.sweeping.fence;
        fence.tidy(now, FORGOTTEN_BY_A_LOGOUT);
        plan.sockets_gone().for_each(|socket| fence.add(database, socket, &plan.user, now, lasts));
    });
}

/// What goes may be all that somebody was live by, and nothing else tells: the user, if only a part went, and others, where no data
/// says whose a socket is.
fn doubt<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>, scope: Scope) {
    let database = ask.host.database();
    let is_part = scope != Scope::User;
    let has_others = ask.state(|state| state.layout.sockets.as_ref().is_some_and(|sockets| sockets.owned.is_none()));
    if !is_part && !has_others {
        return;
    }
    // Whoever was live by it was so until now.
    ask.look_at_the_clock();
    ask.state(|state| {
        if is_part {
            candidates::doubt(state, database, &plan.user, true);
        }
        if !has_others {
            return;
        }
        for socket in plan.keys.iter().flat_map(|key| key.sockets()) {
            let others = state.databases[database].index.owners(SocketHash::of(socket));
            for other in others.iter().filter(|other| ***other != *plan.user) {
                candidates::doubt(state, database, other, true);
            }
        }
    });
}

/// What the index knows of the user is about to be gone. Before the first change, not after the last: what somebody adds
/// meanwhile must stay known. What names a socket in a key whose name holds the user may stay, as long as the socket is
/// nobody's yet. Elements that are marked stay where they are, and a sweep leaves some traces alone.
#[inline(never)] // for the room that it takes on the stack, which is free again when the server is called
fn forget<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>) {
    let (database, now) = (ask.host.database(), ask.host.now());
    ask.state(|state| {
        let (known, layout) = (&mut state.databases[database], &state.layout);
        // By a mapping that is no trace, a sweep finds the user again.
        let keeps_mapping = !layout.removes_mapping();
        let is_doubtful = |place: PlaceRef<'_>| {
            let trace = &layout.traces[place.trace()];
            let bindings = place.bind(&trace.placed, &Bindings::user(&plan.user));
            layout.reads_otherwise(trace, &trace.key.render(&bindings), &bindings)
        };
        let stays = |place: PlaceRef<'_>| {
            let trace = &layout.traces[place.trace()];
            trace.marks()
                || trace.reach == Reach::ByName && !matches!(trace.what, What::Key)
                || plan.lists_others() && trace.lists_sockets()
                || plan.detail == Detail::Sweep && (!trace.sweep || is_doubtful(place))
                || keeps_mapping && matches!(trace.what, What::Mapping)
        };
        // Those whose data is gone already too, which no plan tells.
        let sockets = RefCell::new(Vec::new());
        let forgets = |place: PlaceRef<'_>| {
            let socket = layout.owned_socket(place).map(SocketHash::of);
            sockets.borrow_mut().extend(socket);
        };
        let user = HashedSubject::new(Subject::User, &plan.user);
        let is_known = known.index.retain(user, |place| {
            let stays = stays(place);
            if !stays {
                forgets(place);
            }
            stays
        });
        let is_found_again = keeps_mapping || plan.lists_others();
        let mark = if is_found_again { LivenessMark::Doubtful(state.clock.after(now)) } else { LivenessMark::Quiet };
        if is_known {
            known.index.set_mark(&plan.user, mark);
        }
        let has_sockets = known.index.has_sockets();
        for socket in plan.sockets.iter().filter(|socket| has_sockets && !socket.is_others()) {
            known.index.retain(HashedSubject::new(Subject::Socket, &socket.id), stays);
        }
        // Where no data says whose a socket is, the plan does, or at least the names of keys.
        let is_told = layout.sockets.as_ref().is_some_and(|sockets| sockets.owned.is_some());
        let planned = plan.sockets.iter().map(|socket| &*socket.id);
        let planned = planned.chain(plan.keys.iter().flat_map(|key| key.sockets()));
        let planned = planned.filter(|_| !is_told).map(SocketHash::of);
        for socket in sockets.into_inner().into_iter().chain(planned) {
            known.index.forget_owner(socket, user.hash);
        }
    });
}
