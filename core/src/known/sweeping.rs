//! What sweeps, the cascade and the fence remember between their slices.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use super::{dead::DeadSockets, fence::Fence, job::Job, returned::ReturnedUsers, waiter::Waiter};
use crate::{
    error::Error,
    index::{Place, PlaceRef, Tick},
    ports::Host,
};

/// A user of a database.
pub type DatabaseUser = (usize, Box<[u8]>);

/// The most users that are passed over; of more, those over whom a defect showed first get another chance.
const MOST_PASSED_OVER: usize = 64;

/// What sweeping keeps between its slices.
#[derive(Debug)]
pub struct Sweeping<H: Host> {
    /// Sweeps under way; each gets a slice in its turn.
    pub jobs: VecDeque<Job<H>>,
    /// Users to be looked at soon.
    pub candidates: VecDeque<Candidate>,
    /// Sockets whose data ended before it was known whose they are: the database and the socket.
    pub unknown_ends: Vec<(usize, Box<[u8]>)>,
    /// Users to be cleaned up when their grace is over.
    pub pending_expiries: BinaryHeap<PendingExpiry>,
    /// Collections that are being read, by database.
    pub collection_scans: Vec<(usize, CollectionScan<H::Cursor>)>,
    /// Sockets of live users that have no data key.
    pub dead: DeadSockets,
    /// Users who were found to be stale by what all nodes of a cluster know: since when.
    pub stale: DeadSockets,
    /// Sockets that were logged out.
    pub fence: Fence,
    /// Keys of such sockets that were written again: the database and the name.
    pub fenced_writes: HashSet<(usize, Box<[u8]>)>,
    /// Users of whom something came back.
    pub returned: ReturnedUsers,
    /// Whether the server takes writes.
    pub writes: Writes,
    /// Whom a slice is at work on.
    pub at_work: Option<DatabaseUser>,
    /// For whom it is, who gets an answer whatever becomes of the work.
    pub served: Option<Waiter>,
    /// The last ticket that was given.
    pub last_ticket: u64,
    /// Users over whom a defect showed: they are passed over, so that they do not keep others from being cleaned up.
    pub passed_over: VecDeque<DatabaseUser>,
    /// Whether it is known of every user until when the session lives, as the cascade needs it.
    pub is_settled: bool,
    /// When the server swept by itself last, or was loaded.
    pub swept_at: Instant,
    /// What INFO shows.
    pub report: Report,
}

impl<H: Host> Sweeping<H> {
    /// Nothing to remember yet.
    pub fn new(now: Instant) -> Self {
        Self {
            jobs: VecDeque::new(),
            candidates: VecDeque::new(),
            unknown_ends: Vec::new(),
            pending_expiries: BinaryHeap::new(),
            collection_scans: Vec::new(),
            dead: DeadSockets::default(),
            stale: DeadSockets::default(),
            fence: Fence::default(),
            fenced_writes: HashSet::new(),
            returned: ReturnedUsers::default(),
            writes: Writes::default(),
            at_work: None,
            served: None,
            last_ticket: 0,
            passed_over: VecDeque::new(),
            is_settled: false,
            swept_at: now,
            report: Report::default(),
        }
    }
}

impl<H: Host> Sweeping<H> {
    /// What these databases hold was replaced, or is not known any more.
    pub fn restart(&mut self, is_affected: impl Fn(usize) -> bool) {
        self.is_settled = false;
        self.dead.forget_databases(&is_affected);
        self.stale.forget_databases(&is_affected);
        self.jobs.iter_mut().filter(|job| is_affected(job.database())).for_each(Job::restart);
        self.collection_scans.retain(|(database, _)| !is_affected(*database));
    }

    /// Begins with a user, unless a defect showed over that one before.
    pub(crate) fn takes_up(&mut self, database: usize, user: &[u8]) -> bool {
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
        let pending_expiries = std::mem::take(&mut self.pending_expiries).into_iter();
        self.pending_expiries = pending_expiries.map(|expiry| expiry.in_database(swapped)).collect();
        self.passed_over.iter_mut().for_each(|(database, _)| *database = swapped(*database));
        self.restart(|number| number == first || number == second);
    }

    /// A collection has to be read once more.
    pub(crate) fn void_collection_scans(&mut self, database: usize, place: PlaceRef<'_>) {
        self.collection_scans
            .iter_mut()
            .filter(|(of, scan)| *of == database && scan.place.borrowed() == place)
            .for_each(|(_, scan)| {
                scan.is_void = true;
            });
    }

    /// Whether a slice of work has something to do.
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
            || !self.candidates.is_empty()
            || !self.pending_expiries.is_empty()
            || !self.fenced_writes.is_empty()
            || !self.returned.is_empty()
    }
}

/// A user to be looked at soon.
#[derive(Debug)]
pub struct Candidate {
    /// The number of the user's database.
    pub(crate) database: usize,
    pub(crate) user: Box<[u8]>,
    /// A key expired or was evicted.
    pub(crate) has_expired: bool,
}

/// A user whose session ended by itself, and who is cleaned up when the grace is over, if still stale for the same reason.
/// Who has been so for longest is the greatest, as a heap wants it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingExpiry {
    /// Since when, in milliseconds since 1970: the indexes' clock may begin anew before.
    pub(crate) ended: Reverse<u64>,
    pub(crate) database: usize,
    pub(crate) user: Box<[u8]>,
    /// The same by the indexes' clock. A user who is stale since later came back meanwhile, and may have left in another way.
    pub(crate) since: Tick,
}

impl PendingExpiry {
    /// The user's database has another number now.
    #[must_use]
    pub fn in_database(self, number: impl Fn(usize) -> usize) -> Self {
        Self { database: number(self.database), ..self }
    }

    /// The marks that say since when somebody is stale are gone.
    #[must_use]
    pub fn without_since(self) -> Self {
        Self { since: Tick::LAST, ..self }
    }
}

/// A collection, or a document, that is being read.
#[derive(Debug)]
pub struct CollectionScan<C> {
    pub(crate) place: Place,
    pub(crate) cursor: C,
    /// It was written meanwhile in a way that does not say which members are new: those may have come where it was read already.
    pub(crate) is_void: bool,
    /// When it was begun, the last time.
    pub(crate) began: Instant,
    /// How often.
    pub(crate) times: u32,
}

/// What the server says of writes.
#[derive(Debug, Default)]
pub enum Writes {
    /// It was not asked in this slice of work.
    #[default]
    Unasked,
    /// It is being asked.
    Asking,
    /// It takes them.
    Taken,
    /// It refuses them, with these words.
    Refused(String),
}

impl Writes {
    pub(crate) fn answer(&self) -> Option<Result<(), Error>> {
        match self {
            Self::Unasked | Self::Asking => None,
            Self::Taken => Some(Ok(())),
            Self::Refused(why) => Some(Err(Error::Refused(why.clone()))),
        }
    }
}

/// Numbers since the module was loaded, and about the sweep that ended last.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sweeps that ended.
    pub sweeps: u64,
    /// Users whom they cleaned up, and the cascade.
    pub users: u64,
    /// Dead sockets of live users that they took away.
    pub sockets: u64,
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
