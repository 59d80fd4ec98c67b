//! Logouts of which the part of a node is missing: it is asked again until it has done it.
//!
//! The whole call takes place once more on all masters, for whoever has done its part finds nothing. So it does not matter which node
//! has taken the place of which. Who may have logged in since is left alone: each node says so of those whom it has seen.

use super::{
    rounds::{carry_out, learn, say, tell},
    serve::{arguments, is_logout},
};
use crate::{
    command::Logout,
    journal::{self, Level},
    known::{
        pending::Pending,
        round::{Audience, Round},
    },
    plan::Told,
    ports::Host,
    session::Ask,
    wire::{Errand, RefusalKind, Request},
};

/// How long after the last question somebody may ask who has logged in, in seconds.
const LOGINS_LAST: u64 = 60;

/// Asks again, and gives up what is too old. Called a few times a second.
pub(super) fn cron<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let (old, due) = ask.state(|state| {
        let lasts = state.options.cluster_retry().unwrap_or_default() + std::time::Duration::from_secs(LOGINS_LAST);
        state.cluster.logins.tidy(now, lasts);
        let pending = &mut state.cluster.pending;
        (pending.take_old(now), pending.take_due(now))
    });
    for pending in old {
        give_up(ask, &pending, "no part came from every node in time");
    }
    for pending in due {
        begin(ask, pending);
    }
}

fn begin<H: Host>(ask: Ask<'_, H>, pending: Pending) {
    let request = Request {
        layout: ask.state(|state| state.cluster.layout),
        database: pending.database,
        user: pending.user.clone(),
        command: pending.command.clone(),
        limit: u64::MAX,
        stamp: pending.stamp.clone(),
        errand: Errand::Do(None),
        age: None,
    };
    let summons = pending.user.as_ref().map(|user| ask.host.summons_of(user, &pending.command));
    ask.state(|state| state.cluster.pending.under_way += 1);
    let learns = Logout::parse(&arguments(&request)).is_ok_and(|command| command.depends_on_sockets(ask));
    let (scope, wrote) = (pending.scope, pending.wrote.clone());
    let audience = Audience::Pending(Box::new(pending));
    let round = Round::new(audience, request, summons, scope, ask.host.instant());
    let round = Round { peers: ask.host.peers(), wrote, ..round };
    if learns { learn(ask, round, Told::default()) } else { carry_out(ask, round, None) }
}

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
    ask.state(|state| state.cluster.pending.under_way -= 1);
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
        state.cluster.report.completed += 1;
    });
    say(ask, Level::Notice, &format!("a logout is complete after all user={}", name(pending)));
}

fn give_up<H: Host>(ask: Ask<'_, H>, pending: &Pending, why: &str) {
    ask.state(|state| {
        state.cluster.pending.go_on();
        state.cluster.report.given_up += 1;
    });
    let line = format!("a part of a logout is missing for good, call again user={}: {why}", name(pending));
    say(ask, Level::Warning, &line);
}

fn name(pending: &Pending) -> String {
    journal::field(pending.command.get(1).map_or(&[], |user| &**user))
}

/// Keeps a logout of which a part is missing, if it may come later; and for how many seconds.
pub(super) fn keep<H: Host>(ask: Ask<'_, H>, round: &Round<H>) -> Option<u64> {
    let has_hope = round.missing.iter().any(|(_, refusal)| refusal.kind == RefusalKind::Passing);
    if !is_logout(&round.request) || !has_hope {
        return None;
    }
    let lasts = ask.state(|state| state.options.cluster_retry())?;
    let Request { database, user, command, stamp, .. } = round.request.clone();
    let told = round.part.as_ref().map(|part| part.gone.clone()).unwrap_or_default();
    let pending = Pending {
        command,
        database,
        user,
        stamp,
        scope: round.scope,
        began: round.began,
        until: ask.host.instant() + lasts,
        removes: round.part.as_ref().is_some_and(|part| part.removed > 0),
        told,
        wrote: round.wrote.clone(),
    };
    ask.state(|state| state.cluster.pending.keep(pending)).then_some(lasts.as_secs())
}

/// A logout is complete: nothing is missing of an earlier one of the same user.
pub(super) fn forget<H: Host>(ask: Ask<'_, H>, round: &Round<H>) {
    let arguments = arguments(&round.request);
    let (true, Ok(command)) = (is_logout(&round.request), Logout::parse(&arguments)) else { return };
    if command.socket.is_none() && command.part.is_empty() {
        let database = round.request.database;
        let user = command.user.to_vec();
        ask.state(move |state| state.cluster.pending.forget(database, &user));
    }
}
