//! What of a JSON document is somebody's: elements of arrays, and members of objects.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::value::{self, Mistyped};
use crate::{
    hash,
    json::{self, Edits, Item},
    layout::{By, Entries, Field, Form, Owner},
    ports::Keyspace,
    template::{Bindings, Placeholder},
};

/// A document of which something goes.
#[derive(Debug)]
pub struct EntriesTrace<N> {
    /// The document's key.
    pub key: N,
    /// How many elements or members go, or are marked.
    pub elements: usize,
    /// The document without them.
    document: Vec<u8>,
    /// The hash of the document with them, of 64 bits by keys that nobody knows.
    before: u64,
    /// The document with them, if one device may go alone.
    whole: Vec<u8>,
    /// By what it was cut.
    cuts: Vec<CutBy>,
    /// The rooms that stood beside the id in what goes.
    pub(super) rooms: Vec<Vec<u8>>,
}

/// Whose elements are cut out of a document.
#[derive(Clone, Debug)]
pub(super) struct CutBy {
    entries: Arc<Entries>,
    /// What the placeholders stand for that must stand there.
    given: Vec<(Placeholder, Box<[u8]>)>,
    /// The moment, in milliseconds since 1970.
    at: u64,
}

/// A document without what was cut out of it.
struct Cut {
    /// How many elements were; at least one.
    elements: usize,
    document: Vec<u8>,
    rooms: Vec<Vec<u8>>,
}

impl CutBy {
    pub(super) fn new(entries: &Arc<Entries>, given: &Bindings<'_>, at: u64) -> Self {
        let given = given.iter().map(|(placeholder, value)| (placeholder, value.into())).collect();
        Self { entries: entries.clone(), given, at }
    }

    fn given(&self) -> Bindings<'_> {
        self.given.iter().fold(Bindings::default(), |given, (placeholder, value)| given.with(*placeholder, value))
    }

    /// The id that stands in the document if anything of it goes, and in which form; `None` if no id need stand there.
    pub(super) fn wanted(&self) -> Option<(&[u8], &Form)> {
        let form = self.entries.by.form();
        let names = form.names.placeholder();
        let id = self.given().get(names).filter(|_| form.template.has(names))?;
        Some((id, form))
    }

    /// Whether it is about elements that name this socket.
    fn is_of_socket(&self, socket: &[u8]) -> bool {
        let names = self.entries.by.form().names.placeholder();
        names == Placeholder::SOCKET && self.given().get(names) == Some(socket)
    }

    fn cut(&self, document: &[u8]) -> Result<Option<Cut>, Mistyped> {
        let (mut edits, mut elements, mut rooms) = (Edits::default(), 0, Vec::new());
        let given = self.given();
        let user = given.get(Placeholder::USER).unwrap_or_default();
        let is_somebodys = self.is_somebodys();
        each_container(document, &self.entries, &mut |container| {
            let items = json::items(document, container).unwrap_or_default();
            if self.entries.set.is_empty() {
                elements += edits.remove(&items, &is_somebodys);
                for item in &items {
                    self.note_rooms(item, &given, &mut rooms);
                }
            } else {
                for item in items.iter().filter(|item| is_somebodys(item)) {
                    if self.set(document, item.value, user, &mut edits) {
                        elements += 1;
                        self.note_rooms(item, &given, &mut rooms);
                    }
                }
            }
        })?;
        Ok((elements > 0).then(|| Cut { elements, document: edits.apply(document), rooms }))
    }

    /// Notes the rooms that stand beside the id in an element.
    fn note_rooms(&self, item: &Item<'_>, given: &Bindings<'_>, rooms: &mut Vec<Vec<u8>>) {
        let form = self.entries.by.form();
        if form.template.has(Placeholder::ROOM) {
            each_text(&self.entries, item, &mut |text| {
                let read = form.read(given, text.as_bytes());
                rooms.extend(read.and_then(|read| Some(read.get(Placeholder::ROOM)?.to_vec())));
            });
        }
    }

    /// Whether an element is somebody's that would be marked, as it may have been.
    pub(super) fn is_marked(&self, document: &[u8]) -> bool {
        let (is_somebodys, mut is_marked) = (self.is_somebodys(), false);
        let read = each_container(document, &self.entries, &mut |container| {
            let items = json::items(document, container).unwrap_or_default();
            is_marked |= items.iter().any(&is_somebodys);
        });
        read.is_ok() && is_marked
    }

    /// A test of whether an element is somebody's.
    fn is_somebodys(&self) -> impl Fn(&Item<'_>) -> bool {
        let (form, given) = (self.entries.by.form(), self.given());
        // Most elements are somebody else's, and to see that the id stands nowhere in one takes a part of the time to read it.
        let wanted = self.wanted().filter(|_| matches!(self.entries.by, By::Value(_)));
        let mention = wanted.map(|(id, form)| value::mention(id, form));
        move |item| {
            let mut is_named = false;
            if mention.as_ref().is_none_or(|mention| mention.is_in(item.value.get().as_bytes())) {
                each_text(&self.entries, item, &mut |text| is_named |= form.read(&given, text.as_bytes()).is_some());
            }
            is_named
        }
    }

    /// Marks an element, unless that would change nothing but times. A value for which there is no place is left out, and is no
    /// reason to mark the element again at each logout. Whether it is marked.
    fn set(&self, document: &[u8], element: &RawValue, user: &[u8], edits: &mut Edits) -> bool {
        let (before, mut is_changed) = (edits.len(), false);
        for (at, setting) in &self.entries.set {
            let text = setting.text(user, self.at);
            let is_there = at.find(element).is_some_and(|now| setting.is_time() || is_equal(now, &text));
            let count = edits.len();
            edits.set(document, element, at, text);
            is_changed |= !is_there && edits.len() > count;
        }
        if !is_changed {
            edits.truncate(before);
        }
        is_changed
    }
}

