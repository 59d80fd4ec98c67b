//! One sweep: over all users of a database who may be stale, in slices.

use std::time::{Duration, Instant};

use super::{
    collections,
    context::{Cause, LogoutContext},
    dead, gate,
    judge::{self, Judged},
    logout,
};
use crate::{
    error::Error,
    index::SHARDS,
    journal,
    known::{
        dead::DeadSocket,
        job::{Job, Order},
    },
    ports::Host,
    reply::Reply,
    session::Ask,
};

/// So many of the users found are named in the log.
const MOST_NAMED: usize = 10;

/// So many users are asked about at a time.
const ASKED_AT_ONCE: usize = 32;

/// How far a sweep has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There is more to do.
    GoesOn,
    /// All nodes are to be asked about users.
    Asks,
    /// It is done.
    Ended,
}

/// What a sweep comes to next.
enum Next {
    User(Box<[u8]>),
    /// Users were found, or not; to look for them took its time.
    Shard,
    End,
}

impl<H: Host> Job<H> {
    /// Does all of it at once, in the selected database.
    ///
    /// # Errors
    /// Whatever ended it before its time.
    pub fn run(mut self, ask: Ask<'_, H>) -> Result<Reply, Error> {
        let result = self.work(ask, None);
        ask.state(|state| state.sweeping.at_work = None);
        self.count_slice(ask, self.began);
        self.report(ask);
        result.map(|_| self.answer())
    }

    fn count_slice(&mut self, ask: Ask<'_, H>, began: Instant) {
        self.slices += 1;
        self.longest = self.longest.max(ask.host.instant().duration_since(began));
    }

    /// Goes on until it is done, all nodes are to be asked, or `deadline` is over.
    fn work(&mut self, ask: Ask<'_, H>, deadline: Option<Instant>) -> Result<Progress, Error> {
        let is_over = || deadline.is_some_and(|deadline| ask.host.instant() >= deadline);
        if ask.host.is_replica() {
            return Err(Error::Demoted);
        }
        if !collections::read(ask, (self.began, &mut self.changing), deadline) {
            return Ok(Progress::GoesOn);
        }
        let caller = ask.host.caller_of(self.summons.as_ref());
        while self.found < self.order.limit {
            if self.suspects.len() >= ASKED_AT_ONCE {
                return Ok(Progress::Asks);
            }
            match self.next(ask) {
                Next::User(user) => {
                    if let Err(error) = self.visit(ask, &user, &caller, deadline) {
                        // The user is not lost, whether the sweep ends with the error or goes on later.
                        self.pending.push(user);
                        return Err(error);
                    }
                }
                Next::Shard => {}
                Next::End if self.suspects.is_empty() => return Ok(Progress::Ended),
                Next::End => return Ok(Progress::Asks),
            }
            if is_over() {
                return Ok(Progress::GoesOn);
            }
        }
        Ok(Progress::Ended)
    }

    /// The next user who may be stale, or the next part of the index.
    fn next(&mut self, ask: Ask<'_, H>) -> Next {
        if let Some(user) = self.pending.pop() {
            return Next::User(user);
        }
        if self.shard == SHARDS {
            return Next::End;
        }
        let (now, database, shard) = (ask.host.now(), self.database, self.shard);
        self.pending = ask.state(|state| state.databases[database].index.due(shard, state.clock.after(now)));
        self.shard += 1;
        Next::Shard
    }

    /// Looks at a user, and cleans one up who is stale. Without a `deadline` all is done at once by a command, of which
    /// the server has been asked already whether it takes writes.
    fn visit(
        &mut self,
        ask: Ask<'_, H>,
        user: &[u8],
        caller: &H::Caller,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let began = ask.host.instant();
        let stale_user = match judge::judge(ask, user) {
            Judged::Stale(stale_user) if self.asks_all => {
                let since = ask.state(|state| state.clock.milliseconds_at(stale_user.since));
                self.suspects.push((user.into(), Some(since)));
                return Ok(());
            }
            Judged::Unclear(true) if self.asks_all => {
                self.suspects.push((user.into(), None));
                return Ok(());
            }
            Judged::Stale(stale_user) => stale_user,
            Judged::Live(dead) => return self.visit_dead(ask, user, &dead, caller, deadline),
            Judged::Unclear(_) | Judged::Other => return Ok(()),
        };
        let (now, since) = (ask.host.now(), stale_user.since);
        let stale_for = ask.state(|state| since.until(state.clock.tick(now)));
        if u128::from(stale_for) < self.order.grace.as_millis() {
            return Ok(());
        }
        let context = LogoutContext::user(Cause::Sweep, began);
        let checked = logout::check(ask, stale_user.plan, &context, caller, self.order.shows)?;
        if self.order.shows {
            self.shown.push(Reply::Map(checked.plan().to_map()));
        }
        self.name(user);
        if !self.order.is_dry {
            if deadline.is_some() {
                gate::pass(ask)?;
            }
            logout::log_out(ask, &checked, context);
        }
        self.found += 1;
        Ok(())
    }

    /// Names a user who was found in the log, if there are not many.
    pub(crate) fn name(&mut self, user: &[u8]) {
        if self.first.len() < MOST_NAMED {
            self.first.push(journal::field(user));
        }
    }

