//! What serde would take for a layout, or for a part of one, and nobody would mean: an object written as an array, and a name
//! that stands twice in an object.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::error::{LayoutProblem, other};

/// The fields of a layout whose values are read later, each by itself.
const READ_LATER: [&str; 5] = ["traces", "sockets", "live", "announce", "then"];

/// Reads a layout from its text.
pub(super) fn read_whole<'d, T: Deserialize<'d>>(text: &'d str) -> Result<T, LayoutProblem> {
    read(text, "a layout", &READ_LATER)
}

/// Reads a part of a layout, which is an object; a refusal calls it `what`.
pub(super) fn read_part<'d, T: Deserialize<'d>>(text: &'d str, what: &str) -> Result<T, LayoutProblem> {
    read(text, what, &[])
}

fn read<'d, T: Deserialize<'d>>(text: &'d str, what: &str, later: &[&str]) -> Result<T, LayoutProblem> {
    if text.trim_start().starts_with(['[', '"']) {
        other(format!("{what} must be an object: {{ \"field\": value, ... }}"))?;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Part { path: "", later }.deserialize(&mut deserializer).map_err(LayoutProblem::Json)?;
    serde_json::from_str(text).map_err(LayoutProblem::Json)
}

/// A value that is looked through. Nothing is kept of it.
#[derive(Clone, Copy)]
struct Part<'p> {
    /// The names that lead to it, with dots between them.
    path: &'p str,
    /// Fields of it that are not looked into.
    later: &'p [&'p str],
}

impl Part<'_> {
    /// The names that lead to a field of it.
    fn path_to(self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a layout")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    /// serde would read `{ "any": null }` as it reads `"any"`.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.path.starts_with("ids.") {
            return Err(E::custom(format!("`{}` must not be null", self.path)));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Part { later: &[], ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = self.path_to(&name);
            if self.later.contains(&&*name) {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Part { path: &path, later: &[] })?;
            }
            if !names.insert(name) {
                return Err(A::Error::custom(format!("`{path}` stands twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::layout::Layout;

    #[test]
    fn what_serde_would_take_and_nobody_would_mean_is_refused() {
        let [trace, data] = [r#"{"key":"a:{userId}"}"#, r#"{"of":"a:{userId}","data":"b:{socketId}"}"#];
        let whole = |rest: &str| format!(r#"{{"name":"x","separator":":","traces":[{trace}]{rest}}}"#);
        let traces = |traces: &str| format!(r#"{{"name":"x","separator":":","traces":[{traces}],"sockets":{data}}}"#);
        assert!(Layout::parse(&whole(r#","sockets":null"#)).is_ok() && Layout::parse(&traces(trace)).is_ok());
        let table = [
            (format!(r#"["x",null,{{}},[{trace}]]"#), "a layout must be an object"),
            (r#""x""#.to_owned(), "a layout must be an object"),
            (whole(r#","ids":{"userId":"any","userId":{"without":"/"}}"#), "`ids.userId` stands twice at line 1"),
            (whole(r#","ids":{"userId":{"without":"/","without":"."}}"#), "`ids.userId.without` stands twice"),
            (whole(r#","ids":{"userId":{"any":null}}"#), "`ids.userId.any` must not be null"),
            (whole(r#","ids":{"userId":null}"#), "`ids.userId` must not be null"),
            (whole(r#","name":"y""#), "`name` stands twice"),
            (whole(r#","traces":[]"#), "`traces` stands twice"),
            (traces(r#"["a:{userId}"]"#), r#"trace 1 ["a:{userId}"]: a trace must be an object"#),
            (traces(r#""a:{userId}""#), r#"trace 1 "a:{userId}": a trace must be an object"#),
            (traces(r#"{"key":"a:{userId}","key":"b:{userId}"}"#), r#""b:{userId}"}: `key` stands twice"#),
            (
                traces(r#"{"key":"b:{socketId}","owner":{"field":"u","field":"v"}}"#),
                r#""v"}}: `owner.field` stands twice"#,
            ),
            (whole(r#","sockets":["a:{userId}","b:{socketId}"]"#), "`sockets` must be an object"),
            (whole(r#","sockets":"b:{socketId}""#), "`sockets` must be an object"),
            (
                whole(r#","sockets":{"of":["a:{userId}",null,null],"data":"b:{socketId}"}"#),
                "`sockets.of` must be the name of a key, or an object",
            ),
            (
                whole(r#","sockets":{"of":{"key":"a:{userId}","key":"c:{userId}"},"data":"b:{socketId}"}"#),
                "`of.key` stands twice",
            ),
            (whole(r#","live":[["a:{userId}"]]"#), "an item of `live` must be an object"),
            (whole(r#","live":[{"key":"a:{userId}","key":"b:{userId}"}]"#), "`key` stands twice"),
            (whole(r#","announce":[["event",[]]]"#), "must be an object"),
            (whole(r#","announce":[{"event":"a","args":[],"args":[]}]"#), "duplicate field `args`"),
        ];
        for (text, expected) in table {
            let error = Layout::parse(&text).expect_err(&text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    /// An announcement is told as it is written.
    #[test]
    fn arguments_of_announcements_may_hold_whatever_json_does() {
        let args = r#"[{"a":null,"a":[{"b":1,"b":2}]},null]"#;
        let text = format!(
            r#"{{"name":"x","traces":[{{"key":"a:{{userId}}"}}],"announce":[{{"event":"left","args":{args}}}]}}"#
        );
        Layout::parse(&text).unwrap();
    }
}
