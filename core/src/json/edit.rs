//! Changing a document at some places, and leaving every other byte as it was.

use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Pointer, elements, text};

/// An element of an array, or a member of an object, in a document.
#[derive(Debug)]
pub struct Item<'d> {
    /// Of a member, its name; `None` of an element, and of a name that is not Unicode, which no id can equal.
    pub name: Option<Cow<'d, str>>,
    /// Its value.
    pub value: &'d RawValue,
    /// Where it stands in the document, its name included.
    place: Range<usize>,
}

/// The elements or members of `value`, which borrows from `document`. `None` if it is neither an array nor an object.
///
/// # Panics
/// If `value` does not borrow from `document`.
pub fn items<'d>(document: &[u8], value: &'d RawValue) -> Option<Vec<Item<'d>>> {
    let place = |first: &RawValue, last: &RawValue| {
        offset(document, first.get())..offset(document, last.get()) + last.get().len()
    };
    match value.get().as_bytes().first()? {
        b'[' => {
            let element = |value| Item { name: None, value, place: place(value, value) };
            Some(elements(value)?.into_iter().map(element).collect())
        }
        b'{' => {
            let Members(members) = serde_json::from_str(value.get()).ok()?;
            let member = |(name, value)| Item { name: text(name), value, place: place(name, value) };
            Some(members.into_iter().map(member).collect())
        }
        _ => None,
    }
}

/// An object's members with their names as they are written, in their order.
struct Members<'d>(Vec<(&'d RawValue, &'d RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Changes of a document: what stands at a place becomes something else. In the order of the document, and none within another.
#[derive(Debug, Default)]
pub struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Leaves the first `count` of them.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Removes the items of one array or object for which `goes` holds; `all` are all that it has. Says how many that are.
    ///
    /// One that goes takes along the text up to the start of the next one; those at the end take the text from the
    /// end of the last one kept. So the commas stay right and the layout of the rest stays as it was.
    pub fn remove(&mut self, all: &[Item<'_>], goes: impl Fn(&Item<'_>) -> bool) -> usize {
        let stays: Vec<bool> = all.iter().map(|item| !goes(item)).collect();
        // Behind the last one that stays.
        let tail = stays.iter().rposition(|stays| *stays).map_or(0, |last| last + 1);
        for i in (0..tail).filter(|i| !stays[*i]) {
            self.0.push((all[i].place.start..all[i + 1].place.start, Vec::new()));
        }
        if let Some(last) = all[tail..].last() {
            let from = if tail == 0 { all[0].place.start } else { all[tail - 1].place.end };
            self.0.push((from..last.place.end, Vec::new()));
        }
        stays.iter().filter(|stays| !**stays).count()
    }

    /// Puts `text` where the pointer leads to in `value`, which borrows from `document`. What is not there is added, if the object
    /// is that would hold it; else nothing is done.
    pub fn set(&mut self, document: &[u8], value: &RawValue, pointer: &Pointer, text: Vec<u8>) {
        if let Some(old) = pointer.find(value) {
            let start = offset(document, old.get());
            self.0.push((start..start + old.get().len(), text));
            return;
        }
        let Some((parent, name)) = pointer.split_last() else { return };
        let Some(object) = parent.find(value).filter(|object| object.get().starts_with('{')) else { return };
        let Some(members) = items(document, object) else { return };
        let end = members.last().map_or(offset(document, object.get()) + 1, |last| last.place.end);
        let is_first = members.is_empty() && !self.0.iter().any(|(place, _)| *place == (end..end));
        let mut member = if is_first { Vec::new() } else { vec![b','] };
        serde_json::to_writer(&mut member, &name).expect("a name is JSON");
        member.push(b':');
        member.extend(text);
        self.0.push((end..end, member));
    }

    /// The document with the changes made.
    pub fn apply(mut self, document: &[u8]) -> Vec<u8> {
        // Those at one place stay in their order.
        self.0.sort_by_key(|(place, _)| place.start);
        let mut result = Vec::with_capacity(document.len());
        let mut copied = 0;
        for (place, text) in self.0 {
            result.extend_from_slice(&document[copied..place.start]);
            result.extend(text);
            copied = place.end;
        }
        result.extend_from_slice(&document[copied..]);
        result
    }
}

