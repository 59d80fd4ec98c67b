//! Checking: may the caller do this?

use super::Plan;
use crate::{
    engine::{Access, Keyspace, May, Permissions},
    error::Error,
};

/// A plan that its caller may carry out. Only this can be applied.
#[derive(Debug)]
pub struct Checked<N>(pub(super) Plan<N>);

impl<N> Checked<N> {
    /// What will be done.
    pub fn plan(&self) -> &Plan<N> {
        &self.0
    }
}

impl<N: AsRef<[u8]>> Plan<N> {
    /// Asks whether the caller may remove everything in the plan and, if `shown`, may also read it, because the reply
    /// names it. What turns out not to be there needs no permission.
    ///
    /// # Errors
    /// [`Error::NoPermission`] if one permission is missing.
    pub fn check<K: Keyspace<Name = N>>(
        self,
        space: &K,
        caller: &impl Permissions<Name = N>,
        shown: bool,
    ) -> Result<Checked<N>, Error> {
        let goes = |may: May<'_, N>| {
            self.keys.iter().all(|key| may(&key.name, Access::Delete) || space.open(&key.name).is_none())
                && self.members.iter().all(|member| {
                    may(&member.key, Access::Delete) || !space.contains(&member.key, member.kind, &member.member)
                })
                && self.entries.iter().all(|document| may(&document.key, Access::Update))
        };
        if !caller.permit(&goes) {
            return Err(Error::NoPermission { to: "delete or write" });
        }
        // The same rule has to permit both.
        if shown && !caller.permit(&|may| goes(may) && self.may_be_shown(may)) {
            return Err(Error::NoPermission { to: "read" });
        }
        Ok(Checked(self))
    }

    /// Asks whether the caller may read every key that a reply about the plan says something of: those in the plan, the
    /// mapping, and the sockets' data.
    ///
    /// # Errors
    /// [`Error::NoPermission`] if one permission is missing.
    pub fn check_shown(&self, caller: &impl Permissions<Name = N>) -> Result<(), Error> {
        if caller.permit(&|may| self.may_be_shown(may)) { Ok(()) } else { Err(Error::NoPermission { to: "read" }) }
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
        keys.chain(members).chain(entries).chain(consulted).chain(mapping)
    }
}