    /// Takes dead sockets of a live user away that have been dead for the grace.
    fn visit_dead(
        &mut self,
        ask: Ask<'_, H>,
        user: &[u8],
        dead: &[DeadSocket],
        caller: &H::Caller,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let now = ask.host.now();
        let is_due =
            |socket: &&DeadSocket| u128::from(now.saturating_sub(socket.since)) >= self.order.grace.as_millis();
        for socket in dead.iter().filter(is_due) {
            if self.order.is_dry {
                self.sockets += 1;
                continue;
            }
            if deadline.is_some() {
                gate::pass(ask)?;
            }
            self.sockets += u64::from(dead::log_out(ask, user, &socket.id, caller, Cause::Sweep)?);
            if deadline.is_some_and(|deadline| ask.host.instant() >= deadline) {
                // The rest of them in the next slice.
                self.pending.push(user.into());
                break;
            }
        }
        Ok(())
    }

    fn report(&self, ask: Ask<'_, H>) {
        let Self { order, found, sockets, slices, longest, began, settles, has_expired, .. } = self;
        if *settles || *has_expired {
            return;
        }
        let (ended, now) = (ask.host.instant(), Duration::from_millis(ask.host.now()));
        let took = ended.duration_since(*began);
        let level = ask.state(|state| {
            let report = &mut state.sweeping.report;
            report.sweeps += 1;
            (report.last_start, report.last_duration) = (now.saturating_sub(took).as_secs(), took);
            (report.last_users, report.last_slices, report.last_longest) = (*found, *slices, *longest);
            state.journal.admits(ended, 1).then_some(state.options.log_level())
        });
        if let Some(level) = level {
            let dry = if order.is_dry { " (a dry run)" } else { "" };
            let (usec, longest) = (took.as_micros(), longest.as_micros());
            let names = self.first.join(",");
            let names = if names.is_empty() { names } else { format!(" first={names}") };
            let line = format!(
                "sweep ended{dry} users={found} sockets={sockets} usec={usec} slices={slices} longest_slice_usec={longest}{names}"
            );
            ask.host.log(level, &line);
        }
    }
}

/// Gives the sweep whose turn it is a slice, until `deadline`. `true` if there is more to do. Leaves another database
/// selected. While the server refuses writes, its own sweeps wait; a client's ends with what the server says.
pub fn slice<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    let is_held = are_held(ask);
    let next = ask.state(|state| {
        let jobs = &mut state.sweeping.jobs;
        let job = jobs.iter().position(|job| !(is_held && job.is_by_the_clock())).and_then(|at| jobs.remove(at));
        state.sweeping.served = job.as_ref().and_then(|job| job.waits);
        job
    });
    let Some(mut job) = next else { return false };
    ask.host.select(job.database);
    let began = ask.host.instant();
    let result = job.work(ask, Some(deadline));
    job.count_slice(ask, began);
    match result {
        Ok(Progress::GoesOn) => ask.state(|state| state.sweeping.jobs.push_back(job)),
        Ok(Progress::Asks) => ask.state(|state| {
            state.cluster.asking.push(job);
            state.wants.soon = true;
        }),
        Err(Error::Refused(_)) if job.is_by_the_clock() => ask.state(|state| state.sweeping.jobs.push_back(job)),
        Ok(Progress::Ended) => end(ask, &mut job, None),
        Err(error) => end(ask, &mut job, Some(error)),
    }
    let is_held = are_held(ask);
    ask.state(|state| {
        state.sweeping.served = None;
        state.sweeping.jobs.iter().any(|job| !(is_held && job.is_by_the_clock()))
    })
}

/// Whether the server's own sweeps wait because it refuses writes. On a replica they end.
fn are_held<H: Host>(ask: Ask<'_, H>) -> bool {
    gate::is_closed(ask) && !ask.host.is_replica()
}

/// A sweep is over: who waits for it is answered.
pub fn end<H: Host>(ask: Ask<'_, H>, job: &mut Job<H>, error: Option<Error>) {
    job.report(ask);
    let answer = error.map_or_else(|| Ok(job.answer()), Err);
    if let Some(waiter) = job.waits {
        ask.state(|state| state.answer(waiter, answer));
    }
}

/// Starts the sweeps that `session.sweep-interval` asks for. Called a few times a second.
pub fn start_by_the_clock<H: Host>(ask: Ask<'_, H>) {
    if ask.host.is_replica() {
        return;
    }
    let now = ask.host.instant();
    let databases = ask.state(|state| {
        let interval = state.options.sweep_interval();
        let is_due = state.layout.tells_live()
            && interval.is_some_and(|interval| now.duration_since(state.sweeping.swept_at) >= interval)
            && !state.jobs().any(Job::is_by_the_clock);
        if is_due {
            state.sweeping.swept_at = now;
        }
        if is_due { state.databases.len() } else { 0 }
    });
    let has_peers = databases > 0 && !ask.host.peers().is_empty();
    for database in (0..databases).filter(|database| ask.host.select(*database) && ask.host.size() > 0) {
        ask.state(|state| {
            let order =
                Order { grace: state.options.grace(), limit: u64::MAX, is_dry: false, shows: false, is_local: true };
            let job = Job::new(order, database, None, now);
            state.sweeping.jobs.push_back(if has_peers { job.by_all(None) } else { job });
        });
    }
}
