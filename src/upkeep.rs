//! Keeping the index right: reading again what may have changed, building, and looking what is still so.
//!
//! The promise: for every key that holds a trace of a user the index knows of it, or the key is among those to be read
//! again, or the walk that builds the index has not met it yet. Whoever uses the index calls [`catch_up`] first, which
//! leaves only the first case.

use std::{
    cell::Cell,
    collections::HashSet,
    time::{Duration, Instant},
};

use redis_module::raw::REDISMODULE_CTX_FLAGS_MULTI;

use crate::{
    engine::{
        server::{Name, Server},
        watching,
    },
    index::{Index, SHARDS, Subject},
    plan::{self, Sighting},
    state::{self, Build, Database, State},
    watcher::Executed,
};

/// How long a slice of work may hold the server.
const SLICE: Duration = Duration::from_micros(500);

/// Above so many unread keys, commands that add to them wait until two are read for each.
const MOST_UNREAD: usize = 256;

/// From so many places on, a subject's places are looked at whenever their number has doubled.
const CROWD: usize = 16;

/// A database's places are looked at when so many were added, and a quarter more than there are.
const FEW_ADDED: usize = 4096;

/// So many ticks after a pause, all commands that were held back have run.
const TICKS_AFTER_PAUSE: u8 = 2;

/// A command that is about to run, or be queued, may change this key.
pub fn suspect(server: &Server, client: u64, name: Name, may_wait: bool) {
    let is_overrun = state::with(|state| {
        if may_wait && !state.restless.iter().any(|known| known.as_ref() == name.as_ref()) {
            state.restless.push(name.clone());
        }
        if state.transactions.queue(client, &name) {
            note(state, name);
        }
        state.transactions.is_overrun() && !state.watches_events
    });
    if is_overrun {
        watching::watch_events(server);
    }
    if state::with(|state| state.unread.len()) > MOST_UNREAD && !is_held_back(server) {
        read_again(server, 2);
    }
    watching::wake(server);
}

/// This key may just have changed.
pub fn changed(server: &Server, name: Name) {
    state::with(|state| note(state, name));
    watching::wake(server);
}

fn note(state: &mut State, name: Name) {
    // One command often names a key that the one before named.
    if state.unread.last().is_none_or(|last| last.as_ref() != name.as_ref()) {
        state.unread.push(name);
    }
}

/// A client executes its transaction now.
pub fn executes(server: &Server, client: u64) {
    let is_out_of_step = state::with(|state| match state.transactions.execute(client) {
        Executed::Keys(keys) => {
            state.unread.extend(keys);
            false
        }
        Executed::OutOfStep => !state.watches_events && !state.watcher.is_idle(),
    });
    if is_out_of_step {
        watching::watch_events(server);
        rebuild_everything();
    }
    watching::wake(server);
}

/// Makes the index of the selected database right and complete at this instant.
pub fn catch_up(server: &Server) {
    let database = server.database();
    if state::with(|state| !state.unread.is_empty() || !state.restless.is_empty()) {
        read_again(server, usize::MAX);
    }
    build(server, database, None);
    server.select(database);
}

/// Whether commands that were seen may not have run yet: inside a transaction those that follow, and while clients are
/// paused any.
fn is_held_back(server: &Server) -> bool {
    if server.is_paused() {
        state::with(|state| state.pause = TICKS_AFTER_PAUSE);
    }
    state::with(|state| state.pause > 0) || server.has_flag(REDISMODULE_CTX_FLAGS_MULTI)
}

/// Reads again at most `limit` of the keys that may have changed, in every database, since a command does not say in
/// which it runs. Leaves another database selected.
fn read_again(server: &Server, limit: usize) {
    let keeps = is_held_back(server);
    let (layout, names, databases) = state::with(|state| {
        let count = limit.min(state.unread.len());
        let mut names: Vec<Name> = state.unread.drain(..count).collect();
        if keeps {
            state.unread.extend(names.iter().cloned());
        }
        names.extend(state.restless.iter().cloned());
        (state.layout.clone(), names, state.databases.len())
    });
    let mut seen = HashSet::new();
    let names: Vec<&Name> = names.iter().filter(|&name| seen.insert(name.as_ref())).collect();
    for database in (0..databases).filter(|database| server.select(*database) && server.size() > 0) {
        for name in &names {
            add(database, plan::observe(server, &layout, name));
        }
    }
}

fn add(database: usize, observation: plan::Observation) {
    state::with(|state| {
        state.metrics.mistyped += observation.mistyped;
        for Sighting { subject, id, place } in observation.sightings {
            let Some(count) = state.databases[database].index.add(subject, &id, &place) else { continue };
            state.added += 1;
            if count >= CROWD && count.is_power_of_two() {
                state.crowding.push((database, subject, id));
            }
        }
    });
}

