//! Keeping the index right: reading again what may have changed, building, and looking what is still so.
//!
//! The promise: for every key that holds a trace of a user the index knows of it, or the key is among those to be read
//! again, or the walk that builds the index has not met it yet. Whoever uses the index calls [`catch_up`] first, which
//! leaves only the first case.

mod findings;
mod tidy;

use std::{cell::Cell, collections::HashSet, time::Instant};

use redis_module::raw::REDISMODULE_CTX_FLAGS_MULTI;

pub use findings::{Findings, add, add_owner};
pub use tidy::{Tidying, look};

use crate::{
    engine::{
        keyspace,
        server::{Name, Server},
        watching,
    },
    faults,
    state::{self, Build, Clock, Database, State},
    sweep::{
        candidates,
        cascade::{self, Departure},
        fence, job,
    },
    watcher::{self, ANYBODY, Queued, Suspect},
};

/// So many unread keys are read at once, while they are still in the processor's cache.
const MANY_UNREAD: usize = 32;

/// So many unread keys may wait for the next slice.
const MOST_UNREAD: usize = 1024;

/// So many keys may wait for clients that cannot be told apart.
const MOST_RESTLESS: usize = 256;

/// So many ticks after a pause, all commands that were held back have run.
const TICKS_AFTER_PAUSE: u8 = 2;

/// A command that is about to run, or be queued, may change these keys. Nothing is read here: a server may not delete
/// an expired key before a command, and the command has not written its keys yet.
pub fn suspect(server: &Server, client: u64, suspects: impl Iterator<Item = Suspect<Name>>, may_wait: bool) {
    // A pause may begin and end between two ticks.
    meet_pause(server);
    let (is_overrun, is_much) = state::with(|state| {
        for suspect in suspects {
            if may_wait {
                state.restless.push((client, suspect.clone()));
            }
            if !state.watches_events {
                state.transactions.queue(client, &suspect);
            }
            note(state, suspect);
        }
        let is_overrun = state.transactions.is_overrun() || (client == ANYBODY && state.restless.len() > MOST_RESTLESS);
        (is_overrun, state.unread.len() >= MANY_UNREAD && state.pause == 0)
    });
    if is_much {
        watching::hurry(server);
    }
    if is_overrun {
        keyspace::watch_events(server);
    }
    watching::wake(server);
}

/// A command that is about to run, or be queued, may change any key.
pub fn suspect_everything(server: &Server, client: u64) {
    state::with(|state| {
        state.transactions.queue_anything(client);
        state.distrusts = true;
    });
    watching::wake(server);
}

/// This key may just have changed.
pub fn changed(server: &Server, name: Name) {
    state::with(|state| note(state, Suspect { key: name, member: None }));
    watching::wake(server);
}

fn note(state: &mut State, suspect: Suspect<Name>) {
    // What is held back is kept until it has run, however often it comes meanwhile.
    if state.pause > 0 && !state.held_back.insert(suspect.bytes()) {
        return;
    }
    // One command often names a key that the one before named.
    let is_known = |last: &Suspect<Name>| {
        last.member.is_none() && suspect.member.is_none() && last.key.as_ref() == suspect.key.as_ref()
    };
    if !state.unread.back().is_some_and(is_known) {
        state.unread.push_back(suspect);
    }
}

fn note_all(state: &mut State, queued: Queued<Suspect<Name>>) {
    state.unread.extend(queued.keys);
    state.distrusts |= queued.anything;
}

/// A client executes its transaction now.
pub fn executes(server: &Server, client: u64) {
    let is_out_of_step = state::with(|state| {
        let queued = state.transactions.execute(client);
        let is_out_of_step = queued.is_err() && !state.watches_events;
        note_all(state, queued.unwrap_or_default());
        state.distrusts |= is_out_of_step;
        is_out_of_step
    });
    if is_out_of_step {
        keyspace::watch_events(server);
    }
    watching::wake(server);
}

/// A client drops its transaction.
pub fn discards(server: &Server, client: u64) {
    state::with(|state| {
        let queued = state.transactions.discard(client);
        note_all(state, queued);
    });
    watching::wake(server);
}

/// Learns of what clients began before the module could see it.
pub fn meet_clients(server: &Server) {
    for client in server.clients() {
        state::with(|state| {
            if client.has_transaction {
                let id = if server.knows_clients() { client.id } else { ANYBODY };
                state.transactions.begin(id);
                state.transactions.queue_anything(id);
            }
            if client.is_blocked && watcher::may_wait(&client.command) {
                state.waiting.push(client.id);
            }
        });
    }
}

/// Builds anew what cannot be trusted: after a command that may have changed any key, and when a client goes on that
/// waited already when the module was loaded. Reads once more what clients may have written that wait no longer.
fn regain_trust(server: &Server) {
    let is_held_back = is_held_back(server);
    state::with(|state| {
        // Looking a client up calls nothing back.
        let settled =
            |entry: &mut (u64, Suspect<Name>)| entry.0 != ANYBODY && !is_held_back && !server.is_blocked(entry.0);
        let settled: Vec<_> = state.restless.extract_if(.., settled).collect();
        state.unread.extend(settled.into_iter().map(|(_, suspect)| suspect));

        let before = state.waiting.len();
        state.waiting.retain(|client| server.is_blocked(*client));
        state.distrusts |= state.waiting.len() < before;
    });
    if state::with(|state| state.distrusts) {
        rebuild_everything();
        state::with(|state| state.distrusts = is_held_back);
    }
}

