//! Waiting while the server refuses writes: too few replicas are there, the last save failed, or the cluster is down.
//!
//! What a client asks for then, the server refuses. The module's own work is not refused, so it asks before it writes, and
//! waits: who was found, what was noted and which sweeps have begun stays until the server takes writes again.

use std::time::Instant;

use crate::{
    engine::{call::Call, server::Server, watching},
    error::Error,
    state,
};

/// What the server says of writes.
#[derive(Debug, Default)]
pub enum Writes {
    /// It was not asked in this slice of work.
    #[default]
    Unasked,
    /// It is being asked.
    Asking,
    /// It takes them.
    Taken,
    /// It refuses them, with these words.
    Refused(String),
}

/// A slice of work begins: what the server took before it may refuse now.
pub fn begin() {
    state::with(|state| {
        if matches!(state.sweeping.writes, Writes::Taken) {
            state.sweeping.writes = Writes::Unasked;
        }
    });
}

/// Whether the server refuses writes: it is asked once in a slice of work. While it refuses, [`ask_again`] does.
///
/// # Errors
/// [`Error::Refused`].
pub fn pass(server: &Server) -> Result<(), Error> {
    match state::with(|state| state.sweeping.writes.answer()) {
        Some(answer) => answer,
        None => ask(server),
    }
}

/// Whether the server refused writes when it was asked last.
pub fn is_closed() -> bool {
    state::with(|state| matches!(state.sweeping.writes, Writes::Refused(_)))
}

/// Asks once more, if writes were refused. Called a few times a second.
pub fn ask_again(server: &Server) {
    if is_closed() {
        let _ = ask(server);
    }
}

/// Asks now, whatever was said before.
///
/// # Errors
/// [`Error::Refused`].
pub fn ask(server: &Server) -> Result<(), Error> {
    let was_closed = is_closed();
    state::with(|state| state.sweeping.writes = Writes::Asking);
    // It names no key, so that a cluster node does not look for its slot, and is a write; see `is_asking`.
    let answer = if server.is_in_a_cluster_that_is_down() {
        Err(Error::ClusterDown.to_string())
    } else {
        Call::new(c"SESSION.SWEEP").run_if_taken(server)
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
    let is_told = state::with(|state| {
        state.sweeping.writes = answer.map_or_else(Writes::Refused, |()| Writes::Taken);
        line.is_some() && state.journal.admits(Instant::now(), 1)
    });
    if let Some(line) = line.filter(|_| is_told) {
        server.log(c"notice", &line);
    }
    if was_closed && result.is_ok() {
        watching::wake(server);
    }
    result
}

/// Whether the module calls its own command, only to see whether the server lets it pass.
pub fn is_asking() -> bool {
    state::with(|state| matches!(state.sweeping.writes, Writes::Asking))
}

impl Writes {
    fn answer(&self) -> Option<Result<(), Error>> {
        match self {
            Self::Unasked | Self::Asking => None,
            Self::Taken => Some(Ok(())),
            Self::Refused(why) => Some(Err(Error::Refused(why.clone()))),
        }
    }
}
