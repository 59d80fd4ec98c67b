//! The one place where it is decided who is stale.

use super::{logout, tidy};
use crate::{
    error::Error,
    index::{HashedSubject, LivenessMark, SocketHash, Subject, Tick},
    known::{candidates, state::State},
    layout::Layout,
    plan::{Detail, LiveSocket, Liveness, Plan},
    ports::Host,
    session::Ask,
    template::Placeholder,
};

/// A user who is stale.
#[derive(Debug)]
pub struct StaleUser<N> {
    /// What a sweep removes.
    pub plan: Plan<N>,
    /// Since when, as far as it is known.
    pub since: Tick,
}

/// Looks at a user of the selected database, notes in the index what was found, and returns the user if stale. The index
/// must be right at this instant: see [`super::read::catch_up`].
///
/// # Errors
/// Whatever keeps the plan from being made.
pub fn judge<H: Host>(ask: Ask<'_, H>, user: &[u8]) -> Result<Option<StaleUser<H::Name>>, Error> {
    let database = ask.host.database();
    if !ask.state(|state| state.sweeping.takes_up(database, user)) {
        return Ok(None);
    }
    let before = ask.state(|state| state.databases[database].index.mark(user));
    let plan = logout::plan_now(ask, user, Detail::Sweep)?;
    let time = ask.host.now();
    let since = ask.state(|state| {
        note_owners(state, database, &plan);
        let now = state.clock.after(time);
        let mark = match plan.liveness() {
            Liveness::Live => live(state, database, &plan, now),
            Liveness::Stale => LivenessMark::Stale(stale_since(before, now)),
            // A member that names one of the user's sockets would be evidence, and be seen as the socket's alone.
            Liveness::Absent if !plan.sockets.is_empty() && state.layout.has_members_by_socket() => {
                LivenessMark::Doubtful(now)
            }
            // The mapping is evidence of a session, but no trace; a trace may come, and nothing tells of it.
            Liveness::Absent if plan.has_mapping() => LivenessMark::Doubtful(now),
            Liveness::Absent => LivenessMark::Quiet,
            // Whoever was stale may not be so any more.
            Liveness::Unclear => LivenessMark::Doubtful(now),
        };
        state.databases[database].index.set_mark(user, mark);
        let LivenessMark::Stale(since) = mark else { return None };
        // The first look after the end has to tell: no later one will know.
        if before.is_some_and(|before| matches!(before, LivenessMark::Live(end) if end <= now)) {
            candidates::note_expiry(state, database, user, since);
        }
        Some(since)
    });
    if plan.liveness() == Liveness::Absent {
        tidy::look(ask, database, Subject::User, user);
    }
    Ok(since.map(|since| StaleUser { plan, since }))
}

/// Where no trace says by its value whose a socket is, the mapping does.
fn note_owners<H: Host>(state: &mut State<H>, database: usize, plan: &Plan<H::Name>) {
    let is_told_by_mapping = state
        .layout
        .sockets
        .as_ref()
        .is_some_and(|sockets| sockets.owned.is_none() && !sockets.data.has(Placeholder::USER));
    if is_told_by_mapping {
        let user = HashedSubject::new(Subject::User, &plan.user).hash;
        for socket in plan.mapped_sockets() {
            state.databases[database].index.add_owner(SocketHash::of(socket), user);
        }
    }
}

/// Until when the user is live if nothing happens that is told of. Of a socket whose data is another user's, or nobody's,
/// nothing tells.
fn live<H: Host>(state: &State<H>, database: usize, plan: &Plan<H::Name>, now: Tick) -> LivenessMark {
    let layout: &Layout = &state.layout;
    let by_name = layout.sockets.as_ref().is_some_and(|sockets| sockets.data.has(Placeholder::USER));
    let index = &state.databases[database].index;
    let user = HashedSubject::new(Subject::User, &plan.user).hash;
    let is_told_of =
        |socket: &&LiveSocket| !socket.ends_unseen && (by_name || index.is_owner(SocketHash::of(&socket.id), user));
    let ends = plan
        .live_by
        .iter()
        .filter(is_told_of)
        .map(|socket| socket.ends.map_or(Tick::LAST, |end| state.clock.tick(end)));
    ends.max().map_or(LivenessMark::Doubtful(now), LivenessMark::Live)
}

/// Since when somebody is stale who turns out to be so.
fn stale_since(before: Option<LivenessMark>, now: Tick) -> Tick {
    match before {
        Some(LivenessMark::Stale(since)) => since,
        // Marks are rounded down where they say until when.
        Some(LivenessMark::Live(end)) => end.next().min(now),
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
