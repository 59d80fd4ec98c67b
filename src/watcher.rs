//! Which commands may change what the index knows. Pure.
//!
//! The module sees every command before it runs, and nothing of it afterwards: watching keyspace events would make each
//! write of the server slower, whoever's it is. So a command is not understood, only suspected: whoever names a key that
//! the index cares for, in any argument, may have changed it, unless the command is known to be harmless. What is
//! suspected is read again once the command has run. A suspicion too many costs a look; one too few would cost
//! exactness, so new commands, and commands of other modules, are suspected by themselves.

use std::collections::HashMap;

use crate::{
    layout::{Layout, What},
    template::Template,
};

/// What a command may have changed: a key, or one member that it may have put into a collection. `K` is a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect<K> {
    /// The key.
    pub key: K,
    /// The member, if nothing else of the key has changed.
    pub member: Option<K>,
}

/// Recognises names of keys that the index cares for.
#[derive(Debug)]
pub struct Watcher {
    keys: Box<[Watched]>,
    /// Which first bytes an argument can have that matters: most are told apart by it.
    first_bytes: [bool; 256],
}

/// Keys of one template.
#[derive(Debug)]
struct Watched {
    template: Template,
    /// They are collections of members alone.
    is_collection: bool,
    /// Whether a user is live follows from them, so it matters too if something is taken from them.
    is_vital: bool,
}

impl Watcher {
    /// What a layout needs to have watched.
    pub fn new(layout: &Layout) -> Self {
        let vital = layout.sockets.iter().flat_map(|sockets| [&sockets.of, &sockets.data]);
        let vital: Vec<&Template> = vital.collect();
        let traces = layout.traces.iter().filter(|trace| trace.is_watched());
        let traces = traces.map(|trace| (&trace.key, matches!(trace.what, What::Member { .. })));
        let mut keys: Vec<Watched> = Vec::new();
        for (template, is_collection) in traces.chain(vital.iter().map(|template| (*template, false))) {
            if let Some(known) = keys.iter_mut().find(|known| known.template == *template) {
                known.is_collection &= is_collection;
            } else {
                let is_vital = vital.contains(&template);
                keys.push(Watched { template: template.clone(), is_collection, is_vital });
            }
        }
        let mut first_bytes = [false; 256];
        for byte in [POPULATE[0], POPULATE[0].to_ascii_uppercase()] {
            first_bytes[usize::from(byte)] = true;
        }
        for key in &keys {
            match key.template.prefix().first() {
                Some(byte) => first_bytes[usize::from(*byte)] = true,
                None => first_bytes = [true; 256],
            }
        }
        Self { keys: keys.into(), first_bytes }
    }

    /// Whether a command with this argument has to be looked at: a quick test, which nearly every argument fails.
    #[inline]
    pub fn may_matter(&self, argument: &[u8]) -> bool {
        argument.first().is_some_and(|byte| self.first_bytes[usize::from(*byte)]) && self.may_be_watched(argument)
    }

    fn may_be_watched(&self, argument: &[u8]) -> bool {
        self.keys.iter().any(|key| argument.starts_with(key.template.prefix())) || populates(argument)
    }

    /// Whether the index cares for a key of this name.
    pub fn cares_for(&self, name: &[u8]) -> bool {
        self.may_matter(name) && self.watched(name).next().is_some()
    }

    /// Whether a key of this name is of interest for its members alone.
    pub fn is_collection(&self, name: &[u8]) -> bool {
        self.watched(name).all(|key| key.is_collection)
    }

    /// Whether somebody may cease to be live when a key of this name loses something.
    pub fn is_vital(&self, name: &[u8]) -> bool {
        self.watched(name).any(|key| key.is_vital)
    }

    fn watched(&self, name: &[u8]) -> impl Iterator<Item = &Watched> {
        self.keys.iter().filter(|key| key.template.matches(name).is_some())
    }

    /// Whether there is anything to watch at all.
    pub fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }
}

