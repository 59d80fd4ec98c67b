//! A running server as the core's host.

use std::{
    ffi::{CStr, c_int},
    time::Instant,
};

use redis_module::raw;
use redis_session_core::{
    journal::Level,
    ports::{Host, Key, Keyspace, Kind, NodeId, Peer, View},
};

use super::{
    access::{Caller, Summons},
    call::{Call, CallArgument},
    handle::{Name, OK, Server, api, bytes, log},
    keys::Cursor,
};

impl Host for Server {
    type Cursor = Cursor;
    type Caller = Caller;
    type Summons = Summons;

    fn database(&self) -> usize {
        // SAFETY: the context is valid.
        let number = unsafe { api!(RedisModule_GetSelectedDb(self.ctx())) };
        usize::try_from(number).expect("databases are numbered from 0")
    }

    fn select(&self, database: usize) -> bool {
        let Ok(number) = c_int::try_from(database) else { return false };
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_SelectDb(self.ctx(), number)) == OK }
    }

    fn size(&self) -> u64 {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_DbSize(self.ctx())) }
    }

    fn walk(&self, cursor: &Cursor, wanted: &dyn Fn(&[u8]) -> bool, names: &mut Vec<Name>) -> bool {
        struct Walk<'w> {
            wanted: &'w dyn Fn(&[u8]) -> bool,
            names: &'w mut Vec<Name>,
        }
        unsafe extern "C" fn meet(
            _: *mut raw::RedisModuleCtx,
            name: *mut raw::RedisModuleString,
            _: *mut raw::RedisModuleKey,
            walk: *mut std::ffi::c_void,
        ) {
            // SAFETY: `walk` is the value below, which nothing else uses during the step; the name is valid, and sharing
            // it keeps it so after the step.
            unsafe {
                let walk = &mut *walk.cast::<Walk<'_>>();
                if (walk.wanted)(bytes(name)) {
                    walk.names.push(Name::share(name));
                }
            }
        }
        let mut walk = Walk { wanted, names };
        // SAFETY: context and cursor are valid; the callback gets the value it expects and changes no key.
        unsafe { api!(RedisModule_Scan(self.ctx(), cursor.0.as_ptr(), Some(meet), (&raw mut walk).cast())) != 0 }
    }

    fn scan_members(&self, name: &Name, cursor: &Cursor, piece: usize, members: &mut Vec<Vec<u8>>) -> bool {
        let Some(key) = self.open(name) else { return false };
        match key.kind() {
            Kind::List => members.extend(key.elements()),
            kind if kind.is_collection() => {
                while key.step(cursor, members) {
                    if members.len() >= piece {
                        return true;
                    }
                }
            }
            _ => {}
        }
        false
    }

    fn caller(&self) -> Caller {
        self.asking()
    }

    fn anybody(&self) -> Caller {
        Caller::anybody()
    }

    fn summons(&self) -> Option<Summons> {
        self.summoned()
    }

    fn user(&self) -> Option<Vec<u8>> {
        self.user_name().map(|name| name.as_ref().to_vec())
    }

    fn knows_user(&self, user: &[u8]) -> bool {
        super::access::is_enabled(&Name::new(user))
    }

    fn summons_of(&self, user: &[u8], command: &[Vec<u8>]) -> Summons {
        Summons::new(user, command)
    }

    fn node_id(&self) -> NodeId {
        Self::own_node()
    }

    fn peers(&self) -> Vec<Peer> {
        self.other_masters()
    }

    fn hurry(&self) {
        self.send_without_delay();
    }

    fn send_to(&self, node: &NodeId, message: &[u8]) -> bool {
        self.send_on_bus(node, message)
    }

    fn caller_of(&self, summons: Option<&Summons>) -> Caller {
        self.asking_later(summons)
    }

    fn lets_wait(&self) -> bool {
        const IN_ONE_PIECE: u32 = raw::REDISMODULE_CTX_FLAGS_MULTI
            | raw::REDISMODULE_CTX_FLAGS_LUA
            | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING;
        !self.has_flag(IN_ONE_PIECE)
    }

    fn is_in_transaction(&self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_MULTI)
    }

    fn view(&self, databases: usize) -> View {
        self.view_of(databases)
    }

    fn is_in_a_cluster_that_is_down(&self) -> bool {
        self.sees_its_cluster_down()
    }

    fn names_in_slot(&self, slot: u16) -> Vec<Name> {
        self.names_in(slot)
    }

    fn receives_slots(&self) -> bool {
        self.sees_slots_arrive()
    }

    fn is_replica(&self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_SLAVE)
    }

    fn takes_writes(&self) -> Result<(), String> {
        // It names no key, so that a cluster node does not look for its slot, and is a write.
        Call::new(c"SESSION.SWEEP").run_if_taken(self)
    }

    fn send(&self, command: &'static CStr, arguments: &[&[u8]]) -> bool {
        if let (b"PUBLISH", [channel, message]) = (command.to_bytes(), arguments) {
            return self.publish(&Name::new(channel), &Name::new(message));
        }
        // As a client's call would do it.
        let arguments = arguments.iter().map(|argument| CallArgument::Bytes(argument));
        arguments.fold(Call::new(command), Call::with).replicated().run(self).is_ok()
    }

    fn log(&self, level: Level, line: &str) {
        log(self.ctx(), level.name(), line);
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl Server {
    /// What `PUBLISH` does (`pubsub.c`), without the cost of a call: a message goes to this server's subscribers, and to those of other
    /// nodes or of replicas, and never into the append-only file. `false` if replicas would need a command that is renamed here: then
    /// nobody gets it.
    fn publish(&self, channel: &Name, message: &Name) -> bool {
        if !self.is_cluster() {
            let (command, format) = (c"PUBLISH".as_ptr(), c"Ass".as_ptr());
            // SAFETY: the context and both strings are valid; the format says that two strings follow, and `A` that the append-only
            // file gets nothing.
            let sent =
                unsafe { api!(RedisModule_Replicate(self.ctx(), command, format, channel.raw(), message.raw())) };
            if sent != OK {
                return false;
            }
        }
        // SAFETY: the context and both strings are valid.
        unsafe { api!(RedisModule_PublishMessage(self.ctx(), channel.raw(), message.raw())) };
        true
    }
}
