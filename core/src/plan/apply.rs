//! Applying: the only place where traces are removed.

use std::borrow::Cow;

use super::{Checked, EntriesTrace, MemberTrace, value};
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
    /// Removes everything in the plan. Nothing here can fail or panic: no arithmetic, no index, no conversion.
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
            let Some((elements, text)) = document.cut_now(store) else { continue };
            if store.replace(&document.key, &text) {
                removed.entries = removed.entries.saturating_add(elements as u64);
            }
        }
        removed
    }
}

impl<N: AsRef<[u8]>> EntriesTrace<N> {
    /// How many elements go, and the document without them. It is cut once more if it is not what it was when it was planned:
    /// what was removed before may have made another module write it, or log somebody else out of it. `None` if there is
    /// nothing to cut any more.
    fn cut_now(&self, store: &impl Store<Name = N>) -> Option<(usize, Cow<'_, [u8]>)> {
        let key = store.open(&self.key)?;
        let now = value::string(&key).ok()?;
        if value::fingerprint(&now) == self.before {
            return Some((self.elements, Cow::Borrowed(&self.document)));
        }
        let (mut elements, mut document) = (0_usize, now.into_owned());
        for by in &self.cuts {
            if let Ok(Some(cut)) = value::cut(&document, by) {
                elements = elements.saturating_add(cut.elements);
                document = cut.document;
            }
        }
        (elements > 0).then_some((elements, Cow::Owned(document)))
    }
}
