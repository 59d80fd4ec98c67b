//! The event: one JSON object that says who was logged out, how and why.

use serde::{Serialize, Serializer};

use super::Departure;
use crate::plan::Scope;

/// The object, its fields in the order in which they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    event: &'static str,
    user_id: Lossy<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    sockets: Vec<Lossy<'a>>,
    rooms: Vec<Lossy<'a>>,
    scope: &'static str,
    reason: Lossy<'a>,
    removed: u64,
    at: u64,
}

/// Bytes as a string; those that are not UTF-8 become U+FFFD.
struct Lossy<'a>(&'a [u8]);

impl Serialize for Lossy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.0))
    }
}

/// The event's bytes.
pub(super) fn json(departure: &Departure<'_>, removed: u64) -> Vec<u8> {
    super::json(&Object {
        event: "logout",
        user_id: Lossy(departure.user),
        user_name: departure.user_name,
        sockets: departure.sockets.iter().map(|socket| Lossy(socket)).collect(),
        rooms: departure.rooms.iter().map(|room| Lossy(room)).collect(),
        scope: match departure.scope {
            Scope::User => "user",
            Scope::Socket => "socket",
            Scope::Part => "part",
        },
        reason: Lossy(departure.reason),
        removed,
        at: departure.at,
    })
}
