//! Reading a trace of the layout: what goes, and how it is known to be somebody's.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    By, Entries, Field, Form, Named, Owner, Reach, Trace, What,
    document::{OneOrMany, OwnerDocument, TraceDocument},
    error::{LayoutProblem, other},
    strict,
};
use crate::{
    announcement::Setting,
    encoding::Encoding,
    json::Pointer,
    template::{Placeholder, Placeholders, Template},
};

pub(super) fn template(field: &'static str, text: &str, names: &mut Placeholders) -> Result<Template, LayoutProblem> {
    Template::parse(text, names).map_err(|error| LayoutProblem::Template(field, error))
}

pub(super) fn pointer(field: &'static str, text: &str) -> Result<Pointer, LayoutProblem> {
    Pointer::parse(text).map_err(|error| LayoutProblem::Pointer(field, error))
}

/// How documents are read.
pub(super) fn encoding(names: Option<&OneOrMany>) -> Result<Encoding, LayoutProblem> {
    let Some(names) = names else { return Ok(Encoding::default()) };
    let encoding = Encoding::parse(names.all().iter().map(|name| &**name));
    encoding.map_err(|error| LayoutProblem::Other(format!("`encoding`: {error}")))
}

/// A part of a value, of which it is not asked what stands there.
pub(super) fn part(name: &'static str, value: &serde_json::Value, encoding: &Encoding) -> Result<Field, LayoutProblem> {
    match place(name, value, encoding)? {
        (_, Some(_)) => other(format!("`{name}` takes no `is`: whatever stands there is taken")),
        (field, None) => Ok(field),
    }
}

/// Where something stands in a value, and what stands there if that is said.
fn place(
    name: &'static str,
    value: &serde_json::Value,
    encoding: &Encoding,
) -> Result<(Field, Option<String>), LayoutProblem> {
    let wrong = || {
        other(format!("`{name}` must be a JSON pointer, or an object with `pointer`, `field`, both, or \"raw\": true"))
    };
    let document: OwnerDocument = match value {
        serde_json::Value::String(text) => {
            return Ok((Field { encoding: encoding.clone(), ..Field::json(pointer(name, text)?) }, None));
        }
        serde_json::Value::Object(_) => {
            serde_json::from_value(value.clone()).map_err(|error| LayoutProblem::Other(format!("`{name}`: {error}")))?
        }
        _ => return wrong(),
    };
    let OwnerDocument { pointer: path, field, raw, is } = document;
    match (&path, &field, raw) {
        (None, None, Some(true)) | (Some(_), _, None) | (_, Some(_), None) => {}
        _ => return wrong(),
    }
    let pointer = path.map(|path| pointer(name, &path)).transpose()?;
    let encoding = if pointer.is_some() { encoding.clone() } else { Encoding::default() };
    Ok((Field { of_hash: field.map(|field| field.into_bytes().into()), pointer, encoding }, is))
}

/// The traces that an item of the document says: one for each member of a list.
pub(super) fn read(text: &str, names: &mut Placeholders) -> Result<Vec<Trace>, LayoutProblem> {
    let document: TraceDocument = strict::read_part(text, "a trace")?;
    let has_entries = document.array.is_some() || document.object.is_some();
    let changes = document.set.is_some() || document.empty.is_some();
    let encoding = encoding(document.encoding.as_ref())?;
    let (key, whats) = match &document {
        TraceDocument { key: Some(key), members: None, entries: None, member: None, owner, .. }
            if !has_entries && !changes =>
        {
            let key = template("key", key, names)?;
            let what = read_key(&key, owner.as_ref(), &encoding, names)?;
            (key, vec![what])
        }
        TraceDocument { members: Some(key), key: None, entries: None, member, owner, .. }
            if !has_entries && !changes && (member.is_some() != owner.is_some()) =>
        {
            let key = template("members", key, names)?;
            let by = bys(&key, member.as_ref(), owner.as_ref(), &encoding, names)?;
            (key, by.into_iter().map(What::Members).collect())
        }
        TraceDocument { entries: Some(key), key: None, members: None, array, object, member, owner, .. }
            if (array.is_some() != object.is_some()) && (member.is_some() != owner.is_some()) =>
        {
            let key = template("entries", key, names)?;
            let entries = read_entries(&key, &document, names)?;
            (key, entries.into_iter().map(|entries| What::Entries(Arc::new(entries))).collect())
        }
        _ => {
            return other(
                "a trace is either `key`, or `key` with `owner`, or `members` with `member` or `owner`, or `entries` with \
                 `array` or `object`, and `owner` or `member`",
            );
        }
    };
    let reads = |what: &What| match what {
        What::Owned(owner) | What::Members(By::Value(owner)) => owner.at.pointer.is_some(),
        _ => false,
    };
    if document.encoding.is_some() && !whats.iter().all(reads) {
        return other(
            "`encoding` says how a value is read where the pointer of `owner` goes, and there is none; entries are always JSON",
        );
    }
    let sweep = document.sweep.unwrap_or(true);
    Ok(whats.into_iter().map(|what| Trace::new(key.clone(), what, sweep)).collect())
}

