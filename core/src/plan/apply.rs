//! Applying: the only place where traces are removed.

use super::{Checked, MemberTrace};
use crate::ports::Store;

/// What an applied plan removed, by kind of trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Keys deleted.
    pub keys: u64,
    /// Members removed.
    pub members: u64,
    /// Elements cut out of documents.
    pub entries: u64,
}

impl Removed {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.keys + self.members + self.entries
    }
}

impl<N: AsRef<[u8]>> Checked<N> {
    /// Removes everything in the plan, and if that was anything, writes what follows. Nothing here can fail or panic: no arithmetic, no index, no conversion.
    pub fn apply(&self, store: &impl Store<Name = N>) -> Removed {
        let plan = &self.0;
        let mut removed = Removed::default();
        let keys: Vec<&N> = plan.keys.iter().map(|key| &key.name).collect();
        if !keys.is_empty() {
            removed.keys = store.unlink(&keys);
        }
        for of_one_key in plan.members.chunk_by(|a, b| a.key.as_ref() == b.key.as_ref()) {
            let members: Vec<&[u8]> = of_one_key.iter().map(|member| &*member.member).collect();
            if let Some(MemberTrace { key, kind, .. }) = of_one_key.first() {
                removed.members = removed.members.saturating_add(store.remove_members(key, *kind, &members));
            }
        }
        for document in &plan.entries {
            let Some((elements, rest)) = document.cut_now(store) else { continue };
            let is_done = match rest {
                Some(text) => store.replace(&document.key, &text),
                None => store.unlink(&[&document.key]) > 0,
            };
            if is_done {
                removed.entries = removed.entries.saturating_add(elements as u64);
            }
        }
        for write in plan.writes.iter().filter(|_| removed.total() > 0) {
            let arguments: Vec<&[u8]> = write.arguments.iter().map(|argument| &**argument).collect();
            store.write(write.name, &arguments);
        }
        removed
    }
}
