//! Observing: what the index must know of one key.

use super::value;
use crate::{
    index::{Place, Subject},
    json,
    layout::{Field, Layout, Named, Reach, Trace, What},
    ports::Key,
    template::{Bindings, Placeholder, Placeholders, Template},
    watcher::Suspect,
};

/// A collection with more members is not read at every change; it is looked into at every logout instead. Few can be so
/// large.
pub const MOST_MEMBERS: usize = 256;

/// A subject seen at a place.
#[derive(Debug)]
pub struct Sighting<'a> {
    /// The kind of subject.
    pub subject: Subject,
    /// Its id; empty for [`Subject::Anyone`].
    pub id: &'a [u8],
    /// The number of the trace.
    trace: usize,
    /// Its key, and what that key's placeholders stand for.
    key: &'a Template,
    bindings: &'a Bindings<'a>,
    /// When the key ends, if that matters and was looked at.
    pub end: End,
}

impl Sighting<'_> {
    /// Appends the place where the subject was seen, for [`crate::index::PlaceRef::of_bytes`].
    pub fn write_place(&self, out: &mut Vec<u8>) {
        Place::write(self.trace, self.key, self.bindings, out);
    }
}

/// What is known of a key before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It exists.
    Certain,
    /// It may not exist.
    Unknown,
}

/// When a key ends by itself, if it is one by which somebody may be live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody looked.
    Unknown,
    /// Then, in milliseconds since 1970.
    At(u64),
    /// Never.
    Never,
}

/// What a look at a key found besides who shows up there.
#[derive(Debug, PartialEq, Eq)]
pub struct Sight {
    /// How many traces of the layout could not be read, because the value is not JSON or of another type.
    pub mistyped: u64,
    /// Whether there is no such key, if it was looked for.
    pub is_gone: bool,
}

/// A key that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'n> {
    /// Its name.
    pub name: &'n [u8],
    /// If only one member of it may be new: that one.
    pub member: Option<&'n [u8]>,
    /// Whether it exists.
    pub presence: Presence,
    /// Whether somebody may be live by it.
    pub is_vital: bool,
}

impl<'n> Sought<'n> {
    /// What a command may have changed.
    pub fn suspect<N: AsRef<[u8]>>(suspect: &'n Suspect<N>) -> Self {
        let member = suspect.member.as_ref().map(AsRef::as_ref);
        Self { name: suspect.key.as_ref(), member, presence: Presence::Unknown, is_vital: false }
    }
}

/// Looks at a key and tells who shows up there, as far as the index has to know: traces whose key follows from the ids
/// are found without it, unless a sweep looks for users there. `open` opens the key; `None` if it does not exist. Changes
/// nothing.
pub fn observe<K: Key>(
    layout: &Layout,
    sought: Sought<'_>,
    open: &dyn Fn() -> Option<K>,
    tell: &mut dyn FnMut(Sighting<'_>),
) -> Sight {
    let mut sight = Sight { mistyped: 0, is_gone: false };
    let mut is_watched = false;
    for number in &*layout.watched {
        let trace = &layout.traces[*number];
        let Some(bindings) = trace.key.matches(sought.name) else { continue };
        is_watched = true;
        let by_name = trace.reach == Reach::ByName || trace.what == What::Mapping;
        let mut of_name = [(Subject::User, Placeholder::USER), (Subject::Socket, Placeholder::SOCKET)].into_iter();
        let of_name = of_name.find_map(|(subject, placeholder)| Some((subject, bindings.get(placeholder)?)));
        let named = of_name.filter(|_| by_name);
        let key = if named.is_some() && sought.presence == Presence::Certain { None } else { open() };
        let end = match &key {
            Some(key) if sought.is_vital => key.expires_at().map_or(End::Never, End::At),
            _ => End::Unknown,
        };
        let mut observer = Observer { trace, number: *number, ids: &layout.ids, bindings: &bindings, end, tell };
        match (named, key) {
            (Some(_), None) if sought.presence == Presence::Unknown => {
                sight.is_gone = true;
                break;
            }
            (None, None) => {
                sight.is_gone = true;
                break;
            }
            (Some((subject, id)), _) => observer.tell(subject, id),
            (None, Some(key)) => {
                let seen = match sought.member {
                    Some(member) => observer.look_at_member(&key, member),
                    None => observer.look(&key),
                };
                sight.mistyped += u64::from(seen.is_err());
            }
        }
    }
    // The data of a socket may be no trace, and matters all the same.
    if sought.is_vital && !is_watched && sought.presence == Presence::Unknown {
        sight.is_gone = open().is_none();
    }
    sight
}

/// Looks into a key whose value says who shows up there.
struct Observer<'o> {
    trace: &'o Trace,
    number: usize,
    ids: &'o Placeholders,
    bindings: &'o Bindings<'o>,
    end: End,
    tell: &'o mut dyn FnMut(Sighting<'_>),
}

impl Observer<'_> {
    fn look(&mut self, key: &impl Key) -> Result<(), value::Mistyped> {
        match &self.trace.what {
            What::Key | What::Mapping => {}
            What::Owned(Field::Json(_)) | What::Entries { .. } if key.size() > value::LONGEST_DOCUMENT => self.anyone(),
            What::Owned(field) => value::look_at(key, field, |id| id.map_or((), |id| self.meet(Subject::User, id)))?,
            What::Member { .. } if !key.kind().is_collection() => return Err(value::Mistyped),
            What::Member { .. } if key.size() > MOST_MEMBERS => self.anyone(),
            What::Member { member, names } => {
                key.members().iter().for_each(|text| self.meet_member(member, *names, text));
            }
            What::Entries { array, owner } => {
                let document = value::string(key)?;
                let elements = value::array_at(&document, array)?.and_then(json::elements).unwrap_or_default();
                let owners = elements.iter().filter_map(|element| value::owner(element, owner));
                owners.for_each(|id| self.meet(Subject::User, id.as_bytes()));
            }
        }
        Ok(())
    }

    fn look_at_member(&mut self, key: &impl Key, text: &[u8]) -> Result<(), value::Mistyped> {
        match &self.trace.what {
            What::Member { member, names } if key.kind().is_collection() => self.meet_member(member, *names, text),
            _ => return Err(value::Mistyped),
        }
        Ok(())
    }

    fn meet_member(&mut self, member: &Template, names: Named, text: &[u8]) {
        if let Some(id) = member.solve(names.placeholder(), self.bindings, text) {
            self.meet(names.subject(), id);
        }
    }

    /// Where the name holds the user too, a value that names somebody else is nobody's trace. Nor is one that holds what the
    /// layout does not allow as an id.
    fn meet(&mut self, subject: Subject, id: &[u8]) {
        let user_of_name = self.bindings.get(Placeholder::USER);
        let placeholder = if subject == Subject::Socket { Placeholder::SOCKET } else { Placeholder::USER };
        if self.ids.rule(placeholder).allows(id) && user_of_name.is_none_or(|user| user == id) {
            self.tell(subject, id);
        }
    }

    fn anyone(&mut self) {
        self.tell(Subject::Anyone, b"");
    }

    fn tell(&mut self, subject: Subject, id: &[u8]) {
        let (trace, key, bindings, end) = (self.number, &self.trace.key, self.bindings, self.end);
        (self.tell)(Sighting { subject, id, trace, key, bindings, end });
    }
}
