//! What comes next: the whole order of priorities.

use std::time::Instant;

use crate::{
    ask::{cascade, enforce, explain, follow, gate, load::rebuild_everything, read, sweep as sweeps, tidy},
    known::{
        candidates,
        clock::Clock,
        fence::MOST_FORGOTTEN,
        state::{Build, State},
        wants::Events,
    },
    peers,
    ports::Host,
    session::Ask,
};

/// Into how many shares a slice is divided.
const SHARES: u32 = 6;

/// A slice of work between commands. If there is more to do, another is wanted.
///
/// Each kind of work has a share of the slice, so that none keeps another from going on: under any load what is written is
/// read, and a sweep ends.
pub fn tick<H: Host>(ask: Ask<'_, H>) {
    let (began, share) = (ask.host.instant(), ask.state(|state| state.options.slice()) / SHARES);
    // `shares` from the beginning, since those before may have left some of theirs; `least` in any case.
    let deadline = |shares: u32, least: u32| (began + share * shares).max(ask.host.instant() + share * least);
    let asks = follow::settle(ask);
    let is_sweeping = ask.state(|state| state.sweeping.has_work());
    if is_sweeping {
        follow::check_ends(ask);
    }
    follow::regain_trust_unless_populating(ask);
    let reads = read::read_until(ask, deadline(if is_sweeping { 2 } else { SHARES }, 1));
    let databases = ask.state(|state| state.databases.len());
    let until = deadline(3, 1);
    let builds = (0..databases).any(|database| !read::build(ask, database, Some(until)));
    // What is swept has to be known completely. All of the rest goes on, and not one kind of it alone.
    let goes_on = builds
        || look_at_grown(ask, deadline(3, 1)) | explain::answer(ask, deadline(3, 1)) | sweep(ask, &deadline)
        || tidy::is_hurried(ask) && tidy::go_on(ask);
    serve_peers(ask);
    if goes_on || reads || asks {
        ask.wake();
    }
}

/// What is done as soon as the commands that clients have sent are done: what was written is read, if it is much, and other nodes of
/// a cluster are answered.
pub fn soon<H: Host>(ask: Ask<'_, H>) {
    read::read_soon(ask);
    serve_peers(ask);
}

fn serve_peers<H: Host>(ask: Ask<'_, H>) {
    let slice = ask.state(|state| state.options.slice());
    if peers::go_on(ask, ask.host.instant() + slice) {
        ask.wake();
    }
}

/// What a slice does for sweeps. `true` if there is more. Nobody writes while clients are paused; afterwards [`cron`] sees that
/// it goes on.
fn sweep<H: Host>(ask: Ask<'_, H>, deadline: &dyn Fn(u32, u32) -> Instant) -> bool {
    if !ask.state(|state| state.sweeping.has_work()) || ask.host.is_paused() {
        return false;
    }
    gate::begin(ask);
    // Whatever came in since the last slice is read before somebody is judged.
    read::read_everything(ask);
    let mut goes_on = false;
    if !ask.host.is_replica() {
        enforce::enforce_noted(ask);
        goes_on |= enforce::look_at_returned(ask, deadline(4, 1));
        goes_on |= cascade::look(ask, deadline(4, 1)) | cascade::clean(ask, deadline(4, 1));
    }
    goes_on |= sweeps::slice(ask, deadline(SHARES, 2));
    ask.state(|state| state.sweeping.at_work = None);
    goes_on
}

/// What is done now and then, a few times a second.
pub fn cron<H: Host>(ask: Ask<'_, H>) {
    report_left_out(ask);
    peers::cron(ask);
    follow::settle_all(ask);
    if ask.state(|state| state.databases.iter().any(|database| !matches!(database.build, Build::Ready))) {
        ask.wake();
    }
    let (now, instant) = (ask.host.now(), ask.host.instant());
    if ask.state(|state| state.clock.is_old(now)) {
        ask.state(|state| state.clock = Clock::begun(now));
        rebuild_everything(ask);
    }
    ask.state(|state| state.sweeping.fence.tidy(instant, MOST_FORGOTTEN));
    if !ask.host.is_replica() {
        ask.state(|state| {
            want_ends(state);
            candidates::settle(state, instant);
            candidates::find_ended(state, now);
        });
        sweeps::start_by_the_clock(ask);
        gate::ask_again(ask);
        if ask.state(|state| state.sweeping.has_work()) {
            ask.wake();
        }
    }
    if ask.state(|state| state.tracker.unread() == 0) && tidy::go_on(ask) {
        ask.wake();
    }
}

/// Looks at subjects whose places have doubled.
fn look_at_grown<H: Host>(ask: Ask<'_, H>, deadline: Instant) -> bool {
    while let Some((database, subject, id)) = ask.state(|state| state.grown.pop()) {
        tidy::look(ask, database, subject, &id);
        if ask.host.instant() >= deadline {
            return true;
        }
    }
    false
}

/// Reports lines that the log was spared.
fn report_left_out<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let (left_out, level) = ask.state(|state| (state.journal.take_left_out(now), state.options.log_level()));
    if let Some(lines) = left_out {
        ask.host.log(level, &format!("{lines} more lines about logouts were left out in one second"));
    }
}

/// Has those keys watched that end by themselves, once that matters: those that expire only for the cascade.
fn want_ends<H: Host>(state: &mut State<H>) {
    if state.layout.sockets.is_some() {
        state.wants.events.add(Events::EVICTIONS);
        if state.options.expire_cascade {
            state.wants.events.add(Events::EXPIRIES);
        }
    }
}
