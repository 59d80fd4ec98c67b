//! Layouts: no bytes make the reader panic, a refusal is one line, and what loads is what the document says.
//!
//! An input is the document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_core::{
    json::Pointer,
    layout::{Field, Holder, Layout, LiveRule, MappedIds, Mapping, Named, Reach, Sockets, Trace, What},
    review,
    template::{Bindings, IdRule, Placeholder, Placeholders, Template},
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
    let described = review::describe("a layout", &layout);
    assert!(!described.contains(|c: char| c.is_control() && c != '\n'), "{described:?}");
});

/// A member of a document; null is as good as none.
fn member<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    document.get(name).filter(|value| !value.is_null())
}

fn text<'d>(document: &'d Value, name: &str) -> Option<&'d str> {
    member(document, name).and_then(Value::as_str)
}

/// The name of a variant; of one without content, the content may be null.
fn variant(value: &Value) -> &str {
    let of_object = || value.as_object()?.keys().next().map(String::as_str);
    value.as_str().or_else(of_object).expect("a variant has a name")
}

/// What loaded is what the document says, field by field.
fn check_document(layout: &Layout, document: &Value) {
    assert_eq!(Some(&*layout.name), text(document, "name"));
    let documents = document["traces"].as_array().expect("traces are an array");
    assert!(!layout.name.is_empty() && !documents.is_empty());
    assert_eq!(layout.texts.len(), layout.traces.len());
    let mut names = read_ids(document);
    let (traces, mapping) = layout.traces.split_at(documents.len());
    for (trace, document) in traces.iter().zip(documents) {
        let (key, what) = read_trace(document, &mut names);
        assert_eq!((&trace.key, &trace.what), (&key, &what));
        assert_eq!(trace.sweep, member(document, "sweep").and_then(Value::as_bool).unwrap_or(true));
        assert_eq!(trace.reach, reach(trace));
        assert_eq!(trace.is_evidence, is_evidence(trace, layout));
    }
    assert!(
        (1..traces.len()).all(|at| !traces[..at].iter().any(|before| is_same(before, &traces[at]))),
        "no trace twice"
    );
    let sockets = member(document, "sockets").map(|document| read_sockets(document, traces, &mut names));
    assert_eq!(layout.sockets, sockets);
    let live = member(document, "live").and_then(Value::as_array).into_iter().flatten();
    assert_eq!(layout.live, live.map(|rule| read_live(rule, &mut names)).collect::<Vec<_>>());
    check_ids(layout, &names, document);
    check_mapping(layout.mapping(), traces, mapping);
    check_owners(layout, traces);
    layout.sockets.iter().for_each(|sockets| check_sockets(sockets, layout));
    let watched: Vec<usize> = (0..layout.traces.len()).filter(|at| layout.traces[*at].is_watched()).collect();
    assert_eq!(*layout.watched, *watched);
    assert!(layout.traces.iter().all(|trace| trace.reach == Reach::Direct || trace.is_watched()));
    check_unsaid(layout, traces);
    let announced = member(document, "announce").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(layout.announce.len(), announced);
}

