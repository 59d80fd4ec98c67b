//! What others are told of a logout, against a model of every message: its bytes decode to what was put in, and none is
//! for no room.
//!
//! An input is what `socketio` is set to in its first line and a layout's `announce`, as JSON, in the second; then the
//! user's id, her name and the reason, a line each; then a socket's id and its room, two lines each.

#![no_main]

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use libfuzzer_sys::fuzz_target;
use redis_session_core::{
    config::Options,
    events::{Audience, Departure, Notice},
    index::{HashedSubject, Index, LivenessChange, Place, Subject, Tick},
    layout::Layout,
    plan::{Detail, Known, Plan, Scope, find},
    ports::{Key, Keyspace, Kind},
    template::{Bindings, Placeholder},
};
use redis_session_fuzz::{head, lines};
use serde_json::{Value, json};

const AT: u64 = 1_767_225_600_000;
const REMOVED: u64 = 3;
const ID: &str = "0123456789abcdefghjk";

/// So many of the user's own sockets are spared an announcement.
const MOST_SPARED: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some(([adapter, announce], rest)) = head(input) else { return };
    let (Ok(adapter), Ok(announce)) = (str::from_utf8(adapter), str::from_utf8(announce)) else { return };
    let options = ["socketio", adapter, "stream", "s", "channel", "c"];
    let Ok(options) = Options::parse(options.map(str::as_bytes)) else { return };
    let (Some(layout), Some(session)) = (layout(announce), Session::read(&lines(rest))) else { return };
    let told = session.tell(&options, &layout);
    let announce: Vec<Value> = serde_json::from_str(announce).expect("the layout has loaded");
    let model = Model { session: &session, announce: &announce };
    assert_eq!(told, model.all(&adapter.to_ascii_lowercase()), "{adapter}");
    told.iter().for_each(check_rooms);
});

fn layout(announce: &str) -> Option<Layout> {
    let text = format!(
        r#"{{"name":"x","traces":[{{"key":"data:{{socketId}}","owner":{{"field":"user"}}}}],
            "sockets":{{"of":"of:{{userId}}","data":"data:{{socketId}}","room":{{"field":"room"}},"name":{{"field":"name"}}}},
            "announce":{announce}}}"#
    );
    Layout::parse(&text).map_err(|error| error.to_string()).ok()
}

/// Who is logged out.
struct Session {
    user: Vec<u8>,
    name: Vec<u8>,
    reason: Vec<u8>,
    /// Socket ids, and in which rooms they are; without a name if in none.
    sockets: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Session {
    fn read(lines: &[Vec<u8>]) -> Option<Self> {
        let [user, name, reason, sockets @ ..] = lines else { return None };
        let (pairs, _) = sockets.as_chunks();
        let pairs = pairs.iter().map(|[socket, room]| (socket.clone(), room.clone()));
        let sockets = pairs.filter(|(socket, _)| !socket.is_empty()).collect();
        let session = Self { user: user.clone(), name: name.clone(), reason: reason.clone(), sockets };
        (!user.is_empty()).then_some(session)
    }

    /// The value at a key.
    fn at(&self, name: &[u8]) -> Option<Held> {
        if name == [b"of:", &*self.user].concat() {
            return Some(Held::Set(self.sockets.keys().cloned().collect())).filter(|_| !self.sockets.is_empty());
        }
        let room = self.sockets.get(name.strip_prefix(b"data:")?)?;
        let fields = [(&b"user"[..], &self.user), (b"room", room), (b"name", &self.name)];
        // Neither has to be there.
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Some(Held::Hash(fields.map(|(name, value)| (name, value.clone())).collect()))
    }
}

// --- the module's side --------------------------------------------------------------------------------------------------

/// What a command says: its name, its arguments but the last one, escaped, and that one, decoded.
type Said = (String, Vec<String>, Value);

thread_local! {
    /// Empty between runs: to make one takes longer than a run.
    static INDEX: RefCell<Index> = RefCell::default();
}

impl Session {
    fn plan(&self, layout: &Layout) -> Box<Plan<Vec<u8>>> {
        INDEX.with_borrow_mut(|index| {
            for socket in self.sockets.keys() {
                let bindings = Bindings::default().with(Placeholder::SOCKET, socket);
                let place = Place::new(0, &layout.traces[0].placed, &bindings);
                index.add(
                    HashedSubject::new(Subject::User, &self.user),
                    place.borrowed(),
                    LivenessChange::Evidence(Tick::FIRST),
                );
            }
            let places = &|subject, id: &[u8]| index.places(subject, id);
            let known = Known { places, has_sockets: index.has_sockets(), unseen: None, told: None };
            let mut plan = find(self, layout, known, &self.user, Detail::Audience, &[]);
            (plan.at, plan.id) = (AT, ID.to_owned());
            index.retain(HashedSubject::new(Subject::User, &self.user), |_| false);
            plan
        })
    }

