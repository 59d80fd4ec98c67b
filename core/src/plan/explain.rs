//! How the layout reads one key: whom each trace finds there, or why nobody.

use std::collections::HashSet;

use super::{
    entries::{each_container, each_text},
    value::{self, Member, Mistyped, NOT_JSON},
};
use crate::{
    index::Subject,
    json,
    layout::{By, Entries, Form, Layout, Owner, Trace, What},
    ports::{Key, Keyspace, Kind},
    template::{Bindings, Placeholder},
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
        What::Owned(of) => owner(&key, of, bindings),
        What::Members(by) => members(&key, by, bindings),
        What::Entries(of) => entries(&key, of, bindings),
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

fn owner(key: &impl Key, owner: &Owner, bindings: &Bindings<'_>) -> Reading {
    let mut texts = Vec::new();
    let read = value::texts(key, &[Some(&owner.at)], &mut |_, text| texts.push(text.to_vec()));
    if let Err(why) = read {
        return Reading::nobody(not_read(key, owner, why));
    }
    if texts.is_empty() {
        return Reading::nobody(match (&owner.at.pointer, &owner.at.of_hash) {
            (None, Some(_)) => "the hash has no such field",
            (_, None) => "the pointer of `owner` leads to no string or number",
            (Some(_), Some(_)) => {
                "the hash has no such field, or in it the pointer of `owner` leads to no string or number"
            }
        });
    }
    named(&owner.is, &texts, bindings, || format!("'{}' is not as `is` says", texts[0].escape_ascii()))
}

/// Those whom texts name in a form; `why` says why nobody is.
fn named(form: &Form, texts: &[Vec<u8>], bindings: &Bindings<'_>, why: impl FnOnce() -> String) -> Reading {
    let subject = form.names.subject();
    let id = |text: &Vec<u8>| {
        // What an id may hold is said later, with the id.
        if form.is_plain {
            return Some((subject, text.clone()));
        }
        Some((subject, form.read(bindings, text)?.get(form.names.placeholder())?.to_vec()))
    };
    let named: Vec<_> = texts.iter().filter_map(id).collect();
    let why = named.is_empty().then(why);
    Reading { named, why }
}

fn not_read(key: &impl Key, owner: &Owner, why: Mistyped) -> String {
    let kind = words(key.kind());
    match (why, &owner.at.of_hash) {
        (NOT_JSON, None) => "the value is not JSON".to_owned(),
        (NOT_JSON, Some(_)) => "the hash's field is not JSON".to_owned(),
        (Mistyped::Unreadable(why), None) => format!("the value can't be read, {why}"),
        (Mistyped::Unreadable(why), Some(_)) => format!("the hash's field can't be read, {why}"),
        (Mistyped::Kind, None) => format!("the value is {kind}, and not a string"),
        (Mistyped::Kind, Some(_)) => format!("the value is {kind}, and `owner` a field of a hash"),
    }
}

fn members(key: &impl Key, by: &By, bindings: &Bindings<'_>) -> Reading {
    if !key.kind().is_collection() {
        return Reading::nobody(format!("the value is {}, which has no members", words(key.kind())));
    }
    let (members, mut texts) = (Member::all(key, by), Vec::new());
    let read = |member: &Member| member.texts(by, &mut |text| texts.push(text.to_vec()));
    let unreadable = members.iter().map(read).filter(Result::is_err).count();
    let said = if matches!(by, By::Name(_)) { "is as `member` says" } else { "names somebody as `owner` says" };
    named(by.form(), &texts, bindings, || {
        let not_read = if unreadable > 0 { format!("; {unreadable} can't be read") } else { String::new() };
        format!("none of its {} members {said}{not_read}", members.len())
    })
}

fn entries(key: &impl Key, entries: &Entries, bindings: &Bindings<'_>) -> Reading {
    let Ok(document) = value::string(key) else {
        return Reading::nobody(format!("the value is {}, and not a string", words(key.kind())));
    };
    let field = if entries.is_object { "object" } else { "array" };
    let (mut containers, mut items, mut texts) = (0, 0, Vec::new());
    let read = each_container(&document, entries, &mut |container| {
        containers += 1;
        for item in json::items(&document, container).unwrap_or_default() {
            items += 1;
            each_text(entries, &item, &mut |text| texts.push(text.as_bytes().to_vec()));
        }
    });
    if read.is_err() {
        return Reading::nobody("the value is not JSON");
    }
    if containers == 0 {
        return Reading::nobody(format!("the pointer `{field}` leads to no {field}"));
    }
    named(entries.by.form(), &texts, bindings, || match &entries.by {
        By::Value(_) if texts.is_empty() => {
            format!("in none of its {items} elements `owner` leads to a string or number")
        }
        By::Value(_) => format!("in none of its {items} elements `owner` leads to what `is` says"),
        By::Name(_) => format!("none of its {items} members has a name as `member` says"),
    })
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
