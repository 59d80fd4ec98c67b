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
    /// All traces, and whether a sweep removes them, where this is what a sweep cares for.
    unswept: Option<Vec<(Trace, bool)>>,
    pub sockets: Option<Sockets>,
    pub live: Vec<Live>,
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

/// By what a user is live besides sockets.
#[derive(Clone, Debug)]
pub enum Live {
    /// The key exists.
    Key(Template),
    /// The member's score is at most so many milliseconds ago; a score counts so many.
    Score { key: Template, member: Template, within: f64, unit: f64 },
}

impl Live {
    /// The template of the keys where it is.
    pub fn template(&self) -> &Template {
        match self {
            Self::Key(key) | Self::Score { key, .. } => key,
        }
    }
}

/// The key that maps a user to sockets.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub key: Template,
    pub ids: MappedIds,
}

/// How ids stand in it.
#[derive(Clone, Debug)]
pub enum MappedIds {
    /// Each value is one, in this form if there is one.
    Values(Option<Template>),
    /// In the elements of an array: pointers to the array, and in an element to the id.
    Elements(String, String),
}

/// How a live socket is found.
#[derive(Clone, Debug)]
pub struct Sockets {
    pub of: Option<Mapping>,
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
            of: sockets.get("of").map(|of| mapping(of, &template)),
            data: template(&sockets["data"]),
            room: sockets.get("room").map(text),
        });
        let live = value.get("live").and_then(Value::as_array).into_iter().flatten();
        let live = live.map(|value| live_rule(value, &template)).collect();
        Self { json: json.to_owned(), ids, traces, sweeps, unswept: None, sockets, live }
    }

    /// The key that maps a user to sockets, if there is one.
    pub fn mapping(&self) -> Option<&Mapping> {
        self.sockets.as_ref()?.of.as_ref()
    }

    /// Does it say who is live?
    pub fn tells_live(&self) -> bool {
        self.sockets.is_some() || !self.live.is_empty()
    }

    /// The layout without the traces that a sweep leaves alone.
    pub fn swept(&self) -> Self {
        let kept = self.traces.iter().zip(&self.sweeps).filter(|(_, sweep)| **sweep);
        let traces: Vec<_> = kept.map(|(trace, _)| trace.clone()).collect();
        let all = self.traces.iter().cloned().zip(self.sweeps.iter().copied()).collect();
        Self { sweeps: vec![true; traces.len()], traces, unswept: Some(all), ..self.clone() }
    }

    /// Whether a sweep may take the mapping: no trace says that it is left alone.
    pub fn sweeps_mapping(&self) -> bool {
        let Some(mapping) = self.mapping() else { return true };
        let is_it = |trace: &Trace| matches!(trace, Trace::Key { key } if *key == mapping.key);
        !self.unswept.iter().flatten().any(|(trace, sweep)| !sweep && is_it(trace))
    }

    /// Whether a sweep leaves a key alone that goes as a whole by `template`, because its name says something else too.
    pub fn reads_otherwise(&self, template: &Template, key: &[u8], user: Option<&Vec<u8>>) -> bool {
        let Some(all) = &self.unswept else { return false };
        let by_trace = all.iter().filter(|(trace, _)| !matches!(trace, Trace::Entries { .. }));
        let by_trace = by_trace.map(|(trace, sweep)| (trace.template(), *sweep));
        let mapping = self.mapping().map(|mapping| (&mapping.key, self.sweeps_mapping()));
        let differs = |(other, sweep): (&Template, bool)| {
            other != template && other.matches(key).is_some_and(|read| !sweep || read.get("userId") != user)
        };
        let data = self.sockets.as_ref().map(|sockets| &sockets.data);
        let mut vital = data.into_iter().chain(self.live.iter().map(Live::template));
        by_trace.chain(mapping).any(differs) || vital.any(|other| other != template && other.matches(key).is_some())
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

fn mapping(value: &Value, template: &dyn Fn(&Value) -> Template) -> Mapping {
    let Some(key) = value.get("key") else { return Mapping { key: template(value), ids: MappedIds::Values(None) } };
    let ids = match value.get("array") {
        Some(array) => MappedIds::Elements(text(array), text(&value["id"])),
        None => MappedIds::Values(value.get("id").map(template)),
    };
    Mapping { key: template(key), ids }
}

fn live_rule(value: &Value, template: &dyn Fn(&Value) -> Template) -> Live {
    let Some(key) = value.get("scores") else { return Live::Key(template(&value["key"])) };
    let within = value["within"].as_f64().expect("seconds") * 1000.0;
    let unit = if value.get("unit").is_some_and(|unit| unit == "ms") { 1.0 } else { 1000.0 };
    Live::Score { key: template(key), member: template(&value["member"]), within, unit }
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
