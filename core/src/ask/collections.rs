//! What is too large to be read at every change: a sweep reads such collections piece by piece, and the data of sockets,
//! so that the index knows from then on who shows up there.

use std::time::Instant;

use crate::{
    index::{HashedSubject, LivenessChange, PlaceRef, Subject},
    known::{note, state::State, sweeping::CollectionScan},
    layout::{Layout, What},
    plan,
    ports::Host,
    session::Ask,
    template::Bindings,
};

/// How many members are asked for at a time.
const PIECE: usize = 64;

/// Reads large collections of the selected database, until `deadline`. `true` if there is none left that a sweep has to
/// know.
pub fn read<H: Host>(ask: Ask<'_, H>, deadline: Option<Instant>) -> bool {
    let (database, layout) = (ask.host.database(), ask.state(|state| state.layout.clone()));
    while let Some(crawl) = take(ask, &layout, database) {
        if let Some(unfinished) = go_on(ask, &layout, crawl, deadline) {
            ask.state(|state| state.sweeping.collection_scans.push((database, unfinished)));
            return false;
        }
    }
    true
}

/// The crawl that is under way, or a new one if there is a collection to read.
fn take<H: Host>(ask: Ask<'_, H>, layout: &Layout, database: usize) -> Option<CollectionScan<H::Cursor>> {
    ask.state(|state| {
        let under_way = state.sweeping.collection_scans.iter().position(|(of, _)| *of == database);
        if let Some(at) = under_way {
            return Some(state.sweeping.collection_scans.swap_remove(at).1);
        }
        let unknown = state.databases[database].index.places(Subject::Anyone, b"");
        let is_evidence = |place: &PlaceRef<'_>| layout.traces[place.trace()].is_evidence;
        let place = unknown.iter().find(is_evidence)?.to_owned();
        Some(CollectionScan { place, cursor: H::Cursor::default(), is_void: false })
    })
}

/// Returns the crawl if `deadline` was over first.
fn go_on<H: Host>(
    ask: Ask<'_, H>,
    layout: &Layout,
    mut crawl: CollectionScan<H::Cursor>,
    deadline: Option<Instant>,
) -> Option<CollectionScan<H::Cursor>> {
    let database = ask.host.database();
    let trace = &layout.traces[crawl.place.borrowed().trace()];
    let place = crawl.place.clone();
    let bindings = place.borrowed().bind(&trace.placed, Bindings::default());
    let name = ask.host.name(&trace.key.render(&bindings));
    match &trace.what {
        What::Members(_) => {}
        What::Owned(owner) => {
            let subject = owner.is.names.subject();
            let rule = layout.ids.rule(owner.is.names.placeholder());
            let mut named = plan::named(ask.host, &name, owner, &bindings);
            named.retain(|id| rule.allows(id));
            ask.state(|state| {
                for id in &named {
                    if subject == Subject::User {
                        note::add_owner(state, layout, database, name.as_ref(), id, place.borrowed());
                    } else {
                        note_evidence(state, database, HashedSubject::new(subject, id), place.borrowed());
                    }
                }
                state.databases[database].index.remove(Subject::Anyone, b"", place.borrowed());
            });
            return None;
        }
        What::Key | What::Mapping | What::Entries(_) => return None,
    }
    loop {
        if std::mem::take(&mut crawl.is_void) {
            crawl.cursor = H::Cursor::default();
        }
        let mut members = Vec::new();
        let goes_on = ask.host.scan_members(&name, &crawl.cursor, PIECE, &mut members);
        let number = place.borrowed().trace();
        let seen = ask.host.open(&name).map(|key| plan::observe_members(layout, number, &bindings, &key, &members));
        ask.state(|state| {
            for (subject, id, place) in seen.iter().flatten() {
                note_evidence(state, database, HashedSubject::new(*subject, id), place.borrowed());
            }
        });
        if !goes_on {
            // From now on each member that comes is seen as it comes.
            ask.state(|state| state.databases[database].index.remove(Subject::Anyone, b"", place.borrowed()));
            return None;
        }
        if deadline.is_some_and(|deadline| ask.host.instant() >= deadline) {
            return Some(crawl);
        }
    }
}

fn note_evidence<H: Host>(state: &mut State<H>, database: usize, whom: HashedSubject<'_>, place: PlaceRef<'_>) {
    let news = LivenessChange::Evidence(state.clock.moment());
    note::add(state, database, whom, place, news);
}
