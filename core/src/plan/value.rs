//! What a value says about users.

use std::borrow::Cow;

use crate::{
    encoding::Unreadable,
    json::{self, AT_ONCE, Mention},
    layout::{By, Field, Form, Owner},
    ports::{Key, Kind},
    template::{Bindings, Placeholder},
};

/// Why a value cannot hold a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistyped {
    /// It is of another type than the layout says.
    Kind,
    /// It is not in the encoding that the layout says, or can't be read in it.
    Unreadable(Unreadable),
}

/// It is no JSON document.
pub(super) const NOT_JSON: Mistyped = Mistyped::Unreadable(Unreadable::NOT_JSON);

/// What a socket's data says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The rooms: an empty text is none.
    pub(super) rooms: Vec<Vec<u8>>,
    /// The user's name; of several the first.
    pub(super) name: Option<Vec<u8>>,
}

impl Said {
    fn add(&mut self, is_room: bool, text: &[u8]) {
        if !is_room {
            self.name.get_or_insert_with(|| text.to_vec());
        } else if !text.is_empty() {
            self.rooms.push(text.to_vec());
        }
    }
}

/// A value that names somebody, once or several times.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// What else stands beside the id each time, by its placeholder. Empty if nothing else may stand there.
    others: Vec<Vec<(Placeholder, Vec<u8>)>>,
    /// What it says as a socket's data.
    pub(super) said: Said,
}

impl Naming {
    /// Calls `visit` with the placeholders and what stands there, each time.
    pub(super) fn each(&self, bindings: &Bindings<'_>, visit: &mut dyn FnMut(&Bindings<'_>)) {
        // Nearly always, and not copied.
        if self.others.is_empty() {
            return visit(bindings);
        }
        for others in &self.others {
            visit(&others.iter().fold(*bindings, |filled, (placeholder, value)| filled.with(*placeholder, value)));
        }
    }

    /// Reads one more text; `known` is what others said. Nothing if it names nobody, and nobody was named before.
    fn read(known: Option<Self>, form: &Form, given: &Bindings<'_>, text: &[u8]) -> Option<Self> {
        // If nothing is open, it has all been said.
        if known.as_ref().is_some_and(|known| known.others.is_empty()) {
            return known;
        }
        // Nearly every text is an id and nothing else.
        match given.get(form.names.placeholder()).filter(|_| form.is_plain) {
            Some(wanted) if wanted == text => Some(known.unwrap_or_default()),
            Some(_) => known,
            None => Self::read_inside(known, form, given, text),
        }
    }

    /// The same of an id that stands in a longer text, or is not given.
    #[inline(never)] // for the room that it takes on the stack
    fn read_inside(known: Option<Self>, form: &Form, given: &Bindings<'_>, text: &[u8]) -> Option<Self> {
        let Some(read) = form.read(given, text) else { return known };
        let open = form.template.placeholders().iter().filter(|placeholder| given.get(**placeholder).is_none());
        let others = open.filter_map(|placeholder| Some((*placeholder, read.get(*placeholder)?.to_vec())));
        let others: Vec<_> = others.collect();
        let mut naming = known.unwrap_or_default();
        if !others.is_empty() {
            naming.others.push(others);
        }
        Some(naming)
    }
}

/// A longer document is not read into the index at every change, but looked into at every logout; and only if the user's id
/// stands in it. In bytes.
pub(super) const LONGEST_DOCUMENT: usize = 64 * 1024;

/// Whether a key's value names somebody in this form, where `given` are the ids that must stand there; and if so, which rooms and
/// name two other parts of it hold.
pub(super) fn names(
    key: &impl Key,
    owner: &Owner,
    given: &Bindings<'_>,
    [room, name]: [Option<&Field>; 2],
) -> Result<Option<Naming>, Mistyped> {
    // To get at a short string takes a call.
    let is_long = owner.at.is_document() && key.kind() == Kind::String && key.size() > LONGEST_DOCUMENT;
    let is_long = is_long && owner.at.encoding.is_json();
    let Some(wanted) = given.get(owner.is.names.placeholder()) else { return Ok(None) };
    if is_long && !may_name(&key.string(), wanted, &owner.is)? {
        return Ok(None);
    }
    let mut naming = None;
    let mut said = Said::default();
    let found = texts(key, &[Some(&owner.at), room, name], &mut |at, text| match at {
        1.. => said.add(at == 1, text),
        0 => naming = Naming::read(naming.take(), &owner.is, given, text),
    });
    found.map(|()| naming.map(|naming| Naming { said, ..naming }))
}

