//! The user's own collections that name sockets: the key's name holds the user, and a member holds a socket's id.

use super::value::Member;
use crate::{
    index::PlaceSet,
    layout::{Layout, Reach, Trace, What},
    ports::{Key, Keyspace},
    template::{Bindings, Placeholder},
};

/// The sockets that a user's own collections name, sorted, none twice: those of the traces that are `wanted`. `places` are
/// where the index knows the user.
pub(super) fn read<K: Keyspace>(
    space: &K,
    layout: &Layout,
    places: &PlaceSet,
    user: &[u8],
    wanted: impl Fn(&Trace) -> bool,
) -> Vec<Vec<u8>> {
    let mut sockets = Vec::new();
    let lists = |trace: &Trace| trace.lists_sockets() && wanted(trace);
    for (number, trace) in layout.traces.iter().enumerate().filter(|(_, trace)| lists(trace)) {
        let own = Bindings::user(user);
        if trace.reach == Reach::Direct {
            read_one(space, trace, &own, &mut sockets);
            continue;
        }
        for place in places.iter().filter(|place| place.trace() == number) {
            read_one(space, trace, &place.bind(&trace.placed, &own), &mut sockets);
        }
    }
    sockets.sort();
    sockets.dedup();
    sockets
}

/// Adds those of one collection. What is of another type, or no id, names none.
fn read_one<K: Keyspace>(space: &K, trace: &Trace, bindings: &Bindings<'_>, sockets: &mut Vec<Vec<u8>>) {
    let What::Members(by) = &trace.what else { return };
    let name = space.name(&trace.key.render(bindings));
    let Some(key) = space.open(&name).filter(|key| key.kind().is_collection()) else { return };
    for member in Member::all(&key, by) {
        // What can't be read names none.
        let _ = member.texts(by, &mut |text| {
            let read = by.form().read(bindings, text);
            sockets.extend(read.and_then(|read| Some(read.get(Placeholder::SOCKET)?.to_vec())));
        });
    }
}
