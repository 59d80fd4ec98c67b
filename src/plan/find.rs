//! Finding: every trace of a user, by its name where the name follows from the ids, else by the index.

use super::{EntriesTrace, KeyTrace, Mapping, MemberTrace, Plan, Socket, value};
use crate::{
    engine::{Key, Keyspace, Kind},
    index::{Place, Subject},
    json::{self, Pointer},
    layout::{Layout, Named, Reach, Trace, What},
    template::{Bindings, Placeholder, Template},
};

/// Finds every trace of `user` in a database and changes nothing. `places` looks into that database's index.
pub fn find<K: Keyspace>(
    space: &K,
    layout: &Layout,
    places: &dyn Fn(Subject, &[u8]) -> Vec<Place>,
    user: &[u8],
) -> Plan<K::Name> {
    let mut finder = Finder { space, layout, user, plan: Plan::empty(user) };
    let known = places(Subject::User, user);
    let crowds = places(Subject::Anyone, b"");
    let mut sockets = finder.mapped_sockets();
    finder.direct(names_a_key, None);
    finder.indexed(names_a_key, Subject::User, user, &known, None);
    sockets.extend(finder.plan.keys.iter().filter_map(|key| key.socket.as_deref()).map(|id| (id.to_vec(), false)));
    finder.sockets(sockets);
    finder.direct(holds_users, None);
    finder.indexed(holds_users, Subject::User, user, &known, None);
    finder.indexed(holds_users, Subject::Anyone, b"", &crowds, None);
    for at in 0..finder.plan.sockets.len() {
        let id = finder.plan.sockets[at].id.clone();
        finder.direct(holds_sockets, Some(&id));
        finder.indexed(holds_sockets, Subject::User, user, &known, Some(&id));
        finder.indexed(holds_sockets, Subject::Anyone, b"", &crowds, Some(&id));
        finder.indexed(holds_sockets, Subject::Socket, &id, &places(Subject::Socket, &id), Some(&id));
    }
    finder.finish()
}

/// Whether a place that the index knows of still holds a trace of its subject. For a collection or document that is
/// looked into whoever asks ([`Subject::Anyone`]): whether its key exists.
pub fn still_there<K: Keyspace>(space: &K, layout: &Layout, subject: Subject, id: &[u8], place: &Place) -> bool {
    let mut finder = Finder { space, layout, user: id, plan: Plan::empty(id) };
    let trace = &layout.traces[place.trace()];
    let socket = (subject == Subject::Socket).then_some(id);
    let located = finder.locate(trace, &finder.bindings(trace, place, socket));
    if subject == Subject::Anyone { located.exists } else { located.is_valid(trace) }
}

fn names_a_key(trace: &Trace) -> bool {
    matches!(trace.what, What::Key | What::Owned(_))
}

fn holds_users(trace: &Trace) -> bool {
    matches!(trace.what, What::Entries { .. } | What::Member { names: Named::User, .. })
}

fn holds_sockets(trace: &Trace) -> bool {
    matches!(trace.what, What::Member { names: Named::Socket, .. })
}

/// What was found at a place.
#[derive(Clone, Copy, Default)]
struct Located {
    /// The key exists.
    exists: bool,
    /// It is or holds a trace of the user.
    is_trace: bool,
}

impl Located {
    /// Whether the index is right to know the place: a name stays right as long as the key exists, whatever it holds.
    fn is_valid(self, trace: &Trace) -> bool {
        if trace.reach == Reach::ByName { self.exists } else { self.is_trace }
    }
}

struct Finder<'a, K: Keyspace> {
    space: &'a K,
    layout: &'a Layout,
    user: &'a [u8],
    plan: Plan<K::Name>,
}

impl<'a, K: Keyspace> Finder<'a, K> {
    /// The sockets in the mapping, with `true` for: the mapping holds it.
    fn mapped_sockets(&mut self) -> Vec<(Vec<u8>, bool)> {
        let Some(sockets) = &self.layout.sockets else { return Vec::new() };
        let name = self.name(&sockets.of, &Bindings::user(self.user));
        let Some(key) = self.space.open(&name) else { return Vec::new() };
        let kind = key.kind();
        let ids = match kind {
            Kind::String => vec![key.string().to_vec()],
            Kind::Other => {
                self.plan.mistyped += 1;
                Vec::new()
            }
            _ => key.members(),
        };
        drop(key);
        self.plan.mapping = Some(Mapping { name, kind });
        ids.into_iter().filter(|id| !id.is_empty()).map(|id| (id, true)).collect()
    }

