//! Sets, sorted sets, and hashes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Answer, Bytes, Fake, Form, NO_NUMBER, Outcome, Refusal, SYNTAX, Value, WRONG_TYPE, Words, bytes, change, count,
    number, owned, typed, yes_or_no,
};
use crate::ports::Kind;

const SET: Form<BTreeSet<Bytes>> =
    (|value| if let Value::Set(members) = value { Some(members) } else { None }, Value::Set);
const SCORED: Form<BTreeMap<Bytes, f64>> =
    (|value| if let Value::SortedSet(members) = value { Some(members) } else { None }, Value::SortedSet);
const HASH: Form<BTreeMap<Bytes, Bytes>> =
    (|value| if let Value::Hash(fields) = value { Some(fields) } else { None }, Value::Hash);

pub(super) fn set_add(fake: &Fake, words: &Words<'_>) -> Outcome {
    let added = change(fake, words.get(0)?, SET, |set| {
        Ok(words.from(1).iter().filter(|member| set.insert((*member).clone())).count())
    })?;
    count(added)
}

/// `SREM`, `ZREM`, `HDEL`.
pub(super) fn remove(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let Some(entry) = fake.get(name) else { return count(0) };
    let kind = match words.name[0] {
        b's' => Kind::Set,
        b'z' => Kind::SortedSet,
        _ => Kind::Hash,
    };
    if entry.value.kind() != kind {
        return Err(WRONG_TYPE);
    }
    let mut value = owned(entry.value);
    let gone = words.from(1).iter().filter(|member| value.remove(member)).count();
    if gone > 0 {
        fake.put(name, value, entry.expires_at);
    }
    count(gone)
}

/// `SPOP`, `ZPOPMIN`: of one member, any.
pub(super) fn pop(fake: &Fake, words: &Words<'_>) -> Outcome {
    let name = words.get(0)?;
    let member = if words.is("spop") {
        change(fake, name, SET, |set| Ok(set.pop_first()))?
    } else {
        change(fake, name, SCORED, |set| Ok(set.pop_first().map(|(member, _)| member)))?
    };
    Ok(bytes(member))
}

pub(super) fn move_member(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (from, to, member) = (words.get(0)?, words.get(1)?, words.get(2)?);
    if typed(fake, from, SET.0)?.is_none() {
        return yes_or_no(false);
    }
    typed(fake, to, SET.0)?;
    let is_there = change(fake, from, SET, |set| Ok(set.remove(member)))?;
    if is_there {
        change(fake, to, SET, |set| Ok(set.insert(member.to_vec())))?;
    }
    yes_or_no(is_there)
}

/// `SUNIONSTORE`, `SINTERSTORE`, `SDIFFSTORE`, of one source or two.
pub(super) fn store_sets(fake: &Fake, words: &Words<'_>) -> Outcome {
    let target = words.get(0)?;
    let mut result: Option<BTreeSet<Bytes>> = None;
    for name in words.from(1) {
        let set = typed(fake, name, SET.0)?.map(|(set, _)| set).unwrap_or_default();
        result = Some(match result {
            None => set,
            Some(before) if words.is("sunionstore") => &before | &set,
            Some(before) if words.is("sinterstore") => &before & &set,
            Some(before) => &before - &set,
        });
    }
    let result = result.ok_or(SYNTAX)?;
    let size = result.len();
    fake.put(target, Value::Set(result), None);
    count(size)
}

/// `ZADD key score member ...`, without options.
pub(super) fn scored_add(fake: &Fake, words: &Words<'_>) -> Outcome {
    let score = |text: &[u8]| str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()).ok_or(NO_NUMBER);
    let pairs: Result<Vec<_>, Refusal> =
        words.from(1).chunks_exact(2).map(|pair| Ok((pair[1].clone(), score(&pair[0])?))).collect();
    let pairs = pairs?;
    let added = change(fake, words.get(0)?, SCORED, |set| {
        let added = pairs.into_iter().filter(|(member, score)| set.insert(member.clone(), *score).is_none()).count();
        Ok(added)
    })?;
    count(added)
}

/// `GEOADD key longitude latitude member`. The score is not that of a place.
pub(super) fn geo_add(fake: &Fake, words: &Words<'_>) -> Outcome {
    let member = words.get(3)?.to_vec();
    let is_new = change(fake, words.get(0)?, SCORED, |set| Ok(set.insert(member, 1.0).is_none()))?;
    yes_or_no(is_new)
}

/// `ZUNIONSTORE target 1 source`, `ZRANGESTORE target source 0 -1`.
pub(super) fn store_scored(fake: &Fake, words: &Words<'_>) -> Outcome {
    let source = words.get(if words.is("zunionstore") { 2 } else { 1 })?;
    let set = typed(fake, source, SCORED.0)?.map(|(set, _)| set).unwrap_or_default();
    let size = set.len();
    fake.put(words.get(0)?, Value::SortedSet(set), None);
    count(size)
}

/// `HSET`, `HSETNX`.
pub(super) fn hash_set(fake: &Fake, words: &Words<'_>) -> Outcome {
    let is_new_only = words.is("hsetnx");
    let added = change(fake, words.get(0)?, HASH, |fields| {
        let mut added = 0;
        for pair in words.from(1).chunks_exact(2) {
            let is_there = fields.contains_key(&pair[0]);
            if !(is_there && is_new_only) {
                fields.insert(pair[0].clone(), pair[1].clone());
            }
            added += usize::from(!is_there);
        }
        Ok(added)
    })?;
    count(added)
}

pub(super) fn hash_increment(fake: &Fake, words: &Words<'_>) -> Outcome {
    let (field, by) = (words.get(1)?, words.number(2)?);
    let sum = change(fake, words.get(0)?, HASH, |fields| {
        let before = fields.get(field).map_or(Ok(0), |text| number(text))?;
        let sum = before.checked_add(by).ok_or(NO_NUMBER)?;
        fields.insert(field.to_vec(), sum.to_string().into_bytes());
        Ok(sum)
    })?;
    Ok(Answer::Integer(sum))
}
