//! Changing a database.

use std::ffi::CStr;

use redis_session_core::ports::{Keyspace, Kind, Store};

use super::{
    call::{Call, CallArgument},
    handle::{Name, Server},
};

impl Server {
    /// Calls a command that replies with how many things it removed.
    fn remove(&self, command: Call<'_>) -> u64 {
        let removed = command.replicated().run_or_log(self).and_then(|reply| reply.integer());
        removed.and_then(|integer| u64::try_from(integer).ok()).unwrap_or_default()
    }
}

impl Store for Server {
    fn unlink(&self, names: &[&Name]) -> u64 {
        // A cluster node takes only keys of one slot in a command.
        let at_once = if self.is_cluster() { 1 } else { names.len().max(1) };
        names.chunks(at_once).map(|names| self.remove(Call::new(c"UNLINK").with_names(names))).sum()
    }

    fn remove_members(&self, name: &Name, kind: Kind, members: &[&[u8]]) -> u64 {
        let members = members.iter().map(|member| CallArgument::Bytes(member));
        let all = |command| members.clone().fold(Call::new(command).with(CallArgument::Name(name)), Call::with);
        match kind {
            Kind::Set => self.remove(all(c"SREM")),
            Kind::SortedSet => self.remove(all(c"ZREM")),
            Kind::Hash => self.remove(all(c"HDEL")),
            // All equal elements of a list are one trace.
            Kind::List => members
                .map(|element| {
                    let call =
                        Call::new(c"LREM").with(CallArgument::Name(name)).with(CallArgument::Bytes(b"0")).with(element);
                    self.remove(call).min(1)
                })
                .sum(),
            Kind::String | Kind::Stream | Kind::Other => 0,
        }
    }

    fn write(&self, command: &'static CStr, arguments: &[&[u8]]) {
        let arguments = arguments.iter().map(|argument| CallArgument::Bytes(argument));
        arguments.fold(Call::new(command), Call::with).replicated().run_or_log(self);
    }

    fn replace(&self, name: &Name, value: &[u8]) -> bool {
        let arguments = [CallArgument::Name(name), CallArgument::Bytes(value), CallArgument::Bytes(b"KEEPTTL")];
        arguments.into_iter().fold(Call::new(c"SET"), Call::with).replicated().run_or_log(self).is_some()
    }
}
