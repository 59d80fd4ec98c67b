//! What a command may do, by its name.

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
pub(super) const POPULATE: &[u8] = b"populate";

/// Whether the first argument of `DEBUG` tells it to create keys.
pub fn populates(argument: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(POPULATE)
}

/// What `MODULE`, by whatever name, is told to unload a module.
pub(super) const UNLOAD: &[u8] = b"unload";

/// Whether the first argument of `MODULE` tells it to unload a module.
pub fn unloads(argument: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(UNLOAD)
}

/// Commands that change nothing in a key that they name.
const READING: [&str; 89] = [
    "bitcount",
    "bitfield_ro",
    "bitpos",
    "dump",
    "eval_ro",
    "evalsha_ro",
    "exists",
    "expiretime",
    "fcall_ro",
    "geodist",
    "geohash",
    "geopos",
    "georadius_ro",
    "georadiusbymember_ro",
    "geosearch",
    "get",
    "getbit",
    "getrange",
    "hexists",
    "hexpiretime",
    "hget",
    "hgetall",
    "hkeys",
    "hlen",
    "hmget",
    "hpexpiretime",
    "hpttl",
    "hrandfield",
    "hscan",
    "hstrlen",
    "httl",
    "hvals",
    "keys",
    "lcs",
    "lindex",
    "llen",
    "lpos",
    "lrange",
    "memory",
    "mget",
    "object",
    "pexpiretime",
    "pfcount",
    "ping",
    "pttl",
    "publish",
    "scan",
    "scard",
    "sdiff",
    "sinter",
    "sintercard",
    "sismember",
    "smembers",
    "smismember",
    "sort_ro",
    "srandmember",
    "sscan",
    "strlen",
    "substr",
    "sunion",
    "touch",
    "ttl",
    "type",
    "watch",
    "xinfo",
    "xlen",
    "xpending",
    "xrange",
    "xread",
    "xrevrange",
    "zcard",
    "zcount",
    "zdiff",
    "zinter",
    "zintercard",
    "zlexcount",
    "zmscore",
    "zrandmember",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrank",
    "zrevrange",
    "zrevrangebylex",
    "zrevrangebyscore",
    "zrevrank",
    "zscan",
    "zscore",
    "zunion",
];

/// Commands that add nothing to a key that they name, and may take from it.
const TAKING: [&str; 11] = ["del", "getdel", "hdel", "lpop", "lrem", "ltrim", "rpop", "spop", "srem", "unlink", "zrem"];

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
    /// At regular steps, from one on: `From(first, step)`.
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
/// known may do anything. So do those that change a key's time to live: on a replica, or while data is imported, a key
/// that has expired lives on unseen, and they can bring it back.
pub fn effect(command: &[u8]) -> Effect {
    // Without an allocation, since every write of a watched key comes this way.
    let mut buffer = [0; LONGEST];
    let Some(name) = buffer.get_mut(..command.len()) else { return Effect::Anything };
    name.copy_from_slice(command);
    name.make_ascii_lowercase();
    let known = &KNOWN[BEGINS[name.len()]..BEGINS[name.len() + 1]];
    known.binary_search_by_key(&&*name, |(known, _)| known.as_bytes()).map_or(Effect::Anything, |at| known[at].1)
}

/// Longer than any name here.
const LONGEST: usize = 24;

/// How many names there are.
const COUNT: usize = READING.len() + TAKING.len() + ADDING.len();

/// All of them with what they say, by length, where few are left to compare, and then by name. Made when the module is
/// built: what is made while it runs would stay in the server when it is unloaded.
static KNOWN: [(&str, Effect); COUNT] = known();

/// Where the names of a length begin, and those of the one before end.
static BEGINS: [usize; LONGEST + 2] = begins();

const fn known() -> [(&'static str, Effect); COUNT] {
    let mut known = [("", Effect::Nothing); COUNT];
    let mut count = 0;
    while count < COUNT {
        let (reading, taking) = (count, count.saturating_sub(READING.len()));
        let name = if reading < READING.len() {
            (READING[reading], Effect::Nothing)
        } else if taking < TAKING.len() {
            (TAKING[taking], Effect::Takes)
        } else {
            let (name, members) = ADDING[taking - TAKING.len()];
            (name, Effect::Adds(members))
        };
        // Moves up those that come after it.
        let mut at = count;
        while at > 0 && comes_before(name.0, known[at - 1].0) {
            known[at] = known[at - 1];
            at -= 1;
        }
        known[at] = name;
        count += 1;
    }
    known
}

const fn comes_before(name: &str, other: &str) -> bool {
    if name.len() != other.len() {
        return name.len() < other.len();
    }
    let (name, other) = (name.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < name.len() && name[at] == other[at] {
        at += 1;
    }
    at < name.len() && name[at] < other[at]
}

const fn begins() -> [usize; LONGEST + 2] {
    let known = known();
    let mut begins = [0; LONGEST + 2];
    let mut at = 0;
    while at < COUNT {
        let mut longer = known[at].0.len() + 1;
        while longer < begins.len() {
            begins[longer] += 1;
            longer += 1;
        }
        at += 1;
    }
    begins
}

/// Commands that may wait, and then write a key that they named long before, when another command lets them go on.
pub fn may_wait(command: &[u8]) -> bool {
    ["blmove", "brpoplpush"].iter().any(|name| command.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_commands_name_tells_what_it_may_do() {
        let table: [(&[u8], Effect); 11] = [
            (b"GET", Effect::Nothing),
            (b"ZScore", Effect::Nothing),
            (b"del", Effect::Takes),
            (b"SREM", Effect::Takes),
            (b"SADD", Effect::Adds(Members::From(2, 1))),
            (b"set", Effect::Anything),
            (b"rename", Effect::Anything),
            (b"unheard.of", Effect::Anything),
            (b"a.name.longer.than.any.other", Effect::Anything),
            (b"", Effect::Anything),
            (b"\xff", Effect::Anything),
        ];
        for (command, expected) in table {
            assert_eq!(effect(command), expected, "{command:?}");
        }
        assert_eq!(effect(b"PERSIST"), Effect::Anything);
        let all = READING.iter().chain(&TAKING).chain(ADDING.iter().map(|(name, _)| name));
        assert!(all.clone().all(|name| effect(name.as_bytes()) != Effect::Anything));
        assert_eq!(all.clone().collect::<HashSet<_>>().len(), all.count(), "each name stands once");
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
            let Effect::Adds(members) = effect(arguments[0].as_bytes()) else { panic!("{command}") };
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
}