/// What a command means to the watcher, by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It runs when it is called. If it names a key, it may have changed it.
    Ordinary,
    /// `MULTI`: what follows from this client is queued.
    Begin,
    /// `EXEC`: what was queued runs now.
    Execute,
    /// `DISCARD`: what was queued is dropped.
    Discard,
    /// `RESET`: it is dropped too, if a transaction was open.
    Reset,
    /// `DEBUG`: it may create keys that it does not name.
    Anything,
}

/// Tells commands apart that are not ordinary.
pub fn meaning(command: &[u8]) -> Meaning {
    let is = |name: &str| command.eq_ignore_ascii_case(name.as_bytes());
    match command.len() {
        4 if is("exec") => Meaning::Execute,
        5 if is("multi") => Meaning::Begin,
        5 if is("reset") => Meaning::Reset,
        5 if is("debug") => Meaning::Anything,
        7 if is("discard") => Meaning::Discard,
        _ => Meaning::Ordinary,
    }
}

/// What `DEBUG` is told to create keys that it does not name.
const POPULATE: &[u8] = b"populate";

/// Whether the first argument of `DEBUG` tells it to create keys.
pub fn populates(argument: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(POPULATE)
}

/// Commands that change nothing in a key that they name.
const READING: [&str; 55] = [
    "bitcount",
    "bitpos",
    "dump",
    "exists",
    "expiretime",
    "geodist",
    "geohash",
    "geopos",
    "get",
    "getbit",
    "getrange",
    "hexists",
    "hget",
    "hgetall",
    "hkeys",
    "hlen",
    "hmget",
    "hscan",
    "hstrlen",
    "hvals",
    "keys",
    "lindex",
    "llen",
    "lpos",
    "lrange",
    "memory",
    "mget",
    "object",
    "pexpiretime",
    "ping",
    "pttl",
    "publish",
    "scan",
    "scard",
    "sdiff",
    "sinter",
    "sismember",
    "smembers",
    "smismember",
    "srandmember",
    "sscan",
    "strlen",
    "sunion",
    "touch",
    "ttl",
    "type",
    "watch",
    "zcard",
    "zcount",
    "zrange",
    "zrangebyscore",
    "zrank",
    "zrevrange",
    "zscan",
    "zscore",
];

/// Commands that add nothing to a key that they name, and may take from it.
const TAKING: [&str; 11] = ["del", "getdel", "hdel", "lpop", "lrem", "ltrim", "rpop", "spop", "srem", "unlink", "zrem"];

/// Commands that change a key's time to live alone. They add nothing where the key is deleted when that time is over; on
/// a replica it lives on, unseen, until its master says so, and such a command can bring it back.
const TIMES_TO_LIVE: [&str; 6] = ["expire", "expireat", "getex", "persist", "pexpire", "pexpireat"];

/// What a command may do to the keys that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// It may take something from them, or let them end earlier.
    Takes,
    /// It may put these arguments into the collection that is its first argument, and does nothing else.
    Adds(Members),
    /// Anything.
    Anything,
}

/// Which arguments of a command are members of a collection; they are numbered from 0, the command's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// This one.
    At(usize),
    /// Every so many, from one on: `From(first, step)`.
    From(usize, usize),
    /// Those behind the scores, which come after options.
    Scored,
}

/// Commands that put members into a collection.
const ADDING: [(&str, Members); 14] = [
    ("hincrby", Members::At(2)),
    ("hincrbyfloat", Members::At(2)),
    ("hmset", Members::From(2, 2)),
    ("hset", Members::From(2, 2)),
    ("hsetnx", Members::At(2)),
    ("linsert", Members::At(4)),
    ("lpush", Members::From(2, 1)),
    ("lpushx", Members::From(2, 1)),
    ("lset", Members::At(3)),
    ("rpush", Members::From(2, 1)),
    ("rpushx", Members::From(2, 1)),
    ("sadd", Members::From(2, 1)),
    ("zadd", Members::Scored),
    ("zincrby", Members::At(3)),
];

