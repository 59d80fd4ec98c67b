//! Finding in JSON, cutting elements out of it and setting values in them, against `serde_json::Value` and a scanner that
//! knows only brackets, commas and strings.
//!
//! An input is a JSON pointer in its first line, a pointer into elements in the second, and an owner in the third; all
//! that follows is a document. Of the array or object that the first leads to, elements that name the owner go, or get
//! another one.

#![no_main]

use std::cell::{Cell, RefCell};

use libfuzzer_sys::fuzz_target;
use redis_session_core::json::{self, Edits, Item, Pointer};
use redis_session_fuzz::{head, unescape};
use serde::de::IgnoredAny;
use serde_json::{Value, value::RawValue};

fuzz_target!(|input: &[u8]| {
    let Some(([array, owner, wanted], document)) = head(input) else { return };
    let (Ok(array), Ok(owner)) = (str::from_utf8(array), str::from_utf8(owner)) else { return };
    let (Some(array_at), Some(owner_at)) = (pointer(array), pointer(owner)) else { return };
    let text = str::from_utf8(document).ok();
    // What no number or string of Rust's can hold is JSON all the same, and so is what is nested deep.
    let is_json = text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let found = json::find(document, &array_at);
    assert_eq!(found.is_ok(), is_json, "whether it is JSON");
    check_texts(document, [&array_at, &owner_at]);
    let Ok(found) = found else { return };
    let value: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    if let Some(value) = &value {
        check_each(document, &array_at, value, array);
        if !array_at.has_any() {
            same(found, value.pointer(array));
        }
    }
    let Some(found) = found else { return };
    assert!(document.as_ptr_range().contains(&found.get().as_ptr()), "a value borrows from its document");
    check_text(found);
    check_elements(found);
    let wanted = unescape(wanted);
    let is_wanted = |element: &RawValue| {
        let owner = owner_at.find(element).and_then(json::text);
        owner.is_some_and(|owner| owner.as_bytes() == wanted)
    };
    check_cut(document, found, &is_wanted);
    if let Some(value) = value.filter(|_| !array_at.has_any() && !owner_at.has_any()) {
        check_set_value(document, found, value.clone(), array, (&owner_at, owner));
        check_cut_value(document, found, &is_wanted, value, array, (owner, &wanted));
    }
    // Elements whose owner stands nowhere: every other one, by their order.
    let number = Cell::new(wanted.len());
    check_cut(document, found, &|_| number.replace(number.get() + 1).is_multiple_of(2));
});

/// The pointer, if it is one: as RFC 6901 has it.
fn pointer(text: &str) -> Option<Pointer> {
    let escapes_end = text.split('~').skip(1).all(|piece| piece.starts_with(['0', '1']));
    let is_pointer = (text.is_empty() || text.starts_with('/')) && escapes_end;
    let pointer = Pointer::parse(text);
    assert_eq!(pointer.is_ok(), is_pointer, "{text:?}");
    pointer.ok()
}

/// The raw value and the value are the same, or neither is there.
fn same(raw: Option<&RawValue>, value: Option<&Value>) {
    let raw: Option<Value> = raw.map(|raw| serde_json::from_str(raw.get()).expect("a part of JSON is JSON"));
    assert_eq!(raw.as_ref(), value);
}

/// Where a pointer leads, one value after the other, it is where its steps lead in values. Those know no order of members.
fn check_each(document: &[u8], pointer: &Pointer, value: &Value, text: &str) {
    let whole = json::find(document, &Pointer::default()).expect("it was read").expect("it points to the whole");
    let mut visited = Vec::new();
    pointer.each(whole, &mut |raw| visited.push(raw));
    let first = json::find(document, pointer).expect("it was read");
    assert_eq!(visited.first().map(|raw| raw.get().as_ptr()), first.map(|raw| raw.get().as_ptr()));
    assert!(visited.is_sorted_by_key(|raw| raw.get().as_ptr()), "they stand in this order");
    let texts = visited.iter().filter_map(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let mut expected = vec![value];
    for step in text.split('/').skip(1) {
        expected = expected.into_iter().flat_map(|value| stepped(value, step)).collect();
    }
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts
    };
    let expected = sorted(expected.into_iter().map(Value::to_string).collect());
    assert_eq!(sorted(texts.map(|value| value.to_string()).collect()), expected);
}

