//! Keeping the index right: reading again what may have changed, building, and looking what is still so.
//!
//! The promise: for every key that holds a trace of a user the index knows of it, or the key is among those to be read
//! again, or the walk that builds the index has not met it yet. Whoever uses the index calls [`catch_up`] first, which
//! leaves only the first case.

mod findings;
mod tidy;
mod tracking;

use std::{cell::Cell, time::Instant};

use redis_module::raw::REDISMODULE_CTX_FLAGS_MULTI;

pub use findings::{Findings, add, add_owner};
pub use tidy::{Tidying, look};
pub use tracking::{begins, changed, discards, executes, meet_clients, suspect, suspect_populating};

use crate::{
    engine::{
        keyspace,
        server::{Name, Server},
        watching,
    },
    faults,
    state::{self, Build, Clock, Database},
    sweep::{
        candidates,
        cascade::{self, Departure},
        fence, gate, job,
    },
    watcher::Suspect,
};

/// So many unread keys are read at a time.
const AT_A_TIME: usize = 16;

/// So many unread keys may wait for the next slice.
const MOST_UNREAD: usize = 1024;

/// Into how many shares a slice is divided.
const SHARES: u32 = 6;

/// Makes the index of the selected database right and complete at this instant.
pub fn catch_up(server: &Server) {
    let database = server.database();
    let _keep = server.keep_database();
    tracking::regain_trust(server);
    read_everything(server);
    if !state::with(|state| matches!(state.databases[database].build, Build::Ready)) {
        build(server, database, None);
    }
}

/// Reads all that may have changed. What a client that waits may write is read each time: it may have been served since,
/// by a command that says nothing of it.
fn read_everything(server: &Server) {
    if state::with(|state| state.tracker.unread() > 0 || !state.tracker.waiting.is_empty()) {
        let waiting = state::with(|state| state.tracker.held_back());
        read_again(server, usize::MAX, waiting);
    }
}

/// Reads again at most `limit` of the keys that may have changed, and `others`, in every database, since a command does not
/// say in which it runs. Leaves another database selected.
fn read_again(server: &Server, limit: usize, others: Vec<Suspect<Name>>) {
    // Inside a transaction those commands were seen already that follow.
    let stays = server.has_flag(REDISMODULE_CTX_FLAGS_MULTI);
    let (layout, mut suspects, databases) = state::with(|state| {
        state.clock.refresh();
        (state.layout.clone(), state.tracker.take(limit, stays), state.databases.len())
    });
    suspects.extend(others);
    // Of a key that is gone from a database that holds no other, somebody has to hear too.
    let is_used = |database: &usize| {
        server.select(*database)
            && (server.size() > 0 || state::with(|state| !state.databases[*database].index.is_empty()))
    };
    let has_fence = state::with(|state| !state.sweeping.fence.is_empty());
    for database in (0..databases).filter(is_used) {
        let mut findings = Findings::of(database);
        for suspect in &suspects {
            faults::point("read", suspect.key.as_ref());
            findings.look(server, &layout, suspect);
            if has_fence {
                fence::note(server, &suspect.key);
            }
        }
        findings.end();
    }
}

/// Goes on building the index of a database until it is complete or `deadline` is over. `true` if it is complete.
fn build(server: &Server, database: usize, deadline: Option<Instant>) -> bool {
    let (layout, watcher, build) = state::with(|state| {
        state.clock.refresh();
        // Until it is complete it must not seem so, to whoever calls in between.
        let build = std::mem::take(&mut state.databases[database].build);
        (state.layout.clone(), state.watcher.clone(), build)
    });
    let (cursor, met) = match build {
        Build::Todo | Build::Loading if !watcher.is_idle() => Default::default(),
        Build::Todo | Build::Loading | Build::Ready => {
            state::with(|state| state.databases[database].build = Build::Ready);
            return true;
        }
        Build::Walking(cursor, met) => (cursor, met),
    };
    server.select(database);
    let mut findings = Findings::of(database);
    let met = Cell::new(met);
    let wanted = |name: &[u8]| {
        met.set(met.get() + 1);
        watcher.cares_for(name)
    };
    loop {
        let mut names = Vec::new();
        let is_over = (0..8).any(|_| !server.walk(&cursor, &wanted, &mut names));
        for key in names {
            findings.look_at_certain(server, &layout, key.as_ref());
        }
        if is_over {
            findings.end();
            state::with(|state| state.databases[database].build = Build::Ready);
            return true;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            findings.end();
            state::with(|state| state.databases[database].build = Build::Walking(cursor, met.get()));
            return false;
        }
    }
}

