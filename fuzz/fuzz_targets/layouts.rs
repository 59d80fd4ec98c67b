//! Layouts: no bytes make the reader panic, a refusal is one line, and what loads is what the document says.
//!
//! An input is the document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_core::{
    json::Pointer,
    layout::{Field, Holder, Layout, Named, Reach, Sockets, Trace, What},
    template::{Bindings, Placeholder, Placeholders, Template},
};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let layout = match Layout::parse(text) {
        Ok(layout) => layout,
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty() && !error.contains(['\n', '\r']), "a refusal is one line: {error:?}");
            return;
        }
    };
    let document: Value = serde_json::from_str(text).expect("a layout is JSON");
    check_document(&layout, &document);
    layout.traces.iter().for_each(|trace| check_names(&layout, trace));
    check_kept(&layout, text, &document);
});

/// A member of a document; null is as good as none.
fn member<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    document.get(name).filter(|value| !value.is_null())
}

fn text<'d>(document: &'d Value, name: &str) -> Option<&'d str> {
    member(document, name).and_then(Value::as_str)
}

/// What loaded is what the document says, field by field.
fn check_document(layout: &Layout, document: &Value) {
    assert_eq!(Some(&*layout.name), text(document, "name"));
    let documents = document["traces"].as_array().expect("traces are an array");
    assert!(!layout.name.is_empty() && !documents.is_empty());
    let mut names = Placeholders::default();
    let (traces, mapping) = layout.traces.split_at(documents.len());
    let sockets = layout.sockets.as_ref();
    for (trace, document) in traces.iter().zip(documents) {
        let (key, what) = read_trace(document, &mut names);
        assert_eq!((&trace.key, &trace.what), (&key, &what));
        assert_eq!(trace.sweep, member(document, "sweep").and_then(Value::as_bool).unwrap_or(true));
        assert_eq!(trace.reach, reach(trace));
        assert_eq!(trace.is_evidence, sockets.is_some_and(|sockets| is_evidence(trace, sockets)));
    }
    assert!(
        (1..traces.len()).all(|at| !traces[..at].iter().any(|before| is_same(before, &traces[at]))),
        "no trace twice"
    );
    match (sockets, mapping) {
        (None, []) => assert!(member(document, "sockets").is_none()),
        (Some(sockets), [mapping]) => {
            check_sockets(sockets, traces, &document["sockets"], &mut names);
            assert_eq!((&mapping.key, &mapping.what, mapping.reach), (&sockets.of, &What::Mapping, Reach::Direct));
            assert!(mapping.sweep && mapping.is_evidence && !mapping.is_removed());
        }
        _ => panic!("a mapping, and one, if there are sockets: {mapping:?}"),
    }
    let by_socket = |trace: &Trace| matches!(trace.what, What::Member { names: Named::Socket, .. });
    let tells_socket = |trace: &Trace| !by_socket(trace) && trace.key.has(Placeholder::SOCKET);
    let says_whose = sockets.is_some() || traces.iter().any(|trace| is_key(trace) && tells_socket(trace));
    assert!(says_whose || !traces.iter().any(by_socket), "a member of a socket that is nobody's");
    let watched: Vec<usize> = (0..layout.traces.len()).filter(|at| layout.traces[*at].is_watched()).collect();
    assert_eq!(*layout.watched, *watched);
    assert!(layout.traces.iter().all(|trace| trace.reach == Reach::Direct || trace.is_watched()));
    let announced = member(document, "announce").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(layout.announce.len(), announced);
}

fn is_key(trace: &Trace) -> bool {
    matches!(trace.what, What::Key | What::Owned(_))
}

/// The same but for what the layout adds to it.
fn is_same(one: &Trace, other: &Trace) -> bool {
    (&one.key, &one.what, one.sweep) == (&other.key, &other.what, other.sweep)
}

