//! What is too large to be read at every change: a sweep reads such collections piece by piece, and the data of sockets,
//! so that the index knows from then on who shows up there.

use std::time::Instant;

use crate::{
    engine::{Keyspace, keys::Cursor, server::Server},
    index::{News, Place, PlaceRef, Subject, Whom},
    layout::{Layout, Named, What},
    plan, state,
    template::{Bindings, Template},
    upkeep,
};

/// How many members are asked for at a time.
const PIECE: usize = 64;

/// A collection, or a document, that is being read.
#[derive(Debug)]
pub struct Crawl {
    place: Place,
    cursor: Cursor,
    /// It was written meanwhile in a way that does not say which members are new.
    is_void: bool,
}

/// A collection has to be read from its beginning once more.
pub fn restart(crawls: &mut [(usize, Crawl)], database: usize, place: PlaceRef<'_>) {
    crawls.iter_mut().filter(|(of, crawl)| *of == database && crawl.place.borrowed() == place).for_each(
        |(_, crawl)| {
            crawl.is_void = true;
        },
    );
}

/// Reads large collections of the selected database, until `deadline`. `true` if there is none left that a sweep has to
/// know.
pub fn read(server: &Server, deadline: Option<Instant>) -> bool {
    let (database, layout) = (server.database(), state::with(|state| state.layout.clone()));
    while let Some(crawl) = take(&layout, database) {
        if let Some(unfinished) = go_on(server, &layout, crawl, deadline) {
            state::with(|state| state.sweeping.crawls.push((database, unfinished)));
            return false;
        }
    }
    true
}

/// The crawl that is under way, or a new one if there is a collection to read.
fn take(layout: &Layout, database: usize) -> Option<Crawl> {
    state::with(|state| {
        let under_way = state.sweeping.crawls.iter().position(|(of, _)| *of == database);
        if let Some(at) = under_way {
            return Some(state.sweeping.crawls.swap_remove(at).1);
        }
        let unknown = state.databases[database].index.places(Subject::Anyone, b"");
        let is_evidence = |place: &PlaceRef<'_>| layout.traces[place.trace()].is_evidence;
        let place = unknown.iter().find(is_evidence)?.to_owned();
        Some(Crawl { place, cursor: Cursor::default(), is_void: false })
    })
}

/// Returns the crawl if `deadline` was over first.
fn go_on(server: &Server, layout: &Layout, mut crawl: Crawl, deadline: Option<Instant>) -> Option<Crawl> {
    let database = server.database();
    let trace = &layout.traces[crawl.place.borrowed().trace()];
    let place = crawl.place.clone();
    let bindings = place.borrowed().bind(&trace.key, Bindings::default());
    let name = server.name(&trace.key.render(&bindings));
    let (member, names) = match &trace.what {
        What::Member { member, names } => (member, names),
        What::Owned(field) => {
            let owner = plan::owner(server, &name, field);
            state::with(|state| {
                if let Some(owner) = owner.filter(|owner| !owner.is_empty()) {
                    upkeep::add_owner(state, layout, database, &name, &owner, place.borrowed());
                }
                state.databases[database].index.remove(Subject::Anyone, b"", place.borrowed());
            });
            return None;
        }
        What::Key | What::Mapping | What::Entries { .. } => return None,
    };
    loop {
        if std::mem::take(&mut crawl.is_void) {
            crawl.cursor = Cursor::default();
        }
        let mut members = Vec::new();
        let goes_on = server.scan_members(&name, &crawl.cursor, PIECE, &mut members);
        state::with(|state| {
            for text in &members {
                note(state, database, &place, member, *names, &bindings, text);
            }
        });
        if !goes_on {
            // From now on each member that comes is seen as it comes.
            state::with(|state| state.databases[database].index.remove(Subject::Anyone, b"", place.borrowed()));
            return None;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(crawl);
        }
    }
}

fn note(
    state: &mut state::State,
    database: usize,
    place: &Place,
    member: &Template,
    names: Named,
    bindings: &Bindings<'_>,
    text: &[u8],
) {
    let Some(id) = member.solve(names.placeholder(), bindings, text) else { return };
    let subject = if names == Named::User { Subject::User } else { Subject::Socket };
    let news = News::Evidence(state.clock.moment());
    upkeep::add(state, database, Whom::new(subject, id), place.borrowed(), news);
}
