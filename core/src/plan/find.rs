//! Finding: every trace of a user, by its name where the name follows from the ids, else by the index.

use std::sync::Arc;

use super::{
    EntriesTrace, Extent, KeyTrace, MemberTrace, NamedSockets, Plan, Socket, SocketsSeen, Told, ToldOf, Unclear, Whose,
    entries::CutBy,
    live,
    value::{self, Member, Mistyped, Naming, Said},
};
use crate::{
    index::{PlaceRef, PlaceSet, Subject},
    layout::{By, Entries, Field, Form, Group, Layout, Owner, Reach, Trace, What},
    ports::{Key, Keyspace, Kind},
    template::{Bindings, Placeholder, Template},
    watcher::Unseen,
};

/// How much a caller has to know before anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every trace has been seen; rooms and liveness are known.
    Facts,
    /// A trace that its name alone makes one may be missing: removing it will say whether it was there. Nothing is known
    /// of sockets and rooms beyond what it takes to find the traces.
    Names,
    /// The same, but whom others are to be told of is known, and whom to fence off: the sockets, the rooms left, and the
    /// user's name.
    Audience,
    /// All facts, but for traces that a sweep leaves alone.
    Sweep,
}

impl Detail {
    /// Whether the caller wants traces of this kind.
    pub(super) fn asks_for(self, trace: &Trace) -> bool {
        trace.sweep || self != Self::Sweep
    }

    /// Whether a trace that its name alone makes one may be taken for there unseen. What would name a room or a socket
    /// to others may not.
    fn takes_unseen(self, bindings: &Bindings<'_>) -> bool {
        let is_told = || bindings.get(Placeholder::ROOM).or(bindings.get(Placeholder::SOCKET)).is_some();
        match self {
            Self::Facts | Self::Sweep => false,
            Self::Names => true,
            Self::Audience => !is_told(),
        }
    }
}

/// Up to this many keys of a plan it is no use to ask first whether a name can be among them.
const FEW_KEYS: usize = 32;

