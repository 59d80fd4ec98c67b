//! What a logout removes from a database, and what it leaves.

use super::json::{self, Node, Value};
use super::layout::{Layout, Live, MappedIds, Mapping, Owner, Sockets, Trace};
use super::mapping::{members, socket_ids, without};
use super::template::{Bindings, Template};
use crate::support::reply::{Reply, array, bulk, bulks, int};
use crate::support::snapshot::{Content, Entry, Keys};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let mapped = self.mapped_sockets(user);
        plan.sockets.extend(mapped.iter().cloned());
        let own = self.key_traces(user);
        plan.sockets.extend(own.iter().filter_map(|(_, bindings)| bindings.get("socketId").cloned()));
        plan.sockets.extend(self.listed_and_dead(user));
        let own_keys: BTreeSet<_> = own.iter().map(|(key, _)| key.clone()).collect();
        let of_sockets = self.socket_keys(&plan.sockets, &own_keys, user);
        for (key, bindings) in own.into_iter().chain(of_sockets) {
            plan.rooms.extend(bindings.get("roomId").cloned());
            plan.keys.insert(key);
        }
        for socket in plan.sockets.clone() {
            let data =
                self.data_key(user, &socket).filter(|data| self.is_users_data(data, &socket, &own_keys, &mapped));
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
        self.only_socket(&full, socket)
    }

    /// The plan of `SESSION.LOGOUT user WHERE name value`, for each of `part`.
    pub fn logout_part(&self, user: &[u8], part: &Bindings) -> Plan {
        let full = self.logout(user);
        let fits = |bindings: &Bindings| part.iter().all(|(name, value)| bindings.get(name) == Some(value));
        let mut plan = Plan { user: user.to_vec(), live: full.live, ..Plan::default() };
        let own = self.key_traces(user);
        let own_keys: BTreeSet<_> = own.iter().map(|(key, _)| key.clone()).collect();
        let of_sockets = self.socket_keys(&full.sockets, &own_keys, user);
        for (key, bindings) in own.into_iter().chain(of_sockets).filter(|(_, bindings)| fits(bindings)) {
            plan.rooms.extend(bindings.get("roomId").cloned());
            plan.keys.insert(key);
        }
        for (key, member, bindings) in self.member_traces(&full) {
            if fits(&bindings) && !full.keys.contains(&key) {
                plan.rooms.extend(bindings.get("roomId").cloned());
                plan.members.insert((key, member));
            }
        }
        self.add_entries_where(&mut plan, &full.keys, &fits);
        let mapped = self.mapped_sockets(user);
        for socket in &full.sockets {
            let Some(data) = self.data_key(user, socket).filter(|data| plan.keys.contains(data)) else { continue };
            plan.sockets.insert(socket.clone());
            if self.is_users_data(&data, socket, &own_keys, &mapped) {
                plan.rooms.extend(self.room(&data));
            }
        }
        plan
    }

    /// The part of a plan that is about one socket.
    pub fn only_socket(&self, full: &Plan, socket: &[u8]) -> Plan {
        let user = &*full.user;
        let mut plan = Plan { user: user.to_vec(), live: full.live, ..Plan::default() };
        let others: Vec<_> =
            full.sockets.iter().filter(|other| *other != socket && self.has_data(user, other)).collect();
        if !full.sockets.contains(socket) {
            return plan;
        }
        plan.sockets.insert(socket.to_vec());
        let of_socket = |bindings: &Bindings| bindings.get("socketId").is_some_and(|id| id == socket);
        let own = self.key_traces(user);
        let own_keys: BTreeSet<_> = own.iter().map(|(key, _)| key.clone()).collect();
        let of_sockets = self.socket_keys(&full.sockets, &own_keys, user);
        let keys = own.into_iter().chain(of_sockets).filter(|(_, bindings)| of_socket(bindings));
        plan.keys.extend(keys.map(|(key, _)| key));
        self.add_place_in_mapping(&mut plan, socket);
        self.add_members_of_sockets(&mut plan);
        plan.members.retain(|(key, _)| !plan.keys.contains(key));
        let mapped = self.mapped_sockets(user);
        let is_users = |data: &Bytes| self.is_users_data(data, socket, &own_keys, &mapped);
        if let Some(data) = self.data_key(user, socket).filter(is_users) {
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
        self.layout.mapping().map(|mapping| mapping.key.render(&bindings))
    }

    fn mapped_sockets(&self, user: &[u8]) -> Vec<Bytes> {
        self.mapped_ids(user).unwrap_or_default().into_iter().flatten().collect()
    }

    /// The sockets' ids in the mapping, and none for what is no id. Nothing if the mapping is no document and should be.
    fn mapped_ids(&self, user: &[u8]) -> Option<Vec<Option<Bytes>>> {
        let mapping = self.mapping_key(user).and_then(|key| self.keys.get(&key));
        let (Some(Entry { content, .. }), Some(Mapping { ids, .. })) = (mapping, self.layout.mapping()) else {
            return Some(Vec::new());
        };
        if matches!(content, Content::Other(..)) {
            return None;
        }
        let bindings = Bindings::from([("userId".to_owned(), user.to_vec())]);
        let ids: Vec<Option<Bytes>> = match ids {
            MappedIds::Values(form) => {
                let id = |text: Bytes| match form {
                    Some(form) => form.matches_where(&text, &bindings)?.remove("socketId"),
                    None => Some(text),
                };
                socket_ids(content).into_iter().map(id).collect()
            }
            MappedIds::Elements(array, id) => {
                let Content::String(text) = content else { return None };
                let document = json::parse(text)?;
                let Value::Array(items) = &document.pointer(array)?.value else { return None };
                items.iter().map(|item| item.pointer(id)?.text(text)).collect()
            }
        };
        Some(ids.into_iter().map(|id| id.filter(|id| self.layout.ids.allow("socketId", id))).collect())
    }

    /// Whether it can't be told who is live, because the mapping holds what is no socket's id.
    pub fn is_unclear(&self, user: &[u8]) -> bool {
        self.mapped_ids(user).is_none_or(|ids| ids.contains(&None))
    }

    /// The sockets in the mapping, and in the user's own collections, that have no data key.
    pub fn dead_sockets(&self, user: &[u8]) -> BTreeSet<Bytes> {
        let mapped = self.mapped_sockets(user).into_iter().filter(|socket| !self.has_data(user, socket));
        mapped.chain(self.listed_and_dead(user)).collect()
    }

    /// The sockets without a data key in collections whose names hold the user. Without `sockets` nothing says which are.
    fn listed_and_dead(&self, user: &[u8]) -> BTreeSet<Bytes> {
        let mut found = BTreeSet::new();
        let lists = |key: &Template, member: &Template| {
            self.layout.sockets.is_some() && member.has("socketId") && key.has("userId") && !key.has("socketId")
        };
        for (key, entry) in self.keys {
            for trace in &self.layout.traces {
                let Trace::Members { key: template, member } = trace else { continue };
                let own = template.matches(key).filter(|of_key| of_key.get("userId").is_some_and(|id| id == user));
                let Some(of_key) = own.filter(|_| lists(template, member)) else { continue };
                let texts = members(&entry.content);
                let ids = texts.iter().filter_map(|text| member.matches_where(text, &of_key)?.remove("socketId"));
                found.extend(ids.filter(|id| self.layout.ids.allow("socketId", id)));
            }
        }
        found.retain(|socket| !self.has_data(user, socket));
        found
    }

    fn data_key(&self, user: &[u8], socket: &[u8]) -> Option<Bytes> {
        let ids = [("userId", user), ("socketId", socket)].map(|(name, id)| (name.to_owned(), id.to_vec()));
        self.sockets().map(|sockets| sockets.data.render(&Bindings::from(ids)))
    }

    fn has_data(&self, user: &[u8], socket: &[u8]) -> bool {
        self.data_key(user, socket).is_some_and(|key| self.keys.contains_key(&key))
    }

    fn is_live(&self, user: &[u8]) -> bool {
        let has_socket = if self.layout.mapping().is_some() {
            self.mapped_sockets(user).iter().any(|socket| self.has_data(user, socket))
        } else {
            let is_data = |key: &Bytes| self.sockets().is_some_and(|sockets| sockets.data.matches(key).is_some());
            self.key_traces(user).iter().any(|(key, _)| is_data(key))
        };
        has_socket || self.layout.live.iter().any(|rule| self.is_live_by(rule, user))
    }

    fn is_live_by(&self, rule: &Live, user: &[u8]) -> bool {
        let bindings = Bindings::from([("userId".to_owned(), user.to_vec())]);
        let Some(entry) = self.keys.get(&rule.template().render(&bindings)) else { return false };
        match (rule, &entry.content) {
            (Live::Key(_), _) => true,
            (Live::Score { member, within, unit, .. }, Content::SortedSet(scores)) => {
                let score =
                    scores.get(&member.render(&bindings)).map(|score| String::from_utf8_lossy(score).parse::<f64>());
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() * 1000.0;
                score.is_some_and(|score| score.is_ok_and(|score| score >= 0.0 && score * unit + within > now))
            }
            _ => false,
        }
    }

    /// Whether a socket's data is the user's: it names the user, or nothing but the mapping says whose it is.
    fn is_users_data(&self, data: &Bytes, socket: &[u8], own: &BTreeSet<Bytes>, mapped: &[Bytes]) -> bool {
        let Some(sockets) = self.sockets() else { return false };
        let is_data = |template: &Template| *template == sockets.data;
        let is_owned =
            self.layout.traces.iter().any(|trace| matches!(trace, Trace::OwnedKey { key, .. } if is_data(key)));
        let is_trace = self.layout.traces.iter().any(|trace| matches!(trace, Trace::Key { key } if is_data(key)));
        own.contains(data)
            || !is_owned && is_trace && self.keys.contains_key(data) && mapped.iter().any(|id| id == socket)
    }

    /// Whether a socket's data names somebody else.
    fn is_others_socket(&self, user: &[u8], socket: &[u8], own: &BTreeSet<Bytes>) -> bool {
        let is_owned = |data: &Template| {
            self.layout.traces.iter().any(|trace| matches!(trace, Trace::OwnedKey { key, .. } if key == data))
        };
        let data = self.data_key(user, socket).filter(|data| self.keys.contains_key(data));
        let is_owned = self.sockets().is_some_and(|sockets| is_owned(&sockets.data));
        data.is_some_and(|data| is_owned && !own.contains(&data))
    }

    /// The keys that are named by one of the sockets, unless its data is somebody else's.
    fn socket_keys(&self, sockets: &BTreeSet<Bytes>, own: &BTreeSet<Bytes>, user: &[u8]) -> Vec<(Bytes, Bindings)> {
        let is_others = |socket: &Bytes| self.is_others_socket(user, socket, own);
        let mut found = Vec::new();
        for key in self.keys.keys() {
            for trace in &self.layout.traces {
                let Trace::Key { key: template } = trace else { continue };
                let bindings = template.matches(key).filter(|bindings| !bindings.contains_key("userId"));
                let is_users = |bindings: &Bindings| {
                    let is_known = |socket: &Bytes| sockets.contains(socket) && !is_others(socket);
                    bindings.get("socketId").is_some_and(is_known) && !self.layout.reads_otherwise(template, key, None)
                };
                found.extend(bindings.filter(is_users).map(|bindings| (key.clone(), bindings)));
            }
        }
        found
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
                    Trace::Key { key: template } => {
                        template.matches(key).filter(|bindings| bindings.get("userId").is_some_and(|id| id == user))
                    }
                    Trace::OwnedKey { key: template, owner } => {
                        template.matches(key).filter(|_| owns(&entry.content, owner, user))
                    }
                    _ => None,
                };
                let is_clear =
                    |bindings: &Bindings| !self.layout.reads_otherwise(trace.template(), key, bindings.get("userId"));
                found.extend(bindings.filter(is_clear).map(|bindings| (key.clone(), bindings)));
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
        let own: BTreeSet<_> = self.key_traces(&plan.user).into_iter().map(|(key, _)| key).collect();
        let mut users = plan.clone();
        users.sockets.retain(|socket| !self.is_others_socket(&plan.user, socket, &own));
        let plan = &users;
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
        if !self.layout.sweeps_mapping() {
            return;
        }
        let mapping = self.mapping_key(&plan.user).and_then(|key| self.keys.get_key_value(&key));
        let Some(((key, entry), Mapping { ids, .. })) = mapping.zip(self.layout.mapping()) else { return };
        let ids_of = [("userId", &*plan.user), ("socketId", socket)].map(|(name, id)| (name.to_owned(), id.to_vec()));
        let text = match ids {
            MappedIds::Values(None) => socket.to_vec(),
            MappedIds::Values(Some(form)) => form.render(&Bindings::from(ids_of)),
            MappedIds::Elements(array, id) => {
                let Content::String(text) = &entry.content else { return };
                let Some((start, cut)) = json::parse(text).and_then(|node| cut(&node, text, array, id, socket)) else {
                    return;
                };
                plan.entries.insert(key.clone(), BTreeMap::from([(start, cut)]));
                return;
            }
        };
        match &entry.content {
            Content::String(id) if *id == text => drop(plan.keys.insert(key.clone())),
            content if members(content).contains(&text) => drop(plan.members.insert((key.clone(), text))),
            _ => {}
        }
    }

    fn add_entries(&self, plan: &mut Plan) {
        let keys = plan.keys.clone();
        self.add_entries_where(plan, &keys, &|_| true);
    }

    /// The user's elements in documents whose name fits, but not in those that go.
    fn add_entries_where(&self, plan: &mut Plan, gone: &BTreeSet<Bytes>, fits: &dyn Fn(&Bindings) -> bool) {
        for (key, entry) in self.keys {
            let Content::String(text) = &entry.content else { continue };
            for trace in &self.layout.traces {
                let Trace::Entries { key: template, array, owner } = trace else { continue };
                let Some(bindings) = template.matches(key).filter(|_| !gone.contains(key)) else { continue };
                if !fits(&bindings) {
                    continue;
                }
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
