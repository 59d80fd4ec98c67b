//! What this node answered others.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::ports::NodeId;

/// What this node answered others not long ago, as bytes: an answer may be lost, and its question be asked again. No part is done
/// twice, because what it finds then is less.
#[derive(Debug, Default)]
pub struct Answers {
    /// In their order, with the node and its number for the call.
    known: VecDeque<Answered>,
    /// Which those are: nearly always it is none of them.
    calls: HashSet<(NodeId, u64)>,
    bytes: usize,
}

/// An answer to a node.
#[derive(Debug)]
pub struct Answered {
    pub(crate) to: NodeId,
    pub(crate) call: u64,
    pub(crate) bytes: Vec<u8>,
    /// When it was given.
    pub(crate) at: Instant,
    /// Whether it could not be sent yet.
    pub(crate) is_unsent: bool,
}

/// The most answers that are remembered.
const MOST_ANSWERS: usize = 4096;

/// The most bytes that they may take.
const MOST_ANSWER_BYTES: usize = 8 << 20;

impl Answers {
    /// Remembers one. What is too much is forgotten, the oldest first.
    pub(crate) fn add(&mut self, answered: Answered) {
        self.bytes += answered.bytes.len();
        self.calls.insert((answered.to, answered.call));
        self.known.push_back(answered);
        while self.known.len() > MOST_ANSWERS || (self.bytes > MOST_ANSWER_BYTES && self.known.len() > 1) {
            self.forget_first();
        }
    }

    /// What was answered to a node's call.
    pub(crate) fn get(&self, to: &NodeId, call: u64) -> Option<Vec<u8>> {
        if !self.calls.contains(&(*to, call)) {
            return None;
        }
        let is_it = |answered: &&Answered| answered.call == call && answered.to == *to;
        self.known.iter().rev().find(is_it).map(|answered| answered.bytes.clone())
    }

    /// Takes those that could not be sent.
    pub(crate) fn take_unsent(&mut self) -> Vec<(NodeId, Vec<u8>, u64)> {
        let unsent = self.known.iter_mut().filter(|answered| answered.is_unsent);
        let take = |answered: &mut Answered| {
            answered.is_unsent = false;
            (answered.to, answered.bytes.clone(), answered.call)
        };
        unsent.map(take).collect()
    }

    /// One could not be sent again.
    pub(crate) fn put_back(&mut self, to: &NodeId, call: u64) {
        if let Some(answered) = self.known.iter_mut().find(|answered| answered.call == call && answered.to == *to) {
            answered.is_unsent = true;
        }
    }

    /// Forgets those for which nobody waits any more.
    pub(crate) fn tidy(&mut self, now: Instant, lasts: Duration) {
        while self.known.front().is_some_and(|first| now.duration_since(first.at) >= lasts) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.known.pop_front() {
            self.bytes -= first.bytes.len();
            self.calls.remove(&(first.to, first.call));
        }
    }
}
