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
pub struct Sighting {
    /// The kind of subject.
    pub subject: Subject,
    /// Its id; empty for [`Subject::Anyone`].
    pub id: Vec<u8>,
    /// Where it was seen.
    pub place: Place,
}

/// What a look at one key found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Who shows up there.
    pub sightings: Vec<Sighting>,
    /// How many traces of the layout could not be read, because the value is not JSON or of another type.
    pub mistyped: u64,
}

/// Looks at a key and says who shows up there, as far as the index has to know: traces whose key follows from the ids
/// are found without it. Changes nothing.
pub fn observe<K: Keyspace>(space: &K, layout: &Layout, name: &K::Name) -> Observation {
    let mut observation = Observation::default();
    let traces = layout.traces.iter().enumerate().filter(|(_, trace)| trace.reach != Reach::Direct);
    for (number, trace) in traces {
        let Some(bindings) = trace.key.matches(name.as_ref()) else { continue };
        let Some(key) = space.open(name) else { return observation };
        match subjects(&key, trace, &bindings) {
            Ok(subjects) => observation.sightings.extend(subjects.into_iter().map(|(subject, id)| {
                let place = Place::new(number, &trace.key, &bindings);
                Sighting { subject, id, place }
            })),
            Err(value::Mistyped) => observation.mistyped += 1,
        }
    }
    observation
}

type Subjects = Vec<(Subject, Vec<u8>)>;

fn subjects(key: &impl Key, trace: &Trace, bindings: &Bindings<'_>) -> Result<Subjects, value::Mistyped> {
    let user_of_name = bindings.get(Placeholder::USER);
    if let (Reach::ByName, Some(user)) = (trace.reach, user_of_name) {
        return Ok(vec![(Subject::User, user.to_vec())]);
    }
    let mut subjects = match &trace.what {
        What::Key => Vec::new(),
        What::Owned(Field::Json(_)) | What::Entries { .. } if key.size() > LONGEST_DOCUMENT => anyone(),
        What::Owned(field) => value::text_at(key, field)?.into_iter().map(|id| (Subject::User, id)).collect(),
        What::Member { .. } if !key.kind().is_collection() => return Err(value::Mistyped),
        What::Member { .. } if key.size() > MOST_MEMBERS => anyone(),
        What::Member { member, names } => {
            let subject = if *names == Named::User { Subject::User } else { Subject::Socket };
            let members = key.members();
            let ids = members.iter().filter_map(|m| member.solve(names.placeholder(), bindings, m));
            ids.map(|id| (subject, id.to_vec())).collect()
        }
        What::Entries { array, owner } => {
            let document = value::string(key)?;
            let elements = value::array_at(&document, array)?.and_then(json::elements).unwrap_or_default();
            let owners = elements.iter().filter_map(|element| value::owner(element, owner));
            owners.map(|id| (Subject::User, id.into_owned().into_bytes())).collect()
        }
    };
    // Where the name holds the user too, a value that names somebody else is nobody's trace.
    subjects.retain(|(subject, id)| {
        *subject == Subject::Anyone || !id.is_empty() && user_of_name.is_none_or(|user| user == id)
    });
    Ok(subjects)
}

fn anyone() -> Subjects {
    vec![(Subject::Anyone, Vec::new())]
}
