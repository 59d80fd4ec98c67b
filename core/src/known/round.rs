//! A call on the whole cluster: who has been asked, who waits, and what has come in.

use std::time::{Duration, Instant};

use super::{job::Job, pending::Pending, waiter::Waiter};
use crate::{
    plan::{Gone, Scope},
    ports::{Host, NodeId, Peer},
    reply::{Reply, Ticket},
    wire::{Errand, Motion, Part, Refusal, RefusalKind, Request, Stamp},
};

/// Who waits for the end of a round.
#[derive(Debug)]
pub enum Audience<H: Host> {
    /// A client.
    Client(Ticket),
    /// Nobody: it is a logout of which a part was missing.
    Pending(Box<Pending>),
    /// A sweep that has come to users about whom all nodes are asked.
    Sweep(Box<Job<H>>),
    /// Nobody: what the layout wants is written after a sweep.
    Nobody,
}

impl<H: Host> Audience<H> {
    /// Who is to be answered whatever becomes of it.
    pub(crate) fn waiter(&self) -> Option<Waiter> {
        match self {
            Self::Client(client) => Some(Waiter::Client(*client)),
            Self::Sweep(job) => job.waits,
            Self::Pending(_) | Self::Nobody => None,
        }
    }

    /// Whether something was removed before this round.
    pub(crate) fn removed_before(&self) -> bool {
        matches!(self, Self::Pending(pending) if pending.removes)
    }

    /// Who is gone, with those who went before this round.
    pub(crate) fn with_those_before(&self, gone: Gone) -> Gone {
        let Self::Pending(pending) = self else { return gone };
        let mut all = pending.told.clone();
        all.merge(gone);
        all
    }
}

/// A call on the whole cluster.
#[derive(Debug)]
pub struct Round<H: Host> {
    /// Its number.
    pub(crate) call: u64,
    /// Who waits.
    pub(crate) audience: Audience<H>,
    /// When it began.
    pub(crate) began: Instant,
    /// What the other nodes are asked for.
    pub(crate) request: Request,
    /// The command with its caller, for what is done here.
    pub(crate) summons: Option<H::Summons>,
    /// What the logout is about, if it is one.
    pub(crate) scope: Scope,
    /// When they were asked.
    pub(crate) asked: Instant,
    /// Until when the nodes have time.
    pub(crate) deadline: Instant,
    /// When those that have not answered are asked once more, in case that the message was lost, and how long after that again.
    pub(crate) repeats: (Instant, Duration),
    /// All nodes that are to do a part.
    pub(crate) peers: Vec<Peer>,
    /// Nodes that were asked and have not answered.
    pub(crate) waiting: Vec<Peer>,
    /// Those of them that are not connected, and since when.
    pub(crate) cut_off: Vec<(NodeId, Instant)>,
    /// Nodes that are asked one after another, because no more users are to go than a limit allows.
    pub(crate) unasked: Vec<Peer>,
    /// Whether this node's own part is not done yet.
    pub(crate) awaits_own: bool,
    /// Nodes whose part is missing, and why.
    pub(crate) missing: Vec<(Peer, Refusal)>,
    /// Nodes that have written what the layout wants.
    pub(crate) wrote: Vec<NodeId>,
    /// What came in.
    pub(crate) part: Option<Part>,
    /// What it does about keys that are on their way.
    pub(crate) wait: Wait,
}

/// How a call waits for keys that are on their way between nodes.
#[derive(Debug, Default)]
pub struct Wait {
    /// Nodes to which keys of the user are on their way.
    pub(crate) arriving: Vec<Peer>,
    /// Whether everybody was asked once more for the same, because keys had left a node.
    pub(crate) asked_again: bool,
    /// Until when it rests.
    pub(crate) rests: Option<Instant>,
    /// Whether it asks once more then.
    pub(crate) asks_then: bool,
}

