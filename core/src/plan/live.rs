//! Whether a user is live, and by what.

use std::collections::HashSet;

use super::{End, listed, mapping, value};
use crate::{
    index::PlaceSet,
    layout::{Layout, LiveRule, Sockets, What},
    ports::{Key, Keyspace, Kind},
    template::{Bindings, Placeholder},
};

/// A sweep need not know by more sockets that a user is live.
const MOST_LIVE: usize = 16;

/// The most sockets that are looked at in one go; of more, others the next time.
const MOST_LOOKED_AT: usize = 1024;

/// By what a user is live.
#[derive(Debug, Default)]
pub struct LiveBy {
    /// Sockets that have their data key: not more than it takes to know it.
    pub sockets: Vec<LiveSocket>,
    /// Whether there may be more of them.
    pub has_more: bool,
    /// Sockets in the mapping, or in collections of the user's own, that have none.
    pub dead: Vec<Vec<u8>>,
    /// Sockets in collections of the user's own that are dead as soon as their data keys go. Nobody is live by them.
    pub listed: Vec<Vec<u8>>,
    /// If the user is live by what else the layout says: until when.
    pub rule: Option<End>,
}

/// A socket that has its data key.
#[derive(Debug)]
pub struct LiveSocket {
    /// Its id.
    pub id: Vec<u8>,
    /// When its data or the mapping expires, in milliseconds since 1970; `None` if neither does.
    pub ends: Option<u64>,
    /// Whether an end may come that nothing tells of.
    pub ends_unseen: bool,
}

impl LiveBy {
    /// Whether the user is live at all.
    pub fn is_live(&self) -> bool {
        !self.sockets.is_empty() || self.rule.is_some()
    }
}

/// Finds by what a user is live, and changes nothing. `places` are where the index knows the user.
pub fn live_by<K: Keyspace>(space: &K, layout: &Layout, places: &PlaceSet, user: &[u8]) -> LiveBy {
    let mut live_by = LiveBy { rule: rule(space, layout, user), ..LiveBy::default() };
    let Some(sockets) = &layout.sockets else { return live_by };
    if sockets.of.is_some() {
        mapped(space, layout, sockets, user, &mut live_by);
    } else {
        owned(space, layout, sockets, places, user, &mut live_by);
    }
    listed(space, layout, sockets, places, user, &mut live_by);
    live_by
}

/// What there is to look at in one go: all, or a part that begins elsewhere each time.
fn part<'i>(ids: &'i [Vec<u8>], space: &impl Keyspace) -> impl Iterator<Item = &'i Vec<u8>> {
    let start = usize::try_from(space.now()).unwrap_or_default() % ids.len().max(1);
    let (behind, before) = ids.split_at(if ids.len() > MOST_LOOKED_AT { start } else { 0 });
    before.iter().chain(behind).take(MOST_LOOKED_AT)
}

/// A hash may lose a field without anybody's doing, and goes with its last one.
fn may_fade(space: &impl Keyspace, kind: Kind) -> bool {
    kind == Kind::Hash && space.fields_expire()
}

/// Looks at the sockets in the mapping.
fn mapped<K: Keyspace>(space: &K, layout: &Layout, sockets: &Sockets, user: &[u8], live_by: &mut LiveBy) {
    let mut mapping_ends = None;
    let mapped = mapping::read_with(space, layout, user, |key| mapping_ends = key.expires_at());
    let Some(mapping) = mapped.mapping else { return };
    let ids = mapped.sockets;
    for id in part(&ids, space) {
        let name = space.name(&sockets.data.render(&Bindings::user(user).with(Placeholder::SOCKET, id)));
        let Some(data) = space.open(&name) else {
            if space.serves(&name) {
                live_by.dead.push(id.clone());
            }
            continue;
        };
        let ends = mapping_ends.into_iter().chain(data.expires_at()).min();
        let kinds = [mapping.kind, data.kind()];
        drop(data);
        live_by.add(id, ends, kinds.into_iter().any(|kind| may_fade(space, kind)));
    }
    live_by.has_more |= ids.len() > MOST_LOOKED_AT;
}