/// The part of a user's traces that is asked for: those that have these placeholders, with these values. All, if there are
/// none.
pub type Part<'a> = &'a [(Placeholder, &'a [u8])];

/// What the index of a database knows.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The places of a subject.
    pub places: &'a dyn Fn(Subject, &[u8]) -> PlaceSet,
    /// Whether it knows a place of any socket's.
    pub has_sockets: bool,
    /// Traces of which there can be no key, if that is known.
    pub unseen: Option<&'a Unseen>,
    /// What all nodes of a cluster know together of the user's sockets, if they were asked.
    pub told: Option<&'a Told>,
}

/// Finds every trace of `user` in a database and changes nothing.
pub fn find<K: Keyspace>(
    space: &K,
    layout: &Layout,
    Known { places, has_sockets, unseen, told }: Known<'_>,
    user: &[u8],
    detail: Detail,
    part: Part<'_>,
) -> Box<Plan<K::Name>> {
    let extent = if part.is_empty() { Extent::All } else { Extent::Part };
    let mut plan = Plan::empty(user, detail);
    plan.extent = extent;
    let buffer = Vec::with_capacity(64);
    let mut finder = Finder { space, layout, user, part, unseen, told, plan, said: Vec::new(), buffer };
    let known = places(Subject::User, user);
    finder.plan.keys.reserve(known.about());
    let large_sets = places(Subject::Anyone, b"");
    for group in [Group::UsersKeys, Group::HoldUsers] {
        finder.direct(group, None);
        finder.indexed(group, Subject::User, user, &known, None);
        finder.indexed(group, Subject::Anyone, b"", &large_sets, None);
    }
    let may_name = |place: PlaceRef<'_>| layout.traces[place.trace()].is_of_socket();
    let mut of_sockets = layout.of_sockets();
    let has_sockets =
        of_sockets.any(|trace| has_sockets || trace.reach != Reach::ByValue) || large_sets.iter().any(may_name);
    finder.plan.seen.any_named = has_sockets;
    if detail != Detail::Names || has_sockets {
        finder.sockets(&known);
        let count = if has_sockets { finder.plan.sockets.len() } else { 0 };
        for at in 0..count {
            let socket = &finder.plan.sockets[at];
            let is_for_later = socket.elsewhere && told.is_some_and(|told| told.known == ToldOf::Nothing);
            // Whose data is somebody else's, that one's traces are not the user's.
            if socket.whose == Whose::Others || is_for_later {
                continue;
            }
            let id = finder.plan.sockets[at].id.clone();
            finder.direct(Group::OfSockets, Some(&id));
            finder.indexed(Group::OfSockets, Subject::User, user, &known, Some(&id));
            finder.indexed(Group::OfSockets, Subject::Anyone, b"", &large_sets, Some(&id));
            finder.indexed(Group::OfSockets, Subject::Socket, &id, &places(Subject::Socket, &id), Some(&id));
        }
    }
    if [Detail::Facts, Detail::Sweep].contains(&detail) {
        finder.plan.live |= live::rule(space, layout, user).is_some();
        finder.signs();
    }
    finder.finish()
}

/// The plan that removes one key, if it is a trace of the user as a whole, by its name or its value; of a socket's, too, if it is given.
pub fn find_key<K: Keyspace>(
    space: &K,
    layout: &Layout,
    user: &[u8],
    socket: Option<&[u8]>,
    name: &K::Name,
) -> Box<Plan<K::Name>> {
    let plan = Plan::empty(user, Detail::Facts);
    let mut finder =
        Finder { space, layout, user, part: &[], unseen: None, told: None, plan, said: Vec::new(), buffer: Vec::new() };
    let is_wanted = |trace: &&Trace| names_a_key(trace) || matches!(trace.what, What::Owned(_)) && socket.is_some();
    for trace in layout.traces.iter().filter(is_wanted) {
        let is = |read: Option<&[u8]>, id: &[u8]| read.is_none_or(|read| read == id);
        let is_theirs = |bindings: &Bindings<'_>| {
            is(bindings.get(Placeholder::USER), user)
                && socket.is_none_or(|socket| is(bindings.get(Placeholder::SOCKET), socket))
        };
        if let Some(bindings) = trace.key.matches(name.as_ref()).filter(is_theirs) {
            let bindings = bindings.with(Placeholder::USER, user);
            finder.locate(trace, &socket.map_or(bindings, |socket| bindings.with(Placeholder::SOCKET, socket)));
        }
    }
    finder.finish()
}

/// Whom a key's value names; `given` is what the key's name says.
pub fn named<K: Keyspace>(space: &K, name: &K::Name, owner: &Owner, given: &Bindings<'_>) -> Vec<Vec<u8>> {
    let Some(key) = space.open(name) else { return Vec::new() };
    let mut named = Vec::new();
    let read = value::texts(&key, &[Some(&owner.at)], &mut |_, text| {
        let read = owner.is.read(given, text);
        named.extend(read.and_then(|read| Some(read.get(owner.is.names.placeholder())?.to_vec())));
    });
    // A value that can't be read names nobody.
    if read.is_ok() { named } else { Vec::new() }
}

/// The sockets whose a key is as a whole, whoever has them: those that its name holds, or its value names.
pub fn sockets_of<K: Keyspace>(space: &K, layout: &Layout, name: &K::Name) -> Vec<Vec<u8>> {
    let mut sockets = Vec::new();
    for (trace, bindings) in layout.keys_of_sockets(name.as_ref()) {
        match &trace.what {
            What::Owned(owner) => sockets.extend(named(space, name, owner, &bindings)),
            _ => sockets.extend(bindings.get(Placeholder::SOCKET).map(<[u8]>::to_vec)),
        }
    }
    sockets
}