    /// Nothing that is told depends on it but the word itself.
    fn scope(&self) -> Scope {
        if self.reason.is_empty() { Scope::Socket } else { Scope::User }
    }

    /// Everything that follows the logout.
    fn tell(&self, options: &Options, layout: &Layout) -> Vec<Said> {
        let plan = self.plan(layout);
        let audience = Audience::new(options, layout).expect("there is a channel");
        let departure = Departure::new(&plan, self.scope(), &self.reason);
        let ready = Notice::new(audience, departure).check(self, &plan.keys, |name| layout.is_trace(name));
        let mut told = Vec::new();
        ready.tell(REMOVED, &mut |command| {
            let name = command.name.to_str().expect("commands have names").to_owned();
            let (message, others) = command.arguments.split_last().expect("there is a message");
            let is_packed = name == "PUBLISH" && others[0].starts_with(b"socket.io#");
            let message = if is_packed { unpack(message) } else { serde_json::from_slice(message).expect("JSON") };
            told.push((name, arguments(others), message));
        });
        told
    }
}

/// Reads `MessagePack`, all of it.
fn unpack(mut bytes: &[u8]) -> Value {
    let value = rmp_serde::from_read(&mut bytes).expect("MessagePack");
    assert!(bytes.is_empty(), "and nothing behind it");
    value
}

enum Held {
    Set(Vec<Vec<u8>>),
    Hash(BTreeMap<&'static [u8], Vec<u8>>),
}

impl Keyspace for Session {
    type Name = Vec<u8>;
    type Key<'a> = Held;

    fn name(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn open<'a>(&'a self, name: &'a Vec<u8>) -> Option<Held> {
        self.at(name)
    }

    fn fields_expire(&self) -> bool {
        false
    }

    fn now(&self) -> u64 {
        AT
    }

    fn is_cluster(&self) -> bool {
        false
    }

    fn serves(&self, _: &Vec<u8>) -> bool {
        true
    }

    fn contains(&self, name: &Vec<u8>, _: Kind, member: &[u8]) -> bool {
        self.at(name).is_some_and(|held| held.members().iter().any(|known| known == member))
    }
}

impl Key for Held {
    fn kind(&self) -> Kind {
        match self {
            Self::Set(_) => Kind::Set,
            Self::Hash(_) => Kind::Hash,
        }
    }

    fn size(&self) -> usize {
        self.members().len()
    }

    fn expires_at(&self) -> Option<u64> {
        None
    }

    fn string(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(b"")
    }

    fn field(&self, field: &[u8]) -> Option<Vec<u8>> {
        if let Self::Hash(fields) = self { fields.get(field).cloned() } else { None }
    }

    fn score(&self, _: &[u8]) -> Option<f64> {
        None
    }

    fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Self::Hash(fields) = self else { return Vec::new() };
        fields.iter().map(|(field, value)| (field.to_vec(), value.clone())).collect()
    }

