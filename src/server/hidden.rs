//! Hash slots that arrive as a whole: Valkey 9 shows their keys when all of them are there (`CLUSTER MIGRATESLOTS`).
//!
//! Until then no command is shown such a key, and a walk does not meet it. But a module that opens it by its name would find it. So
//! this room remembers which slots are on their way.

use redis_session_core::ports::Keyspace;

use super::{
    call::{Call, CallArgument},
    handle::{Name, Server, api},
};
use crate::threads::MainThread;

/// The first and last of each range of slots that are on their way to this node.
static HIDDEN: MainThread<Vec<(u16, u16)>> = MainThread::new(Vec::new());

/// Says what a module can do: here that it knows that keys may be loaded before they are shown.
const HANDLES_ATOMIC_SLOT_MIGRATION: std::ffi::c_int = 1 << 5;

/// These are on their way now.
pub(crate) fn hide(ranges: &[(u16, u16)]) {
    HIDDEN.with(|hidden| hidden.extend(ranges));
}

/// These have arrived, or come no more.
pub(crate) fn show(ranges: &[(u16, u16)]) {
    HIDDEN.with(|hidden| hidden.retain(|range| !ranges.contains(range)));
}

/// Forgets all.
pub(crate) fn forget() {
    let hidden = HIDDEN.with(std::mem::take);
    drop(hidden);
}

impl Server {
    /// Tells a server that has it that the module can follow atomic slot migration. Whether it has it.
    pub(crate) fn follows_arriving_slots(&self) -> bool {
        let has_it = self.is_cluster() && self.migrations().is_some();
        if has_it {
            // SAFETY: the context is that of OnLoad.
            unsafe { api!(RedisModule_SetModuleOptions(self.ctx(), HANDLES_ATOMIC_SLOT_MIGRATION)) };
            self.find_hidden();
        }
        has_it
    }

    /// Finds out what is on its way, where nobody told: when the module is loaded, and after data was.
    pub(crate) fn find_hidden(&self) {
        if let Some(ranges) = self.migrations() {
            HIDDEN.with(|hidden| *hidden = ranges);
        }
    }

    /// Whether a key lies in a slot whose keys are not shown yet.
    pub(super) fn hides(&self, name: &Name) -> bool {
        if HIDDEN.with(|hidden| hidden.is_empty()) {
            return false;
        }
        let Some(slot) = self.slot(name) else { return false };
        HIDDEN.with(|hidden| hidden.iter().any(|(first, last)| (*first..=*last).contains(&slot)))
    }

    /// The slots that are on their way to this node; `None` if the server has no such thing.
    fn migrations(&self) -> Option<Vec<(u16, u16)>> {
        let call = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"GETSLOTMIGRATIONS")).run(self).ok()?;
        Some((0..call.length()).flat_map(|at| arriving(&call.texts_at(at))).collect())
    }
}

/// The slots of one line of `CLUSTER GETSLOTMIGRATIONS`, if it is about slots that are on their way to this node.
fn arriving(line: &[Vec<u8>]) -> Vec<(u16, u16)> {
    const OVER: [&[u8]; 3] = [b"success", b"cancelled", b"failed"];
    let field = |name: &[u8]| line.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
    let is_over = field(b"state").is_none_or(|state| OVER.contains(&&**state));
    if is_over || field(b"operation").is_none_or(|operation| operation != b"IMPORT") {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(field(b"slot_ranges").map_or(&[], |text| text)).into_owned();
    let range = |range: &str| {
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    text.split(' ').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_on_their_way_until_all_is_over() {
        let line = |operation: &str, state: &str| {
            let words =
                ["name", "a", "operation", operation, "slot_ranges", "0-5 7-7", "last_ack_time", "", "state", state];
            words.map(|word| word.as_bytes().to_vec())
        };
        let found = [("IMPORT", "receiving-snapshot"), ("IMPORT", "success"), ("EXPORT", "snapshotting")]
            .map(|(operation, state)| arriving(&line(operation, state)));
        assert_eq!(found, [vec![(0, 5), (7, 7)], Vec::new(), Vec::new()]);
        assert!(arriving(&[]).is_empty());
    }
}
