//! A call that takes place on all masters of a cluster: who is asked, and for what.
//!
//! The node that a client calls does its own part like any other, and the client waits for the others'.

use std::time::{Duration, Instant};

use crate::{
    error::Error,
    hash,
    known::{
        round::{Audience, Round},
        waiter::Waiter,
    },
    plan::Scope,
    ports::{Host, Peer},
    reply::Ticket,
    session::Ask,
    wire::{Errand, MOST_BYTES, Message, Motion, Part, Refusal, Request, Stamp},
};

/// Who besides this node has to do a part of the command that is running. `None` if this node does all: it is said so
/// (`is_local`), or there is no other master.
///
/// # Errors
/// [`Error::NeedsLocal`].
pub fn others<H: Host>(ask: Ask<'_, H>, is_local: bool) -> Result<Option<Vec<Peer>>, Error> {
    if is_local || !ask.host.is_cluster() {
        return Ok(None);
    }
    let peers = ask.host.peers();
    match peers.is_empty() {
        true => Ok(None),
        false if ask.host.lets_wait() => Ok(Some(peers)),
        false => Err(Error::NeedsLocal),
    }
}

/// What a call on the cluster is about.
#[derive(Debug)]
pub struct Call<'a> {
    /// The command's name.
    pub name: &'a str,
    /// Its arguments.
    pub arguments: &'a [&'a [u8]],
    /// At most so many users, of a sweep.
    pub limit: u64,
    /// What a logout is about.
    pub scope: Scope,
    /// What all parts have in common.
    pub stamp: Stamp,
    /// What the nodes are to do first.
    pub errand: Errand,
    /// This node's own part, if it is done.
    pub own: Option<Part>,
}

/// Asks these nodes. The client gets a reply when all have answered, or their time is over; the waiter is this node's own part, if
/// that is not done yet.
pub fn begin<H: Host>(ask: Ask<'_, H>, peers: Vec<Peer>, about: Call<'_>) -> (Ticket, Waiter) {
    let Call { name, arguments, limit, scope, stamp, errand, own } = about;
    let words = [name.as_bytes()].into_iter().chain(arguments.iter().copied());
    let request = Request {
        layout: ask.state(|state| state.cluster.layout),
        database: ask.host.database() as u64,
        user: ask.host.user(),
        command: words.map(<[u8]>::to_vec).collect(),
        limit,
        stamp,
        errand,
        age: None,
        is_late: false,
    };
    let client = ask.ticket();
    // With a limit the nodes are asked one after another, each for what is left of it.
    let (waiting, unasked) = if limit == u64::MAX { (peers.clone(), Vec::new()) } else { (Vec::new(), peers.clone()) };
    let audience = Audience::Client(client);
    let motion = own.as_ref().map_or(Motion::Still, |own| own.motion);
    let mut round = Round {
        peers,
        waiting,
        unasked,
        awaits_own: own.is_none(),
        part: own,
        ..Round::new(audience, request, ask.host.summons(), scope, ask.host.instant())
    };
    round.note_motion(motion, &Peer::this_node());
    let call = start(ask, round);
    ask.state(|state| state.wants.soon = true);
    (client, Waiter::Round(call))
}

/// Asks the nodes for what is next, all but those whose part is missing already, or for which there is nothing to do.
pub fn go_on_with<H: Host>(ask: Ask<'_, H>, mut round: Round<H>, own: Part) {
    round.note_motion(own.motion, &Peer::this_node());
    round.add(own);
    let is_missing = |peer: &Peer| round.missing.iter().any(|(missing, _)| missing.id == peer.id);
    let is_asked = |peer: &&Peer| !is_missing(peer) && round.errand_for(&peer.id).is_some();
    round.waiting = round.peers.iter().filter(is_asked).cloned().collect();
    start(ask, round);
}

/// Sends what a round is about to the nodes that it waits for, under a new number, which is returned: an answer to what was asked
/// before is none to this.
pub fn start<H: Host>(ask: Ask<'_, H>, mut round: Round<H>) -> u64 {
    round.call = new_call();
    let call = round.call;
    ask.state(|state| state.cluster.rounds.push(round));
    send(ask, call);
    call
}

