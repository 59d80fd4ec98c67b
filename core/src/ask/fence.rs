//! Noticing that a request in flight writes again what belongs to a socket that was logged out: see [`super::enforce`].

use crate::{
    layout::{Layout, Trace, What},
    plan,
    ports::Host,
    session::Ask,
    template::{Bindings, Placeholder},
};

/// Whether a key of this name is the data of a socket that was logged out not long ago, or another key that may be its, or the
/// mapping of a user of one.
pub fn may_stop<H: Host>(ask: Ask<'_, H>, database: usize, name: &[u8]) -> bool {
    ask.state(|state| {
        if state.sweeping.fence.is_empty() || state.options.fence().is_none() {
            return false;
        }
        let (layout, fence) = (&state.layout, &state.sweeping.fence);
        let socket = layout.sockets.as_ref().and_then(|sockets| sockets.socket(name));
        let is_of_one = |(trace, bindings): (&Trace, Bindings<'_>)| match trace.what {
            What::Key => bindings.get(Placeholder::SOCKET).is_some_and(|socket| fence.knows(database, socket)),
            // Its value says which.
            _ => true,
        };
        socket.is_some_and(|socket| fence.knows(database, socket))
            || layout.keys_of_sockets(name).any(is_of_one)
            || mapped_user(layout, name).is_some_and(|user| fence.knows_user(database, user))
    })
}

/// The user whose mapping a key of this name is.
pub(super) fn mapped_user<'n>(layout: &Layout, name: &'n [u8]) -> Option<&'n [u8]> {
    layout.mapping()?.key.matches(name)?.get(Placeholder::USER)
}

/// Notes a key of the selected database that may have been written, if it is such a key: for [`super::enforce::enforce_noted`].
pub fn note<H: Host>(ask: Ask<'_, H>, name: &H::Name) {
    let database = ask.host.database();
    if may_stop(ask, database, name.as_ref()) && !ask.host.is_replica() && ask.host.open(name).is_some() {
        let (layout, now) = (ask.state(|state| state.layout.clone()), ask.host.instant());
        let users = match mapped_user(&layout, name.as_ref()) {
            Some(user) => vec![user.to_vec()],
            None => plan::owners(ask.host, &layout, name),
        };
        ask.state(|state| {
            state.sweeping.fenced_writes.insert((database, name.as_ref().into()));
            // What the same request writes besides is read together with it.
            for user in &users {
                state.sweeping.returned.add(database, user, now);
            }
        });
    }
}
