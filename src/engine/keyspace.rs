//! Keyspace events: keys that are loaded, that appear, and that end by themselves.

use std::ffi::{c_char, c_int, c_void};

use redis_module::raw;

use super::{
    border::guard,
    call::Call,
    server::{Name, OK, Server, api, bytes},
    watching::background,
};
use crate::{
    state,
    sweep::{candidates, fence},
    upkeep,
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
pub(super) fn loading_begins(server: &Server) {
    let databases = server.clients().into_iter().map(|client| (client.id, client.database)).collect();
    state::with(|state| state.loaded_for = databases);
    upkeep::loading_begins(server);
}

/// Loading is over.
pub(super) fn loading_ends() {
    state::with(|state| state.loaded_for.clear());
    upkeep::loading_ends();
}

/// A key was loaded. While one is loaded none is written by anybody.
unsafe extern "C" fn on_loaded(
    ctx: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    guard("following a load", || {
        // SAFETY: context and key are valid during the call.
        let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
        // Nearly every key is one that nobody cares for, in a server that nobody has connected to yet.
        let (is_watched, has_clients) =
            state::with(|state| (state.watcher.cares_for(name), !state.loaded_for.is_empty()));
        if is_watched {
            upkeep::loaded(&server, name);
        }
        // Valkey 8.1 shows the key to the client that asked for the load, and leaves it in the key's database.
        if has_clients && let Some(database) = state::with(|state| state.loaded_for.get(&server.client()).copied()) {
            server.select(database);
        }
    });
    OK
}

/// Watches keyspace events too, from now on, and once. They make every write of the server dearer, so this is the last
/// resort: where clients cannot be told apart and their transactions could not be followed, or where more is queued than
/// can be held.
pub fn watch_events(server: &Server) {
    let events = raw::REDISMODULE_NOTIFY_NEW
        | raw::REDISMODULE_NOTIFY_STRING
        | raw::REDISMODULE_NOTIFY_HASH
        | raw::REDISMODULE_NOTIFY_SET
        | raw::REDISMODULE_NOTIFY_ZSET
        | raw::REDISMODULE_NOTIFY_LIST;
    if state::with(|state| state.tracker.watches_events) {
        return;
    }
    // SAFETY: the context is valid; the callback lives as long as the module is loaded.
    let subscribed = unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(server.ctx(), events, Some(on_change))) };
    if subscribed != OK {
        return;
    }
    state::with(|state| state.tracker.watch_events());
    server.log(
        c"notice",
        "transactions or waiting clients can't be followed by their commands alone; \
         watching keyspace events from now on, which makes every write a little slower",
    );
}

/// Watches keys that end by themselves, once that matters: those that expire only for the cascade.
pub fn watch_ends(server: &Server) {
    let wanted = state::with(|state| match (&state.layout.sockets, state.options.expire_cascade) {
        (None, _) => 0,
        (Some(_), false) => raw::REDISMODULE_NOTIFY_EVICTED,
        (Some(_), true) => raw::REDISMODULE_NOTIFY_EVICTED | raw::REDISMODULE_NOTIFY_EXPIRED,
    });
    watch(server, wanted, on_end);
}

/// Watches events that are not watched yet. (A server has no word for not watching any more.)
fn watch(server: &Server, wanted: i32, callback: Callback) {
    let events = state::with(|state| {
        let events = wanted & !state.watched;
        state.watched |= wanted;
        events
    });
    if events != 0 {
        // SAFETY: the context is valid; the callback lives as long as the module is loaded.
        unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(server.ctx(), events, Some(callback))) };
    }
}

/// A key expired or was evicted. It is gone already.
unsafe extern "C" fn on_end(
    ctx: *mut raw::RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    guard("following a key's end", || {
        // SAFETY: context and key are valid during the call.
        let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
        let database = server.database();
        let is_vital = state::with(|state| {
            let layout = state.layout.clone();
            let holder = layout.sockets.as_ref().and_then(|sockets| sockets.holder(name));
            holder.map(|holder| candidates::expired(state, database, holder)).is_some()
        });
        if is_vital {
            upkeep::changed(&server, Name::new(name));
        }
    });
    OK
}

/// Watches keys that appear, from the first logout with a fence on, where the server lets the module write as soon as the
/// command that made one is over. Where it does not, the next slice of work has to do.
pub fn watch_new_keys(server: &Server) {
    if can_follow_events() && state::with(|state| state.displaces_clients.is_none()) {
        // It takes a command to find out, and any of the module's will do.
        let _ = Call::new(c"SESSION.HELP").run(server);
    }
    if state::with(|state| state.displaces_clients == Some(false)) {
        watch(server, raw::REDISMODULE_NOTIFY_NEW, on_new_key);
    }
}

/// Whether the server lets the module write as soon as the command is over that an event is about.
fn can_follow_events() -> bool {
    // SAFETY: a plain read of a function pointer that the server set before OnLoad.
    unsafe { raw::RedisModule_AddPostNotificationJob }.is_some()
}

/// Finds out whether a client that writes to another database (`COPY`, `MOVE`) is left there if the event of it is
/// watched, as Valkey 8.1 does. Tried once, with an event that nobody else has. `server` is that of a command.
pub(super) fn meet_command(server: &Server) {
    if !can_follow_events() || state::with(|state| state.displaces_clients.is_some()) {
        return;
    }
    let (here, Some(elsewhere)) = (server.database(), background()) else { return };
    if elsewhere.select(usize::from(here == 0)) {
        watch(server, raw::REDISMODULE_NOTIFY_MODULE, on_nothing);
        let (name, event) = (Name::new(b"session"), c"session.probe".as_ptr());
        // SAFETY: context, name and text are valid.
        unsafe {
            api!(RedisModule_NotifyKeyspaceEvent(elsewhere.ctx(), raw::REDISMODULE_NOTIFY_MODULE, event, name.raw()))
        };
    }
    let displaces = server.database() != here;
    server.select(here);
    state::with(|state| state.displaces_clients = Some(displaces));
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
    guard("following a new key", || {
        // SAFETY: context and key are valid during the call.
        let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
        let is_written_by_a_master = server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) || server.is_replica();
        if is_written_by_a_master || !fence::may_stop(server.database(), name) {
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
    guard("fencing a socket off", || {
        // SAFETY: the context is valid during the call, and the data is the box of `on_new_key`.
        let (server, name) = unsafe { (Server::new(ctx), &*name.cast::<Name>()) };
        fence::enforce_now(&server, name);
    });
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
    guard("following a change", || {
        // SAFETY: context and key are valid during the call.
        let (server, name) = unsafe { (Server::new(ctx), bytes(key)) };
        if state::with(|state| state.watcher.cares_for(name)) {
            upkeep::changed(&server, Name::new(name));
        }
    });
    OK
}
