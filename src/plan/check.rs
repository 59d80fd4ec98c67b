//! Checking: may the caller do this?

use super::Plan;
use crate::{
    engine::{Access, Keyspace, Permissions},
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
        let may = |name: &N, access| caller.permits(name, access);
        let may_remove = self.keys.iter().all(|key| may(&key.name, Access::Delete) || space.open(&key.name).is_none())
            && self.members.iter().all(|member| {
                may(&member.key, Access::Delete) || !space.contains(&member.key, member.kind, &member.member)
            })
            && self.entries.iter().all(|document| may(&document.key, Access::Update));
        if !may_remove {
            return Err(Error::NoPermission { to: "delete or write" });
        }
        if shown {
            self.check_shown(caller)?;
        }
        Ok(Checked(self))
    }

    /// Asks whether the caller may read every key that a reply about the plan says something of: those in the plan, the
    /// mapping, and the sockets' data.
    ///
    /// # Errors
    /// [`Error::NoPermission`] if one permission is missing.
    pub fn check_shown(&self, caller: &impl Permissions<Name = N>) -> Result<(), Error> {
        let keys = self.keys.iter().map(|key| &key.name);
        let members = self.members.iter().map(|member| &member.key);
        let entries = self.entries.iter().map(|document| &document.key);
        let consulted = self.sockets.iter().filter_map(|socket| socket.data.as_ref());
        let mapping = self.mapping.iter().map(|mapping| &mapping.name);
        let mut shown = keys.chain(members).chain(entries).chain(consulted).chain(mapping);
        if shown.all(|name| caller.permits(name, Access::Read)) {
            Ok(())
        } else {
            Err(Error::NoPermission { to: "read" })
        }
    }
}
