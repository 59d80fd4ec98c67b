//! Logouts of which the part of a node is missing: it is asked again until it has done it.
//!
//! The whole call takes place once more on all masters, for whoever has done its part finds nothing. So it does not matter which node
//! has taken the place of which. Who may have logged in since is left alone: each node says so of those whom it has seen.

use std::time::{Duration, Instant};

use super::{late::give_up, rounds::learn};
use crate::{
    known::{
        pending::Pending,
        round::{Audience, Round},
    },
    plan::Told,
    ports::Host,
    session::Ask,
    wire::{Errand, Request},
};

/// How long after its time is over somebody may still ask who has logged in.
const LOGINS_LAST: Duration = Duration::from_secs(60);

/// Asks again, and gives up what is too old. Called a few times a second.
pub(super) fn cron<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let (old, due) = ask.state(|state| {
        let lasts = state.options.cluster_retry().unwrap_or_default() + LOGINS_LAST;
        state.cluster.logins.tidy(now, lasts);
        state.cluster.statements.tidy(now, 4 * state.options.cluster_timeout());
        let under_way = state.cluster.pending_under_way();
        let pending = &mut state.cluster.pending;
        (pending.take_old(now), if under_way == 0 { pending.take_due(now) } else { Vec::new() })
    });
    look_again(ask, now);
    for pending in old {
        give_up(ask, &pending, "no part came from every node in time");
    }
    for pending in due {
        begin(ask, pending);
    }
}

/// If there is a new master, what was complete shortly before is looked at once more.
fn look_again<H: Host>(ask: Ask<'_, H>, now: Instant) {
    if !ask.host.is_cluster() {
        return;
    }
    let masters = ask.host.peers().iter().map(|peer| peer.id).collect();
    ask.state(|state| {
        for logout in state.cluster.recent.meet(masters, now) {
            state.cluster.pending.keep(logout);
        }
    });
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
        is_late: false,
    };
    let summons = pending.user.as_ref().map(|user| ask.host.summons_of(user, &pending.command));
    let (scope, wrote) = (pending.scope, pending.wrote.clone());
    let audience = Audience::Pending(Box::new(pending));
    let round = Round::new(audience, request, summons, scope, ask.host.instant());
    let round = Round { peers: ask.host.peers(), wrote, ..round };
    // Nobody does anything before all have said that they have not seen the user log in.
    learn(ask, round, Told::default());
}
