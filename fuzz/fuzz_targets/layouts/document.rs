//! What a document says, read by the fields that it has: what must have loaded.

use std::sync::Arc;

use redis_session_core::{
    announcement::Setting,
    encoding::Encoding,
    json::Pointer,
    layout::{By, Entries, Field, Form, LiveRule, MappedIds, Mapping, Named, Owner, Sockets, Trace, What},
    template::{IdRule, Placeholder, Placeholders, Template},
};
use serde_json::Value;

/// A member of a document; null is as good as none.
pub fn member<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    document.get(name).filter(|value| !value.is_null())
}

pub fn text<'d>(document: &'d Value, name: &str) -> Option<&'d str> {
    member(document, name).and_then(Value::as_str)
}

/// The name of a variant; of one without content, the content may be null.
fn variant(value: &Value) -> &str {
    let of_object = || value.as_object()?.keys().next().map(String::as_str);
    value.as_str().or_else(of_object).expect("a variant has a name")
}

/// What the document says of ids.
pub fn read_ids(document: &Value) -> Placeholders {
    let without = |text: &Value| IdRule::without(text.as_str().expect("a text")).expect("bytes that an id may lack");
    let general = member(document, "separator").map_or(IdRule::Unsaid, without);
    let exceptions = member(document, "ids").and_then(Value::as_object).into_iter().flatten();
    let rule = |id: &Value| match variant(id) {
        "any" => IdRule::Any,
        "without" => without(&id["without"]),
        "length" => IdRule::Length(id["length"].as_u64().and_then(|length| length.try_into().ok()).expect("a length")),
        other => panic!("no rule for an id: {other}"),
    };
    Placeholders::new(general, exceptions.map(|(name, id)| (name.clone(), rule(id))).collect())
}

