//! Reading and cutting JSON without touching what is not asked for.
//!
//! A document is walked as `serde_json` raw values, which borrow from it: so the place of every element is known to the
//! byte, and numbers like `1.50` keep their text. Where an object names a member twice the last one counts, as in
//! JavaScript's `JSON.parse`. Where only texts are wanted, `flat` reads objects of plain values without raw values.

mod each;
mod edit;
mod flat;
mod mention;
mod texts;

use std::{cell::Cell, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub use edit::{Edits, Item, items};
pub use mention::Mention;
pub use texts::{text, texts};

/// So many pointers are followed in one pass through a value: an owner, a room and a name. Nobody asks for more.
pub const AT_ONCE: usize = 3;

/// A JSON pointer (RFC 6901), in which a step `*` leads to every element or member. By default to the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(Box<[Step]>);

/// One step of a [`Pointer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the member of this name, or the element of this index.
    Name(Box<str>),
    /// `*`: to any member or element.
    Any,
}

/// Why a text is not a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// Neither empty nor beginning with `/`.
    NoSlash,
    /// A `~` that is neither `~0` nor `~1`.
    BadEscape,
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "a JSON pointer must be empty or begin with '/'",
            Self::BadEscape => "in a JSON pointer '~' must be followed by '0' or '1'",
        })
    }
}

impl Pointer {
    /// Reads a pointer; the empty text points to the whole document.
    ///
    /// # Errors
    /// [`PointerError`], saying what to fix.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        let tokens = text.strip_prefix('/').ok_or(PointerError::NoSlash)?.split('/');
        tokens.map(Step::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The steps from the whole document on.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether a step is `*`, so that the pointer may lead to several values.
    pub fn has_any(&self) -> bool {
        self.0.contains(&Step::Any)
    }

    /// The pointer to what holds that to which this one leads, and its name there; `None` of the whole document, and of `*`.
    pub fn split_last(&self) -> Option<(Self, &str)> {
        let (last, parent) = self.0.split_last()?;
        Some((Self(parent.into()), last.name()?))
    }

    /// The value that the pointer leads to; the first one if it leads to several.
    pub fn find<'d>(&self, document: &'d RawValue) -> Option<&'d RawValue> {
        each::first(&self.0, document)
    }

    /// Visits every value that the pointer leads to, in the order in which they stand. Of members of one name that is the
    /// last one.
    pub fn each<'d>(&self, document: &'d RawValue, visit: &mut dyn FnMut(&'d RawValue)) {
        each::each(&self.0, document, visit);
    }
}

impl Step {
    fn parse(token: &str) -> Result<Self, PointerError> {
        if token == "*" { Ok(Self::Any) } else { unescape(token).map(Self::Name) }
    }

    /// The name, if it is one.
    pub(crate) fn name(&self) -> Option<&str> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }
}

fn unescape(token: &str) -> Result<Box<str>, PointerError> {
    let mut pieces = token.split('~');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, tail) = piece.split_at_checked(1).ok_or(PointerError::BadEscape)?;
        text.push(match code {
            "0" => '~',
            "1" => '/',
            _ => return Err(PointerError::BadEscape),
        });
        text.push_str(tail);
    }
    Ok(text.into())
}

/// Bytes that are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// Whether bytes begin as JSON does; more than their beginning is not looked at.
pub fn begins(document: &[u8]) -> bool {
    let first = document.iter().take(64).find(|byte| !b" \t\r\n".contains(byte));
    first.is_none_or(|first| b"{[\"-0123456789tfn".contains(first))
}

/// Reads a whole document and finds the value that the pointer leads to.
///
/// # Errors
/// [`NotJson`].
pub fn find<'d>(document: &'d [u8], pointer: &Pointer) -> Result<Option<&'d RawValue>, NotJson> {
    find_all(document, [Some(pointer)]).map(|[value]| value)
}

