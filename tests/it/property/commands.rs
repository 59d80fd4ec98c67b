//! Ways to make, change and move keys: lists of commands, one client's one after another.

use super::documents;
use super::pool::Pool;
use super::values::{self, Document};
use crate::args;
use crate::support::Layout;
use crate::support::model::layout::{By, Entries, Live, MappedIds, Mapping, Owner, Place, Sockets, Trace, Whose};
use crate::support::model::template::{Bindings, Template};
use fastrand::Rng;

type Bytes = Vec<u8>;
/// One command with its arguments.
pub type Args = Vec<Bytes>;

/// What stands where a socket's data says the room.
enum Rooms {
    One(Bytes),
    Several(Vec<Bytes>),
}

/// Draws commands for one case.
pub struct Writer<'a> {
    pub rng: Rng,
    pub layout: &'a Layout,
    pub pool: Pool,
}

impl Writer<'_> {
    fn one_in(&mut self, n: u8) -> bool {
        self.rng.u8(0..n) == 0
    }

    fn render(&mut self, template: &Template) -> Bytes {
        template.render(&self.pool.bindings(&mut self.rng, template))
    }

    /// The name of a key that may be a trace, nearly one, or nothing of the kind.
    pub fn any_key(&mut self) -> Bytes {
        let mut templates: Vec<&Template> = self.layout.traces.iter().map(Trace::template).collect();
        templates.extend(self.layout.mapping().map(|mapping| &mapping.key));
        templates.extend(self.layout.sockets.iter().map(|sockets| &sockets.data));
        templates.extend(self.layout.live.iter().map(Live::template));
        let template = self.rng.choice(templates).expect("a layout has traces");
        let mut key = self.render(template);
        match self.rng.u8(0..20) {
            0 => drop(key.pop()),
            1 => key.extend(b":x"),
            2 => key.insert(0, b'x'),
            3 => key = self.rng.choice(["tmp:1", "tmp:2", "cache:*"]).expect("some").into(),
            _ => {}
        }
        key
    }

    /// The name of a mapping or of a socket's data.
    pub fn vital_key(&mut self) -> Option<Bytes> {
        let sockets = self.layout.sockets.as_ref()?;
        let template =
            self.layout.mapping().map(|mapping| &mapping.key).filter(|_| self.rng.bool()).unwrap_or(&sockets.data);
        Some(self.render(template))
    }

    /// Commands that leave a trace of a random user, or a change that makes one a trace of somebody else.
    pub fn leave_trace(&mut self) -> Vec<Args> {
        let traces = &self.layout.traces;
        let sockets = self.layout.sockets.as_ref();
        if let Some(sockets) = sockets.filter(|_| self.one_in(4)) {
            return self.log_in(sockets);
        }
        if !self.layout.live.is_empty() && self.one_in(6) {
            return self.show_life();
        }
        match self.rng.choice(traces).expect("a layout has traces") {
            Trace::Key { key } => {
                let key = self.render(key);
                self.write_anything(&key)
            }
            Trace::OwnedKey { key, owner } => {
                let bindings = self.pool.bindings(&mut self.rng, key);
                self.write_owned(&key.render(&bindings), &bindings, owner)
            }
            Trace::Members { key, by } => {
                let bindings = self.pool.bindings(&mut self.rng, key);
                self.write_members(&key.render(&bindings), &bindings, by)
            }
            Trace::Entries { key, entries } => {
                let bindings = self.pool.bindings(&mut self.rng, key);
                let document = self.document_of_entries(&bindings, entries);
                self.write_string(&key.render(&bindings), document)
            }
        }
    }

    fn write_members(&mut self, key: &Bytes, of_key: &Bindings, by: &By) -> Vec<Args> {
        let count = self.rng.usize(1..4);
        let mut members: Vec<Bytes> = match by {
            By::Name(form) => (0..count).map(|_| self.member(of_key, &form.template)).collect(),
            By::Value(owner) => (0..count).map(|_| self.value(of_key, owner)).collect(),
        };
        if matches!(by, By::Value(_)) && self.rng.bool() {
            let fields = members.into_iter().map(|value| [self.pool.socket(&mut self.rng), value].to_vec());
            return vec![fields.fold(args!["HSET", key], |command, field| [command, field].concat())];
        }
        // More than are read at every change. Nobody has such a name: the model asks about each user.
        let is_filled = matches!(by, By::Value(owner) if owner.place.pointer.is_some());
        if is_filled && self.one_in(20) {
            members.extend((0..300).map(|number| format!("filler {number}").into_bytes()));
        }
        self.write_collection(key, &members)
    }

    fn member(&mut self, of_key: &Bindings, member: &Template) -> Bytes {
        let mut bindings = self.pool.bindings(&mut self.rng, member);
        if !self.one_in(8) {
            bindings.extend(of_key.clone());
        }
        member.render(&bindings)
    }

    /// What an application does at a login: mapping and socket data.
    fn log_in(&mut self, sockets: &Sockets) -> Vec<Args> {
        let (user, socket) = (self.pool.user(&mut self.rng), self.pool.socket(&mut self.rng));
        let ids = [("userId", &user), ("socketId", &socket)].map(|(name, id)| (name.to_owned(), id.clone()));
        let bindings = Bindings::from(ids);
        let data = sockets.data.render(&bindings);
        let mut commands = sockets.of.as_ref().map(|of| self.map_socket(of, &bindings, socket)).unwrap_or_default();
        commands.extend(self.write_data(&data, &user));
        commands
    }

    /// Puts a socket into a user's mapping, and now and then something that is none.
    fn map_socket(&mut self, of: &Mapping, bindings: &Bindings, socket: Bytes) -> Vec<Args> {
        let mapping = of.key.render(bindings);
        let text = match &of.ids {
            MappedIds::Values(Some(form)) if !self.one_in(16) => form.render(bindings),
            MappedIds::Values(_) => socket,
            MappedIds::Elements(entries) => {
                let document = self.document_of_entries(bindings, entries);
                return self.write_string(&mapping, document);
            }
        };
        if self.one_in(2) { self.write_string(&mapping, text) } else { self.write_collection(&mapping, &[text]) }
    }

    /// What makes a user live without a socket, or nearly.
    fn show_life(&mut self) -> Vec<Args> {
        let bindings = Bindings::from([("userId".to_owned(), self.pool.user(&mut self.rng))]);
        let rule = self.rng.choice(&self.layout.live).expect("there is one");
        let key = rule.template().render(&bindings);
        let Live::Score { member, .. } = rule else { return self.write_anything(&key) };
        // Moments that are over for long, or will be long from now, in either unit.
        let score = self.rng.choice(["0", "1000", "-1", "32503680000000", "inf"]).expect("some");
        vec![args!["ZADD", key, score, member.render(&bindings)]]
    }

    /// A socket's data, owned by `user` by whichever trace covers it.
    fn write_data(&mut self, key: &Bytes, user: &Bytes) -> Vec<Args> {
        let mut owners = self.layout.traces.iter().filter_map(|trace| match trace {
            Trace::OwnedKey { key: template, owner } if trace.whose() == Whose::User => {
                Some((template.matches(key)?, owner))
            }
            _ => None,
        });
        let Some((mut bindings, owner)) = owners.next_back() else { return self.write_anything(key) };
        bindings.insert("userId".to_owned(), user.clone());
        self.write_owned(key, &bindings, owner)
    }

    /// A value that names somebody, and now and then a room: of the ids, those of the key's name.
    fn value(&mut self, of_key: &Bindings, owner: &Owner) -> Bytes {
        let texts = [(); 3].map(|()| self.member(of_key, &owner.is.template));
        let Some(pointer) = &owner.place.pointer else {
            let [text, ..] = texts;
            return if self.one_in(12) { [&text[..], b" "].concat() } else { text };
        };
        let (format, wrappings) = owner.place.encoding.split_last().expect("a format");
        let room = self.room_beside(&owner.place);
        let document = if format == "json" {
            let ids = texts.map(|text| documents::id(&mut self.rng, &text));
            let document = documents::around(&mut self.rng, pointer, &ids);
            let Some((name, rooms)) = room else { return values::wrapped(&mut self.rng, wrappings, document) };
            let rooms = match rooms {
                Rooms::One(room) => self.room_in_json(&room),
                Rooms::Several(rooms) => {
                    let rooms = rooms.iter().map(|room| self.room_in_json(room)).collect();
                    documents::array(&mut self.rng, rooms)
                }
            };
            documents::with_members(&mut self.rng, document, &[(name, rooms)])
        } else {
            let document = Document::around(&mut self.rng, pointer, &texts.map(Document::Id));
            let document = match room {
                Some((name, Rooms::One(room))) => document.with_member(name, Document::Id(room)),
                Some((name, Rooms::Several(rooms))) => {
                    document.with_member(name, Document::List(rooms.into_iter().map(Document::Id).collect()))
                }
                None => document,
            };
            values::written(&mut self.rng, format, &document)
        };
        values::wrapped(&mut self.rng, wrappings, document)
    }

    /// An empty room is a string, whatever it reads as.
    fn room_in_json(&mut self, room: &Bytes) -> Bytes {
        if room.is_empty() { b"\"\"".to_vec() } else { documents::id(&mut self.rng, room) }
    }

    /// The name of a member in the same document that holds rooms, and these, if some may be there.
    fn room_beside(&mut self, place: &Place) -> Option<(&'static str, Rooms)> {
        let room = self.layout.sockets.as_ref()?.room.as_ref().filter(|room| room.field == place.field)?;
        let pointer = room.pointer.as_deref()?;
        let name = ["room", "roomId", "rooms"].into_iter().find(|name| pointer.split('/').nth(1) == Some(name))?;
        let several = pointer.ends_with("/*").then(|| self.rng.usize(0..4));
        let rooms = (0..several.unwrap_or(1))
            .map(|_| if self.one_in(8) { Bytes::new() } else { self.pool.room(&mut self.rng) });
        let mut rooms: Vec<_> = rooms.collect();
        let rooms = if several.is_some() { Rooms::Several(rooms) } else { Rooms::One(rooms.remove(0)) };
        self.rng.bool().then_some((name, rooms))
    }

    fn write_owned(&mut self, key: &Bytes, of_key: &Bindings, owner: &Owner) -> Vec<Args> {
        let value = self.value(of_key, owner);
        let Some(field) = &owner.place.field else {
            let mut commands = self.write_string(key, value);
            if owner.place.pointer.as_ref().is_none_or(String::is_empty) && self.one_in(3) {
                commands.push(args!["INCR", key]);
            }
            return commands;
        };
        let user = self.pool.user(&mut self.rng);
        let mut commands = vec![args!["HSET", key, "other", user], args!["HSET", key, field, value]];
        let room = self.layout.sockets.as_ref().and_then(|sockets| sockets.room.as_ref()?.field.as_ref());
        if let Some(room) = room.filter(|room| *room != field && self.rng.bool()) {
            commands.push(args!["HSET", key, room, self.pool.room(&mut self.rng)]);
        }
        if self.one_in(4) {
            commands.push(args!["HDEL", key, field]);
        }
        if self.one_in(6) {
            commands.push(args!["HSETNX", key, field, self.value(of_key, owner)]);
        }
        if self.one_in(6) {
            commands.push(args!["HINCRBY", key, field, "1"]);
        }
        commands
    }

    fn document_of_entries(&mut self, of_key: &Bindings, entries: &Entries) -> Bytes {
        let count = self.rng.usize(0..6);
        let elements: Vec<_> = (0..count).map(|_| self.entry(of_key, entries)).collect();
        let items = if entries.is_object {
            documents::object(&mut self.rng, elements)
        } else {
            documents::array(&mut self.rng, elements.into_iter().map(|(_, value)| value).collect())
        };
        documents::around(&mut self.rng, &entries.at, &[items])
    }

    /// An element, with its name if it is to be a member.
    fn entry(&mut self, of_key: &Bindings, entries: &Entries) -> (String, Bytes) {
        let texts = [(); 3].map(|()| self.member(of_key, &entries.by.form().template));
        let (name, mut value) = match &entries.by {
            By::Name(_) => (texts[0].clone(), b"{\"at\":1.50}".to_vec()),
            By::Value(owner) => {
                let ids = texts.map(|text| {
                    let id = documents::id(&mut self.rng, &text);
                    if self.one_in(8) { b"[1.50]".to_vec() } else { id }
                });
                let pointer = owner.place.pointer.as_deref().unwrap_or_default();
                (self.pool.socket(&mut self.rng), documents::around(&mut self.rng, pointer, &ids))
            }
        };
        for (pointer, _) in entries.set.iter().filter(|_| !self.rng.bool()).collect::<Vec<_>>() {
            let old = self.rng.choice(["true", "false", "1700000000000", "{ }", "\"off\""]).expect("some");
            let member = pointer.split('/').nth(1).expect("a name");
            value = documents::with_members(&mut self.rng, value, &[(member, old.into())]);
        }
        (String::from_utf8_lossy(&name).into_owned(), value)
    }

    /// A value of any type under `key`.
    fn write_anything(&mut self, key: &Bytes) -> Vec<Args> {
        match self.rng.u8(0..8) {
            0..4 => {
                let value = self.pool.socket(&mut self.rng);
                self.write_string(key, value)
            }
            4 => vec![args!["XADD", key, "1-1", "field", "value"]],
            5 => vec![args!["SETBIT", key, "70", "1"]],
            _ => {
                let members = [self.pool.user(&mut self.rng), self.pool.socket(&mut self.rng)];
                self.write_collection(key, &members)
            }
        }
    }

    /// The string `text` under `key`, by one of many commands.
    fn write_string(&mut self, key: &Bytes, text: Bytes) -> Vec<Args> {
        let text = documents::perhaps_broken(&mut self.rng, text);
        let (first, second) = text.split_at(self.rng.usize(..=text.len()));
        let source = "tmp:source";
        match self.rng.u8(0..24) {
            0 => vec![args!["SETEX", key, "1000", text]],
            1 => vec![args!["PSETEX", key, "1000000", text]],
            2 => vec![args!["SET", key, text, "EX", "2000"]],
            3 => vec![args!["SET", key, text, "KEEPTTL"]],
            4 => vec![args!["SET", key, text, "NX"]],
            5 => vec![args!["SETNX", key, text]],
            6 => vec![args!["GETSET", key, text]],
            7 => vec![args!["MSET", self.any_key(), "x", key, text]],
            8 => vec![args!["MSETNX", key, text]],
            9 => vec![args!["DEL", key], args!["APPEND", key, first], args!["APPEND", key, second]],
            10 => vec![args!["SET", key, first], args!["SETRANGE", key, first.len().to_string(), second]],
            11 => vec![args!["SET", source, text], args!["BITOP", "OR", key, source]],
            12 => vec![args!["SET", source, text], args!["RENAME", source, key]],
            13 => vec![args!["SET", source, text], args!["COPY", source, key, "REPLACE"]],
            14 => vec![args!["DEL", key], args!["SET", source, text], args!["RENAMENX", source, key]],
            15 => vec![args!["SET", key, text], args!["EXPIRE", key, "1000"], args!["PERSIST", key]],
            16 => vec![args!["SET", key, text], args!["PEXPIREAT", key, "99999999999999"]],
            17 => vec![args!["SET", key, text, "GET"], args!["GETEX", key, "EX", "3000"]],
            18 => vec![args!["SELECT", "1"], args!["SET", key, text], args!["MOVE", key, "0"], args!["SELECT", "0"]],
            _ => vec![args!["SET", key, text]],
        }
    }

    /// `members` in a collection under `key`, by one of many commands.
    fn write_collection(&mut self, key: &Bytes, members: &[Bytes]) -> Vec<Args> {
        let source = "tmp:source";
        let add = |name: &str, key: &[u8]| [args![name, key], members.to_vec()].concat();
        let scored = |key: &[u8]| {
            members.iter().fold(args!["ZADD", key], |command, member| [command, args!["1.5", member]].concat())
        };
        let fields = |key: &[u8]| {
            members.iter().fold(args!["HSET", key], |command, member| [command, args![member, "x"]].concat())
        };
        let first = &members[0];
        match self.rng.u8(0..22) {
            0..3 => vec![add("SADD", key)],
            3 => vec![add("SADD", source.as_bytes()), args!["SUNIONSTORE", key, source, key]],
            4 => vec![args!["SADD", source, first], args!["SMOVE", source, key, first]],
            5 => vec![add("SADD", source.as_bytes()), args!["SINTERSTORE", key, source, source]],
            6 => vec![add("SADD", source.as_bytes()), args!["RENAME", source, key]],
            7..9 => vec![scored(key)],
            9 => vec![scored(source.as_bytes()), args!["ZUNIONSTORE", key, "1", source]],
            10 => vec![scored(source.as_bytes()), args!["ZRANGESTORE", key, source, "0", "-1"]],
            11 => vec![args!["GEOADD", key, "13.4", "52.5", first]],
            12..14 => vec![fields(key)],
            14 => vec![args!["HSETNX", key, first, "x"], args!["HINCRBY", key, "n", "1"]],
            15 => vec![fields(source.as_bytes()), args!["COPY", source, key, "REPLACE"]],
            16..18 => vec![add("RPUSH", key)],
            18 => vec![args!["RPUSH", source, first, first], args!["LMOVE", source, key, "LEFT", "RIGHT"]],
            19 => vec![add("LPUSH", source.as_bytes()), args!["RPOPLPUSH", source, key], args!["DEL", source]],
            20 => vec![add("RPUSH", source.as_bytes()), args!["SORT", source, "BY", "nosort", "STORE", key]],
            _ => vec![args!["LPUSH", key, first, "pivot"], args!["LINSERT", key, "BEFORE", "pivot", first]],
        }
    }

    /// A command that changes, moves or removes what is there, whatever that is.
    pub fn disturb(&mut self) -> Vec<Args> {
        let (key, other) = (self.any_key(), self.any_key());
        let (user, socket) = (self.pool.user(&mut self.rng), self.pool.socket(&mut self.rng));
        let place = self.rng.usize(0..30).to_string();
        let command = match self.rng.u8(0..34) {
            0..4 => args!["RENAME", key, other],
            4 => args!["RENAMENX", key, other],
            5..8 => args!["COPY", key, other, "REPLACE"],
            8 => args!["COPY", key, other, "DB", "1", "REPLACE"],
            9 => args!["MOVE", key, "1"],
            10 => args!["SWAPDB", "0", "1"],
            11 => args!["DEL", key],
            12 => args!["UNLINK", key, other],
            13 => args!["GETDEL", key],
            14 => args!["EXPIRE", key, "1500"],
            15 => args!["PERSIST", key],
            16 => args!["EXPIRE", key, "-1"],
            17 => args!["SETRANGE", key, place, "x"],
            18 => args!["APPEND", key, " "],
            19 => args!["SREM", key, user, socket],
            20 => args!["ZREM", key, user],
            21 => args!["HDEL", key, user, "principal"],
            22 => args!["LREM", key, "0", user],
            23 => args!["LSET", key, "0", user],
            24 => args!["LTRIM", key, "0", "1"],
            25 => args!["SPOP", key],
            26 => args!["ZPOPMIN", key],
            27 => args!["LPOP", key],
            28 => args!["SDIFFSTORE", key, key, other],
            29 => args!["INCRBY", key, "1"],
            30 => args!["BITOP", "NOT", key, other],
            31 => args!["RPOPLPUSH", key, other],
            32 if self.one_in(4) => args!["FLUSHDB"],
            _ => return self.write_anything(&key),
        };
        vec![command]
    }
}
