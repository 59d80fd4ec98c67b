//! What the server calls: the module's entry, commands, the command filter, keyspace and server events, timers, options and INFO.

pub mod blocked;
mod bus;
pub mod commands;
// Outside a server, as in unit tests, there is no allocator and nobody to load the module.
#[cfg(not(test))]
mod entry;
mod filter;
pub mod guard;
pub mod keyspace;
pub mod load;
mod options;
pub mod server_events;
pub mod unload;

use std::collections::HashMap;

use redis_session_core::{known::wants::Events, reply::Ticket};

use crate::threads::MainThread;

/// What the callbacks themselves have to remember.
#[derive(Debug, Default)]
struct Own {
    /// Which timers are set.
    timers: server_events::Timers,
    /// Which keyspace events are watched.
    watched: Events,
    /// Whether watching events can leave a client in another database, once that was tried.
    displaces_clients: Option<bool>,
    /// Which database each client had selected when a load began.
    loaded_for: HashMap<u64, usize>,
    /// Clients that wait for a reply.
    blocked: HashMap<Ticket, blocked::Blocked>,
}

/// There while the module is loaded.
static OWN: OwnPlace = OwnPlace(MainThread::new(None));

struct OwnPlace(MainThread<Option<Own>>);

impl OwnPlace {
    /// Works on it. `work` must not call into the server.
    fn with<R>(&self, work: impl FnOnce(&mut Own) -> R) -> R {
        self.0.with(|own| work(own.get_or_insert_default()))
    }

    /// Gives back what it holds, before the module's code goes.
    fn forget(&self) {
        let own = self.0.with(Option::take);
        drop(own);
    }
}