impl Trace {
    fn new(key: Template, what: What, sweep: bool) -> Self {
        let (reach, placed) = (Reach::Direct, Box::default());
        let mut trace = Self { number: 0, key, what, reach, placed, sweep, may_overlap: false, is_evidence: false };
        trace.reach = trace.find_reach();
        let placed = trace.key.placeholders().iter().copied().filter(|placeholder| *placeholder != Placeholder::USER);
        let is_member = trace.has_open_member() && !trace.key.has(Placeholder::USER);
        trace.placed = placed.chain(is_member.then_some(Placeholder::MEMBER)).collect();
        trace
    }

    /// A key's name follows from the ids alone if it holds nothing else. What is of a socket may have it in the key: each of the
    /// user's sockets gives one key. To look for members of somebody in a collection of many, the index has to say that there
    /// are any.
    fn find_reach(&self) -> Reach {
        let of_socket = self.is_of_socket();
        let known = |p: &Placeholder| *p == Placeholder::USER || (of_socket && *p == Placeholder::SOCKET);
        let is_users = self.key.has(Placeholder::USER);
        let by_name =
            matches!(self.what, What::Key) || is_users && (of_socket || matches!(self.what, What::Members(_)));
        let is_searched = self.has_open_member() && !is_users;
        match (self.key.placeholders().iter().all(known) && !is_searched, by_name) {
            (true, _) => Reach::Direct,
            (false, true) => Reach::ByName,
            (false, false) => Reach::ByValue,
        }
    }
}

fn read_key(
    key: &Template,
    owner: Option<&serde_json::Value>,
    encoding: &Encoding,
    names: &mut Placeholders,
) -> Result<What, LayoutProblem> {
    match owner {
        Some(owner) => read_owner(key, owner, encoding, names).map(What::Owned),
        None if key.has(Placeholder::USER) || key.has(Placeholder::SOCKET) => Ok(What::Key),
        None => other("`key` must hold {userId} or {socketId}, or `owner` must say where the value names the user"),
    }
}

/// By what members, of a collection or an object, are somebody's.
fn bys(
    key: &Template,
    member: Option<&OneOrMany>,
    owner: Option<&serde_json::Value>,
    encoding: &Encoding,
    names: &mut Placeholders,
) -> Result<Vec<By>, LayoutProblem> {
    if let Some(owner) = owner {
        let owner = read_owner(key, owner, encoding, names)?;
        if owner.at.of_hash.is_some() {
            return other(
                "`owner` of members and entries takes no `field`: of a hash, it is the value of each field that is read",
            );
        }
        return Ok(vec![By::Value(owner)]);
    }
    let members = member.map(OneOrMany::all).unwrap_or_default();
    if members.is_empty() {
        return other("`member` must not be an empty list");
    }
    members.iter().map(|member| form("member", member, key, names).map(By::Name)).collect()
}

fn read_owner(
    key: &Template,
    value: &serde_json::Value,
    encoding: &Encoding,
    names: &mut Placeholders,
) -> Result<Owner, LayoutProblem> {
    let (at, is) = place("owner", value, encoding)?;
    let is = form("is", is.as_deref().unwrap_or("{userId}"), key, names)?;
    if !is.template.has(is.names.placeholder()) {
        return other("`is` must hold {userId} or {socketId}: it says how the value names somebody");
    }
    Ok(Owner { at, is })
}

