//! What is kept between calls.

use std::{
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    clock::Clock, cluster::Cluster, findings::Findings, job::Job, question::Question, round::Audience,
    sweeping::Sweeping, tidying::Tidying, waiter::Waiter, wants::Wants,
};
use crate::{
    config::{Opt, Options},
    error::Error,
    index::{Index, SocketHash, Subject},
    journal::Journal,
    layout::{Holder, Layout},
    plan::Removed,
    ports::Host,
    reply::Reply,
    tracker::Tracker,
    watcher::Watcher,
    wire::{Part, Refusal},
};

/// The module's state; there is none before the module is loaded and after it is unloaded.
#[derive(Debug)]
pub struct State<H: Host> {
    /// The layout in use.
    pub layout: Rc<Layout>,
    /// What of it has to be watched.
    pub watcher: Rc<Watcher>,
    /// What is known of each database, by its number.
    pub databases: Vec<Database<H>>,
    /// What was written and is not read yet.
    pub tracker: Tracker<H::Name>,
    /// What the server said last of how often `DEBUG` was called.
    pub debug_calls: Option<String>,
    /// What the server said last of how often `EXEC` and `DISCARD` failed, and when it was asked.
    pub failed_ends: Option<(String, Instant)>,
    /// When the list of all clients was asked for last, and how long that took.
    pub listed: Option<(Instant, Duration)>,
    /// What was found in keys that were read, and is not in the indexes yet.
    pub findings: Findings,
    /// How often places were looked at.
    pub looks: usize,
    /// Subjects whose places have doubled in number: it is time to look which are still right.
    pub grown: Vec<(usize, Subject, Vec<u8>)>,
    /// The walk that looks which places are still right.
    pub tidying: Tidying,
    /// What INFO counts.
    pub metrics: Metrics,
    /// What the log was told.
    pub journal: Journal,
    /// The options' values.
    pub options: Rc<Options>,
    /// Counts the moments of the indexes' marks.
    pub clock: Clock,
    /// Sweeps, and what they leave for later.
    pub sweeping: Sweeping<H>,
    /// Keys that clients want explained.
    pub questions: VecDeque<Question<H>>,
    /// Calls on the whole cluster.
    pub cluster: Cluster<H>,
    /// What the module is to do when the core is done.
    pub wants: Wants,
}

/// What is known of one database.
#[derive(Debug)]
pub struct Database<H: Host> {
    /// Where users show up.
    pub index: Index,
    /// Whether that is all.
    pub build: Build<H::Cursor>,
}

impl<H: Host> Default for Database<H> {
    fn default() -> Self {
        Self { index: Index::default(), build: Build::Todo }
    }
}

impl<H: Host> Database<H> {
    /// The users who may be live by a key, as far as they are known.
    pub fn users_by(&self, holder: Holder<'_>) -> Vec<Box<[u8]>> {
        match holder {
            Holder::User(user) => vec![user.into()],
            Holder::Socket(socket) => self.index.owners(SocketHash::of(socket)),
        }
    }
}

/// How far the index of a database has been built.
#[derive(Debug)]
pub enum Build<C> {
    /// Not at all.
    Todo,
    /// The walk over the keys is under way, and how many of them it has met, watched or not.
    Walking(C, u64),
    /// Data is being loaded into it, and every key is seen when it is.
    Loading,
    /// Every key is known.
    Ready,
}

/// Numbers since the module was loaded.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Logouts that removed something.
    pub logouts: u64,
    /// Traces that they removed, by kind.
    pub removed: Removed,
    /// Values met that could not hold a trace.
    pub mistyped: u64,
    /// The slowest logout.
    pub slowest: Duration,
    /// Messages sent and entries written because of logouts.
    pub events_sent: u64,
    /// Those that could not be.
    pub events_left_out: u64,
    /// Defects caught at the border.
    pub defects: u64,
}

impl Metrics {
    /// Counts what was removed, and how long it took if it was a logout that somebody asked for.
    pub fn count(&mut self, removed: Removed, took: Option<Duration>) {
        self.logouts += u64::from(took.is_some());
        self.removed.keys += removed.keys;
        self.removed.members += removed.members;
        self.removed.entries += removed.entries;
        self.slowest = self.slowest.max(took.unwrap_or_default());
    }
}

impl<H: Host> State<H> {
    /// The state of a module that knows nothing yet, at a time in milliseconds since 1970, and a moment.
    pub fn new(layout: Layout, databases: usize, options: Options, now: u64, instant: Instant) -> Self {
        Self {
            watcher: Rc::new(Watcher::new(&layout)),
            cluster: Cluster::new(&layout.text),
            layout: Rc::new(layout),
            databases: (0..databases).map(|_| Database::default()).collect(),
            tracker: Tracker::default(),
            debug_calls: None,
            failed_ends: None,
            listed: None,
            findings: Findings::default(),
            looks: 0,
            grown: Vec::new(),
            tidying: Tidying::new(instant),
            metrics: Metrics::default(),
            journal: Journal::default(),
            options: Rc::new(options),
            clock: Clock::begun(now),
            sweeping: Sweeping::new(instant),
            questions: VecDeque::new(),
            wants: Wants::default(),
        }
    }

    /// Sets an option.
    ///
    /// # Errors
    /// Why the value is refused: the option does not take it, or the layout forbids it.
    pub fn set_option(&mut self, option: &Opt, value: &str) -> Result<(), String> {
        let mut options = (*self.options).clone();
        option.set(&mut options, value).map_err(|error| error.to_string())?;
        options.allowed_by(&self.layout).map_err(|unsaid| unsaid.to_string())?;
        self.options = Rc::new(options);
        Ok(())
    }

    /// Gives somebody who waits what came of it.
    pub(crate) fn answer(&mut self, waiter: Waiter, answer: Result<Reply, Error>) {
        if let Waiter::Client(client) = waiter {
            self.wants.answers.push((client, answer));
        } else {
            let part = answer.map(Part::of).map_err(Refusal::from);
            self.cluster.done.push((waiter, part));
            self.wants.soon = true;
        }
    }

    /// All sweeps under way, those too that wait for other nodes.
    pub fn jobs(&self) -> impl Iterator<Item = &Job<H>> {
        let asked = self.cluster.rounds.iter().filter_map(|round| match &round.audience {
            Audience::Sweep(job) => Some(&**job),
            _ => None,
        });
        self.sweeping.jobs.iter().chain(&self.cluster.asking).chain(asked)
    }

    /// Whether sockets that are logged out are fenced off.
    pub fn is_fencing(&self) -> bool {
        self.options.fence().is_some() && self.layout.sockets.is_some()
    }
}
