//! What becomes of a logout of which the part of a node is missing.

use std::time::Instant;

use super::post::{say, tell};
use crate::{
    command::Logout,
    journal::{self, Level},
    known::{
        pending::Pending,
        round::{Audience, Round},
    },
    ports::Host,
    session::Ask,
    wire::{RefusalKind, Request},
};

/// A logout was done once more: it is complete, or is kept, or nobody is asked any more.
pub(super) fn finish<H: Host>(ask: Ask<'_, H>, round: Round<H>) {
    let removed = round.part.as_ref().map_or(0, |part| part.removed);
    let gone = round.part.as_ref().map(|part| part.gone.clone()).unwrap_or_default();
    let Audience::Pending(pending) = &round.audience else { return };
    let news = gone.clone().without(&pending.told);
    if removed > 0 && !news.is_nobody() {
        tell(ask, &round, &news, removed);
    }
    let Round { audience, missing, wrote, scope, .. } = round;
    let Audience::Pending(mut pending) = audience else { return };
    pending.told.merge(gone);
    (pending.wrote, pending.scope) = (wrote, scope);
    pending.removes |= removed > 0;
    let now = ask.host.instant();
    let lasting = missing.iter().find(|(_, refusal)| refusal.kind != RefusalKind::Passing);
    let has_hope = missing.iter().any(|(_, refusal)| refusal.kind == RefusalKind::Passing);
    let came_back = missing.iter().any(|(_, refusal)| refusal.kind == RefusalKind::CameBack);
    match lasting {
        None if missing.is_empty() => complete(ask, &pending),
        Some((peer, refusal)) if came_back || !has_hope => {
            give_up(ask, &pending, &format!("{} ({})", peer.address, refusal.why));
        }
        _ => ask.state(|state| {
            state.cluster.pending.keep(*pending);
            state.cluster.pending.rest(now);
        }),
    }
}

fn complete<H: Host>(ask: Ask<'_, H>, pending: &Pending) {
    ask.state(|state| {
        state.cluster.pending.go_on();
        state.cluster.report.completed += u64::from(!pending.is_complete || pending.removes);
    });
    if !pending.is_complete {
        say(ask, Level::Notice, &format!("a logout is complete after all user={}", name(pending)));
    } else if pending.removes {
        let line = "what a logout had removed was there again on a new master, and is gone";
        say(ask, Level::Notice, &format!("{line} user={}", name(pending)));
    }
}

pub(super) fn give_up<H: Host>(ask: Ask<'_, H>, pending: &Pending, why: &str) {
    ask.state(|state| {
        state.cluster.pending.go_on();
        state.cluster.report.given_up += u64::from(!pending.is_complete);
    });
    if !pending.is_complete {
        let line = format!("a part of a logout is missing for good, call again user={}: {why}", name(pending));
        say(ask, Level::Warning, &line);
    }
}

fn name(pending: &Pending) -> String {
    journal::field(pending.command.get(1).map_or(&[], |user| &**user))
}

/// Keeps a logout of which a part is missing, if it may come later; and for how many seconds.
pub(super) fn keep<H: Host>(ask: Ask<'_, H>, round: &Round<H>) -> Option<u64> {
    let has_hope = round.missing.iter().any(|(_, refusal)| refusal.kind == RefusalKind::Passing);
    if !round.request.is_logout() || !has_hope {
        return None;
    }
    let lasts = ask.state(|state| state.options.cluster_retry())?;
    let removes = round.part.as_ref().is_some_and(|part| part.removed > 0);
    let pending = Pending { removes, ..pending(round, ask.host.instant() + lasts) };
    ask.state(|state| state.cluster.pending.keep(pending)).then_some(lasts.as_secs())
}

/// Remembers a logout that is complete: a master that takes another's place may not have heard of it.
pub(super) fn remember<H: Host>(ask: Ask<'_, H>, round: &Round<H>) {
    let removes = round.part.as_ref().is_some_and(|part| part.removed > 0);
    let Some(lasts) = ask.state(|state| state.options.cluster_retry()) else { return };
    if removes && round.request.is_logout() {
        let logout = Pending { is_complete: true, ..pending(round, ask.host.instant() + lasts) };
        ask.state(|state| state.cluster.recent.add(logout));
    }
}

fn pending<H: Host>(round: &Round<H>, until: Instant) -> Pending {
    let Request { database, user, command, stamp, .. } = round.request.clone();
    Pending {
        command,
        database,
        user,
        stamp,
        scope: round.scope,
        began: round.began,
        until,
        told: round.part.as_ref().map(|part| part.gone.clone()).unwrap_or_default(),
        wrote: round.wrote.clone(),
        removes: false,
        is_complete: false,
    }
}

/// A logout is complete: nothing is missing of an earlier one of the same user.
pub(super) fn forget<H: Host>(ask: Ask<'_, H>, round: &Round<H>) {
    let arguments = round.request.arguments();
    let (true, Ok(command)) = (round.request.is_logout(), Logout::parse(&arguments)) else { return };
    if command.socket.is_none() && command.part.is_empty() {
        let database = round.request.database;
        let user = command.user.to_vec();
        ask.state(move |state| state.cluster.pending.forget(database, &user));
    }
}