/// Looks at the sockets that the user's own collections name, besides those that were looked at already.
fn listed<K: Keyspace>(
    space: &K,
    layout: &Layout,
    sockets: &Sockets,
    places: &PlaceSet,
    user: &[u8],
    live_by: &mut LiveBy,
) {
    let mut ids = listed::read(space, layout, places, user, |trace| trace.sweep);
    if ids.is_empty() {
        return;
    }
    let known = live_by.sockets.iter().map(|socket| &socket.id).chain(&live_by.dead);
    let known: HashSet<Vec<u8>> = known.cloned().collect();
    ids.retain(|id| !known.contains(id));
    for id in part(&ids, space) {
        let name = space.name(&sockets.data.render(&Bindings::user(user).with(Placeholder::SOCKET, id)));
        let is_dead = space.open(&name).is_none() && space.serves(&name);
        if is_dead { &mut live_by.dead } else { &mut live_by.listed }.push(id.clone());
    }
    live_by.has_more |= ids.len() > MOST_LOOKED_AT;
}

/// Looks at the sockets whose data is the user's as far as the index knows.
fn owned<K: Keyspace>(
    space: &K,
    layout: &Layout,
    sockets: &Sockets,
    places: &PlaceSet,
    user: &[u8],
    live_by: &mut LiveBy,
) {
    let Some(number) = sockets.data_trace else { return };
    let trace = &layout.traces[number];
    for place in places.iter().filter(|place| place.trace() == number) {
        let bindings = place.bind(&trace.placed, &Bindings::user(user));
        let name = space.name(&trace.key.render(&bindings));
        let Some((data, id)) = space.open(&name).zip(bindings.get(Placeholder::SOCKET)) else { continue };
        let is_users = match &trace.what {
            What::Owned(owner) => matches!(value::names(&data, owner, &bindings, [None; 2]), Ok(Some(_))),
            _ => true,
        };
        let (ends, kind) = (data.expires_at(), data.kind());
        drop(data);
        if is_users {
            live_by.add(id, ends, may_fade(space, kind));
        }
        if live_by.has_more {
            break;
        }
    }
}

impl LiveBy {
    fn add(&mut self, id: &[u8], ends: Option<u64>, ends_unseen: bool) {
        if self.sockets.len() < MOST_LIVE {
            self.sockets.push(LiveSocket { id: id.to_vec(), ends, ends_unseen });
        } else {
            self.has_more = true;
        }
    }
}

/// Until when the user is live by what the layout says besides sockets; `None` if that is not so.
pub fn rule<K: Keyspace>(space: &K, layout: &Layout, user: &[u8]) -> Option<End> {
    let bindings = Bindings::user(user);
    let ends = layout.live.iter().filter_map(|rule| {
        let name = space.name(&rule.key().render(&bindings));
        let key = space.open(&name)?;
        match rule {
            LiveRule::Key(_) => Some(key.expires_at().unwrap_or(NEVER)),
            LiveRule::Score { member, within, unit, .. } => {
                let moment = key.score(&member.render(&bindings)).and_then(|score| moment(score, *unit))?;
                let end = moment.saturating_add(*within);
                (end > space.now()).then_some(key.expires_at().map_or(end, |expires_at| expires_at.min(end)))
            }
        }
    });
    ends.max().map(|end| if end == NEVER { End::Never } else { End::At(end) })
}

/// Later than any end.
const NEVER: u64 = u64::MAX;

/// A score as a moment in milliseconds since 1970; `None` if it is none. What is beyond all moments is the last of them.
fn moment(score: f64, unit: u64) -> Option<u64> {
    /// Beyond it an `f64` is no exact number of milliseconds, and no clock comes there.
    const LAST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_precision_loss, reason = "a unit is 1 or 1000")]
    let milliseconds = score * unit as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is none below 0 or beyond the last"
    )]
    (milliseconds >= 0.0).then_some(milliseconds.min(LAST) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_moment_if_it_is_one() {
        let table = [
            (0.0, 1, Some(0)),
            (1.5, 1000, Some(1500)),
            (1_700_000_000.0, 1000, Some(1_700_000_000_000)),
            (-1.0, 1, None),
            (f64::INFINITY, 1, Some(1 << 53)),
            (f64::NAN, 1, None),
            (1e16, 1000, Some(1 << 53)),
        ];
        for (score, unit, expected) in table {
            assert_eq!(moment(score, unit), expected, "{score} {unit}");
        }
    }
}
