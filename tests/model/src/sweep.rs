//! Who is stale in a database, and what a sweep leaves of it.

use super::layout::{Layout, Trace, Whose};
use super::mapping::members;
use super::plan::{Model, Plan};
use super::snapshot::Keys;
use super::template::{Bindings, Template};
use std::collections::BTreeSet;

type Bytes = Vec<u8>;

/// What a sweep does to a database.
#[derive(Clone, PartialEq)]
pub struct Swept {
    /// How many users are cleaned up.
    pub users: i64,
    /// How many dead sockets of live users go.
    pub sockets: i64,
    /// What is left.
    pub keys: Keys,
}

/// The users who are stale, sorted.
pub fn stale(layout: &Layout, keys: &Keys) -> BTreeSet<Bytes> {
    let swept = layout.swept();
    let mut users = seen(&swept, keys);
    users.retain(|user| is_stale(&swept, keys, user));
    users
}

/// Of more users it would take too long to try who comes first.
const MOST_USERS: usize = 40;

/// The same where a collection of the layout has more than [`MANY_MEMBERS`].
const MOST_USERS_OF_MANY: usize = 6;

/// Of more than these the sockets among them, which go one by one, take long to look for.
const MANY_MEMBERS: usize = 64;

/// What a sweep does. `None` if that depends on who comes first, as users may share a key or a socket, as far as some orders
/// tell; and of too many users.
pub fn sweep(layout: &Layout, keys: &Keys) -> Option<Swept> {
    let seen: Vec<_> = seen(&layout.swept(), keys).into_iter().collect();
    let is_of_layout = |key: &Bytes| templates(layout).any(|template| template.matches(key).is_some());
    let is_large = keys.iter().any(|(key, entry)| members(&entry.content).len() > MANY_MEMBERS && is_of_layout(key));
    let most = if is_large { MOST_USERS_OF_MANY } else { MOST_USERS };
    if seen.len() > most {
        return None;
    }
    let forwards = in_order(layout, keys, seen.iter());
    // Whoever comes first, and whoever comes last.
    let same = (0..seen.len()).all(|first| {
        let (before, behind) = seen.split_at(first);
        let order = || behind.iter().chain(before);
        in_order(layout, keys, order()) == forwards && in_order(layout, keys, order().rev()) == forwards
    });
    let is_over = self::stale(layout, &forwards.keys).is_empty();
    (is_over && same).then_some(forwards)
}

fn in_order<'u>(layout: &Layout, keys: &Keys, users: impl Iterator<Item = &'u Bytes>) -> Swept {
    let layout = layout.swept();
    let mut swept = Swept { users: 0, sockets: 0, keys: keys.clone() };
    for user in users {
        if is_stale(&layout, &swept.keys, user) {
            let model = Model::new(&layout, &swept.keys);
            swept.keys = model.after(&model.logout(user));
            swept.users += 1;
            continue;
        }
        // Of a live user the dead sockets go.
        let dead = Model::new(&layout, &swept.keys).dead_sockets(user);
        for socket in dead {
            let model = Model::new(&layout, &swept.keys);
            let full = model.logout(user);
            let part = model.only_socket(&full, &socket);
            if full.live && part.removed() > 0 {
                swept.keys = model.after(&part);
                swept.sockets += 1;
            }
        }
    }
    swept
}

/// Not live, with evidence of a session, and with something to remove. `layout` is what a sweep cares for.
fn is_stale(layout: &Layout, keys: &Keys, user: &[u8]) -> bool {
    let model = Model::new(layout, keys);
    let plan = model.logout(user);
    !plan.live && !model.is_unclear(user) && plan.removed() > 0 && has_evidence(layout, keys, user, &plan)
}

fn has_evidence(layout: &Layout, keys: &Keys, user: &[u8], plan: &Plan) -> bool {
    if !layout.tells_live() {
        return false;
    }
    let is_user = |bindings: &Bindings| bindings.get("userId").is_none_or(|id| id == user);
    let tells = |template: &Template, key: &Bytes| template.matches(key).is_some_and(|bindings| is_user(&bindings));
    let is_mapping =
        |key: &Bytes| layout.sweeps_mapping() && layout.mapping().is_some_and(|mapping| tells(&mapping.key, key));
    let is_mapped = keys.keys().any(is_mapping);
    let is_evidence = |key: &Bytes| {
        layout.traces.iter().any(|trace| match trace {
            Trace::Key { key: template } => {
                template.has("userId") && template.names().any(|name| name != "userId") && tells(template, key)
            }
            Trace::OwnedKey { key: template, owner } => {
                let is_data = layout.sockets.as_ref().is_some_and(|sockets| *template == sockets.data);
                let read = template.matches(key).map(|of_name| owner.read(&keys[key].content, &of_name));
                is_data
                    && read.into_iter().flatten().any(|bindings| bindings.get("userId").is_some_and(|id| id == user))
            }
            _ => false,
        })
    };
    is_mapped
        || !plan.members.is_empty()
        || plan.keys.iter().any(|key| is_evidence(key) || holds_member(layout, keys, key, plan))
}

/// A collection that goes whole because it is another trace too still holds a member of the user's.
fn holds_member(layout: &Layout, keys: &Keys, key: &Bytes, plan: &Plan) -> bool {
    layout.traces.iter().any(|trace| {
        let Trace::Members { key: template, by } = trace else { return false };
        let Some(of_key) = template.matches(key) else { return false };
        by.read(&keys[key].content, &of_key).iter().any(|(_, bindings)| {
            let is_user = bindings.get("userId").is_none_or(|user| *user == plan.user);
            let is_socket = trace.whose() == Whose::User || plan.sockets.contains(&bindings["socketId"]);
            is_user && is_socket
        })
    })
}

/// The names of all keys that the layout knows.
fn templates(layout: &Layout) -> impl Iterator<Item = &Template> {
    layout.traces.iter().map(Trace::template).chain(layout.mapping().map(|mapping| &mapping.key))
}

/// Everybody whose id stands anywhere.
fn seen(layout: &Layout, keys: &Keys) -> BTreeSet<Bytes> {
    let mut users = BTreeSet::new();
    for (key, entry) in keys {
        users.extend(templates(layout).filter_map(|template| template.matches(key)?.remove("userId")));
        for trace in &layout.traces {
            match trace {
                Trace::OwnedKey { key: template, owner } => {
                    let Some(of_key) = template.matches(key) else { continue };
                    let read = owner.read(&entry.content, &of_key).into_iter();
                    users.extend(read.filter_map(|mut bindings| bindings.remove("userId")));
                }
                Trace::Members { key: template, by } => {
                    let Some(of_key) = template.matches(key) else { continue };
                    let read = by.read(&entry.content, &of_key).into_iter();
                    users.extend(read.filter_map(|(_, mut bindings)| bindings.remove("userId")));
                }
                _ => {}
            }
        }
    }
    users.retain(|user| layout.ids.allow("userId", user));
    users
}