fn is_equal(one: &RawValue, other: &[u8]) -> bool {
    let one = serde_json::from_str::<serde_json::Value>(one.get());
    one.is_ok_and(|one| serde_json::from_slice::<serde_json::Value>(other).is_ok_and(|other| one == other))
}

/// Visits the arrays or objects of a document that a trace is about.
pub(super) fn each_container<'d>(
    document: &'d [u8],
    entries: &Entries,
    visit: &mut dyn FnMut(&'d RawValue),
) -> Result<(), Mistyped> {
    let begin = if entries.is_object { '{' } else { '[' };
    let mut visit = |value: &'d RawValue| {
        if value.get().starts_with(begin) {
            visit(value);
        }
    };
    json::each(document, &entries.at, &mut visit).map_err(|_| value::NOT_JSON)
}

/// Visits the texts by which an element may name somebody.
pub(super) fn each_text<'d>(entries: &Entries, item: &Item<'d>, visit: &mut dyn FnMut(Cow<'d, str>)) {
    let mut note = |value: Option<&'d RawValue>| {
        if let Some(text) = value.and_then(json::text) {
            visit(text);
        }
    };
    match &entries.by {
        By::Name(_) => item.name.iter().cloned().for_each(visit),
        By::Value(Owner { at: Field { pointer: Some(pointer), .. }, .. }) if pointer.has_any() => {
            pointer.each(item.value, &mut |value| note(Some(value)));
        }
        By::Value(owner) => note(owner.at.pointer.as_ref().and_then(|pointer| pointer.find(item.value))),
    }
}

impl<N: AsRef<[u8]>> EntriesTrace<N> {
    /// Cuts a document that is there; `None` if nothing of it goes.
    pub(super) fn of(key: N, document: &[u8], by: CutBy) -> Result<Option<Self>, Mistyped> {
        let Some(Cut { elements, document: rest, rooms }) = by.cut(document)? else { return Ok(None) };
        let is_of_socket = by.entries.by.form().names.placeholder() == Placeholder::SOCKET;
        let whole = if is_of_socket { document.to_vec() } else { Vec::new() };
        let before = hash::of(document);
        Ok(Some(Self { key, elements, document: rest, before, whole, cuts: vec![by], rooms }))
    }

    /// Cuts it once more, by another trace of the layout. `document` is the one that is there. Whether more goes.
    pub(super) fn cut(&mut self, document: &[u8], by: CutBy) -> Result<bool, Mistyped> {
        let Some(cut) = by.cut(&self.document)? else { return Ok(false) };
        if self.whole.is_empty() && by.entries.by.form().names.placeholder() == Placeholder::SOCKET {
            self.whole = document.to_vec();
        }
        self.elements += cut.elements;
        self.document = cut.document;
        self.rooms.extend(cut.rooms);
        self.cuts.push(by);
        Ok(true)
    }

    /// What of it is about one socket.
    pub(super) fn only_socket(self, socket: &[u8]) -> Option<Self> {
        let mut cuts = self.cuts.into_iter().filter(|by| by.is_of_socket(socket));
        let mut narrowed = Self::of(self.key, &self.whole, cuts.next()?).ok()??;
        for by in cuts {
            narrowed.cut(&self.whole, by).ok()?;
        }
        Some(narrowed)
    }

    /// Whether the whole document may go.
    pub(super) fn may_be_deleted(&self) -> bool {
        self.cuts.iter().any(|by| by.entries.deletes_empty)
    }

    /// How many elements go, and what is left of the document; `None` instead of it if the document is deleted. It is cut once
    /// more if it is not what it was when it was planned: what was removed before may have made another module write it, or log
    /// somebody else out of it. `None` if there is nothing to cut any more.
    pub(super) fn cut_now<K: Keyspace<Name = N>>(&self, space: &K) -> Option<(usize, Option<Cow<'_, [u8]>>)> {
        let key = space.open(&self.key)?;
        let now = value::string(&key).ok()?;
        let (mut elements, mut document) = (self.elements, Cow::Borrowed(&*self.document));
        if hash::of(&*now) != self.before {
            (elements, document) = (0, Cow::Owned(now.into_owned()));
            for by in &self.cuts {
                if let Ok(Some(cut)) = by.cut(&document) {
                    elements = elements.saturating_add(cut.elements);
                    document = Cow::Owned(cut.document);
                }
            }
        }
        let is_deleted = self.cuts.iter().any(|by| by.entries.deletes_empty && is_empty(&document, &by.entries));
        (elements > 0).then_some((elements, (!is_deleted).then_some(document)))
    }
}

/// Whether nothing is left in the arrays or objects of a document that a trace is about.
fn is_empty(document: &[u8], entries: &Entries) -> bool {
    let mut is_empty = true;
    let read = each_container(document, entries, &mut |container| {
        is_empty &= json::items(document, container).is_some_and(|items| items.is_empty());
    });
    read.is_ok() && is_empty
}