/// Everybody whose trace a key is as a whole: whom its name holds, or its value names.
pub fn owners<K: Keyspace>(space: &K, layout: &Layout, name: &K::Name) -> Vec<Vec<u8>> {
    let mut owners = Vec::new();
    for trace in layout.traces.iter().filter(|trace| names_a_key(trace)) {
        let Some(bindings) = trace.key.matches(name.as_ref()) else { continue };
        let of_name = bindings.get(Placeholder::USER);
        match &trace.what {
            What::Owned(owner) => owners.extend(named(space, name, owner, &bindings)),
            _ => owners.extend(of_name.map(<[u8]>::to_vec)),
        }
    }
    owners
}

/// Whether a place that the index knows of still holds a trace of its subject. A name stays right as long as the key
/// exists, whatever it holds; so does a key that is looked into for everybody ([`Subject::Anyone`]).
pub fn still_there<K: Keyspace>(space: &K, layout: &Layout, subject: Subject, id: &[u8], place: PlaceRef<'_>) -> bool {
    let plan = Plan::empty(id, Detail::Facts);
    let mut finder = Finder {
        space,
        layout,
        user: id,
        part: &[],
        unseen: None,
        told: None,
        plan,
        said: Vec::new(),
        buffer: Vec::new(),
    };
    let trace = &layout.traces[place.trace()];
    let given = Bindings::user(id);
    let given = if subject == Subject::Socket { given.with(Placeholder::SOCKET, id) } else { given };
    let bindings = place.bind(&trace.placed, &given);
    let name = finder.name(&trace.key, &bindings);
    if subject == Subject::Anyone || trace.reach == Reach::ByName || trace.lists_sockets() || !space.serves(&name) {
        return space.open(&name).is_some();
    }
    finder.locate(trace, &bindings).is_valid(trace)
}

/// The socket that stands in a member or value of this form.
fn sockets_in(form: &Form, bindings: &Bindings<'_>) -> NamedSockets {
    let names_socket = form.template.has(Placeholder::SOCKET);
    NamedSockets::of(bindings.get(Placeholder::SOCKET).filter(|_| names_socket))
}

fn names_a_key(trace: &Trace) -> bool {
    matches!(trace.what, What::Key) || trace.is_users_key()
}

/// What was found at a place.
#[derive(Clone, Copy, Default)]
struct Located {
    /// The key exists.
    exists: bool,
    /// It is or holds a trace of the user.
    is_trace: bool,
    /// It holds an element of the user's that is marked already, and may be a trace again.
    is_marked: bool,
}

impl Located {
    /// Whether the index is right to know the place: a name stays right as long as the key exists, whatever it holds.
    fn is_valid(self, trace: &Trace) -> bool {
        if trace.reach == Reach::ByName { self.exists } else { self.is_trace || self.is_marked }
    }
}

/// What was found in a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Elements that go.
    Elements,
    /// None that goes, but one that is marked already.
    Marked,
}

pub(super) struct Finder<'a, K: Keyspace> {
    pub(super) space: &'a K,
    pub(super) layout: &'a Layout,
    pub(super) user: &'a [u8],
    part: Part<'a>,
    /// Traces that are not looked for, since there can be no key.
    unseen: Option<&'a Unseen>,
    pub(super) told: Option<&'a Told>,
    pub(super) plan: Box<Plan<K::Name>>,
    /// What the data of sockets said besides that it is the user's, by its place among the plan's keys.
    pub(super) said: Vec<(usize, Said)>,
    /// Where names are put together.
    buffer: Vec<u8>,
}

impl<'a, K: Keyspace> Finder<'a, K> {
    /// Looks where the name follows from the user's id and, if given, that of a socket.
    fn direct(&mut self, group: Group, socket: Option<&[u8]>) {
        let (layout, unseen, detail) = (self.layout, self.unseen, self.plan.detail);
        let given = self.given(socket);
        let is_unseen = |trace: &Trace| unseen.is_some_and(|unseen| unseen.has(trace.number));
        for trace in layout.direct(group).filter(|trace| detail.asks_for(trace) && !is_unseen(trace)) {
            self.locate(trace, &given);
        }
    }

