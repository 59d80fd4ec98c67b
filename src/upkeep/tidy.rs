//! Looking which places are still right.
//!
//! The walk goes on slowly as long as nearly all are, and faster while many are not, as the server's own cycle for expired
//! keys does.

use std::time::{Duration, Instant};

use crate::{
    engine::server::Server,
    index::{SHARDS, Subject},
    plan, state,
};

/// So many places of one subject, or owners of sockets, are looked at in one go; of more, another part each time.
const MOST_LOOKED_AT: usize = 1024;

/// When the next of [`SHARDS`] shards is looked at, unless many of the last one's subjects were stale.
const LATER: Duration = Duration::from_secs(4);

/// Where the walk is.
#[derive(Debug)]
pub struct Tidying {
    database: usize,
    shard: usize,
    /// Subjects of the shard that were not looked at yet.
    rest: Vec<(Subject, Box<[u8]>)>,
    /// How many were, and how many places were stale.
    looked: usize,
    stale: usize,
    /// When the shard's turn is.
    at: Instant,
}

impl Default for Tidying {
    fn default() -> Self {
        Self { database: 0, shard: 0, rest: Vec::new(), looked: 0, stale: 0, at: Instant::now() }
    }
}

impl Tidying {
    fn is_hurried(&self) -> bool {
        self.stale * 4 > self.looked
    }
}

/// Whether many places were stale.
pub(super) fn is_hurried() -> bool {
    state::with(|state| state.tidying.is_hurried())
}

/// A slice of the walk. `true` if it should go on soon. Leaves another database selected.
pub(super) fn go_on(server: &Server) -> bool {
    let deadline = Instant::now() + state::with(|state| state.options.slice());
    if !begin() {
        return false;
    }
    let database = state::with(|state| state.tidying.database);
    while let Some((subject, id)) = state::with(|state| state.tidying.rest.pop()) {
        let before = state::with(|state| state.databases[database].index.len());
        look(server, database, subject, &id);
        state::with(|state| {
            state.tidying.looked += 1;
            state.tidying.stale += before.saturating_sub(state.databases[database].index.len());
        });
        if Instant::now() >= deadline {
            return is_hurried();
        }
    }
    end();
    is_hurried()
}

/// Takes up the next shard, if the last one is done and it is time. `false` if there is nothing to do now.
fn begin() -> bool {
    state::with(|state| {
        let tidying = &mut state.tidying;
        if tidying.rest.is_empty() && tidying.at <= Instant::now() {
            tidying.rest = state.databases[tidying.database].index.subjects(tidying.shard);
            (tidying.looked, tidying.stale) = (0, 0);
            return true;
        }
        !tidying.rest.is_empty()
    })
}

/// A shard is done.
fn end() {
    state::with(|state| {
        let (tidying, databases) = (&mut state.tidying, &mut state.databases);
        databases[tidying.database].index.forget_strays(tidying.shard, state.looks, MOST_LOOKED_AT);
        tidying.at = Instant::now() + if tidying.is_hurried() { Duration::ZERO } else { LATER };
        tidying.shard += 1;
        if tidying.shard == SHARDS || databases[tidying.database].index.is_empty() {
            // Databases without a place take no time.
            let others = (1..=databases.len()).map(|step| (tidying.database + step) % databases.len());
            let next = others.into_iter().find(|database| !databases[*database].index.is_empty());
            (tidying.database, tidying.shard) = (next.unwrap_or_default(), 0);
        }
    });
}

/// Forgets the places of a subject where there is nothing any more.
pub fn look(server: &Server, database: usize, subject: Subject, id: &[u8]) {
    let (layout, places) =
        state::with(|state| (state.layout.clone(), state.databases[database].index.places(subject, id)));
    server.select(database);
    let count = places.iter().count();
    let part = state::with(|state| {
        state.looks = state.looks.wrapping_add(1);
        state.looks
    });
    let skipped = if count > MOST_LOOKED_AT { part.wrapping_mul(MOST_LOOKED_AT) % count } else { 0 };
    let deadline = Instant::now() + state::with(|state| state.options.slice());
    let places = places.iter().skip(skipped).take(MOST_LOOKED_AT);
    for place in places.take_while(|_| Instant::now() < deadline) {
        if !plan::still_there(server, &layout, subject, id, place) {
            state::with(|state| state.forget_place(database, subject, id, place));
        }
    }
}