    fn members(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Set(members) => members.clone(),
            Self::Hash(fields) => fields.keys().map(|field| field.to_vec()).collect(),
        }
    }
}

// --- the model ----------------------------------------------------------------------------------------------------------

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A value as it comes back from JSON: a number with a fraction may lose its last digit on the way.
fn through_json(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).expect("a value makes JSON")
}

fn arguments(words: &[&[u8]]) -> Vec<String> {
    words.iter().map(|word| word.escape_ascii().to_string()).collect()
}

struct Model<'a> {
    session: &'a Session,
    announce: &'a [Value],
}

impl Model<'_> {
    /// What is said by this adapter, in order.
    fn all(&self, adapter: &str) -> Vec<Said> {
        let to_stream = arguments(&[b"s", b"MAXLEN", b"~", b"10000", b"*", b"event"]);
        let mut said = vec![("XADD".to_owned(), to_stream, self.event())];
        for (item, room) in self.announcements() {
            said.extend(self.kept(item, room));
        }
        said.push(("PUBLISH".to_owned(), arguments(&[b"c"]), self.event()));
        if adapter != "off" {
            let named = self.announcements().filter_map(|(item, room)| Some((item, str::from_utf8(room).ok()?)));
            said.extend(named.map(|(item, room)| self.emitted(adapter, item, room)));
            said.extend(self.disconnected(adapter));
        }
        said
    }

    /// Each announcement to each room.
    fn announcements(&self) -> impl Iterator<Item = (&Value, &[u8])> {
        self.announce.iter().flat_map(|item| self.rooms().into_iter().map(move |room| (item, room)))
    }

    fn rooms(&self) -> BTreeSet<&[u8]> {
        self.session.sockets.values().map(|room| &**room).filter(|room| !room.is_empty()).collect()
    }

    /// The sockets that Socket.IO can know.
    fn sockets(&self) -> Vec<&str> {
        self.session.sockets.keys().filter_map(|socket| str::from_utf8(socket).ok()).collect()
    }

    /// The name, if a socket's data tells it.
    fn name(&self) -> Option<&str> {
        let Session { name, sockets, .. } = self.session;
        str::from_utf8(name).ok().filter(|name| !name.is_empty() && !sockets.is_empty())
    }

    fn event(&self) -> Value {
        let Session { user, reason, sockets, .. } = self.session;
        let mut event = json!({
            "event": "logout",
            "userId": lossy(user),
            "sockets": sockets.keys().map(|socket| lossy(socket)).collect::<Vec<_>>(),
            "rooms": self.rooms().into_iter().map(lossy).collect::<Vec<_>>(),
            "scope": if reason.is_empty() { "socket" } else { "user" },
            "reason": lossy(reason),
            "removed": REMOVED,
            "at": AT,
        });
        if let Some(name) = self.name() {
            event["userName"] = name.into();
        }
        event
    }

    /// The message that is kept with a room's history, where its key can take it.
    fn kept(&self, item: &Value, room: &[u8]) -> Option<Said> {
        let key = self.parts(item["append"].as_str()?, room).concat();
        let names_data = key.strip_prefix(b"data:").is_some_and(|socket| !socket.is_empty());
        if names_data || self.session.at(&key).is_some() {
            return None;
        }
        let args = self.args(item, room);
        let kept = if let [only] = &*args { only.clone() } else { args.into() };
        let kept = through_json(&kept);
        Some(if item["as"] == "stream" {
            ("XADD".to_owned(), arguments(&[&key, b"*", b"message"]), kept)
        } else {
            ("RPUSH".to_owned(), arguments(&[&key]), kept)
        })
    }

    fn emitted(&self, adapter: &str, item: &Value, room: &str) -> Said {
        let event = item["event"].clone();
        let data: Value = [event].into_iter().chain(self.args(item, room.as_bytes())).collect();
        let packet = json!({ "type": 2, "data": data, "nsp": "/" });
        let except: Vec<&str> = self.sockets().into_iter().take(MOST_SPARED).collect();
        let opts = json!({ "rooms": [room], "flags": {}, "except": except });
        if adapter == "classic" {
            let channel = format!("socket.io#/#{room}#");
            return ("PUBLISH".to_owned(), arguments(&[channel.as_bytes()]), json!(["emitter", packet, opts]));
        }
        newer(adapter, 3, &json!({ "opts": opts, "packet": packet }))
    }

    fn disconnected(&self, adapter: &str) -> Option<Said> {
        let rooms = self.sockets();
        if rooms.is_empty() {
            return None;
        }
        Some(if adapter == "classic" {
            let message = json!({ "type": 4, "opts": { "rooms": rooms, "except": [] }, "close": true });
            ("PUBLISH".to_owned(), arguments(&[b"socket.io-request#/#"]), message)
        } else {
            let opts = json!({ "rooms": rooms, "except": [], "flags": {} });
            newer(adapter, 6, &json!({ "opts": opts, "close": true }))
        })
    }

    fn args(&self, item: &Value, room: &[u8]) -> Vec<Value> {
        item["args"].as_array().expect("args are an array").iter().map(|value| self.fill(value, room)).collect()
    }

    fn fill(&self, value: &Value, room: &[u8]) -> Value {
        match value {
            Value::String(text) if text == "{now}" => AT.into(),
            Value::String(text) => self.parts(text, room).iter().map(|part| lossy(part)).collect::<String>().into(),
            Value::Array(values) => values.iter().map(|value| self.fill(value, room)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.fill(value, room))).collect()
            }
            plain => plain.clone(),
        }
    }

    /// A text's literals and what its placeholders stand for.
    fn parts(&self, text: &str, room: &[u8]) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '{' | '}' if rest[1..].starts_with(first) => {
                    parts.push(first.to_string().into_bytes());
                    2
                }
                '{' => {
                    let end = rest.find('}').expect("the layout has loaded");
                    parts.push(self.value(&rest[1..end], room));
                    end + 1
                }
                _ => {
                    parts.push(first.to_string().into_bytes());
                    first.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        parts
    }

    fn value(&self, name: &str, room: &[u8]) -> Vec<u8> {
        let Session { user, reason, sockets, .. } = self.session;
        match name {
            "userId" => user.clone(),
            "userName" => self.name().map_or(user.clone(), |name| name.as_bytes().to_vec()),
            "roomId" => room.to_vec(),
            "socketId" => sockets.iter().find(|(_, at)| *at == room).expect("somebody was in the room").0.clone(),
            "reason" => reason.clone(),
            "now" => AT.to_string().into_bytes(),
            "id" => ID.as_bytes().to_vec(),
            _ => panic!("{name} is no placeholder, and the layout has loaded"),
        }
    }
}

/// A message of the sharded adapter or of the one by a stream.
fn newer(adapter: &str, kind: u8, data: &Value) -> Said {
    let data = through_json(data);
    if adapter == "streams" {
        let kind = kind.to_string();
        let mut words = arguments(&[b"socket.io", b"MAXLEN", b"~", b"10000", b"*", b"uid", b"emitter", b"nsp", b"/"]);
        words.extend(arguments(&[b"type", kind.as_bytes(), b"data"]));
        return ("XADD".to_owned(), words, data);
    }
    let message = json!({ "uid": "emitter", "nsp": "/", "type": kind, "data": data });
    ("SPUBLISH".to_owned(), arguments(&[b"socket.io#/#"]), message)
}

/// A message for no room would be one for everybody.
fn check_rooms(said: &Said) {
    let (_, words, message) = said;
    if !words[0].starts_with("socket.io") {
        return;
    }
    let places = ["/2/rooms", "/opts/rooms", "/data/opts/rooms"];
    let rooms = places.iter().find_map(|place| message.pointer(place)).and_then(Value::as_array);
    assert!(rooms.is_some_and(|rooms| !rooms.is_empty()), "a message for no room: {message}");
}
