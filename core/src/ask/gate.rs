//! Waiting while the server refuses writes: too few replicas are there, the last save failed, or the cluster is down.
//!
//! What a client asks for then, the server refuses. The module's own work is not refused, so it asks before it writes, and
//! waits: who was found, what was noted and which sweeps have begun stays until the server takes writes again.

use crate::{error::Error, journal::Level, known::sweeping::Writes, ports::Host, session::Ask};

/// A slice of work begins: what the server took before it may refuse now.
pub fn begin<H: Host>(ask: Ask<'_, H>) {
    ask.state(|state| {
        if matches!(state.sweeping.writes, Writes::Taken) {
            state.sweeping.writes = Writes::Unasked;
        }
    });
}

/// Whether the server refuses writes: it is asked once in a slice of work. While it refuses, [`ask_again`] does.
///
/// # Errors
/// [`Error::Refused`].
pub fn pass<H: Host>(ask: Ask<'_, H>) -> Result<(), Error> {
    match ask.state(|state| state.sweeping.writes.answer()) {
        Some(answer) => answer,
        None => try_writes(ask),
    }
}

/// Whether the server refused writes when it was asked last.
pub fn is_closed<H: Host>(ask: Ask<'_, H>) -> bool {
    ask.state(|state| matches!(state.sweeping.writes, Writes::Refused(_)))
}

/// Asks once more, if writes were refused. Called a few times a second.
pub fn ask_again<H: Host>(ask: Ask<'_, H>) {
    if is_closed(ask) {
        let _ = try_writes(ask);
    }
}

/// Asks now, whatever was said before.
///
/// # Errors
/// [`Error::Refused`].
pub fn try_writes<H: Host>(ask: Ask<'_, H>) -> Result<(), Error> {
    let was_closed = is_closed(ask);
    ask.state(|state| state.sweeping.writes = Writes::Asking);
    // It names no key, so that a cluster node does not look for its slot, and is a write; see `is_asking`.
    let answer = if ask.host.is_in_a_cluster_that_is_down() {
        Err(Error::ClusterDown.to_string())
    } else {
        ask.host.takes_writes()
    };
    let line = match &answer {
        Err(why) if !was_closed => Some(format!(
            "the server refuses writes ({why}); sweeps, the cascade and the fence wait until it takes them"
        )),
        Ok(()) if was_closed => {
            Some("the server takes writes again; sweeps, the cascade and the fence go on".to_owned())
        }
        _ => None,
    };
    let result = answer.clone().map_err(Error::Refused);
    let (now, has_line) = (ask.host.instant(), line.is_some());
    let is_told = ask.state(|state| {
        state.sweeping.writes = answer.map_or_else(Writes::Refused, |()| Writes::Taken);
        has_line && state.journal.admits(now, 1)
    });
    if let Some(line) = line.filter(|_| is_told) {
        ask.host.log(Level::Notice, &line);
    }
    if was_closed && result.is_ok() {
        ask.wake();
    }
    result
}

/// Whether the module calls its own command, only to see whether the server lets it pass.
pub fn is_asking<H: Host>(ask: Ask<'_, H>) -> bool {
    ask.state(|state| matches!(state.sweeping.writes, Writes::Asking))
}