    /// Looks where the index says that `id` may show up.
    fn indexed(&mut self, group: Group, subject: Subject, id: &[u8], places: &PlaceSet, socket: Option<&[u8]>) {
        let layout = self.layout;
        let given = self.given(socket);
        for place in places.iter() {
            let trace = &layout.traces[place.trace()];
            // The index also knows of places that are found by name, for those who look for users. A socket in the key's
            // name goes before the one that is asked for.
            if trace.reach == Reach::Direct || trace.group() != Some(group) || !self.plan.detail.asks_for(trace) {
                continue;
            }
            let located = self.locate(trace, &place.bind(&trace.placed, &given));
            // What a cluster node may not look into only seems to be gone; the slow walk asks for that.
            if subject != Subject::Anyone && !located.is_valid(trace) && !self.space.is_cluster() {
                self.plan.stale.push((subject, id.into(), place.to_owned()));
            }
        }
    }

    /// The ids of the user and, if given, that of a socket.
    fn given<'b>(&self, socket: Option<&'b [u8]>) -> Bindings<'b>
    where
        'a: 'b,
    {
        let mut given = Bindings::user(self.user);
        if let Some(id) = socket {
            given.bind(Placeholder::SOCKET, id);
        }
        given
    }

    /// Looks at one place and notes the traces that are there. The only way in which a trace is found.
    fn locate(&mut self, trace: &Trace, bindings: &Bindings<'_>) -> Located {
        let name = self.name(&trace.key, bindings);
        if matches!(trace.what, What::Key) && self.plan.detail.takes_unseen(bindings) {
            self.note_key(name, bindings);
            return Located { exists: true, is_trace: true, ..Located::default() };
        }
        let space = self.space;
        let Some(key) = space.open(&name) else { return Located::default() };
        // A sweep does not guess which of two readings of a name is right.
        if self.plan.detail == Detail::Sweep && self.layout.reads_otherwise(trace, name.as_ref(), bindings) {
            return Located { exists: true, is_trace: true, ..Located::default() };
        }
        // A key tells of sockets, of whatever part it is.
        let is_inside = matches!(trace.what, What::Members(_) | What::Entries(_));
        if is_inside && !self.may_be_part(trace, bindings) {
            return Located { exists: true, is_trace: true, ..Located::default() };
        }
        let asked = self.asked_in(trace, bindings);
        let given = asked.as_ref().unwrap_or(bindings);
        let (mut is_part, mut is_marked) = (self.is_part(given), false);
        let found = match &trace.what {
            What::Mapping => Ok(true),
            What::Key => {
                drop(key);
                self.note_key(name, bindings);
                Ok(true)
            }
            What::Owned(owner) => {
                let besides = self.besides(trace);
                let naming = value::names(&key, owner, bindings, besides.unwrap_or_default());
                drop(key);
                naming.map(|naming| {
                    let is_trace = naming.is_some();
                    is_part =
                        naming.is_some_and(|naming| self.note_owned(name, naming, besides.is_some(), owner, bindings));
                    is_trace
                })
            }
            What::Members(_) if !key.kind().is_collection() => Err(Mistyped::Kind),
            What::Members(by) if trace.has_open_member() => Ok(self.locate_members(&name, key, by, given)),
            What::Members(by) => {
                let kind = key.kind();
                drop(key);
                Ok(self.locate_member(name, kind, by.form(), bindings))
            }
            What::Entries(entries) => {
                let found = self.locate_entries(trace, entries, &name, &key, given);
                is_marked = found == Ok(Found::Marked);
                found.map(|found| found == Found::Elements)
            }
        };
        self.plan.mistyped += u64::from(found.is_err());
        let is_trace = found.unwrap_or(false);
        self.plan.has_evidence |= is_trace && trace.is_evidence;
        if let (true, Some(room)) = (is_trace && is_part, bindings.get(Placeholder::ROOM)) {
            self.plan.rooms.push(room.to_vec());
        }
        // What is not of the part may be a trace all the same.
        Located { exists: true, is_trace: is_trace || !self.part.is_empty(), is_marked }
    }

    /// Cuts out of the document at a key what is the user's, or the socket's.
    #[inline(never)] // for the room that it takes on the stack
    fn locate_entries(
        &mut self,
        trace: &Trace,
        entries: &Arc<Entries>,
        name: &K::Name,
        key: &K::Key<'_>,
        given: &Bindings<'_>,
    ) -> Result<Found, Mistyped> {
        let by = CutBy::new(entries, given, self.space.now());
        // A long one is not copied: while it is looked at nothing is called that could change the key.
        let document = value::string(key)?;
        let marks = trace.marks().then(|| by.clone());
        let is_trace = self.cut(name, &document, by)?;
        let is_marked = || marks.is_some_and(|by| by.is_marked(&document));
        Ok(match is_trace {
            true => Found::Elements,
            false if is_marked() => Found::Marked,
            false => Found::Nothing,
        })
    }

    /// Whether a trace with these placeholders is of the part that is asked for.
    fn is_part(&self, bindings: &Bindings<'_>) -> bool {
        self.part.iter().all(|(placeholder, value)| bindings.get(*placeholder) == Some(value))
    }

    /// Whether it may be, once it is known what stands in it.
    fn may_be_part(&self, trace: &Trace, bindings: &Bindings<'_>) -> bool {
        self.part.iter().all(|(placeholder, value)| match bindings.get(*placeholder) {
            Some(known) => known == *value,
            None => trace.form().is_some_and(|form| form.template.has(*placeholder)),
        })
    }

    /// What must stand in a trace of the part that is asked for, if that is more than its place says.
    fn asked_in<'b>(&self, trace: &Trace, bindings: &Bindings<'b>) -> Option<Bindings<'b>>
    where
        'a: 'b,
    {
        if self.part.is_empty() {
            return None;
        }
        let of_value = self.part.iter().filter(|(placeholder, _)| {
            bindings.get(*placeholder).is_none() && trace.form().is_some_and(|form| form.template.has(*placeholder))
        });
        Some(of_value.fold(*bindings, |given, (placeholder, value)| given.with(*placeholder, value)))
    }

    /// What is read of a socket's data besides whose it is, if that is of use.
    fn besides(&self, trace: &Trace) -> Option<[Option<&'a Field>; 2]> {
        let sockets = self.layout.sockets.as_ref().filter(|_| self.plan.detail != Detail::Names)?;
        (trace.key == sockets.data).then_some([sockets.room.as_ref(), sockets.name.as_ref()])
    }

    fn note_key(&mut self, name: K::Name, bindings: &Bindings<'_>) {
        let sockets = NamedSockets::of(bindings.get(Placeholder::SOCKET));
        let is_part = self.is_part(bindings);
        self.plan.keys.push(KeyTrace { name, sockets, is_part });
    }

    /// Notes a key that names its owner, perhaps several times, and says whether it is of the part that is asked for; `is_data` says
    /// that it is a socket's data.
    #[inline(never)] // for the room that it takes on the stack
    fn note_owned(
        &mut self,
        name: K::Name,
        naming: Naming,
        is_data: bool,
        owner: &Owner,
        bindings: &Bindings<'_>,
    ) -> bool {
        let mut noted = KeyTrace { name, sockets: NamedSockets::default(), is_part: false };
        naming.each(bindings, &mut |filled| {
            let is_part = self.is_part(filled);
            if is_part {
                self.note_room(&owner.is, filled);
            }
            noted.is_part |= is_part;
            noted.sockets.take_from(&mut NamedSockets::of(filled.get(Placeholder::SOCKET)));
        });
        let is_part = noted.is_part;
        self.plan.keys.push(noted);
        if is_data {
            self.said.push((self.plan.keys.len() - 1, naming.said));
        }
        is_part
    }

    /// Notes the room that stands in a value or a member.
    fn note_room(&mut self, form: &Form, filled: &Bindings<'_>) {
        let room = filled.get(Placeholder::ROOM).filter(|_| form.template.has(Placeholder::ROOM));
        self.plan.rooms.extend(room.map(<[u8]>::to_vec));
    }

    /// Notes the member that the ids and the key's name make.
    fn locate_member(&mut self, key: K::Name, kind: Kind, form: &Form, bindings: &Bindings<'_>) -> bool {
        let member = form.template.render(bindings);
        // Removing a field that has expired, but is still in memory, counts it all the same.
        let tells = kind != Kind::Hash && self.plan.detail.takes_unseen(bindings);
        let is_trace = tells || self.space.contains(&key, kind, &member);
        if is_trace {
            self.note_member(key, kind, member, form, bindings);
        } else {
            self.note_unserved(&key);
        }
        is_trace
    }

    /// What is in a collection that it does not serve a node is not told.
    fn note_unserved(&mut self, collection: &K::Name) {
        let serves = !self.space.is_cluster() || self.space.serves(collection);
        self.plan.arriving += usize::from(!serves);
    }

    fn note_member(&mut self, key: K::Name, kind: Kind, member: Vec<u8>, form: &Form, bindings: &Bindings<'_>) {
        let sockets = sockets_in(form, bindings);
        self.plan.members.push(MemberTrace { key, kind, member, sockets });
    }

    /// Notes those members of a collection that name the user, or the socket: all of them are looked at, unless the index knows
    /// which one it is.
    #[inline(never)] // for the room that it takes on the stack
    fn locate_members(&mut self, name: &K::Name, key: K::Key<'_>, by: &By, given: &Bindings<'_>) -> bool {
        let (kind, known) = (key.kind(), given.get(Placeholder::MEMBER));
        let candidates = known.map_or_else(|| Member::all(&key, by), |member| vec![Member::of(&key, member, by)]);
        let mut found = Vec::new();
        for member in candidates {
            match member.names(by, given) {
                Ok(naming) => found.extend(naming.map(|naming| (member.name, naming))),
                Err(_) => self.plan.mistyped += 1,
            }
        }
        drop(key);
        // A field whose value was read is there.
        let is_seen = known.is_none() || kind == Kind::Hash && matches!(by, By::Value(_));
        found.retain(|(member, _)| is_seen || self.space.contains(name, kind, member));
        let is_trace = !found.is_empty();
        if !is_trace {
            self.note_unserved(name);
        }
        for (member, naming) in found {
            let mut sockets = NamedSockets::default();
            naming.each(given, &mut |filled| {
                self.note_room(by.form(), filled);
                sockets.take_from(&mut sockets_in(by.form(), filled));
            });
            self.plan.members.push(MemberTrace { key: name.clone(), kind, member, sockets });
        }
        is_trace
    }

    /// Cuts out of a document what is somebody's. It may be cut by several traces of the layout: each goes on with what the one
    /// before left.
    fn cut(&mut self, key: &K::Name, document: &[u8], by: CutBy) -> Result<bool, Mistyped> {
        if !by.wanted().map_or(Ok(true), |(id, form)| value::may_name(document, id, form))? {
            return Ok(false);
        }
        if let Some(known) = self.plan.entries.iter_mut().find(|known| known.key.as_ref() == key.as_ref()) {
            let is_trace = known.cut(document, by)?;
            self.plan.rooms.append(&mut known.rooms);
            return Ok(is_trace);
        }
        let Some(mut found) = EntriesTrace::of(key.clone(), document, by)? else { return Ok(false) };
        self.plan.rooms.append(&mut found.rooms);
        self.plan.entries.push(found);
        Ok(true)
    }

    pub(super) fn name(&mut self, template: &Template, bindings: &Bindings<'_>) -> K::Name {
        self.buffer.clear();
        template.render_to(bindings, &mut self.buffer);
        self.space.name(&self.buffer)
    }

    /// Leaves out what goes with its key, and puts a plan that is shown in order.
    fn finish(self) -> Box<Plan<K::Name>> {
        let mut plan = self.plan;
        if plan.detail != Detail::Names && self.part.is_empty() {
            plan.sort_rooms();
        }
        if [Detail::Facts, Detail::Sweep].contains(&plan.detail) {
            plan.sort();
        }
        if self.space.is_cluster() {
            leave_out_others(self.space, &mut plan);
        }
        // Cutting a document that was deleted would bring it back.
        let (keys, traces) = (&plan.keys, &self.layout.traces);
        let is_key = |trace: &Trace| matches!(trace.what, What::Key | What::Owned(_));
        let are_few = keys.len() <= FEW_KEYS;
        let may_go =
            |name: &[u8]| are_few || traces.iter().any(|trace| is_key(trace) && trace.key.matches(name).is_some());
        let goes = |name: &K::Name| may_go(name.as_ref()) && keys.iter().any(|key| key.name.as_ref() == name.as_ref());
        plan.members_inside = plan.members.extract_if(.., |member| goes(&member.key)).collect();
        plan.entries_inside = plan.entries.extract_if(.., |document| goes(&document.key)).collect();
        plan
    }
}

