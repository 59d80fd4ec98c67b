//! Observing: what the index must know of one key.

use super::value;
use crate::{
    engine::{Key, Keyspace},
    index::{Place, Subject},
    json,
    layout::{Field, Layout, Named, Reach, Trace, What},
    template::{Bindings, Placeholder},
};

/// A collection with more members is not read at every change; it is looked into at every logout instead. Few can be so
/// large.
const MOST_MEMBERS: usize = 256;

/// The same for a document, in bytes.
const LONGEST_DOCUMENT: usize = 64 * 1024;

/// A subject seen at a place.
#[derive(Debug, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// The kind of subject.
    pub subject: Subject,
    /// Its id; empty for [`Subject::Anyone`].
    pub id: &'a [u8],
    /// Where it was seen.
    pub place: &'a Place,
}

/// What is known of a key before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It exists.
    Certain,
    /// It may not exist.
    Unknown,
}

/// Looks at a key and tells who shows up there, as far as the index has to know: traces whose key follows from the ids
/// are found without it. Changes nothing. Returns how many traces of the layout could not be read, because the value is
/// not JSON or of another type.
pub fn observe<K: Keyspace>(
    space: &K,
    layout: &Layout,
    name: &K::Name,
    presence: Presence,
    tell: &mut dyn FnMut(Sighting<'_>),
) -> u64 {
    let mut mistyped = 0;
    let traces = layout.traces.iter().enumerate().filter(|(_, trace)| trace.reach != Reach::Direct);
    for (number, trace) in traces {
        let Some(bindings) = trace.key.matches(name.as_ref()) else { continue };
        let place = || Place::new(number, &trace.key, &bindings);
        let user = bindings.get(Placeholder::USER).filter(|_| trace.reach == Reach::ByName);
        let key = if user.is_some() && presence == Presence::Certain { None } else { space.open(name) };
        match (user, key) {
            (Some(_), None) if presence == Presence::Unknown => break,
            (None, None) => break,
            (Some(id), _) => tell(Sighting { subject: Subject::User, id, place: &place() }),
            (None, Some(key)) => {
                let observer = Observer { trace, bindings: &bindings, place: place(), tell };
                mistyped += u64::from(observer.look(&key).is_err());
            }
        }
    }
    mistyped
}

/// Looks into a key whose value says who shows up there.
struct Observer<'o> {
    trace: &'o Trace,
    bindings: &'o Bindings<'o>,
    place: Place,
    tell: &'o mut dyn FnMut(Sighting<'_>),
}

impl Observer<'_> {
    fn look(mut self, key: &impl Key) -> Result<(), value::Mistyped> {
        match &self.trace.what {
            What::Key => {}
            What::Owned(Field::Json(_)) | What::Entries { .. } if key.size() > LONGEST_DOCUMENT => self.anyone(),
            What::Owned(field) => value::look_at(key, field, |id| id.map_or((), |id| self.meet(Subject::User, id)))?,
            What::Member { .. } if !key.kind().is_collection() => return Err(value::Mistyped),
            What::Member { .. } if key.size() > MOST_MEMBERS => self.anyone(),
            What::Member { member, names } => {
                let subject = if *names == Named::User { Subject::User } else { Subject::Socket };
                let members = key.members();
                let ids = members.iter().filter_map(|m| member.solve(names.placeholder(), self.bindings, m));
                ids.for_each(|id| self.meet(subject, id));
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

    /// Where the name holds the user too, a value that names somebody else is nobody's trace.
    fn meet(&mut self, subject: Subject, id: &[u8]) {
        let user_of_name = self.bindings.get(Placeholder::USER);
        if !id.is_empty() && user_of_name.is_none_or(|user| user == id) {
            (self.tell)(Sighting { subject, id, place: &self.place });
        }
    }

    fn anyone(&mut self) {
        (self.tell)(Sighting { subject: Subject::Anyone, id: b"", place: &self.place });
    }
}
