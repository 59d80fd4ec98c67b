//! What a logout removes from a database, and what it leaves.

use super::document;
use super::json::{self, Value};
use super::layout::{By, Entries, Layout, Live, MappedIds, Mapping, Sockets, Trace, Whose};
use super::mapping::{members, socket_ids, without};
use super::reply::{Reply, array, bulk, bulks, int};
use super::snapshot::{Content, Entry, Keys};
use super::template::{Bindings, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

type Bytes = Vec<u8>;

/// Every trace of one user at one instant, or those of one socket.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub user: Bytes,
    pub keys: BTreeSet<Bytes>,
    pub members: BTreeSet<(Bytes, Bytes)>,
    /// Documents of which something goes or is marked.
    pub entries: BTreeMap<Bytes, Cut>,
    pub sockets: BTreeSet<Bytes>,
    pub rooms: BTreeSet<Bytes>,
    pub live: bool,
}

/// A document without what goes of it.
#[derive(Clone, Debug)]
pub struct Cut {
    /// How many elements go or are marked.
    elements: usize,
    rest: Bytes,
    /// By what it was cut.
    by: Vec<Entries>,
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
            plan.rooms.extend(data.into_iter().flat_map(|data| self.rooms(&data)));
        }
        self.add_members(&mut plan);
        let full = plan.clone();
        self.add_entries(&mut plan, &full, &Bindings::new());
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
            if !fits(&bindings) {
                continue;
            }
            plan.rooms.extend(bindings.get("roomId").cloned());
            // A collection that would go as a whole stays, if it is of no part.
            if !plan.keys.contains(&key) {
                plan.members.insert((key, member));
            }
        }
        self.add_entries(&mut plan, &full, part);
        let mapped = self.mapped_sockets(user);
        for socket in &full.sockets {
            let Some(data) = self.data_key(user, socket).filter(|data| plan.keys.contains(data)) else { continue };
            plan.sockets.insert(socket.clone());
            if self.is_users_data(&data, socket, &own_keys, &mapped) {
                plan.rooms.extend(self.rooms(&data));
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
        self.add_members_of_sockets(&mut plan);
        self.add_entries_of_socket(&mut plan);
        self.add_place_in_mapping(&mut plan, socket);
        plan.members.retain(|(key, _)| !plan.keys.contains(key));
        let mapped = self.mapped_sockets(user);
        let is_users = |data: &Bytes| self.is_users_data(data, socket, &own_keys, &mapped);
        if let Some(data) = self.data_key(user, socket).filter(is_users) {
            let of_others = others.iter().filter_map(|other| self.data_key(user, other));
            let staying: BTreeSet<_> = of_others.flat_map(|key| self.rooms(&key)).collect();
            plan.rooms.extend(self.rooms(&data).into_iter().filter(|room| !staying.contains(room)));
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
            MappedIds::Elements(Entries { at, by, .. }) => {
                let Content::String(text) = content else { return None };
                let document = json::parse(text)?;
                let Value::Array(items) = &document.pointer(at)?.value else { return None };
                let By::Value(owner) = by else { return None };
                let id = owner.place.pointer.as_deref()?;
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
        let lists = |key: &Template, by: &By| {
            let names_socket = matches!(by.form().whose, Whose::Socket);
            self.layout.sockets.is_some() && names_socket && key.has("userId") && !key.has("socketId")
        };
        for (key, entry) in self.keys {
            for trace in &self.layout.traces {
                let Trace::Members { key: template, by } = trace else { continue };
                let own = template.matches(key).filter(|of_key| of_key.get("userId").is_some_and(|id| id == user));
                let Some(of_key) = own.filter(|_| lists(template, by)) else { continue };
                let named = by.read(&entry.content, &of_key).into_iter();
                let ids = named.filter_map(|(_, mut bindings)| bindings.remove("socketId"));
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
        let is_owned = self.is_owned(&sockets.data);
        let is_trace = self.layout.traces.iter().any(|trace| matches!(trace, Trace::Key { key } if is_data(key)));
        own.contains(data)
            || !is_owned && is_trace && self.keys.contains_key(data) && mapped.iter().any(|id| id == socket)
    }

    /// Whether a socket's data names somebody else.
    fn is_others_socket(&self, user: &[u8], socket: &[u8], own: &BTreeSet<Bytes>) -> bool {
        let data = self.data_key(user, socket).filter(|data| self.keys.contains_key(data));
        let is_owned = self.sockets().is_some_and(|sockets| self.is_owned(&sockets.data));
        data.is_some_and(|data| is_owned && !own.contains(&data))
    }

    /// Whether keys of this name say in their value whose they are.
    fn is_owned(&self, template: &Template) -> bool {
        let is_it = |trace: &Trace| matches!(trace, Trace::OwnedKey { key, .. } if key == template);
        self.layout.traces.iter().any(|trace| is_it(trace) && trace.whose() == Whose::User)
    }

    /// The keys that one of the sockets is named by or names, unless its data is somebody else's.
    fn socket_keys(&self, sockets: &BTreeSet<Bytes>, own: &BTreeSet<Bytes>, user: &[u8]) -> Vec<(Bytes, Bindings)> {
        let is_others = |socket: &Bytes| self.is_others_socket(user, socket, own);
        let mut found = Vec::new();
        for (key, entry) in self.keys {
            for trace in self.layout.traces.iter().filter(|trace| trace.whose() == Whose::Socket) {
                let template = trace.template();
                let Some(bindings) = template.matches(key) else { continue };
                for socket in sockets.iter().filter(|socket| !is_others(socket)) {
                    let Some(given) = bind(&bindings, user, Some(socket)) else { continue };
                    let read = match trace {
                        Trace::Key { .. } => vec![given],
                        Trace::OwnedKey { owner, .. } => owner.read(&entry.content, &given),
                        _ => continue,
                    };
                    let is_clear = !self.layout.reads_otherwise(template, key, None);
                    found.extend(read.into_iter().filter(|_| is_clear).map(|bindings| (key.clone(), bindings)));
                }
            }
        }
        found
    }

    /// The rooms that a socket's data names; an empty string is none.
    fn rooms(&self, data_key: &[u8]) -> Vec<Bytes> {
        let room = self.sockets().and_then(|sockets| sockets.room.as_ref());
        let Some((room, entry)) = room.zip(self.keys.get(data_key)) else { return Vec::new() };
        room.texts(&entry.content).into_iter().filter(|room| !room.is_empty()).collect()
    }

    /// The keys that go whole, each with what its name and value say, for every trace that finds it.
    fn key_traces(&self, user: &[u8]) -> Vec<(Bytes, Bindings)> {
        let mut found = Vec::new();
        for (key, entry) in self.keys {
            for trace in self.layout.traces.iter().filter(|trace| trace.whose() == Whose::User) {
                let Some(of_name) = trace.template().matches(key) else { continue };
                let Some(given) = bind(&of_name, user, None) else { continue };
                let read = match trace {
                    Trace::Key { .. } => vec![given],
                    Trace::OwnedKey { owner, .. } => owner.read(&entry.content, &given),
                    _ => continue,
                };
                let is_clear = !self.layout.reads_otherwise(trace.template(), key, of_name.get("userId"));
                found.extend(read.into_iter().filter(|_| is_clear).map(|bindings| (key.clone(), bindings)));
            }
        }
        found
    }

    fn add_members(&self, plan: &mut Plan) {
        for (key, member, bindings) in self.member_traces(plan) {
            plan.rooms.extend(bindings.get("roomId").cloned());
            if !plan.keys.contains(&key) {
                plan.members.insert((key, member));
            }
        }
    }

    fn add_members_of_sockets(&self, plan: &mut Plan) {
        let found = self.member_traces(plan);
        let of_socket = found.into_iter().filter(|(_, _, bindings)| bindings.contains_key("socketId"));
        let of_socket = of_socket.filter(|(_, _, bindings)| plan.sockets.contains(&bindings["socketId"]));
        plan.members.extend(of_socket.map(|(key, member, _)| (key, member)).collect::<Vec<_>>());
    }

    /// The user's places in collections: key, member, and what the placeholders stand for.
    fn member_traces(&self, plan: &Plan) -> Vec<(Bytes, Bytes, Bindings)> {
        let (mut found, sockets) = (Vec::new(), self.own_sockets(plan));
        for (key, entry) in self.keys {
            for trace in &self.layout.traces {
                let Trace::Members { key: template, by } = trace else { continue };
                let Some(of_name) = template.matches(key) else { continue };
                for given in given(trace, &of_name, &plan.user, &sockets) {
                    let read = by.read(&entry.content, &given).into_iter();
                    found.extend(read.map(|(member, bindings)| (key.clone(), member, bindings)));
                }
            }
        }
        found
    }

    /// The plan's sockets, but for those whose data is somebody else's.
    fn own_sockets(&self, plan: &Plan) -> Vec<Bytes> {
        let own: BTreeSet<_> = self.key_traces(&plan.user).into_iter().map(|(key, _)| key).collect();
        let is_own = |socket: &&Bytes| !self.is_others_socket(&plan.user, socket, &own);
        plan.sockets.iter().filter(is_own).cloned().collect()
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
            MappedIds::Elements(entries) => {
                plan.cut(key, &entry.content, entries, &Bindings::from(ids_of));
                return;
            }
        };
        match &entry.content {
            Content::String(id) if *id == text => drop(plan.keys.insert(key.clone())),
            content if members(content).contains(&text) => drop(plan.members.insert((key.clone(), text))),
            _ => {}
        }
    }

    /// What is the user's in documents, of the part that has these values. Those that go as a whole still name rooms.
    fn add_entries(&self, plan: &mut Plan, full: &Plan, part: &Bindings) {
        let sockets = self.own_sockets(full);
        for (key, entry) in self.keys {
            for trace in &self.layout.traces {
                let Trace::Entries { key: template, entries } = trace else { continue };
                let Some(of_name) = template.matches(key) else { continue };
                for given in given(trace, &of_name, &full.user, &sockets) {
                    let open = part.iter().filter(|(name, _)| entries.by.form().template.has(name));
                    let mut of_part: Bindings = open.map(|(name, value)| (name.clone(), value.clone())).collect();
                    of_part.extend(given);
                    let fits = part.iter().all(|(name, value)| of_part.get(name) == Some(value));
                    let rooms = if fits { plan.cut(key, &entry.content, entries, &of_part) } else { None };
                    if let Some(rooms) = rooms {
                        plan.rooms.extend(of_name.get("roomId").cloned().into_iter().chain(rooms));
                    }
                }
            }
        }
        plan.entries.retain(|key, _| !plan.keys.contains(key));
    }

    /// What names the plan's socket in documents.
    fn add_entries_of_socket(&self, plan: &mut Plan) {
        let sockets = self.own_sockets(plan);
        for (key, entry) in self.keys {
            if plan.keys.contains(key) {
                continue;
            }
            for trace in self.layout.traces.iter().filter(|trace| trace.whose() == Whose::Socket) {
                let Trace::Entries { key: template, entries } = trace else { continue };
                let Some(of_name) = template.matches(key) else { continue };
                for given in given(trace, &of_name, &plan.user, &sockets) {
                    plan.cut(key, &entry.content, entries, &given);
                }
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
        for (key, cut) in &plan.entries {
            if cut.by.iter().any(|entries| entries.deletes_empty && document::is_empty(&cut.rest, entries)) {
                keys.remove(key);
                continue;
            }
            let entry = keys.get_mut(key).expect("a document in the plan exists");
            entry.content = Content::String(cut.rest.clone());
            entry.dump = None;
        }
        keys
    }
}

/// What is known of a trace at a key of this name: the user, and each of the sockets in turn where it is about them.
fn given(trace: &Trace, of_name: &Bindings, user: &[u8], sockets: &[Bytes]) -> Vec<Bindings> {
    match trace.whose() {
        Whose::User => bind(of_name, user, None).into_iter().collect(),
        Whose::Socket => sockets.iter().filter_map(|socket| bind(of_name, user, Some(socket))).collect(),
    }
}

/// What a key's name says with the user and the socket; none where it says otherwise.
fn bind(of_name: &Bindings, user: &[u8], socket: Option<&Bytes>) -> Option<Bindings> {
    let mut bindings = of_name.clone();
    for (name, id) in [("userId", Some(user)), ("socketId", socket.map(|id| &**id))] {
        let Some(id) = id else { continue };
        if bindings.insert(name.to_owned(), id.to_vec()).is_some_and(|earlier| earlier != id) {
            return None;
        }
    }
    Some(bindings)
}

impl Plan {
    /// What the logout answers: the number of traces.
    pub fn removed(&self) -> i64 {
        let cut: usize = self.entries.values().map(|cut| cut.elements).sum();
        i64::try_from(self.keys.len() + self.members.len() + cut).expect("a small number")
    }

    /// Cuts a document, or what was left of it. If anything went, the rooms that stood there.
    fn cut(&mut self, key: &Bytes, content: &Content, entries: &Entries, given: &Bindings) -> Option<Vec<Bytes>> {
        let Content::String(text) = content else { return None };
        let text = self.entries.get(key).map_or(text, |cut| &cut.rest);
        let document::Cut { elements, rest, rooms } = document::cut(text, entries, given)?;
        let cut =
            self.entries.entry(key.clone()).or_insert_with(|| Cut { elements: 0, rest: Vec::new(), by: Vec::new() });
        cut.elements += elements;
        cut.rest = rest;
        cut.by.push(entries.clone());
        Some(rooms)
    }

    /// The map of WITHTRACES.
    pub fn map(&self) -> Vec<(Reply, Reply)> {
        let members = self.members.iter().map(|(key, member)| bulks([key, member]));
        let count = |cut: &Cut| int(i64::try_from(cut.elements).expect("a small number"));
        let entries = self.entries.iter().map(|(key, cut)| array([bulk(key), count(cut)]));
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
