//! Ways to make, change and move keys: lists of commands, one client's one after another.

use super::documents;
use super::pool::Pool;
use crate::args;
use crate::support::Layout;
use crate::support::model::layout::{Live, MappedIds, Mapping, Owner, Sockets, Trace};
use crate::support::model::template::{Bindings, Template};
use fastrand::Rng;

type Bytes = Vec<u8>;
/// One command with its arguments.
pub type Args = Vec<Bytes>;

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
                let key = self.render(key);
                self.write_owned(&key, owner)
            }
            Trace::Members { key, member } => {
                let bindings = self.pool.bindings(&mut self.rng, key);
                let members: Vec<_> = (0..self.rng.usize(1..4)).map(|_| self.member(&bindings, member)).collect();
                self.write_collection(&key.render(&bindings), &members)
            }
            Trace::Entries { key, array, owner } => {
                let key = self.render(key);
                let document = self.document_of_entries(array, owner);
                self.write_string(&key, document)
            }
        }
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
        commands.extend(self.write_data(sockets, &data, &user));
        commands
    }

    /// Puts a socket into a user's mapping, and now and then something that is none.
    fn map_socket(&mut self, of: &Mapping, bindings: &Bindings, socket: Bytes) -> Vec<Args> {
        let mapping = of.key.render(bindings);
        let text = match &of.ids {
            MappedIds::Values(Some(form)) if !self.one_in(16) => form.render(bindings),
            MappedIds::Values(_) => socket,
            MappedIds::Elements(array, id) => {
                let elements = (0..self.rng.usize(0..4)).map(|_| self.pool.socket(&mut self.rng)).collect::<Vec<_>>();
                let elements = elements.into_iter().chain([socket]).map(|socket| {
                    let socket = documents::id(&mut self.rng, &socket);
                    documents::around(&mut self.rng, id, socket)
                });
                let elements = elements.collect();
                let items = documents::array(&mut self.rng, elements);
                let document = documents::around(&mut self.rng, array, items);
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
    fn write_data(&mut self, sockets: &Sockets, key: &Bytes, user: &Bytes) -> Vec<Args> {
        let mut owners = self.layout.traces.iter().filter_map(|trace| match trace {
            Trace::OwnedKey { key: template, owner } if template.matches(key).is_some() => Some(owner),
            _ => None,
        });
        match owners.next_back() {
            Some(Owner::Field(field)) => vec![args!["HSET", key, field, user, "at", "1.50"]],
            Some(Owner::Pointer(pointer)) => {
                let id = documents::id(&mut self.rng, user);
                let document = documents::around(&mut self.rng, pointer, id);
                let document = self.with_room(sockets, document);
                self.write_string(key, document)
            }
            None => self.write_anything(key),
        }
    }

    fn with_room(&mut self, sockets: &Sockets, document: Bytes) -> Bytes {
        let Some(name) = sockets.room.as_ref().and_then(|pointer| pointer.strip_prefix('/')) else { return document };
        let room = self.pool.room(&mut self.rng);
        let room = if self.one_in(8) { b"\"\"".to_vec() } else { documents::id(&mut self.rng, &room) };
        documents::with_members(&mut self.rng, document, &[(name, room)])
    }

    fn write_owned(&mut self, key: &Bytes, owner: &Owner) -> Vec<Args> {
        let user = self.pool.user(&mut self.rng);
        match owner {
            Owner::Field(field) => {
                let mut commands = vec![args!["HSET", key, "other", user], args!["HSET", key, field, user]];
                if self.one_in(4) {
                    commands.push(args!["HDEL", key, field]);
                }
                if self.one_in(6) {
                    commands.push(args!["HSETNX", key, field, self.pool.user(&mut self.rng)]);
                }
                if self.one_in(6) {
                    commands.push(args!["HINCRBY", key, field, "1"]);
                }
                commands
            }
            Owner::Pointer(pointer) => {
                let id = documents::id(&mut self.rng, &user);
                let document = documents::around(&mut self.rng, pointer, id);
                let document = match self.layout.sockets.as_ref().filter(|_| self.rng.bool()) {
                    Some(sockets) => self.with_room(sockets, document),
                    None => document,
                };
                let mut commands = self.write_string(key, document);
                if pointer.is_empty() && self.one_in(3) {
                    commands.push(args!["INCR", key]);
                }
                commands
            }
        }
    }

    fn document_of_entries(&mut self, array: &str, owner: &str) -> Bytes {
        let elements = (0..self.rng.usize(0..6)).map(|_| {
            let user = self.pool.user(&mut self.rng);
            let id = documents::id(&mut self.rng, &user);
            let id = if self.one_in(8) { b"[1.50]".to_vec() } else { id };
            documents::around(&mut self.rng, owner, id)
        });
        let elements = elements.collect();
        let items = documents::array(&mut self.rng, elements);
        documents::around(&mut self.rng, array, items)
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
