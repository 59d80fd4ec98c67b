//! Following what clients send: noting what may be written, and asking the server what became of it.

use std::time::{Duration, Instant};

use redis_module::raw::REDISMODULE_CTX_FLAGS_MULTI;

use super::rebuild_everything;
use crate::{
    engine::{
        keyspace,
        server::{Name, Server},
        watching,
    },
    state,
    tracker::{ANYBODY, Queued, Trust, Word},
    watcher::{self, Suspect},
};

/// So many unread keys are read at once, while they are still in the processor's cache.
const MANY_UNREAD: usize = 32;

/// About so many clients the server is asked in one slice, which takes some microseconds each.
const MOST_ASKED: usize = 32;

/// To list all clients may take one part in so many of the server's time.
const SELDOM: u32 = 200;

/// The same where it keeps the module from watching events.
const OFTEN: u32 = 20;

/// How long clients that cannot be told apart have to be in step before their list is asked for.
const SETTLING: Duration = Duration::from_secs(1);

/// A command that is about to run, or be queued, may change these keys. Nothing is read here: a server may not delete
/// an expired key before a command, and the command has not written its keys yet.
pub fn suspect(server: &Server, client: u64, suspects: impl Iterator<Item = Suspect<Name>>, may_wait: bool) {
    let may_wait = may_wait || is_held_back(server, client);
    let is_much = state::with(|state| {
        state.tracker.suspect(client, suspects, may_wait);
        state.tracker.unread() >= MANY_UNREAD
    });
    if is_much {
        watching::hurry(server);
    }
    watching::wake(server);
}

/// Whether clients are paused, and the module will not be shown the client's command once more when it runs: 7.0, which
/// does not tell clients apart, runs its filters again (`processCommand`).
fn is_held_back(server: &Server, client: u64) -> bool {
    let is_held_back = client != ANYBODY && server.is_paused();
    if is_held_back {
        state::with(|state| state.tracker.set_paused(true));
    }
    is_held_back
}

/// `DEBUG POPULATE` is about to run, or be queued.
pub fn suspect_populating(server: &Server, client: u64) {
    let is_held_back = is_held_back(server, client);
    state::with(|state| {
        state.tracker.transactions.queue_populating(client);
        state.tracker.distrust(Trust::Doubtful);
        if is_held_back {
            state.tracker.hold(client, Queued { populates: true, ..Queued::default() });
        }
    });
    watching::wake(server);
}

/// This key may just have changed.
pub fn changed(server: &Server, name: Name) {
    state::with(|state| state.tracker.note(Suspect { key: name, member: None }));
    watching::wake(server);
}

/// A client opens a transaction.
pub fn begins(server: &Server, client: u64) {
    // An earlier one may have ended unseen, or was never open: then what is held for it belongs to none.
    if client != ANYBODY && state::with(|state| state.tracker.transactions.holds(client)) {
        let found = server.clients_among(&[client]).unwrap_or_default();
        if found.first().is_some_and(|client| client.queued.is_none()) {
            state::with(|state| {
                let queued = state.tracker.transactions.forget(client);
                state.tracker.note_all(queued);
            });
            watching::wake(server);
        }
    }
    state::with(|state| state.tracker.transactions.begin(client));
}

/// A client executes its transaction now.
pub fn executes(server: &Server, client: u64) {
    if client == ANYBODY && server.is_paused() {
        // It may be held back, and is shown once more then.
        state::with(|state| {
            let queued = state.tracker.transactions.may_execute();
            state.tracker.note_all(queued);
        });
    } else if !is_in_step(server, client) {
        state::with(|state| state.tracker.distrust(Trust::Lost));
        keyspace::watch_events(server);
    }
    watching::wake(server);
}

/// Notes what a client executes; `false` if that is not known.
fn is_in_step(server: &Server, client: u64) -> bool {
    let is_held_back = is_held_back(server, client);
    let execute =
        || state::with(|state| state.tracker.execute(client, is_held_back).is_ok() || state.tracker.watches_events);
    // Somebody may have sent EXEC without MULTI: the server knows.
    execute() || list_clients_of_anybody(server, Duration::ZERO, OFTEN) && execute()
}

/// A client drops its transaction.
pub fn discards(server: &Server, client: u64) {
    state::with(|state| {
        let queued = state.tracker.transactions.discard(client);
        state.tracker.note_all(queued);
    });
    watching::wake(server);
}

/// Learns of what clients began before the module could see it.
pub fn meet_clients(server: &Server) {
    let (is_paused, debug_calls) = (server.is_paused(), server.debug_calls());
    let clients = server.clients();
    state::with(|state| {
        state.debug_calls = debug_calls;
        for client in clients {
            if client.queued.is_some() {
                let id = if server.knows_clients() { client.id } else { ANYBODY };
                state.tracker.transactions.begin_unknown(id);
            }
            if client.is_blocked && (is_paused || watcher::may_wait(&client.command)) {
                state.tracker.waiting.hold_unknown(client.id);
            }
        }
    });
}

