//! What is too large to be read at every change: a sweep reads such collections piece by piece, and the data of sockets,
//! so that the index knows from then on who shows up there.

use std::time::Instant;

use crate::{
    index::{HashedSubject, LivenessChange, Place, PlaceRef, Subject},
    known::{note, state::State, sweeping::CollectionScan},
    layout::{Layout, Named, What},
    plan,
    ports::Host,
    session::Ask,
    template::{Bindings, Placeholder, Template},
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
    let bindings = place.borrowed().bind(&trace.key, Bindings::default());
    let name = ask.host.name(&trace.key.render(&bindings));
    let (member, names) = match &trace.what {
        What::Member { member, names } => (member, names),
        What::Owned(field) => {
            let owner = plan::owner(ask.host, &name, field);
            ask.state(|state| {
                if let Some(owner) = owner.filter(|owner| layout.ids.rule(Placeholder::USER).allows(owner)) {
                    note::add_owner(state, layout, database, name.as_ref(), &owner, place.borrowed());
                }
                state.databases[database].index.remove(Subject::Anyone, b"", place.borrowed());
            });
            return None;
        }
        What::Key | What::Mapping | What::Entries { .. } => return None,
    };
    loop {
        if std::mem::take(&mut crawl.is_void) {
            crawl.cursor = H::Cursor::default();
        }
        let mut members = Vec::new();
        let goes_on = ask.host.scan_members(&name, &crawl.cursor, PIECE, &mut members);
        ask.state(|state| {
            for text in &members {
                note_member(state, database, &place, member, *names, &bindings, text);
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

fn note_member<H: Host>(
    state: &mut State<H>,
    database: usize,
    place: &Place,
    member: &Template,
    names: Named,
    bindings: &Bindings<'_>,
    text: &[u8],
) {
    let Some(id) = member.solve(names.placeholder(), bindings, text) else { return };
    let news = LivenessChange::Evidence(state.clock.moment());
    note::add(state, database, HashedSubject::new(names.subject(), id), place.borrowed(), news);
}
