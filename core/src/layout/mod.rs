//! The layout: where an application leaves traces of its users.
//!
//! A JSON document (section 2 of the contract) is read by serde and validated once into [`Layout`], which the rest of
//! the module uses without checking anything again. Pure. Every refusal names the trace by its number and text, and the
//! cause with what to fix.

mod document;
mod error;
mod read;
#[cfg(feature = "schema")]
pub mod schema;
mod strict;
mod traces;

use std::{fmt, sync::Arc};

use crate::{
    announcement::{Announcement, Setting},
    encoding::Encoding,
    index::{PlaceRef, Subject},
    json::Pointer,
    template::{Bindings, Placeholder, Placeholders, Template},
    then::Then,
};

pub use error::LayoutError;

/// The layout that is used when the module is loaded without one.
pub const EASYSHARE: &str = include_str!("../layouts/easyshare.json");

/// The most bytes that are read as a layout: 16 MB.
pub const LARGEST: u64 = 16 * 1024 * 1024;

/// A validated layout.
#[derive(Debug)]
pub struct Layout {
    /// The document as it was written: what `SESSION.LAYOUT` answers.
    pub text: String,
    /// What the layout calls itself.
    pub name: String,
    /// The placeholders, and what they may stand for.
    pub ids: Placeholders,
    /// The traces in the order of the document, then the mapping; a trace is known by its place here.
    pub traces: Vec<Trace>,
    /// What the layout writes for each of them, as one line.
    pub texts: Vec<String>,
    /// Those of them that the index has to know of, by number: see [`Trace::is_watched`].
    pub watched: Box<[usize]>,
    /// Those that are found by their names alone, by number, for each [`Group`].
    direct: [Box<[usize]>; 3],
    /// Those of sockets, by number.
    of_sockets: Box<[usize]>,
    /// How a live socket is found, if the layout says it.
    pub sockets: Option<Sockets>,
    /// By what else a user is live.
    pub live: Vec<LiveRule>,
    /// What is announced to the rooms that a user leaves.
    pub announce: Vec<Announcement>,
    /// What is written at a logout.
    pub then: Vec<Then>,
    /// Whether something that is told or written holds an id of its own.
    pub has_id: bool,
    /// Why nobody may be swept, if so.
    pub unsaid: Option<Unsaid>,
}

/// An id of which the layout says nothing, and which a sweep would have to take out of a name or a member: it might take
/// what is no user's. A logout is told whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    /// The part of the layout that holds it.
    pub text: String,
    /// The placeholder's name.
    pub id: String,
}

/// One kind of place where users show up.
#[derive(Debug, PartialEq)]
pub struct Trace {
    /// The number in the document, from 0, of what says it: a list of members is a trace each.
    pub number: usize,
    /// The name of the key: the trace itself, or what holds it.
    pub key: Template,
    /// What in or of that key is the trace.
    pub what: What,
    /// How the keys of one user are found.
    pub reach: Reach,
    /// What the index notes of a place, besides whose it is: see [`crate::index::Place`].
    pub placed: Box<[Placeholder]>,
    /// Whether a sweep removes it.
    pub sweep: bool,
    /// Whether another part of the layout may have a key of the same name.
    pub may_overlap: bool,
    /// Whether it is evidence of a session, so that a user who has it and is not live is stale.
    pub is_evidence: bool,
}

/// What a logout looks for at a time: first what is the user's own, which says what sockets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Keys that go as a whole, and say themselves whose they are.
    UsersKeys,
    /// Collections and documents that hold users.
    HoldUsers,
    /// Whatever each of the user's sockets has.
    OfSockets,
}

/// What a trace is.
#[derive(Debug, PartialEq)]
pub enum What {
    /// The key, whatever it holds; its name holds `{userId}`, or `{socketId}` of one of the user's sockets.
    Key,
    /// The key, if its value names the user, or one of the user's sockets.
    Owned(Owner),
    /// Members of the collection at the key.
    Members(By),
    /// Nothing that is removed: the key maps a user to sockets. Stands behind the traces of the document.
    Mapping,
    /// Elements of an array, or members of an object, in the JSON document at the key.
    Entries(Arc<Entries>),
}

