//! A plan as callers see it.

use super::Plan;
use crate::reply::Reply;

impl<N: AsRef<[u8]>> Plan<N> {
    /// The map of `WITHTRACES`: `user`, `removed`, `keys`, `members`, `entries`, `sockets`, `rooms`.
    pub fn to_map(&self) -> Vec<(&'static str, Reply)> {
        let pair = |key: &N, value| Reply::Array(vec![Reply::Bytes(key.as_ref().to_vec()), value]);
        let members = self.members.iter().map(|member| pair(&member.key, Reply::Bytes(member.member.clone())));
        let entries = self.entries.iter().map(|document| pair(&document.key, Reply::count(document.elements)));
        vec![
            ("user", Reply::Bytes(self.user.clone())),
            ("removed", Reply::count(self.removed())),
            ("keys", Reply::texts(self.keys.iter().map(|key| key.name.as_ref()))),
            ("members", Reply::Array(members.collect())),
            ("entries", Reply::Array(entries.collect())),
            ("sockets", Reply::texts(self.sockets.iter().map(|socket| &*socket.id))),
            ("rooms", Reply::texts(self.rooms.iter().map(|room| &**room))),
        ]
    }
}