impl Members {
    /// Where they stand among `count` arguments; `get` gives an argument.
    pub fn positions<'a>(self, count: usize, get: impl Fn(usize) -> &'a [u8]) -> impl Iterator<Item = usize> {
        let (first, step, last) = match self {
            Self::At(at) => (at, 1, at + 1),
            Self::From(first, step) => (first, step, count),
            Self::Scored => {
                let is_option = |at: &usize| {
                    ["nx", "xx", "gt", "lt", "ch", "incr"]
                        .iter()
                        .any(|name| get(*at).eq_ignore_ascii_case(name.as_bytes()))
                };
                ((2..count).find(|at| !is_option(at)).unwrap_or(count) + 1, 2, count)
            }
        };
        (first..last.min(count)).step_by(step)
    }
}

/// What a command may do, by its name. Asked only when an argument looks like a key that is watched. Whatever is not
/// known may do anything.
pub fn effect(command: &[u8], on_replica: bool) -> Effect {
    let Ok(name) = std::str::from_utf8(command) else { return Effect::Anything };
    let name = &*name.to_ascii_lowercase();
    if READING.binary_search(&name).is_ok() {
        return Effect::Nothing;
    }
    if TAKING.binary_search(&name).is_ok() || (!on_replica && TIMES_TO_LIVE.contains(&name)) {
        return Effect::Takes;
    }
    let adding = ADDING.binary_search_by_key(&name, |(name, _)| name);
    adding.map_or(Effect::Anything, |at| Effect::Adds(ADDING[at].1))
}

/// Commands that may wait, and then write a key that they named long before, when another command lets them go on.
pub fn may_wait(command: &[u8]) -> bool {
    ["blmove", "brpoplpush"].iter().any(|name| command.eq_ignore_ascii_case(name.as_bytes()))
}

/// Above so many keys in a queue the module gives up telling which.
const MOST_QUEUED: usize = 4096;

/// What transactions have queued. `K` is a key's name.
///
/// Servers from 7.2 on say which client sends a command; 7.0 does not. There, all clients are taken for one that may
/// have several transactions open: a key stays queued until none is. That can fail only if a client sends `EXEC` without
/// `MULTI` while another has a transaction open, and is noticed when that one executes: see [`OutOfStep`].
#[derive(Debug)]
pub struct Transactions<K> {
    open: HashMap<u64, Queue<K>>,
}

#[derive(Clone, Debug)]
struct Queue<K> {
    transactions: usize,
    queued: Queued<K>,
}

/// What transactions may change when they execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued<K> {
    /// These keys.
    pub keys: Vec<K>,
    /// And any others.
    pub anything: bool,
}

/// More was executed than was known to be open.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfStep;

/// Stands for a client that the server does not identify.
pub const ANYBODY: u64 = 0;

impl<K> Default for Transactions<K> {
    fn default() -> Self {
        Self { open: HashMap::new() }
    }
}

impl<K> Default for Queued<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), anything: false }
    }
}

impl<K: Clone> Transactions<K> {
    /// The client opens a transaction.
    pub fn begin(&mut self, client: u64) {
        let queue = self.open.entry(client).or_insert(Queue { transactions: 0, queued: Queued::default() });
        queue.transactions = if client == ANYBODY { queue.transactions + 1 } else { 1 };
    }

    /// Queues a key if the client may have a transaction open. The command may run at once all the same: `MULTI` may have
    /// been refused.
    pub fn queue(&mut self, client: u64, key: &K) {
        let Some(queue) = self.open.get_mut(&client) else { return };
        if queue.queued.keys.len() < MOST_QUEUED {
            queue.queued.keys.push(key.clone());
        } else {
            queue.queued = Queued { keys: Vec::new(), anything: true };
        }
    }

    /// The same for a command that may change any key.
    pub fn queue_anything(&mut self, client: u64) {
        if let Some(queue) = self.open.get_mut(&client) {
            queue.queued.anything = true;
        }
    }

    /// The client executes its transaction.
    ///
    /// # Errors
    /// [`OutOfStep`] if clients cannot be told apart and none is known to have one open.
    pub fn execute(&mut self, client: u64) -> Result<Queued<K>, OutOfStep> {
        match self.end(client) {
            None if client == ANYBODY => Err(OutOfStep),
            queued => Ok(queued.unwrap_or_default()),
        }
    }

