//! Messages from other nodes of a cluster.
//!
//! Servers never forget who hears the bus: not when a module is unloaded, and to ask them to forget leaves some of them (7.0 to
//! 8.0) with a pointer to freed memory. So once the module listens, its code stays in the server's memory. After it was
//! unloaded it hears messages and does nothing; loaded again, it takes its own place. The context of a message names the module that
//! was loaded first, which may be gone, so it is not used.

use std::{
    ffi::{c_char, c_void},
    slice,
};

use redis_module::raw;
use redis_session_core::{peers, ports::Keyspace};

use super::server_events;
use crate::{
    module,
    server::{
        Server, api,
        bus::{KIND, node_id},
    },
};

/// Hears messages from now on, on a node of a cluster.
pub(super) fn listen(server: &Server) {
    if server.is_cluster() && stay() {
        // SAFETY: the context is that of OnLoad, and the callback stays where it is.
        unsafe { api!(RedisModule_RegisterClusterMessageReceiver(server.ctx(), KIND, Some(on_message))) };
    }
}

/// Keeps the module's code in memory when the server lets go of it. `false` if that cannot be had.
fn stay() -> bool {
    // SAFETY: `dladdr` fills the structure, for which zeros are valid, and says whether it did; the path has an end; the handle
    // is never closed, which is what it is for.
    unsafe {
        let mut place: libc::Dl_info = std::mem::zeroed();
        let here = (on_message as *const ()).cast::<c_void>();
        libc::dladdr(here, &raw mut place) != 0
            && !libc::dlopen(place.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE).is_null()
    }
}

unsafe extern "C" fn on_message(
    _: *mut raw::RedisModuleCtx,
    sender: *const c_char,
    _: u8,
    payload: *const u8,
    length: u32,
) {
    let Some(server) = server_events::background() else { return };
    // SAFETY: the server gives a node's name, and a payload of this length, both valid during the call.
    let (from, message) = unsafe {
        let length = usize::try_from(length).unwrap_or_default();
        (node_id(sender), slice::from_raw_parts(payload, length))
    };
    module::enter("hearing another node", &server, |ask| peers::received(ask, &from, message));
}
