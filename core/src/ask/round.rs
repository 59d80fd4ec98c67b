//! A call that takes place on all masters of a cluster: who is asked, and for what.
//!
//! The node that a client calls does its own part like any other, and the client waits for the others'.

use std::hash::{BuildHasher, RandomState};

use crate::{
    error::Error,
    known::round::{Round, Waiter},
    plan::Scope,
    ports::{Host, NodeId, Peer},
    reply::Ticket,
    session::Ask,
    wire::{Errand, MOST_BYTES, Message, Part, Request, Stamp},
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
    };
    let (call, client, summons) = (new_call(), ask.ticket(), ask.host.summons());
    // With a limit the nodes are asked one after another, each for what is left of it.
    let (waiting, unasked) = if limit == u64::MAX { (peers.clone(), Vec::new()) } else { (Vec::new(), peers.clone()) };
    let round = Round {
        call,
        client,
        request,
        summons,
        scope,
        deadline: ask.host.instant(),
        peers,
        waiting,
        unasked,
        awaits_own: own.is_none(),
        missing: Vec::new(),
        part: own,
    };
    ask.state(|state| state.cluster.rounds.push(round));
    send(ask, call);
    ask.state(|state| state.wants.soon = true);
    (client, Waiter::Round(call))
}

/// Sends a call's request to all nodes that it waits for.
pub fn send<H: Host>(ask: Ask<'_, H>, call: u64) {
    let now = ask.host.instant();
    let request = ask.state(|state| {
        let time = state.options.cluster_timeout();
        let round = state.cluster.rounds.iter_mut().find(|round| round.call == call)?;
        round.deadline = now + time;
        let limit = if round.request.limit == u64::MAX { u64::MAX } else { round.remaining() };
        let nodes: Vec<NodeId> = round.waiting.iter().map(|peer| peer.id).collect();
        Some((Request { limit, ..round.request.clone() }, nodes))
    });
    let Some((request, nodes)) = request else { return };
    let bytes = Message::Request(call, request).encode();
    let is_fine = bytes.len() <= MOST_BYTES;
    for node in nodes.into_iter().filter(|node| !(is_fine && ask.host.send_to(node, &bytes))) {
        let why = if is_fine { "it is not connected" } else { "it cannot be told all" };
        ask.state(|state| {
            if let Some(round) = state.cluster.rounds.iter_mut().find(|round| round.call == call) {
                round.take(&node, Err(why.to_owned()));
            }
        });
    }
}

/// A number that no other call has: an answer to another one, of a node that ran here before, must not be taken for one to this.
pub fn new_call() -> u64 {
    // The standard library's hashers have random keys, other ones each time.
    RandomState::new().hash_one(0_u8)
}