    /// Looks where the name follows from the user's id and, if given, that of a socket.
    fn direct(&mut self, wanted: fn(&Trace) -> bool, socket: Option<&[u8]>) {
        let layout = self.layout;
        for trace in layout.traces.iter().filter(|trace| trace.reach == Reach::Direct && wanted(trace)) {
            let bindings = Bindings::user(self.user);
            self.locate(trace, &socket.map_or(bindings, |id| bindings.with(Placeholder::SOCKET, id)));
        }
    }

    /// Looks where the index says that `id` may show up.
    fn indexed(
        &mut self,
        wanted: fn(&Trace) -> bool,
        subject: Subject,
        id: &[u8],
        places: &[Place],
        socket: Option<&[u8]>,
    ) {
        let layout = self.layout;
        for place in places {
            let trace = &layout.traces[place.trace()];
            if !wanted(trace) {
                continue;
            }
            let bindings = self.bindings(trace, place, socket);
            let located = self.locate(trace, &bindings);
            if subject != Subject::Anyone && !located.is_valid(trace) {
                self.plan.stale.push((subject, id.into(), place.clone()));
            }
        }
    }

    /// A socket in the key's name goes before the one that is asked for.
    fn bindings<'p>(&self, trace: &Trace, place: &'p Place, socket: Option<&'p [u8]>) -> Bindings<'p>
    where
        'a: 'p,
    {
        let bindings = Bindings::user(self.user);
        let bindings = socket.map_or(bindings, |id| bindings.with(Placeholder::SOCKET, id));
        place.bind(&trace.key, bindings)
    }

    /// Looks at one place and notes the trace that is there. The only way in which a trace is found.
    fn locate(&mut self, trace: &Trace, bindings: &Bindings<'_>) -> Located {
        let name = self.name(&trace.key, bindings);
        let Some(key) = self.space.open(&name) else { return Located::default() };
        let is_trace = match &trace.what {
            What::Key => Ok(true),
            What::Owned(field) => value::text_at(&key, field).map(|owner| owner.as_deref() == Some(self.user)),
            What::Member { .. } if key.kind().is_collection() => Ok(true),
            What::Member { .. } => Err(value::Mistyped),
            What::Entries { .. } => value::string(&key).map(|_| true),
        };
        self.plan.mistyped += u64::from(is_trace.is_err());
        if is_trace != Ok(true) {
            return Located { exists: true, is_trace: false };
        }
        let is_trace = match &trace.what {
            What::Key | What::Owned(_) => {
                drop(key);
                let socket = bindings.get(Placeholder::SOCKET).map(Into::into);
                self.plan.keys.push(KeyTrace { name, socket });
                true
            }
            What::Member { member, names } => {
                let kind = key.kind();
                drop(key);
                self.locate_member(name, kind, member.render(bindings), *names, bindings)
            }
            What::Entries { array, owner } => {
                let document = key.string().to_vec();
                drop(key);
                self.locate_entries(name, document, array, owner)
            }
        };
        if let (true, Some(room)) = (is_trace, bindings.get(Placeholder::ROOM)) {
            self.plan.rooms.push(room.to_vec());
        }
        Located { exists: true, is_trace }
    }

    fn locate_member(
        &mut self,
        key: K::Name,
        kind: Kind,
        member: Vec<u8>,
        names: Named,
        bindings: &Bindings<'_>,
    ) -> bool {
        let is_trace = self.space.contains(&key, kind, &member);
        if is_trace {
            let socket = bindings.get(Placeholder::SOCKET).filter(|_| names == Named::Socket).map(Into::into);
            self.plan.members.push(MemberTrace { key, kind, member, socket });
        }
        is_trace
    }

