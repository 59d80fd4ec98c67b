//! The layout's JSON document, as serde takes it. With the feature `schema`, the comments on the fields are the descriptions
//! in its JSON Schema (`layout::schema`), where what is read later has the type that it must have then.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

#[cfg(feature = "schema")]
use crate::{announcement::Document as AnnouncementDocument, template::LONGEST_LENGTH, then::Document as ThenDocument};

/// The longest time for which a score may count, in seconds: ten years.
pub(super) const MOST_SECONDS: u64 = 10 * 365 * 24 * 3600;

/// Where an application leaves traces of its users in Redis.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(title = "Layout of redis-session"))]
pub(super) struct Document<'a> {
    /// The JSON Schema that an editor checks the file with; the module does not read it.
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    /// What `SESSION.LAYOUT` and the log call the layout.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(super) name: String,
    /// Bytes that no id holds, except for ids that `ids` names.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub(super) separator: Option<String>,
    /// What single ids may hold, by the name of their placeholder without braces.
    #[serde(default)]
    pub(super) ids: BTreeMap<String, IdDocument>,
    /// The traces: where users show up, and what a logout removes.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<TraceDocument>", length(min = 1)))]
    pub(super) traces: Vec<&'a RawValue>,
    /// How a user's devices are found.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<SocketsDocument>"))]
    pub(super) sockets: Option<&'a RawValue>,
    /// By what else a user is live; one of the rules is enough.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<LiveDocument>"))]
    pub(super) live: Vec<&'a RawValue>,
    /// What is told to each room that a user leaves, in this order.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<AnnouncementDocument<'static>>"))]
    pub(super) announce: Vec<&'a RawValue>,
    /// What is written at a logout, after the removal and in the same transaction, in this order.
    #[serde(borrow, default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ThenDocument<'static>>"))]
    pub(super) then: Vec<&'a RawValue>,
}

/// What an id may hold.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Id"))]
pub(super) enum IdDocument {
    /// The id may hold any bytes.
    Any,
    /// The id does not hold these bytes.
    Without(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] String),
    /// The id has exactly so many bytes.
    Length(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = LONGEST_LENGTH)))] usize),
}

/// A trace: `key`, or `key` with `owner`, or `members` with `member` or `owner`, or `entries` with `array` or `object`, and `owner`
/// or `member`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Trace"))]
pub(super) struct TraceDocument {
    /// The name of a key that is deleted; it holds {userId} or {socketId}, unless `owner` says whose it is.
    pub(super) key: Option<String>,
    /// The name of a set, sorted set, hash or list, of which `member` is removed.
    pub(super) members: Option<String>,
    /// The member, field or element that is removed from `members`, or a list of them; it holds {userId} or {socketId}, unless
    /// the name of `members` holds {userId}. With `object`, the name of what is removed from the object.
    pub(super) member: Option<OneOrMany>,
    /// The name of a JSON document, from whose `array` or `object` what is the user's is cut out.
    pub(super) entries: Option<String>,
    /// A JSON pointer to the array in the document of `entries`; a step `*` is any element or member.
    pub(super) array: Option<String>,
    /// A JSON pointer to the object in the document of `entries`; a step `*` is any element or member.
    pub(super) object: Option<String>,
    /// Where the value of `key`, a member of `members`, or an element of `array` or `object`, names the user.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Owner>"))]
    pub(super) owner: Option<serde_json::Value>,
    /// How a value is read where a pointer of `owner` goes: a format, or a list that is unwrapped from left to right; `json` if
    /// left out.
    pub(super) encoding: Option<OneOrMany>,
    /// What elements get instead of being removed: JSON pointers into an element, and any JSON, whose strings may hold {now} and
    /// {userId}.
    pub(super) set: Option<BTreeMap<String, serde_json::Value>>,
    /// What becomes of a document of which nothing is left in the array or object; it is kept if left out.
    pub(super) empty: Option<EmptyDocument>,
    /// Whether a sweep removes it too; true if left out.
    pub(super) sweep: Option<bool>,
}

