//! Checking: may the caller do this?

use super::{Part, Plan};
use crate::{
    announcement::Values,
    error::Error,
    layout::{Layout, LiveRule, Trace},
    ports::{Access, Keyspace, May, Permissions},
    template::Template,
    then::Each,
};

/// Stands for a user, or anything else, that is not known yet: nothing can have this name.
pub const NOBODY: &[u8] = b"\0nobody\0";

/// A plan that its caller may carry out. Only this can be applied.
#[derive(Debug)]
pub struct Checked<N>(pub(super) Box<Plan<N>>);

impl<N> Checked<N> {
    /// What will be done.
    pub fn plan(&self) -> &Plan<N> {
        &self.0
    }

    /// The same, and nothing is written afterwards.
    #[must_use]
    pub fn without_writes(mut self) -> Self {
        (self.0.writes, self.0.unwritten) = (Vec::new(), Vec::new());
        self
    }
}

impl<N: AsRef<[u8]>> Plan<N> {
    /// Asks whether the caller may remove everything in the plan and, if `shown`, may also read it, because the reply
    /// names it. What turns out not to be there needs no permission.
    ///
    /// # Errors
    /// [`Error::NoPermission`] if one permission is missing.
    pub fn check<K: Keyspace<Name = N>>(
        self: Box<Self>,
        space: &K,
        caller: &impl Permissions<Name = N>,
        shown: bool,
    ) -> Result<Checked<N>, Error> {
        let goes = |may: May<'_, N>| {
            self.keys.iter().all(|key| may(&key.name, Access::Delete) || space.open(&key.name).is_none())
                && self.members.iter().all(|member| {
                    may(&member.key, Access::Delete) || !space.contains(&member.key, member.kind, &member.member)
                })
                && self.entries.iter().all(|document| {
                    may(&document.key, Access::Update)
                        && (!document.may_be_deleted() || may(&document.key, Access::Delete))
                })
                && self.writes.iter().all(|write| write.keys.iter().all(|key| may(key, write.access)))
        };
        if !caller.permit(&goes) {
            return Err(Error::NOT_TO_REMOVE);
        }
        // The same rule has to permit both.
        if shown && !caller.permit(&|may| goes(may) && self.may_be_shown(may)) {
            return Err(Error::NOT_TO_SHOW);
        }
        Ok(Checked(self))
    }

    /// Whether a reply about the plan says something of a key.
    pub fn shows_something(&self) -> bool {
        self.shown().next().is_some()
    }

    /// Asks whether the caller may read every key that a reply about the plan says something of: those in the plan, the
    /// mapping, the sockets' data, and other signs of life. If there is none, that is said of the user too: see [`check_unseen`].
    ///
    /// # Errors
    /// [`Error::NoPermission`] if one permission is missing.
    pub fn check_shown<K: Keyspace<Name = N>>(
        &self,
        space: &K,
        layout: &Layout,
        caller: &impl Permissions<Name = N>,
    ) -> Result<(), Error> {
        if self.shown().next().is_none() {
            return check_unseen(space, layout, &self.user, &[], Unseen::Show, caller);
        }
        if caller.permit(&|may| self.may_be_shown(may)) { Ok(()) } else { Err(Error::NOT_TO_SHOW) }
    }

    fn may_be_shown(&self, may: May<'_, N>) -> bool {
        self.shown().all(|name| may(name, Access::Read))
    }

    /// The keys that a reply about the plan says something of.
    fn shown(&self) -> impl Iterator<Item = &N> {
        let keys = self.keys.iter().map(|key| &key.name);
        let members = self.members.iter().map(|member| &member.key);
        let entries = self.entries.iter().map(|document| &document.key);
        let consulted = self.sockets.iter().filter_map(|socket| socket.data.as_ref());
        let mapping = self.mapping.iter().map(|mapping| &mapping.name);
        keys.chain(members).chain(entries).chain(consulted).chain(mapping).chain(&self.signs)
    }
}

/// What a caller would do with traces that are not there, or not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Remove them, by a logout.
    Remove,
    /// The same, and be shown them.
    RemoveAndShow,
    /// Remove those that a sweep does not leave alone.
    Sweep,
    /// Be shown them.
    Show,
}

/// Asks whether the caller may do this with all traces that `user` could have, or those of a part, whatever their names hold besides. Whoever
/// may not must not learn that there are none: others would be told that they may not.
///
/// # Errors
/// [`Error::NoPermission`] if one permission is missing.
pub fn check_unseen<K: Keyspace>(
    space: &K,
    layout: &Layout,
    user: &[u8],
    part: Part<'_>,
    what: Unseen,
    caller: &impl Permissions<Name = K::Name>,
) -> Result<(), Error> {
    // Nearly every caller; and most calls that find nothing come a second time, from another handler of the same logout.
    if caller.permits_everything() {
        return Ok(());
    }
    let name = |template: &Template| space.name(&template.render_all(user, NOBODY, part));
    let is_part = |trace: &Trace| part.iter().all(|(placeholder, _)| trace.has(*placeholder));
    let goes = |trace: &&Trace| match what {
        Unseen::Remove | Unseen::RemoveAndShow => trace.is_removed() && is_part(trace),
        Unseen::Sweep => trace.is_removed() && trace.sweep,
        Unseen::Show => false,
    };
    let gone: Vec<_> = layout.traces.iter().filter(goes).map(|trace| name(&trace.key)).collect();
    let written: Vec<_> = if what == Unseen::Show { Vec::new() } else { written(space, layout, user, part) };
    let may_go = |may: May<'_, K::Name>| {
        gone.iter().all(|name| may(name, Access::Delete)) && written.iter().all(|(name, access)| may(name, *access))
    };
    if !caller.permit(&may_go) {
        return Err(Error::NOT_TO_REMOVE);
    }
    if [Unseen::Remove, Unseen::Sweep].contains(&what) {
        return Ok(());
    }
    let data = layout.sockets.iter().map(|sockets| &sockets.data).chain(layout.live.iter().map(LiveRule::key));
    let shown: Vec<_> =
        layout.traces.iter().filter(|trace| is_part(trace)).map(|trace| &trace.key).chain(data).map(name).collect();
    let may_show = |may: May<'_, K::Name>| may_go(may) && shown.iter().all(|name| may(name, Access::Read));
    if caller.permit(&may_show) { Ok(()) } else { Err(Error::NOT_TO_SHOW) }
}

/// The keys that would be written at a logout of a user, or of a part.
fn written<K: Keyspace>(space: &K, layout: &Layout, user: &[u8], part: Part<'_>) -> Vec<(K::Name, Access)> {
    let values = Values::of_nobody(user, NOBODY);
    let follows = layout.then.iter().filter(|then| part.is_empty() || then.each != Each::User);
    let keys = follows.flat_map(|then| {
        let keys = then.arguments(&values).into_iter().filter(|(_, is_key)| *is_key);
        keys.map(|(key, _)| (space.name(&key), then.access()))
    });
    keys.collect()
}
