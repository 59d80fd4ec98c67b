//! What becomes of keys while their slots are on their way from node to node.

use std::panic::UnwindSafe;

use crate::{plan::Plan, ports::Host, session::Ask, watcher::Suspect, wire::Motion};

/// Keys are about to be sent to another node, or their slots were.
pub fn keys_leave<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    ask.state(|state| (state.cluster.keys_left, state.cluster.keys_leave) = (Some(now), true));
}

/// Slots have come with all their keys, which are shown from now on, in whichever database.
pub fn slots_arrived<H: Host>(ask: Ask<'_, H>, slots: impl Iterator<Item = u16> + UnwindSafe) {
    ask.state(|state| state.cluster.arrived.extend(slots));
    ask.wake();
}

/// Has the keys of one slot read that has arrived. `false` if there is none. Leaves another database selected.
pub(crate) fn note_arrived<H: Host>(ask: Ask<'_, H>) -> bool {
    let Some(slot) = ask.state(|state| state.cluster.arrived.pop()) else { return false };
    let (databases, watcher) = ask.state(|state| (state.databases.len(), state.watcher.clone()));
    for _ in (0..databases).filter(|database| ask.host.select(*database) && ask.host.size() > 0) {
        let names = ask.host.names_in_slot(slot).into_iter().filter(|name| watcher.cares_for(name.as_ref()));
        let names: Vec<H::Name> = names.collect();
        ask.state(|state| names.into_iter().for_each(|key| state.tracker.note(Suspect { key, member: None })));
    }
    true
}

/// What of a user was on its way when this node made a plan.
pub(crate) fn motion<H: Host>(ask: Ask<'_, H>, plan: &Plan<H::Name>) -> Motion {
    if plan.arriving > 0 && ask.host.receives_slots() {
        return Motion::Arriving;
    }
    let now = ask.host.instant();
    ask.state(|state| {
        // Others were asked within the first of these times, and to send a key may take as long as the other.
        let lately = 2 * state.options.cluster_timeout();
        // To send them takes the server a while, in which nothing else happens here: what comes first after it is about its end.
        if std::mem::take(&mut state.cluster.keys_leave) {
            state.cluster.keys_left = Some(now);
        }
        let has_left = state.cluster.keys_left.is_some_and(|at| now.duration_since(at) < lately);
        if has_left { Motion::Left } else { Motion::Still }
    })
}
