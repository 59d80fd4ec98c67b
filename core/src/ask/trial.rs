//! Judging users by what all nodes of a cluster know: what this node says of them, and its part of what becomes of them.
//!
//! One node may have the mapping of a user, another the data of a socket, and a third nothing but traces. So the node that finds
//! somebody who may be stale asks all what they know, and judges. Between its question and the removal each node sees
//! to it that nothing of the user is written there: else it leaves the user alone.

use std::time::Instant;

use super::{
    context::{Cause, LogoutContext},
    gate, logout, moving,
};
use crate::{
    error::Error,
    plan::{Detail, Gone, Told},
    ports::{Host, NodeId},
    reply::Reply,
    session::Ask,
    wire::{Motion, Part, Reap, Stamp},
};

/// What this node knows of users of the selected database, and of the sockets that others know of them. It is stated to a node in a
/// trial.
pub fn state<H: Host>(ask: Ask<'_, H>, at: (NodeId, u64), users: &[(Vec<u8>, Told)]) -> Part {
    let database = ask.host.database();
    let plan = |(user, told): &(Vec<u8>, Told)| {
        let plan = logout::plan_between(ask, user, Detail::Sweep, &[], Some(told));
        (Told::of(&plan), moving::motion(ask, &plan))
    };
    let all: Vec<(Told, Motion)> = users.iter().map(plan).collect();
    let now = ask.host.instant();
    ask.state(|state| {
        let sockets =
            users.iter().map(|(_, told)| told).chain(all.iter().map(|(told, _)| told)).flat_map(Told::sockets);
        let ids = users.iter().map(|(user, _)| &**user).chain(sockets.map(|socket| socket.texts().0));
        state.cluster.statements.give(at, database, ids, now);
    });
    let each = all.into_iter().map(|(told, motion)| Part { told, motion, ..Part::nothing() }).collect();
    Part { each, ..Part::nothing() }
}

/// This node's part of what becomes of users who are stale by what all nodes have stated: nothing of those of whom something was
/// written here since.
///
/// # Errors
/// [`Error::NoPermission`], and what the server says if it takes no writes.
pub fn reap<H: Host>(
    ask: Ask<'_, H>,
    to: NodeId,
    asked: &Reap,
    stamp: &Stamp,
    caller: &H::Caller,
) -> Result<Part, Error> {
    // What is refused is refused before anything goes: else others would not hear of those who have gone.
    for (user, told) in &asked.users {
        let plan = logout::plan_between(ask, user, Detail::Sweep, &[], Some(told));
        logout::check(ask, plan, &context(asked, stamp, ask.host.instant()), caller, asked.shows)?;
    }
    if !asked.is_dry {
        gate::pass(ask)?;
    }
    let mut each = Vec::new();
    for (user, told) in &asked.users {
        let began = ask.host.instant();
        let plan = logout::plan_between(ask, user, Detail::Sweep, &[], Some(told));
        let ids = told.sockets().iter().map(|socket| socket.texts().0);
        let still_holds = ask.state(|state| {
            let statements = &state.cluster.statements;
            std::iter::once(&**user).chain(ids).all(|id| statements.hold((to, asked.trial), id))
        });
        if !still_holds || plan.live || plan.removed() == 0 {
            each.push(Part::nothing());
            continue;
        }
        let context = context(asked, stamp, began);
        let Ok(checked) = logout::check(ask, plan, &context, caller, asked.shows) else {
            each.push(Part::nothing());
            continue;
        };
        let reply = if asked.shows { Reply::Map(checked.plan().to_map()) } else { Reply::Integer(0) };
        let gone = Gone::of(checked.plan());
        let removed = if asked.is_dry { 0 } else { logout::log_out(ask, &checked, context).total() };
        each.push(Part { removed, gone, ..Part::of(reply) });
    }
    Ok(Part { each, ..Part::nothing() })
}

fn context<'a>(asked: &Reap, stamp: &'a Stamp, began: Instant) -> LogoutContext<'a> {
    let cause = if asked.has_expired { Cause::Expiry } else { Cause::Sweep };
    LogoutContext { within: Some(stamp), ..LogoutContext::user(cause, began) }
}
