//! What the nodes of a cluster do for each other: each does its part of the calls of the others' clients, and puts the parts of its
//! own clients' calls together.
//!
//! A message is only noted when it comes. What it asks for is done between commands, like everything that no client waits for
//! here.

mod again;
mod late;
mod moving;
mod post;
mod rounds;
mod serve;
mod trials;

use std::time::Instant;

use crate::{
    ask::round,
    error::Error,
    known::{cluster::Asked, round::Round, waiter::Waiter},
    ports::{Host, NodeId, Peer},
    session::Ask,
    wire::{Message, Unreadable},
};

/// The most calls of other nodes that wait to be served.
const MOST_ASKED: usize = 4096;

/// A message came from another node of the cluster.
pub fn received<H: Host>(ask: Ask<'_, H>, from: &NodeId, bytes: &[u8]) {
    let now = ask.host.instant();
    match Message::decode(bytes) {
        Ok(Message::Request(call, request)) => {
            round::heard(ask, request.is_late);
            if let Some(bytes) = ask.state(|state| state.cluster.answers.get(from, call)) {
                // The answer was lost, or crossed the question.
                ask.host.send_to(from, &bytes);
                return;
            }
            if is_asked(ask, from, call) {
                return;
            }
            let is_busy = ask.state(|state| state.cluster.asked.len() >= MOST_ASKED);
            if is_busy {
                return post::answer(ask, from, call, Err(Error::Busy.into()));
            }
            let asked = Asked { from: *from, call, since: now, request };
            ask.state(|state| state.cluster.asked.push_back(asked));
        }
        Ok(Message::Answer(call, answer)) => {
            let asked = ask.state(|state| {
                let round = state.cluster.round(call)?;
                round.take(from, answer);
                Some(round.asked)
            });
            if let Some(asked) = asked {
                let is_late = round::is_late(ask, asked);
                round::heard(ask, is_late);
            }
        }
        Ok(Message::Working(call)) => ask.state(|state| {
            let time = state.options.cluster_timeout();
            let is_asked = |round: &&mut Round<H>| round.waiting.iter().any(|peer| peer.id == *from);
            if let Some(round) = state.cluster.round(call).filter(is_asked) {
                round.deadline = now + time;
            }
        }),
        Err(Unreadable::OtherVersion(call, true)) => post::answer(ask, from, call, Err(Error::OtherVersion.into())),
        Err(Unreadable::OtherVersion(call, false)) => ask.state(|state| {
            if let Some(round) = state.cluster.round(call) {
                round.take(from, Err(Error::OtherVersion.into()));
            }
        }),
        Err(Unreadable::Foreign | Unreadable::Damaged) => return,
    }
    ask.state(|state| state.wants.soon = true);
}

/// Goes on with all calls: does this node's part of others', until `deadline`, and passes on what is done. `true` if there is more.
/// Leaves another database selected.
pub fn go_on<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    let goes_on = serve::serve(ask, deadline);
    pass_on(ask);
    trials::begin(ask);
    rounds::settle(ask);
    let now = ask.host.instant();
    ask.state(|state| {
        let waits = |round: &Round<H>| round.wait.rests.or((!round.waiting.is_empty()).then_some(round.deadline));
        let next = state.cluster.rounds.iter().filter_map(waits).min();
        state.wants.alarm = next.map(|next| next.saturating_duration_since(now)).or(state.wants.alarm);
    });
    goes_on
}

/// Tells the nodes that wait for this one that it is at work, and says once more what may have been lost. Called a few times a second.
pub fn cron<H: Host>(ask: Ask<'_, H>) {
    post::send_unsent(ask);
    round::repeat(ask);
    again::cron(ask);
    let waiters = ask.state(|state| {
        let jobs = state.jobs().filter_map(|job| job.waits);
        jobs.filter_map(|waiter| if let Waiter::Node(node, call) = waiter { Some((node, call)) } else { None })
            .collect::<Vec<_>>()
    });
    for (node, call) in waiters {
        ask.host.send_to(&node, &Message::Working(call).encode());
    }
    let has_work = ask.state(|state| !state.cluster.asked.is_empty() || !state.cluster.rounds.is_empty());
    if has_work {
        ask.state(|state| state.wants.soon = true);
    }
}

/// Passes on what took longer and is done now.
fn pass_on<H: Host>(ask: Ask<'_, H>) {
    for (waiter, part) in ask.state(|state| std::mem::take(&mut state.cluster.done)) {
        match waiter {
            Waiter::Node(node, call) => post::answer(ask, &node, call, part),
            Waiter::Round(call) => ask.state(|state| {
                if let Some(round) = state.cluster.round(call) {
                    round.awaits_own = false;
                    match part {
                        Ok(part) => round.add(part),
                        Err(why) => round.missing.push((Peer::this_node(), why)),
                    }
                }
            }),
            Waiter::Client(_) => {}
        }
    }
}

/// Whether a node's call is waiting, or being carried out.
fn is_asked<H: Host>(ask: Ask<'_, H>, from: &NodeId, call: u64) -> bool {
    let waiter = Waiter::Node(*from, call);
    ask.state(|state| {
        state.cluster.asked.iter().any(|asked| asked.call == call && asked.from == *from)
            || state.jobs().any(|job| job.waits == Some(waiter))
            || state.cluster.done.iter().any(|(done, _)| *done == waiter)
    })
}