    /// The client drops its transaction. With clients that cannot be told apart nothing is dropped.
    pub fn discard(&mut self, client: u64) -> Queued<K> {
        let queued = self.end(client).unwrap_or_default();
        if client == ANYBODY { queued } else { Queued::default() }
    }

    /// What a transaction that ends has queued; as long as others may be open, it stays queued too.
    fn end(&mut self, client: u64) -> Option<Queued<K>> {
        let queue = self.open.get_mut(&client)?;
        queue.transactions -= 1;
        if queue.transactions > 0 {
            return Some(queue.queued.clone());
        }
        self.open.remove(&client).map(|queue| queue.queued)
    }

    /// Whether clients that cannot be told apart have queued more than can be kept.
    pub fn is_overrun(&self) -> bool {
        self.open.get(&ANYBODY).is_some_and(|queue| queue.queued.anything)
    }

    /// Forgets clients that are gone; `is_there` says which are not.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.open.retain(|client, _| *client == ANYBODY || is_there(*client));
    }

    /// Whether no transaction is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_index_needs_are_cared_for() {
        let watcher = Watcher::new(&Layout::easyshare());
        for name in ["typing:r:u", "socket_data:s", "room:r", "room:r:participants", "user_socket:u", "active_users"] {
            assert!(watcher.cares_for(name.as_bytes()), "{name}");
        }
        for name in ["", "t", "typing:", "typing:r", "user_status:u", "active_users2", "socket_data", "rooms:1"] {
            assert!(!watcher.cares_for(name.as_bytes()), "{name}");
        }
        for (argument, matters) in [("typing:", true), ("Populate", true), ("", false), ("user_status:u", false)] {
            assert_eq!(watcher.may_matter(argument.as_bytes()), matters, "{argument}");
        }
        assert!(populates(b"POPULATE") && !populates(b"pop"));
        let direct = Layout::parse(r#"{"name":"x","traces":[{"key":"a:{userId}"}]}"#).unwrap();
        assert!(Watcher::new(&direct).is_idle());
        let any = Layout::parse(r#"{"name":"x","traces":[{"key":"{tenant}/{userId}"}]}"#).unwrap();
        assert!(Watcher::new(&any).cares_for(b"acme/u") && !Watcher::new(&any).cares_for(b"acme"));
    }

    #[test]
    fn a_watched_name_is_a_collection_vital_or_neither() {
        let watcher = Watcher::new(&Layout::easyshare());
        let table = [
            ("active_users", true, false),
            ("user_socket:u", false, true),
            ("socket_data:s", false, true),
            ("room:r", false, false),
        ];
        for (name, is_collection, is_vital) in table {
            let found = (watcher.is_collection(name.as_bytes()), watcher.is_vital(name.as_bytes()));
            assert_eq!(found, (is_collection, is_vital), "{name}");
        }
        // A key that is a trace as a whole too has to be looked at as a whole.
        let text =
            r#"{"name":"x","traces":[{"key":"a:{userId}:{x}"},{"members":"a:{userId}:{x}","member":"{userId}"}]}"#;
        assert!(!Watcher::new(&Layout::parse(text).unwrap()).is_collection(b"a:u:1"));
    }

    #[test]
    fn a_commands_name_tells_what_it_may_do() {
        assert!(READING.is_sorted() && TAKING.is_sorted() && ADDING.is_sorted_by_key(|(name, _)| *name));
        let table: [(&[u8], Effect); 10] = [
            (b"GET", Effect::Nothing),
            (b"ZScore", Effect::Nothing),
            (b"del", Effect::Takes),
            (b"SREM", Effect::Takes),
            (b"SADD", Effect::Adds(Members::From(2, 1))),
            (b"set", Effect::Anything),
            (b"rename", Effect::Anything),
            (b"unheard.of", Effect::Anything),
            (b"", Effect::Anything),
            (b"\xff", Effect::Anything),
        ];
        for (command, expected) in table {
            assert_eq!(effect(command, false), expected, "{command:?}");
        }
        assert_eq!((effect(b"PERSIST", false), effect(b"PERSIST", true)), (Effect::Takes, Effect::Anything));
    }

    #[test]
    fn members_are_found_among_arguments() {
        let table = [
            ("sadd k a b", vec!["a", "b"]),
            ("hset k a 1 b 2", vec!["a", "b"]),
            ("hsetnx k a 1", vec!["a"]),
            ("hincrby k a 1", vec!["a"]),
            ("zadd k 1 a 2 b", vec!["a", "b"]),
            ("zadd k NX Ch incr 1 a", vec!["a"]),
            ("zadd k NX", vec![]),
            ("zincrby k 1 a", vec!["a"]),
            ("linsert k before p a", vec!["a"]),
            ("lset k 0 a", vec!["a"]),
            ("rpush k", vec![]),
        ];
        for (command, expected) in table {
            let arguments: Vec<&str> = command.split(' ').collect();
            let Effect::Adds(members) = effect(arguments[0].as_bytes(), false) else { panic!("{command}") };
            let positions = members.positions(arguments.len(), |at| arguments[at].as_bytes());
            assert_eq!(positions.map(|at| arguments[at]).collect::<Vec<_>>(), expected, "{command}");
        }
    }

    #[test]
    fn commands_are_told_apart_in_any_case() {
        assert_eq!(meaning(b"MULTI"), Meaning::Begin);
        assert_eq!(meaning(b"eXec"), Meaning::Execute);
        assert_eq!(meaning(b"discard"), Meaning::Discard);
        assert_eq!(meaning(b"DEBUG"), Meaning::Anything);
        assert_eq!(meaning(b"set"), Meaning::Ordinary);
        assert!(may_wait(b"BLMOVE") && may_wait(b"brpoplpush") && !may_wait(b"blpop"));
    }

    #[test]
    fn a_clients_transaction_is_its_own() {
        let mut transactions = Transactions::default();
        transactions.queue(7, &"before");
        transactions.begin(7);
        transactions.begin(7);
        transactions.queue(7, &"a");
        transactions.queue(8, &"b");
        assert_eq!(transactions.execute(8), Ok(Queued::default()), "EXEC without MULTI");
        transactions.queue_anything(7);
        transactions.queue_anything(8);
        assert_eq!(transactions.execute(7), Ok(Queued { keys: vec!["a"], anything: true }));
        assert_eq!(transactions.execute(7), Ok(Queued::default()));
        transactions.begin(7);
        transactions.queue(7, &"d");
        assert_eq!(transactions.discard(7), Queued::default());
        assert_eq!(transactions.execute(7), Ok(Queued::default()));
        transactions.begin(9);
        transactions.retain(|client| client != 9);
        assert!(transactions.is_empty());
    }

    #[test]
    fn a_queue_that_grows_too_long_stands_for_anything() {
        let mut transactions = Transactions::default();
        transactions.begin(7);
        (0..=MOST_QUEUED).for_each(|key| transactions.queue(7, &key));
        assert!(!transactions.is_overrun());
        assert_eq!(transactions.execute(7).map(|queued| queued.anything), Ok(true));
        transactions.begin(ANYBODY);
        (0..=MOST_QUEUED).for_each(|key| transactions.queue(ANYBODY, &key));
        assert!(transactions.is_overrun());
    }

    #[test]
    fn clients_that_cannot_be_told_apart_share_a_queue_until_none_is_open() {
        let mut transactions = Transactions::default();
        let keys = |queued: Queued<i32>| queued.keys;
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &1);
        transactions.begin(ANYBODY);
        transactions.queue(ANYBODY, &2);
        assert_eq!(transactions.execute(ANYBODY).map(keys), Ok(vec![1, 2]));
        transactions.queue(ANYBODY, &3);
        assert_eq!(keys(transactions.discard(ANYBODY)), vec![1, 2, 3], "another may have executed in its place");
        assert_eq!(transactions.execute(ANYBODY), Err(OutOfStep));
    }
}
