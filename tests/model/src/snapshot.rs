//! Every key of a server with all that a client can see of it, to compare a keyspace before and after.

use super::bytes::quote;
use super::document::NOW;
use super::reply::Reply;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The value of a key, in logical terms: two equal values may be encoded differently in memory.
#[derive(Clone, PartialEq)]
pub enum Content {
    String(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    /// Member to score, as ZRANGE writes it.
    SortedSet(BTreeMap<Vec<u8>, Vec<u8>>),
    List(Vec<Vec<u8>>),
    /// Any other type: its name and its DUMP.
    Other(String, Vec<u8>),
}

/// One key: its value, when it expires and its serialized form.
#[derive(Clone, PartialEq)]
pub struct Entry {
    pub content: Content,
    /// In milliseconds since 1970; -1 is never.
    pub expires_at: i64,
    /// DUMP, where it depends on the value alone: the order of a hash table's elements changes when it is read.
    pub dump: Option<Vec<u8>>,
}

/// The keys of one database.
pub type Keys = BTreeMap<Vec<u8>, Entry>;

/// A connection to a server.
pub trait Connection {
    /// Sends one command as a line of text. An error fails the test.
    fn must(&mut self, line: &str) -> Reply;

    /// Sends all commands, then reads as many replies.
    fn pipeline(&mut self, commands: Vec<Vec<Vec<u8>>>) -> Vec<Reply>;
}

/// A function `snapshot(n)` in Lua that tells of all keys of the first `n` databases, for [`Snapshot::of_script`]. In a
/// script nothing expires and nobody writes, so what it tells is one instant. It leaves the script in another database.
pub const SCRIPT: &str = "
local read = {
    string = function(key) return redis.call('GET', key) end,
    hash = function(key) return redis.call('HGETALL', key) end,
    set = function(key) return redis.call('SMEMBERS', key) end,
    zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
    list = function(key) return redis.call('LRANGE', key, 0, -1) end,
}
local function of_key(key)
    local kind = redis.call('TYPE', key).ok
    return {
        key, kind, redis.call('PEXPIRETIME', key), redis.call('DUMP', key), redis.call('OBJECT', 'ENCODING', key),
        (read[kind] or function() return '' end)(key),
    }
end
local function snapshot(n)
    local databases = {}
    for number = 1, n do
        redis.call('SELECT', number - 1)
        local keys = redis.call('KEYS', '*')
        for i, key in ipairs(keys) do keys[i] = of_key(key) end
        databases[number] = keys
    end
    return databases
end
";

/// The keys of all databases that hold any.
#[derive(Clone, Default, PartialEq)]
pub struct Snapshot {
    pub databases: BTreeMap<u32, Keys>,
}

impl Snapshot {
    /// Reads everything that `client`'s server holds. Expired keys that are still in memory are not part of it, and
    /// stay there. The connection is left in the database that it was in.
    pub fn take(client: &mut impl Connection) -> Self {
        let client_info = client.must("CLIENT INFO").as_text().to_owned();
        let selected = client_info.split(' ').find_map(|field| field.strip_prefix("db=")).expect("CLIENT INFO has db");
        let keyspace = client.must("INFO keyspace").as_text().to_owned();
        let numbers = keyspace.lines().filter_map(|line| line.strip_prefix("db")?.split_once(':'));
        let mut databases = BTreeMap::new();
        for (number, _) in numbers {
            client.must(&format!("SELECT {number}"));
            databases.insert(number.parse().expect("a database number"), take_database(client));
        }
        if !databases.is_empty() {
            client.must(&format!("SELECT {selected}"));
        }
        databases.retain(|_, keys: &mut Keys| !keys.is_empty());
        Self { databases }
    }

    /// What [`SCRIPT`] answered, which is everything that the server held at one instant.
    ///
    /// # Panics
    /// When the reply is another.
    pub fn of_script(reply: &Reply) -> Self {
        let numbers = 0..;
        let databases = numbers.zip(reply.items()).map(|(number, keys)| (number, keys.items().iter().map(keyed)));
        let mut databases: BTreeMap<u32, Keys> = databases.map(|(number, keys)| (number, keys.collect())).collect();
        databases.retain(|_, keys| !keys.is_empty());
        Self { databases }
    }

    /// The keys of database `number`; none when it is empty.
    pub fn database(&self, number: u32) -> Keys {
        self.databases.get(&number).cloned().unwrap_or_default()
    }

    /// The same snapshot with other keys in database `number`.
    #[must_use]
    pub fn with_database(mut self, number: u32, keys: Keys) -> Self {
        self.databases.remove(&number);
        if !keys.is_empty() {
            self.databases.insert(number, keys);
        }
        self
    }

    /// What differs between this snapshot, the expected one, and `actual`: a line or two for each key. Empty when
    /// nothing does. A DUMP that this side does not have is not compared.
    pub fn differences(&self, actual: &Snapshot) -> Vec<String> {
        let numbers: BTreeSet<_> = self.databases.keys().chain(actual.databases.keys()).collect();
        numbers.into_iter().flat_map(|&n| differing_keys(n, &self.database(n), &actual.database(n))).collect()
    }

