//! The core's front: what is kept between calls, and the way to it.

use std::{cell::RefCell, panic::UnwindSafe, time::Instant};

use crate::{
    config::Options,
    known::{
        state::State,
        wants::{Events, Wants},
    },
    layout::Layout,
    ports::Host,
    reply::Ticket,
};

/// The module on one server: all that is kept between calls.
#[derive(Debug)]
pub struct Session<H: Host>(RefCell<State<H>>);

impl<H: Host> Session<H> {
    /// A session of a module that knows nothing yet, over that many databases, at a time in milliseconds since 1970, and a
    /// moment.
    pub fn new(layout: Layout, databases: usize, options: Options, now: u64, instant: Instant) -> Self {
        Self(RefCell::new(State::new(layout, databases, options, now, instant)))
    }

    /// Works on the state. While it is borrowed nothing may call the host, which may call back: so `work` can't capture
    /// anything that leads there. It has to be unwind safe, which a reference to a host is not known to be; what of the host
    /// may be used is [`crate::ports::Kept`].
    ///
    /// ```
    /// # use redis_session_core::{ports::Host, session::Session};
    /// fn count<H: Host>(session: &Session<H>, host: &H) -> usize {
    ///     session.with(|state| state.databases.len())
    /// }
    /// ```
    ///
    /// ```compile_fail,E0277
    /// # use redis_session_core::{ports::Host, session::Session};
    /// fn count<H: Host>(session: &Session<H>, host: &H) -> u64 {
    ///     session.with(|state| host.size())
    /// }
    /// ```
    ///
    /// # Panics
    /// From within `work`.
    pub fn with<R>(&self, work: impl FnOnce(&mut State<H>) -> R + UnwindSafe) -> R {
        work(&mut self.0.borrow_mut())
    }

    /// What the module is to do now that the core is done; `None` if that is nothing. Asking takes it.
    pub fn take_wants(&self) -> Option<Wants> {
        let wants = &mut self.0.borrow_mut().wants;
        if wants.is_empty() { None } else { Some(std::mem::take(wants)) }
    }

    /// The session with a host to ask.
    pub fn ask<'a>(&'a self, host: &'a H) -> Ask<'a, H> {
        Ask { session: self, host }
    }
}

/// What a step needs that asks the host: it borrows the state, takes work out of it, lets go, asks, borrows again, and notes
/// the answers. The host may call back in between, so the state is whole whenever it is let go.
#[derive(Debug)]
pub struct Ask<'a, H: Host> {
    session: &'a Session<H>,
    /// The host.
    pub host: &'a H,
}

impl<H: Host> Clone for Ask<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Host> Copy for Ask<'_, H> {}

impl<H: Host> Ask<'_, H> {
    /// Works on the state: see [`Session::with`].
    pub fn state<R>(self, work: impl FnOnce(&mut State<H>) -> R + UnwindSafe) -> R {
        self.session.with(work)
    }

    /// Looks at the time: what is noted from here on is dated by it, until somebody looks again.
    pub(crate) fn look_at_the_clock(self) {
        let now = self.host.now();
        self.state(|state| state.clock.refresh(now));
    }

    /// Has a slice of work done soon.
    pub fn wake(self) {
        self.state(|state| state.wants.slice = true);
    }

    /// Has keyspace events watched that tell of every change.
    pub(crate) fn want_changes(self) {
        self.state(|state| {
            if !state.tracker.watches_events {
                state.wants.events.add(Events::CHANGES);
            }
        });
    }

    /// A ticket for a client that waits.
    pub(crate) fn ticket(self) -> Ticket {
        self.state(|state| {
            state.sweeping.last_ticket += 1;
            Ticket(state.sweeping.last_ticket)
        })
    }

    /// Selects the database that is selected now again when the value returned is dropped, whatever happens.
    pub(crate) fn keep_database(self) -> impl Drop {
        KeepDatabase(self.host, self.host.database())
    }
}

struct KeepDatabase<'a, H: Host>(&'a H, usize);

impl<H: Host> Drop for KeepDatabase<'_, H> {
    fn drop(&mut self) {
        self.0.select(self.1);
    }
}
