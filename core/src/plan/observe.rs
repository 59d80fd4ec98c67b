//! Observing: what the index must know of one key.

use super::{
    entries,
    value::{self, Member},
};
use crate::{
    index::{Place, Subject},
    json,
    layout::{By, Form, Layout, Named, Reach, Trace, What},
    ports::Key,
    template::{Bindings, Placeholder, Placeholders},
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
    /// What the index notes of the place, and what that stands for.
    placed: &'a [Placeholder],
    bindings: &'a Bindings<'a>,
    /// When the key ends, if that matters and was looked at.
    pub end: End,
}

impl Sighting<'_> {
    /// Appends the place where the subject was seen, for [`crate::index::PlaceRef::of_bytes`].
    pub fn write_place(&self, out: &mut Vec<u8>) {
        Place::write(self.trace, self.placed, self.bindings, out);
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
        let by_name = trace.reach == Reach::ByName || matches!(trace.what, What::Mapping) || trace.lists_sockets();
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

/// Looks at some members of a collection that is there: who shows up in them, and at which place.
pub fn observe_members(
    layout: &Layout,
    number: usize,
    bindings: &Bindings<'_>,
    key: &impl Key,
    members: &[Vec<u8>],
) -> Vec<(Subject, Vec<u8>, Place)> {
    let mut seen = Vec::new();
    let mut tell = |sighting: Sighting<'_>| {
        let place = Place::new(number, sighting.placed, sighting.bindings);
        seen.push((sighting.subject, sighting.id.to_vec(), place));
    };
    let (trace, end) = (&layout.traces[number], End::Unknown);
    let mut observer = Observer { trace, number, ids: &layout.ids, bindings, end, tell: &mut tell };
    for member in members {
        // What can't be read names nobody.
        let _ = observer.look_at_member(key, member);
    }
    seen
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
            What::Owned(owner) if owner.at.is_document() && key.size() > value::LONGEST_DOCUMENT => self.anyone(),
            What::Owned(owner) => {
                value::texts(key, &[Some(&owner.at)], &mut |_, text| self.meet(&owner.is, text))?;
            }
            What::Members(_) if !key.kind().is_collection() => return Err(value::Mistyped::Kind),
            What::Members(_) if key.size() > MOST_MEMBERS => self.anyone(),
            What::Members(by) => {
                let members = Member::all(key, by).into_iter();
                // Each is looked at, whatever is wrong with others.
                return members.map(|member| self.meet_member(by, &member)).fold(Ok(()), Result::and);
            }
            What::Entries(_) if key.size() > value::LONGEST_DOCUMENT => self.anyone(),
            What::Entries(entries) => {
                let document = value::string(key)?;
                entries::each_container(&document, entries, &mut |container| {
                    for item in json::items(&document, container).unwrap_or_default() {
                        entries::each_text(entries, &item, &mut |text| self.meet(entries.by.form(), text.as_bytes()));
                    }
                })?;
            }
        }
        Ok(())
    }

    fn look_at_member(&mut self, key: &impl Key, member: &[u8]) -> Result<(), value::Mistyped> {
        match &self.trace.what {
            What::Members(by) if key.kind().is_collection() => self.meet_member(by, &Member::of(key, member, by)),
            _ => Err(value::Mistyped::Kind),
        }
    }

    fn meet_member(&mut self, by: &By, member: &Member) -> Result<(), value::Mistyped> {
        let bindings = self.bindings.with(Placeholder::MEMBER, &member.name);
        member.texts(by, &mut |text| self.meet_at(by.form(), text, &bindings))
    }

    fn meet(&mut self, form: &Form, text: &[u8]) {
        self.meet_at(form, text, self.bindings);
    }

    /// Where the name holds the user too, a value that names somebody else is nobody's trace. Nor is one that holds what the
    /// layout does not allow as an id.
    fn meet_at(&mut self, form: &Form, text: &[u8], place: &Bindings<'_>) {
        // Nearly every text is an id and nothing else.
        if form.is_plain { self.meet_id(form, text, place) } else { self.meet_inside(form, text, place) }
    }

    /// The same of an id that stands in a longer text.
    #[inline(never)] // for the room that it takes on the stack
    fn meet_inside(&mut self, form: &Form, text: &[u8], place: &Bindings<'_>) {
        let read = form.read(self.bindings, text);
        if let Some(id) = read.and_then(|read| read.get(form.names.placeholder())) {
            self.meet_id(form, id, place);
        }
    }

    fn meet_id(&mut self, form: &Form, id: &[u8], place: &Bindings<'_>) {
        let of_name = self.bindings.get(form.names.placeholder());
        let is_others = form.names == Named::User && of_name.is_some_and(|known| known != id);
        if !is_others && self.ids.rule(form.names.placeholder()).allows(id) {
            self.tell_at(form.names.subject(), id, place);
        }
    }

    /// Who shows up in a value that is too large to be read. Where the key's name holds a user, nobody else does.
    fn anyone(&mut self) {
        match self.bindings.get(Placeholder::USER) {
            Some(user) => self.tell(Subject::User, user),
            None => self.tell(Subject::Anyone, b""),
        }
    }

    fn tell(&mut self, subject: Subject, id: &[u8]) {
        self.tell_at(subject, id, self.bindings);
    }

    fn tell_at(&mut self, subject: Subject, id: &[u8], place: &Bindings<'_>) {
        let (trace, placed, end) = (self.number, &*self.trace.placed, self.end);
        (self.tell)(Sighting { subject, id, trace, placed, bindings: place, end });
    }
}