/// By what a member of a collection, or of an object, is known to be somebody's.
#[derive(Clone, Debug, PartialEq)]
pub enum By {
    /// By itself, or its name. In a hash it is the field.
    Name(Form),
    /// By what its value says: of a hash the field's, else the member itself.
    Value(Owner),
}

impl By {
    /// The form in which the id stands there.
    pub fn form(&self) -> &Form {
        match self {
            Self::Name(form) => form,
            Self::Value(owner) => &owner.is,
        }
    }
}

/// Where a value names somebody, and in which form.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// Where in the value.
    pub at: Field,
    /// What stands there.
    pub is: Form,
}

/// The form in which an id stands in a value, or in a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// What stands there.
    pub template: Template,
    /// Whose id says who is meant; a user's own, too, where the template holds none and the key's name says whose it is.
    pub names: Named,
    /// Whether nothing but the id stands there.
    pub is_plain: bool,
}

/// What goes from a JSON document.
#[derive(Debug, PartialEq)]
pub struct Entries {
    /// Where the array or the object stands in the document.
    pub at: Pointer,
    /// Whether it is an object.
    pub is_object: bool,
    /// Whose its elements are; of an object, its members' values or names.
    pub by: By,
    /// What they get instead of being removed, if anything: where it stands in them.
    pub set: Box<[(Pointer, Setting)]>,
    /// Whether a document of which nothing is left there is deleted.
    pub deletes_empty: bool,
}

/// Whose id a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The user's own.
    User,
    /// That of one of the user's sockets.
    Socket,
}

impl Named {
    /// The placeholder that stands for the id.
    pub fn placeholder(self) -> Placeholder {
        match self {
            Self::User => Placeholder::USER,
            Self::Socket => Placeholder::SOCKET,
        }
    }

    /// As what the index knows the id.
    pub fn subject(self) -> Subject {
        match self {
            Self::User => Subject::User,
            Self::Socket => Subject::Socket,
        }
    }
}

/// How the keys of a trace are found for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The name follows from the user's id (and socket ids) alone.
    Direct,
    /// The name holds the user's id and placeholders that stand for "any": the index finds it, by names.
    ByName,
    /// The value says whose it is: the index finds it, by values.
    ByValue,
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The field of a hash in which it stands; without it the value is a string.
    pub of_hash: Option<Box<[u8]>>,
    /// Where it stands in the document there; without it all of that is meant.
    pub pointer: Option<Pointer>,
    /// How that document is read.
    pub encoding: Encoding,
}

/// How a live socket is found.
#[derive(Debug, PartialEq)]
pub struct Sockets {
    /// The key that maps a user to socket ids. Without it the user's sockets are those whose data is the user's.
    pub of: Option<Mapping>,
    /// The key that each live socket has.
    pub data: Template,
    /// Where the room stands in that key's value.
    pub room: Option<Field>,
    /// Where the user's name stands in that key's value.
    pub name: Option<Field>,
    /// The trace that says by its value whose such a key is: its number.
    pub owned: Option<usize>,
    /// The trace that such a key is, whatever says whose: its number.
    pub data_trace: Option<usize>,
    /// Whether a socket is the user's because the mapping holds it, though no data says so.
    pub trusts_mapping: bool,
}

/// The key that maps a user to sockets.
#[derive(Debug, PartialEq)]
pub struct Mapping {
    /// Its name.
    pub key: Template,
    /// How ids stand in it.
    pub ids: MappedIds,
    /// Whether it is a trace as a whole, so that a logout leaves none.
    pub is_trace: bool,
    /// Whether a sweep may take it: no trace says that it is left alone.
    pub is_swept: bool,
}

/// How sockets' ids stand in a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum MappedIds {
    /// A string is one; of a collection each member is, and of a hash each field. With a template they stand in that form.
    Values(Option<Template>),
    /// In the elements of an array in a JSON document, by values.
    Elements(Arc<Entries>),
}

