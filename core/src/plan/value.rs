//! What a value says about users.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    json::{self, Pointer},
    layout::Field,
    ports::{Key, Kind},
};

/// The value cannot hold a trace: it is not JSON, or of another type than the layout says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistyped;

/// A longer document is not read into the index at every change, but looked into at every logout; and only if the user's id
/// stands in it. In bytes.
pub(super) const LONGEST_DOCUMENT: usize = 64 * 1024;

/// The text that a part of the value holds, if it holds one.
pub(super) fn text_at(key: &impl Key, field: &Field) -> Result<Option<Vec<u8>>, Mistyped> {
    look_at(key, field, |text| text.map(<[u8]>::to_vec))
}

/// Whether a part of the value holds this text.
pub(super) fn names(key: &impl Key, field: &Field, wanted: &[u8]) -> Result<bool, Mistyped> {
    if matches!(field, Field::Json(_)) && key.kind() == Kind::String && !may_name(&key.string(), wanted)? {
        return Ok(false);
    }
    look_at(key, field, |text| text == Some(wanted))
}

/// Looks at the text that a part of the value holds, if it holds one.
pub(super) fn look_at<R>(key: &impl Key, field: &Field, look: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, Mistyped> {
    match field {
        Field::Hash(field) if key.kind() == Kind::Hash => Ok(look(key.field(field).as_deref())),
        Field::Hash(_) => Err(Mistyped),
        Field::Json(pointer) => {
            let string = string(key)?;
            let text = json::find(&string, pointer).map_err(|_| Mistyped)?.and_then(json::text);
            Ok(look(text.as_deref().map(str::as_bytes)))
        }
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