    /// Fails the test with a readable list unless `actual` is as this snapshot says.
    ///
    /// # Panics
    /// When they differ.
    pub fn assert_matches(&self, actual: &Snapshot) {
        let differences = self.differences(actual);
        assert!(differences.is_empty(), "the keyspace is not as expected:\n{}", differences.join("\n"));
    }
}

fn take_database(client: &mut impl Connection) -> Keys {
    let keys = client.must("KEYS *").byte_items();
    let commands = keys.iter().flat_map(|key| {
        [&["TYPE"][..], &["PEXPIRETIME"], &["DUMP"], &["OBJECT", "ENCODING"]].map(|name| command(name, key, &[]))
    });
    let facts = client.pipeline(commands.collect());
    let types: Vec<_> = facts.iter().step_by(4).map(|reply| reply.as_text().to_owned()).collect();
    let reads = keys.iter().zip(&types).map(|(key, kind)| read_command(kind, key));
    let values = client.pipeline(reads.collect());
    let mut database = Keys::new();
    for (((key, kind), facts), value) in keys.into_iter().zip(types).zip(facts.chunks(4)).zip(values) {
        // A key that expired since KEYS is no key.
        if let [_, Reply::Int(expires_at), Reply::Bulk(dump), Reply::Bulk(encoding)] = facts {
            database.insert(key, entry(&kind, *expires_at, dump, encoding, &value));
        }
    }
    database
}

fn entry(kind: &str, expires_at: i64, dump: &[u8], encoding: &[u8], value: &Reply) -> Entry {
    // A hash with fields that expire keeps those that have until somebody looks for them.
    let varies = [&b"hashtable"[..], b"listpackex"].contains(&encoding);
    Entry { content: content(kind, value, dump), expires_at, dump: (!varies).then(|| without_footer(dump)) }
}

/// A key as [`SCRIPT`] tells of it.
fn keyed(reply: &Reply) -> (Vec<u8>, Entry) {
    let [key, kind, expires_at, dump, encoding, value] = reply.items() else { panic!("not a key: {reply:?}") };
    let entry = entry(kind.as_text(), expires_at.as_int(), dump.as_bytes(), encoding.as_bytes(), value);
    (key.as_bytes().to_vec(), entry)
}

fn command(name: &[&str], key: &[u8], rest: &[&str]) -> Vec<Vec<u8>> {
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    [words(name), vec![key.to_vec()], words(rest)].concat()
}

fn read_command(kind: &str, key: &[u8]) -> Vec<Vec<u8>> {
    match kind {
        "string" => command(&["GET"], key, &[]),
        "hash" => command(&["HGETALL"], key, &[]),
        "set" => command(&["SMEMBERS"], key, &[]),
        "zset" => command(&["ZRANGE"], key, &["0", "-1", "WITHSCORES"]),
        "list" => command(&["LRANGE"], key, &["0", "-1"]),
        _ => command(&["EXISTS"], key, &[]),
    }
}

fn content(kind: &str, value: &Reply, dump: &[u8]) -> Content {
    let pairs = || value.pairs().iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
    match kind {
        "string" => Content::String(value.as_bytes().to_vec()),
        "hash" => Content::Hash(pairs()),
        "set" => Content::Set(value.byte_items().into_iter().collect()),
        "zset" => Content::SortedSet(pairs()),
        "list" => Content::List(value.byte_items()),
        _ => Content::Other(kind.to_owned(), without_footer(dump)),
    }
}

/// A DUMP without its last ten bytes: the format's version and a checksum.
fn without_footer(dump: &[u8]) -> Vec<u8> {
    dump[..dump.len() - 10].to_vec()
}

fn differing_keys(number: u32, expected: &Keys, actual: &Keys) -> Vec<String> {
    let names: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        let (old, new) = (expected.get(name), actual.get(name));
        if !same(old, new) {
            lines.push(format!("db {number} key {}", quote(name)));
            lines.push(format!("    expected: {}", describe(old)));
            lines.push(format!("    actual:   {}", describe(new)));
        }
    }
    lines
}

fn same(expected: Option<&Entry>, actual: Option<&Entry>) -> bool {
    match (expected, actual) {
        (Some(old), Some(new)) => {
            is_like(&old.content, &new.content)
                && old.expires_at == new.expires_at
                && (old.dump.is_none() || new.dump.is_none() || old.dump == new.dump)
        }
        (None, None) => true,
        _ => false,
    }
}

/// Whether they are the same, where any moment may stand for the one that the model does not know.
fn is_like(expected: &Content, actual: &Content) -> bool {
    let (Content::String(old), Content::String(new)) = (expected, actual) else { return expected == actual };
    let at = |text: &[u8]| text.windows(NOW.len()).position(|window| window == NOW.as_bytes());
    let (mut old, mut new) = (&old[..], &new[..]);
    while let Some(length) = at(old) {
        let Some(rest) = new.strip_prefix(&old[..length]) else { return false };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        (old, new) = (&old[length + NOW.len()..], &rest[digits..]);
    }
    old == new
}

fn describe(entry: Option<&Entry>) -> String {
    match entry {
        None => "no such key".to_owned(),
        Some(entry) => {
            let dump = entry.dump.as_ref().map_or_else(String::new, |dump| format!(", dump {}", quote(dump)));
            format!("{:?}, expires at {}{dump}", entry.content, entry.expires_at)
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &mut dyn Iterator<Item = &Vec<u8>>| items.map(quote).collect::<Vec<_>>().join(" ");
        let pairs = |map: &BTreeMap<Vec<u8>, Vec<u8>>| {
            map.iter().map(|(k, v)| format!("{}={}", quote(k), quote(v))).collect::<Vec<_>>().join(" ")
        };
        match self {
            Self::String(bytes) => write!(f, "string {}", quote(bytes)),
            Self::Hash(map) => write!(f, "hash {}", pairs(map)),
            Self::Set(set) => write!(f, "set {}", list(&mut set.iter())),
            Self::SortedSet(map) => write!(f, "zset {}", pairs(map)),
            Self::List(items) => write!(f, "list {}", list(&mut items.iter())),
            Self::Other(kind, dump) => write!(f, "{kind} {}", quote(dump)),
        }
    }
}
