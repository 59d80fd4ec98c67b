//! One sweep: over all users of a database who may be stale, in slices.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{crowds, gate, judge};
use crate::{
    engine::{
        blocked::Blocked,
        reply::Reply,
        server::{Caller, Server, Summons},
    },
    error::Error,
    index::SHARDS,
    session::{self, Cause, Occasion},
    state,
};

/// What a sweep is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Only who has been stale for so long.
    pub grace: Duration,
    /// At most so many users.
    pub limit: u64,
    /// They are counted, and nothing changes.
    pub is_dry: bool,
}

/// What a sweep comes to next.
enum Next {
    User(Box<[u8]>),
    /// Users were found, or not; to look for them took its time.
    Shard,
    End,
}

/// A sweep under way.
#[derive(Debug)]
pub struct Job {
    order: Order,
    database: usize,
    /// It only notes until when users are live, and nobody is told of it.
    settles: bool,
    /// With whose permissions; without a summons, with all.
    summons: Option<Summons>,
    /// Who waits for the number, if anybody does.
    waits: Option<Blocked>,
    /// The next part of the index.
    shard: usize,
    /// Users of the last part who have not been looked at.
    pending: Vec<Box<[u8]>>,
    found: u64,
    began: Instant,
    slices: u64,
    longest: Duration,
}

impl Job {
    /// A sweep of a database that has not begun.
    pub fn new(order: Order, database: usize, summons: Option<Summons>) -> Self {
        Self {
            order,
            database,
            settles: false,
            summons,
            waits: None,
            shard: 0,
            pending: Vec::new(),
            found: 0,
            began: Instant::now(),
            slices: 0,
            longest: Duration::ZERO,
        }
    }

    /// A look at everybody of a database who may be stale, which changes nothing.
    pub fn to_settle(database: usize) -> Self {
        let order = Order { grace: Duration::MAX, limit: u64::MAX, is_dry: true };
        Self { settles: true, ..Self::new(order, database, None) }
    }

    /// The same, for a client that waits.
    #[must_use]
    pub fn for_client(self, client: Blocked) -> Self {
        Self { waits: Some(client), ..self }
    }

    /// Whether the server itself ordered it.
    pub fn is_by_the_clock(&self) -> bool {
        self.waits.is_none() && !self.settles
    }

    /// Whether it only notes until when users are live.
    pub fn settles(&self) -> bool {
        self.settles
    }

    /// The database that is swept.
    pub fn database(&self) -> usize {
        self.database
    }

    /// Begins again: what it has seen was replaced. Whoever was counted without being cleaned up is met once more.
    pub fn restart(&mut self) {
        (self.shard, self.pending) = (0, Vec::new());
        if self.order.is_dry {
            self.found = 0;
        }
    }

    /// Does all of it at once, in the selected database.
    ///
    /// # Errors
    /// Whatever ended it before its time.
    pub fn run(mut self, server: &Server) -> Result<u64, Error> {
        let result = self.work(server, None);
        state::with(|state| state.sweeping.at_work = None);
        self.count_slice(self.began);
        self.report(server);
        result.map(|_| self.found)
    }

    fn count_slice(&mut self, began: Instant) {
        self.slices += 1;
        self.longest = self.longest.max(began.elapsed());
    }