fn template(document: &Value, name: &str, names: &mut Placeholders) -> Template {
    let text = text(document, name).unwrap_or_else(|| panic!("{name} is a text"));
    Template::parse(text, names).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pointer(value: &Value) -> Pointer {
    Pointer::parse(value.as_str().expect("a pointer is a text")).expect("it is a pointer")
}

fn field(value: &Value) -> Field {
    if value.is_string() {
        return Field::Json(pointer(value));
    }
    assert_eq!(value.as_object().map(|object| object.len()), Some(1));
    Field::Hash(text(value, "field").expect("a field is a text").as_bytes().into())
}

/// A trace, told by which fields there are.
fn read_trace(document: &Value, names: &mut Placeholders) -> (Template, What) {
    let has = |name| member(document, name).is_some();
    let fields = ["key", "members", "member", "entries", "array", "owner"].map(has);
    match fields {
        [true, false, false, false, false, false] => {
            let key = template(document, "key", names);
            assert!(key.has(Placeholder::USER));
            (key, What::Key)
        }
        [true, false, false, false, false, true] => {
            (template(document, "key", names), What::Owned(field(&document["owner"])))
        }
        [false, true, true, false, false, false] => {
            let key = template(document, "members", names);
            let member = template(document, "member", names);
            let [of_user, of_socket] = [Placeholder::USER, Placeholder::SOCKET].map(|p| member.has(p));
            let names =
                if of_socket && !(of_user && key.has(Placeholder::SOCKET)) { Named::Socket } else { Named::User };
            assert!(member.has(names.placeholder()));
            let is_bound = |p: &Placeholder| *p == names.placeholder() || key.has(*p);
            assert!(member.placeholders().iter().all(is_bound), "a logout knows every part of the member");
            (key, What::Member { member, names })
        }
        [false, false, false, true, true, true] => {
            let key = template(document, "entries", names);
            (key, What::Entries { array: pointer(&document["array"]), owner: pointer(&document["owner"]) })
        }
        _ => panic!("no kind of trace: {document}"),
    }
}

/// How the keys are found: by the ids that a logout knows, or else by the index.
fn reach(trace: &Trace) -> Reach {
    let is_of_sockets = matches!(trace.what, What::Member { names: Named::Socket, .. });
    let mut unknown = trace.key.placeholders().to_vec();
    unknown.retain(|p| *p != Placeholder::USER && !(is_of_sockets && *p == Placeholder::SOCKET));
    let by_value = matches!(trace.what, What::Owned(_) | What::Entries { .. });
    match unknown[..] {
        [] => Reach::Direct,
        _ if trace.key.has(Placeholder::USER) && !by_value => Reach::ByName,
        _ => Reach::ByValue,
    }
}

fn is_evidence(trace: &Trace, sockets: &Sockets) -> bool {
    let is_evidence = match &trace.what {
        What::Key => trace.key == sockets.of || trace.key.placeholders() != [Placeholder::USER],
        What::Owned(_) => trace.key == sockets.data,
        What::Member { .. } => true,
        What::Entries { .. } | What::Mapping => false,
    };
    is_evidence && trace.sweep
}

fn check_sockets(sockets: &Sockets, traces: &[Trace], document: &Value, names: &mut Placeholders) {
    assert_eq!(sockets.of, template(document, "of", names));
    assert_eq!(sockets.data, template(document, "data", names));
    assert_eq!(sockets.room, member(document, "room").map(field));
    assert_eq!(sockets.name, member(document, "name").map(field));
    assert_eq!(sockets.trusts_mapping, member(document, "trustMapping") == Some(&Value::Bool(true)));
    let tells = |trace: &Trace| matches!(trace.what, What::Owned(_)) && trace.key == sockets.data;
    assert_eq!(sockets.owned, traces.iter().position(tells));
    let of = sockets.of.render(&Bindings::user(b"ada"));
    assert_eq!(sockets.holder(&of), Some(Holder::User(b"ada")));
    let data = sockets.data.render(&Bindings::user(b"ada").with(Placeholder::SOCKET, b"s"));
    let socket = sockets.socket(&data).expect("the name of a socket's data holds its id");
    if sockets.data.placeholders() == [Placeholder::SOCKET] {
        assert_eq!(socket, b"s");
    }
    assert!(sockets.holder(&data).is_some_and(|holder| !holder.id().is_empty()));
}

/// The names of a trace's keys are known again, whatever the ids are.
fn check_names(layout: &Layout, trace: &Trace) {
    for values in [[&b"ada"[..], b"s-1", b"lobby"], [b":", b"\xff\0", b"{}"], [b"a:b", b"a:b", b"a:b"]] {
        let numbered = trace.key.placeholders().iter().zip(values.iter().cycle());
        let bindings = numbered.fold(Bindings::default(), |bindings, (p, value)| bindings.with(*p, value));
        let name = trace.key.render(&bindings);
        let found = trace.key.matches(&name).expect("the name of a trace's key is known again");
        assert_eq!(trace.key.render(&found), name);
        assert!(layout.is_trace(&name) || !is_key(trace));
    }
}

/// The text is kept as it is, and reading it again, or the same in other words, gives the same.
fn check_kept(layout: &Layout, text: &str, document: &Value) {
    assert_eq!(layout.text, text.trim());
    let again = Layout::parse(&layout.text).expect("what SESSION.LAYOUT shows is a layout");
    assert_eq!((&again.traces, &again.sockets, &again.announce), (&layout.traces, &layout.sockets, &layout.announce));
    let other_words = document.to_string();
    let again = Layout::parse(&other_words).unwrap_or_else(|error| panic!("{other_words}: {error}"));
    assert_eq!((&again.name, &again.traces, &again.sockets), (&layout.name, &layout.traces, &layout.sockets));
    assert_eq!(again.watched, layout.watched);
}
