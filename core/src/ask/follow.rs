//! Following what clients send: noting what may be written, and asking the server what became of it.

use std::{
    panic::UnwindSafe,
    time::{Duration, Instant},
};

use super::load::rebuild_everything;
use crate::{
    journal::Level,
    ports::{ConnectedClient, Host},
    session::Ask,
    tracker::{ANYBODY, Queued, Trust, Word},
    watcher::{self, Suspect},
};

/// When this many keys are unread they are read at once, while they are still in the processor's cache.
const MANY_UNREAD: usize = 32;

/// Where clients cannot be told apart: how long an end of transactions may go unchecked. To ask takes some ten microseconds, and
/// until then each write costs a little more.
const UNCHECKED: Duration = Duration::from_millis(2);

/// About how many clients the server is asked about in one slice. Each takes some microseconds.
const MOST_ASKED: usize = 32;

/// Listing all clients may take one part in this many of the server's time.
const SELDOM: u32 = 200;

/// The same where it keeps the module from watching events.
const OFTEN: u32 = 20;

/// How long clients that cannot be told apart have to be in step before their list is asked for.
const SETTLING: Duration = Duration::from_secs(1);

/// A command that is about to run, or be queued, may change these keys. Nothing is read here: a server may not delete
/// an expired key before a command, and the command has not written its keys yet.
pub fn suspect<H: Host>(
    ask: Ask<'_, H>,
    client: u64,
    suspects: impl Iterator<Item = Suspect<H::Name>> + UnwindSafe,
    may_wait: bool,
) {
    let may_wait = may_wait || is_held_back(ask, client);
    ask.state(|state| {
        state.tracker.suspect(client, suspects, may_wait);
        state.wants.soon |= state.tracker.unread() >= MANY_UNREAD;
        state.wants.slice = true;
    });
}

/// Whether clients are paused, and the module will not be shown the client's command once more when it runs: 7.0, which
/// does not tell clients apart, runs its filters again (`processCommand`).
fn is_held_back<H: Host>(ask: Ask<'_, H>, client: u64) -> bool {
    let is_held_back = client != ANYBODY && ask.host.is_paused();
    if is_held_back {
        ask.state(|state| state.tracker.set_paused(true));
    }
    is_held_back
}

/// `DEBUG POPULATE` is about to run, or be queued.
pub fn suspect_populating<H: Host>(ask: Ask<'_, H>, client: u64) {
    let is_held_back = is_held_back(ask, client);
    ask.state(|state| {
        state.tracker.transactions.queue_populating(client);
        state.tracker.distrust(Trust::Doubtful);
        if is_held_back {
            state.tracker.hold(client, Queued { populates: true, ..Queued::default() });
        }
    });
    ask.wake();
}

/// This key may just have changed.
pub fn changed<H: Host>(ask: Ask<'_, H>, name: H::Name) {
    ask.state(|state| state.tracker.note(Suspect { key: name, member: None }));
    ask.wake();
}

/// A client opens a transaction.
pub fn begins<H: Host>(ask: Ask<'_, H>, client: u64) {
    // An earlier one may have ended unseen, or was never open: then what is held for it belongs to none.
    if client != ANYBODY && ask.state(|state| state.tracker.transactions.holds(client)) {
        let found = ask.host.clients_among(&[client]).unwrap_or_default();
        if found.first().is_some_and(|client| client.queued.is_none()) {
            ask.state(|state| {
                let queued = state.tracker.transactions.forget(client);
                state.tracker.note_all(queued);
            });
            ask.wake();
        }
    }
    ask.state(|state| state.tracker.transactions.begin(client));
}

/// A client executes its transaction now.
pub fn executes<H: Host>(ask: Ask<'_, H>, client: u64) {
    if client == ANYBODY && ask.host.is_paused() {
        // It may be held back, and is shown once more then.
        ask.state(|state| {
            let queued = state.tracker.transactions.may_execute();
            state.tracker.note_all(queued);
        });
    } else if !is_in_step(ask, client) {
        ask.state(|state| state.tracker.distrust(Trust::Lost));
        ask.want_changes();
    }
    ask.wake();
}

/// Where clients cannot be told apart: looks whether each `EXEC` and `DISCARD` that was seen has ended a transaction. If not, what
/// others have queued may have been executed since. Must not be called while such a command is shown: it has not failed yet.
pub fn check_ends<H: Host>(ask: Ask<'_, H>) {
    if ask.state(|state| state.tracker.transactions.is_queue_doubtful()) {
        check_count(ask);
    }
}