/// Goes on building the index of a database until it is complete or `deadline` is over. `true` if it is complete.
fn build(server: &Server, database: usize, deadline: Option<Instant>) -> bool {
    let (layout, watcher, build) = state::with(|state| {
        let build = std::mem::replace(&mut state.databases[database].build, Build::Ready);
        (state.layout.clone(), state.watcher.clone(), build)
    });
    let (cursor, met) = match build {
        Build::Ready => return true,
        Build::Todo if watcher.is_idle() => return true,
        Build::Todo => Default::default(),
        Build::Walking(cursor, met) => (cursor, met),
    };
    server.select(database);
    let met = Cell::new(met);
    let wanted = |name: &[u8]| {
        met.set(met.get() + 1);
        watcher.cares_for(name)
    };
    loop {
        let mut names = Vec::new();
        let is_over = (0..64).any(|_| !server.walk(&cursor, &wanted, &mut names));
        for name in &names {
            add(database, plan::observe(server, &layout, name));
        }
        if is_over {
            return true;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            state::with(|state| state.databases[database].build = Build::Walking(cursor, met.get()));
            return false;
        }
    }
}

/// A slice of work between commands. `true` if there is more to do.
pub fn tick(server: &Server) -> bool {
    if is_held_back(server) {
        let is_paused = server.is_paused();
        state::with(|state| state.pause -= u8::from(!is_paused && state.pause > 0));
        return true;
    }
    let deadline = Instant::now() + SLICE;
    while state::with(|state| !state.unread.is_empty()) {
        read_again(server, 16);
        if Instant::now() >= deadline {
            return true;
        }
    }
    let databases = state::with(|state| state.databases.len());
    (0..databases).any(|database| !build(server, database, Some(deadline)))
        || look_at_crowds(server, deadline)
        || tidy(server, deadline)
        || report_left_out(server)
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

/// Looks at all places of all databases, shard by shard, once enough was added since the last time.
fn tidy(server: &Server, deadline: Instant) -> bool {
    let places = |state: &State| state.databases.iter().map(|database| database.index.len()).sum::<usize>();
    state::with(|state| {
        if state.tidying.is_none() && state.added > FEW_ADDED + places(state) / 4 {
            (state.tidying, state.added) = (Some((0, 0)), 0);
        }
    });
    while let Some((database, shard)) = state::with(|state| state.tidying) {
        let subjects = state::with(|state| state.databases[database].index.subjects(shard));
        for (subject, id) in subjects {
            look(server, database, subject, &id);
        }
        state::with(|state| {
            let next = if shard + 1 < SHARDS && !state.databases[database].index.is_empty() {
                Some((database, shard + 1))
            } else {
                Some((database + 1, 0)).filter(|(database, _)| *database < state.databases.len())
            };
            state.tidying = next;
        });
        if Instant::now() >= deadline {
            return true;
        }
    }
    forget_gone_clients(server);
    false
}

fn forget_gone_clients(server: &Server) {
    // Looking a client up calls nothing back.
    state::with(|state| state.transactions.retain(|client| server.has_client(client)));
}

/// Forgets the places of a subject where there is nothing any more.
fn look(server: &Server, database: usize, subject: Subject, id: &[u8]) {
    let (layout, places) =
        state::with(|state| (state.layout.clone(), state.databases[database].index.places(subject, id)));
    server.select(database);
    for place in places {
        if !plan::still_there(server, &layout, subject, id, &place) {
            state::with(|state| state.databases[database].index.remove(subject, id, &place));
        }
    }
}

/// Reports lines that the log was spared.
fn report_left_out(server: &Server) -> bool {
    let (left_out, owes, level) =
        state::with(|state| (state.journal.take_left_out(Instant::now()), state.journal.owes(), state.log_level));
    if let Some(lines) = left_out {
        server.log(level.name(), &format!("{lines} more lines about logouts were left out in one second"));
    }
    owes
}

/// Forgets what is known and builds it anew: the data was replaced as a whole, or a defect may have spoilt the index.
pub fn rebuild_everything() {
    state::try_with(|state| {
        state.databases.iter_mut().for_each(|database| *database = Database::default());
        state.crowding.clear();
        state.tidying = None;
    });
    watching::wake_from_background();
}

/// A database was emptied; `None`: all were.
pub fn flushed(database: Option<usize>) {
    state::with(|state| {
        for (number, known) in state.databases.iter_mut().enumerate() {
            if database.is_none_or(|database| database == number) {
                *known = Database { index: Index::default(), build: Build::Ready };
            }
        }
    });
}

/// Two databases changed places.
pub fn swapped(first: usize, second: usize) {
    state::with(|state| state.databases.swap(first, second));
}
