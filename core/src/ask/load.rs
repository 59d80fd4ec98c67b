//! Data that is replaced as a whole: loaded, flushed, swapped, or not to be trusted any more.

use super::look::look_at_certain;
use crate::{
    error::Error,
    known::{
        findings::Findings,
        state::{Build, Database},
        sweeping::PendingExpiry,
    },
    ports::Host,
    session::Ask,
};

/// Forgets what is known and builds it anew: the data was replaced as a whole, or a defect may have spoilt the index.
pub fn rebuild_everything<H: Host>(ask: Ask<'_, H>) {
    ask.state(|state| {
        state.databases.iter_mut().for_each(|database| *database = Database::default());
        state.findings = Findings::default();
        state.grown.clear();
        let pending_expiries = std::mem::take(&mut state.sweeping.pending_expiries);
        state.sweeping.pending_expiries = pending_expiries.into_iter().map(PendingExpiry::without_since).collect();
        state.sweeping.restart(|_| true);
        state.cluster.statements.clear();
    });
    ask.wake();
}

/// Data is about to be loaded, and each of its keys will be seen. Keys that are there already would not be.
pub fn loading_begins<H: Host>(ask: Ask<'_, H>) {
    rebuild_everything(ask);
    ask.look_at_the_clock();
    if ask.host.is_replica() {
        // Who logged in on the master until now is in the data, and nothing says when.
        let now = ask.host.instant();
        ask.state(|state| state.cluster.logins.miss(now));
    }
    let databases = ask.state(|state| state.databases.len());
    let _keep = ask.keep_database();
    for database in (0..databases).filter(|database| ask.host.select(*database) && ask.host.size() == 0) {
        ask.state(|state| state.databases[database].build = Build::Loading);
    }
}

/// This key was loaded.
pub fn loaded<H: Host>(ask: Ask<'_, H>, name: &[u8]) {
    let database = ask.host.database();
    let (layout, wants_time) = ask.state(|state| {
        let follows = matches!(state.databases[database].build, Build::Loading);
        (follows.then(|| state.layout.clone()), state.clock.wants_refresh())
    });
    let Some(layout) = layout else { return };
    if wants_time {
        ask.look_at_the_clock();
    }
    let mut findings = ask.state(|state| state.take_findings(database));
    look_at_certain(ask, &layout, &mut findings, name);
    // What was found is left to the next key, or the end.
    ask.state(|state| state.findings = findings);
}

/// All data was loaded. Where not every key was seen, whatever is known is not all: keys may have been there before, an
/// append-only file may have emptied the database on its way, and Valkey 9 empties it only after loading has begun.
pub fn loading_ends<H: Host>(ask: Ask<'_, H>) {
    ask.look_at_the_clock();
    ask.state(|state| {
        state.note_findings();
        for database in &mut state.databases {
            match database.build {
                Build::Loading => database.build = Build::Ready,
                _ => *database = Database::default(),
            }
        }
        state.sweeping.restart(|_| true);
    });
    ask.wake();
}

/// A defect was caught, which may have spoilt what is known. Who waits for the sweep that was at work is told.
pub fn recover<H: Host>(ask: Ask<'_, H>) {
    ask.state(|state| {
        state.metrics.defects += 1;
        state.sweeping.recover();
        if let Some(waiter) = state.sweeping.served.take() {
            state.answer(waiter, Err(Error::Defect));
        }
    });
    rebuild_everything(ask);
}

/// A database was emptied; `None`: all were.
pub fn flushed<H: Host>(ask: Ask<'_, H>, database: Option<usize>) {
    ask.state(|state| {
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
pub fn swapped<H: Host>(ask: Ask<'_, H>, first: usize, second: usize) {
    ask.state(|state| {
        state.note_findings();
        state.databases.swap(first, second);
        state.sweeping.swap(first, second);
    });
}
