//! What is too large to be read at every change: a sweep reads such collections piece by piece, and the data of sockets,
//! so that the index knows from then on who shows up there.

use std::time::Instant;

use crate::{
    index::{HashedSubject, LivenessChange, Place, PlaceRef, Subject},
    known::{note, state::State, sweeping::CollectionScan},
    layout::{Layout, What},
    plan,
    ports::Host,
    session::Ask,
    template::Bindings,
};

/// How many members are asked for at a time.
const PIECE: usize = 64;

/// How often a sweep reads a collection that is written all the time, before it makes do with what it has seen.
const MOST_TIMES: u32 = 3;

/// What came of reading a collection.
enum Outcome<C> {
    /// Who shows up there is known.
    Known,
    /// Who has shown up there all the time is known.
    Changing(CollectionScan<C>),
    /// There was no time to read all of it.
    Unfinished(CollectionScan<C>),
}

/// Reads large collections of the selected database, until `deadline`. `true` if there is none left that a sweep has to
/// know. `changing` are those that it has read as often as it reads one, and that go on changing; `began` is when it began.
pub fn read<H: Host>(
    ask: Ask<'_, H>,
    (began, changing): (Instant, &mut Vec<Place>),
    deadline: Option<Instant>,
) -> bool {
    let (database, layout) = (ask.host.database(), ask.state(|state| state.layout.clone()));
    while let Some(scan) = take(ask, &layout, database, changing) {
        match go_on(ask, &layout, scan, deadline) {
            Outcome::Known => {}
            // What was seen of it may be from before this sweep.
            Outcome::Changing(scan) if scan.began < began => {}
            Outcome::Changing(scan) => changing.push(scan.place),
            Outcome::Unfinished(scan) => {
                ask.state(|state| state.sweeping.collection_scans.push((database, scan)));
                return false;
            }
        }
    }
    true
}

/// The scan that is under way, or a new one if there is a collection to read that is none of `known`.
fn take<H: Host>(
    ask: Ask<'_, H>,
    layout: &Layout,
    database: usize,
    known: &[Place],
) -> Option<CollectionScan<H::Cursor>> {
    let began = ask.host.instant();
    ask.state(|state| {
        let is_known = |place: PlaceRef<'_>| known.iter().any(|known| known.borrowed() == place);
        let scans = &mut state.sweeping.collection_scans;
        let is_under_way =
            |(of, scan): &(usize, CollectionScan<_>)| *of == database && !is_known(scan.place.borrowed());
        if let Some(at) = scans.iter().position(is_under_way) {
            return Some(scans.swap_remove(at).1);
        }
        let unknown = state.databases[database].index.places(Subject::Anyone, b"");
        let is_sought = |place: &PlaceRef<'_>| layout.traces[place.trace()].is_evidence && !is_known(*place);
        let place = unknown.iter().find(is_sought)?.to_owned();
        Some(CollectionScan { place, cursor: H::Cursor::default(), is_void: false, began, times: 1 })
    })
}

/// Goes on with a scan, until `deadline`.
fn go_on<H: Host>(
    ask: Ask<'_, H>,
    layout: &Layout,
    mut scan: CollectionScan<H::Cursor>,
    deadline: Option<Instant>,
) -> Outcome<H::Cursor> {
    let database = ask.host.database();
    let trace = &layout.traces[scan.place.borrowed().trace()];
    let place = scan.place.clone();
    let bindings = place.borrowed().bind(&trace.placed, &Bindings::default());
    let name = ask.host.name(&trace.key.render(&bindings));
    // Evidence counts from the moment at which it is found.
    ask.look_at_the_clock();
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
            return Outcome::Known;
        }
        What::Key | What::Mapping | What::Entries(_) => return Outcome::Changing(scan),
    }
    loop {
        let mut members = Vec::new();
        let goes_on = ask.host.scan_members(&name, &scan.cursor, PIECE, &mut members);
        let number = place.borrowed().trace();
        let seen = ask.host.open(&name).map(|key| plan::observe_members(layout, number, &bindings, &key, &members));
        ask.state(|state| {
            for (subject, id, place) in seen.iter().flatten() {
                note_evidence(state, database, HashedSubject::new(*subject, id), place.borrowed());
            }
        });
        if !goes_on && !scan.is_void {
            // From now on each member that comes is seen as it comes.
            ask.state(|state| state.databases[database].index.remove(Subject::Anyone, b"", place.borrowed()));
            return Outcome::Known;
        }
        if !goes_on && scan.times == MOST_TIMES {
            return Outcome::Changing(scan);
        }
        if !goes_on {
            let (cursor, began, times) = (H::Cursor::default(), ask.host.instant(), scan.times + 1);
            scan = CollectionScan { place: scan.place, cursor, is_void: false, began, times };
        }
        if deadline.is_some_and(|deadline| ask.host.instant() >= deadline) {
            return Outcome::Unfinished(scan);
        }
    }
}

fn note_evidence<H: Host>(state: &mut State<H>, database: usize, whom: HashedSubject<'_>, place: PlaceRef<'_>) {
    let news = LivenessChange::Evidence(state.clock.moment());
    note::add(state, database, whom, place, news);
}
