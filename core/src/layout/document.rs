//! The layout's JSON document, as serde takes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A layout.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document<'a> {
    pub(super) name: String,
    pub(super) separator: Option<String>,
    #[serde(default)]
    pub(super) ids: BTreeMap<String, IdDocument>,
    #[serde(borrow)]
    pub(super) traces: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(super) sockets: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) live: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) announce: Vec<&'a RawValue>,
}

/// What an id may hold.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum IdDocument {
    Any,
    Without(String),
    Length(usize),
}

/// One place where users show up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceDocument {
    pub(super) key: Option<String>,
    pub(super) members: Option<String>,
    pub(super) member: Option<String>,
    pub(super) entries: Option<String>,
    pub(super) array: Option<String>,
    pub(super) owner: Option<serde_json::Value>,
    pub(super) sweep: Option<bool>,
}

/// How ids stand in the mapping of a user to sockets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingDocument {
    pub(super) key: String,
    pub(super) array: Option<String>,
    pub(super) id: Option<String>,
}

/// By what else a user is live.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveDocument {
    pub(super) key: Option<String>,
    pub(super) scores: Option<String>,
    pub(super) member: Option<String>,
    pub(super) within: Option<u64>,
    pub(super) unit: Option<UnitDocument>,
}

/// What a score counts.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UnitDocument {
    S,
    Ms,
}

/// How a user's sockets are found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketsDocument {
    pub(super) of: Option<serde_json::Value>,
    pub(super) data: String,
    pub(super) room: Option<serde_json::Value>,
    pub(super) name: Option<serde_json::Value>,
    #[serde(rename = "trustMapping", default)]
    pub(super) trust_mapping: bool,
}