/// Reads what was written just now.
pub fn read_soon(server: &Server) {
    let deadline = Instant::now() + state::with(|state| state.options.slice());
    read_until(server, deadline);
}

/// Reads what may have changed, until `deadline`. `true` if there is more.
fn read_until(server: &Server, deadline: Instant) -> bool {
    while state::with(|state| state.tracker.unread() > 0) {
        // Not many at a time: a document may be long.
        read_again(server, AT_A_TIME, Vec::new());
        // What is beyond some is read whatever it takes: it must not grow without bound.
        if Instant::now() >= deadline && state::with(|state| state.tracker.unread()) <= MOST_UNREAD {
            return true;
        }
    }
    false
}

/// A slice of work between commands. `true` if there is more to do soon.
///
/// Each kind of work has a share of the slice, so that none keeps another from going on: under any load what is written is
/// read, and a sweep ends.
pub fn tick(server: &Server) -> bool {
    let (began, share) = (Instant::now(), state::with(|state| state.options.slice()) / SHARES);
    // So many shares from the beginning, since those before may have left some of theirs; `least` of them in any case.
    let deadline = |shares: u32, least: u32| (began + share * shares).max(Instant::now() + share * least);
    let asks = tracking::settle(server);
    tracking::regain_trust_unless_populating(server);
    let is_sweeping = state::with(|state| state.sweeping.has_work());
    let reads = read_until(server, deadline(if is_sweeping { 2 } else { SHARES }, 1));
    let databases = state::with(|state| state.databases.len());
    let until = deadline(3, 1);
    let builds = (0..databases).any(|database| !build(server, database, Some(until)));
    // What is swept has to be known completely. All of the rest goes on, and not one kind of it alone.
    let goes_on = builds
        || look_at_crowds(server, deadline(3, 1)) | sweep(server, &deadline)
        || tidy::is_hurried() && tidy::go_on(server);
    goes_on || reads || asks
}

/// What a slice does for sweeps. `true` if there is more. Nobody writes while clients are paused; afterwards [`cron`] sees that
/// it goes on.
fn sweep(server: &Server, deadline: &dyn Fn(u32, u32) -> Instant) -> bool {
    if !state::with(|state| state.sweeping.has_work()) || server.is_paused() {
        return false;
    }
    gate::begin();
    // Whatever came in since the last slice is read before somebody is judged.
    read_everything(server);
    let mut goes_on = false;
    if !server.is_replica() {
        fence::enforce_noted(server);
        goes_on |= candidates::look(server, deadline(4, 1)) | cascade::clean(server, deadline(4, 1));
    }
    goes_on |= job::slice(server, deadline(SHARES, 2));
    state::with(|state| state.sweeping.at_work = None);
    goes_on
}

/// What is done now and then, a few times a second.
pub fn cron(server: &Server) {
    report_left_out(server);
    tracking::settle_all(server);
    if state::with(|state| state.databases.iter().any(|database| !matches!(database.build, Build::Ready))) {
        watching::wake(server);
    }
    if state::with(|state| state.clock.is_old()) {
        rebuild_everything();
    }
    state::with(|state| state.sweeping.fence.tidy(Instant::now()));
    if !server.is_replica() {
        keyspace::watch_ends(server);
        cascade::settle();
        cascade::find_ended();
        job::start_by_the_clock(server);
        gate::ask_again(server);
        if state::with(|state| state.sweeping.has_work()) {
            watching::wake(server);
        }
    }
    if state::with(|state| state.tracker.unread() == 0) && tidy::go_on(server) {
        watching::wake(server);
    }
}

