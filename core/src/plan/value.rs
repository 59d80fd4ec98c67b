//! What a value says about users.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hasher},
};

use serde_json::value::RawValue;

use super::CutBy;
use crate::{
    json::{self, Cut, Pointer},
    layout::Field,
    ports::{Key, Kind},
};

/// The value cannot hold a trace: it is not JSON, or of another type than the layout says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistyped;

/// What a socket's data says: the room and the user's name.
pub(super) type Said = [Option<Vec<u8>>; 2];

/// A longer document is not read into the index at every change, but looked into at every logout; and only if the user's id
/// stands in it. In bytes.
pub(super) const LONGEST_DOCUMENT: usize = 64 * 1024;

/// The text that a part of the value holds, if it holds one.
pub(super) fn text_at(key: &impl Key, field: &Field) -> Result<Option<Vec<u8>>, Mistyped> {
    look_at(key, field, |text| text.map(<[u8]>::to_vec))
}

/// The texts that parts of the value hold.
pub(super) fn texts_at<const N: usize>(key: &impl Key, fields: [Option<&Field>; N]) -> [Option<Vec<u8>>; N] {
    look_at_all(key, fields, |texts| texts.map(|text| text.ok().flatten().map(<[u8]>::to_vec)))
}

/// Whether a part of the value holds this text, and if so, what two others hold.
pub(super) fn names(
    key: &impl Key,
    field: &Field,
    wanted: &[u8],
    [one, other]: [Option<&Field>; 2],
) -> Result<Option<[Option<Vec<u8>>; 2]>, Mistyped> {
    // To get at a short string takes a call.
    let is_long = matches!(field, Field::Json(_)) && key.kind() == Kind::String && key.size() > LONGEST_DOCUMENT;
    if is_long && !may_name(&key.string(), wanted)? {
        return Ok(None);
    }
    look_at_all(key, [Some(field), one, other], |[text, one, other]| {
        let names = text? == Some(wanted);
        Ok(names.then(|| [one, other].map(|text| text.ok().flatten().map(<[u8]>::to_vec))))
    })
}

/// Looks at the text that a part of the value holds, if it holds one.
pub(super) fn look_at<R>(key: &impl Key, field: &Field, look: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, Mistyped> {
    look_at_all(key, [Some(field)], |[text]| text.map(look))
}

/// Looks at the texts that parts of the value hold, as far as they hold one. The value is read in one pass.
fn look_at_all<R, const N: usize>(
    key: &impl Key,
    fields: [Option<&Field>; N],
    look: impl FnOnce([Result<Option<&[u8]>, Mistyped>; N]) -> R,
) -> R {
    // What is not asked for is not mistyped.
    let nothing = fields.map(|field| field.map_or(Ok(None), |_| Err(Mistyped)));
    match key.kind() {
        Kind::Hash => {
            let texts = fields.map(|field| match field {
                Some(Field::Hash(field)) => Ok(key.field(field)),
                Some(Field::Json(_)) => Err(Mistyped),
                None => Ok(None),
            });
            look(texts.each_ref().map(|text| text.as_ref().map(|text| text.as_deref()).map_err(|mistyped| *mistyped)))
        }
        Kind::String => {
            let pointers = fields.map(|field| match field {
                Some(Field::Json(pointer)) => Some(pointer),
                _ => None,
            });
            let string = key.string();
            let Ok(found) = json::find_all(&string, pointers) else { return look(nothing) };
            let texts = found.map(|value| value.and_then(json::text));
            let mut texts = texts.each_ref().map(|text| Ok(text.as_deref().map(str::as_bytes)));
            for (text, field) in texts.iter_mut().zip(fields) {
                if matches!(field, Some(Field::Hash(_))) {
                    *text = Err(Mistyped);
                }
            }
            look(texts)
        }
        _ => look(nothing),
    }
}

/// Whether a document may name somebody. A long one in which the id does not stand is not read, so of one that begins like
/// JSON it is not known whether it is.
pub(super) fn may_name(document: &[u8], id: &[u8]) -> Result<bool, Mistyped> {
    if document.len() <= LONGEST_DOCUMENT || json::mentions(document, id) {
        Ok(true)
    } else if json::begins(document) {
        Ok(false)
    } else {
        Err(Mistyped)
    }
}

/// Cuts elements out of an array of a document. `None` if there is none.
pub(super) fn cut(document: &[u8], by: &CutBy) -> Result<Option<Cut>, Mistyped> {
    let Some(array) = array_at(document, &by.array)? else { return Ok(None) };
    let goes = |element: &RawValue| owner(element, &by.owner).is_some_and(|owner| owner.as_bytes() == &*by.id);
    Ok(json::cut(document, array, goes))
}

/// A number that is another one for nearly every other text, to see whether a document is what it was.
pub(super) fn fingerprint(document: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(document);
    hasher.finish()
}

/// The array in a document, if it leads to one.
pub(super) fn array_at<'d>(document: &'d [u8], array: &Pointer) -> Result<Option<&'d RawValue>, Mistyped> {
    let array = json::find(document, array).map_err(|_| Mistyped)?;
    Ok(array.filter(|value| value.get().starts_with('[')))
}

/// Whom an element of such an array names.
pub(super) fn owner<'d>(element: &'d RawValue, owner: &Pointer) -> Option<Cow<'d, str>> {
    owner.find(element).and_then(json::text)
}

/// The bytes of a string that should be a document.
pub(super) fn string(key: &impl Key) -> Result<Cow<'_, [u8]>, Mistyped> {
    if key.kind() == Kind::String { Ok(key.string()) } else { Err(Mistyped) }
}
