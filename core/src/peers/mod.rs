//! What the nodes of a cluster do for each other: each does its part of the calls of the others' clients, and puts the parts of its
//! own clients' calls together.
//!
//! A message is only noted when it comes. What it asks for is done between commands, like everything that no client waits for
//! here.

mod again;
mod rounds;
mod serve;

use std::time::Instant;

use crate::{
    ask::round,
    error::Error,
    known::round::{Answered, Asked, Round, Waiter},
    ports::{Host, NodeId, Peer},
    session::Ask,
    wire::{MOST_BYTES, Message, Part, Refusal, Unreadable},
};

/// The most calls of other nodes that wait to be served.
const MOST_ASKED: usize = 4096;

/// A message came from another node of the cluster.
pub fn received<H: Host>(ask: Ask<'_, H>, from: &NodeId, bytes: &[u8]) {
    let now = ask.host.instant();
    match Message::decode(bytes) {
        Ok(Message::Request(call, request)) => {
            if let Some(bytes) = ask.state(|state| state.cluster.answers.get(from, call)) {
                // The answer was lost, or crossed the question.
                ask.host.send_to(from, &bytes);
                return;
            }
            if ask.state(|state| state.is_asked(from, call)) {
                return;
            }
            let is_busy = ask.state(|state| state.cluster.asked.len() >= MOST_ASKED);
            if is_busy {
                return answer(ask, from, call, Err(Error::Busy.into()));
            }
            let asked = Asked { from: *from, call, since: now, request };
            ask.state(|state| state.cluster.asked.push_back(asked));
        }
        Ok(Message::Answer(call, answer)) => ask.state(|state| {
            if let Some(round) = state.cluster.round(call) {
                round.take(from, answer);
            }
        }),
        Ok(Message::Working(call)) => ask.state(|state| {
            let time = state.options.cluster_timeout();
            let is_asked = |round: &&mut Round<H>| round.waiting.iter().any(|peer| peer.id == *from);
            if let Some(round) = state.cluster.round(call).filter(is_asked) {
                round.deadline = now + time;
            }
        }),
        Err(Unreadable::OtherVersion(call, true)) => answer(ask, from, call, Err(Error::OtherVersion.into())),
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
    rounds::settle(ask);
    let now = ask.host.instant();
    ask.state(|state| {
        let next =
            state.cluster.rounds.iter().filter(|round| !round.waiting.is_empty()).map(|round| round.deadline).min();
        state.wants.alarm = next.map(|next| next.saturating_duration_since(now)).or(state.wants.alarm);
    });
    goes_on
}

/// Tells the nodes that wait for this one that it is at work, and says once more what may have been lost. Called a few times a second.
pub fn cron<H: Host>(ask: Ask<'_, H>) {
    send_unsent(ask);
    round::repeat(ask);
    again::cron(ask);
    let waiters = ask.state(|state| {
        let jobs = state.sweeping.jobs.iter().filter_map(|job| job.waits);
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

/// Tells a node what came of its call.
fn answer<H: Host>(ask: Ask<'_, H>, to: &NodeId, call: u64, part: Result<Part, Refusal>) {
    let mut bytes = Message::Answer(call, part).encode();
    if bytes.len() > MOST_BYTES {
        bytes = Message::Answer(call, Err(Error::TooMuch.into())).encode();
    }
    // Nodes make their connections anew a few times a second. If it comes to nothing, the node that asked says that this part is
    // missing.
    let is_unsent = !ask.host.send_to(to, &bytes);
    let answered = Answered { to: *to, call, bytes, at: ask.host.instant(), is_unsent };
    ask.state(|state| state.cluster.answers.add(answered));
}

/// Sends answers once more that could not be sent, as long as somebody may wait for them.
fn send_unsent<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let unsent = ask.state(|state| {
        // The node that asked may have begun to wait later, and asks again if it hears nothing.
        let lasts = 2 * state.options.cluster_timeout();
        state.cluster.answers.tidy(now, lasts);
        state.cluster.answers.take_unsent()
    });
    for (to, bytes, call) in unsent {
        if !ask.host.send_to(&to, &bytes) {
            ask.state(|state| state.cluster.answers.put_back(&to, call));
        }
    }
}

/// Passes on what took longer and is done now.
fn pass_on<H: Host>(ask: Ask<'_, H>) {
    for (waiter, part) in ask.state(|state| std::mem::take(&mut state.cluster.done)) {
        match waiter {
            Waiter::Node(node, call) => answer(ask, &node, call, part),
            Waiter::Round(call) => ask.state(|state| {
                if let Some(round) = state.cluster.round(call) {
                    round.awaits_own = false;
                    match part {
                        Ok(part) => round.add(part),
                        Err(why) => round.missing.push((this_node(), why)),
                    }
                }
            }),
            Waiter::Client(_) => {}
        }
    }
}

/// This node, where its own part is missing.
fn this_node() -> Peer {
    Peer { id: [0; 40], address: "this node".to_owned() }
}