    /// A document may be cut by several traces of the layout: each goes on with what the one before left.
    fn locate_entries(&mut self, key: K::Name, document: Vec<u8>, array: &Pointer, owner: &Pointer) -> bool {
        let before = self.plan.entries.iter().position(|known| known.key.as_ref() == key.as_ref());
        let document = before.map_or(document, |at| self.plan.entries[at].document.clone());
        let Ok(array) = value::array_at(&document, array) else {
            self.plan.mistyped += 1;
            return false;
        };
        let is_users = |element: &_| value::owner(element, owner).is_some_and(|o| o.as_bytes() == self.user);
        let Some(cut) = array.and_then(|array| json::cut(&document, array, is_users)) else { return false };
        if let Some(at) = before {
            self.plan.entries[at].elements += cut.elements;
            self.plan.entries[at].document = cut.document;
        } else {
            self.plan.entries.push(EntriesTrace { key, elements: cut.elements, document: cut.document });
        }
        true
    }

    /// Looks at the data of each socket, which says whether the user is live, in which room, and the user's name.
    fn sockets(&mut self, mut ids: Vec<(Vec<u8>, bool)>) {
        // The mapping's own mention of a socket comes first and stays.
        ids.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        ids.dedup_by(|a, b| a.0 == b.0);
        for (id, mapped) in ids {
            let socket = self.socket(id, mapped);
            self.plan.live |= mapped && socket.data.is_some();
            self.plan.sockets.push(socket);
        }
    }

    fn socket(&mut self, id: Vec<u8>, mapped: bool) -> Socket<K::Name> {
        let mut socket = Socket { id, mapped, data: None, room: None };
        let Some(sockets) = &self.layout.sockets else { return socket };
        let name = self.name(&sockets.data, &Bindings::user(self.user).with(Placeholder::SOCKET, &socket.id));
        let Some(key) = self.space.open(&name) else { return socket };
        let is_users = self.plan.keys.iter().any(|known| known.name.as_ref() == name.as_ref());
        if is_users {
            let text = |field: &Option<_>| field.as_ref().and_then(|field| value::text_at(&key, field).ok().flatten());
            socket.room = text(&sockets.room).filter(|room| !room.is_empty());
            self.plan.user_name = self.plan.user_name.take().or_else(|| String::from_utf8(text(&sockets.name)?).ok());
        }
        drop(key);
        socket.data = Some(name);
        socket
    }

    fn name(&self, template: &Template, bindings: &Bindings<'_>) -> K::Name {
        self.space.name(&template.render(bindings))
    }

    /// Puts the plan in order.
    fn finish(self) -> Plan<K::Name> {
        let mut plan = self.plan;
        plan.rooms.extend(plan.sockets.iter().filter_map(|socket| socket.room.clone()));
        plan.rooms.sort();
        plan.rooms.dedup();
        plan.keys.sort_by(|a, b| a.name.as_ref().cmp(b.name.as_ref()).then(b.socket.cmp(&a.socket)));
        plan.keys.dedup_by(|a, b| a.name.as_ref() == b.name.as_ref());
        let keys = &plan.keys;
        let goes = |name: &K::Name| keys.binary_search_by(|key| key.name.as_ref().cmp(name.as_ref())).is_ok();
        plan.members.retain(|member| !goes(&member.key));
        plan.entries.retain(|document| !goes(&document.key));
        let order = |m: &MemberTrace<K::Name>| (m.key.as_ref().to_vec(), m.member.clone());
        plan.members.sort_by_cached_key(order);
        plan.members.dedup_by(|a, b| a.key.as_ref() == b.key.as_ref() && a.member == b.member);
        plan.entries.sort_by(|a, b| a.key.as_ref().cmp(b.key.as_ref()));
        plan
    }
}

impl<N> Plan<N> {
    fn empty(user: &[u8]) -> Self {
        Self {
            user: user.to_vec(),
            keys: Vec::new(),
            members: Vec::new(),
            entries: Vec::new(),
            sockets: Vec::new(),
            rooms: Vec::new(),
            live: false,
            user_name: None,
            mapping: None,
            stale: Vec::new(),
            mistyped: 0,
        }
    }
}