impl MappedIds {
    /// What stands in a mapping for a socket; `None` in a document.
    pub fn text(&self, user: &[u8], socket: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Values(None) => Some(socket.to_vec()),
            Self::Values(Some(form)) => Some(form.render(&Bindings::user(user).with(Placeholder::SOCKET, socket))),
            Self::Elements(_) => None,
        }
    }
}

/// By what a user is live besides sockets.
#[derive(Debug, PartialEq)]
pub enum LiveRule {
    /// The key exists.
    Key(Template),
    /// A member of a sorted set has a score that is a moment not long ago.
    Score {
        /// The sorted set.
        key: Template,
        /// The member.
        member: Template,
        /// For how long it counts, in milliseconds.
        within: u64,
        /// How many milliseconds a score counts as one.
        unit: u64,
    },
}

impl LiveRule {
    /// The key that it looks at.
    pub fn key(&self) -> &Template {
        match self {
            Self::Key(key) | Self::Score { key, .. } => key,
        }
    }
}

/// By whose key a user may be live: what the key's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder<'n> {
    /// This user's.
    User(&'n [u8]),
    /// That of this socket, of any user.
    Socket(&'n [u8]),
}

impl<'n> Holder<'n> {
    /// The id of either.
    pub fn id(self) -> &'n [u8] {
        match self {
            Self::User(id) | Self::Socket(id) => id,
        }
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, id } = self;
        write!(
            f,
            "the layout does not say what {{{id}}} may hold, which a sweep would take from names as in {text}: it could remove \
             what is no user's; add a \"separator\", or \"ids\": {{ \"{id}\": \"any\" }} if every such name is one"
        )
    }
}

impl Layout {
    /// The built-in layout.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn easyshare() -> Self {
        Self::parse(EASYSHARE).unwrap_or_else(|error| panic!("the built-in layout is wrong: {error}"))
    }

    /// Whether a key of this name is a trace as a whole, of any user.
    pub fn is_trace(&self, name: &[u8]) -> bool {
        let is_key = |trace: &&Trace| matches!(trace.what, What::Key | What::Owned(_));
        self.traces.iter().filter(is_key).any(|trace| trace.key.matches(name).is_some())
    }

    /// Whether something would be written to a key of this name in vain: it is a trace as a whole, or somebody is live by it.
    fn keeps_nothing(&self, name: &[u8]) -> bool {
        let data = self.sockets.as_ref().map(|sockets| &sockets.data);
        let mut vital = data
            .into_iter()
            .chain(self.mapping().map(|mapping| &mapping.key))
            .chain(self.live.iter().map(LiveRule::key));
        self.is_trace(name) || vital.any(|template| template.matches(name).is_some())
    }

    /// Whether a key that `trace` takes as a whole, or for the mapping, is by its name also something else by another part of the
    /// layout: a key that a sweep leaves alone, another user's, or what says who is live.
    pub fn reads_otherwise(&self, trace: &Trace, name: &[u8], bindings: &Bindings<'_>) -> bool {
        if !trace.may_overlap || !matches!(trace.what, What::Key | What::Owned(_) | What::Mapping) {
            return false;
        }
        let user = bindings.get(Placeholder::USER);
        let is_other = |template: &Template| *template != trace.key;
        let by_trace =
            self.traces.iter().filter(|other| is_other(&other.key) && !matches!(other.what, What::Entries(_)));
        let differs = |other: &Trace| {
            other.key.matches(name).is_some_and(|read| !other.sweep || read.get(Placeholder::USER) != user)
        };
        let data = self.sockets.as_ref().map(|sockets| &sockets.data).into_iter();
        let mut vital = data.chain(self.live.iter().map(LiveRule::key)).filter(|template| is_other(template));
        by_trace.into_iter().any(differs) || vital.any(|template| template.matches(name).is_some())
    }

    /// The traces by which a key of this name is of a socket alone, whoever's that is, with what the name's placeholders stand for.
    pub fn keys_of_sockets<'l>(&'l self, name: &'l [u8]) -> impl Iterator<Item = (&'l Trace, Bindings<'l>)> {
        let is_key = |trace: &&Trace| trace.is_of_socket() && matches!(trace.what, What::Key | What::Owned(_));
        self.traces.iter().filter(is_key).filter_map(|trace| Some((trace, trace.key.matches(name)?)))
    }

    /// The traces of a group that are found by their names alone.
    pub fn direct(&self, group: Group) -> impl Iterator<Item = &Trace> {
        self.direct[group as usize].iter().map(|number| &self.traces[*number])
    }

    /// The traces that each of the user's sockets has.
    pub fn of_sockets(&self) -> impl Iterator<Item = &Trace> {
        self.of_sockets.iter().map(|number| &self.traces[*number])
    }

    /// The key that maps a user to sockets, if the layout names one.
    pub fn mapping(&self) -> Option<&Mapping> {
        self.sockets.as_ref()?.of.as_ref()
    }

    /// Whether it says who is live.
    pub fn tells_live(&self) -> bool {
        self.sockets.is_some() || !self.live.is_empty()
    }

    /// Whether a sweep may take the mapping: no trace says that it is left alone.
    pub fn sweeps_mapping(&self) -> bool {
        self.mapping().is_none_or(|mapping| mapping.is_swept)
    }

    /// Whether a logout leaves no mapping: the mapping is a trace, or the layout names none.
    pub fn removes_mapping(&self) -> bool {
        self.mapping().is_none_or(|mapping| mapping.is_trace)
    }

    /// The socket whose data is at a place, if that says whose it is.
    pub fn owned_socket<'p>(&self, place: PlaceRef<'p>) -> Option<&'p [u8]> {
        self.sockets.as_ref()?.owned.filter(|owned| *owned == place.trace())?;
        place.bind(&self.traces[place.trace()].placed, &Bindings::default()).get(Placeholder::SOCKET)
    }

    /// Whether a member that names a socket is evidence of its user's session.
    pub fn has_members_by_socket(&self) -> bool {
        self.traces
            .iter()
            .any(|trace| trace.is_evidence && matches!(trace.what, What::Members(_)) && trace.is_of_socket())
    }
}