/// What the document says of ids.
fn read_ids(document: &Value) -> Placeholders {
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

/// The layout has these placeholders, and says of them what the document does.
fn check_ids(layout: &Layout, names: &Placeholders, document: &Value) {
    let all =
        |ids: &Placeholders| ids.iter().map(|id| (ids.name(id).to_owned(), ids.rule(id).clone())).collect::<Vec<_>>();
    assert_eq!(all(&layout.ids), all(names));
    let named = member(document, "ids").and_then(Value::as_object).into_iter().flatten();
    for (name, _) in named {
        assert!(layout.ids.find(name.as_bytes()).is_some(), "{name} is said something of, and no template has it");
    }
}

/// The mapping stands behind the traces, if the layout names one.
fn check_mapping(mapping: Option<&Mapping>, traces: &[Trace], behind: &[Trace]) {
    let is_left = |mapping: &Mapping| traces.iter().any(|t| t.what == What::Key && t.key == mapping.key && !t.sweep);
    let is_swept = !mapping.is_some_and(is_left);
    assert_eq!(behind.len(), usize::from(mapping.is_some()));
    for (trace, mapping) in behind.iter().zip(mapping) {
        assert_eq!((&trace.key, &trace.what, trace.reach), (&mapping.key, &What::Mapping, Reach::Direct));
        assert_eq!((trace.sweep, trace.is_evidence, trace.is_removed()), (is_swept, is_swept, false));
    }
}

/// Something says whose each socket is that a trace names.
fn check_owners(layout: &Layout, traces: &[Trace]) {
    let tells_socket = |trace: &Trace| is_key(trace) && !is_of_socket(trace) && trace.key.has(Placeholder::SOCKET);
    let says_whose = match &layout.sockets {
        Some(Sockets { of: Some(_), .. }) => true,
        Some(sockets) => sockets.data_trace.is_some_and(|at| tells_socket(&traces[at])),
        None => traces.iter().any(tells_socket) || !traces.iter().any(is_of_socket),
    };
    assert!(says_whose, "a socket that is nobody's");
}

/// A sweep is refused exactly if it would take an id, of which nothing is said, from a name or member.
fn check_unsaid(layout: &Layout, traces: &[Trace]) {
    let mut taken: Vec<&Template> = Vec::new();
    let takes_ids = |trace: &&Trace| trace.sweep && (trace.is_evidence || trace.reach != Reach::Direct);
    for trace in traces.iter().filter(takes_ids) {
        taken.push(&trace.key);
        if let What::Member { member, .. } = &trace.what {
            taken.push(member);
        }
    }
    taken.extend(layout.sockets.as_ref().map(|sockets| &sockets.data));
    if let Some(mapping) = layout.mapping() {
        taken.push(&mapping.key);
        if let MappedIds::Values(Some(form)) = &mapping.ids {
            taken.push(form);
        }
    }
    let is_unsaid = |id: &Placeholder| *layout.ids.rule(*id) == IdRule::Unsaid;
    let unsaid: Vec<&str> =
        taken.iter().flat_map(|t| t.placeholders()).filter(|id| is_unsaid(id)).map(|id| layout.ids.name(*id)).collect();
    match &layout.unsaid {
        None => assert!(unsaid.is_empty() || !tells_live(layout), "{unsaid:?}"),
        Some(found) => {
            assert!(tells_live(layout) && unsaid.contains(&&*found.id), "{found:?}");
            assert!(!found.to_string().contains(['\n', '\r']), "one line: {found}");
        }
    }
}

fn tells_live(layout: &Layout) -> bool {
    layout.sockets.is_some() || !layout.live.is_empty()
}

fn is_key(trace: &Trace) -> bool {
    matches!(trace.what, What::Key | What::Owned(_))
}

/// Whether each of the user's sockets has one.
fn is_of_socket(trace: &Trace) -> bool {
    match &trace.what {
        What::Key => !trace.key.has(Placeholder::USER),
        What::Member { names, .. } => *names == Named::Socket,
        What::Owned(_) | What::Entries { .. } | What::Mapping => false,
    }
}

/// The same but for what the layout adds to it.
fn is_same(one: &Trace, other: &Trace) -> bool {
    (&one.key, &one.what) == (&other.key, &other.what)
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
            assert!(key.has(Placeholder::USER) || key.has(Placeholder::SOCKET));
            (key, What::Key)
        }
        [true, false, false, false, false, true] => {
            (template(document, "key", names), What::Owned(field(&document["owner"])))
        }
        [false, true, true, false, false, false] => {
            let key = template(document, "members", names);
            let member = template_of(document, "member", names, &key);
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
    let mut unknown = trace.key.placeholders().to_vec();
    unknown.retain(|p| *p != Placeholder::USER && !(is_of_socket(trace) && *p == Placeholder::SOCKET));
    let by_value = match &trace.what {
        What::Owned(_) | What::Entries { .. } => true,
        What::Member { .. } => !trace.key.has(Placeholder::USER),
        What::Key | What::Mapping => false,
    };
    match unknown[..] {
        [] => Reach::Direct,
        _ if by_value => Reach::ByValue,
        _ => Reach::ByName,
    }
}

fn is_evidence(trace: &Trace, layout: &Layout) -> bool {
    let sockets = layout.sockets.as_ref();
    let is_evidence = match &trace.what {
        What::Key => {
            let is_mapping = layout.mapping().is_some_and(|mapping| mapping.key == trace.key);
            trace.key.has(Placeholder::USER) && (is_mapping || trace.key.placeholders().len() > 1)
        }
        What::Owned(_) => sockets.is_some_and(|sockets| trace.key == sockets.data),
        What::Member { .. } => true,
        What::Entries { .. } | What::Mapping => false,
    };
    tells_live(layout) && is_evidence && trace.sweep
}

fn read_sockets(document: &Value, traces: &[Trace], names: &mut Placeholders) -> Sockets {
    let of = member(document, "of").map(|of| read_mapping(document, of, names));
    let data = template(document, "data", names);
    let position = |is: fn(&Trace) -> bool| traces.iter().position(|trace| is(trace) && trace.key == data);
    let owned = position(|trace| matches!(trace.what, What::Owned(_)));
    Sockets {
        of,
        room: member(document, "room").map(field),
        name: member(document, "name").map(field),
        owned,
        data_trace: owned.or(position(is_key)),
        trusts_mapping: member(document, "trustMapping") == Some(&Value::Bool(true)),
        data,
    }
}

fn read_mapping(sockets: &Value, of: &Value, names: &mut Placeholders) -> Mapping {
    if of.is_string() {
        return Mapping { key: template(sockets, "of", names), ids: MappedIds::Values(None) };
    }
    let key = template(of, "key", names);
    let ids = match (member(of, "array"), member(of, "id")) {
        (Some(array), id) => MappedIds::Elements { array: pointer(array), id: pointer(id.expect("an id")) },
        (None, Some(_)) => MappedIds::Values(Some(template_of(of, "id", names, &key))),
        (None, None) => MappedIds::Values(None),
    };
    Mapping { key, ids }
}

fn read_live(document: &Value, names: &mut Placeholders) -> LiveRule {
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

/// An id that the layout allows.
fn id(layout: &Layout, placeholder: Placeholder) -> Vec<u8> {
    let rule = layout.ids.rule(placeholder);
    let length = if let IdRule::Length(length) = rule { *length } else { 1 };
    let candidates = b"7Q".iter().map(|byte| vec![*byte; length]);
    candidates.into_iter().find(|id| rule.allows(id)).expect("not both are what ids must not hold")
}

fn check_sockets(sockets: &Sockets, layout: &Layout) {
    let [user, socket] = [Placeholder::USER, Placeholder::SOCKET].map(|placeholder| id(layout, placeholder));
    let bindings = Bindings::user(&user).with(Placeholder::SOCKET, &socket);
    assert!(sockets.data.has(Placeholder::SOCKET));
    if let Some(mapping) = &sockets.of {
        assert_eq!(mapping.key.placeholders(), [Placeholder::USER]);
        assert_eq!(sockets.holder(&mapping.key.render(&bindings)), Some(Holder::User(&user)));
        let stands_for = mapping.ids.text(&user, &socket);
        match &mapping.ids {
            MappedIds::Values(None) => assert_eq!(stands_for, Some(socket.clone())),
            MappedIds::Values(Some(form)) => {
                let text = stands_for.expect("a text");
                let user = Bindings::user(&user);
                assert_eq!(form.solve(Placeholder::SOCKET, &user, &text), Some(&*socket));
            }
            MappedIds::Elements { .. } => assert_eq!(stands_for, None),
        }
    }
    let data = sockets.data.render(&bindings);
    assert_eq!(sockets.socket(&data), Some(&*socket), "the name of a socket's data holds its id");
    assert!(sockets.holder(&data).is_some_and(|holder| !holder.id().is_empty()));
}

/// The names of a trace's keys are known again, as those of the ids that they are made of if the layout allows these.
fn check_names(layout: &Layout, trace: &Trace) {
    let ids: Vec<Vec<u8>> = trace.key.placeholders().iter().map(|placeholder| id(layout, *placeholder)).collect();
    let ids: Vec<&[u8]> = ids.iter().map(|id| &**id).collect();
    for values in [&*ids, &[b"ada", b"s-1", b"lobby"], &[b":", b"\xff\0", b"{}"], &[b"a:b", b"a:b", b"a:b"]] {
        let numbered = trace.key.placeholders().iter().zip(values.iter().cycle());
        let is_allowed = numbered.clone().all(|(p, value)| layout.ids.rule(*p).allows(value));
        assert!(is_allowed || values != ids, "they are made to be allowed");
        let bindings = numbered.fold(Bindings::default(), |bindings, (p, value)| bindings.with(*p, value));
        let name = trace.key.render(&bindings);
        let found = trace.key.matches(&name);
        assert!(found == Some(bindings) || !is_allowed, "the name of a trace's key is known again");
        if let Some(found) = found {
            assert_eq!(trace.key.render(&found), name);
            assert!(layout.is_trace(&name) || !is_key(trace));
        }
    }
}

/// The text is kept as it is, and reading it again, or the same in other words, gives the same.
fn check_kept(layout: &Layout, text: &str, document: &Value) {
    assert_eq!(layout.text, text.trim());
    let again = Layout::parse(&layout.text).expect("what SESSION.LAYOUT shows is a layout");
    assert_eq!((&again.traces, &again.sockets, &again.announce), (&layout.traces, &layout.sockets, &layout.announce));
    assert_eq!((&again.live, &again.unsaid), (&layout.live, &layout.unsaid));
    let other_words = document.to_string();
    let again = Layout::parse(&other_words).unwrap_or_else(|error| panic!("{other_words}: {error}"));
    assert_eq!((&again.name, &again.traces, &again.sockets), (&layout.name, &layout.traces, &layout.sockets));
    assert_eq!((&again.watched, &again.live), (&layout.watched, &layout.live));
    assert_eq!(again.unsaid.map(|unsaid| unsaid.id), layout.unsaid.as_ref().map(|unsaid| unsaid.id.clone()));
}
