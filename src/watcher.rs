//! Which commands may change what the index knows. Pure.
//!
//! The module sees every command before it runs, and nothing of it afterwards: watching keyspace events would make each
//! write of the server slower, whoever's it is. So a command is not understood, only suspected: whoever names a key that
//! the index cares for, in any argument, may have changed it, unless the command is known to be harmless. What is
//! suspected is read again once the command has run. A suspicion too many costs a look; one too few would cost
//! exactness, so new commands, and commands of other modules, are suspected by themselves.

use std::collections::HashMap;

use crate::{
    layout::{Layout, Reach},
    template::Template,
};

/// Recognises names of keys that the index cares for.
#[derive(Debug)]
pub struct Watcher {
    templates: Box<[Template]>,
    /// Which first bytes an argument can have that matters: most are told apart by it.
    first_bytes: [bool; 256],
}

impl Watcher {
    /// What a layout needs to have watched: traces whose key does not follow from the ids.
    pub fn new(layout: &Layout) -> Self {
        let indexed = layout.traces.iter().filter(|trace| trace.reach != Reach::Direct);
        let templates: Box<[Template]> = indexed.map(|trace| trace.key.clone()).collect();
        let mut first_bytes = [false; 256];
        for byte in [POPULATE[0], POPULATE[0].to_ascii_uppercase()] {
            first_bytes[usize::from(byte)] = true;
        }
        for template in &templates {
            match template.prefix().first() {
                Some(byte) => first_bytes[usize::from(*byte)] = true,
                None => first_bytes = [true; 256],
            }
        }
        Self { templates, first_bytes }
    }

    /// Whether a command with this argument has to be looked at: a quick test, which nearly every argument fails.
    #[inline]
    pub fn may_matter(&self, argument: &[u8]) -> bool {
        argument.first().is_some_and(|byte| self.first_bytes[usize::from(*byte)])
    }

    /// Whether the index cares for a key of this name.
    pub fn cares_for(&self, name: &[u8]) -> bool {
        self.may_matter(name) && self.templates.iter().any(|template| template.matches(name).is_some())
    }

    /// Whether there is anything to watch at all.
    pub fn is_idle(&self) -> bool {
        self.templates.is_empty()
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

/// Commands that add nothing to a key that they name: they read it, or take from it.
const HARMLESS: [&str; 64] = [
    "bitcount",
    "bitpos",
    "del",
    "dump",
    "exists",
    "geodist",
    "geohash",
    "geopos",
    "get",
    "getbit",
    "getdel",
    "getrange",
    "hdel",
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
    "lpop",
    "lpos",
    "lrange",
    "lrem",
    "ltrim",
    "memory",
    "mget",
    "object",
    "ping",
    "pttl",
    "publish",
    "rpop",
    "scan",
    "scard",
    "sdiff",
    "sinter",
    "sismember",
    "smembers",
    "smismember",
    "spop",
    "srandmember",
    "srem",
    "sscan",
    "strlen",
    "sunion",
    "touch",
    "ttl",
    "type",
    "unlink",
    "watch",
    "zcard",
    "zcount",
    "zrange",
    "zrangebyscore",
    "zrank",
    "zrem",
    "zrevrange",
    "zscan",
    "zscore",
];

/// Commands that change a key's time to live alone. They are harmless where the key is deleted when that time is over; on
/// a replica it lives on, unseen, until its master says so, and such a command can bring it back.
const TIMES_TO_LIVE: [&str; 8] =
    ["expire", "expireat", "expiretime", "getex", "persist", "pexpire", "pexpireat", "pexpiretime"];

/// Whether the command is known to add nothing to keys. Asked only when an argument looks like such a key.
pub fn is_harmless(command: &[u8], on_replica: bool) -> bool {
    let Ok(name) = std::str::from_utf8(command) else { return false };
    let name = &*name.to_ascii_lowercase();
    HARMLESS.binary_search(&name).is_ok() || (!on_replica && TIMES_TO_LIVE.contains(&name))
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
        for name in ["typing:r:u", "socket_data:s", "room:r", "room:r:participants"] {
            assert!(watcher.cares_for(name.as_bytes()), "{name}");
        }
        for name in ["", "t", "typing:", "typing:r", "user_socket:u", "active_users", "socket_data", "rooms:1"] {
            assert!(!watcher.cares_for(name.as_bytes()), "{name}");
        }
        for (argument, matters) in [("typing", true), ("Populate", true), ("", false), ("user_socket:u", false)] {
            assert_eq!(watcher.may_matter(argument.as_bytes()), matters, "{argument}");
        }
        assert!(populates(b"POPULATE") && !populates(b"pop"));
        let direct = Layout::parse(r#"{"name":"x","traces":[{"key":"a:{userId}"}]}"#).unwrap();
        assert!(Watcher::new(&direct).is_idle());
        let any = Layout::parse(r#"{"name":"x","traces":[{"key":"{tenant}/{userId}"}]}"#).unwrap();
        assert!(Watcher::new(&any).cares_for(b"acme/u") && !Watcher::new(&any).cares_for(b"acme"));
    }

    #[test]
    fn the_table_of_harmless_commands_can_be_searched() {
        assert!(HARMLESS.is_sorted());
        for command in ["get", "GET", "ZScore", "bitcount"] {
            assert!(is_harmless(command.as_bytes(), true), "{command}");
        }
        assert!(is_harmless(b"PERSIST", false) && !is_harmless(b"PERSIST", true));
        for command in ["set", "rename", "copy", "eval", "unheard.of", "\u{e9}", "", "hset", "smove", "restore"] {
            assert!(!is_harmless(command.as_bytes(), false), "{command}");
        }
        assert!(!is_harmless(b"\xff", false));
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