/// Looks at subjects whose places have doubled.
fn look_at_crowds(server: &Server, deadline: Instant) -> bool {
    while let Some((database, subject, id)) = state::with(|state| state.crowding.pop()) {
        look(server, database, subject, &id);
        if Instant::now() >= deadline {
            return true;
        }
    }
    false
}

/// Reports lines that the log was spared.
fn report_left_out(server: &Server) {
    let (left_out, level) =
        state::with(|state| (state.journal.take_left_out(Instant::now()), state.options.log_level()));
    if let Some(lines) = left_out {
        server.log(level.name(), &format!("{lines} more lines about logouts were left out in one second"));
    }
}

/// Forgets what is known and builds it anew: the data was replaced as a whole, or a defect may have spoilt the index.
pub fn rebuild_everything() {
    state::try_with(|state| {
        state.databases.iter_mut().for_each(|database| *database = Database::default());
        state.findings = Findings::default();
        state.crowding.clear();
        state.clock = Clock::default();
        let departures = std::mem::take(&mut state.sweeping.departures);
        state.sweeping.departures = departures.into_iter().map(Departure::without_since).collect();
        state.sweeping.restart(|_| true);
    });
    watching::wake_from_background();
}

/// Data is about to be loaded of which every key will be seen. Keys that are there already would not be.
pub fn loading_begins(server: &Server) {
    rebuild_everything();
    let databases = state::with(|state| state.databases.len());
    let _keep = server.keep_database();
    for database in (0..databases).filter(|database| server.select(*database) && server.size() == 0) {
        state::with(|state| state.databases[database].build = Build::Loading);
    }
}

/// This key was loaded.
pub fn loaded(server: &Server, name: &[u8]) {
    let database = server.database();
    let layout = state::with(|state| {
        let follows = matches!(state.databases[database].build, Build::Loading);
        state.clock.refresh_often();
        follows.then(|| state.layout.clone())
    });
    let Some(layout) = layout else { return };
    let mut findings = Findings::of(database);
    findings.look_at_certain(server, &layout, name);
    findings.pause();
}

/// All data was loaded. Where not every key was seen, whatever is known is not all: keys may have been there before, an
/// append-only file may have emptied the database on its way, and Valkey 9 empties it only after loading has begun.
pub fn loading_ends() {
    state::with(|state| {
        state.note_findings();
        for database in &mut state.databases {
            match database.build {
                Build::Loading => database.build = Build::Ready,
                _ => *database = Database::default(),
            }
        }
        state.sweeping.restart(|_| true);
    });
    watching::wake_from_background();
}

/// A defect was caught.
pub fn recover() {
    state::try_with(|state| {
        state.metrics.defects += 1;
        state.sweeping.recover();
    });
    rebuild_everything();
}

/// A database was emptied; `None`: all were.
pub fn flushed(database: Option<usize>) {
    state::with(|state| {
        state.note_findings();
        for (number, known) in state.databases.iter_mut().enumerate() {
            if database.is_none_or(|database| database == number) {
                let is_loading = matches!(known.build, Build::Loading);
                let build = if is_loading { Build::Loading } else { Build::Ready };
                *known = Database { build, ..Database::default() };
            }
        }
        state.sweeping.restart(|number| database.is_none_or(|database| database == number));
    });
}

/// Two databases changed places.
pub fn swapped(first: usize, second: usize) {
    state::with(|state| {
        state.note_findings();
        state.databases.swap(first, second);
        state.sweeping.swap(first, second);
    });
}