/// Answers that come later than this have waited in a connection, or were long on their way.
const LATE: Duration = Duration::from_millis(20);

/// Connections are hurried once in this time at most.
const HURRIED: Duration = Duration::from_secs(1);

/// It takes the longer, the more clients there are, and may take one part in this many of the server's time.
const SELDOM: u32 = 200;

/// Another node has asked, or has answered what was asked at that moment. If nodes hear each other late, connections that were made
/// since the last time may hold messages back.
pub fn heard<H: Host>(ask: Ask<'_, H>, is_late: bool) {
    let now = ask.host.instant();
    let is_time = ask.state(|state| {
        let cluster = &state.cluster;
        // The first time they have surely not been hurried.
        cluster.may_hurry.is_none_or(|next| is_late && now >= next)
    });
    if is_time {
        ask.host.hurry();
        let end = ask.host.instant();
        let pause = (SELDOM * end.duration_since(now)).max(HURRIED);
        ask.state(|state| state.cluster.may_hurry = Some(end + pause));
    }
}

/// Whether an answer is late to what was asked at that moment. Others are told so for a while, since their connections are made
/// in the same way.
pub fn is_late<H: Host>(ask: Ask<'_, H>, asked: Instant) -> bool {
    let now = ask.host.instant();
    let is_late = now.duration_since(asked) >= LATE;
    if is_late {
        ask.state(|state| state.cluster.late = Some(now));
    }
    is_late
}

/// Sends a call's request to all nodes that it waits for.
pub fn send<H: Host>(ask: Ask<'_, H>, call: u64) {
    let now = ask.host.instant();
    ask.state(|state| {
        let time = state.options.cluster_timeout();
        if let Some(round) = state.cluster.round(call) {
            (round.asked, round.deadline) = (now, now + time);
            round.repeats = (now + time / 8, time / 4);
            round.cut_off.clear();
        }
    });
    say(ask, call);
}

/// Says once more what may have been lost: nodes lose a message now and then while they make a connection anew. Called a few times a
/// second.
pub fn repeat<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let calls: Vec<u64> = ask.state(|state| {
        let is_due = |round: &&mut Round<H>| {
            let is_late = now >= round.repeats.0 || !round.cut_off.is_empty();
            is_late && !round.waiting.is_empty() && now < round.deadline
        };
        let due = state.cluster.rounds.iter_mut().filter(is_due);
        due.map(|round| {
            if now >= round.repeats.0 {
                round.repeats = (now + round.repeats.1, 2 * round.repeats.1);
            }
            round.call
        })
        .collect()
    });
    for call in calls {
        say(ask, call);
    }
}

/// Sends a call's request. Who is not connected for some time will not do its part.
fn say<H: Host>(ask: Ask<'_, H>, call: u64) {
    let now = ask.host.instant();
    let requests = ask.state(|state| {
        let (is_late, time) = (state.cluster.is_late(now), state.options.cluster_timeout());
        let Some(round) = state.cluster.round(call) else { return Vec::new() };
        let limit = if round.request.limit == u64::MAX { u64::MAX } else { round.remaining() };
        let request = |peer: &Peer| {
            let errand = round.errand_for(&peer.id)?;
            Some((peer.id, Request { limit, age: round.age(now, time), is_late, errand, ..round.request.clone() }))
        };
        round.waiting.iter().filter_map(request).collect()
    });
    for (node, request) in requests {
        let bytes = Message::Request(call, request).encode();
        let is_fine = bytes.len() <= MOST_BYTES;
        let is_sent = is_fine && ask.host.send_to(&node, &bytes);
        ask.state(|state| {
            let patience = state.options.cluster_timeout() / 4;
            let Some(round) = state.cluster.round(call) else { return };
            if !is_fine {
                round.take(&node, Err(Error::TooMuchToAsk.into()));
            } else if round.cut_off_for(&node, is_sent, now) > patience {
                round.take(&node, Err(Refusal::passing("it is not connected")));
            }
        });
    }
}

/// A number that no other call has: an answer to another one, of a node that ran here before, must not be taken for one to this.
pub fn new_call() -> u64 {
    hash::random()
}
