//! Looking which places are still right.
//!
//! The walk goes on slowly as long as nearly all are, and faster while many are not, as the server's own cycle for expired
//! keys does.

use std::time::{Duration, Instant};

use crate::{
    index::{SHARDS, Subject},
    plan,
    ports::Host,
    session::Ask,
};

/// The most places of one subject, or owners of sockets, that are looked at in one go; of more, another part each time.
const MOST_LOOKED_AT: usize = 1024;

/// When the next of [`SHARDS`] shards is looked at, unless many of the last one's subjects were stale.
const LATER: Duration = Duration::from_secs(4);

/// Whether many places were stale.
pub fn is_hurried<H: Host>(ask: Ask<'_, H>) -> bool {
    ask.state(|state| state.tidying.is_hurried())
}

/// A slice of the walk. `true` if it should go on soon. Leaves another database selected.
pub fn go_on<H: Host>(ask: Ask<'_, H>) -> bool {
    let deadline = ask.host.instant() + ask.state(|state| state.options.slice());
    if !begin(ask, ask.host.instant()) {
        return false;
    }
    let database = ask.state(|state| state.tidying.database);
    while let Some((subject, id)) = ask.state(|state| state.tidying.rest.pop()) {
        let before = ask.state(|state| state.databases[database].index.len());
        look(ask, database, subject, &id);
        ask.state(|state| {
            state.tidying.looked += 1;
            state.tidying.stale += before.saturating_sub(state.databases[database].index.len());
        });
        if ask.host.instant() >= deadline {
            return is_hurried(ask);
        }
    }
    end(ask, ask.host.instant());
    is_hurried(ask)
}

/// Takes up the next shard, if the last one is done and it is time. `false` if there is nothing to do now.
fn begin<H: Host>(ask: Ask<'_, H>, now: Instant) -> bool {
    ask.state(|state| {
        let tidying = &mut state.tidying;
        if tidying.rest.is_empty() && tidying.at <= now {
            tidying.rest = state.databases[tidying.database].index.subjects(tidying.shard);
            (tidying.looked, tidying.stale) = (0, 0);
            return true;
        }
        !tidying.rest.is_empty()
    })
}

/// A shard is done.
fn end<H: Host>(ask: Ask<'_, H>, now: Instant) {
    ask.state(|state| {
        let (tidying, databases) = (&mut state.tidying, &mut state.databases);
        databases[tidying.database].index.forget_strays(tidying.shard, state.looks, MOST_LOOKED_AT);
        tidying.at = now + if tidying.is_hurried() { Duration::ZERO } else { LATER };
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
pub fn look<H: Host>(ask: Ask<'_, H>, database: usize, subject: Subject, id: &[u8]) {
    let (layout, places) =
        ask.state(|state| (state.layout.clone(), state.databases[database].index.places(subject, id)));
    ask.host.select(database);
    let count = places.iter().count();
    let part = ask.state(|state| {
        state.looks = state.looks.wrapping_add(1);
        state.looks
    });
    let skipped = if count > MOST_LOOKED_AT { part.wrapping_mul(MOST_LOOKED_AT) % count } else { 0 };
    let deadline = ask.host.instant() + ask.state(|state| state.options.slice());
    let places = places.iter().skip(skipped).take(MOST_LOOKED_AT);
    for place in places.take_while(|_| ask.host.instant() < deadline) {
        if !plan::still_there(ask.host, &layout, subject, id, place) {
            let now = ask.host.now();
            ask.state(|state| state.forget_place(database, subject, id, place, now));
        }
    }
}
