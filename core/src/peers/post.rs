//! What is said to other nodes, to others who are to hear of a logout, and in the log.

use crate::{
    ask::tell,
    command::Logout,
    error::Error,
    journal::Level,
    known::{answers::Answered, round::Round},
    plan::Gone,
    ports::{Host, NodeId},
    session::Ask,
    wire::{MOST_BYTES, Message, Part, Refusal},
};

/// Tells a node what came of its call.
pub(super) fn answer<H: Host>(ask: Ask<'_, H>, to: &NodeId, call: u64, part: Result<Part, Refusal>) {
    let mut bytes = Message::Answer(call, part).encode();
    if bytes.len() > MOST_BYTES {
        bytes = Message::Answer(call, Err(Error::TooMuch.into())).encode();
    }
    // Nodes make their connections anew a few times a second. If it comes to nothing, the node that asked says that this part is
    // missing.
    let is_unsent = !ask.host.send_to(to, &bytes);
    let answered = Answered { to: *to, call, bytes, at: ask.host.instant(), is_unsent };
    ask.state(|state| state.cluster.answers.add(answered));
}

/// Sends answers once more that could not be sent, as long as somebody may wait for them.
pub(super) fn send_unsent<H: Host>(ask: Ask<'_, H>) {
    let now = ask.host.instant();
    let unsent = ask.state(|state| {
        // The node that asked may have begun to wait later, and asks again if it hears nothing.
        let lasts = 2 * state.options.cluster_timeout();
        state.cluster.answers.tidy(now, lasts);
        state.cluster.answers.take_unsent()
    });
    for (to, bytes, call) in unsent {
        if !ask.host.send_to(&to, &bytes) {
            ask.state(|state| state.cluster.answers.put_back(&to, call));
        }
    }
}

/// Tells others of a logout, once.
pub(super) fn tell<H: Host>(ask: Ask<'_, H>, round: &Round<H>, gone: &Gone, removed: u64) {
    let arguments = round.request.arguments();
    let (true, Ok(command)) = (round.request.is_logout(), Logout::parse(&arguments)) else { return };
    if usize::try_from(round.request.database).is_ok_and(|database| ask.host.select(database)) {
        tell::tell_of_whole(ask, gone, round.stamp(), round.scope, command.reason(), removed);
    }
}

/// Says something in the log, if there was not much in the last second.
pub(super) fn say<H: Host>(ask: Ask<'_, H>, level: Level, line: &str) {
    let now = ask.host.instant();
    if ask.state(|state| state.journal.admits(now, 1)) {
        ask.host.log(level, line);
    }
}
