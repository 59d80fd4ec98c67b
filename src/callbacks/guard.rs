//! The panic guard: no panic gets to the server.
//!
//! Every function that the server calls goes through [`guard`], most of them by [`crate::module::enter`]; before it stands only
//! what can't panic. A panic is caught, its message and place are logged with what to report, and the index, which may be
//! half changed, is built anew.

use std::panic::{self, AssertUnwindSafe};

use super::server_events;
use crate::{server::log, threads::MainThread};

/// What the last panic said, for the line in the log. (A value of the thread's own that has to be dropped would keep the
/// module's code in the server after it was unloaded.)
static LAST_PANIC: MainThread<String> = MainThread::new(String::new());

/// Lets panics leave a note for the log instead of a text on standard error.
pub fn note_panics() {
    panic::set_hook(Box::new(|panic| {
        let note = panic.to_string().replace('\n', " ");
        LAST_PANIC.with(|last| *last = note);
    }));
}

/// Gives back the hook; the module's code is about to go.
pub fn forget_panics() {
    drop(panic::take_hook());
    LAST_PANIC.with(std::mem::take);
}

/// Runs `work`; `None` if it panicked. `doing` names it in the log.
pub fn guard<R>(doing: &str, work: impl FnOnce() -> R) -> Option<R> {
    // What a panic may leave half done is the module's state, which is thrown away and built anew.
    if let Ok(result) = panic::catch_unwind(AssertUnwindSafe(work)) {
        return Some(result);
    }
    let note = LAST_PANIC.with(std::mem::take);
    let line = format!(
        "a defect in redis-session {} was caught in {doing}, and the index is built anew. \
         Please report this line with what led to it: {note}",
        env!("CARGO_PKG_VERSION")
    );
    // While the module loads there is no context of its own; the server takes none at all.
    let ctx = server_events::background().map_or(std::ptr::null_mut(), |server| server.ctx());
    log(ctx, c"warning", &line);
    None
}
