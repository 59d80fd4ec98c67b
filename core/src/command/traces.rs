//! The map that tells which traces there are.

use crate::{plan::Plan, reply::Reply};

/// `user`, `removed`, `keys`, `members`, `entries`, `sockets`, `rooms`.
pub(super) fn map<N: AsRef<[u8]>>(plan: &Plan<N>) -> Reply {
    let pair = |key: &N, value| Reply::Array(vec![Reply::Bytes(key.as_ref().to_vec()), value]);
    let members = plan.members.iter().map(|member| pair(&member.key, Reply::Bytes(member.member.clone())));
    let entries = plan.entries.iter().map(|document| pair(&document.key, Reply::count(document.elements)));
    Reply::Map(vec![
        ("user", Reply::Bytes(plan.user.clone())),
        ("removed", Reply::count(plan.removed())),
        ("keys", Reply::texts(plan.keys.iter().map(|key| key.name.as_ref()))),
        ("members", Reply::Array(members.collect())),
        ("entries", Reply::Array(entries.collect())),
        ("sockets", Reply::texts(plan.sockets.iter().map(|socket| &*socket.id))),
        ("rooms", Reply::texts(plan.rooms.iter().map(|room| &**room))),
    ])
}
