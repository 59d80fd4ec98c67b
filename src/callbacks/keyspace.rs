//! Keyspace events: keys that are loaded, that appear, and that end by themselves.

use std::ffi::{c_char, c_int, c_void};

use redis_module::raw;
use redis_session_core::{
    ask::{cascade, enforce, fence, follow, load},
    known::wants::Events,
    ports::{Clients, Host},
    session::Ask,
};

use super::{OWN, server_events::background};
use crate::{
    module::enter,
    server::{Name, OK, Server, api, bytes, call::Call},
};

/// What is called for a keyspace event.
type Callback =
    unsafe extern "C" fn(*mut raw::RedisModuleCtx, c_int, *const c_char, *mut raw::RedisModuleString) -> c_int;

/// Watches keys that are loaded. Nothing but loading brings that about, so other writes cost no more for it. `false` if
/// the server refuses.
pub(super) fn watch_loading(server: &Server) -> bool {
    // SAFETY: the context is that of OnLoad; the callback lives as long as the module is loaded.
    unsafe {
        api!(RedisModule_SubscribeToKeyspaceEvents(server.ctx(), raw::REDISMODULE_NOTIFY_LOADED, Some(on_loaded))) == OK
    }
}

/// Loading begins. Remembers which database each client has selected.
pub(super) fn loading_begins(ask: Ask<'_, Server>) {
    let databases = ask.host.clients().into_iter().map(|client| (client.id, client.database)).collect();
    OWN.with(|own| own.loaded_for = databases);
    load::loading_begins(ask);
}

/// Loading is over.
pub(super) fn loading_ends(ask: Ask<'_, Server>) {
    OWN.with(|own| own.loaded_for.clear());
    load::loading_ends(ask);
}

/// A key was loaded. While one is loaded none is written by anybody.
unsafe extern "C" fn on_loaded(
    ctx: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: context and key are valid during the call.
    let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
    enter("following a load", &server, |ask| {
        // Nearly every key is one that nobody cares for, in a server that nobody has connected to yet.
        if ask.state(|state| state.watcher.cares_for(name)) {
            load::loaded(ask, name);
        }
        // Valkey 8.1 shows the key to the client that asked for the load, and leaves it in the key's database.
        if OWN.with(|own| !own.loaded_for.is_empty())
            && let client = server.client()
            && let Some(database) = OWN.with(|own| own.loaded_for.get(&client).copied())
        {
            server.select(database);
        }
    });
    OK
}

/// Watches the keyspace events that are wanted and not watched yet; a server has no word for not watching any more. `true` if
/// from now on it tells of every change, which it did not do before.
pub fn watch(server: &Server, wanted: Events) -> bool {
    let new = OWN.with(|own| wanted.without(own.watched));
    if new.is_empty() {
        return false;
    }
    let watches = |kind, events, callback| {
        let is_watched = new.has(kind) && subscribe(server, events, callback);
        if is_watched {
            OWN.with(|own| own.watched.add(kind));
        }
        is_watched
    };
    watches(Events::EVICTIONS, raw::REDISMODULE_NOTIFY_EVICTED, on_end);
    watches(Events::EXPIRIES, raw::REDISMODULE_NOTIFY_EXPIRED, on_end);
    // Where a key that appears cannot be removed as soon as the command is over, the next slice of work has to do.
    if new.has(Events::NEW_KEYS) && lets_write_soon(server) {
        watches(Events::NEW_KEYS, raw::REDISMODULE_NOTIFY_NEW, on_new_key);
    }
    watches(Events::CHANGES, CHANGES, on_change)
}

/// Every event that tells that a key may have changed.
const CHANGES: c_int = raw::REDISMODULE_NOTIFY_NEW
    | raw::REDISMODULE_NOTIFY_STRING
    | raw::REDISMODULE_NOTIFY_HASH
    | raw::REDISMODULE_NOTIFY_SET
    | raw::REDISMODULE_NOTIFY_ZSET
    | raw::REDISMODULE_NOTIFY_LIST;

