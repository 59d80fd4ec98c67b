//! The one place where it is decided who is stale.

use super::{logout, tidy};
use crate::{
    index::{HashedSubject, LivenessMark, SocketHash, Subject, Tick},
    known::{candidates, dead::DeadSocket, state::State},
    layout::Layout,
    plan::{self, Detail, End, LiveBy, LiveSocket, Liveness, Plan},
    ports::Host,
    session::Ask,
    template::Placeholder,
};

/// What came of a look at a user.
#[derive(Debug)]
pub enum Judged<N> {
    /// The user is stale.
    Stale(Box<StaleUser<N>>),
    /// The user is live, and these sockets in the mapping, or in the user's own collections, have no data key.
    Live(Vec<DeadSocket>),
    /// It can't be told: another node of the cluster may know or have more, or the mapping holds what is no socket's id. And whether there is
    /// evidence of a session here.
    Unclear(bool),
    /// There is nothing to sweep.
    Other,
}

/// A user who is stale.
#[derive(Debug)]
pub struct StaleUser<N> {
    /// What a sweep removes.
    pub plan: Box<Plan<N>>,
    /// Since when, as far as it is known.
    pub since: Tick,
}

/// Looks at a user of the selected database, and notes in the index what was found. The index must be right at this
/// instant: see [`super::read::catch_up`].
pub fn judge<H: Host>(ask: Ask<'_, H>, user: &[u8]) -> Judged<H::Name> {
    let database = ask.host.database();
    if !ask.state(|state| state.sweeping.takes_up(database, user)) {
        return Judged::Other;
    }
    let layout = ask.state(|state| state.layout.clone());
    let (before, places) = ask.state(|state| {
        let index = &state.databases[database].index;
        (index.mark(user), index.places(Subject::User, user))
    });
    let live_by = plan::live_by(ask.host, &layout, &places, user);
    let time = ask.host.now();
    if live_by.is_live() {
        return Judged::Live(ask.state(|state| note_live(state, database, user, &live_by, time)));
    }
    let plan = logout::plan_now(ask, user, Detail::Sweep);
    let since = ask.state(|state| {
        note_owners(state, database, user, plan.mapped_sockets());
        let now = state.clock.after(time);
        let mark = match plan.liveness() {
            Liveness::Stale => LivenessMark::Stale(stale_since(before, now)),
            // A member that names one of the user's sockets would be evidence, and be seen as the socket's alone.
            Liveness::Absent if !plan.sockets.is_empty() && state.layout.has_members_by_socket() => {
                LivenessMark::Doubtful(now)
            }
            // The mapping is evidence of a session, but no trace; a trace may come, and nothing tells of it. So may a socket
            // die that is listed.
            Liveness::Absent if plan.has_mapping() || plan.lists_others() => LivenessMark::Doubtful(now),
            Liveness::Absent => LivenessMark::Quiet,
            // Whoever was stale may not be so any more.
            Liveness::Live | Liveness::Unclear => LivenessMark::Doubtful(now),
        };
        state.databases[database].index.set_mark(user, mark);
        let LivenessMark::Stale(since) = mark else { return None };
        // The first look after the end has to tell: no later one will know.
        if before.and_then(LivenessMark::live_until).is_some_and(|end| end <= now) {
            candidates::note_expiry(state, database, user, since);
        }
        Some(since)
    });
    if plan.liveness() == Liveness::Absent {
        tidy::look(ask, database, Subject::User, user);
    }
    match since {
        Some(since) => Judged::Stale(Box::new(StaleUser { plan, since })),
        None if plan.liveness() == Liveness::Unclear => Judged::Unclear(plan.is_evidence()),
        // Others may have what is to be removed.
        None if plan.is_evidence() && ask.host.is_cluster() => Judged::Unclear(true),
        None => Judged::Other,
    }
}