/// Calls `visit` with every value that the pointer leads to.
///
/// # Errors
/// [`NotJson`].
pub fn each<'d>(document: &'d [u8], pointer: &Pointer, visit: &mut dyn FnMut(&'d RawValue)) -> Result<(), NotJson> {
    if pointer.has_any() {
        let [whole] = find_all(document, [Some(&Pointer::default())])?;
        if let Some(whole) = whole {
            pointer.each(whole, visit);
        }
    } else {
        find(document, pointer)?.into_iter().for_each(visit);
    }
    Ok(())
}

/// The same for several pointers, in one pass; a second one only if there are both pointers to the whole document and
/// others, and one for each pointer if there is a `*`. Without any pointer nothing is read.
///
/// # Errors
/// [`NotJson`].
pub fn find_all<'d, const N: usize>(
    document: &'d [u8],
    pointers: [Option<&Pointer>; N],
) -> Result<[Option<&'d RawValue>; N], NotJson> {
    let document = std::str::from_utf8(document).map_err(|_| NotJson)?;
    let is_whole = |pointer: &Pointer| pointer.0.is_empty();
    if pointers.into_iter().flatten().any(Pointer::has_any) {
        let whole: &RawValue = serde_json::from_str(document).map_err(|_| NotJson)?;
        return Ok(pointers.map(|pointer| pointer.and_then(|pointer| pointer.find(whole))));
    }
    let mut found = [None; N];
    if pointers.into_iter().flatten().any(is_whole) {
        let whole = serde_json::from_str(document).map_err(|_| NotJson)?;
        found = pointers.map(|pointer| pointer.filter(|pointer| is_whole(pointer)).map(|_| whole));
    }
    let tokens = pointers.map(|pointer| pointer.and_then(|pointer| pointer.0.first()).and_then(Step::name));
    if tokens == [None; N] {
        return Ok(found);
    }
    let mut reader = serde_json::Deserializer::from_str(document);
    let is_doubtful = Cell::new(false);
    let text = document.trim_ascii_start();
    let values = children_of(text, &mut reader, tokens, &is_doubtful).map_err(|_| NotJson)?;
    reader.end().map_err(|_| NotJson)?;
    if is_doubtful.get() {
        serde_json::from_str::<IgnoredAny>(document).map_err(|_| NotJson)?;
    }
    for ((found, value), pointer) in found.iter_mut().zip(values).zip(pointers) {
        let (Some(value), Some(pointer)) = (value, pointer) else { continue };
        *found = each::first(&pointer.0[1..], value);
    }
    Ok(found)
}

/// The elements of an array; `None` if the value is not one.
pub fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    if !value.get().starts_with('[') {
        return None;
    }
    serde_json::from_str(value.get()).ok()
}

/// The member of an object, or the element of an array, that a pointer's token names.
fn child<'d>(value: &'d RawValue, token: &str) -> Option<&'d RawValue> {
    // It is part of a document that was read, and no doubt is left.
    let (text, is_doubtful) = (value.get(), Cell::default());
    let [child] = children_of(text, &mut serde_json::Deserializer::from_str(text), [Some(token)], &is_doubtful).ok()?;
    child
}

/// The same for several tokens, in the value that `text` begins with and `reader` reads next. See [`NameIs`] for
/// `is_doubtful`.
fn children_of<'d, const N: usize>(
    text: &str,
    reader: &mut serde_json::Deserializer<serde_json::de::StrRead<'d>>,
    tokens: [Option<&str>; N],
    is_doubtful: &Cell<bool>,
) -> serde_json::Result<[Option<&'d RawValue>; N]> {
    match text.as_bytes().first() {
        Some(b'{') => reader.deserialize_map(Members(NameIs { tokens, is_doubtful })),
        Some(b'[') => reader.deserialize_seq(Elements(tokens.map(|token| token.and_then(array_index)))),
        _ => IgnoredAny::deserialize(reader).map(|_| [None; N]),
    }
}

