//! The server's clients.

use std::{
    ffi::CStr,
    ptr::{NonNull, null_mut},
};

use redis_module::raw;
use redis_session_core::ports::{Clients, ConnectedClient};

use super::{
    call::{Call, CallArgument},
    handle::{OK, Server, api},
};
impl Clients for Server {
    fn is_paused(&self) -> bool {
        // SAFETY: the call takes nothing.
        unsafe { api!(RedisModule_AvoidReplicaTraffic()) != 0 }
    }

    fn knows_clients(&self) -> bool {
        // SAFETY: a plain read of a function pointer that the server set before OnLoad.
        unsafe { raw::RedisModule_CommandFilterGetClientId }.is_some()
    }

    fn has_client(&self, client: u64) -> bool {
        // SAFETY: without a place to write to, the call only looks the client up.
        unsafe { api!(RedisModule_GetClientInfoById(null_mut(), client)) == OK }
    }

    fn clients(&self) -> Vec<ConnectedClient> {
        self.list_clients(&[]).unwrap_or_default()
    }

    // `RM_GetClientInfoById` crashes Valkey 9 when it is asked about a script's client while the script runs, and looks the
    // address up each time. `CLIENT LIST ID` finds no client that is not real, on any server.
    fn clients_among(&self, ids: &[u64]) -> Option<Vec<ConnectedClient>> {
        if ids.is_empty() { Some(Vec::new()) } else { self.list_clients(ids) }
    }

    fn blocked_clients(&self) -> Option<u64> {
        let [blocked] = self.info(c"clients", [c"blocked_clients"]);
        blocked?.parse().ok()
    }

    fn debug_calls(&self) -> Option<String> {
        let [statistics] = self.info(c"commandstats", [c"cmdstat_debug"]);
        Some(statistics?.split(',').take(2).collect())
    }

    fn failed_ends(&self) -> String {
        let is_failure = |count: &&str| count.starts_with("rejected_calls=") || count.starts_with("failed_calls=");
        let failures = |statistics: String| statistics.split(',').filter(is_failure).collect::<Vec<_>>().join(" ");
        // Of what was never called there are no statistics.
        let none = || "rejected_calls=0 failed_calls=0".to_owned();
        self.info(c"commandstats", [c"cmdstat_exec", c"cmdstat_discard"])
            .map(|of| of.map_or_else(none, failures))
            .join(" ")
    }
}

impl Server {
    fn list_clients(&self, ids: &[u64]) -> Option<Vec<ConnectedClient>> {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let option = (!ids.is_empty()).then_some(&b"ID"[..]);
        let options = option.into_iter().chain(ids.iter().map(String::as_bytes));
        let call = Call::new(c"CLIENT").with(CallArgument::Bytes(b"LIST"));
        let text = options.map(CallArgument::Bytes).fold(call, Call::with).run(self).ok()?.text();
        Some(text.split(|byte| *byte == b'\n').filter_map(read).collect())
    }

    /// Whether `DEBUG` may do anything; by default it may not, and then nobody who calls it is worth a look.
    pub fn allows_debug(&self) -> bool {
        let option =
            Call::new(c"CONFIG").with(CallArgument::Bytes(b"GET")).with(CallArgument::Bytes(b"enable-debug-command"));
        option.run(self).map(|reply| reply.texts()).unwrap_or_default().get(1).is_none_or(|value| value != b"no")
    }

    /// Whether the server has a command of this name. With the wrong number of arguments it does nothing.
    pub(crate) fn has_command(&self, name: &'static CStr) -> bool {
        !Call::new(name).run(self).is_err_and(|refused| refused.is_unknown_command())
    }

    /// The client in whose name the context is, which need not be one that is connected.
    pub(crate) fn client(&self) -> u64 {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetClientId(self.ctx())) }
    }

    /// A field of a section of INFO, as the server itself knows it, whatever the command is called.
    fn info<const N: usize>(&self, section: &'static CStr, fields: [&'static CStr; N]) -> [Option<String>; N] {
        // SAFETY: the context is valid; the data is freed once, below; a text lives as long as the data.
        unsafe {
            let data = api!(RedisModule_GetServerInfo(self.ctx(), section.as_ptr()));
            let texts = fields.map(|field| {
                let text = api!(RedisModule_ServerInfoGetFieldC(data, field.as_ptr()));
                let text = NonNull::new(text.cast_mut()).map(|text| CStr::from_ptr(text.as_ptr()));
                text.map(|text| text.to_string_lossy().into_owned())
            });
            api!(RedisModule_FreeServerInfo(self.ctx(), data));
            texts
        }
    }
}

/// Reads a line of `CLIENT LIST`.
fn read(line: &[u8]) -> Option<ConnectedClient> {
    let line = String::from_utf8_lossy(line);
    let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    Some(ConnectedClient {
        id: field("id")?.parse().ok()?,
        database: field("db")?.parse().ok()?,
        queued: field("multi").and_then(|queued| queued.parse().ok()),
        is_blocked: field("flags").is_some_and(|flags| flags.contains('b')),
        command: field("cmd").unwrap_or_default().as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_client_list_tells_what_a_client_began() {
        let line = b"id=7 addr=127.0.0.1:5 name= db=0 flags=b multi=-1 qbuf=0 cmd=blmove user=default resp=2";
        let expected =
            ConnectedClient { id: 7, database: 0, queued: None, is_blocked: true, command: b"blmove".to_vec() };
        assert_eq!(read(line), Some(expected));
        let line = b"id=8 db=5 flags=x multi=2 cmd=set";
        let expected =
            ConnectedClient { id: 8, database: 5, queued: Some(2), is_blocked: false, command: b"set".to_vec() };
        assert_eq!(read(line), Some(expected));
        assert_eq!(read(b""), None);
    }
}
