//! What the server tells the module by itself: commands before they run, changes of whole databases, time.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
    time::{Duration, Instant},
};

use redis_module::raw;
use redis_session_core::{
    ask::{follow, load, moving},
    ports::Keyspace,
    session::Ask,
    work,
};

use super::{
    OWN, filter, keyspace,
    unload::{self, Rest},
};
use crate::{
    module::{enter, look},
    server::{OK, Server, api, hidden},
};

/// A context of the module's own, for work that no command asked for. Set while the module is loaded.
static BACKGROUND: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(null_mut());

/// Timers that are set, by the server's numbers for them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timers {
    /// The one for the next slice of work.
    pub(super) slice: Option<u64>,
    /// The one for what is to be done as soon as the commands that clients have sent are done.
    pub(super) haste: Option<u64>,
    /// The one for when nodes of a cluster have had their time, and when that is.
    pub(super) alarm: Option<(u64, Instant)>,
    /// They rest while the module may be unloaded.
    pub(super) rest: Rest,
}

/// Begins to watch. `false` if the server refuses.
pub(super) fn start(server: &Server) -> bool {
    let is_idle = look(|state| state.watcher.is_idle());
    // SAFETY: the context is that of OnLoad; the callbacks live as long as the module is loaded, and the server forgets
    // them when it is unloaded.
    unsafe {
        BACKGROUND.store(api!(RedisModule_GetDetachedThreadSafeContext(server.ctx())), Ordering::Relaxed);
        let subscribe = |id| {
            let event = raw::RedisModuleEvent { id, dataver: 1 };
            api!(RedisModule_SubscribeToServerEvent(server.ctx(), event, Some(on_event))) == OK
        };
        if server.follows_arriving_slots() && !subscribe(ATOMIC_SLOT_MIGRATION) {
            return false;
        }
        if is_idle && !server.is_cluster() {
            return subscribe(raw::REDISMODULE_EVENT_CRON_LOOP);
        }
        let is_filtering = filter::start(server);
        let events = [
            raw::REDISMODULE_EVENT_CRON_LOOP,
            raw::REDISMODULE_EVENT_FLUSHDB,
            raw::REDISMODULE_EVENT_SWAPDB,
            raw::REDISMODULE_EVENT_LOADING,
        ];
        let subscribed = events.into_iter().all(subscribe) && keyspace::watch_loading(server);
        // No timer yet: a server that then refuses the module's options would find it, and crash over it.
        enter("meeting clients", server, follow::learn_of_clients);
        is_filtering && subscribed
    }
}

/// Frees what the server does not free by itself.
pub(super) fn stop() {
    filter::stop();
    let background = BACKGROUND.swap(null_mut(), Ordering::Relaxed);
    if !background.is_null() {
        // SAFETY: the context came from GetDetachedThreadSafeContext and is freed once, here.
        unsafe { api!(RedisModule_FreeThreadSafeContext(background)) };
    }
}

/// The database that the module sees when no command asked for anything. `None` if the module is not loaded.
pub fn background() -> Option<Server> {
    let ctx = BACKGROUND.load(Ordering::Relaxed);
    // SAFETY: the context is valid while the module is loaded, and this is the main thread.
    (!ctx.is_null()).then(|| unsafe { Server::new(ctx) })
}

/// Makes sure that [`work::tick`] is called soon.
pub fn wake(server: &Server) {
    if OWN.with(|own| own.timers.slice.is_none()) {
        let timer = set_timer(server, 1, on_timer);
        OWN.with(|own| own.timers.slice = Some(timer));
    }
}

/// The event of Valkey that tells of slots that move as a whole.
const ATOMIC_SLOT_MIGRATION: u64 = 19;

/// What is told with it.
#[repr(C)]
struct SlotMigration {
    version: u64,
    job: [c_char; 41],
    ranges: *const [c_int; 2],
    count: u32,
}

impl SlotMigration {
    /// The first and last slot of each range.
    fn ranges(&self) -> Vec<(u16, u16)> {
        let count = usize::try_from(self.count).unwrap_or_default();
        // SAFETY: the server gives a pointer to `count` ranges, valid during the call.
        let ranges = if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.ranges, count) } };
        let number = |slot: c_int| u16::try_from(slot).unwrap_or_default();
        ranges.iter().map(|[first, last]| (number(*first), number(*last))).collect()
    }
}

/// Slots begin to move as a whole, or have moved, or do not.
fn follow_slots(ask: Ask<'_, Server>, subevent: u64, ranges: &[(u16, u16)]) {
    const IMPORT_STARTED: u64 = 0;
    const IMPORT_ABORTED: u64 = 2;
    const IMPORT_COMPLETED: u64 = 4;
    const EXPORT_COMPLETED: u64 = 5;
    match subevent {
        IMPORT_STARTED => hidden::hide(ranges),
        IMPORT_ABORTED => hidden::show(ranges),
        IMPORT_COMPLETED => {
            hidden::show(ranges);
            moving::slots_arrived(ask, ranges.iter().flat_map(|(first, last)| *first..=*last));
        }
        EXPORT_COMPLETED => moving::keys_leave(ask),
        _ => {}
    }
}