/// RFC 6901, section 4: digits without a leading zero.
pub(crate) fn array_index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|b| b.is_ascii_digit());
    let plain = token == "0" || !token.starts_with('0');
    if digits && plain { token.parse().ok() } else { None }
}

struct Members<'t, const N: usize>(NameIs<'t, N>);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(is_wanted) = map.next_key_seed(self.0)? {
            if is_wanted == [false; N] {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            for (found, _) in found.iter_mut().zip(is_wanted).filter(|(_, is_wanted)| *is_wanted) {
                *found = Some(value);
            }
        }
        Ok(found)
    }
}

/// Compares a member's name without owning it. Asks for bytes, because a name may hold a lone surrogate (`\ud800`),
/// which is JSON but not Unicode. With bytes `serde_json` lets control characters pass, which JSON has as escapes alone:
/// `is_doubtful` is set where a name holds one, however it was written.
#[derive(Clone, Copy)]
struct NameIs<'t, const N: usize> {
    tokens: [Option<&'t str>; N],
    is_doubtful: &'t Cell<bool>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for NameIs<'_, N> {
    type Value = [bool; N];

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<[bool; N], D::Error> {
        name.deserialize_bytes(self)
    }
}

impl<const N: usize> Visitor<'_> for NameIs<'_, N> {
    type Value = [bool; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<[bool; N], E> {
        if name.iter().any(|byte| *byte < b' ') {
            self.is_doubtful.set(true);
        }
        Ok(self.tokens.map(|token| token.is_some_and(|token| token.as_bytes() == name)))
    }
}

struct Elements<const N: usize>([Option<usize>; N]);

impl<'de, const N: usize> Visitor<'de> for Elements<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        let mut index = 0;
        while let Some(value) = array.next_element::<&RawValue>()? {
            for (found, _) in found.iter_mut().zip(self.0).filter(|(_, wanted)| *wanted == Some(index)) {
                *found = Some(value);
            }
            index += 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'d>(document: &'d str, pointer: &str) -> Option<&'d str> {
        let found = super::find(document.as_bytes(), &Pointer::parse(pointer).unwrap());
        found.ok().flatten().map(RawValue::get)
    }

    #[test]
    fn a_pointer_leads_to_the_value_as_it_is_written() {
        let table = [
            (r#"{"a":1.50}"#, "/a", Some("1.50")),
            (r#" {"a": {"b/c": [10, {"~": "x"}]}} "#, "/a/b~1c/1/~0", Some(r#""x""#)),
            (r#"{"a":1,"a":2}"#, "/a", Some("2")),
            (r#"{"\u0061":3}"#, "/a", Some("3")),
            (r#"{"\ud800":1,"a":4}"#, "/a", Some("4")),
            (r#"{"\n":1,"a":5}"#, "/a", Some("5")),
            (r#"{"":5}"#, "/", Some("5")),
            ("7", "", Some("7")),
            ("[1,2]", "/01", None),
            ("[1,2]", "/2", None),
            ("[1,2]", "/+1", None),
            (r#"{"a":1}"#, "/b", None),
            (r#""a""#, "/a", None),
            (r#"{"a":1"#, "/a", None),
            (r#"{"a":1} x"#, "/a", None),
            ("", "", None),
        ];
        for (document, pointer, expected) in table {
            assert_eq!(find(document, pointer), expected, "{document} {pointer}");
        }
        let whole = Pointer::parse("").unwrap();
        assert_eq!(super::find(b"\"\xff\"", &whole).map(|_| ()), Err(NotJson), "invalid UTF-8 is not JSON");
        let wrong = ["", "{", "[1", "{} {}", "nul", r#"{"a" 1}"#, r#"{"a":1,}"#, "{\"a\u{1}\":1}", "{\"\\n\n\":1}"];
        for document in wrong {
            for pointer in ["", "/a", "/0", "/a/b"] {
                let pointer = Pointer::parse(pointer).unwrap();
                assert_eq!(super::find(document.as_bytes(), &pointer).map(|_| ()), Err(NotJson), "{document}");
            }
        }
    }

    #[test]
    fn several_pointers_lead_to_what_each_leads_to_alone() {
        let documents = [
            r#"{"a":{"b":1,"c":[2]},"d":"x","a":{"b":3}}"#,
            r#" {"d":[1,{"b":4}],"a":null} "#,
            r#"[{"b":5},6]"#,
            r#"{"a":{"b":1,"\ud800":2}}"#,
            "7",
            r#"{"a":1"#,
            "{\"a\u{1}\":1}",
        ];
        let pointers = ["", "/a", "/a/b", "/a/b", "/a/c/0", "/d", "/d/1/b", "/0/b", "/1", "/x"];
        let pointers = pointers.map(|pointer| Pointer::parse(pointer).unwrap());
        for document in documents.map(str::as_bytes) {
            for one in &pointers {
                for other in &pointers {
                    let alone = |pointer| super::find(document, pointer).map(|value| value.map(RawValue::get));
                    let found = find_all(document, [Some(one), None, Some(other)]);
                    let found = found.map(|found| found.map(|value| value.map(RawValue::get)));
                    let expected = alone(one).and_then(|one| Ok([one, None, alone(other)?]));
                    assert_eq!(found, expected, "{one:?} {other:?} in {}", document.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_star_leads_to_every_element_and_member() {
        let table: [(&str, &str, &[&str]); 14] = [
            ("[1,[2],{}]", "/*", &["1", "[2]", "{}"]),
            (r#"{"a":1,"b":{"c":2}}"#, "/*", &["1", r#"{"c":2}"#]),
            (r#"{"r":[{"u":1},{"u":"x"},{"v":3},7]}"#, "/r/*/u", &["1", r#""x""#]),
            (r#"{"a":{"x":[1,2]},"b":{"x":[3]}}"#, "/*/x/*", &["1", "2", "3"]),
            ("[[1,2],[[3]],4,[]]", "/*/*", &["1", "2", "[3]"]),
            (r#"{"a":[1],"a":[2]}"#, "/a/*", &["2"]),
            (r#"{"a":1,"b":2,"\u0061":3}"#, "/*", &["2", "3"]),
            (r#"[{"a":1,"a":2}]"#, "/*/a", &["2"]),
            (r#"{"\ud800":1,"\ud801":2,"\ud800":3}"#, "/*", &["2", "3"]),
            (r#"{"*":1,"a":2}"#, "/*", &["1", "2"]),
            (r#"{"**":1}"#, "/**", &["1"]),
            ("7", "/*", &[]),
            ("[]", "/*/0", &[]),
            ("[1]", "", &["[1]"]),
        ];
        for (document, pointer, expected) in table {
            let parsed = Pointer::parse(pointer).unwrap();
            let mut visited = Vec::new();
            parsed.each(serde_json::from_str(document).unwrap(), &mut |value| visited.push(value.get()));
            assert_eq!(visited, expected, "{document} {pointer}");
            assert_eq!(find(document, pointer), expected.first().copied(), "the first one: {document} {pointer}");
        }
        let wrong = super::find(b"[1,", &Pointer::parse("/*").unwrap());
        assert_eq!(wrong.map(|_| ()), Err(NotJson));
    }

    #[test]
    fn deep_documents_need_no_stack() {
        let deep = 10_000;
        let (document, pointer) = ("[".repeat(deep) + "1" + &"]".repeat(deep), "/*".repeat(300));
        let expected = deep - 300;
        let found = find(&document, &pointer).unwrap();
        assert_eq!(found.bytes().filter(|byte| *byte == b'[').count(), expected);
    }

    #[test]
    fn a_text_that_is_no_pointer_is_refused() {
        assert_eq!(Pointer::parse("a"), Err(PointerError::NoSlash));
        assert_eq!(Pointer::parse("/~2"), Err(PointerError::BadEscape));
        assert_eq!(Pointer::parse("/a~"), Err(PointerError::BadEscape));
    }
}
