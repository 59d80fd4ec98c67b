//! What a logout removes from a database, and what it leaves.

use super::json::{self, Node, Value};
use super::layout::{Layout, Owner, Sockets, Trace};
use super::mapping::{members, socket_ids, without};
use super::template::Bindings;
use crate::support::reply::{Reply, array, bulk, bulks, int};
use crate::support::snapshot::{Content, Entry, Keys};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

type Bytes = Vec<u8>;

/// Every trace of one user at one instant, or those of one socket.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub user: Bytes,
    pub keys: BTreeSet<Bytes>,
    pub members: BTreeSet<(Bytes, Bytes)>,
    /// Document to the places of the elements to cut, by the array that they are in.
    pub entries: BTreeMap<Bytes, BTreeMap<usize, Cut>>,
    pub sockets: BTreeSet<Bytes>,
    pub rooms: BTreeSet<Bytes>,
    pub live: bool,
}

/// All elements of one array, and which of them go.
#[derive(Clone, Debug)]
pub struct Cut {
    elements: Vec<Range<usize>>,
    removed: BTreeSet<usize>,
}

/// A layout and the keys of one database.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    pub layout: &'a Layout,
    pub keys: &'a Keys,
}

impl<'a> Model<'a> {
    /// The model of a logout in the database that holds `keys`.
    pub fn new(layout: &'a Layout, keys: &'a Keys) -> Self {
        Self { layout, keys }
    }

    /// The plan of `SESSION.LOGOUT user`.
    pub fn logout(&self, user: &[u8]) -> Plan {
        let mut plan = Plan { user: user.to_vec(), live: self.is_live(user), ..Plan::default() };
        plan.sockets.extend(self.mapped_sockets(user));
        for (key, bindings) in self.key_traces(user) {
            plan.sockets.extend(bindings.get("socketId").cloned());
            plan.rooms.extend(bindings.get("roomId").cloned());
            plan.keys.insert(key);
        }
        for socket in plan.sockets.clone() {
            let data = self.data_key(user, &socket).filter(|data| plan.keys.contains(data));
            plan.rooms.extend(data.and_then(|data| self.room(&data)));
        }
        self.add_members(&mut plan);
        self.add_entries(&mut plan);
        plan
    }

    /// The plan of `SESSION.LOGOUT user SOCKET socket`.
    pub fn logout_socket(&self, user: &[u8], socket: &[u8]) -> Plan {
        let full = self.logout(user);
        let other_live = |other: &&Bytes| *other != socket && self.has_data(user, other);
        let others: Vec<_> = full.sockets.iter().filter(other_live).collect();
        if others.is_empty() && !self.is_unclear(user) {
            return full;
        }
        let mut plan = Plan { user: user.to_vec(), live: full.live, ..Plan::default() };
        if !full.sockets.contains(socket) {
            return plan;
        }
        plan.sockets.insert(socket.to_vec());
        let of_socket = |bindings: &Bindings| bindings.get("socketId").is_some_and(|id| id == socket);
        let keys = self.key_traces(user).into_iter().filter(|(_, bindings)| of_socket(bindings));
        plan.keys.extend(keys.map(|(key, _)| key));
        self.add_place_in_mapping(&mut plan, socket);
        self.add_members_of_sockets(&mut plan);
        plan.members.retain(|(key, _)| !plan.keys.contains(key));
        if let Some(data) = self.data_key(user, socket).filter(|data| plan.keys.contains(data)) {
            let stays = |room: &Bytes| {
                others
                    .iter()
                    .any(|other| self.data_key(user, other).and_then(|key| self.room(&key)).as_ref() == Some(room))
            };
            plan.rooms.extend(self.room(&data).filter(|room| !stays(room)));
        }
        plan
    }

