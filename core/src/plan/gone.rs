//! Who is gone by a logout, without the traces themselves: what others are told, and what nodes of a cluster tell each other.

use super::Plan;

/// Who is gone, as far as one node knows, or several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Who.
    pub user: Vec<u8>,
    /// By which name, if it is known.
    pub user_name: Option<String>,
    /// The sockets, sorted by id, none twice.
    pub sockets: Vec<GoneSocket>,
    /// The rooms left, sorted, none twice.
    pub rooms: Vec<Vec<u8>>,
}

/// A socket of somebody who is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneSocket {
    /// Its id.
    pub id: Vec<u8>,
    /// Whether the user's mapping held it.
    pub is_mapped: bool,
    /// Whether the connection's holder is to close it: see [`super::Socket::closes`].
    pub closes: bool,
    /// The rooms that the user leaves with it.
    pub rooms: Vec<Vec<u8>>,
}

impl Gone {
    /// What a plan says that is about to be applied.
    pub fn of<N>(plan: &Plan<N>) -> Self {
        let sockets = plan.sockets.iter().map(|socket| GoneSocket {
            id: socket.id.clone(),
            is_mapped: socket.is_mapped(),
            closes: socket.closes(),
            rooms: socket.rooms_left().to_vec(),
        });
        Self {
            user: plan.user.clone(),
            user_name: plan.user_name.clone(),
            sockets: sockets.collect(),
            rooms: plan.rooms.clone(),
        }
    }

    /// What of it is not in the other: of that others have been told.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        self.rooms.retain(|room| !other.rooms.contains(room));
        self.sockets.retain(|socket| other.sockets.iter().all(|known| known.id != socket.id));
        self
    }

    /// Whether nobody hears of it: no socket and no room is left by it.
    pub fn is_nobody(&self) -> bool {
        self.sockets.is_empty() && self.rooms.is_empty()
    }

    /// Adds what another node knows of the same user. One node may know a socket by the mapping, and another by its data.
    pub fn merge(&mut self, other: Self) {
        // Who removed nothing says of nobody that they are gone.
        if self.user.is_empty() {
            self.user = other.user;
        }
        self.user_name = self.user_name.take().or(other.user_name);
        self.rooms.extend(other.rooms);
        self.rooms.sort_unstable();
        self.rooms.dedup();
        self.sockets.extend(other.sockets);
        self.sockets.sort_by(|one, other| one.id.cmp(&other.id));
        self.sockets.dedup_by(|again, one| {
            let is_same = again.id == one.id;
            if is_same {
                one.is_mapped |= again.is_mapped;
                one.closes |= again.closes;
                if one.rooms.is_empty() {
                    one.rooms = std::mem::take(&mut again.rooms);
                }
            }
            is_same
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(id: &str, is_mapped: bool, closes: bool, room: Option<&str>) -> GoneSocket {
        GoneSocket { id: id.into(), is_mapped, closes, rooms: room.into_iter().map(Into::into).collect() }
    }

    fn gone(name: Option<&str>, sockets: Vec<GoneSocket>, rooms: &[&str]) -> Gone {
        let rooms = rooms.iter().map(|room| room.as_bytes().to_vec()).collect();
        Gone { user: b"ann".to_vec(), user_name: name.map(str::to_owned), sockets, rooms }
    }

    #[test]
    fn what_two_nodes_know_is_known_once() {
        let mut one = gone(None, vec![socket("s2", true, false, None)], &["den"]);
        let other = vec![socket("s1", false, true, None), socket("s2", false, true, Some("hall"))];
        one.merge(gone(Some("Ann"), other, &["den", "attic"]));
        let sockets = vec![socket("s1", false, true, None), socket("s2", true, true, Some("hall"))];
        assert_eq!(one, gone(Some("Ann"), sockets, &["attic", "den"]));
        let before = one.clone();
        one.merge(before.clone());
        assert_eq!(one, before, "what is heard twice changes nothing");
        let mut nobody = Gone::default();
        nobody.merge(before.clone());
        assert_eq!(nobody, before);
        one.merge(Gone::default());
        assert_eq!(one, before);
        let told = gone(Some("Ann"), vec![socket("s2", true, true, None)], &["den"]);
        let news = gone(Some("Ann"), vec![socket("s1", false, true, None)], &["attic"]);
        assert_eq!(one.without(&told), news);
    }
}
