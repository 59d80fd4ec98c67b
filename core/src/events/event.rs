//! The event: one JSON object that says who was logged out, how and why.

use std::io::Write as _;

use super::Departure;
use crate::plan::Scope;

/// The event's bytes, its fields always in the same order. Ids that are not UTF-8 have U+FFFD where they are not.
///
/// Each logout by default has one, so it is written without a serializer: that takes a third of the instructions.
pub(super) fn json(departure: &Departure<'_>, removed: u64) -> Vec<u8> {
    // Most of them without growing.
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(br#"{"event":"logout","userId":"#);
    string(&mut text, departure.user);
    if let Some(name) = departure.user_name {
        text.extend_from_slice(br#","userName":"#);
        string(&mut text, name.as_bytes());
    }
    text.extend_from_slice(br#","sockets":"#);
    strings(&mut text, departure.sockets.iter().copied());
    text.extend_from_slice(br#","rooms":"#);
    strings(&mut text, departure.rooms.iter().map(Vec::as_slice));
    text.extend_from_slice(match departure.scope {
        Scope::User => br#","scope":"user","reason":"#,
        Scope::Socket => br#","scope":"socket","reason":"#,
        Scope::Part => br#","scope":"part","reason":"#,
    });
    string(&mut text, departure.reason);
    let _ = write!(text, r#","removed":{removed},"at":{}}}"#, departure.at);
    text
}

fn strings<'a>(text: &mut Vec<u8>, all: impl Iterator<Item = &'a [u8]>) {
    text.push(b'[');
    for (at, bytes) in all.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        string(text, bytes);
    }
    text.push(b']');
}

fn string(text: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if bytes.iter().all(is_plain) {
        text.push(b'"');
        text.extend_from_slice(bytes);
        text.push(b'"');
    } else {
        text.extend(super::json(&String::from_utf8_lossy(bytes)));
    }
}
