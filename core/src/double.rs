//! A database in memory, for unit tests: it knows types, expiry, permissions, and what was asked of it.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::ports::{Access, Key, Keyspace, Kind, May, Permissions, Store};

/// A value of the double. Scores and hash values other than of interest are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    String(Vec<u8>),
    Members(Kind, Vec<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Stream,
}

#[derive(Debug, Default)]
pub(crate) struct Double {
    keys: RefCell<BTreeMap<Vec<u8>, Value>>,
    expired: RefCell<BTreeSet<Vec<u8>>>,
    forbidden: RefCell<Vec<(Vec<u8>, Access)>>,
    commands: RefCell<Vec<String>>,
    elsewhere: RefCell<BTreeSet<Vec<u8>>>,
    opened: RefCell<Vec<String>>,
}

impl Double {
    pub(crate) fn with(self, name: &str, value: Value) -> Self {
        self.keys.borrow_mut().insert(name.into(), value);
        self
    }

    pub(crate) fn string(self, name: &str, value: &str) -> Self {
        self.with(name, Value::String(value.into()))
    }

    pub(crate) fn collection(self, name: &str, kind: Kind, members: &[&str]) -> Self {
        self.with(name, Value::Members(kind, members.iter().map(|m| m.as_bytes().to_vec()).collect()))
    }

    /// Lets the key's time to live pass; it stays in memory.
    pub(crate) fn expire(self, name: &str) -> Self {
        self.expired.borrow_mut().insert(name.into());
        self
    }

    /// Lets another node of the cluster serve the key.
    pub(crate) fn elsewhere(self, name: &str) -> Self {
        self.elsewhere.borrow_mut().insert(name.into());
        self.keys.borrow_mut().remove(name.as_bytes());
        self
    }

    pub(crate) fn forbid(self, name: &str, access: Access) -> Self {
        self.forbidden.borrow_mut().push((name.into(), access));
        self
    }

    /// The commands that changed something, as text.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.commands.borrow().clone()
    }

    /// The keys that were opened since the last time, in their order.
    pub(crate) fn take_opened(&self) -> Vec<String> {
        self.opened.take()
    }

    /// The names of all keys that are there.
    pub(crate) fn names(&self) -> Vec<String> {
        self.keys.borrow().keys().map(|name| text(name)).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

impl Keyspace for Double {
    type Name = Vec<u8>;
    type Key<'a> = Value;

    fn name(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn open<'a>(&'a self, name: &'a Vec<u8>) -> Option<Value> {
        self.opened.borrow_mut().push(text(name));
        if self.expired.borrow().contains(name) { None } else { self.keys.borrow().get(name).cloned() }
    }

    fn fields_expire(&self) -> bool {
        true
    }

    fn is_cluster(&self) -> bool {
        !self.elsewhere.borrow().is_empty()
    }

    fn serves(&self, name: &Vec<u8>) -> bool {
        !self.elsewhere.borrow().contains(name)
    }

    fn contains(&self, name: &Vec<u8>, kind: Kind, member: &[u8]) -> bool {
        let key = self.open(name).expect("the key was opened before");
        assert_eq!(key.kind(), kind);
        key.members().iter().any(|known| known == member)
    }
}

impl Permissions for Double {
    type Name = Vec<u8>;

    fn permit(&self, asks: &dyn Fn(May<'_, Vec<u8>>) -> bool) -> bool {
        asks(&|name, access| !self.forbidden.borrow().contains(&(name.clone(), access)))
    }
}

impl Key for Value {
    fn kind(&self) -> Kind {
        match self {
            Self::String(_) => Kind::String,
            Self::Members(kind, _) => *kind,
            Self::Hash(_) => Kind::Hash,
            Self::Stream => Kind::Stream,
        }
    }

    fn size(&self) -> usize {
        self.members().len() + self.string().len()
    }

    fn expires_at(&self) -> Option<u64> {
        None
    }

    fn string(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(if let Self::String(bytes) = self { bytes } else { &[] })
    }

    fn field(&self, field: &[u8]) -> Option<Vec<u8>> {
        if let Self::Hash(fields) = self { fields.get(field).cloned() } else { None }
    }

    fn members(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Members(_, members) => members.clone(),
            Self::Hash(fields) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

impl Store for Double {
    fn unlink(&self, names: &[&Vec<u8>]) -> u64 {
        let gone: Vec<String> = names
            .iter()
            .filter(|name| self.open(name).is_some())
            .filter(|name| self.keys.borrow_mut().remove(**name).is_some())
            .map(|name| text(name))
            .collect();
        if !gone.is_empty() {
            self.commands.borrow_mut().push(format!("UNLINK {}", gone.join(" ")));
        }
        gone.len() as u64
    }

    fn remove_members(&self, name: &Vec<u8>, kind: Kind, members: &[&[u8]]) -> u64 {
        let mut keys = self.keys.borrow_mut();
        let known = keys.get(name).map(Key::members).unwrap_or_default();
        match keys.get_mut(name) {
            Some(Value::Members(_, known)) => known.retain(|member| !members.contains(&&**member)),
            Some(Value::Hash(fields)) => fields.retain(|field, _| !members.contains(&&**field)),
            other => panic!("no collection: {other:?}"),
        }
        let gone: Vec<String> =
            members.iter().filter(|member| known.iter().any(|k| k == *member)).map(|member| text(member)).collect();
        if !gone.is_empty() {
            self.commands.borrow_mut().push(format!("{kind:?} {} less {}", text(name), gone.join(" ")));
        }
        gone.len() as u64
    }

    fn replace(&self, name: &Vec<u8>, value: &[u8]) -> bool {
        self.keys.borrow_mut().insert(name.clone(), Value::String(value.to_vec()));
        self.commands.borrow_mut().push(format!("SET {} {}", text(name), text(value)));
        true
    }
}