/// Makes the index of the selected database right and complete at this instant.
pub fn catch_up(server: &Server) {
    let database = server.database();
    let _keep = server.keep_database();
    regain_trust(server);
    if state::with(|state| !state.unread.is_empty() || !state.restless.is_empty()) {
        read_again(server, usize::MAX);
    }
    if !state::with(|state| matches!(state.databases[database].build, Build::Ready)) {
        build(server, database, None);
    }
}

/// Remembers a pause of clients for as long as what it held back may not have run.
fn meet_pause(server: &Server) {
    if server.is_paused() {
        state::with(|state| state.pause = TICKS_AFTER_PAUSE);
    }
}

/// Whether commands that were seen may not have run yet: inside a transaction those that follow, and while clients are
/// paused any.
fn is_held_back(server: &Server) -> bool {
    meet_pause(server);
    state::with(|state| state.pause > 0) || server.has_flag(REDISMODULE_CTX_FLAGS_MULTI)
}

/// Reads again at most `limit` of the keys that may have changed, in every database, since a command does not say in
/// which it runs. Leaves another database selected.
fn read_again(server: &Server, limit: usize) {
    let keeps = is_held_back(server);
    let (layout, suspects, databases) = state::with(|state| {
        state.clock.refresh();
        let count = limit.min(state.unread.len());
        let mut suspects: Vec<Suspect<Name>> = state.unread.drain(..count).collect();
        if keeps {
            state.unread.extend(suspects.iter().cloned());
        } else if state.unread.is_empty() {
            state.unread.shrink_to(MOST_UNREAD);
            state.held_back = HashSet::new();
        }
        suspects.extend(state.restless.iter().map(|(_, suspect)| suspect.clone()));
        (state.layout.clone(), suspects, state.databases.len())
    });
    // Of a key that is gone from a database that holds no other, somebody has to hear too.
    let is_used = |database: &usize| {
        server.select(*database)
            && (server.size() > 0 || state::with(|state| !state.databases[*database].index.is_empty()))
    };
    for database in (0..databases).filter(is_used) {
        let mut findings = Findings::of(database);
        for suspect in &suspects {
            faults::point("read", suspect.key.as_ref());
            findings.look(server, &layout, suspect);
            if !server.is_replica() && fence::stops(database, suspect.key.as_ref()) {
                state::with(|state| state.sweeping.trespassers.push((database, suspect.key.clone())));
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
        let is_over = (0..64).any(|_| !server.walk(&cursor, &wanted, &mut names));
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
    if !is_held_back(server) {
        let deadline = Instant::now() + state::with(|state| state.options.slice());
        read_until(server, deadline);
    }
}

/// Reads what may have changed, until `deadline`. `true` if there is more.
fn read_until(server: &Server, deadline: Instant) -> bool {
    while state::with(|state| !state.unread.is_empty()) {
        // Not many at a time: a document may be long.
        read_again(server, 16);
        // What is beyond some is read whatever it takes: it must not grow without bound.
        if Instant::now() >= deadline && state::with(|state| state.unread.len()) <= MOST_UNREAD {
            return true;
        }
    }
    false
}

/// A slice of work between commands. `true` if there is more to do soon.
pub fn tick(server: &Server) -> bool {
    if is_held_back(server) {
        let is_paused = server.is_paused();
        state::with(|state| state.pause -= u8::from(!is_paused && state.pause > 0));
        return true;
    }
    regain_trust(server);
    let deadline = Instant::now() + state::with(|state| state.options.slice());
    // Whatever came in since the last slice is read before somebody is judged: no load may keep sweeps from going on.
    if state::with(|state| state.sweeping.has_work()) {
        read_again(server, usize::MAX);
    }
    if read_until(server, deadline) {
        return true;
    }
    let databases = state::with(|state| state.databases.len());
    (0..databases).any(|database| !build(server, database, Some(deadline)))
        || look_at_crowds(server, deadline)
        || sweep(server, deadline)
        || tidy::is_hurried() && tidy::go_on(server)
}

/// What a slice does for sweeps.
fn sweep(server: &Server, deadline: Instant) -> bool {
    let goes_on = sweep_until(server, deadline);
    state::with(|state| state.sweeping.at_work = None);
    goes_on
}

fn sweep_until(server: &Server, deadline: Instant) -> bool {
    if !server.is_replica() {
        fence::enforce_noted(server);
        if candidates::look(server, deadline) || cascade::clean(server, deadline) {
            return true;
        }
    }
    // A client that waited may have been served since, by a command that says nothing of it.
    if state::with(|state| !state.sweeping.jobs.is_empty() && !state.restless.is_empty()) {
        read_again(server, usize::MAX);
    }
    job::slice(server, deadline)
}

/// What is done now and then, a few times a second.
pub fn cron(server: &Server) {
    report_left_out(server);
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
        if state::with(|state| state.sweeping.has_work()) {
            watching::wake(server);
        }
    }
    // Looking a client up calls nothing back.
    state::with(|state| state.transactions.retain(|client| server.has_client(client)));
    if state::with(|state| state.unread.is_empty()) && tidy::go_on(server) {
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
