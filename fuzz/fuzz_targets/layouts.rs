//! Layouts: no bytes make the reader panic, a refusal is one line, and what loads is what the document says.
//!
//! An input is the document.

#![no_main]

#[path = "layouts/document.rs"]
mod document;

use document::{member, read_ids, read_live, read_sockets, read_traces, text};
use libfuzzer_sys::fuzz_target;
use redis_session_core::{
    layout::{By, Form, Holder, Layout, MappedIds, Mapping, Named, Reach, Sockets, Trace, What},
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

/// What loaded is what the document says, field by field.
fn check_document(layout: &Layout, document: &Value) {
    assert_eq!(Some(&*layout.name), text(document, "name"));
    let documents = document["traces"].as_array().expect("traces are an array");
    assert!(!layout.name.is_empty() && !documents.is_empty());
    assert_eq!(layout.texts.len(), layout.traces.len());
    let mut names = read_ids(document);
    let of_document =
        |(number, document)| read_traces(document, &mut names).into_iter().map(move |read| (number, read));
    let expected: Vec<_> = documents.iter().enumerate().flat_map(of_document).collect();
    let (traces, mapping) = layout.traces.split_at(expected.len());
    for (trace, (number, (key, what))) in traces.iter().zip(&expected) {
        assert_eq!((trace.number, &trace.key, &trace.what), (*number, key, what));
        assert_eq!(trace.sweep, member(&documents[*number], "sweep").and_then(Value::as_bool).unwrap_or(true));
        assert_eq!((trace.reach, &*trace.placed), (reach(trace), &*placed(trace)));
        assert_eq!(trace.is_evidence, is_evidence(trace, layout));
    }
    check_texts(layout, traces, documents);
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

/// Each trace is shown as the document has it, in one line.
fn check_texts(layout: &Layout, traces: &[Trace], documents: &[Value]) {
    for (trace, text) in traces.iter().zip(&layout.texts) {
        assert!(!text.contains(['\n', '\r']), "one line: {text}");
        // Blanks within a text become one.
        let without = |text: &str| text.split_whitespace().collect::<String>();
        let shown: Value = serde_json::from_str(text).expect("a part of a document");
        assert_eq!(without(&shown.to_string()), without(&documents[trace.number].to_string()));
    }
    assert!(layout.texts[traces.len()..].iter().all(|text| text == "`sockets.of`"));
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
    if let Some(Sockets { of: None, data_trace: Some(at), .. }) = layout.sockets {
        assert!(traces[at].sweep, "a user is live by what a sweep would leave");
    }
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
        // A value that is an id and nothing else is not taken apart.
        let is_name = matches!(by(trace), Some(By::Name(_)));
        taken.extend(form_of(trace).map(|form| &form.template).filter(|form| is_name || !form.is_placeholder()));
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

/// By what a member, or what of a document goes, is somebody's.
fn by(trace: &Trace) -> Option<&By> {
    match &trace.what {
        What::Members(by) => Some(by),
        What::Entries(entries) => Some(&entries.by),
        What::Key | What::Owned(_) | What::Mapping => None,
    }
}

/// The form of what stands in a member or a value.
fn form_of(trace: &Trace) -> Option<&Form> {
    match (&trace.what, by(trace)) {
        (_, Some(By::Name(form))) => Some(form),
        (_, Some(By::Value(owner))) | (What::Owned(owner), _) => Some(&owner.is),
        _ => None,
    }
}

/// Whether each of the user's sockets has one.
fn is_of_socket(trace: &Trace) -> bool {
    let by_name = trace.what == What::Key && !trace.key.has(Placeholder::USER);
    by_name || form_of(trace).is_some_and(|form| form.names == Named::Socket)
}

/// Whether the ids and the key's name do not say which member of a collection it is.
fn is_searched(trace: &Trace) -> bool {
    let What::Members(by) = &trace.what else { return false };
    let By::Name(form) = by else { return true };
    let mut open = form.template.placeholders().iter().filter(|p| !trace.key.has(**p) && **p != Placeholder::USER);
    open.any(|p| *p != Placeholder::SOCKET || form.names == Named::User)
}

/// The same but for what the layout adds to it.
fn is_same(one: &Trace, other: &Trace) -> bool {
    (&one.key, &one.what) == (&other.key, &other.what)
}

/// How the keys are found: by the ids that a logout knows, or else by the index.
fn reach(trace: &Trace) -> Reach {
    let of_user = trace.key.has(Placeholder::USER);
    let mut unknown = trace.key.placeholders().to_vec();
    unknown.retain(|p| *p != Placeholder::USER && !(is_of_socket(trace) && *p == Placeholder::SOCKET));
    let by_value = match &trace.what {
        What::Owned(_) | What::Entries(_) => !(of_user && is_of_socket(trace)),
        What::Members(_) => !of_user,
        What::Key | What::Mapping => false,
    };
    if unknown.is_empty() && (of_user || !is_searched(trace)) {
        Reach::Direct
    } else if by_value {
        Reach::ByValue
    } else {
        Reach::ByName
    }
}

/// What the index notes of a place: what the key's name holds, and which member it is, if that has to be looked for.
fn placed(trace: &Trace) -> Vec<Placeholder> {
    let is_member = is_searched(trace) && !trace.key.has(Placeholder::USER);
    let of_name = trace.key.placeholders().iter().copied().filter(|p| *p != Placeholder::USER);
    of_name.chain(is_member.then_some(Placeholder::MEMBER)).collect()
}

fn is_evidence(trace: &Trace, layout: &Layout) -> bool {
    let sockets = layout.sockets.as_ref();
    let is_evidence = match &trace.what {
        What::Key => {
            let is_mapping = layout.mapping().is_some_and(|mapping| mapping.key == trace.key);
            trace.key.has(Placeholder::USER) && (is_mapping || trace.key.placeholders().len() > 1)
        }
        What::Owned(_) => sockets.is_some_and(|sockets| trace.key == sockets.data),
        What::Members(_) => true,
        What::Entries(_) | What::Mapping => false,
    };
    tells_live(layout) && is_evidence && trace.sweep
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
            MappedIds::Elements(_) => assert_eq!(stands_for, None),
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
    // A number with a fraction may lose its last digit on the way.
    if serde_json::from_str::<Value>(&other_words).ok().as_ref() != Some(document) {
        return;
    }
    let again = Layout::parse(&other_words).unwrap_or_else(|error| panic!("{other_words}: {error}"));
    assert_eq!((&again.name, &again.traces, &again.sockets), (&layout.name, &layout.traces, &layout.sockets));
    assert_eq!((&again.watched, &again.live), (&layout.watched, &layout.live));
    assert_eq!(again.unsaid.map(|unsaid| unsaid.id), layout.unsaid.as_ref().map(|unsaid| unsaid.id.clone()));
}
