//! Sweeping: users whose session is over and who never said so.
//!
//! Who is stale is decided in one place, [`judge`], in the same instant in which the user's traces are removed, so that
//! somebody who logs in meanwhile is never touched. It is asked by
//!
//! - [`job`]: a sweep, by command or by the clock, over all users who may be stale;
//! - [`candidates`]: users of whom something was just deleted or ended, who are looked at soon;
//! - [`cascade`]: users whose session ended because a key expired.
//!
//! Who may be stale stands in the index: each user has a [`crate::index::Mark`] there. A user who was found live is not
//! looked at again before a key that this followed from is written, deleted, evicted, or over. So a sweep costs what has
//! changed, not how many users there are. [`crowds`] makes the index know the members of collections that are too large
//! to be read in one go. [`fence`] keeps what was logged out from being written again. All that write wait at the [`gate`]
//! while the server refuses writes.

pub mod candidates;
pub mod cascade;
pub mod crowds;
pub mod fence;
pub mod gate;
pub mod job;
pub mod judge;

use std::{
    collections::{BinaryHeap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use candidates::Candidate;
use cascade::Departure;
use crowds::Crawl;
use fence::Fence;
use gate::Writes;
use job::Job;

/// A user of a database.
pub type Patient = (usize, Box<[u8]>);

/// So many users are passed over; of more, those over whom a defect showed first get another chance.
const MOST_PASSED_OVER: usize = 64;

/// What sweeping keeps between its slices.
#[derive(Debug)]
pub struct Sweeping {
    /// Sweeps under way; each gets a slice in its turn.
    pub jobs: VecDeque<Job>,
    /// Users to be looked at soon.
    pub candidates: VecDeque<Candidate>,
    /// Sockets whose data ended before it was known whose they are: the database and the socket.
    pub unknown_ends: Vec<(usize, Box<[u8]>)>,
    /// Users to be cleaned up when their grace is over.
    pub departures: BinaryHeap<Departure>,
    /// The collection that is being read, by database.
    pub crawls: Vec<(usize, Crawl)>,
    /// Sockets that were logged out.
    pub fence: Fence,
    /// Keys of such sockets that were written again: the database and the name.
    pub trespassers: HashSet<(usize, Box<[u8]>)>,
    /// Whether the server takes writes.
    pub writes: Writes,
    /// Whom a slice is at work on.
    pub at_work: Option<Patient>,
    /// Users over whom a defect showed: they are passed over, so that they do not keep others from being cleaned up.
    pub passed_over: VecDeque<Patient>,
    /// Whether it is known of every user until when the session lives, as the cascade needs it.
    pub is_settled: bool,
    /// When the server swept by itself last, or was loaded.
    pub swept_at: Instant,
    /// What INFO shows.
    pub report: Report,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self {
            jobs: VecDeque::new(),
            candidates: VecDeque::new(),
            unknown_ends: Vec::new(),
            departures: BinaryHeap::new(),
            crawls: Vec::new(),
            fence: Fence::default(),
            trespassers: HashSet::new(),
            writes: Writes::default(),
            at_work: None,
            passed_over: VecDeque::new(),
            is_settled: false,
            swept_at: Instant::now(),
            report: Report::default(),
        }
    }
}

impl Sweeping {
    /// What these databases hold was replaced, or is not known any more.
    pub fn restart(&mut self, is_affected: impl Fn(usize) -> bool) {
        self.is_settled = false;
        self.jobs.iter_mut().filter(|job| is_affected(job.database())).for_each(Job::restart);
        self.crawls.retain(|(database, _)| !is_affected(*database));
    }

    /// Begins with a user, unless a defect showed over that one before.
    fn takes_up(&mut self, database: usize, user: &[u8]) -> bool {
        if self.passed_over.iter().any(|(of, other)| *of == database && **other == *user) {
            return false;
        }
        self.at_work = Some((database, user.into()));
        true
    }

    /// A defect was caught. If it showed over a user whom a slice was at work on, the next one passes that user over.
    pub fn recover(&mut self) {
        self.passed_over.extend(self.at_work.take());
        let surplus = self.passed_over.len().saturating_sub(MOST_PASSED_OVER);
        self.passed_over.drain(..surplus);
    }

    /// Two databases changed places, and with them their users. A socket that was logged out stays where it was: a request
    /// in flight goes on with the number that it knows.
    pub fn swap(&mut self, first: usize, second: usize) {
        let swapped = |number: usize| match number {
            number if number == first => second,
            number if number == second => first,
            number => number,
        };
        self.candidates.iter_mut().for_each(|candidate| candidate.database = swapped(candidate.database));
        self.unknown_ends.iter_mut().for_each(|(database, _)| *database = swapped(*database));
        let departures = std::mem::take(&mut self.departures).into_iter();
        self.departures = departures.map(|departure| departure.in_database(swapped)).collect();
        self.passed_over.iter_mut().for_each(|(database, _)| *database = swapped(*database));
        self.restart(|number| number == first || number == second);
    }

    /// Whether a slice of work has something to do.
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
            || !self.candidates.is_empty()
            || !self.departures.is_empty()
            || !self.trespassers.is_empty()
    }
}

/// Numbers since the module was loaded, and about the sweep that ended last.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sweeps that ended.
    pub sweeps: u64,
    /// Users whom they cleaned up, and the cascade.
    pub users: u64,
    /// When the last sweep began, in seconds since 1970; 0 if there was none.
    pub last_start: u64,
    /// How long it took.
    pub last_duration: Duration,
    /// How many users it cleaned up.
    pub last_users: u64,
    /// In how many slices.
    pub last_slices: u64,
    /// How long the longest of them took.
    pub last_longest: Duration,
    /// Keys of logged-out sockets that were removed again.
    pub fenced: u64,
}