/// A text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) enum OneOrMany {
    /// One.
    One(String),
    /// Each of them.
    Many(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// What becomes of a document of which nothing is left.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Empty"))]
pub(super) enum EmptyDocument {
    /// It is deleted.
    Delete,
}

/// Where a value names somebody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "OwnerParts"))]
pub(super) struct OwnerDocument {
    /// A JSON pointer into the value; with `field`, into that of the field.
    pub(super) pointer: Option<String>,
    /// The field, if the value is a hash.
    pub(super) field: Option<String>,
    /// Whether it is the whole value, byte for byte.
    #[cfg_attr(feature = "schema", schemars(with = "Option<True>"))]
    pub(super) raw: Option<bool>,
    /// What stands there; {userId} if left out.
    pub(super) is: Option<String>,
}

/// A mapping, and how ids stand in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Mapping"))]
pub(super) struct MappingDocument {
    /// The name of the key that maps the user to sockets; it holds {userId} and no other placeholder.
    pub(super) key: String,
    /// A JSON pointer to the array of sockets, if the key's value is a JSON document.
    pub(super) array: Option<String>,
    /// The form of an id in the mapping, with {socketId}; with `array`, a JSON pointer to the id in an element.
    pub(super) id: Option<String>,
}

/// By what else a user is live: `key`, or `scores` with `member` and `within`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Live"))]
pub(super) struct LiveDocument {
    /// The name of a key that exists while the user is live; it holds {userId}.
    pub(super) key: Option<String>,
    /// The name of a sorted set, in which the score of `member` is the moment of its last sign of life.
    pub(super) scores: Option<String>,
    /// The member of `scores`; one of the two holds {userId}.
    pub(super) member: Option<String>,
    /// For how many seconds a score counts.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MOST_SECONDS)))]
    pub(super) within: Option<u64>,
    /// What a score counts; seconds if left out.
    pub(super) unit: Option<UnitDocument>,
}

/// What a score counts, since 1970.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Unit"))]
pub(super) enum UnitDocument {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
}

/// How a user's devices are found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Sockets"))]
pub(super) struct SocketsDocument {
    /// The key that maps the user to sockets; without it, they are those whose data is a trace of the user.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Of>"))]
    pub(super) of: Option<serde_json::Value>,
    /// The name of the key that each socket has while it is connected; it holds {socketId} and may hold {userId}.
    pub(super) data: String,
    /// How the value of `data` is read where `room` and `name` lead; as the trace of that key says, if left out, else `json`.
    pub(super) encoding: Option<OneOrMany>,
    /// Where the value of `data` names the room.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Part>"))]
    pub(super) room: Option<serde_json::Value>,
    /// Where the value of `data` holds the user's name.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Part>"))]
    pub(super) name: Option<serde_json::Value>,
    /// Whether the mapping alone is enough for closing a socket.
    #[serde(rename = "trustMapping", default)]
    pub(super) trust_mapping: bool,
}

/// Where a value names somebody.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is for the schema alone; the reader says more of what is wrong than serde would")]
enum Owner {
    /// A JSON pointer.
    Pointer(String),
    /// Where, and what stands there.
    Parts(OwnerDocument),
}

/// Where a part of a value stands.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is for the schema alone; the reader says more of what is wrong than serde would")]
enum Part {
    /// A JSON pointer.
    Pointer(String),
    /// Where else.
    Parts(PartDocument),
}

/// Where a part of a value stands.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it is for the schema alone")]
struct PartDocument {
    /// A JSON pointer into the value; with `field`, into that of the field.
    pointer: Option<String>,
    /// The field, if the value is a hash.
    field: Option<String>,
    /// Whether it is the whole value, byte for byte.
    raw: Option<True>,
}

/// The value `true`.
#[cfg(feature = "schema")]
struct True;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for True {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "True".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "const": true })
    }
}

/// The key that maps the user to sockets.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it is for the schema alone; the reader says more of what is wrong than serde would")]
enum Of {
    /// The key's name, which holds {userId} and no other placeholder; each value in it is an id.
    Key(String),
    /// The key's name, and how ids stand in it.
    Mapping(MappingDocument),
}