/// Notes that a user is live, and which sockets are dead.
fn note_live<H: Host>(
    state: &mut State<H>,
    database: usize,
    user: &[u8],
    live_by: &LiveBy,
    time: u64,
) -> Vec<DeadSocket> {
    let sockets = live_by.sockets.iter().map(|socket| &*socket.id);
    note_owners(state, database, user, sockets.chain(live_by.listed.iter().map(|id| &**id)));
    let mark = live(state, database, user, live_by, state.clock.after(time));
    state.databases[database].index.set_mark(user, mark);
    state.sweeping.dead.note(database, &live_by.dead, time)
}

/// Where no trace says by its value whose a socket is, the mapping does, or a collection of the user's own.
fn note_owners<'s, H: Host>(
    state: &mut State<H>,
    database: usize,
    user: &[u8],
    sockets: impl Iterator<Item = &'s [u8]>,
) {
    let are_told_by_name = state
        .layout
        .sockets
        .as_ref()
        .is_some_and(|sockets| sockets.owned.is_none() && !sockets.data.has(Placeholder::USER));
    if are_told_by_name {
        let user = HashedSubject::new(Subject::User, user).hash;
        for socket in sockets {
            state.databases[database].index.add_owner(SocketHash::of(socket), user);
        }
    }
}

/// Until when the user is live if nothing happens that is told of. Of a socket whose data is another user's, or nobody's,
/// nothing tells, nor of what the layout says besides sockets.
fn live<H: Host>(state: &State<H>, database: usize, user: &[u8], live_by: &LiveBy, now: Tick) -> LivenessMark {
    let layout: &Layout = &state.layout;
    let by_name = layout.sockets.as_ref().is_some_and(|sockets| sockets.data.has(Placeholder::USER));
    let index = &state.databases[database].index;
    let hash = HashedSubject::new(Subject::User, user).hash;
    let is_told_of =
        |socket: &&LiveSocket| !socket.ends_unseen && (by_name || index.is_owner(SocketHash::of(&socket.id), hash));
    let end = |ends: Option<u64>| ends.map_or(Tick::LAST, |end| state.clock.tick(end));
    let ends: Vec<Tick> = live_by.sockets.iter().filter(is_told_of).map(|socket| end(socket.ends)).collect();
    let Some(last) = ends.iter().max().copied() else {
        // Stale since then, at the earliest, whoever turns out to be so.
        return LivenessMark::Doubtful(match live_by.rule {
            Some(End::At(moment)) => state.clock.tick(moment),
            Some(End::Never | End::Unknown) => Tick::LAST,
            None => now,
        });
    };
    let are_all = live_by.dead.is_empty() && live_by.listed.is_empty() && !live_by.has_more;
    let are_one = are_all && ends.len() == live_by.sockets.len();
    if are_one && ends.iter().all(|end| *end == last) { LivenessMark::Live(last) } else { LivenessMark::Mixed(last) }
}

/// Since when somebody is stale who turns out to be so.
fn stale_since(before: Option<LivenessMark>, now: Tick) -> Tick {
    match before {
        Some(LivenessMark::Stale(since)) => since,
        // Marks are rounded down where they say until when.
        Some(LivenessMark::Live(end) | LivenessMark::Mixed(end)) => end.next().min(now),
        Some(LivenessMark::Doubtful(since)) => since.min(now),
        Some(LivenessMark::Quiet) | None => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_taken_for_stale_longer_than_it_is_known() {
        let [early, now, late] = [1000, 2000, 3000].map(Tick::at);
        let table = [
            (Some(LivenessMark::Stale(early)), early),
            (Some(LivenessMark::Live(early)), early.next()),
            (Some(LivenessMark::Live(late)), now),
            (Some(LivenessMark::Doubtful(early)), early),
            (Some(LivenessMark::Doubtful(late)), now),
            (Some(LivenessMark::Quiet), now),
            (None, now),
        ];
        for (before, expected) in table {
            assert_eq!(stale_since(before, now), expected, "{before:?}");
        }
    }
}