impl<H: Host> Round<H> {
    /// A call that nobody is asked for yet, at the moment when it begins.
    pub(crate) fn new(
        audience: Audience<H>,
        request: Request,
        summons: Option<H::Summons>,
        scope: Scope,
        began: Instant,
    ) -> Self {
        Self {
            call: 0,
            audience,
            began,
            request,
            summons,
            scope,
            asked: began,
            deadline: began,
            repeats: (began, Duration::ZERO),
            peers: Vec::new(),
            waiting: Vec::new(),
            cut_off: Vec::new(),
            unasked: Vec::new(),
            awaits_own: false,
            missing: Vec::new(),
            wrote: Vec::new(),
            part: None,
            wait: Wait::default(),
        }
    }

    /// A message was sent to a node, or could not be: for how long now that has been so.
    pub(crate) fn cut_off_for(&mut self, node: &NodeId, is_sent: bool, now: Instant) -> Duration {
        if is_sent {
            self.cut_off.retain(|(known, _)| known != node);
            return Duration::ZERO;
        }
        if let Some((_, since)) = self.cut_off.iter().find(|(known, _)| known == node) {
            return now.duration_since(*since);
        }
        self.cut_off.push((*node, now));
        Duration::ZERO
    }

    /// How many milliseconds ago it was called at the most, of a logout that comes late, when a node reads that which may
    /// take it so long to come to it.
    pub(crate) fn age(&self, now: Instant, to_come: Duration) -> Option<u64> {
        let Audience::Pending(pending) = &self.audience else { return None };
        let age = (now.duration_since(pending.began) + to_come).as_millis();
        Some(u64::try_from(age).unwrap_or(u64::MAX))
    }

    /// Whether nothing more comes in.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.unasked.is_empty() && !self.awaits_own
    }

    /// Whether it is to end without more being done: the user may have logged in since.
    pub(crate) fn is_undone(&self) -> bool {
        self.missing.iter().any(|(_, refusal)| refusal.kind == RefusalKind::CameBack)
    }

    /// What a node is to do; `None` if that is nothing. Who has written before what the layout wants writes what is new since.
    pub(crate) fn errand_for(&self, node: &NodeId) -> Option<Errand> {
        match (&self.request.errand, &self.audience) {
            (Errand::Write(gone, _), Audience::Pending(pending)) if self.wrote.contains(node) => {
                let news = gone.clone().without(&pending.told);
                // As if it were a part of the user: what is for the user is written already.
                (!news.is_nobody()).then_some(Errand::Write(news, Scope::Part))
            }
            (errand, _) => Some(errand.clone()),
        }
    }

    /// A node has written what the layout wants.
    pub(crate) fn has_written(&mut self, node: &NodeId) {
        if !self.wrote.contains(node) {
            self.wrote.push(*node);
        }
    }

    /// Takes a node's answer. One that is not waited for, because it came twice or too late, changes nothing.
    pub(crate) fn take(&mut self, from: &NodeId, answer: Result<Part, Refusal>) {
        let Some(at) = self.waiting.iter().position(|peer| peer.id == *from) else { return };
        let peer = self.waiting.swap_remove(at);
        if answer.is_ok() && matches!(self.request.errand, Errand::Write(..)) {
            self.has_written(from);
        }
        match answer {
            Ok(mut part) => {
                self.note_motion(part.motion, &peer);
                part.each.iter_mut().for_each(|one| one.told.said_by(from));
                self.add(part);
            }
            Err(why) => self.missing.push((peer, why)),
        }
    }

    /// Notes a node to which keys are on their way.
    pub(crate) fn note_motion(&mut self, motion: Motion, peer: &Peer) {
        if motion == Motion::Arriving {
            self.wait.arriving.push(peer.clone());
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
        let missing = self.waiting.drain(..).map(|peer| (peer, Refusal::passing(why)));
        self.missing.extend(missing);
    }

    /// What all parts have in common.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.request.stamp
    }
}
