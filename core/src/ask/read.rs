//! Keeping the index right: reading again what may have changed, building, and looking what is still so.
//!
//! The promise: for every key that holds a trace of a user the index knows of it, or the key is among those to be read
//! again, or the walk that builds the index has not met it yet. Who uses the index calls [`catch_up`] first, which
//! leaves only the first case.

use std::{cell::Cell, time::Instant};

use super::{
    fence, follow,
    look::{look_at_certain, note, note_if_many},
    moving,
};
use crate::{faults, known::state::Build, plan::Sought, ports::Host, session::Ask, watcher::Suspect};

/// How many unread keys are read at a time.
const AT_A_TIME: usize = 16;

/// The most unread keys that may wait for the next slice.
const MOST_UNREAD: usize = 1024;

/// Makes the index of the selected database right and complete at this instant.
pub fn catch_up<H: Host>(ask: Ask<'_, H>) {
    let database = ask.host.database();
    let _keep = ask.keep_database();
    follow::check_ends(ask);
    follow::regain_trust(ask);
    read_everything(ask);
    build(ask, database, None);
}

/// Reads all that may have changed. What a client that waits may write is read each time: it may have been served since,
/// by a command that says nothing of it.
pub fn read_everything<H: Host>(ask: Ask<'_, H>) {
    while moving::note_arrived(ask) {
        read_again(ask, usize::MAX, Vec::new());
    }
    if ask.state(|state| state.tracker.unread() > 0 || !state.tracker.waiting.is_empty()) {
        let waiting = ask.state(|state| state.tracker.held_back());
        read_again(ask, usize::MAX, waiting);
    }
}

/// Reads again at most `limit` of the keys that may have changed, and `others`, in every database, since a command does not
/// say in which it runs. Leaves another database selected.
fn read_again<H: Host>(ask: Ask<'_, H>, limit: usize, others: Vec<Suspect<H::Name>>) {
    // Inside a transaction those commands were seen already that follow.
    let stays = ask.host.is_in_transaction();
    let now = ask.host.now();
    let (layout, mut suspects, databases) = ask.state(|state| {
        state.clock.refresh(now);
        (state.layout.clone(), state.tracker.take(limit, stays), state.databases.len())
    });
    suspects.extend(others);
    let written = ask.host.is_cluster().then(|| ask.host.instant());
    ask.state(|state| state.cluster.logins.reads(written));
    // Of a key that is gone from a database that holds no other, somebody has to hear too.
    let is_used = |database: &usize| {
        ask.host.select(*database)
            && (ask.host.size() > 0 || ask.state(|state| !state.databases[*database].index.is_empty()))
    };
    let has_fence = ask.state(|state| !state.sweeping.fence.is_empty());
    for database in (0..databases).filter(is_used) {
        let mut findings = ask.state(|state| state.take_findings(database));
        for suspect in &suspects {
            faults::point("read", suspect.key.as_ref());
            findings.look_at(&layout, Sought::suspect(suspect), &|| ask.host.open(&suspect.key));
            note_if_many(ask, &mut findings);
            if has_fence {
                fence::note(ask, &suspect.key);
            }
        }
        note(ask, findings);
    }
    ask.state(|state| state.cluster.logins.reads(None));
}

/// Goes on building the index of a database until it is complete or `deadline` is over. `true` if it is complete.
pub fn build<H: Host>(ask: Ask<'_, H>, database: usize, deadline: Option<Instant>) -> bool {
    ask.state(|state| matches!(state.databases[database].build, Build::Ready))
        || go_on_building(ask, database, deadline)
}

#[inline(never)] // it is complete nearly always
fn go_on_building<H: Host>(ask: Ask<'_, H>, database: usize, deadline: Option<Instant>) -> bool {
    let now = ask.host.now();
    let (layout, watcher, build) = ask.state(|state| {
        state.clock.refresh(now);
        // Until it is complete it must not seem so to a call that comes in between.
        let build = std::mem::replace(&mut state.databases[database].build, Build::Todo);
        (state.layout.clone(), state.watcher.clone(), build)
    });
    let (cursor, met) = match build {
        Build::Todo | Build::Loading if !watcher.is_idle() => Default::default(),
        Build::Todo | Build::Loading | Build::Ready => {
            // There is nothing to look for.
            ask.state(|state| state.databases[database].build = Build::Ready);
            return true;
        }
        Build::Walking(cursor, met) => (cursor, met),
    };
    ask.host.select(database);
    let mut findings = ask.state(|state| state.take_findings(database));
    let met = Cell::new(met);
    let wanted = |name: &[u8]| {
        met.set(met.get() + 1);
        watcher.cares_for(name)
    };
    loop {
        let mut names = Vec::new();
        let is_over = (0..8).any(|_| !ask.host.walk(&cursor, &wanted, &mut names));
        for key in names {
            look_at_certain(ask, &layout, &mut findings, key.as_ref());
        }
        if is_over {
            note(ask, findings);
            ask.state(|state| state.databases[database].build = Build::Ready);
            return true;
        }
        if deadline.is_some_and(|deadline| ask.host.instant() >= deadline) {
            note(ask, findings);
            let met = met.get();
            ask.state(|state| state.databases[database].build = Build::Walking(cursor, met));
            return false;
        }
    }
}

/// Reads what was written just now.
pub fn read_soon<H: Host>(ask: Ask<'_, H>) {
    let deadline = ask.host.instant() + ask.state(|state| state.options.slice());
    read_until(ask, deadline);
}

/// Reads what may have changed, until `deadline`. `true` if there is more.
pub fn read_until<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    while ask.state(|state| state.tracker.unread() > 0) || moving::note_arrived(ask) {
        // Not many at a time: a document may be long.
        read_again(ask, AT_A_TIME, Vec::new());
        // What is beyond some is read whatever it takes: it must not grow without bound.
        if ask.host.instant() >= deadline && ask.state(|state| state.tracker.unread()) <= MOST_UNREAD {
            return true;
        }
    }
    false
}
