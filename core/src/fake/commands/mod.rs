//! The server's own commands, as far as tests send them. What they answer is right where it is a number or a value; errors
//! have few words.

mod collections;
mod keys;
mod lists;
mod strings;

use std::rc::Rc;

use super::{Answer, Bytes, Entry, Fake, Value};

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(&'static str);

const SYNTAX: Refusal = Refusal("ERR syntax error");
const WRONG_TYPE: Refusal = Refusal("WRONGTYPE Operation against a key holding the wrong kind of value");
const NO_NUMBER: Refusal = Refusal("ERR value is not an integer or out of range");
const NO_KEY: Refusal = Refusal("ERR no such key");

type Outcome = Result<Answer, Refusal>;
type Handler = fn(&Fake, &Words<'_>) -> Outcome;

/// All commands; those that write nothing are marked.
const COMMANDS: [(&str, bool, Handler); 76] = [
    ("append", true, strings::append),
    ("bitop", true, strings::bit_op),
    ("blmove", true, lists::block_move),
    ("blpop", true, lists::block_pop),
    ("brpoplpush", true, lists::block_move),
    ("copy", true, keys::copy),
    ("debug", true, keys::debug),
    ("del", true, keys::delete),
    ("dump", false, keys::dump),
    ("exists", false, keys::exists),
    ("expire", true, keys::expire),
    ("geoadd", true, collections::geo_add),
    ("get", false, strings::get),
    ("getdel", true, strings::get),
    ("getex", true, strings::get),
    ("getset", true, strings::set),
    ("hdel", true, collections::remove),
    ("hincrby", true, collections::hash_increment),
    ("hset", true, collections::hash_set),
    ("hsetnx", true, collections::hash_set),
    ("incr", true, strings::increment),
    ("incrby", true, strings::increment),
    ("linsert", true, lists::insert),
    ("lmove", true, lists::move_element),
    ("lpop", true, lists::pop),
    ("lpush", true, lists::push),
    ("lrem", true, lists::remove),
    ("lset", true, lists::set),
    ("ltrim", true, lists::trim),
    ("move", true, keys::move_key),
    ("mset", true, strings::set_many),
    ("msetnx", true, strings::set_many),
    ("persist", true, keys::persist),
    ("pexpire", true, keys::expire),
    ("pexpireat", true, keys::expire),
    ("ping", false, |_, _| Ok(Answer::Status("PONG"))),
    ("psetex", true, strings::set),
    ("rename", true, keys::rename),
    ("renamenx", true, keys::rename),
    ("restore", true, keys::restore),
    ("rpoplpush", true, lists::move_element),
    ("rpush", true, lists::push),
    ("sadd", true, collections::set_add),
    ("sdiffstore", true, collections::store_sets),
    ("select", false, keys::select),
    ("set", true, strings::set),
    ("setbit", true, strings::set_bit),
    ("setex", true, strings::set),
    ("setnx", true, strings::set),
    ("setrange", true, strings::set_range),
    ("sinterstore", true, collections::store_sets),
    ("smove", true, collections::move_member),
    ("sort", true, lists::sort),
    ("spop", true, collections::pop),
    ("srem", true, collections::remove),
    ("sunionstore", true, collections::store_sets),
    ("unlink", true, keys::delete),
    ("xadd", true, keys::add_to_stream),
    ("zadd", true, collections::scored_add),
    ("zpopmin", true, collections::pop),
    ("zrangestore", true, collections::store_scored),
    ("zrem", true, collections::remove),
    ("zunionstore", true, collections::store_scored),
    // Those that the world carries out.
    ("eval", true, elsewhere),
    ("discard", false, elsewhere),
    ("exec", true, elsewhere),
    ("flushall", true, elsewhere),
    ("flushdb", true, elsewhere),
    ("multi", false, elsewhere),
    ("reset", false, elsewhere),
    ("session.explain", false, elsewhere),
    ("session.inspect", false, elsewhere),
    ("session.layout", false, elsewhere),
    ("session.logout", true, elsewhere),
    ("session.sweep", true, elsewhere),
    ("swapdb", true, elsewhere),
];

fn elsewhere(_: &Fake, _: &Words<'_>) -> Outcome {
    Err(Refusal("ERR not here"))
}

fn find(name: &[u8]) -> Option<(bool, Handler)> {
    let found = COMMANDS.iter().find(|(known, ..)| name.eq_ignore_ascii_case(known.as_bytes()));
    found.map(|(_, writes, handler)| (*writes, *handler))
}

/// Whether there is a command of this name.
pub(super) fn exists(name: &[u8]) -> bool {
    find(name).is_some()
}

/// Whether a command of this name may write.
pub(super) fn writes(name: &[u8]) -> bool {
    find(name).is_some_and(|(writes, _)| writes)
}

/// Carries out a command in the selected database. [`Answer::Waits`] if there is nothing yet that it could take.
pub(super) fn execute(fake: &Fake, command: &[Bytes]) -> Answer {
    let Some((_, handler)) = find(&command[0]) else { return Answer::Error("ERR unknown command".to_owned()) };
    let name = command[0].to_ascii_lowercase();
    handler(fake, &Words { name: &name, words: &command[1..] })
        .unwrap_or_else(|refusal| Answer::Error(refusal.0.to_owned()))
}

/// A command's name, in lower case, and its arguments.
#[derive(Debug)]
pub(super) struct Words<'a> {
    name: &'a [u8],
    words: &'a [Bytes],
}

impl<'a> Words<'a> {
    fn get(&self, at: usize) -> Result<&'a [u8], Refusal> {
        self.words.get(at).map(|word| &**word).ok_or(SYNTAX)
    }

    fn from(&self, at: usize) -> &'a [Bytes] {
        self.words.get(at..).unwrap_or_default()
    }

    fn number(&self, at: usize) -> Result<i64, Refusal> {
        number(self.get(at)?)
    }

    fn is(&self, name: &str) -> bool {
        self.name == name.as_bytes()
    }

    /// Where an option stands.
    fn option(&self, from: usize, name: &str) -> Option<usize> {
        let found = self.from(from).iter().position(|word| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|at| at + from)
    }
}