impl Field {
    /// What a pointer leads to in a JSON document.
    pub fn json(pointer: Pointer) -> Self {
        Self { of_hash: None, pointer: Some(pointer), encoding: Encoding::default() }
    }

    /// Whether it stands in a document that is the value of a string.
    pub fn is_document(&self) -> bool {
        self.of_hash.is_none() && self.pointer.is_some()
    }
}

impl Form {
    /// What the placeholders stand for if this text is of the form, those given included.
    pub fn read<'n>(&self, given: &Bindings<'n>, text: &'n [u8]) -> Option<Bindings<'n>> {
        self.template.fill(given, text)
    }
}

impl Trace {
    /// Evidence is the mapping, a socket's data, a key whose name has placeholders of its own, and membership: not a
    /// user's plain key, nor what a sweep leaves alone.
    fn find_evidence(&mut self, sockets: Option<&Sockets>) {
        let is_mapping =
            |key: &Template| sockets.and_then(|s| s.of.as_ref()).is_some_and(|mapping| mapping.key == *key);
        self.is_evidence = self.sweep
            && match self.what {
                What::Key if self.is_of_socket() => false,
                What::Key => self.reach == Reach::ByName || is_mapping(&self.key),
                What::Owned(_) => sockets.is_some_and(|sockets| self.key == sockets.data),
                What::Members(_) | What::Mapping => true,
                What::Entries(_) => false,
            };
    }

    /// The form in which an id stands in it, if it is not in the key's name alone.
    pub fn form(&self) -> Option<&Form> {
        match &self.what {
            What::Owned(owner) => Some(&owner.is),
            What::Members(by) => Some(by.form()),
            What::Entries(entries) => Some(entries.by.form()),
            What::Key | What::Mapping => None,
        }
    }