    fn sockets(&self) -> Option<&'a Sockets> {
        self.layout.sockets.as_ref()
    }

    fn mapping_key(&self, user: &[u8]) -> Option<Bytes> {
        let bindings = Bindings::from([("userId".to_owned(), user.to_vec())]);
        self.sockets().map(|sockets| sockets.of.render(&bindings))
    }

    fn mapped_sockets(&self, user: &[u8]) -> Vec<Bytes> {
        let mut ids = self.mapped_ids(user);
        ids.retain(|id| self.layout.ids.allow("socketId", id));
        ids
    }

    /// What the mapping holds, ids or not.
    fn mapped_ids(&self, user: &[u8]) -> Vec<Bytes> {
        let mapping = self.mapping_key(user).and_then(|key| self.keys.get(&key));
        mapping.map(|entry| socket_ids(&entry.content)).unwrap_or_default()
    }

    /// Whether it can't be told who is live, because the mapping holds what is no socket's id.
    pub fn is_unclear(&self, user: &[u8]) -> bool {
        self.mapped_ids(user).iter().any(|id| !self.layout.ids.allow("socketId", id))
    }

    fn data_key(&self, user: &[u8], socket: &[u8]) -> Option<Bytes> {
        let ids = [("userId", user), ("socketId", socket)].map(|(name, id)| (name.to_owned(), id.to_vec()));
        self.sockets().map(|sockets| sockets.data.render(&Bindings::from(ids)))
    }

    fn has_data(&self, user: &[u8], socket: &[u8]) -> bool {
        self.data_key(user, socket).is_some_and(|key| self.keys.contains_key(&key))
    }

    fn is_live(&self, user: &[u8]) -> bool {
        self.mapped_sockets(user).iter().any(|socket| self.has_data(user, socket))
    }

    /// The room that a socket's data names; an empty string is none.
    fn room(&self, data_key: &[u8]) -> Option<Bytes> {
        let pointer = self.sockets()?.room.as_ref()?;
        let Content::String(text) = &self.keys.get(data_key)?.content else { return None };
        let room = json::parse(text)?.pointer(pointer)?.text(text)?;
        (!room.is_empty()).then_some(room)
    }

    /// The keys that go whole, each with what its name says, for every trace that finds it.
    fn key_traces(&self, user: &[u8]) -> Vec<(Bytes, Bindings)> {
        let mut found = Vec::new();
        for (key, entry) in self.keys {
            for trace in &self.layout.traces {
                let bindings = match trace {
                    Trace::Key { key: template } => template.matches(key).filter(|bindings| bindings["userId"] == user),
                    Trace::OwnedKey { key: template, owner } => {
                        template.matches(key).filter(|_| owns(&entry.content, owner, user))
                    }
                    _ => None,
                };
                found.extend(bindings.map(|bindings| (key.clone(), bindings)));
            }
        }
        found
    }

    fn add_members(&self, plan: &mut Plan) {
        for (key, member, bindings) in self.member_traces(plan) {
            if !plan.keys.contains(&key) {
                plan.rooms.extend(bindings.get("roomId").cloned());
                plan.members.insert((key, member));
            }
        }
    }

    fn add_members_of_sockets(&self, plan: &mut Plan) {
        let mut found = self.member_traces(plan);
        found.retain(|(_, _, bindings)| bindings.contains_key("socketId"));
        plan.members.extend(found.into_iter().map(|(key, member, _)| (key, member)));
    }

    /// The user's places in collections: key, member, and what the placeholders stand for.
    fn member_traces(&self, plan: &Plan) -> Vec<(Bytes, Bytes, Bindings)> {
        let mut found = Vec::new();
        for (key, entry) in self.keys {
            let held = members(&entry.content);
            for trace in &self.layout.traces {
                let Trace::Members { key: template, member } = trace else { continue };
                let Some(bindings) = template.matches(key) else { continue };
                for bindings in bind_ids(&bindings, member.has("socketId"), plan) {
                    let name = member.render(&bindings);
                    if held.contains(&name) {
                        found.push((key.clone(), name, bindings));
                    }
                }
            }
        }
        found
    }

    fn add_place_in_mapping(&self, plan: &mut Plan, socket: &[u8]) {
        let mapping = self.mapping_key(&plan.user).and_then(|key| self.keys.get_key_value(&key));
        match mapping {
            Some((key, Entry { content: Content::String(id), .. })) if id == socket => {
                plan.keys.insert(key.clone());
            }
            Some((key, entry)) if members(&entry.content).iter().any(|id| id == socket) => {
                plan.members.insert((key.clone(), socket.to_vec()));
            }
            _ => {}
        }
    }

    fn add_entries(&self, plan: &mut Plan) {
        for (key, entry) in self.keys {
            let Content::String(text) = &entry.content else { continue };
            for trace in &self.layout.traces {
                let Trace::Entries { key: template, array, owner } = trace else { continue };
                let Some(bindings) = template.matches(key).filter(|_| !plan.keys.contains(key)) else { continue };
                if bindings.get("userId").is_some_and(|id| *id != plan.user) {
                    continue;
                }
                let Some(document) = json::parse(text) else { continue };
                let Some((start, cut)) = cut(&document, text, array, owner, &plan.user) else { continue };
                plan.rooms.extend(bindings.get("roomId").cloned());
                let known = plan.entries.entry(key.clone()).or_default().entry(start).or_insert_with(|| cut.clone());
                known.removed.extend(cut.removed);
            }
        }
    }

    /// The database after the logout.
    pub fn after(&self, plan: &Plan) -> Keys {
        let mut keys = self.keys.clone();
        keys.retain(|key, _| !plan.keys.contains(key));
        for (key, member) in &plan.members {
            let Some(entry) = keys.remove(key) else { continue };
            if let Some(content) = without(entry.content, member) {
                keys.insert(key.clone(), Entry { content, dump: None, ..entry });
            }
        }
        for (key, cuts) in &plan.entries {
            let entry = keys.get_mut(key).expect("a document in the plan exists");
            let Content::String(text) = &entry.content else { unreachable!("documents are strings") };
            entry.content = Content::String(without_elements(text, cuts));
            entry.dump = None;
        }
        keys
    }
}

