//! Following a pointer in which a step `*` stands for every element or member.

use std::{collections::HashMap, fmt, ops::ControlFlow, vec};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Step, child, elements};

/// The first value that the steps lead to.
pub(super) fn first<'d>(steps: &[Step], value: &'d RawValue) -> Option<&'d RawValue> {
    match follow(steps, value, &mut ControlFlow::Break) {
        ControlFlow::Break(value) => Some(value),
        ControlFlow::Continue(()) => None,
    }
}

/// Visits every value that the steps lead to.
pub(super) fn each<'d>(steps: &[Step], value: &'d RawValue, visit: &mut dyn FnMut(&'d RawValue)) {
    let _ = follow::<()>(steps, value, &mut |value| {
        visit(value);
        ControlFlow::Continue(())
    });
}

/// Visits the values in the order in which they stand, until one breaks. What is still to be followed is kept in a list, so
/// that a long pointer needs no deep stack.
fn follow<'d, B>(
    steps: &[Step],
    value: &'d RawValue,
    visit: &mut dyn FnMut(&'d RawValue) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut ahead: Vec<(vec::IntoIter<&RawValue>, &[Step])> = Vec::new();
    let mut next = Some((value, steps));
    while let Some((value, steps)) = next {
        match to_star(value, steps) {
            Some((value, [])) => visit(value)?,
            Some((value, [_, rest @ ..])) => ahead.push((children(value).into_iter(), rest)),
            None => (),
        }
        next = None;
        while let Some((values, steps)) = ahead.last_mut() {
            next = values.next().map(|value| (value, *steps));
            if next.is_some() {
                break;
            }
            ahead.pop();
        }
    }
    ControlFlow::Continue(())
}

/// Goes on to the first `*` or the end: the value there, and the steps from there on.
fn to_star<'d, 's>(value: &'d RawValue, steps: &'s [Step]) -> Option<(&'d RawValue, &'s [Step])> {
    let names = steps.iter().map_while(Step::name);
    let (length, value) =
        names.clone().try_fold((0, value), |(at, value), name| Some((at + 1, child(value, name)?)))?;
    Some((value, &steps[length..]))
}

/// The elements of an array or the members of an object, without those whose name comes again.
fn children(value: &RawValue) -> Vec<&RawValue> {
    if value.get().starts_with('{') {
        serde_json::Deserializer::from_str(value.get()).deserialize_map(Members).unwrap_or_default()
    } else {
        elements(value).unwrap_or_default()
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut places = HashMap::new();
        let mut values = Vec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if let Some(earlier) = places.insert(name, values.len()) {
                values[earlier] = None;
            }
            values.push(Some(map.next_value()?));
        }
        Ok(values.into_iter().flatten().collect())
    }
}

/// Reads a member's name as bytes: it may hold a lone surrogate, which is JSON but not Unicode.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Box<[u8]>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Box<[u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(name.into())
    }
}
