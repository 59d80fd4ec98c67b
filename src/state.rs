//! What the module keeps between calls.

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    config::Options,
    engine::{keys::Cursor, server::Name, threads::MainThread, unload::Rest},
    index::{Index, Mark, PlaceRef, SocketHash, Subject, Tick, Whom},
    journal::Journal,
    layout::{Holder, Layout},
    plan::Removed,
    sweep::{Sweeping, candidates},
    tracker::Tracker,
    upkeep::{Findings, Tidying},
    watcher::Watcher,
};

/// The module's state; there is none before the module is loaded and after it is unloaded.
#[derive(Debug)]
pub struct State {
    /// The layout in use.
    pub layout: Rc<Layout>,
    /// What of it has to be watched.
    pub watcher: Rc<Watcher>,
    /// What is known of each database, by its number.
    pub databases: Vec<Database>,
    /// What was written and is not read yet.
    pub tracker: Tracker<Name>,
    /// What the server said last of how often `DEBUG` was called.
    pub debug_calls: Option<String>,
    /// When the list of all clients was asked for last, and how long that took.
    pub listed: Option<(Instant, Duration)>,
    /// What was found in keys that were read, and is not in the indexes yet.
    pub findings: Findings,
    /// How often places were looked at.
    pub looks: usize,
    /// Subjects that got so many places that it is time to look which are still right.
    pub crowding: Vec<(usize, Subject, Vec<u8>)>,
    /// The walk that looks which places are still right.
    pub tidying: Tidying,
    /// Of keys that appear or end by themselves, which events are watched (`REDISMODULE_NOTIFY_*`).
    pub watched: i32,
    /// Whether watching events can leave a client in another database, once that was tried.
    pub displaces_clients: Option<bool>,
    /// Which database each client had selected when a load began.
    pub loaded_for: HashMap<u64, usize>,
    /// Which timers are set.
    pub timers: Timers,
    /// What INFO counts.
    pub metrics: Metrics,
    /// What the log was told.
    pub journal: Journal,
    /// The options' values.
    pub options: Rc<Options>,
    /// Counts the moments of the indexes' marks.
    pub clock: Clock,
    /// Sweeps, and what they leave for later.
    pub sweeping: Sweeping,
}

/// Timers that are set, by the server's numbers for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timers {
    /// The one for the next slice of work.
    pub slice: Option<u64>,
    /// The one that reads what was written just now.
    pub haste: Option<u64>,
    /// They rest while the module may be unloaded.
    pub rest: Rest,
}

/// What is known of one database.
#[derive(Debug, Default)]
pub struct Database {
    /// Where users show up.
    pub index: Index,
    /// Whether that is all.
    pub build: Build,
}

/// Counts time in [`Tick`]s since the indexes were begun. It is the time of day, as servers reckon when a key expires.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Milliseconds since 1970.
    began: u64,
    /// When somebody looked last.
    moment: Tick,
    /// How often nobody did since.
    passed_over: u32,
}

impl Database {
    /// The users who may be live by a key, as far as they are known.
    pub fn users_by(&self, holder: Holder<'_>) -> Vec<Box<[u8]>> {
        match holder {
            Holder::User(user) => vec![user.into()],
            Holder::Socket(socket) => self.index.owners(SocketHash::of(socket)),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self { began: Self::milliseconds(), moment: Tick::FIRST, passed_over: 0 }
    }
}

impl Clock {
    /// The time of day, in milliseconds since 1970.
    pub fn milliseconds() -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks at the time, for [`Clock::moment`].
    pub fn refresh(&mut self) {
        (self.moment, self.passed_over) = (self.now(), 0);
    }

    /// The same, where many calls follow each other closely: not every one of them looks.
    pub fn refresh_often(&mut self) {
        const CALLS: u32 = 64;
        self.passed_over += 1;
        if self.passed_over >= CALLS || self.moment == Tick::FIRST {
            self.refresh();
        }
    }

    /// The moment when somebody looked last: at the beginning of the slice of work that is under way.
    pub fn moment(self) -> Tick {
        self.moment
    }

    /// This moment, rounded up: nothing has been so for longer than it seems.
    pub fn now(self) -> Tick {
        Tick::after(Self::milliseconds().saturating_sub(self.began))
    }

    /// The last moment that has passed for sure.
    pub fn passed(self) -> Tick {
        self.tick(Self::milliseconds())
    }

    /// The moment of so many milliseconds since 1970, rounded down.
    pub fn tick(self, milliseconds: u64) -> Tick {
        Tick::at(milliseconds.saturating_sub(self.began))
    }

    /// When the moment began, in milliseconds since 1970.
    pub fn milliseconds_at(self, tick: Tick) -> u64 {
        self.began.saturating_add(Tick::FIRST.until(tick))
    }

    /// Whether the clock has run for so long that it should begin again.
    pub fn is_old(self) -> bool {
        self.now() > Tick::OLD
    }
}

/// How far the index of a database has been built.
#[derive(Debug, Default)]
pub enum Build {
    /// Not at all.
    #[default]
    Todo,
    /// The walk over the keys is under way; so many of them have been met, watched or not.
    Walking(Cursor, u64),
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

static STATE: MainThread<Option<State>> = MainThread::new(None);

impl State {
    /// The state of a module that knows nothing yet.
    pub fn new(layout: Layout, databases: usize, options: Options) -> Self {
        Self {
            watcher: Rc::new(Watcher::new(&layout)),
            layout: Rc::new(layout),
            databases: (0..databases).map(|_| Database::default()).collect(),
            tracker: Tracker::default(),
            debug_calls: None,
            listed: None,
            findings: Findings::default(),
            looks: 0,
            crowding: Vec::new(),
            tidying: Tidying::default(),
            watched: 0,
            displaces_clients: None,
            loaded_for: HashMap::new(),
            timers: Timers::default(),
            metrics: Metrics::default(),
            journal: Journal::default(),
            options: Rc::new(options),
            clock: Clock::default(),
            sweeping: Sweeping::default(),
        }
    }
}

impl State {
    /// Forgets that a subject shows up at a place of a database.
    pub fn forget_place(&mut self, database: usize, subject: Subject, id: &[u8], place: PlaceRef<'_>) {
        let (layout, index) = (self.layout.clone(), &mut self.databases[database].index);
        index.remove(subject, id, place);
        let Some(socket) = layout.owned_socket(place) else { return };
        index.forget_owner(SocketHash::of(socket), Whom::new(Subject::User, id).hash);
        // The socket may be in the mapping still, or another one may be. When that ends, nothing tells that it matters to
        // this user. An end that has come is left to whoever looks for ends.
        let now = self.clock.now();
        if let Some(Mark::Live(until)) = index.mark(id).filter(|mark| !mark.is_due(now)) {
            index.set_mark(id, Mark::Doubtful(until.next().min(now)));
            candidates::doubt(self, database, id, true);
        }
    }

    /// Whether sockets that are logged out are fenced off.
    pub fn is_fencing(&self) -> bool {
        self.options.fence().is_some() && self.layout.sockets.is_some()
    }
}

/// Sets the state; `None` before the module goes.
pub fn set(state: Option<State>) {
    STATE.with(|place| *place = state);
}

/// Works on the state. `work` must not call into the server: see [`MainThread::with`].
///
/// # Panics
/// If the module is not loaded, or from within `work`.
pub fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| work(state.as_mut().expect("the module is loaded")))
}

/// Works on the state if the module is loaded.
pub fn try_with<R>(work: impl FnOnce(&mut State) -> R) -> Option<R> {
    STATE.with(|state| state.as_mut().map(work))
}
