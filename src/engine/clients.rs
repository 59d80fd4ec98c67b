//! The server's clients.

use std::{ffi::CStr, ptr::null_mut};

use redis_module::raw;

use super::{
    call::{Argument, Call},
    server::{OK, Server, api},
};

impl Server {
    /// Whether clients are paused, so that commands wait that the module has seen already.
    pub fn is_paused(&self) -> bool {
        // SAFETY: the call takes nothing.
        unsafe { api!(RedisModule_AvoidReplicaTraffic()) != 0 }
    }

    /// Whether the server says which client sends a command; 7.0 does not.
    pub fn knows_clients(&self) -> bool {
        // SAFETY: a plain read of a function pointer that the server set before OnLoad.
        unsafe { raw::RedisModule_CommandFilterGetClientId }.is_some()
    }

    /// Whether `DEBUG` may do anything; by default it may not, and then nobody who calls it is worth a look.
    pub fn allows_debug(&self) -> bool {
        let option = Call::new(c"CONFIG").with(Argument::Bytes(b"GET")).with(Argument::Bytes(b"enable-debug-command"));
        option.run(self).map(|reply| reply.texts()).unwrap_or_default().get(1).is_none_or(|value| value != b"no")
    }

    /// Whether the server has a command of this name. With the wrong number of arguments it does nothing.
    pub(super) fn has_command(&self, name: &'static CStr) -> bool {
        !Call::new(name).run(self).is_err_and(|refused| refused.is_unknown_command())
    }

    /// The client in whose name the context is, which need not be one that is connected.
    pub(super) fn client(&self) -> u64 {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetClientId(self.ctx())) }
    }

    /// Whether a client is connected.
    pub fn has_client(&self, client: u64) -> bool {
        // SAFETY: without a place to write to, the call only looks the client up.
        unsafe { api!(RedisModule_GetClientInfoById(null_mut(), client)) == OK }
    }

    /// Whether a client is connected and waits in a blocking command.
    pub fn is_blocked(&self, client: u64) -> bool {
        // SAFETY: all fields are numbers, for which zeros are valid.
        let mut info: raw::RedisModuleClientInfo = unsafe { std::mem::zeroed() };
        info.version = 1;
        // SAFETY: the structure is of the version that it says.
        let found = unsafe { api!(RedisModule_GetClientInfoById((&raw mut info).cast(), client)) } == OK;
        found && info.flags & u64::from(raw::REDISMODULE_CLIENTINFO_FLAG_BLOCKED) != 0
    }

    /// All clients, as `CLIENT LIST` shows them.
    pub fn clients(&self) -> Vec<ConnectedClient> {
        let list = Call::new(c"CLIENT").with(Argument::Bytes(b"LIST")).run(self);
        let text = list.map(|reply| reply.text()).unwrap_or_default();
        text.split(|byte| *byte == b'\n').filter_map(ConnectedClient::read).collect()
    }
}

/// A line of `CLIENT LIST`.
#[derive(Debug, PartialEq, Eq)]
pub struct ConnectedClient {
    /// The client's id.
    pub id: u64,
    /// The number of the database that it has selected.
    pub database: usize,
    /// It has opened a transaction.
    pub has_transaction: bool,
    /// It waits in a blocking command.
    pub is_blocked: bool,
    /// The command it sent last.
    pub command: Vec<u8>,
}

impl ConnectedClient {
    fn read(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            id: field("id")?.parse().ok()?,
            database: field("db")?.parse().ok()?,
            has_transaction: field("multi").is_some_and(|queued| queued != "-1"),
            is_blocked: field("flags").is_some_and(|flags| flags.contains('b')),
            command: field("cmd").unwrap_or_default().as_bytes().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_client_list_tells_what_a_client_began() {
        let line = b"id=7 addr=127.0.0.1:5 name= db=0 flags=b multi=-1 qbuf=0 cmd=blmove user=default resp=2";
        let expected = ConnectedClient {
            id: 7,
            database: 0,
            has_transaction: false,
            is_blocked: true,
            command: b"blmove".to_vec(),
        };
        assert_eq!(ConnectedClient::read(line), Some(expected));
        let line = b"id=8 db=5 flags=x multi=2 cmd=set";
        let expected =
            ConnectedClient { id: 8, database: 5, has_transaction: true, is_blocked: false, command: b"set".to_vec() };
        assert_eq!(ConnectedClient::read(line), Some(expected));
        assert_eq!(ConnectedClient::read(b""), None);
    }
}