fn stepped<'v>(value: &'v Value, step: &str) -> Vec<&'v Value> {
    match value {
        Value::Array(elements) if step == "*" => elements.iter().collect(),
        Value::Object(members) if step == "*" => members.values().collect(),
        value => value.pointer(&format!("/{step}")).into_iter().collect(),
    }
}

/// Texts may come by a quicker way, and are those of the values to which the pointers lead.
fn check_texts(document: &[u8], pointers: [&Pointer; 2]) {
    let mut texts = Vec::new();
    let read = json::texts(document, &pointers.map(Some), &mut |n, text| texts.push((n, text.to_vec())));
    let whole = json::find(document, &Pointer::default());
    assert_eq!(read.is_ok(), whole.is_ok(), "whether it is JSON");
    let mut expected = Vec::new();
    for (n, pointer) in pointers.into_iter().enumerate() {
        let note = &mut |value| expected.extend(json::text(value).map(|text| (n, text.into_owned().into_bytes())));
        whole.into_iter().flatten().for_each(|whole| pointer.each(whole, note));
    }
    assert_eq!(texts, expected);
}

fn check_text(raw: &RawValue) {
    let text = json::text(raw);
    match serde_json::from_str(raw.get()) {
        Ok(Value::String(string)) => assert_eq!(text.as_deref(), Some(&*string)),
        Ok(Value::Number(_)) => assert_eq!(text.as_deref(), Some(raw.get())),
        Ok(_) => assert_eq!(text, None),
        // A lone surrogate is no text, and a number too large for Rust's keeps its own.
        Err(_) if raw.get().starts_with('"') => assert_eq!(text, None),
        Err(_) => assert!(text.is_none_or(|text| text == raw.get())),
    }
}

fn check_elements(raw: &RawValue) {
    let elements = json::elements(raw);
    assert_eq!(elements.is_some(), raw.get().starts_with('['));
    let Some(elements) = elements else { return };
    let texts: Vec<&str> = elements.iter().map(|element| element.get()).collect();
    assert_eq!(texts, Scanned::new(raw.get()).elements);
}

/// Cuts, and compares with the same done piece by piece.
fn check_cut(document: &[u8], value: &RawValue, is_wanted: &dyn Fn(&RawValue) -> bool) {
    let items = json::items(document, value);
    assert_eq!(items.is_some(), value.get().starts_with(['[', '{']));
    let Some(items) = items else { return };
    let keeps = RefCell::new(Vec::new());
    let mut edits = Edits::default();
    let gone = edits.remove(&items, |item| {
        let is_wanted = is_wanted(item.value);
        keeps.borrow_mut().push(!is_wanted);
        is_wanted
    });
    let keeps = keeps.into_inner();
    let scanned = Scanned::new(value.get());
    assert_eq!(keeps.len(), scanned.elements.len(), "each element is asked for once");
    assert_eq!(gone, keeps.iter().filter(|keep| !**keep).count());
    assert_eq!(edits.is_empty(), gone == 0);
    let from = value.get().as_ptr() as usize - document.as_ptr() as usize;
    let (before, after) = (&document[..from], &document[from + value.get().len()..]);
    let expected = [before, scanned.without(&keeps).as_bytes(), after].concat();
    assert_eq!(String::from_utf8(edits.apply(document)), String::from_utf8(expected));
}

