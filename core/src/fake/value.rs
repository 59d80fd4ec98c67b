//! Values in the fake's databases.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::ports::{Key, Kind};

type Bytes = Vec<u8>;

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    String(Bytes),
    /// A list.
    List(Vec<Bytes>),
    /// A set.
    Set(BTreeSet<Bytes>),
    /// A sorted set, with the scores.
    SortedSet(BTreeMap<Bytes, f64>),
    /// A hash.
    Hash(BTreeMap<Bytes, Bytes>),
    /// A stream, and how many entries it has.
    Stream(usize),
}

impl Value {
    /// A collection of a kind.
    ///
    /// # Panics
    /// If the kind is none of a collection's.
    pub fn of(kind: Kind, members: impl IntoIterator<Item = Bytes>) -> Self {
        let members = members.into_iter();
        match kind {
            Kind::List => Self::List(members.collect()),
            Kind::Set => Self::Set(members.collect()),
            Kind::SortedSet => Self::SortedSet(members.map(|member| (member, 0.0)).collect()),
            Kind::Hash => Self::Hash(members.map(|field| (field, Bytes::new())).collect()),
            Kind::String | Kind::Stream | Kind::Other => panic!("{kind:?} is no collection"),
        }
    }

    /// The type of the value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::String(_) => Kind::String,
            Self::List(_) => Kind::List,
            Self::Set(_) => Kind::Set,
            Self::SortedSet(_) => Kind::SortedSet,
            Self::Hash(_) => Kind::Hash,
            Self::Stream(_) => Kind::Stream,
        }
    }

    /// How many members a collection has, or bytes a string.
    pub fn size(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.len(),
            Self::List(elements) => elements.len(),
            Self::Set(members) => members.len(),
            Self::SortedSet(members) => members.len(),
            Self::Hash(fields) => fields.len(),
            Self::Stream(_) => 0,
        }
    }

    /// Whether it is a collection without a member, which a server does not keep.
    pub(super) fn is_nothing(&self) -> bool {
        self.kind().is_collection() && self.size() == 0
    }

    /// The members of a collection, of a hash the fields.
    pub fn members(&self) -> Vec<Bytes> {
        match self {
            Self::List(elements) => elements.clone(),
            Self::Set(members) => members.iter().cloned().collect(),
            Self::SortedSet(members) => members.keys().cloned().collect(),
            Self::Hash(fields) => fields.keys().cloned().collect(),
            Self::String(_) | Self::Stream(_) => Vec::new(),
        }
    }

    /// Whether a collection holds a member.
    pub(super) fn has(&self, member: &[u8]) -> bool {
        match self {
            Self::List(elements) => elements.iter().any(|element| element == member),
            Self::Set(members) => members.contains(member),
            Self::SortedSet(members) => members.contains_key(member),
            Self::Hash(fields) => fields.contains_key(member),
            Self::String(_) | Self::Stream(_) => false,
        }
    }

    /// Removes a member; of a list, every equal element. Whether there was one.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let before = self.size();
        match self {
            Self::List(elements) => elements.retain(|element| element != member),
            Self::Set(members) => drop(members.remove(member)),
            Self::SortedSet(members) => drop(members.remove(member)),
            Self::Hash(fields) => drop(fields.remove(member)),
            Self::String(_) | Self::Stream(_) => {}
        }
        self.size() < before
    }
}

/// What a database has under a name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The value.
    pub value: Rc<Value>,
    /// When it expires, in milliseconds since 1970.
    pub expires_at: Option<u64>,
}

impl Key for Entry {
    fn kind(&self) -> Kind {
        self.value.kind()
    }

    fn size(&self) -> usize {
        self.value.size()
    }

    fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    fn string(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(if let Value::String(bytes) = &*self.value { bytes } else { &[] })
    }

    fn field(&self, field: &[u8]) -> Option<Bytes> {
        if let Value::Hash(fields) = &*self.value { fields.get(field).cloned() } else { None }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        let Value::SortedSet(scores) = &*self.value else { return None };
        scores.get(member).copied()
    }

    fn fields(&self) -> Vec<(Bytes, Bytes)> {
        let Value::Hash(fields) = &*self.value else { return Vec::new() };
        fields.iter().map(|(field, value)| (field.clone(), value.clone())).collect()
    }

    fn members(&self) -> Vec<Bytes> {
        self.value.members()
    }
}