    /// Goes on until it is done or `deadline` is over. `true` if it is done.
    fn work(&mut self, server: &Server, deadline: Option<Instant>) -> Result<bool, Error> {
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if server.is_replica() {
            return Err(Error::Demoted);
        }
        if !crowds::read(server, deadline) {
            return Ok(false);
        }
        let caller = server.caller_of(self.summons.as_ref());
        while self.found < self.order.limit {
            match self.next() {
                Next::User(user) => {
                    if let Err(error) = self.visit(server, &user, &caller, deadline.is_some()) {
                        // Whoever ends it with that, or goes on when it is over, has lost nobody.
                        self.pending.push(user);
                        return Err(error);
                    }
                }
                Next::Shard => {}
                Next::End => return Ok(true),
            }
            if is_over() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next user who may be stale, or the next part of the index.
    fn next(&mut self) -> Next {
        if let Some(user) = self.pending.pop() {
            return Next::User(user);
        }
        if self.shard == SHARDS {
            return Next::End;
        }
        self.pending = state::with(|state| {
            let now = state.clock.now();
            state.databases[self.database].index.due(self.shard, now)
        });
        self.shard += 1;
        Next::Shard
    }

    /// Looks at a user, and cleans one up who is stale. `asks` whether the server takes writes, as it has done for a command
    /// that does all at once.
    fn visit(&mut self, server: &Server, user: &[u8], caller: &Caller, asks: bool) -> Result<(), Error> {
        let began = Instant::now();
        let Some(ghost) = judge::judge(server, user)? else { return Ok(()) };
        let stale_for = state::with(|state| ghost.since.until(state.clock.passed()));
        if u128::from(stale_for) < self.order.grace.as_millis() {
            return Ok(());
        }
        let checked = ghost.plan.check(server, caller, false)?;
        if !self.order.is_dry {
            if asks {
                gate::pass(server)?;
            }
            session::log_out(server, &checked, Occasion::user(Cause::Sweep, began));
        }
        self.found += 1;
        Ok(())
    }

    fn report(&self, server: &Server) {
        let Self { order, found, slices, longest, began, settles, .. } = self;
        if *settles {
            return;
        }
        let took = began.elapsed();
        let level = state::with(|state| {
            let report = &mut state.sweeping.report;
            report.sweeps += 1;
            let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(took);
            (report.last_start, report.last_duration) = (start.as_secs(), took);
            (report.last_users, report.last_slices, report.last_longest) = (*found, *slices, *longest);
            state.journal.admits(Instant::now(), 1).then_some(state.options.log_level())
        });
        if let Some(level) = level {
            let dry = if order.is_dry { " (a dry run)" } else { "" };
            let (usec, longest) = (took.as_micros(), longest.as_micros());
            let line =
                format!("sweep ended{dry} users={found} usec={usec} slices={slices} longest_slice_usec={longest}");
            server.log(level.name(), &line);
        }
    }
}

/// Gives the sweep whose turn it is a slice, until `deadline`. `true` if there is more to do. Leaves another database
/// selected. While the server refuses writes, its own sweeps wait; a client's ends with what the server says.
pub fn slice(server: &Server, deadline: Instant) -> bool {
    let waits = waiting(server);
    let next = state::with(|state| {
        let jobs = &mut state.sweeping.jobs;
        jobs.iter().position(|job| !waits(job)).and_then(|at| jobs.remove(at))
    });
    let Some(mut job) = next else { return false };
    server.select(job.database);
    let began = Instant::now();
    let result = job.work(server, Some(deadline));
    job.count_slice(began);
    match result {
        Ok(false) => state::with(|state| state.sweeping.jobs.push_back(job)),
        Err(Error::Refused(_)) if job.is_by_the_clock() => state::with(|state| state.sweeping.jobs.push_back(job)),
        Ok(true) => end(server, job, None),
        Err(error) => end(server, job, Some(error)),
    }
    let waits = waiting(server);
    state::with(|state| !state.sweeping.jobs.iter().all(waits))
}

/// Which sweeps wait because the server refuses writes. On a replica they end.
fn waiting(server: &Server) -> impl Fn(&Job) -> bool + use<> {
    let is_closed = gate::is_closed() && !server.is_replica();
    move |job| is_closed && job.is_by_the_clock()
}

fn end(server: &Server, mut job: Job, error: Option<Error>) {
    job.report(server);
    if let Some(client) = job.waits.take() {
        client.answer(error.map_or(Ok(Reply::Integer(i64::try_from(job.found).unwrap_or(i64::MAX))), Err));
    }
}

/// Starts the sweeps that `session.sweep-interval` asks for. Called a few times a second.
pub fn start_by_the_clock(server: &Server) {
    if server.is_replica() {
        return;
    }
    let databases = state::with(|state| {
        let now = Instant::now();
        let interval = state.options.sweep_interval();
        let is_due = state.layout.sockets.is_some()
            && interval.is_some_and(|interval| now.duration_since(state.sweeping.swept_at) >= interval)
            && !state.sweeping.jobs.iter().any(Job::is_by_the_clock);
        if is_due {
            state.sweeping.swept_at = now;
        }
        if is_due { state.databases.len() } else { 0 }
    });
    for database in (0..databases).filter(|database| server.select(*database) && server.size() > 0) {
        state::with(|state| {
            let order = Order { grace: state.options.grace(), limit: u64::MAX, is_dry: false };
            state.sweeping.jobs.push_back(Job::new(order, database, None));
        });
    }
}
