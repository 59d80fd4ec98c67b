//! Strings.

use super::{
    Answer, Bytes, Fake, Form, NO_NUMBER, OK, Outcome, Refusal, SYNTAX, Value, Words, bytes, change, count, number,
    typed, yes_or_no,
};

const STRING: Form<Bytes> = (|value| if let Value::String(bytes) = value { Some(bytes) } else { None }, Value::String);

fn read(fake: &Fake, name: &[u8]) -> Result<Option<Bytes>, Refusal> {
    Ok(typed(fake, name, STRING.0)?.map(|(bytes, _)| bytes))
}

/// `SET` and those that are one word for one of its forms.
pub(super) fn set(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let has = |option| words.is("set") && words.option(2, option).is_some();
    let value = if words.is("setex") || words.is("psetex") { words.get(2)? } else { words.get(1)? };
    let before = if words.is("getset") || has("get") { Some(bytes(read(fake, name)?)) } else { None };
    let there = fake.get(name);
    if there.is_some() && (words.is("setnx") || has("nx")) {
        return if words.is("setnx") { yes_or_no(false) } else { Ok(Answer::Nil) };
    }
    let kept = there.and_then(|entry| entry.expires_at).filter(|_| has("keepttl"));
    let milliseconds = match words.option(2, "ex").filter(|_| words.is("set")) {
        Some(at) => Some(words.number(at + 1)? * 1000),
        None if words.is("setex") => Some(words.number(1)? * 1000),
        None if words.is("psetex") => Some(words.number(1)?),
        None => None,
    };
    let ends = milliseconds.map(|lasts| fake.time().saturating_add(lasts.unsigned_abs()));
    fake.put(name, Value::String(value.to_vec()), ends.or(kept));
    match before {
        Some(before) => Ok(before),
        None if words.is("setnx") => yes_or_no(true),
        None => OK,
    }
}

/// `GET`, `GETDEL`, `GETEX key EX seconds`.
pub(super) fn get(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let Some(value) = read(fake, name)? else { return Ok(Answer::Nil) };
    if words.is("getdel") {
        fake.delete(name);
    } else if words.is("getex") {
        let ends = fake.time() + words.number(2)?.unsigned_abs() * 1000;
        fake.put(name, Value::String(value.clone()), Some(ends));
    }
    Ok(Answer::Bytes(value))
}

/// `MSET`, `MSETNX`.
pub(super) fn set_many(fake: &Fake, words: &Words<'_>) -> Outcome {
    let pairs: Vec<_> = words.from(0).chunks_exact(2).collect();
    let is_new_only = words.is("msetnx");
    if is_new_only && pairs.iter().any(|pair| fake.get(&pair[0]).is_some()) {
        return yes_or_no(false);
    }
    for pair in pairs {
        fake.put(&pair[0], Value::String(pair[1].clone()), None);
    }
    if is_new_only { yes_or_no(true) } else { OK }
}

pub(super) fn append(fake: &Fake, words: &Words<'_>) -> Outcome {
    let text = words.get(1)?;
    let length = change(fake, words.get(0)?, STRING, |value| {
        value.extend_from_slice(text);
        Ok(value.len())
    })?;
    count(length)
}

pub(super) fn set_range(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (name, start, text) = (words.get(0)?, words.number(1)?, words.get(2)?);
    let start = usize::try_from(start).map_err(|_| NO_NUMBER)?;
    if text.is_empty() {
        return count(read(fake, name)?.unwrap_or_default().len());
    }
    let length = change(fake, name, STRING, |value| {
        value.resize(value.len().max(start + text.len()), 0);
        value[start..start + text.len()].copy_from_slice(text);
        Ok(value.len())
    })?;
    count(length)
}

pub(super) fn set_bit(fake: &Fake, words: &Words<'_>) -> Outcome {
    let at = usize::try_from(words.number(1)?).map_err(|_| NO_NUMBER)?;
    let bit = 128 >> (at % 8);
    let is_on = words.get(2)? == b"1";
    let was_on = change(fake, words.get(0)?, STRING, |value| {
        value.resize(value.len().max(at / 8 + 1), 0);
        let was_on = value[at / 8] & bit != 0;
        value[at / 8] = if is_on { value[at / 8] | bit } else { value[at / 8] & !bit };
        Ok(was_on)
    })?;
    yes_or_no(was_on)
}

/// `BITOP NOT` and `BITOP OR`, of one source.
pub(super) fn bit_op(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (operation, target) = (words.get(0)?, words.get(1)?);
    let mut value = read(fake, words.get(2)?)?.unwrap_or_default();
    if operation == b"NOT" {
        value = value.into_iter().map(|byte| !byte).collect();
    } else if operation != b"OR" {
        return Err(SYNTAX);
    }
    let length = value.len();
    if length == 0 {
        fake.delete(target);
    } else {
        fake.put(target, Value::String(value), None);
    }
    count(length)
}

pub(super) fn increment(fake: &Fake, words: &Words<'_>) -> Outcome {
    let by = if words.is("incr") { 1 } else { words.number(1)? };
    let sum = change(fake, words.get(0)?, STRING, |value| {
        let before = if value.is_empty() { 0 } else { number(value)? };
        let sum = before.checked_add(by).ok_or(NO_NUMBER)?;
        *value = sum.to_string().into_bytes();
        Ok(sum)
    })?;
    Ok(Answer::Integer(sum))
}