fn subscribe(server: &Server, events: c_int, callback: Callback) -> bool {
    // SAFETY: the context is valid; the callback lives as long as the module is loaded.
    unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(server.ctx(), events, Some(callback))) == OK }
}

/// A key expired or was evicted. It is gone already.
unsafe extern "C" fn on_end(
    ctx: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: context and key are valid during the call.
    let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
    enter("following a key's end", &server, |ask| cascade::key_ended(ask, name));
    OK
}

/// Whether the server lets the module write as soon as the command is over that an event is about, and watching does no harm.
fn lets_write_soon(server: &Server) -> bool {
    if can_follow_events() && OWN.with(|own| own.displaces_clients.is_none()) {
        // It takes a command to find out, and any of the module's will do.
        let _ = Call::new(c"SESSION.HELP").run(server);
    }
    OWN.with(|own| own.displaces_clients == Some(false))
}

/// Whether the server lets the module write as soon as the command is over that an event is about.
fn can_follow_events() -> bool {
    // SAFETY: a plain read of a function pointer that the server set before OnLoad.
    unsafe { raw::RedisModule_AddPostNotificationJob }.is_some()
}

/// Finds out whether a client that writes to another database (`COPY`, `MOVE`) is left there if the event of it is
/// watched, as Valkey 8.1 does. Tried once, with an event that nobody else has. `server` is that of a command.
pub(super) fn probe_displacement(server: &Server) {
    if !can_follow_events() || OWN.with(|own| own.displaces_clients.is_some()) {
        return;
    }
    let (here, Some(elsewhere)) = (server.database(), background()) else { return };
    if elsewhere.select(usize::from(here == 0)) {
        subscribe(server, raw::REDISMODULE_NOTIFY_MODULE, on_nothing);
        let (name, event) = (Name::new(b"session"), c"session.probe".as_ptr());
        // SAFETY: context, name and text are valid.
        unsafe {
            api!(RedisModule_NotifyKeyspaceEvent(elsewhere.ctx(), raw::REDISMODULE_NOTIFY_MODULE, event, name.raw()))
        };
    }
    let displaces = server.database() != here;
    server.select(here);
    OWN.with(|own| own.displaces_clients = Some(displaces));
}

unsafe extern "C" fn on_nothing(
    _: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    _: *mut raw::RedisModuleString,
) -> c_int {
    OK
}

/// A key appeared. It may not be removed yet.
unsafe extern "C" fn on_new_key(
    ctx: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: context and key are valid during the call.
    let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
    enter("following a new key", &server, |ask| {
        if !fence::may_stop(ask, server.database(), name) {
            return;
        }
        // Nearly no key comes so far, and to be told this the server gathers all of its flags.
        if server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) || server.is_replica() {
            return;
        }
        let name = Box::into_raw(Box::new(Name::new(name))).cast::<c_void>();
        // SAFETY: the function was found before the callback was registered; `free_name` takes the box back.
        let added = unsafe { api!(RedisModule_AddPostNotificationJob(ctx, Some(on_notified), name, Some(free_name))) };
        if added != OK {
            // SAFETY: the server did not take it.
            unsafe { free_name(name) };
        }
    });
    OK
}

unsafe extern "C" fn on_notified(ctx: *mut raw::RedisModuleCtx, name: *mut c_void) {
    // SAFETY: the context is valid during the call, and the data is the box of `on_new_key`.
    let (server, name) = unsafe { (Server::new(ctx), &*name.cast::<Name>()) };
    enter("fencing a socket off", &server, |ask| enforce::enforce_now(ask, name));
}

unsafe extern "C" fn free_name(name: *mut c_void) {
    // SAFETY: it came out of a box in `on_new_key` and is freed once.
    drop(unsafe { Box::from_raw(name.cast::<Name>()) });
}

unsafe extern "C" fn on_change(
    ctx: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: context and key are valid during the call.
    let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
    enter("following a change", &server, |ask| {
        if ask.state(|state| state.watcher.cares_for(name)) {
            follow::changed(ask, Name::new(name));
        }
    });
    OK
}