/// A member of a collection. What it says of somebody is its value: of a hash that of the field, else the member itself.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl Member {
    /// One member; its value is looked up, if it is asked for.
    pub(super) fn of(key: &impl Key, name: &[u8], by: &By) -> Self {
        let has_value = key.kind() == Kind::Hash && matches!(by, By::Value(_));
        let value = if has_value { key.field(name) } else { Some(name.to_vec()) };
        Self { name: name.to_vec(), value }
    }

    /// All of a collection, which need not stay open.
    pub(super) fn all(key: &impl Key, by: &By) -> Vec<Self> {
        if key.kind() == Kind::Hash && matches!(by, By::Value(_)) {
            return key.fields().into_iter().map(|(name, value)| Self { name, value: Some(value) }).collect();
        }
        key.members().into_iter().map(|name| Self { value: Some(name.clone()), name }).collect()
    }

    /// Whether it names somebody, by itself or by its value.
    pub(super) fn names(&self, by: &By, given: &Bindings<'_>) -> Result<Option<Naming>, Mistyped> {
        let mut naming = None;
        self.texts(by, &mut |text| naming = Naming::read(naming.take(), by.form(), given, text))?;
        Ok(naming)
    }

    /// Calls `found` with each text by which it may name somebody.
    pub(super) fn texts(&self, by: &By, found: &mut dyn FnMut(&[u8])) -> Result<(), Mistyped> {
        let Some(value) = &self.value else { return Ok(()) };
        match by {
            By::Name(_) => found(value),
            By::Value(owner) => {
                texts_in(value, &[Some(&owner.at)], &mut |_, text| found(text))?;
            }
        }
        Ok(())
    }
}

/// What a socket's data says, by where the room and the name are.
pub(super) fn said(key: &impl Key, fields: [Option<&Field>; 2]) -> Said {
    let mut said = Said::default();
    // What can't be read says nothing.
    let _ = texts(key, &fields, &mut |at, text| said.add(at == 0, text));
    said
}

/// Calls `found` with each text that one of the parts holds, and the part's number: of at most [`AT_ONCE`]. Nothing is found in a
/// part that can't be read. A string is read in one pass, unless one of the parts would stand in a hash.
///
/// Not generic over their number, so that writes and logouts run through the same code.
///
/// # Errors
/// [`Mistyped`], if it is the first part that can't be read. What is not asked for is not mistyped.
pub(super) fn texts(
    key: &impl Key,
    parts: &[Option<&Field>],
    found: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), Mistyped> {
    let kind = key.kind();
    if kind == Kind::String && parts.iter().flatten().all(|field| field.of_hash.is_none()) {
        return texts_in(&key.string(), parts, found);
    }
    let mut first = Ok(());
    for (at, field) in parts.iter().enumerate() {
        let Some(field) = field else { continue };
        let mut found = |_: usize, text: &[u8]| found(at, text);
        let read = match (&field.of_hash, kind) {
            (None, Kind::String) => texts_in(&key.string(), &[Some(field)], &mut found),
            (Some(name), Kind::Hash) => {
                key.field(name).map_or(Ok(()), |text| texts_in(&text, &[Some(field)], &mut found))
            }
            _ => Err(Mistyped::Kind),
        };
        if at == 0 {
            first = read;
        }
    }
    first
}

/// The same in a text: that of a string, a field, or a member.
#[inline(never)] // with a known number of parts the compiler writes it out for each of them
fn texts_in(text: &[u8], parts: &[Option<&Field>], found: &mut dyn FnMut(usize, &[u8])) -> Result<(), Mistyped> {
    debug_assert!(parts.len() <= AT_ONCE);
    let mut first = Ok(());
    for (at, field) in parts.iter().enumerate() {
        let Some(field) = field else { continue };
        if field.pointer.is_none() {
            found(at, text);
            continue;
        }
        // As a rule all of them are read in the same way, and so together.
        let is_alike = |other: &&Field| other.pointer.is_some() && other.encoding == field.encoding;
        if parts[..at].iter().flatten().any(is_alike) {
            continue;
        }
        let mut pointers = [None; AT_ONCE];
        for (pointer, other) in pointers.iter_mut().zip(parts) {
            *pointer = other.filter(is_alike).and_then(|other| other.pointer.as_ref());
        }
        let read = field.encoding.texts(text, &pointers[..parts.len()], found).map_err(Mistyped::Unreadable);
        if at == 0 {
            first = read;
        }
    }
    first
}

