//! How the layout reads one key: whom each trace finds there, or why nobody.

use std::collections::HashSet;

use super::value;
use crate::{
    index::Subject,
    json,
    layout::{Field, Layout, Named, Trace, What},
    ports::{Key, Keyspace, Kind},
    template::{Bindings, Placeholder, Template},
};

/// Whom a trace finds in a key.
#[derive(Debug, Default)]
pub struct Reading {
    /// Users, and sockets, each once, in the order in which they stand there.
    pub named: Vec<(Subject, Vec<u8>)>,
    /// Why nobody is, or what else has to be known.
    pub why: Option<String>,
}

impl Reading {
    fn nobody(why: impl Into<String>) -> Self {
        Self { named: Vec::new(), why: Some(why.into()) }
    }

    fn of(subject: Subject, id: &[u8]) -> Self {
        Self { named: vec![(subject, id.to_vec())], why: None }
    }
}

/// Reads a key by a trace whose name it has, with what the name's placeholders stand for.
pub fn explain<K: Keyspace>(
    space: &K,
    layout: &Layout,
    trace: &Trace,
    bindings: &Bindings<'_>,
    name: &K::Name,
) -> Reading {
    let Some(key) = space.open(name) else { return Reading::nobody("there is no such key") };
    let reading = match &trace.what {
        What::Key => match (bindings.get(Placeholder::USER), bindings.get(Placeholder::SOCKET)) {
            (Some(user), _) => Reading::of(Subject::User, user),
            (None, Some(socket)) => Reading::of(Subject::Socket, socket),
            (None, None) => Reading::default(),
        },
        What::Mapping => {
            bindings.get(Placeholder::USER).map(|user| Reading::of(Subject::User, user)).unwrap_or_default()
        }
        What::Owned(field) => owner(&key, field),
        What::Member { member, names } => members(&key, member, *names, bindings),
        What::Entries { array, owner } => entries(&key, array, owner),
    };
    drop(key);
    allowed(reading, layout, bindings)
}

/// Leaves out what is no id by the layout, and who is not the user in the key's name.
fn allowed(reading: Reading, layout: &Layout, bindings: &Bindings<'_>) -> Reading {
    let mut why = reading.why;
    let mut named: Vec<(Subject, Vec<u8>)> = Vec::new();
    let mut known = HashSet::new();
    for (subject, id) in reading.named {
        let placeholder = if subject == Subject::Socket { Placeholder::SOCKET } else { Placeholder::USER };
        let rule = layout.ids.rule(placeholder);
        let of_name = bindings.get(Placeholder::USER).filter(|_| subject == Subject::User);
        if !rule.allows(&id) {
            let (name, id) = (layout.ids.name(placeholder), id.escape_ascii());
            why.get_or_insert(format!("{{{name}}} would be '{id}', and must {rule}"));
        } else if let Some(user) = of_name.filter(|user| **user != *id) {
            let (user, id) = (user.escape_ascii(), id.escape_ascii());
            why.get_or_insert(format!("its name holds the user '{user}', and its value names '{id}'"));
        } else if known.insert((subject, id.clone())) {
            named.push((subject, id));
        }
    }
    Reading { named, why }
}

fn owner(key: &impl Key, field: &Field) -> Reading {
    match (value::text_at(key, field), field) {
        (Ok(Some(id)), _) => Reading::of(Subject::User, &id),
        (Ok(None), Field::Json(_)) => Reading::nobody("the pointer of `owner` leads to no string or number"),
        (Ok(None), Field::Hash(_)) => Reading::nobody("the hash has no such field"),
        (Err(_), Field::Json(_)) => Reading::nobody(not_a_document(key)),
        (Err(_), Field::Hash(_)) => {
            Reading::nobody(format!("the value is {}, and `owner` a field of a hash", words(key.kind())))
        }
    }
}

fn not_a_document(key: &impl Key) -> String {
    if key.kind() == Kind::String {
        "the value is not JSON".to_owned()
    } else {
        format!("the value is {}, and not a string that holds JSON", words(key.kind()))
    }
}

fn members(key: &impl Key, member: &Template, names: Named, bindings: &Bindings<'_>) -> Reading {
    if !key.kind().is_collection() {
        return Reading::nobody(format!("the value is {}, which has no members", words(key.kind())));
    }
    let members = key.members();
    let id =
        |text: &Vec<u8>| member.solve(names.placeholder(), bindings, text).map(|id| (names.subject(), id.to_vec()));
    let named: Vec<_> = members.iter().filter_map(id).collect();
    let why = named.is_empty().then(|| format!("none of its {} members is as `member` says", members.len()));
    Reading { named, why }
}

fn entries(key: &impl Key, array: &json::Pointer, owner: &json::Pointer) -> Reading {
    let Ok(document) = value::string(key) else { return Reading::nobody(not_a_document(key)) };
    let array = match value::array_at(&document, array) {
        Err(_) => return Reading::nobody(not_a_document(key)),
        Ok(None) => return Reading::nobody("the pointer `array` leads to no array"),
        Ok(Some(array)) => array,
    };
    let elements = json::elements(array).unwrap_or_default();
    let id = |element| value::owner(element, owner).map(|id| (Subject::User, id.as_bytes().to_vec()));
    let named: Vec<_> = elements.iter().filter_map(|element| id(element)).collect();
    let why = named
        .is_empty()
        .then(|| format!("in none of its {} elements `owner` leads to a string or number", elements.len()));
    Reading { named, why }
}

/// A type in words.
pub fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::List => "a list",
        Kind::Set => "a set",
        Kind::SortedSet => "a sorted set",
        Kind::Hash => "a hash",
        Kind::Stream => "a stream",
        Kind::Other => "of another module's type",
    }
}