/// The member template's placeholders: the user, and each of the user's sockets where the template asks for one.
/// Nothing where the collection's own name says otherwise.
fn bind_ids(of_key: &Bindings, per_socket: bool, plan: &Plan) -> Vec<Bindings> {
    let bind = |bindings: &Bindings, name: &str, id: &Bytes| {
        let mut bindings = bindings.clone();
        let earlier = bindings.insert(name.to_owned(), id.clone());
        earlier.is_none_or(|earlier| earlier == *id).then_some(bindings)
    };
    let Some(with_user) = bind(of_key, "userId", &plan.user) else { return Vec::new() };
    if per_socket {
        plan.sockets.iter().filter_map(|socket| bind(&with_user, "socketId", socket)).collect()
    } else {
        vec![with_user]
    }
}

/// Does the value name `user` as its owner?
fn owns(content: &Content, owner: &Owner, user: &[u8]) -> bool {
    match (content, owner) {
        (Content::String(text), Owner::Pointer(pointer)) => json::parse(text).is_some_and(|document| {
            document.pointer(pointer).and_then(|node| node.text(text)).is_some_and(|name| name == user)
        }),
        (Content::Hash(fields), Owner::Field(field)) => fields.get(field.as_bytes()).is_some_and(|name| name == user),
        _ => false,
    }
}

/// Where the array starts, and which of its elements name `user`; none when no element does.
fn cut(document: &Node, text: &[u8], array: &str, owner: &str, user: &[u8]) -> Option<(usize, Cut)> {
    let array = document.pointer(array)?;
    let Value::Array(items) = &array.value else { return None };
    let named = |item: &Node| item.pointer(owner).and_then(|node| node.text(text)).is_some_and(|name| name == user);
    let removed: BTreeSet<_> = (0..items.len()).filter(|&i| named(&items[i])).collect();
    let elements = items.iter().map(|item| item.span.clone()).collect();
    (!removed.is_empty()).then_some((array.span.start, Cut { elements, removed }))
}

/// The text without the cut elements, and without what separated them from the others.
fn without_elements(text: &[u8], cuts: &BTreeMap<usize, Cut>) -> Bytes {
    let mut gone: Vec<bool> = vec![false; text.len()];
    for Cut { elements, removed } in cuts.values() {
        let last_kept = (0..elements.len()).rfind(|i| !removed.contains(i));
        for &i in removed {
            let from = elements[i].start;
            let to = match last_kept {
                // Something follows: up to the next element.
                Some(kept) if kept > i => elements[i + 1].start,
                _ => elements[i].end,
            };
            gone[from..to].fill(true);
        }
        // A run at the end goes with all that stands before and between.
        let end = elements.last().expect("an element was removed").end;
        match last_kept {
            Some(kept) => gone[elements[kept].end..end].fill(true),
            None => gone[elements[0].start..end].fill(true),
        }
    }
    text.iter().zip(gone).filter(|(_, gone)| !gone).map(|(&byte, _)| byte).collect()
}

impl Plan {
    /// What the logout answers: the number of traces.
    pub fn removed(&self) -> i64 {
        let cut: usize = self.entries.keys().map(|key| self.elements_cut(key)).sum();
        i64::try_from(self.keys.len() + self.members.len() + cut).expect("a small number")
    }

    fn elements_cut(&self, key: &[u8]) -> usize {
        self.entries[key].values().map(|cut| cut.removed.len()).sum()
    }

    /// The map of WITHTRACES.
    pub fn map(&self) -> Vec<(Reply, Reply)> {
        let members = self.members.iter().map(|(key, member)| bulks([key, member]));
        let count = |key: &Bytes| int(i64::try_from(self.elements_cut(key)).expect("a small number"));
        let entries = self.entries.keys().map(|key| array([bulk(key), count(key)]));
        let fields = [
            ("user", bulk(&self.user)),
            ("removed", int(self.removed())),
            ("keys", bulks(&self.keys)),
            ("members", array(members)),
            ("entries", array(entries)),
            ("sockets", bulks(&self.sockets)),
            ("rooms", bulks(&self.rooms)),
        ];
        fields.into_iter().map(|(name, value)| (bulk(name), value)).collect()
    }

    /// The map of INSPECT.
    pub fn inspect_map(&self) -> Vec<(Reply, Reply)> {
        let mut map = self.map();
        map.push((bulk("live"), int(self.live.into())));
        map
    }
}

/// `map` as RESP2 has it: names and values in turn.
pub fn flat(map: Vec<(Reply, Reply)>) -> Reply {
    array(map.into_iter().flat_map(|(name, value)| [name, value]))
}