/// The form in which an id stands in a member or a value. With both ids, the one that the key leaves open says whose it is.
fn form(field: &'static str, text: &str, key: &Template, names: &mut Placeholders) -> Result<Form, LayoutProblem> {
    let template = Template::parse_member(text, names, key).map_err(|error| LayoutProblem::Template(field, error))?;
    let named = match (template.has(Placeholder::USER), template.has(Placeholder::SOCKET)) {
        (true, true) if key.has(Placeholder::USER) && !key.has(Placeholder::SOCKET) => Named::Socket,
        (true, _) => Named::User,
        (false, true) => Named::Socket,
        (false, false) if key.has(Placeholder::USER) => Named::User,
        (false, false) => {
            return other(format!(
                "`{field}` must hold {{userId}} or {{socketId}}, unless the key's name holds {{userId}}"
            ));
        }
    };
    let is_plain = template.is_placeholder() && template.has(named.placeholder());
    Ok(Form { template, names: named, is_plain })
}

fn read_entries(
    key: &Template,
    document: &TraceDocument,
    names: &mut Placeholders,
) -> Result<Vec<Entries>, LayoutProblem> {
    if document.array.is_some() && document.member.is_some() {
        return other("`member` names what goes from an `object`; elements of an array are told by their `owner`");
    }
    let json = Encoding::default();
    let by = bys(key, document.member.as_ref(), document.owner.as_ref(), &json, names)?;
    if matches!(by.first(), Some(By::Value(owner)) if owner.at.pointer.is_none()) {
        return other("`owner` of `entries` must be a JSON pointer: \"\" is the whole element");
    }
    let (array, object) = (document.array.as_deref(), document.object.as_deref());
    let at = match (array, object) {
        (Some(array), _) => pointer("array", array)?,
        (None, object) => pointer("object", object.unwrap_or_default())?,
    };
    let set: Box<[_]> = read_set(document.set.as_ref())?;
    let deletes_empty = document.empty.is_some();
    if !set.is_empty() && deletes_empty {
        return other("with `set` nothing is removed, so that `empty` has no meaning");
    }
    let entries = |by| Entries { at: at.clone(), is_object: object.is_some(), by, set: set.clone(), deletes_empty };
    Ok(by.into_iter().map(entries).collect())
}

impl Entries {
    /// The elements of an array that name a socket.
    pub(super) fn of_ids(at: Pointer, id: Field, names: &mut Placeholders) -> Self {
        let template = Template::parse("{socketId}", names).expect("a placeholder that every layout has");
        let is = Form { template, names: Named::Socket, is_plain: true };
        let by = By::Value(Owner { at: id, is });
        Self { at, is_object: false, by, set: Box::default(), deletes_empty: false }
    }
}

fn read_set(set: Option<&BTreeMap<String, serde_json::Value>>) -> Result<Box<[(Pointer, Setting)]>, LayoutProblem> {
    let Some(set) = set else { return Ok(Box::default()) };
    let one = |(at, value): (&String, &serde_json::Value)| {
        let setting = Setting::parse(value).map_err(|error| LayoutProblem::Other(format!("`set`: {error}")))?;
        Ok((pointer("set", at)?, setting))
    };
    let set: Box<[_]> = set.iter().map(one).collect::<Result<_, _>>()?;
    let is_within = |one: &Pointer, outer: &Pointer| one != outer && one.steps().starts_with(outer.steps());
    if set.iter().any(|(one, _)| set.iter().any(|(outer, _)| is_within(one, outer))) {
        return other("`set` holds a value within another one; give the outer one all that it is to hold");
    }
    if set.iter().any(|(at, _)| at.has_any()) {
        return other("`set` takes no step `*`: each value has one place in an element");
    }
    if set.iter().all(|(_, setting)| setting.is_time()) {
        return other(
            "`set` must hold a value besides times: by that it is known that an element has been marked already",
        );
    }
    Ok(set)
}