/// Where `part` begins in `document`, which it borrows from.
fn offset(document: &[u8], part: &str) -> usize {
    let offset = (part.as_ptr() as usize).checked_sub(document.as_ptr() as usize);
    offset.filter(|at| at + part.len() <= document.len()).expect("the part borrows from the document")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(document: &str) -> &RawValue {
        serde_json::from_str(document).unwrap()
    }

    #[test]
    fn what_is_removed_leaves_every_other_byte() {
        let table = [
            ("[ 1, 2, 3 ]", "2", 1, "[ 1, 3 ]"),
            ("[ 1, 2, 3 ]", "3", 1, "[ 1, 2 ]"),
            ("[ 1, 2, 3 ]", "1", 1, "[ 2, 3 ]"),
            ("[ 1 ]", "1", 1, "[  ]"),
            ("[1,1,2,1,1]", "1", 4, "[2]"),
            ("[ 1 ,\n1 ]", "1", 2, "[  ]"),
            ("[2,1,2,1]", "1", 2, "[2,2]"),
            ("[]", "1", 0, "[]"),
            ("[2]", "1", 0, "[2]"),
            ("{}", "1", 0, "{}"),
            ("{ \"a\" : 1 , \"b\" : 2 }", "1", 1, "{ \"b\" : 2 }"),
            ("{ \"a\" : 1 , \"b\" : 2 }", "2", 1, "{ \"a\" : 1 }"),
            ("{\"a\":1,\"b\":1,\"c\":2,\"d\":1}", "1", 3, "{\"c\":2}"),
            ("{\"\\ud800\":1,\"b\":2}", "1", 1, "{\"b\":2}"),
        ];
        for (inner, unwanted, count, expected) in table {
            let wrapped = format!(" {{\"n\": 1.50, \"a\":{inner} , \"z\":0}}\n");
            let pointer = Pointer::parse("/a").unwrap();
            let value = super::super::find(wrapped.as_bytes(), &pointer).unwrap().unwrap();
            let (mut edits, items) = (Edits::default(), items(wrapped.as_bytes(), value).unwrap());
            assert_eq!(edits.remove(&items, |item| item.value.get() == unwanted), count, "{inner} less {unwanted}");
            assert_eq!(edits.is_empty(), count == 0);
            let expected = format!(" {{\"n\": 1.50, \"a\":{expected} , \"z\":0}}\n");
            assert_eq!(
                String::from_utf8(edits.apply(wrapped.as_bytes())).unwrap(),
                expected,
                "{inner} less {unwanted}"
            );
        }
        assert!(items(b"7", whole("7")).is_none());
    }

    #[test]
    fn a_name_is_read_as_it_is_meant() {
        let document = r#"{"a":1,"\u00e9\n":2,"\ud800":3}"#;
        let names = items(document.as_bytes(), whole(document)).unwrap();
        let names: Vec<_> = names.iter().map(|item| item.name.as_deref()).collect();
        assert_eq!(names, [Some("a"), Some("é\n"), None]);
    }

    #[test]
    fn what_is_set_replaces_a_value_or_is_added_to_its_object() {
        let table = [
            (r#"{"on": true, "n": 1}"#, &["/on"][..], r#"{"on": 0, "n": 1}"#),
            (r#"{"n":1 }"#, &["/on"], r#"{"n":1,"on":0 }"#),
            (r#"{"n":1}"#, &["/a", "/b/c", "/n", "/q\"/x"], r#"{"n":0,"a":0}"#),
            ("{ }", &["/a", "/b"], r#"{"a":0,"b":0 }"#),
            (r#"{"a":{"b":{}}}"#, &["/a/b/c", "/a/d"], r#"{"a":{"b":{"c":0},"d":0}}"#),
            (r#"{"x":[1,2]}"#, &["/x/1", "/x/2"], r#"{"x":[1,0]}"#),
            ("7", &["/a"], "7"),
            (" 7", &[""], " 0"),
        ];
        for (document, pointers, expected) in table {
            let mut edits = Edits::default();
            for pointer in pointers {
                edits.set(document.as_bytes(), whole(document), &Pointer::parse(pointer).unwrap(), b"0".to_vec());
            }
            assert_eq!(
                String::from_utf8(edits.apply(document.as_bytes())).unwrap(),
                expected,
                "{document} {pointers:?}"
            );
        }
    }
}
