//! Finding a user's sockets, and what their data says.

use std::collections::HashSet;

use super::{
    KeyTrace, NamedBy, Socket, Unclear, Whose,
    find::Finder,
    listed, mapping, told,
    value::{self, Said},
};
use crate::{
    index::PlaceSet,
    ports::Keyspace,
    template::{Bindings, Placeholder},
};

/// Up to this many sockets are searched one by one among the keys of a plan.
const FEW: usize = 8;

/// A socket that may be the user's, before its data is looked at.
struct Known {
    id: Vec<u8>,
    named_by: NamedBy,
    /// What its data said, if that was read already because it is the user's.
    said: Option<Said>,
}

impl<K: Keyspace> Finder<'_, K> {
    /// Looks at the data of each socket, which says whether the user is live, in which room, and the user's name. `places` are
    /// where the index knows the user.
    #[inline(never)] // for the room that it takes on the stack
    pub(super) fn sockets(&mut self, places: &PlaceSet) {
        let known = self.known_sockets(places);
        // Of many sockets there are as many keys to look among.
        let names: Option<HashSet<Box<[u8]>>> = (known.iter().filter(|known| known.said.is_none()).count() > FEW)
            .then(|| self.plan.keys.iter().map(|key| key.name.as_ref().into()).collect());
        for known in known {
            let NamedBy { mapping, key, collection } = known.named_by;
            let mut socket = self.socket(known, names.as_ref());
            let may_have_data = socket.data.is_some() || socket.elsewhere;
            self.plan.seen.lists_others |= collection && may_have_data && socket.whose != Whose::Users;
            // As long as it has its data, a collection does not say whose it is.
            let is_asked = self.told.is_some_and(|told| told.known == told::Known::Some);
            if may_have_data && !mapping && !key && !is_asked {
                continue;
            }
            socket.closes = self.closes(&socket);
            let counts = socket.named_by.mapping || self.layout.mapping().is_none() && socket.whose == Whose::Users;
            self.plan.live |= counts && socket.data.is_some();
            self.plan.sockets.push(socket);
        }
    }

    /// The sockets in the mapping, in names of the user's keys, and in collections of the user's own: sorted, none twice.
    fn known_sockets(&mut self, places: &PlaceSet) -> Vec<Known> {
        let mapped = mapping::read(self.space, self.layout, self.user);
        // Where the mapping would be elsewhere, others have said what is in it.
        let is_unclear = match self.told {
            Some(told) if mapped.mapping.is_none() => {
                told.is_unclear || matches!(told.known, told::Known::Less | told::Known::Nothing)
            }
            Some(told) => mapped.is_unclear || told.is_unclear,
            None => mapped.is_unclear,
        };
        if is_unclear {
            self.plan.unclear = Unclear::Sockets;
        }
        self.plan.mistyped += u64::from(mapped.is_unclear && mapped.mapping.is_some());
        self.plan.mapping = mapped.mapping;
        let mapped = mapped.sockets.into_iter();
        let by_mapping = NamedBy { mapping: true, ..NamedBy::default() };
        let mut known: Vec<Known> = mapped.map(|id| Known { id, named_by: by_mapping, said: None }).collect();
        let by_key = NamedBy { key: true, ..NamedBy::default() };
        let mut said = std::mem::take(&mut self.said).into_iter().peekable();
        for (at, key) in self.plan.keys.iter().enumerate() {
            let mut said = said.next_if(|(of, _)| *of == at).map(|(_, said)| said);
            known.extend(key.sockets().map(|id| Known { id: id.to_vec(), named_by: by_key, said: said.take() }));
        }
        // Without `sockets` in the layout nothing says which are dead.
        if self.layout.sockets.is_some() {
            let detail = self.plan.detail;
            let listed = listed::read(self.space, self.layout, places, self.user, |trace| detail.asks_for(trace));
            let by_collection = NamedBy { collection: true, ..NamedBy::default() };
            known.extend(listed.into_iter().map(|id| Known { id, named_by: by_collection, said: None }));
        }
        let told = self.told.iter().flat_map(|told| &told.sockets);
        known.extend(told.map(|told| Known { id: told.id.clone(), named_by: told.named_by, said: None }));
        known.sort_by(|a, b| a.id.cmp(&b.id));
        known.dedup_by(|again, one| {
            let is_same = again.id == one.id;
            if is_same {
                one.named_by = one.named_by.and(again.named_by);
                one.said = one.said.take().or(again.said.take());
            }
            is_same
        });
        known
    }

    /// Looks which of the layout's other signs of life are there. Of those on another node of the cluster nobody here knows.
    pub(super) fn signs(&mut self) {
        for rule in &self.layout.live {
            let name = self.name(rule.key(), &Bindings::user(self.user));
            if !self.space.serves(&name) {
                self.plan.unclear = self.plan.unclear.max(Unclear::Signs);
            }
            if self.space.open(&name).is_some() {
                self.plan.signs.push(name);
            }
        }
    }

    /// Whether a socket is closed with the user. What another node of the cluster knows of it, that node acts upon. Without
    /// `sockets` in the layout its id stands in the name of a key of the user's, and nowhere else.
    fn closes(&self, socket: &Socket<K::Name>) -> bool {
        let Some(sockets) = &self.layout.sockets else { return true };
        let takes_word = sockets.owned.is_none() || sockets.trusts_mapping && !socket.elsewhere;
        match socket.whose {
            Whose::Users => true,
            Whose::Nobodys => socket.named_by.mapping && takes_word,
            Whose::Others => false,
        }
    }

    /// Notes what is known of a socket whose data another node has, if it has any.
    fn hear_of(&self, socket: &mut Socket<K::Name>) {
        let Some(told) = self.told else {
            socket.elsewhere = true;
            return;
        };
        socket.elsewhere = told.may_have_data(&socket.id);
        if let Some(known) = told.socket(&socket.id) {
            socket.whose = known.whose;
            socket.rooms.clone_from(&known.rooms);
        }
    }

    /// Looks at one, unless its data was read before. `names` are those of all keys in the plan, if it is not to look for
    /// itself.
    fn socket(&mut self, known: Known, names: Option<&HashSet<Box<[u8]>>>) -> Socket<K::Name> {
        let Known { id, named_by, said } = known;
        let mut socket = Socket {
            id,
            named_by,
            elsewhere: false,
            data: None,
            rooms: Vec::new(),
            whose: Whose::Nobodys,
            closes: false,
        };
        let Some(sockets) = &self.layout.sockets else { return socket };
        let name = self.name(&sockets.data, &Bindings::user(self.user).with(Placeholder::SOCKET, &socket.id));
        let is_read = said.is_some();
        let Said { rooms, name: user_name } = if let Some(said) = said {
            said
        } else {
            let space = self.space;
            let Some(key) = space.open(&name) else {
                if !space.serves(&name) {
                    self.hear_of(&mut socket);
                }
                return socket;
            };
            value::said(&key, [sockets.room.as_ref(), sockets.name.as_ref()])
        };
        socket.rooms = rooms;
        let is_among = |keys: &[KeyTrace<K::Name>]| keys.iter().any(|key| key.name.as_ref() == name.as_ref());
        if is_read || names.map_or_else(|| is_among(&self.plan.keys), |names| names.contains(name.as_ref())) {
            socket.whose = Whose::Users;
            self.plan.user_name = self.plan.user_name.take().or_else(|| String::from_utf8(user_name?).ok());
        } else if sockets.owned.is_some() {
            socket.whose = Whose::Others;
        } else if named_by.mapping && sockets.data_trace.is_some() {
            // Nothing but the mapping says whose it is.
            socket.whose = Whose::Users;
        }
        socket.data = Some(name);
        socket
    }
}
