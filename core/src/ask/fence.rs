//! Keeping the data of sockets away that were logged out, even if a request in flight writes it again.

use super::gate;
use crate::{plan, ports::Host, session::Ask};

/// Whether a key of this name is the data of a socket that was logged out not long ago.
pub fn may_stop<H: Host>(ask: Ask<'_, H>, database: usize, name: &[u8]) -> bool {
    ask.state(|state| {
        let is_on = !state.sweeping.fence.is_empty() && state.options.fence().is_some();
        let Some(sockets) = state.layout.sockets.as_ref().filter(|_| is_on) else { return false };
        sockets.socket(name).is_some_and(|socket| state.sweeping.fence.knows(database, socket))
    })
}

/// Notes a key of the selected database that may have been written, if it is such data: for [`enforce_noted`].
pub fn note<H: Host>(ask: Ask<'_, H>, name: &H::Name) {
    let database = ask.host.database();
    if may_stop(ask, database, name.as_ref()) && !ask.host.is_replica() && ask.host.open(name).is_some() {
        ask.state(|state| state.sweeping.fenced_writes.insert((database, name.as_ref().into())));
    }
}

/// Removes a key of the selected database if it is the data of a socket that was logged out, and names a user whose it
/// was. If the server refuses writes, it is noted for later.
pub fn enforce_now<H: Host>(ask: Ask<'_, H>, name: &H::Name) {
    if gate::try_writes(ask).is_ok() {
        enforce(ask, name);
    } else {
        note(ask, name);
    }
}

fn enforce<H: Host>(ask: Ask<'_, H>, name: &H::Name) {
    let (database, layout) = (ask.host.database(), ask.state(|state| state.layout.clone()));
    let Some(socket) = layout.sockets.as_ref().and_then(|sockets| sockets.socket(name.as_ref())) else { return };
    let now = ask.host.instant();
    let is_stopped = |user: &Vec<u8>| ask.state(|state| state.sweeping.fence.stops(database, socket, user, now));
    for user in plan::owners(ask.host, &layout, name).into_iter().filter(is_stopped) {
        let plan = plan::find_key(ask.host, &layout, &user, name);
        let Ok(checked) = plan.check(ask.host, &ask.host.anybody(), false) else { continue };
        let removed = checked.apply(ask.host);
        ask.state(|state| state.sweeping.report.fenced += removed.total());
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
