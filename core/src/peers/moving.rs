//! Calls on a cluster whose slots are on their way from node to node, or are paused for it.
//!
//! A key that moves is at every moment on one of two nodes, or on both. Who is asked too early does not have it yet, and who is asked
//! too late has it no more. So when a node says that keys have left it lately, all are asked once more: whatever had left one node when
//! it was asked first has arrived on the other when that is asked again. What has arrived can be removed as soon as its
//! slot belongs to the node; until then the call waits, and asks again.

use std::time::Duration;

use crate::{
    error::Error,
    known::round::{Audience, Round},
    ports::{Host, Peer},
    session::Ask,
    wire::{Errand, Motion},
};

/// How long a call rests before it looks again whether it can go on.
const REST: Duration = Duration::from_millis(10);

/// What is to be done first when all have answered.
pub(super) enum Step {
    /// Nothing.
    Over,
    /// These nodes are to be asked too.
    Newcomers(Vec<Peer>),
    /// To wait.
    Rest,
    /// To ask everybody once more.
    Again,
}

/// Nobody writes while clients are paused, and nobody is told anything: a round rests then, that of a call as long as it has time.
pub(super) fn is_paused<H: Host>(ask: Ask<'_, H>, round: &mut Round<H>) -> bool {
    round.wait.rests = None;
    let may_write = !round.request.is(b"session.inspect");
    let may_wait = match round.audience {
        Audience::Client(_) | Audience::Pending(_) => has_time(ask, round),
        Audience::Sweep(_) | Audience::Nobody => true,
    };
    let is_paused = may_write && may_wait && ask.host.is_paused();
    if is_paused {
        round.wait.rests = Some(ask.host.instant() + REST);
    }
    is_paused
}

/// Whether a call can rest.
fn has_time<H: Host>(ask: Ask<'_, H>, round: &Round<H>) -> bool {
    ask.host.instant() + REST < round.began + ask.state(|state| state.options.cluster_timeout())
}

/// What is to be done first when all have answered what a round is about.
pub(super) fn step<H: Host>(ask: Ask<'_, H>, round: &mut Round<H>) -> Step {
    if std::mem::take(&mut round.wait.asks_then) {
        return Step::Again;
    }
    let now = ask.host.instant();
    let has_time = has_time(ask, round);
    if round.request.is(b"session.sweep") || matches!(round.request.errand, Errand::Write(..)) {
        return Step::Over;
    }
    let newcomers = newcomers(ask, round);
    if !newcomers.is_empty() {
        return Step::Newcomers(newcomers);
    }
    let motion = round.part.as_mut().map_or(Motion::Still, |part| std::mem::take(&mut part.motion));
    let arriving = std::mem::take(&mut round.wait.arriving);
    // What is here can be read, whoever serves it: that nothing can be done about it yet shows when it is to go.
    let only_asks = matches!(round.request.errand, Errand::Learn(_));
    match motion {
        Motion::Left if !round.wait.asked_again => {
            round.wait.asked_again = true;
            Step::Again
        }
        Motion::Arriving if only_asks => Step::Over,
        Motion::Arriving if has_time => {
            (round.wait.rests, round.wait.asks_then) = (Some(now + REST), true);
            Step::Rest
        }
        Motion::Still | Motion::Left | Motion::Arriving => {
            round.missing.extend(arriving.into_iter().map(|peer| (peer, Error::Arriving.into())));
            Step::Over
        }
    }
}

/// Masters that were none, or not known, when the call began.
fn newcomers<H: Host>(ask: Ask<'_, H>, round: &Round<H>) -> Vec<Peer> {
    let is_known = |peer: &Peer| round.peers.iter().any(|known| known.id == peer.id);
    ask.host.peers().into_iter().filter(|peer| !is_known(peer)).collect()
}
