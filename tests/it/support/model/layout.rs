//! A layout as the model reads it. The file is taken as valid: refusals are the module's business.

use super::template::{Ids, Rule, Template};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where an application leaves traces.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The JSON text.
    pub json: String,
    pub ids: Ids,
    pub traces: Vec<Trace>,
    /// Whether a sweep removes the trace at the same place in `traces`.
    sweeps: Vec<bool>,
    pub sockets: Option<Sockets>,
}

/// How a key's value names its user.
#[derive(Clone, Debug)]
pub enum Owner {
    /// By a JSON pointer into a string value.
    Pointer(String),
    /// By a hash field.
    Field(String),
}

/// The four kinds of trace.
#[derive(Clone, Debug)]
pub enum Trace {
    Key { key: Template },
    OwnedKey { key: Template, owner: Owner },
    Members { key: Template, member: Template },
    Entries { key: Template, array: String, owner: String },
}

/// How a live socket is found.
#[derive(Clone, Debug)]
pub struct Sockets {
    pub of: Template,
    pub data: Template,
    pub room: Option<String>,
}

impl Trace {
    /// The template of the keys where it is.
    pub fn template(&self) -> &Template {
        match self {
            Self::Key { key } | Self::OwnedKey { key, .. } | Self::Members { key, .. } | Self::Entries { key, .. } => {
                key
            }
        }
    }
}

impl Layout {
    /// Reads a layout from its JSON text.
    pub fn parse(json: &str) -> Self {
        let value: Value = serde_json::from_str(json).expect("the layout is JSON");
        let traces = value["traces"].as_array().expect("a layout has traces");
        let ids = ids(&value);
        let template = |value: &Value| Template::parse(&text(value), &ids);
        let sweeps = traces.iter().map(|trace| trace["sweep"] != Value::Bool(false)).collect();
        let traces = traces.iter().map(|value| trace(value, &template)).collect();
        let sockets = value.get("sockets").map(|sockets| Sockets {
            of: template(&sockets["of"]),
            data: template(&sockets["data"]),
            room: sockets.get("room").map(text),
        });
        Self { json: json.to_owned(), ids, traces, sweeps, sockets }
    }

    /// The layout without the traces that a sweep leaves alone.
    pub fn swept(&self) -> Self {
        let kept = self.traces.iter().zip(&self.sweeps).filter(|(_, sweep)| **sweep);
        let traces: Vec<_> = kept.map(|(trace, _)| trace.clone()).collect();
        Self { sweeps: vec![true; traces.len()], traces, ..self.clone() }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// What ids may hold.
fn ids(value: &Value) -> Ids {
    let bytes = |value: &Value| Template::parse(&text(value), &Ids::default()).render(&BTreeMap::default());
    let rule = |value: &Value| match value {
        Value::String(any) if any == "any" => Rule::Any,
        value if value.get("without").is_some() => Rule::Without(bytes(&value["without"])),
        value => Rule::Length(usize::try_from(value["length"].as_u64().expect("a length")).expect("small")),
    };
    let exceptions = value.get("ids").and_then(Value::as_object).into_iter().flatten();
    let exceptions = exceptions.map(|(name, value)| (name.clone(), rule(value)));
    Ids { separator: value.get("separator").map(bytes), exceptions: exceptions.collect() }
}

fn trace(value: &Value, template: &dyn Fn(&Value) -> Template) -> Trace {
    if let Some(key) = value.get("members") {
        Trace::Members { key: template(key), member: template(&value["member"]) }
    } else if let Some(key) = value.get("entries") {
        Trace::Entries { key: template(key), array: text(&value["array"]), owner: text(&value["owner"]) }
    } else {
        let key = template(&value["key"]);
        match value.get("owner") {
            None => Trace::Key { key },
            Some(Value::String(pointer)) => Trace::OwnedKey { key, owner: Owner::Pointer(pointer.clone()) },
            Some(owner) => Trace::OwnedKey { key, owner: Owner::Field(text(&owner["field"])) },
        }
    }
}
