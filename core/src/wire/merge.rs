//! Replies of several nodes as one.

use std::collections::BTreeMap;

use crate::reply::Reply;

/// Two nodes' replies to the same call as one: numbers are added, and of maps each field; lists hold everything once, sorted.
/// Somebody is live who is so on one node. Lists of maps, those of a sweep, hold one map for each user.
pub fn merged(one: Reply, other: Reply) -> Reply {
    match (one, other) {
        (Reply::Integer(one), Reply::Integer(other)) => Reply::Integer(one.saturating_add(other)),
        (Reply::Map(one), Reply::Map(other)) => Reply::Map(one.into_iter().zip(other).map(merged_field).collect()),
        (Reply::Array(one), Reply::Array(other)) => Reply::Array(by_user(one.into_iter().chain(other))),
        // A node that has nothing to say, such as a replica.
        (Reply::Integer(0), other) => other,
        // Nodes that answer one call in two ways do not understand each other, and the caller gets what this node said.
        (one, _) => one,
    }
}

type Field = (&'static str, Reply);

fn merged_field(((name, one), (_, other)): (Field, Field)) -> Field {
    let value = match (name, one, other) {
        ("live", Reply::Integer(one), Reply::Integer(other)) => Reply::Integer(one.max(other)),
        (_, Reply::Integer(one), Reply::Integer(other)) => Reply::Integer(one.saturating_add(other)),
        (_, Reply::Array(mut one), Reply::Array(other)) => {
            one.extend(other);
            one.sort_unstable();
            one.dedup();
            Reply::Array(one)
        }
        (_, one, _) => one,
    };
    (name, value)
}

fn by_user(maps: impl Iterator<Item = Reply>) -> Vec<Reply> {
    let mut users: BTreeMap<Reply, Reply> = BTreeMap::new();
    for map in maps {
        let user = match &map {
            Reply::Map(fields) => fields.first().map(|(_, user)| user.clone()),
            _ => None,
        };
        let user = user.unwrap_or_else(|| map.clone());
        let whole = match users.remove(&user) {
            Some(before) => merged(before, map),
            None => map,
        };
        users.insert(user, whole);
    }
    users.into_values().collect()
}