/// What lies here while its slot is on its way from or to another node, that node removes.
fn leave_out_others<K: Keyspace>(space: &K, plan: &mut Plan<K::Name>) {
    let (mut left_out, mut arriving) = (0, 0);
    let mut stays = |name: &K::Name| {
        let serves = space.serves(name);
        left_out += usize::from(!serves);
        arriving += usize::from(!serves && space.open(name).is_some());
        serves
    };
    plan.keys.retain(|key| stays(&key.name));
    plan.members.retain(|member| stays(&member.key));
    plan.entries.retain(|document| stays(&document.key));
    plan.left_out += left_out;
    plan.arriving += arriving;
}

impl<N: AsRef<[u8]>> Plan<N> {
    pub(super) fn sort_rooms(&mut self) {
        self.rooms.extend(self.sockets.iter().flat_map(Socket::rooms_left).cloned());
        self.rooms.sort();
        self.rooms.dedup();
    }

    /// Sorts what goes, and leaves out what stands there twice.
    pub(super) fn sort(&mut self) {
        self.keys.sort_by(|a, b| a.name.as_ref().cmp(b.name.as_ref()));
        self.keys.dedup_by(|a, b| {
            let is_same = a.name.as_ref() == b.name.as_ref();
            if is_same {
                b.is_part |= a.is_part;
                b.sockets.take_from(&mut a.sockets);
            }
            is_same
        });
        self.members.sort_by(|a, b| a.key.as_ref().cmp(b.key.as_ref()).then_with(|| a.member.cmp(&b.member)));
        self.members.dedup_by(|a, b| {
            let is_same = a.key.as_ref() == b.key.as_ref() && a.member == b.member;
            if is_same {
                b.sockets.take_from(&mut a.sockets);
            }
            is_same
        });
        self.entries.sort_by(|a, b| a.key.as_ref().cmp(b.key.as_ref()));
    }
}

impl<N> Plan<N> {
    fn empty(user: &[u8], detail: Detail) -> Box<Self> {
        let user = user.to_vec();
        // It is long, and the compiler writes it where it is to stand.
        Box::write(
            Box::new_uninit(),
            Self {
                user,
                // A user's own few, without growing.
                keys: Vec::with_capacity(16),
                members: Vec::new(),
                entries: Vec::new(),
                members_inside: Vec::new(),
                entries_inside: Vec::new(),
                extent: Extent::All,
                sockets: Vec::new(),
                rooms: Vec::new(),
                live: false,
                has_evidence: false,
                detail,
                user_name: None,
                signs: Vec::new(),
                mapping: None,
                seen: SocketsSeen::default(),
                unclear: Unclear::Nothing,
                left_out: 0,
                arriving: 0,
                stale: Vec::new(),
                mistyped: 0,
                at: 0,
                id: String::new(),
                writes: Vec::new(),
                unwritten: Vec::new(),
            },
        )
    }
}