fn check_count<H: Host>(ask: Ask<'_, H>) {
    let (failed, now) = (ask.host.failed_ends(), ask.host.instant());
    let is_right = ask.state(|state| {
        let is_right = state.failed_ends.as_ref().is_some_and(|(before, _)| *before == failed);
        state.failed_ends = Some((failed, now));
        if is_right {
            state.tracker.transactions.confirm_count();
        } else {
            state.tracker.reject_count();
        }
        is_right
    });
    if !is_right {
        // Until it is known how many are open, each that ends costs what all have queued.
        if !list_clients_of_anybody(ask, Duration::ZERO, OFTEN) {
            ask.want_changes();
        }
        ask.wake();
    }
}

/// Notes what a client executes; `false` if that is not known.
fn is_in_step<H: Host>(ask: Ask<'_, H>, client: u64) -> bool {
    let is_held_back = is_held_back(ask, client);
    let execute =
        || ask.state(|state| state.tracker.execute(client, is_held_back).is_ok() || state.tracker.watches_events);
    // Somebody may have sent EXEC without MULTI: the server knows.
    execute() || list_clients_of_anybody(ask, Duration::ZERO, OFTEN) && execute()
}

/// A client drops its transaction.
pub fn discards<H: Host>(ask: Ask<'_, H>, client: u64) {
    // It may be held back, and is shown once more then.
    let comes_again = client == ANYBODY && ask.host.is_paused();
    ask.state(|state| {
        let transactions = &mut state.tracker.transactions;
        let queued = if comes_again { transactions.may_execute() } else { transactions.discard(client) };
        state.tracker.note_all(queued);
    });
    ask.wake();
}