fn template(document: &Value, name: &str, names: &mut Placeholders) -> Template {
    let text = text(document, name).unwrap_or_else(|| panic!("{name} is a text"));
    Template::parse(text, names).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A template of members of a collection with that key.
fn template_of(document: &Value, name: &str, names: &mut Placeholders, key: &Template) -> Template {
    let text = text(document, name).unwrap_or_else(|| panic!("{name} is a text"));
    Template::parse_member(text, names, key).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pointer(value: &Value) -> Pointer {
    Pointer::parse(value.as_str().expect("a pointer is a text")).expect("it is a pointer")
}

/// How values are read, by the document that says so.
fn encoding(document: &Value) -> Option<Encoding> {
    let said = member(document, "encoding")?;
    let names = said.as_array().map_or(std::slice::from_ref(said), Vec::as_slice);
    let names = names.iter().map(|name| name.as_str().expect("a name"));
    Some(Encoding::parse(names).expect("it is an encoding"))
}

/// A part of a value; a document in it is read as the encoding says.
fn field(value: &Value, encoding: &Encoding) -> Field {
    if value.is_string() {
        return Field { of_hash: None, pointer: Some(pointer(value)), encoding: encoding.clone() };
    }
    let of_hash: Option<Box<[u8]>> = text(value, "field").map(|field| field.as_bytes().into());
    let path = member(value, "pointer").map(pointer);
    let is_raw = member(value, "raw").is_some_and(|raw| raw == true);
    assert!(is_raw != (of_hash.is_some() || path.is_some()), "{value}");
    let encoding = path.as_ref().map(|_| encoding.clone()).unwrap_or_default();
    Field { of_hash, pointer: path, encoding }
}

fn owner(document: &Value, encoding: &Encoding, names: &mut Placeholders, key: &Template) -> Owner {
    let value = &document["owner"];
    let is = form(text(value, "is").unwrap_or("{userId}"), names, key);
    assert!(is.template.has(is.names.placeholder()), "a value that names nobody");
    Owner { at: field(value, encoding), is }
}

/// What stands in a member or a value: whose id it is that the key leaves open.
fn form(text: &str, names: &mut Placeholders, key: &Template) -> Form {
    let template = Template::parse_member(text, names, key).unwrap_or_else(|error| panic!("{text}: {error}"));
    let [of_user, of_socket] = [Placeholder::USER, Placeholder::SOCKET].map(|p| template.has(p));
    let is_left_open = !key.has(Placeholder::USER) || key.has(Placeholder::SOCKET);
    let names = if !of_socket || of_user && is_left_open { Named::User } else { Named::Socket };
    assert!(of_user || of_socket || key.has(Placeholder::USER), "a form that names nobody: {text}");
    // A room in a collection of the user's own stands for nobody.
    let is_plain = template.is_placeholder() && template.has(names.placeholder());
    Form { template, names, is_plain }
}

/// The traces that one item of the document says, told by which fields there are.
pub fn read_traces(document: &Value, names: &mut Placeholders) -> Vec<(Template, What)> {
    let has = |name| member(document, name).is_some();
    let kinds = ["key", "members", "entries"].map(has);
    let inside = ["array", "object", "set", "empty"].map(has);
    let (by_name, by_value) = (has("member"), has("owner"));
    match kinds {
        [true, false, false] => {
            assert!(!by_name && inside == [false; 4] && (by_value || !has("encoding")));
            let key = template(document, "key", names);
            assert!(by_value || key.has(Placeholder::USER) || key.has(Placeholder::SOCKET));
            let encoding = encoding(document).unwrap_or_default();
            let what = if by_value { What::Owned(owner(document, &encoding, names, &key)) } else { What::Key };
            vec![(key, what)]
        }
        [false, true, false] => {
            assert!(inside == [false; 4]);
            let key = template(document, "members", names);
            let bys = read_bys(document, names, &key);
            bys.into_iter().map(|by| (key.clone(), What::Members(by))).collect()
        }
        [false, false, true] => {
            let key = template(document, "entries", names);
            let bys = read_bys(document, names, &key);
            let [is_array, is_object, is_set, deletes_empty] = inside;
            assert!(is_array != is_object && !has("encoding"));
            assert!(!is_set || !deletes_empty, "nothing is removed");
            assert!(!is_array || !by_name, "elements have no names");
            let at = pointer(&document[if is_array { "array" } else { "object" }]);
            let set = read_set(document);
            let entries = |by| Entries { at: at.clone(), is_object, by, set: set.clone(), deletes_empty };
            bys.into_iter().map(|by| (key.clone(), What::Entries(Arc::new(entries(by))))).collect()
        }
        _ => panic!("no kind of trace: {document}"),
    }
}

/// By what members are somebody's: one or more names, or what the value says.
fn read_bys(document: &Value, names: &mut Placeholders, key: &Template) -> Vec<By> {
    let Some(member) = member(document, "member") else {
        let encoding = encoding(document).unwrap_or_default();
        let owner = owner(document, &encoding, names, key);
        assert!(owner.at.of_hash.is_none(), "the value of each field is read");
        return vec![By::Value(owner)];
    };
    assert!(document.get("owner").is_none_or(Value::is_null) && encoding(document).is_none());
    let members = member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice);
    assert!(!members.is_empty());
    members.iter().map(|member| By::Name(form(member.as_str().expect("a text"), names, key))).collect()
}

/// What elements get.
fn read_set(document: &Value) -> Box<[(Pointer, Setting)]> {
    let set = member(document, "set").and_then(Value::as_object).into_iter().flatten();
    let one = |(at, value): (&String, &Value)| {
        let at = Pointer::parse(at).expect("it is a pointer");
        (at, Setting::parse(value).expect("a value"))
    };
    set.map(one).collect()
}

pub fn read_sockets(document: &Value, traces: &[Trace], names: &mut Placeholders) -> Sockets {
    let of = member(document, "of").map(|of| read_mapping(document, of, traces, names));
    let data = template(document, "data", names);
    let position = |is: fn(&Trace) -> bool| traces.iter().position(|trace| is(trace) && trace.key == data);
    let owned = position(|trace| matches!(&trace.what, What::Owned(owner) if owner.is.names == Named::User));
    let of_trace = traces.iter().find_map(|trace| match &trace.what {
        What::Owned(owner) if trace.key == data && owner.at.pointer.is_some() => Some(owner.at.encoding.clone()),
        _ => None,
    });
    let encoding = encoding(document).or(of_trace).unwrap_or_default();
    Sockets {
        of,
        room: member(document, "room").map(|room| field(room, &encoding)),
        name: member(document, "name").map(|name| field(name, &encoding)),
        owned,
        data_trace: owned.or(position(|trace| trace.what == What::Key)),
        trusts_mapping: member(document, "trustMapping") == Some(&Value::Bool(true)),
        data,
    }
}

fn read_mapping(sockets: &Value, of: &Value, traces: &[Trace], names: &mut Placeholders) -> Mapping {
    let is_text = of.is_string();
    let key = template(if is_text { sockets } else { of }, if is_text { "of" } else { "key" }, names);
    let ids = match (member(of, "array"), member(of, "id")) {
        (Some(array), id) => {
            let id = Field::json(pointer(id.expect("an id")));
            let by = By::Value(Owner { at: id, is: form("{socketId}", names, &key) });
            let at = pointer(array);
            let set = Box::default();
            MappedIds::Elements(Arc::new(Entries { at, is_object: false, by, set, deletes_empty: false }))
        }
        (None, Some(_)) => MappedIds::Values(Some(template_of(of, "id", names, &key))),
        (None, None) => MappedIds::Values(None),
    };
    let trace = traces.iter().find(|trace| trace.key == key && trace.what == What::Key);
    Mapping { is_trace: trace.is_some(), is_swept: trace.is_none_or(|trace| trace.sweep), key, ids }
}

pub fn read_live(document: &Value, names: &mut Placeholders) -> LiveRule {
    let fields = ["key", "scores", "member", "within", "unit"].map(|name| member(document, name).is_some());
    let rule = match fields {
        [true, false, false, false, false] => LiveRule::Key(template(document, "key", names)),
        [false, true, true, true, _] => {
            let key = template(document, "scores", names);
            let member_of = template_of(document, "member", names, &key);
            let unit = if member(document, "unit").is_some_and(|unit| variant(unit) == "ms") { 1 } else { 1000 };
            let within = document["within"].as_u64().expect("a number") * 1000;
            LiveRule::Score { key, member: member_of, within, unit }
        }
        _ => panic!("no rule by which a user is live: {document}"),
    };
    let mut ids = rule.key().placeholders().to_vec();
    if let LiveRule::Score { member, within, .. } = &rule {
        assert!(*within > 0);
        ids.extend(member.placeholders());
    }
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == Placeholder::USER), "a logout knows every part of the name");
    rule
}
