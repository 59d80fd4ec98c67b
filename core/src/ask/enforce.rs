//! Keeping what belongs to sockets away that were logged out, even if a request in flight writes it again.
//!
//! Their data goes at once, and so does what the user's mapping says of them. What else such a request writes of the user has
//! no socket in it: what is seen of the user right after goes a moment later, unless the user is live then, or goes on with
//! another socket.

use std::time::Instant;

use super::{
    fence::{mapped_user, note},
    gate, logout,
};
use crate::{
    error::Error,
    index::Place,
    known::returned::Returned,
    layout::Layout,
    plan::{self, Detail, Plan},
    ports::Host,
    session::Ask,
    template::Bindings,
};

/// Removes from a key of the selected database what is of a socket that was logged out. If the server refuses writes, it is
/// noted for later.
pub fn enforce_now<H: Host>(ask: Ask<'_, H>, name: &H::Name) {
    if gate::try_writes(ask).is_ok() {
        enforce(ask, name);
    } else {
        note(ask, name);
    }
}

fn enforce<H: Host>(ask: Ask<'_, H>, name: &H::Name) {
    let layout = ask.state(|state| state.layout.clone());
    // What cannot be planned now, the next sweep finds.
    let _ = match mapped_user(&layout, name.as_ref()) {
        Some(user) => enforce_mapping(ask, &layout, user),
        None => enforce_data(ask, &layout, name).and_then(|()| enforce_key_of_socket(ask, &layout, name)),
    };
}

/// The data of a socket goes, if the socket was logged out and the data is that of the user whose it was. Where no data says
/// whose it is, it is that of anybody.
fn enforce_data<H: Host>(ask: Ask<'_, H>, layout: &Layout, name: &H::Name) -> Result<(), Error> {
    let Some(sockets) = &layout.sockets else { return Ok(()) };
    let Some(socket) = sockets.socket(name.as_ref()) else { return Ok(()) };
    let (database, now) = (ask.host.database(), ask.host.instant());
    let mut users = plan::owners(ask.host, layout, name);
    users.retain(|user| ask.state(|state| state.sweeping.fence.stops(database, socket, user, now)));
    if sockets.data_trace.is_some_and(|number| layout.traces[number].is_of_socket()) {
        users.extend(ask.state(|state| state.sweeping.fence.users_of(database, socket, now)));
    }
    for user in users {
        let plan = plan::find_key(ask.host, layout, &user, None, name);
        let checked = plan.check(ask.host, &ask.host.anybody(), false)?;
        note_returned(ask, &user, checked.apply(ask.host).total());
    }
    Ok(())
}

/// Another key that is of a socket alone goes as its data does.
fn enforce_key_of_socket<H: Host>(ask: Ask<'_, H>, layout: &Layout, name: &H::Name) -> Result<(), Error> {
    let (database, now) = (ask.host.database(), ask.host.instant());
    for socket in plan::sockets_of(ask.host, layout, name) {
        let users = ask.state(|state| {
            let fence = &state.sweeping.fence;
            if fence.knows(database, &socket) { fence.users_of(database, &socket, now) } else { Vec::new() }
        });
        for user in users {
            let plan = plan::find_key(ask.host, layout, &user, Some(&socket), name);
            let checked = plan.check(ask.host, &ask.host.anybody(), false)?;
            note_returned(ask, &user, checked.apply(ask.host).total());
        }
    }
    Ok(())
}

/// What a mapping says of sockets that were logged out as this user's goes.
fn enforce_mapping<H: Host>(ask: Ask<'_, H>, layout: &Layout, user: &[u8]) -> Result<(), Error> {
    let (database, now) = (ask.host.database(), ask.host.instant());
    let mut sockets = plan::mapped_sockets(ask.host, layout, user);
    sockets.retain(|socket| ask.state(|state| state.sweeping.fence.stops(database, socket, user, now)));
    for socket in sockets {
        let plan = logout::plan_now(ask, user, Detail::Facts).narrowed(&socket);
        let checked = plan.check(ask.host, &ask.host.anybody(), false)?;
        note_returned(ask, user, checked.apply(ask.host).total());
    }
    Ok(())
}

/// Something of a user was stopped: what is seen of the user right after may be of the same request.
fn note_returned<H: Host>(ask: Ask<'_, H>, user: &[u8], removed: u64) {
    let (database, now) = (ask.host.database(), ask.host.instant());
    if removed > 0 {
        ask.state(|state| {
            state.sweeping.report.fenced += removed;
            state.sweeping.returned.add(database, user, now);
        });
    }
}

/// Removes those keys that were noted since the last time, unless the server refuses writes. Leaves another database
/// selected.
pub fn enforce_noted<H: Host>(ask: Ask<'_, H>) {
    if ask.state(|state| state.sweeping.fenced_writes.is_empty()) || gate::pass(ask).is_err() {
        return;
    }
    for (database, name) in ask.state(|state| std::mem::take(&mut state.sweeping.fenced_writes)) {
        ask.host.select(database);
        enforce(ask, &ask.host.name(&name));
    }
}

/// Removes what was seen of users right after the fence stopped something of theirs, unless they are live, or go on with another
/// socket. The index must be right. `true` if there are more of them when `deadline` is over. Leaves another database selected.
pub fn look_at_returned<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    if ask.state(|state| state.sweeping.returned.is_empty()) || gate::pass(ask).is_err() {
        return false;
    }
    let now = ask.host.instant();
    while let Some(returned) = ask.state(|state| state.sweeping.returned.take_due(now)) {
        ask.host.select(returned.database);
        remove_the_rest(ask, &returned);
        if ask.host.instant() >= deadline {
            return true;
        }
    }
    false
}

fn remove_the_rest<H: Host>(ask: Ask<'_, H>, returned: &Returned) {
    let layout = ask.state(|state| state.layout.clone());
    let user = Bindings::user(&returned.user);
    let name = |place: &Place| {
        let trace = &layout.traces[place.borrowed().trace()];
        trace.key.render(&place.borrowed().bind(&trace.placed, &user))
    };
    let names: Vec<Vec<u8>> = returned.places.iter().map(name).collect();
    // A mapping that is left names another socket, whose data may be on its way. So may a collection of the user's own.
    let whole = logout::plan_now(ask, &returned.user, Detail::Facts);
    if names.is_empty() || whole.may_be_live() || whole.has_mapping() || lists_another(ask, &whole) {
        return;
    }
    let plan = logout::plan_now(ask, &returned.user, Detail::Sweep).only_keys(&names);
    if let Ok(checked) = plan.check(ask.host, &ask.host.anybody(), false) {
        let removed = checked.apply(ask.host).total();
        ask.state(|state| state.sweeping.report.fenced += removed);
    }
}

/// Whether collections of the user's own name a socket that was not logged out.
fn lists_another<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>) -> bool {
    let (database, now) = (ask.host.database(), ask.host.instant());
    let stops = |socket: &[u8]| ask.state(|state| state.sweeping.fence.stops(database, socket, &plan.user, now));
    plan.listed_sockets().any(|socket| !stops(socket))
}