/// Learns of what clients began before the module could see it.
pub fn learn_of_clients<H: Host>(ask: Ask<'_, H>) {
    let (is_paused, debug_calls) = (ask.host.is_paused(), ask.host.debug_calls());
    let clients = ask.host.clients();
    let knows_clients = ask.host.knows_clients();
    // Of a server that starts no client has written anything unseen.
    let unseen_until = (!clients.is_empty()).then(|| ask.host.instant());
    let is_cluster = ask.host.is_cluster();
    let failed_ends = (!knows_clients).then(|| (ask.host.failed_ends(), ask.host.instant()));
    ask.state(|state| {
        state.debug_calls = debug_calls;
        state.failed_ends = failed_ends;
        if is_cluster {
            state.cluster.logins.keep(unseen_until);
        }
        for client in clients {
            if client.queued.is_some() {
                let id = if knows_clients { client.id } else { ANYBODY };
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
pub fn regain_trust<H: Host>(ask: Ask<'_, H>) {
    let unknown: Vec<u64> = ask.state(|state| state.tracker.waiting.unknown().collect());
    let goes_on = !unknown.is_empty()
        && ask
            .host
            .clients_among(&unknown)
            .is_none_or(|clients| clients.iter().filter(|client| client.is_blocked).count() < unknown.len());
    if goes_on {
        ask.state(|state| state.tracker.distrust(Trust::Lost));
    }
    if ask.state(|state| state.tracker.trust == Trust::Doubtful) {
        find_out_about_populating(ask);
    }
    regain_trust_unless_populating(ask);
}

/// The same, without asking the server whether it has carried out `DEBUG POPULATE`, which is dear.
pub fn regain_trust_unless_populating<H: Host>(ask: Ask<'_, H>) {
    if ask.state(|state| state.tracker.trust == Trust::Lost) {
        rebuild_everything(ask);
        // Inside a transaction it may come once more.
        if !ask.host.is_in_transaction() {
            ask.state(|state| state.tracker.trust = Trust::Whole);
        }
    }
}

fn find_out_about_populating<H: Host>(ask: Ask<'_, H>) {
    let calls = ask.host.debug_calls();
    let stays = ask.host.is_in_transaction();
    ask.state(|state| {
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
pub fn settle<H: Host>(ask: Ask<'_, H>) -> bool {
    settle_anybody(ask);
    let clients = ask.state(|state| {
        let all = std::mem::take(&mut state.tracker.asks_all);
        state.tracker.to_ask(all, MOST_ASKED)
    });
    if clients.is_empty() {
        return false;
    }
    // A server that does not answer has not said that nobody is there.
    let Some(connected) = ask.host.clients_among(&clients) else { return false };
    ask.state(|state| {
        for id in clients {
            let found = connected.iter().find(|client| client.id == id);
            let word = found.map_or(Word::Free { queued: None }, word_of);
            state.tracker.answer(id, word);
        }
    });
    if ask.state(|state| state.tracker.is_overrun()) {
        ask.want_changes();
    }
    ask.state(|state| state.tracker.asks())
}

/// Has the next slice ask about all of them. Called a few times a second.
pub fn settle_all<H: Host>(ask: Ask<'_, H>) {
    if ask.state(|state| state.tracker.trust == Trust::Doubtful) {
        find_out_about_populating(ask);
        ask.wake();
    }
    if ask.state(|state| state.tracker.transactions.is_count_doubtful()) {
        check_count(ask);
    }
    let is_paused = ask.host.is_paused();
    ask.state(|state| {
        state.tracker.set_paused(is_paused);
        state.tracker.asks_all = !is_paused;
    });
    if ask.state(|state| state.tracker.transactions.is_open(ANYBODY) || state.tracker.waiting.is_anybody()) {
        list_clients_of_anybody(ask, SETTLING, SELDOM);
    }
    if ask.state(|state| state.tracker.asks_anything() || state.tracker.unread() > 0) {
        ask.wake();
    }
    let clients: Vec<u64> = ask.state(|state| state.tracker.transactions.clients().collect());
    let gone: Vec<u64> = clients.into_iter().filter(|client| !ask.host.has_client(*client)).collect();
    ask.state(|state| {
        for client in gone {
            state.tracker.transactions.forget(client);
        }
    });
}

/// Where clients cannot be told apart: whether the count of transactions is right, and whether any of them waits.
fn settle_anybody<H: Host>(ask: Ask<'_, H>) {
    if ask.state(|state| state.tracker.transactions.is_queue_doubtful()) {
        let now = ask.host.instant();
        let is_old = |(_, at): &(String, Instant)| now.duration_since(*at) >= UNCHECKED;
        if ask.state(|state| state.failed_ends.as_ref().is_none_or(is_old)) {
            check_count(ask);
        }
    }
    if ask.state(|state| state.tracker.waiting.is_anybody_new()) {
        if ask.host.blocked_clients() == Some(0) {
            ask.state(|state| {
                let queued = state.tracker.waiting.settle(ANYBODY);
                state.tracker.note_all(queued);
            });
        } else {
            list_clients_of_anybody(ask, Duration::ZERO, SELDOM);
        }
    }
    if ask.state(|state| state.tracker.transactions.is_much_of_anybody()) {
        list_clients_of_anybody(ask, Duration::ZERO, SELDOM);
    }
}

/// Where clients cannot be told apart: holds what they may have queued, or wait with, against the list of all of them. Since that
/// costs time for each client, it is done when the time `at_least` has passed, and not more often than one part in
/// `parts` of the server's time allows. Whether it was done.
fn list_clients_of_anybody<H: Host>(ask: Ask<'_, H>, at_least: Duration, parts: u32) -> bool {
    let now = ask.host.instant();
    let has_passed = |(at, took): (Instant, Duration)| now.duration_since(at) >= at_least.max(took * parts);
    if !ask.state(|state| state.listed.is_none_or(has_passed)) {
        return false;
    }
    let clients = ask.host.clients();
    let listed = ask.host.instant();
    let open = clients.iter().filter(|client| client.queued.is_some()).count();
    let waits = clients.iter().any(|client| client.is_blocked && watcher::may_wait(&client.command));
    ask.state(|state| {
        state.listed = Some((listed, listed.duration_since(now)));
        let queued = state.tracker.transactions.answer_anybody(open);
        state.tracker.note_all(queued);
        if waits {
            state.tracker.waiting.keep_anybody();
        } else {
            let queued = state.tracker.waiting.settle(ANYBODY);
            state.tracker.note_all(queued);
        }
    });
    if ask.state(|state| state.tracker.is_overrun()) {
        ask.want_changes();
    }
    true
}

/// What follows of a client for what it sent.
fn word_of(client: &ConnectedClient) -> Word {
    if client.is_blocked { Word::Blocked } else { Word::Free { queued: client.queued } }
}

/// From now on keyspace events tell of every change.
pub fn changes_are_told<H: Host>(ask: Ask<'_, H>) {
    ask.state(|state| state.tracker.watch_events());
    ask.host.log(
        Level::Notice,
        "transactions or waiting clients can't be followed by their commands alone; \
         watching keyspace events from now on, which makes every write a little slower",
    );
}
