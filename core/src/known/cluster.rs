//! What is kept of calls on the whole cluster: those that this node makes for its clients, and those that other nodes make of it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    answers::Answers,
    job::Job,
    logins::Logins,
    pending::PendingLogouts,
    recent::RecentLogouts,
    round::{Audience, Round},
    statements::Statements,
    waiter::Waiter,
};
use crate::{
    ports::{Host, NodeId},
    wire::{self, Part, Refusal, Request},
};

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
    pub(crate) done: Vec<(Waiter, Result<Part, Refusal>)>,
    /// What this node answered others not long ago.
    pub(crate) answers: Answers,
    /// Logouts of which a part is missing.
    pub(crate) pending: PendingLogouts,
    /// Logouts of the last seconds.
    pub(crate) recent: RecentLogouts,
    /// Who may have logged in lately.
    pub(crate) logins: Logins,
    /// What others were told of users.
    pub(crate) statements: Statements,
    /// When the connections to other nodes may be hurried next.
    pub(crate) may_hurry: Option<Instant>,
    /// When an answer was late last.
    pub(crate) late: Option<Instant>,
    /// Sweeps that come to users about whom all nodes are to be asked.
    pub(crate) asking: Vec<Job<H>>,
    /// When keys were last sent to another node, with their slots.
    pub(crate) keys_left: Option<Instant>,
    /// Whether nobody has looked since.
    pub(crate) keys_leave: bool,
    /// Slots whose keys are shown since a moment ago, and were not read yet.
    pub(crate) arrived: Vec<u16>,
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
            answers: Answers::default(),
            pending: PendingLogouts::default(),
            recent: RecentLogouts::default(),
            logins: Logins::default(),
            statements: Statements::default(),
            may_hurry: None,
            late: None,
            asking: Vec::new(),
            keys_left: None,
            keys_leave: false,
            arrived: Vec::new(),
            report: Report::default(),
        }
    }
}

impl<H: Host> Cluster<H> {
    /// How many logouts of which a part was missing are being done once more.
    pub(crate) fn pending_under_way(&self) -> usize {
        self.rounds.iter().filter(|round| matches!(round.audience, Audience::Pending(_))).count()
    }

    /// Whether answers were late not long ago.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        const LASTS: Duration = Duration::from_secs(10);
        self.late.is_some_and(|late| now.duration_since(late) < LASTS)
    }

    /// The call of a number, if it is under way.
    pub(crate) fn round(&mut self, call: u64) -> Option<&mut Round<H>> {
        self.rounds.iter_mut().find(|round| round.call == call)
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
    /// Logouts that became complete when a node was asked again.
    pub completed: u64,
    /// Logouts of which a part is missing for good.
    pub given_up: u64,
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