/// Every element gets a value, where the pointer leads to in it or could lead to. With values that is the same.
fn check_set_value(
    document: &[u8],
    container: &RawValue,
    mut value: Value,
    at: &str,
    (pointer, pointer_text): (&Pointer, &str),
) {
    let Some(items) = json::items(document, container) else { return };
    // Of members of one name the values know the last.
    let is_last = |at: usize, item: &Item<'_>| items[at + 1..].iter().all(|later| later.name != item.name);
    if container.get().starts_with('{') && !items.iter().enumerate().all(|(at, item)| is_last(at, item)) {
        return;
    }
    let mut edits = Edits::default();
    for item in &items {
        edits.set(document, item.value, pointer, b"[7]".to_vec());
    }
    let set = |element: &mut Value| {
        if let Some(old) = element.pointer_mut(pointer_text) {
            *old = serde_json::json!([7]);
        } else if let Some((parent, name)) = pointer_text.rsplit_once('/')
            && let Some(Value::Object(members)) = element.pointer_mut(parent)
        {
            members.insert(name.replace("~1", "/").replace("~0", "~"), serde_json::json!([7]));
        }
    };
    match value.pointer_mut(at) {
        Some(Value::Array(elements)) => elements.iter_mut().for_each(set),
        Some(Value::Object(members)) => members.values_mut().for_each(set),
        _ => return,
    }
    assert_eq!(serde_json::from_slice::<Value>(&edits.apply(document)).ok(), Some(value));
}

/// The same with values: what is left is the document without the elements that name the owner.
fn check_cut_value(
    document: &[u8],
    array: &RawValue,
    is_wanted: &dyn Fn(&RawValue) -> bool,
    mut value: Value,
    array_at: &str,
    (owner_at, wanted): (&str, &[u8]),
) {
    let Some(Value::Array(elements)) = value.pointer_mut(array_at) else { return };
    let mut edits = Edits::default();
    let items = json::items(document, array).expect("it is an array");
    let cut = edits.remove(&items, |item| is_wanted(item.value));
    let before = elements.len();
    let raw = json::elements(array).expect("it is an array");
    let mut raw = raw.into_iter();
    elements.retain(|element| {
        let raw = raw.next().expect("an element for each");
        match element.pointer(owner_at) {
            Some(Value::String(owner)) => owner.as_bytes() != wanted,
            // Its text is what counts, and a value does not keep it.
            Some(Value::Number(_)) => !is_wanted(raw),
            _ => true,
        }
    });
    assert_eq!(cut, before - elements.len());
    // An object may name the array's member twice; then the first one is still there, and does not count.
    assert_eq!(serde_json::from_slice::<Value>(&edits.apply(document)).ok(), Some(value));
}

/// An array or object of JSON taken apart: its elements, what stands between them, and what stands around them.
struct Scanned<'a> {
    before: &'a str,
    elements: Vec<&'a str>,
    /// What stands between an element and the next one: white space and a comma.
    between: Vec<&'a str>,
    after: &'a str,
}

impl<'a> Scanned<'a> {
    fn new(array: &'a str) -> Self {
        let inside = &array[1..array.len() - 1];
        let mut ends = commas(inside);
        ends.push(inside.len());
        let white = [' ', '\t', '\n', '\r'];
        let mut spans = Vec::new();
        let mut from = 0;
        for end in ends {
            let text = &inside[from..end];
            let start = from + (text.len() - text.trim_start_matches(white).len());
            spans.push((start, start + text.trim_matches(white).len()));
            from = end + 1;
        }
        // Of nothing but white space.
        spans.retain(|(from, to)| from < to);
        let Some(((first, _), (_, last))) = spans.first().copied().zip(spans.last().copied()) else {
            return Self { before: array, elements: Vec::new(), between: Vec::new(), after: "" };
        };
        Self {
            before: &array[..=first],
            elements: spans.iter().map(|(from, to)| &inside[*from..*to]).collect(),
            between: spans.windows(2).map(|two| &inside[two[0].1..two[1].0]).collect(),
            after: &array[last + 1..],
        }
    }

    /// The text without some of the elements: what stands behind one that is kept stays, as long as another one
    /// that is kept comes later.
    fn without(&self, keeps: &[bool]) -> String {
        let last = keeps.iter().rposition(|keep| *keep);
        let mut text = self.before.to_owned();
        for at in (0..keeps.len()).filter(|at| keeps[*at]) {
            text += self.elements[at];
            if Some(at) != last {
                text += self.between[at];
            }
        }
        text + self.after
    }
}

/// Where commas stand that are in no brackets and no string.
fn commas(text: &str) -> Vec<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0, false, false);
    let mut commas = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => (),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => commas.push(at),
            _ => (),
        }
    }
    commas
}