fn number(text: &[u8]) -> Result<i64, Refusal> {
    let number: Option<i64> = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    // Only as the server would write it itself.
    number.filter(|number| number.to_string().as_bytes() == text).ok_or(NO_NUMBER)
}

#[allow(clippy::unnecessary_wraps)] // a command's last word
fn count(number: usize) -> Outcome {
    Ok(Answer::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
}

#[allow(clippy::unnecessary_wraps)] // a command's last word
fn yes_or_no(is: bool) -> Outcome {
    Ok(Answer::Integer(is.into()))
}

const OK: Outcome = Ok(Answer::Status("OK"));

fn bytes(value: Option<Bytes>) -> Answer {
    value.map_or(Answer::Nil, Answer::Bytes)
}

/// How a value of one type is looked at, and made.
type Form<T> = (fn(&Value) -> Option<&T>, fn(T) -> Value);

/// A key's value, if its type is right.
fn typed<T>(fake: &Fake, name: &[u8], pick: fn(&Value) -> Option<&T>) -> Result<Option<(T, Option<u64>)>, Refusal>
where
    T: Clone,
{
    let Some(Entry { value, expires_at }) = fake.get(name) else { return Ok(None) };
    pick(&value).map(|picked| Some((picked.clone(), expires_at))).ok_or(WRONG_TYPE)
}

/// Changes a key's value, which keeps its time to live; there is one if it is not there yet.
fn change<T: Default + Clone, R>(
    fake: &Fake,
    name: &[u8],
    (pick, make): Form<T>,
    edit: impl FnOnce(&mut T) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    let (mut value, expires_at) = typed(fake, name, pick)?.unwrap_or_default();
    let result = edit(&mut value)?;
    let value = make(value);
    // A collection that is not there does not come to be by having nothing added.
    if !(value.is_nothing() && fake.get(name).is_none()) {
        fake.put(name, value, expires_at);
    }
    Ok(result)
}

/// The same for a key that has to be there; `missing` is the answer if it is not.
fn change_existing<T: Default + Clone>(
    fake: &Fake,
    name: &[u8],
    form: Form<T>,
    missing: Outcome,
    edit: impl FnOnce(&mut T) -> Outcome,
) -> Outcome {
    if fake.get(name).is_none() { missing } else { change(fake, name, form, edit) }
}

/// Puts a value in the place of whatever there is: of another key, as far as events tell.
fn replace(fake: &Fake, name: &[u8], value: Value, expires_at: Option<u64>) {
    fake.delete(name);
    fake.put(name, value, expires_at);
}

fn owned(value: Rc<Value>) -> Value {
    Rc::unwrap_or_clone(value)
}