    /// What it is looked for with; `None` for a mapping, which is read by itself.
    pub fn group(&self) -> Option<Group> {
        match self.what {
            _ if self.is_of_socket() => Some(Group::OfSockets),
            What::Key | What::Owned(_) => Some(Group::UsersKeys),
            What::Members(_) | What::Entries(_) => Some(Group::HoldUsers),
            What::Mapping => None,
        }
    }

    /// Whether each of the user's sockets has one: what names it, or a key that nothing else says the owner of.
    pub fn is_of_socket(&self) -> bool {
        match self.form() {
            Some(form) => form.names == Named::Socket,
            None => matches!(self.what, What::Key) && !self.key.has(Placeholder::USER),
        }
    }

    /// Whether an id stands in the names of members, of a collection or an object.
    pub fn names_members(&self) -> bool {
        match &self.what {
            What::Members(by) => matches!(by, By::Name(_)),
            What::Entries(entries) => matches!(entries.by, By::Name(_)),
            What::Key | What::Owned(_) | What::Mapping => false,
        }
    }

    /// Whether it is a member that the ids and the key's name do not make: others have to be looked at to find it.
    pub fn has_open_member(&self) -> bool {
        match &self.what {
            What::Members(By::Name(form)) => {
                let is_known =
                    |p: &Placeholder| *p == form.names.placeholder() || *p == Placeholder::USER || self.key.has(*p);
                !form.template.placeholders().iter().all(is_known)
            }
            What::Members(By::Value(_)) => true,
            _ => false,
        }
    }

    /// Whether it is a collection of the user's own that names sockets: one of them that has no data key is a dead socket of
    /// the user's.
    pub fn lists_sockets(&self) -> bool {
        matches!(self.what, What::Members(_))
            && self.is_of_socket()
            && self.key.has(Placeholder::USER)
            && !self.key.has(Placeholder::SOCKET)
    }

    /// Whether it is a key that goes as a whole, and says itself whose it is.
    pub fn is_users_key(&self) -> bool {
        self.group() == Some(Group::UsersKeys)
    }

    /// Whether the placeholder stands in the name of its key, or in that of its member.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        self.key.has(placeholder) || self.form().is_some_and(|form| form.template.has(placeholder))
    }

    /// Whether it stays where it is, and is marked.
    pub fn marks(&self) -> bool {
        matches!(&self.what, What::Entries(entries) if !entries.set.is_empty())
    }

    /// Whether it is something that can be removed.
    pub fn is_removed(&self) -> bool {
        self.what != What::Mapping
    }

    /// Whether the index has to know of it: a logout would not find it by the ids alone, or a sweep finds users by it.
    pub fn is_watched(&self) -> bool {
        match self.what {
            What::Mapping => true,
            What::Members(_) if self.is_evidence && (!self.is_of_socket() || self.lists_sockets()) => true,
            _ => self.reach != Reach::Direct,
        }
    }
}

impl Sockets {
    /// By whose key of this name a user may be live; `None` if the name is that of neither a mapping nor a socket's data.
    pub fn holder<'n>(&self, name: &'n [u8]) -> Option<Holder<'n>> {
        let of = self.of.as_ref().and_then(|mapping| mapping.key.matches(name));
        let bindings = of.or_else(|| self.data.matches(name))?;
        let socket = || bindings.get(Placeholder::SOCKET).map(Holder::Socket);
        bindings.get(Placeholder::USER).map(Holder::User).or_else(socket)
    }

    /// The socket whose data a key of this name is.
    pub fn socket<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        self.data.matches(name)?.get(Placeholder::SOCKET)
    }

    /// The mapping as the last of the traces, so that a look for users finds it with them. `is_swept` says whether a sweep
    /// takes it.
    fn mapping(&self, is_swept: bool) -> Option<Trace> {
        let key = self.of.as_ref()?.key.clone();
        Some(Trace {
            number: usize::MAX,
            key,
            what: What::Mapping,
            reach: Reach::Direct,
            placed: Box::default(),
            sweep: is_swept,
            may_overlap: false,
            is_evidence: is_swept,
        })
    }
}