/// Whether a document may name somebody in this form. A long one in which the id does not stand is not read, so of one that begins like
/// JSON it is not known whether it is.
pub(super) fn may_name(document: &[u8], id: &[u8], form: &Form) -> Result<bool, Mistyped> {
    if document.len() <= LONGEST_DOCUMENT || mention(id, form).is_in(document) {
        Ok(true)
    } else if json::begins(document) {
        Ok(false)
    } else {
        Err(NOT_JSON)
    }
}

/// A text by which somebody may be named in this form.
pub(super) fn mention(id: &[u8], form: &Form) -> Mention {
    if form.is_plain { Mention::of(id) } else { Mention::of_part(id) }
}

/// The bytes of a string that should be a document.
pub(super) fn string(key: &impl Key) -> Result<Cow<'_, [u8]>, Mistyped> {
    if key.kind() == Kind::String { Ok(key.string()) } else { Err(Mistyped::Kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::Encoding,
        fake::{Fake, Value},
        json::Pointer,
        ports::Keyspace,
    };

    fn field(of_hash: Option<&str>, pointer: Option<&str>, encoding: &str) -> Field {
        let pointer = pointer.map(|pointer| Pointer::parse(pointer).unwrap());
        Field {
            of_hash: of_hash.map(|name| name.as_bytes().into()),
            pointer,
            encoding: Encoding::parse([encoding]).unwrap(),
        }
    }

    /// What the parts of a value hold, and whether the first can be read.
    fn read(value: Value, parts: &[Option<&Field>]) -> (Vec<(usize, String)>, Result<(), Mistyped>) {
        let space = Fake::default().with("key", value);
        let mut found = Vec::new();
        let mut note = |part, text: &[u8]| found.push((part, String::from_utf8(text.to_vec()).unwrap()));
        let first = texts(&space.open(&b"key".to_vec()).unwrap(), parts, &mut note);
        found.sort();
        (found, first)
    }

    #[test]
    fn each_part_is_read_as_it_is_written_and_the_first_says_whether_it_can_be() {
        let [a, b] = ["/a", "/b"].map(|pointer| field(None, Some(pointer), "json"));
        let packed = field(None, Some("/a"), "msgpack");
        let [whole, of_hash] = [None, Some("user")].map(|name| field(name, None, "json"));
        let string = |text: &str| Value::String(text.into());
        let hash = || Value::Hash([(b"user".to_vec(), b"u".to_vec())].into());
        let json = || string(r#"{"a":"x","b":"y"}"#);
        let texts = |texts: &[(usize, &str)]| texts.iter().map(|(part, text)| (*part, (*text).to_owned())).collect();
        let unreadable = |result: Result<(), Mistyped>| matches!(result, Err(Mistyped::Unreadable(_)));
        assert_eq!(read(json(), &[Some(&a), None, Some(&b)]), (texts(&[(0, "x"), (2, "y")]), Ok(())));
        // What is no JSON is no part of it, and does not matter but in the first place.
        assert_eq!(read(json(), &[Some(&a), Some(&packed), Some(&b)]), (texts(&[(0, "x"), (2, "y")]), Ok(())));
        let (found, first) = read(json(), &[Some(&packed), Some(&a)]);
        assert_eq!((found, unreadable(first)), (texts(&[(1, "x")]), true));
        let (found, first) = read(string("{"), &[Some(&a), Some(&whole)]);
        assert_eq!((found, unreadable(first)), (texts(&[(1, "{")]), true));
        assert_eq!(read(string("{"), &[Some(&whole), Some(&a)]), (texts(&[(0, "{")]), Ok(())));
        // Of a hash's field and of a string only one can be there.
        assert_eq!(read(json(), &[Some(&of_hash), Some(&a)]), (texts(&[(1, "x")]), Err(Mistyped::Kind)));
        assert_eq!(read(hash(), &[Some(&of_hash), Some(&a)]), (texts(&[(0, "u")]), Ok(())));
        assert_eq!(read(hash(), &[Some(&a), Some(&of_hash)]), (texts(&[(1, "u")]), Err(Mistyped::Kind)));
        assert_eq!(read(Value::Stream(1), &[Some(&a)]), (Vec::new(), Err(Mistyped::Kind)));
        // What is not asked for is not mistyped.
        assert_eq!(read(Value::Stream(1), &[None, Some(&a)]), (Vec::new(), Ok(())));
    }
}
