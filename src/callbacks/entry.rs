//! Where the server enters the module.
//!
//! The two functions are written out here, and not by the macro of the `redis_module` crate: its context for the
//! background, which this module has one of its own for, takes 17 KB of the server that nobody frees when the module goes.

use std::ffi::c_int;

use redis_module::{alloc::RedisAlloc, raw};
use redis_session_core::command::{Explain, Help, Inspect, Logout, ShowLayout, Sweep};

use super::{
    commands::{NotRegistered, register},
    load,
};
use crate::server::{OK, Server, bytes};

/// What the module allocates, `INFO memory` shows.
#[global_allocator]
static ALLOCATOR: RedisAlloc = RedisAlloc;

const VERSION: c_int = 100; // 0.1.0

/// The server did not take the module.
const REFUSED: c_int = 1;

/// Called by the server when it loads the module.
///
/// # Safety
/// `ctx` must be a context of the server's, and `argv` point to `argc` strings of its.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let api = c_int::try_from(raw::REDISMODULE_APIVER_1).unwrap_or_default();
    // SAFETY: the context is valid, and the server copies the name. Before this call there is no allocator.
    if unsafe { raw::Export_RedisModule_Init(ctx, c"session".as_ptr(), VERSION, api) } != OK {
        return REFUSED;
    }
    let argc = usize::try_from(argc).unwrap_or_default();
    // SAFETY: the context and `argc` strings are valid during the call; without arguments there may be no array.
    let (server, arguments) = unsafe {
        let strings = if argc == 0 { &[] } else { std::slice::from_raw_parts(argv, argc) };
        (Server::new(ctx), strings.iter().map(|string| bytes(*string)))
    };
    if load::load(&server, arguments, commands) { OK } else { REFUSED }
}

/// Called by the server before it unloads the module.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
extern "C" fn RedisModule_OnUnload(_: *mut raw::RedisModuleCtx) -> c_int {
    load::unload();
    OK
}

fn commands(server: &Server) -> Result<(), NotRegistered> {
    register::<Logout<'_>>(server)?;
    register::<Inspect<'_>>(server)?;
    register::<Explain>(server)?;
    register::<Sweep>(server)?;
    register::<ShowLayout>(server)?;
    register::<Help>(server)
}
