//! Calls on the whole cluster: those that this node makes for its clients, and those that other nodes make of it.

use std::{collections::VecDeque, time::Instant};

use crate::{
    plan::Scope,
    ports::{Host, NodeId, Peer},
    reply::{Reply, Ticket},
    wire::{self, Part, Request, Stamp},
};

/// Who waits for what comes of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// A client.
    Client(Ticket),
    /// The call of this number, of which it is this node's own part.
    Round(u64),
    /// Another node, and its number for the call.
    Node(NodeId, u64),
}

/// All calls on the cluster that are under way.
#[derive(Debug)]
pub struct Cluster<H: Host> {
    /// The digest of the layout: see [`wire::digest`].
    pub(crate) layout: u64,
    /// Those of this node's clients.
    pub(crate) rounds: Vec<Round<H>>,
    /// What other nodes ask for, and is not done yet.
    pub(crate) asked: VecDeque<Asked>,
    /// Parts that are done, and have not been passed on.
    pub(crate) done: Vec<(Waiter, Result<Part, String>)>,
    /// Answers that could not be sent yet: to which node, and since when.
    pub(crate) unsent: Vec<(NodeId, Vec<u8>, Instant)>,
    /// What INFO shows.
    pub(crate) report: Report,
}

impl<H: Host> Cluster<H> {
    /// None yet, by a layout of this text.
    pub fn new(layout: &str) -> Self {
        Self {
            layout: wire::digest(layout),
            rounds: Vec::new(),
            asked: VecDeque::new(),
            done: Vec::new(),
            unsent: Vec::new(),
            report: Report::default(),
        }
    }
}

/// Numbers since the module was loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Calls that took place on several nodes.
    pub calls: u64,
    /// Those of them of which a part was missing.
    pub partial: u64,
    /// Parts that were done for other nodes.
    pub parts: u64,
}

/// A call on the whole cluster that a client of this node waits for.
#[derive(Debug)]
pub struct Round<H: Host> {
    /// Its number.
    pub(crate) call: u64,
    /// Who waits.
    pub(crate) client: Ticket,
    /// What the other nodes are asked for.
    pub(crate) request: Request,
    /// The command with its caller, for what is done here.
    pub(crate) summons: Option<H::Summons>,
    /// What the logout is about, if it is one.
    pub(crate) scope: Scope,
    /// Until when the nodes have time.
    pub(crate) deadline: Instant,
    /// All nodes that are to do a part.
    pub(crate) peers: Vec<Peer>,
    /// Nodes that were asked and have not answered.
    pub(crate) waiting: Vec<Peer>,
    /// Nodes that are asked one after another, because no more users are to go than a limit allows.
    pub(crate) unasked: Vec<Peer>,
    /// Whether this node's own part is not done yet.
    pub(crate) awaits_own: bool,
    /// Nodes whose part is missing, and why.
    pub(crate) missing: Vec<(Peer, String)>,
    /// What came in.
    pub(crate) part: Option<Part>,
}

impl<H: Host> Round<H> {
    /// Whether nothing more comes in.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.unasked.is_empty() && !self.awaits_own
    }

    /// Takes a node's answer. One that is not waited for, because it came twice or too late, changes nothing.
    pub(crate) fn take(&mut self, from: &NodeId, answer: Result<Part, String>) {
        let Some(at) = self.waiting.iter().position(|peer| peer.id == *from) else { return };
        let peer = self.waiting.swap_remove(at);
        match answer {
            Ok(part) => self.add(part),
            Err(why) => self.missing.push((peer, why)),
        }
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, part: Part) {
        match &mut self.part {
            Some(whole) => whole.merge(part),
            None => self.part = Some(part),
        }
    }

    /// How many users may still go, of a sweep with a limit.
    pub(crate) fn remaining(&self) -> u64 {
        let found = match self.part.as_ref().map(|part| &part.reply) {
            Some(Reply::Integer(found)) => u64::try_from(*found).unwrap_or_default(),
            Some(Reply::Array(maps)) => maps.len() as u64,
            _ => 0,
        };
        self.request.limit.saturating_sub(found)
    }

    /// What was asked for and has not come in until now is missing.
    pub(crate) fn give_up(&mut self, why: &str) {
        self.missing.extend(self.waiting.drain(..).map(|peer| (peer, why.to_owned())));
    }

    /// What all parts have in common.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.request.stamp
    }
}

/// What another node asks for.
#[derive(Debug)]
pub struct Asked {
    /// Which node.
    pub(crate) from: NodeId,
    /// Its number for the call.
    pub(crate) call: u64,
    /// Since when it waits.
    pub(crate) since: Instant,
    pub(crate) request: Request,
}
