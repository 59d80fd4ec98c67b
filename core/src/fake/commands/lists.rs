//! Lists.

use super::{
    Answer, Bytes, Fake, Form, NO_KEY, OK, Outcome, Refusal, SYNTAX, Value, Words, bytes, change, change_existing,
    count, typed,
};

const LIST: Form<Vec<Bytes>> =
    (|value| if let Value::List(elements) = value { Some(elements) } else { None }, Value::List);

/// A place in a list, counted from the end if negative.
fn place(at: i64, length: usize) -> i64 {
    if at < 0 { at + i64::try_from(length).unwrap_or(i64::MAX) } else { at }
}

pub(super) fn push(fake: &Fake, words: &Words<'_>) -> Outcome {
    let is_left = words.is("lpush");
    let length = change(fake, words.get(0)?, LIST, |list| {
        for element in words.from(1) {
            list.insert(if is_left { 0 } else { list.len() }, element.clone());
        }
        Ok(list.len())
    })?;
    count(length)
}

pub(super) fn pop(fake: &Fake, words: &Words<'_>) -> Outcome {
    take(fake, words.get(0)?, true).map(bytes)
}

fn take(fake: &Fake, name: &[u8], from_left: bool) -> Result<Option<Bytes>, Refusal> {
    change(fake, name, LIST, |list| {
        let at = if from_left { 0 } else { list.len().saturating_sub(1) };
        Ok((!list.is_empty()).then(|| list.remove(at)))
    })
}

/// `LMOVE from to LEFT RIGHT`, and `RPOPLPUSH`.
pub(super) fn move_element(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (from, to) = (words.get(0)?, words.get(1)?);
    let goes_right = words.is("lmove") || words.is("blmove");
    if typed(fake, from, LIST.0)?.is_none() {
        return Ok(Answer::Nil);
    }
    typed(fake, to, LIST.0)?;
    let Some(element) = take(fake, from, goes_right)? else { return Ok(Answer::Nil) };
    change(fake, to, LIST, |list| {
        list.insert(if goes_right { list.len() } else { 0 }, element.clone());
        Ok(())
    })?;
    Ok(Answer::Bytes(element))
}

pub(super) fn block_move(fake: &Fake, words: &Words<'_>) -> Outcome {
    let answer = move_element(fake, words)?;
    Ok(if answer == Answer::Nil { Answer::Waits(None) } else { answer })
}

pub(super) fn block_pop(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (_, names) = words.from(0).split_last().ok_or(SYNTAX)?;
    for name in names {
        if let Some(element) = take(fake, name, true)? {
            return Ok(Answer::Array(vec![Answer::Bytes(name.clone()), Answer::Bytes(element)]));
        }
    }
    Ok(Answer::Waits(None))
}

/// `LREM key 0 element`.
pub(super) fn remove(fake: &Fake, words: &Words<'_>) -> Outcome {
    let element = words.get(2)?;
    change_existing(fake, words.get(0)?, LIST, count(0), |list| {
        let before = list.len();
        list.retain(|other| other != element);
        count(before - list.len())
    })
}

pub(super) fn set(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (at, element) = (words.number(1)?, words.get(2)?);
    change_existing(fake, words.get(0)?, LIST, Err(NO_KEY), |list| {
        let at = usize::try_from(place(at, list.len())).ok();
        *at.and_then(|at| list.get_mut(at)).ok_or(Refusal("ERR index out of range"))? = element.to_vec();
        OK
    })
}

pub(super) fn trim(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (first, last) = (words.number(1)?, words.number(2)?);
    change_existing(fake, words.get(0)?, LIST, OK, |list| {
        let (first, last) = (place(first, list.len()).max(0), place(last, list.len()));
        let kept = |at: usize| i64::try_from(at).is_ok_and(|at| at >= first && at <= last);
        *list = std::mem::take(list).into_iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, e)| e).collect();
        OK
    })
}

/// `LINSERT key BEFORE pivot element`.
pub(super) fn insert(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (pivot, element) = (words.get(2)?, words.get(3)?);
    change_existing(fake, words.get(0)?, LIST, count(0), |list| {
        let Some(at) = list.iter().position(|other| other == pivot) else { return Ok(Answer::Integer(-1)) };
        list.insert(at, element.to_vec());
        count(list.len())
    })
}

/// `SORT key BY nosort STORE target`.
pub(super) fn sort(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (name, target) = (words.get(0)?, words.get(4)?);
    let elements = fake.get(name).map(|entry| entry.value.members()).unwrap_or_default();
    let length = elements.len();
    fake.put(target, Value::List(elements), None);
    count(length)
}
