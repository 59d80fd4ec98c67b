//! Keys, whatever they hold.

use std::rc::Rc;

use super::{
    Answer, Entry, Fake, NO_KEY, NO_NUMBER, OK, Outcome, Refusal, SYNTAX, Value, WRONG_TYPE, Words, count, owned,
    replace, yes_or_no,
};

const NO_DATABASE: Refusal = Refusal("ERR invalid DB index");

pub(super) fn delete(fake: &Fake, words: &Words<'_>) -> Outcome {
    count(words.from(0).iter().filter(|name| fake.get(name).is_some() && fake.delete(name)).count())
}

pub(super) fn exists(fake: &Fake, words: &Words<'_>) -> Outcome {
    count(words.from(0).iter().filter(|name| fake.get(name).is_some()).count())
}

/// `RENAME`, `RENAMENX`.
pub(super) fn rename(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (from, to) = (words.get(0)?, words.get(1)?);
    let Entry { value, expires_at } = fake.get(from).ok_or(NO_KEY)?;
    if words.is("renamenx") && fake.get(to).is_some() {
        return yes_or_no(false);
    }
    if from != to {
        fake.delete(from);
        replace(fake, to, owned(value), expires_at);
    }
    if words.is("renamenx") { yes_or_no(true) } else { OK }
}

/// `COPY from to [DB number] [REPLACE]`.
pub(super) fn copy(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (from, to) = (words.get(0)?, words.get(1)?);
    let database = match words.option(2, "db") {
        Some(at) => database(fake, words, at + 1)?,
        None => fake.selected.get(),
    };
    if from == to && database == fake.selected.get() {
        return Err(Refusal("ERR source and destination objects are the same"));
    }
    let Some(Entry { value, expires_at }) = fake.get(from) else { return yes_or_no(false) };
    let replaces = words.option(2, "replace").is_some();
    fake.within(database, || {
        let is_free = replaces || fake.get(to).is_none();
        if is_free {
            replace(fake, to, owned(value), expires_at);
        }
        yes_or_no(is_free)
    })
}

fn database(fake: &Fake, words: &Words<'_>, at: usize) -> Result<usize, Refusal> {
    let number = usize::try_from(words.number(at)?).map_err(|_| NO_DATABASE)?;
    if number < fake.databases() { Ok(number) } else { Err(NO_DATABASE) }
}

pub(super) fn move_key(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (name, database) = (words.get(0)?, database(fake, words, 1)?);
    if database == fake.selected.get() {
        return Err(Refusal("ERR source and destination objects are the same"));
    }
    let Some(Entry { value, expires_at }) = fake.get(name) else { return yes_or_no(false) };
    let is_free = fake.within(database, || fake.get(name).is_none());
    if is_free {
        fake.delete(name);
        fake.within(database, || fake.put(name, owned(value), expires_at));
    }
    yes_or_no(is_free)
}

pub(super) fn select(fake: &Fake, words: &Words<'_>) -> Outcome {
    fake.selected.set(database(fake, words, 0)?);
    OK
}

/// `EXPIRE`, `PEXPIRE`, `PEXPIREAT`.
pub(super) fn expire(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let number = i128::from(words.number(1)?);
    let now = i128::from(fake.time());
    let end = match words.name {
        b"expire" => now + number * 1000,
        b"pexpire" => now + number,
        _ => number,
    };
    let Some(Entry { value, .. }) = fake.get(name) else { return yes_or_no(false) };
    if end <= now && !fake.is_replica.get() {
        fake.delete(name);
    } else {
        let end = u64::try_from(end).map_err(|_| NO_NUMBER)?;
        set_end(fake, name, value, Some(end));
    }
    yes_or_no(true)
}

pub(super) fn persist(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let Some(Entry { value, expires_at: Some(_) }) = fake.get(name) else { return yes_or_no(false) };
    set_end(fake, name, value, None);
    yes_or_no(true)
}

/// No event that tells of changes tells of this.
fn set_end(fake: &Fake, name: &[u8], value: Rc<Value>, expires_at: Option<u64>) {
    let database = fake.selected.get();
    fake.databases.borrow_mut()[database].insert(name.to_vec(), Entry { value, expires_at });
}

/// What `RESTORE` takes here: where the value is kept.
pub(super) fn dump(fake: &Fake, words: &Words<'_>) -> Outcome {
    let Some(Entry { value, .. }) = fake.get(words.get(0)?) else { return Ok(Answer::Nil) };
    let mut dumps = fake.dumps.borrow_mut();
    dumps.push(value);
    Ok(Answer::Bytes(format!("dump {}", dumps.len() - 1).into_bytes()))
}

/// `RESTORE key milliseconds dump [REPLACE]`.
pub(super) fn restore(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (name, lasts) = (words.get(0)?, words.number(1)?);
    let dump = words.get(2)?.strip_prefix(b"dump ").and_then(|text| str::from_utf8(text).ok()?.parse::<usize>().ok());
    let value = dump.and_then(|dump| fake.dumps.borrow().get(dump).cloned()).ok_or(SYNTAX)?;
    if fake.get(name).is_some() && words.option(3, "replace").is_none() {
        return Err(Refusal("BUSYKEY Target key name already exists."));
    }
    let end = (lasts > 0).then(|| fake.time() + lasts.unsigned_abs());
    replace(fake, name, owned(value), end);
    OK
}

/// `XADD key id field value`.
pub(super) fn add_to_stream(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let (length, expires_at) = match fake.get(name) {
        None => (0, None),
        Some(Entry { value, expires_at }) => match *value {
            Value::Stream(length) => (length, expires_at),
            _ => return Err(WRONG_TYPE),
        },
    };
    // The same id twice is refused.
    if length > 0 && words.get(1)? == b"1-1" {
        return Err(Refusal("ERR The ID specified in XADD is equal or smaller than the target stream top item"));
    }
    fake.put(name, Value::Stream(length + 1), expires_at);
    Ok(Answer::Bytes(b"1-1".to_vec()))
}

/// `DEBUG POPULATE count prefix`: strings whose names no command holds.
pub(super) fn debug(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (count, prefix) = (words.number(1)?, words.get(2)?);
    for number in 0..count {
        let name = [prefix, b":", number.to_string().as_bytes()].concat();
        if fake.get(&name).is_none() {
            let value = Value::String(format!("value:{number}").into_bytes());
            let database = fake.selected.get();
            // Of these no event tells.
            fake.databases.borrow_mut()[database].insert(name, Entry { value: Rc::new(value), expires_at: None });
        }
    }
    let calls = fake.debug_calls.borrow().as_ref().map_or(1, String::len) + 1;
    *fake.debug_calls.borrow_mut() = Some("x".repeat(calls));
    OK
}
