//! Collections and mappings as values of a snapshot: what they hold, and what is left without something.

use super::snapshot::Content;

/// What a collection holds: members of a set or sorted set, fields of a hash, elements of a list. None for others.
pub(crate) fn members(content: &Content) -> Vec<Vec<u8>> {
    match content {
        Content::Set(members) => members.iter().cloned().collect(),
        Content::SortedSet(members) | Content::Hash(members) => members.keys().cloned().collect(),
        Content::List(elements) => elements.clone(),
        Content::String(_) | Content::Other(..) => Vec::new(),
    }
}

/// The socket ids in a mapping: a string is one, a collection holds several. An id is never empty.
pub(crate) fn socket_ids(content: &Content) -> Vec<Vec<u8>> {
    let mut ids = match content {
        Content::String(id) => vec![id.clone()],
        other => members(other),
    };
    ids.retain(|id| !id.is_empty());
    ids
}

/// The collection without `member`: `None` when nothing is left.
pub(crate) fn without(mut content: Content, member: &[u8]) -> Option<Content> {
    match &mut content {
        Content::Set(members) => drop(members.remove(member)),
        Content::SortedSet(members) | Content::Hash(members) => drop(members.remove(member)),
        Content::List(elements) => elements.retain(|element| element != member),
        Content::String(_) | Content::Other(..) => unreachable!("no collection"),
    }
    (!members(&content).is_empty()).then_some(content)
}