/// Builds anew what cannot be trusted: after a command that may have changed any key, and when a client goes on that
/// waited already when the module was loaded.
pub(super) fn regain_trust(server: &Server) {
    let unknown: Vec<u64> = state::with(|state| state.tracker.waiting.unknown().collect());
    let goes_on = !unknown.is_empty()
        && server
            .clients_among(&unknown)
            .is_none_or(|clients| clients.iter().filter(|client| client.is_blocked).count() < unknown.len());
    if goes_on {
        state::with(|state| state.tracker.distrust(Trust::Lost));
    }
    if state::with(|state| state.tracker.trust == Trust::Doubtful) {
        find_out_about_populating(server);
    }
    regain_trust_unless_populating(server);
}

/// The same, without asking the server whether it has carried out `DEBUG POPULATE`, which is dear.
pub(super) fn regain_trust_unless_populating(server: &Server) {
    if state::with(|state| state.tracker.trust == Trust::Lost) {
        rebuild_everything();
        // Inside a transaction it may come once more.
        if !server.has_flag(REDISMODULE_CTX_FLAGS_MULTI) {
            state::with(|state| state.tracker.trust = Trust::Whole);
        }
    }
}

fn find_out_about_populating(server: &Server) {
    let calls = server.debug_calls();
    let stays = server.has_flag(REDISMODULE_CTX_FLAGS_MULTI);
    state::with(|state| {
        // That the call was refused is counted too; where nothing is, the counts were taken back.
        let none = "calls=0usec=0";
        let is_same = |calls: &String| calls == state.debug_calls.as_deref().unwrap_or(none);
        if !calls.as_ref().is_some_and(is_same) {
            state.tracker.trust = Trust::Lost;
        } else if !stays {
            state.tracker.trust = Trust::Whole;
        }
        state.debug_calls = calls;
    });
}

/// Asks the server about clients who have sent what may run later, a few at a time. Called once in a turn of the server's
/// loop, which is what its answers are counted by. `true` if there are more.
pub(super) fn settle(server: &Server) -> bool {
    settle_anybody(server);
    let clients = state::with(|state| {
        let all = std::mem::take(&mut state.tracker.asks_all);
        state.tracker.to_ask(all, MOST_ASKED)
    });
    if clients.is_empty() {
        return false;
    }
    // A server that does not answer has not said that nobody is there.
    let Some(connected) = server.clients_among(&clients) else { return false };
    state::with(|state| {
        for id in clients {
            let found = connected.iter().find(|client| client.id == id);
            let word = found.map_or(Word::Free { queued: None }, |client| client.word());
            state.tracker.answer(id, word);
        }
    });
    if state::with(|state| state.tracker.is_overrun()) {
        keyspace::watch_events(server);
    }
    state::with(|state| state.tracker.asks())
}

/// Has the next slice ask about all of them. Called a few times a second.
pub(super) fn settle_all(server: &Server) {
    if state::with(|state| state.tracker.trust == Trust::Doubtful) {
        find_out_about_populating(server);
        watching::wake(server);
    }
    let is_paused = server.is_paused();
    state::with(|state| {
        state.tracker.set_paused(is_paused);
        state.tracker.asks_all = !is_paused;
    });
    if state::with(|state| state.tracker.transactions.is_open(ANYBODY) || state.tracker.waiting.is_anybody()) {
        list_clients_of_anybody(server, SETTLING, SELDOM);
    }
    if state::with(|state| state.tracker.asks_anything() || state.tracker.unread() > 0) {
        watching::wake(server);
    }
    // Looking a client up calls nothing back.
    state::with(|state| state.tracker.transactions.retain(|client| server.has_client(client)));
}

/// Where clients cannot be told apart: whether any of them waits.
fn settle_anybody(server: &Server) {
    if state::with(|state| state.tracker.waiting.is_anybody_new()) {
        if server.blocked_clients() == Some(0) {
            state::with(|state| {
                let queued = state.tracker.waiting.settle(ANYBODY);
                state.tracker.note_all(queued);
            });
        } else {
            list_clients_of_anybody(server, Duration::ZERO, SELDOM);
        }
    }
    if state::with(|state| state.tracker.transactions.is_much_of_anybody()) {
        list_clients_of_anybody(server, Duration::ZERO, SELDOM);
    }
}

/// Where clients cannot be told apart: holds what they may have queued, or wait with, against the list of all of them. Since that
/// costs time for each client, it is done when so much time `at_least` has passed, and not more often than one part in
/// `parts` of the server's time allows. Whether it was done.
fn list_clients_of_anybody(server: &Server, at_least: Duration, parts: u32) -> bool {
    let has_passed = |(at, took): (Instant, Duration)| at.elapsed() >= at_least.max(took * parts);
    if !state::with(|state| state.listed.is_none_or(has_passed)) {
        return false;
    }
    let began = Instant::now();
    let clients = server.clients();
    let open = clients.iter().filter(|client| client.queued.is_some()).count();
    let waits = clients.iter().any(|client| client.is_blocked && watcher::may_wait(&client.command));
    state::with(|state| {
        state.listed = Some((Instant::now(), began.elapsed()));
        let queued = state.tracker.transactions.answer_anybody(open);
        state.tracker.note_all(queued);
        if waits {
            state.tracker.waiting.keep_anybody();
        } else {
            let queued = state.tracker.waiting.settle(ANYBODY);
            state.tracker.note_all(queued);
        }
    });
    if state::with(|state| state.tracker.is_overrun()) {
        keyspace::watch_events(server);
    }
    true
}