/// What a timer calls.
type OnTimer = unsafe extern "C" fn(*mut raw::RedisModuleCtx, *mut c_void);

fn set_timer(server: &Server, milliseconds: i64, callback: OnTimer) -> u64 {
    // SAFETY: the context is valid; the callback takes no data, and lives as long as the module is loaded, since the server
    // does not unload it before.
    unsafe { api!(RedisModule_CreateTimer(server.ctx(), milliseconds, Some(callback), null_mut())) }
}

/// Makes sure that [`work::soon`] is called as soon as the commands that clients have sent are done.
pub fn hurry(server: &Server) {
    if OWN.with(|own| own.timers.haste.is_none()) {
        let timer = set_timer(server, 0, on_haste);
        OWN.with(|own| own.timers.haste = Some(timer));
    }
}

unsafe extern "C" fn on_haste(ctx: *mut raw::RedisModuleCtx, _: *mut c_void) {
    // SAFETY: the context is valid during the call.
    let server = unsafe { Server::new(ctx) };
    OWN.with(|own| own.timers.haste = None);
    if !server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) {
        enter("work after commands", &server, work::soon);
    }
}

/// Makes sure that [`work::soon`] is called after this time at the latest.
pub fn alarm(server: &Server, time: Duration) {
    let at = Instant::now() + time;
    let set = OWN.with(|own| own.timers.alarm);
    if set.is_some_and(|(_, set)| set <= at) {
        return;
    }
    if let Some((timer, _)) = set {
        // SAFETY: the context is valid; of a timer that is gone the server says so, and the callbacks take no data.
        unsafe { api!(RedisModule_StopTimer(server.ctx(), timer, null_mut())) };
    }
    // It must not go off a moment too early, and again and again until then.
    let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX).saturating_add(1);
    let timer = set_timer(server, milliseconds, on_alarm);
    OWN.with(|own| own.timers.alarm = Some((timer, at)));
}

unsafe extern "C" fn on_alarm(ctx: *mut raw::RedisModuleCtx, _: *mut c_void) {
    // SAFETY: the context is valid during the call.
    let server = unsafe { Server::new(ctx) };
    OWN.with(|own| own.timers.alarm = None);
    if server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) {
        wake(&server);
    } else {
        enter("work for a cluster", &server, work::soon);
    }
}

unsafe extern "C" fn on_timer(ctx: *mut raw::RedisModuleCtx, _: *mut c_void) {
    // SAFETY: the context is valid during the call.
    let server = unsafe { Server::new(ctx) };
    // What comes after this needs a timer of its own, and a defect must not leave the module asleep.
    OWN.with(|own| own.timers.slice = None);
    if server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) {
        wake(&server);
    } else {
        enter("work between commands", &server, work::tick);
    }
}

unsafe extern "C" fn on_event(
    ctx: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    // SAFETY: the context is valid during the call.
    let server = unsafe { Server::new(ctx) };
    enter("following an event", &server, |ask| follow_event(ask, &event, subevent, data));
}

fn follow_event(ask: Ask<'_, Server>, event: &raw::RedisModuleEvent, subevent: u64, data: *mut c_void) {
    let number = |database: i32| usize::try_from(database).ok();
    match (event.id, subevent) {
        (raw::REDISMODULE_EVENT_CRON_LOOP, _) => {
            unload::go_on(ask.host);
            if !ask.host.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) {
                work::cron(ask);
            }
        }
        (raw::REDISMODULE_EVENT_FLUSHDB, raw::REDISMODULE_SUBEVENT_FLUSHDB_END) => {
            // SAFETY: the server passes this structure with this event.
            let info = unsafe { &*data.cast::<raw::RedisModuleFlushInfo>() };
            load::flushed(ask, number(info.dbnum));
        }
        (ATOMIC_SLOT_MIGRATION, _) => {
            // SAFETY: the server passes this structure with this event.
            follow_slots(ask, subevent, &unsafe { &*data.cast::<SlotMigration>() }.ranges());
        }
        (raw::REDISMODULE_EVENT_SWAPDB, _) => {
            // SAFETY: the server passes this structure with this event.
            let info = unsafe { &*data.cast::<raw::RedisModuleSwapDbInfo>() };
            if let (Some(first), Some(second)) = (number(info.dbnum_first), number(info.dbnum_second)) {
                load::swapped(ask, first, second);
            }
        }
        // The module is shown each key of an RDB file, but not the commands of an append-only file.
        (
            raw::REDISMODULE_EVENT_LOADING,
            raw::REDISMODULE_SUBEVENT_LOADING_RDB_START | raw::REDISMODULE_SUBEVENT_LOADING_REPL_START,
        ) => keyspace::loading_begins(ask),
        (raw::REDISMODULE_EVENT_LOADING, raw::REDISMODULE_SUBEVENT_LOADING_ENDED) => {
            ask.host.find_hidden();
            keyspace::loading_ends(ask);
        }
        (raw::REDISMODULE_EVENT_LOADING, _) => load::rebuild_everything(ask),
        _ => {}
    }
}
