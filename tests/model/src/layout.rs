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

/// Whose id a text holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whose {
    User,
    Socket,
}

/// The form in which an id stands in a member or a value.
#[derive(Clone, Debug)]
pub struct Form {
    pub template: Template,
    pub whose: Whose,
}

/// A part of a value.
#[derive(Clone, Debug)]
pub struct Place {
    /// The field of a hash that it is in.
    pub field: Option<Vec<u8>>,
    /// Where it is in the document there; else it is all of that.
    pub pointer: Option<String>,
    /// How that document is read.
    pub encoding: Vec<String>,
}

/// How a value names somebody.
#[derive(Clone, Debug)]
pub struct Owner {
    pub place: Place,
    pub is: Form,
}

/// How a member names somebody.
#[derive(Clone, Debug)]
pub enum By {
    Name(Form),
    Value(Owner),
}

/// What goes from a JSON document.
#[derive(Clone, Debug)]
pub struct Entries {
    /// A pointer to the array or object.
    pub at: String,
    pub is_object: bool,
    pub by: By,
    /// What elements get instead of going: pointers and values. None if they go.
    pub set: Vec<(String, Value)>,
    pub deletes_empty: bool,
}

/// The four kinds of trace.
#[derive(Clone, Debug)]
pub enum Trace {
    Key { key: Template },
    OwnedKey { key: Template, owner: Owner },
    Members { key: Template, by: By },
    Entries { key: Template, entries: Entries },
}

impl By {
    /// The form in which the id stands there.
    pub fn form(&self) -> &Form {
        match self {
            Self::Name(form) | Self::Value(Owner { is: form, .. }) => form,
        }
    }
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
    /// In the elements of an array.
    Elements(Entries),
}

/// How a live socket is found.
#[derive(Clone, Debug)]
pub struct Sockets {
    pub of: Option<Mapping>,
    pub data: Template,
    pub room: Option<Place>,
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

    /// The template of what stands in a member or a value.
    pub fn form(&self) -> Option<&Template> {
        match self {
            Self::Key { .. } => None,
            Self::OwnedKey { owner, .. } => Some(&owner.is.template),
            Self::Members { by, .. } | Self::Entries { entries: Entries { by, .. }, .. } => Some(&by.form().template),
        }
    }

    /// Whose id says who is meant: each of the user's sockets may have such traces, or the user.
    pub fn whose(&self) -> Whose {
        match self {
            Self::Key { key } if key.has("userId") => Whose::User,
            Self::Key { .. } => Whose::Socket,
            Self::OwnedKey { owner, .. } => owner.is.whose,
            Self::Members { by, .. } | Self::Entries { entries: Entries { by, .. }, .. } => by.form().whose,
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
        let is_swept = |trace: &Value| trace["sweep"] != Value::Bool(false);
        let traces =
            traces.iter().flat_map(|value| self::traces(value, &template).map(|trace| (trace, is_swept(value))));
        let (traces, sweeps): (Vec<_>, Vec<_>) = traces.unzip();
        let sockets = value.get("sockets").map(|value| sockets(value, &traces, &template));
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
    #[must_use]
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
        Some(array) => {
            let place = Place { field: None, pointer: Some(text(&value["id"])), encoding: json() };
            let is = Form { template: template(&Value::from("{socketId}")), whose: Whose::Socket };
            let by = By::Value(Owner { place, is });
            MappedIds::Elements(Entries {
                at: text(array),
                is_object: false,
                by,
                set: Vec::new(),
                deletes_empty: false,
            })
        }
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

fn sockets(value: &Value, traces: &[Trace], template: &dyn Fn(&Value) -> Template) -> Sockets {
    let data = template(&value["data"]);
    let of_trace = traces.iter().find_map(|trace| match trace {
        Trace::OwnedKey { key, owner } if *key == data && owner.place.pointer.is_some() => Some(&owner.place.encoding),
        _ => None,
    });
    let encoding = value.get("encoding").map(texts).or(of_trace.cloned()).unwrap_or_else(json);
    let of = value.get("of").map(|of| mapping(of, template));
    Sockets { of, data, room: value.get("room").map(|room| place(room, &encoding)) }
}

/// The traces that one item of the layout says.
fn traces(value: &Value, template: &dyn Fn(&Value) -> Template) -> impl Iterator<Item = Trace> {
    let kinds = ["key", "members", "entries"];
    let kind = kinds.into_iter().find(|kind| value.get(kind).is_some()).expect("a kind of trace");
    let key = template(&value[kind]);
    let encoding = value.get("encoding").map_or_else(json, texts);
    let owner = value.get("owner").map(|owner| Owner {
        place: place(owner, &encoding),
        is: form(owner.get("is").unwrap_or(&Value::from("{userId}")), &key, template),
    });
    let names = value.get("member").into_iter().flat_map(texts).map(Value::from);
    let names = names.map(|name| By::Name(form(&name, &key, template)));
    let bys: Vec<By> = names.chain(owner.clone().map(By::Value)).collect();
    let traces: Vec<Trace> = match (kind, owner) {
        ("members", _) => bys.into_iter().map(|by| Trace::Members { key: key.clone(), by }).collect(),
        ("entries", _) => {
            let entries = bys.into_iter().map(|by| entries(value, by));
            entries.map(|entries| Trace::Entries { key: key.clone(), entries }).collect()
        }
        (_, Some(owner)) => vec![Trace::OwnedKey { key, owner }],
        (_, None) => vec![Trace::Key { key }],
    };
    traces.into_iter()
}

fn entries(value: &Value, by: By) -> Entries {
    let object = value.get("object");
    let at = text(object.unwrap_or(&value["array"]));
    let set = value.get("set").and_then(Value::as_object).into_iter().flatten();
    let set = set.map(|(pointer, value)| (pointer.clone(), value.clone())).collect();
    Entries { at, is_object: object.is_some(), by, set, deletes_empty: value.get("empty").is_some() }
}

/// A form in members or values of keys of that name: it says whose by the id that the name leaves open.
fn form(value: &Value, key: &Template, template: &dyn Fn(&Value) -> Template) -> Form {
    let template = template(value);
    let by_socket = template.has("socketId") && (!template.has("userId") || key.has("userId") && !key.has("socketId"));
    Form { template, whose: if by_socket { Whose::Socket } else { Whose::User } }
}

fn place(value: &Value, encoding: &[String]) -> Place {
    let pointer = if value.is_string() { Some(value) } else { value.get("pointer") };
    Place {
        field: value.get("field").map(|field| text(field).into_bytes()),
        pointer: pointer.map(text),
        encoding: encoding.to_vec(),
    }
}

fn json() -> Vec<String> {
    vec!["json".to_owned()]
}

/// A text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(|| vec![text(value)], |values| values.iter().map(text).collect())
}
