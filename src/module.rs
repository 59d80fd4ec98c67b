//! Where the core's session stands. Each call of the server borrows it, calls the core, lets go, and does what the core wants.

use std::rc::Rc;

use redis_session_core::{
    ask::load,
    known::state::State,
    session::{Ask, Session},
};

use crate::{
    callbacks::{blocked, guard, keyspace, server_events},
    server::Server,
    threads::MainThread,
};

static SESSION: MainThread<Option<Rc<Session<Server>>>> = MainThread::new(None);

/// Sets the session; `None` before the module goes.
pub fn set(session: Option<Session<Server>>) {
    let session = session.map(Rc::new);
    // What goes is dropped when it is not borrowed any more.
    let before = SESSION.with(|place| std::mem::replace(place, session));
    drop(before);
}

/// Lets the core work for a call of the server, and does what it wants then. `doing` names the work in the log if a defect
/// is caught; `None` then, and if the module is not loaded.
pub fn enter<R>(doing: &str, server: &Server, work: impl FnOnce(Ask<'_, Server>) -> R) -> Option<R> {
    let session = SESSION.with(|session| session.clone())?;
    let result = guard::guard(doing, || {
        let result = work(session.ask(server));
        do_what_is_wanted(&session, server);
        result
    });
    if result.is_none() {
        // A second defect, in throwing the state away, must not get to the server either.
        guard::guard("recovering", || {
            load::recover(session.ask(server));
            do_what_is_wanted(&session, server);
        });
    }
    result
}

/// Looks at what is known, without asking the server anything.
///
/// # Panics
/// If the module is not loaded.
pub fn look<R>(work: impl FnOnce(&mut State<Server>) -> R + std::panic::UnwindSafe) -> R {
    SESSION.with(|session| session.as_ref().expect("the module is loaded").with(work))
}

fn do_what_is_wanted(session: &Session<Server>, server: &Server) {
    let Some(wants) = session.take_wants() else { return };
    if wants.slice {
        server_events::wake(server);
    }
    if wants.soon {
        server_events::hurry(server);
    }
    if let Some(time) = wants.alarm {
        server_events::alarm(server, time);
    }
    if keyspace::watch(server, wants.events) {
        redis_session_core::ask::follow::changes_are_told(session.ask(server));
    }
    // Nearly never; to go through none takes some code as well.
    if !wants.answers.is_empty() {
        wants.answers.into_iter().for_each(|(ticket, answer)| blocked::answer(ticket, answer));
    }
}
