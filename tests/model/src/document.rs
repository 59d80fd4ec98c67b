//! JSON documents: what is somebody's in an array or object, and the document without it, or with it marked.

use super::json::{self, Node, Value};
use super::layout::{By, Entries};
use super::template::Bindings;
use std::ops::Range;

type Bytes = Vec<u8>;

/// What the model writes where a moment stands: a number that no test writes. The comparison of snapshots takes any moment for
/// it.
pub const NOW: &str = "7770001110007";

/// An element of an array or a member of an object.
struct Item<'n> {
    name: Option<&'n str>,
    value: &'n Node,
    /// Where it stands, its name included.
    span: Range<usize>,
}

/// A document of which elements go or are marked.
pub struct Cut {
    /// How many.
    pub elements: usize,
    pub rest: Bytes,
    /// The rooms that stand in them beside the id.
    pub rooms: Vec<Bytes>,
}

/// The document without what goes of it, or with what is marked. None if nothing is.
pub fn cut(text: &[u8], entries: &Entries, given: &Bindings) -> Option<Cut> {
    let document = json::parse(text)?;
    let containers: Vec<_> = containers(&document, entries).into_iter().map(items).collect();
    let form = &entries.by.form().template;
    let readings = |item: &Item<'_>| -> Vec<Bindings> {
        let texts = match &entries.by {
            By::Name(_) => item.name.iter().map(|name| name.as_bytes().to_vec()).collect(),
            By::Value(owner) => item.value.texts(owner.place.pointer.as_deref().unwrap_or_default(), text),
        };
        texts.iter().filter_map(|text| form.matches_where(text, given)).collect()
    };
    let rooms = |item: &Item<'_>| readings(item).into_iter().filter_map(|mut read| read.remove("roomId"));
    let mut cut = Cut { elements: 0, rest: text.to_vec(), rooms: Vec::new() };
    // From the end on, so that places stay right.
    for items in containers.iter().rev() {
        let is_meant = |item: &&Item<'_>| !readings(item).is_empty();
        if entries.set.is_empty() {
            let goes: Vec<bool> = items.iter().map(|item| is_meant(&item)).collect();
            cut.elements += goes.iter().filter(|goes| **goes).count();
            cut.rooms.extend(items.iter().flat_map(rooms));
            cut.rest = without(&cut.rest, items, &goes);
            continue;
        }
        for item in items.iter().rev().filter(is_meant) {
            let element = &text[item.value.span.clone()];
            if let Some(marked) = marked(element, &entries.set, given) {
                cut.rest.splice(item.value.span.clone(), marked);
                cut.rooms.extend(rooms(item));
                cut.elements += 1;
            }
        }
    }
    (cut.elements > 0).then_some(cut)
}

/// Whether nothing is left in the arrays or objects of the document.
pub fn is_empty(text: &[u8], entries: &Entries) -> bool {
    let document = json::parse(text).expect("it was cut");
    containers(&document, entries).into_iter().all(|container| items(container).is_empty())
}

fn containers<'n>(document: &'n Node, entries: &Entries) -> Vec<&'n Node> {
    let is_one = |node: &&Node| match node.value {
        Value::Array(_) => !entries.is_object,
        Value::Object(_) => entries.is_object,
        _ => false,
    };
    document.each(&entries.at).into_iter().filter(is_one).collect()
}

fn items(container: &Node) -> Vec<Item<'_>> {
    match &container.value {
        Value::Array(items) => items.iter().map(|value| Item { name: None, value, span: value.span.clone() }).collect(),
        Value::Object(members) => {
            let item = |member: &'_ json::Member| member.start..member.value.span.end;
            let items = members.iter();
            items.map(|m| Item { name: m.name.as_deref(), value: &m.value, span: item(m) }).collect()
        }
        _ => Vec::new(),
    }
}

/// The text without some items of one array or object, and without what separated them from the others.
fn without(text: &[u8], items: &[Item<'_>], goes: &[bool]) -> Bytes {
    let mut gone = vec![false; text.len()];
    let last_kept = goes.iter().rposition(|goes| !goes);
    for at in (0..items.len()).filter(|at| goes[*at]) {
        let to = match last_kept {
            // Something follows: up to the next element.
            Some(kept) if kept > at => items[at + 1].span.start,
            _ => items[at].span.end,
        };
        gone[items[at].span.start..to].fill(true);
    }
    // A run at the end goes with all that stands before and between.
    if let Some(last) = items.last() {
        let from = last_kept.map_or(items[0].span.start, |kept| items[kept].span.end);
        gone[from..last.span.end].fill(true);
    }
    text.iter().zip(gone).filter(|(_, gone)| !gone).map(|(byte, _)| *byte).collect()
}

/// An element with its values set; none if that would change nothing but times.
fn marked(element: &[u8], set: &[(String, serde_json::Value)], given: &Bindings) -> Option<Bytes> {
    let (mut text, mut is_news) = (element.to_vec(), false);
    for (pointer, value) in set {
        let filled = filled(value, given);
        let has_time = filled.to_string().contains(NOW);
        let document = json::parse(&text).expect("an element is JSON");
        let new = filled.to_string().replace(&format!("\"{NOW}\""), NOW);
        if let Some(old) = document.pointer(pointer) {
            let old_value = serde_json::from_slice::<serde_json::Value>(&text[old.span.clone()]).ok();
            is_news |= !has_time && old_value != Some(filled);
            text.splice(old.span.clone(), new.into_bytes());
        } else if let Some((at, is_first, name)) = place_of_new(&document, pointer) {
            let name = serde_json::Value::from(name).to_string();
            let comma = if is_first { "" } else { "," };
            text.splice(at..at, format!("{comma}{name}:{new}").into_bytes());
            is_news = true;
        }
    }
    is_news.then_some(text)
}

/// Where a member is added, whether it is the first there, and its name.
fn place_of_new(document: &Node, pointer: &str) -> Option<(usize, bool, String)> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let object = document.pointer(parent)?;
    let Value::Object(members) = &object.value else { return None };
    let at = members.last().map_or(object.span.start + 1, |last| last.value.span.end);
    Some((at, members.is_empty(), name.replace("~1", "/").replace("~0", "~")))
}

/// A value with its placeholders filled. A moment is a text of its own still.
fn filled(value: &serde_json::Value, given: &Bindings) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => {
            let user = String::from_utf8_lossy(&given["userId"]);
            text.replace("{userId}", &user).replace("{now}", NOW).into()
        }
        serde_json::Value::Array(values) => values.iter().map(|value| filled(value, given)).collect(),
        serde_json::Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled(value, given))).collect()
        }
        plain => plain.clone(),
    }
}
