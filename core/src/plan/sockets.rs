//! Finding a user's sockets, and what their data says.

use std::collections::HashSet;

use super::{
    KeyTrace, Socket, Unclear, Whose,
    find::Finder,
    mapping,
    value::{self, Said},
};
use crate::{
    ports::Keyspace,
    template::{Bindings, Placeholder},
};

/// Up to this many sockets are searched one by one among the keys of a plan.
const FEW: usize = 8;

/// A socket of the user's, before its data is looked at.
struct Known {
    id: Vec<u8>,
    /// Whether the mapping holds it.
    mapped: bool,
    /// What its data said, if that was read already because it is the user's.
    said: Option<Said>,
}

impl<K: Keyspace> Finder<'_, K> {
    /// Looks at the data of each socket, which says whether the user is live, in which room, and the user's name.
    pub(super) fn sockets(&mut self) {
        let mapped = mapping::read(self.space, self.layout, self.user);
        if mapped.is_unclear {
            self.plan.unclear = Unclear::Sockets;
        }
        self.plan.mistyped += u64::from(mapped.is_unclear && mapped.mapping.is_some());
        self.plan.mapping = mapped.mapping;
        let mapped = mapped.sockets.into_iter();
        let mut known: Vec<Known> = mapped.map(|id| Known { id, mapped: true, said: None }).collect();
        let mut said = std::mem::take(&mut self.said).into_iter().peekable();
        for (at, key) in self.plan.keys.iter().enumerate() {
            let said = said.next_if(|(of, _)| *of == at).map(|(_, said)| said);
            known.extend(key.socket.as_deref().map(|id| Known { id: id.to_vec(), mapped: false, said }));
        }
        known.sort_by(|a, b| a.id.cmp(&b.id));
        known.dedup_by(|again, one| {
            let is_same = again.id == one.id;
            if is_same {
                one.mapped |= again.mapped;
                one.said = one.said.take().or(again.said.take());
            }
            is_same
        });
        // Of many sockets there are as many keys to look among.
        let names: Option<HashSet<Box<[u8]>>> = (known.iter().filter(|known| known.said.is_none()).count() > FEW)
            .then(|| self.plan.keys.iter().map(|key| key.name.as_ref().into()).collect());
        for known in known {
            let mut socket = self.socket(known, names.as_ref());
            socket.closes = self.closes(&socket);
            let counts = socket.mapped || self.layout.mapping().is_none() && socket.whose == Whose::Users;
            self.plan.live |= counts && socket.data.is_some();
            self.plan.sockets.push(socket);
        }
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
            Whose::Nobodys => socket.mapped && takes_word,
            Whose::Others => false,
        }
    }

    /// Looks at one, unless its data was read before. `names` are those of all keys in the plan, if it is not to look for
    /// itself.
    fn socket(&mut self, known: Known, names: Option<&HashSet<Box<[u8]>>>) -> Socket<K::Name> {
        let Known { id, mapped, said } = known;
        let mut socket =
            Socket { id, mapped, elsewhere: false, data: None, room: None, whose: Whose::Nobodys, closes: false };
        let Some(sockets) = &self.layout.sockets else { return socket };
        let name = self.name(&sockets.data, &Bindings::user(self.user).with(Placeholder::SOCKET, &socket.id));
        let is_read = said.is_some();
        let [room, user_name] = if let Some(said) = said {
            said
        } else {
            let space = self.space;
            let Some(key) = space.open(&name) else {
                socket.elsewhere = !space.serves(&name);
                return socket;
            };
            value::texts_at(&key, [sockets.room.as_ref(), sockets.name.as_ref()])
        };
        socket.room = room.filter(|room| !room.is_empty());
        let is_among = |keys: &[KeyTrace<K::Name>]| keys.iter().any(|key| key.name.as_ref() == name.as_ref());
        if is_read || names.map_or_else(|| is_among(&self.plan.keys), |names| names.contains(name.as_ref())) {
            socket.whose = Whose::Users;
            self.plan.user_name = self.plan.user_name.take().or_else(|| String::from_utf8(user_name?).ok());
        } else if sockets.owned.is_some() {
            socket.whose = Whose::Others;
        } else if mapped && sockets.data_trace.is_some() {
            // Nothing but the mapping says whose it is.
            socket.whose = Whose::Users;
        }
        socket.data = Some(name);
        socket
    }
}
