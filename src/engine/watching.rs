//! What the server tells the module by itself: commands before they run, changes of whole databases, time.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use redis_module::raw;

use super::{
    border::guard,
    call::{Argument, Call},
    server::{Name, OK, Server, api, bytes},
};
use crate::{
    faults,
    plan::MOST_MEMBERS,
    state,
    sweep::{candidates, fence},
    upkeep,
    watcher::{self, ANYBODY, Effect, Meaning, Suspect, Transactions},
};

/// A context of the module's own, for work that no command asked for. Set while the module is loaded.
static BACKGROUND: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(null_mut());

/// What is called for a keyspace event.
type Callback =
    unsafe extern "C" fn(*mut raw::RedisModuleCtx, c_int, *const c_char, *mut raw::RedisModuleString) -> c_int;

/// Begins to watch. `false` if the server refuses.
pub(super) fn start(server: &Server) -> bool {
    let is_idle = state::with(|state| state.watcher.is_idle());
    // SAFETY: the context is that of OnLoad; the callbacks live as long as the module is loaded, and the server forgets
    // them when it is unloaded.
    unsafe {
        BACKGROUND.store(api!(RedisModule_GetDetachedThreadSafeContext(server.ctx())), Ordering::Relaxed);
        let subscribe = |id| {
            let event = raw::RedisModuleEvent { id, dataver: 1 };
            api!(RedisModule_SubscribeToServerEvent(server.ctx(), event, Some(on_event))) == OK
        };
        if is_idle {
            return subscribe(raw::REDISMODULE_EVENT_CRON_LOOP);
        }
        let no_self = c_int::try_from(raw::REDISMODULE_CMDFILTER_NOSELF).unwrap_or_default();
        let filter = api!(RedisModule_RegisterCommandFilter(server.ctx(), Some(on_command), no_self));
        let events = [
            raw::REDISMODULE_EVENT_CRON_LOOP,
            raw::REDISMODULE_EVENT_FLUSHDB,
            raw::REDISMODULE_EVENT_SWAPDB,
            raw::REDISMODULE_EVENT_LOADING,
        ];
        // Nothing but loading brings this about, so other writes cost no more for it.
        let loaded = c_int::try_from(raw::REDISMODULE_NOTIFY_LOADED).unwrap_or_default();
        let subscribed = events.into_iter().all(subscribe)
            && api!(RedisModule_SubscribeToKeyspaceEvents(server.ctx(), loaded, Some(on_loaded))) == OK;
        // No timer yet: a server that then refuses the module's options would find it, and crash over it.
        upkeep::meet_clients(server);
        !filter.is_null() && subscribed
    }
}

/// Frees what the server does not free by itself.
pub(super) fn stop() {
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

/// Makes sure that [`upkeep::tick`] is called soon.
pub fn wake(server: &Server) {
    if !state::with(|state| std::mem::replace(&mut state.is_awake, true)) {
        set_timer(server);
    }
}

/// The same, without a context at hand.
pub fn wake_from_background() {
    if let Some(server) = background() {
        wake(&server);
    }
}

fn set_timer(server: &Server) {
    // SAFETY: the context is valid; the callback takes no data.
    unsafe { api!(RedisModule_CreateTimer(server.ctx(), 1, Some(on_timer), null_mut())) };
}

unsafe extern "C" fn on_timer(ctx: *mut raw::RedisModuleCtx, _: *mut c_void) {
    // SAFETY: the context is valid during the call.
    let server = unsafe { Server::new(ctx) };
    guard("work between commands", || {
        // What comes after this needs a timer of its own, and a defect must not leave the module asleep.
        state::with(|state| state.is_awake = false);
        if server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) || upkeep::tick(&server) {
            wake(&server);
        }
    });
}

/// Called for every command of the server: whatever is done here, everybody pays for. So the command's name is not even
/// read unless it stands alone or an argument looks interesting.
unsafe extern "C" fn on_command(filter: *mut raw::RedisModuleCommandFilterCtx) {
    guard("watching a command", || {
        let command = Arguments(filter);
        let count = command.count();
        let is_interesting = || state::with(|state| (1..count).any(|at| state.watcher.may_matter(command.get(at))));
        if count == 1 || (count > 1 && is_interesting()) {
            look_at(&command, count);
        }
    });
}

/// A command that is about to run, its name first.
struct Arguments(*mut raw::RedisModuleCommandFilterCtx);

impl Arguments {
    fn count(&self) -> c_int {
        // SAFETY: the filter's context is valid during the call for which this value lives.
        unsafe { api!(RedisModule_CommandFilterArgsCount(self.0)) }
    }

    fn get(&self, at: c_int) -> &[u8] {
        // SAFETY: as above, and with it the arguments; callers ask for one that there is.
        unsafe { bytes(api!(RedisModule_CommandFilterArgGet(self.0, at))) }
    }

    fn share(&self, at: c_int) -> Name {
        // SAFETY: as above; sharing keeps the argument valid after the call.
        unsafe { Name::share(api!(RedisModule_CommandFilterArgGet(self.0, at))) }
    }

    fn suspect(&self, key: c_int, member: Option<c_int>) -> Suspect<Name> {
        Suspect { key: self.share(key), member: member.map(|at| self.share(at)) }
    }

    /// Where the members stand that the command adds to its first argument. `None` if it does something else, or if they
    /// are so many that the collection is better read as a whole.
    fn members(&self, effect: Effect, count: c_int) -> Option<Vec<c_int>> {
        let Effect::Adds(members) = effect else { return None };
        let number = |at: usize| c_int::try_from(at).unwrap_or_default();
        let positions = members.positions(usize::try_from(count).unwrap_or_default(), |at| self.get(number(at)));
        let positions: Vec<c_int> = positions.take(MOST_MEMBERS + 1).map(number).collect();
        (positions.len() <= MOST_MEMBERS).then_some(positions)
    }

    /// The client that sends the command, where the server says it.
    fn client(&self) -> u64 {
        // SAFETY: as above; the function is asked for first, since 7.0 lacks it.
        unsafe { raw::RedisModule_CommandFilterGetClientId.map_or(ANYBODY, |id| id(self.0)) }
    }
}

#[cold]
fn look_at(command: &Arguments, count: c_int) {
    let name = command.get(0);
    let meaning = watcher::meaning(name);
    if meaning != Meaning::Ordinary {
        return on_special(command, meaning, (count > 1).then(|| command.get(1)));
    }
    let watcher = state::with(|state| state.watcher.clone());
    let is_cared_for = |at: &c_int| watcher.cares_for(command.get(*at));
    let Some(first) = (1..count).find(is_cared_for) else { return };
    let Some(server) = background() else { return };
    let effect = watcher::effect(name, server.is_replica());
    let is_of_interest = |at: &c_int| match effect {
        Effect::Nothing => false,
        Effect::Takes => watcher.is_vital(command.get(*at)),
        Effect::Adds(_) | Effect::Anything => true,
    };
    let mut keys = (first..count).filter(is_cared_for).filter(is_of_interest).peekable();
    if keys.peek().is_none() {
        return;
    }
    faults::point("watch", command.get(first));
    let (client, may_wait) = (command.client(), watcher::may_wait(name));
    let members = if first == 1 {
        command.members(effect, count).filter(|_| watcher.is_collection(command.get(1)))
    } else {
        None
    };
    match members {
        Some(members) => {
            let others = keys.filter(|at| *at != 1).map(|at| command.suspect(at, None)).collect::<Vec<_>>();
            let members = members.into_iter().map(|member| command.suspect(1, Some(member)));
            upkeep::suspect(&server, client, members.chain(others), may_wait);
        }
        None => upkeep::suspect(&server, client, keys.map(|at| command.suspect(at, None)), may_wait),
    }
}

fn on_special(command: &Arguments, meaning: Meaning, first: Option<&[u8]>) {
    let Some(server) = background() else { return };
    let client = command.client();
    match meaning {
        Meaning::Ordinary => {}
        Meaning::Begin => state::with(|state| state.transactions.begin(client)),
        Meaning::Execute => upkeep::executes(&server, client),
        // A client that cannot be told apart may have had no transaction to drop.
        Meaning::Reset if client == ANYBODY => {}
        Meaning::Discard | Meaning::Reset => upkeep::discards(&server, client),
        Meaning::Anything => {
            if first.is_some_and(watcher::populates) && server.allows_debug() {
                upkeep::suspect_everything(&server, client);
            }
        }
    }
}

unsafe extern "C" fn on_event(
    ctx: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    let number = |database: i32| usize::try_from(database).ok();
    guard("following an event", || match (event.id, subevent) {
        (raw::REDISMODULE_EVENT_CRON_LOOP, _) => {
            // SAFETY: the context is valid during the call.
            let server = unsafe { Server::new(ctx) };
            if !server.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING) {
                upkeep::cron(&server);
            }
        }
        (raw::REDISMODULE_EVENT_FLUSHDB, raw::REDISMODULE_SUBEVENT_FLUSHDB_END) => {
            // SAFETY: the server passes this structure with this event.
            let info = unsafe { &*data.cast::<raw::RedisModuleFlushInfo>() };
            upkeep::flushed(number(info.dbnum));
        }
        (raw::REDISMODULE_EVENT_SWAPDB, _) => {
            // SAFETY: the server passes this structure with this event.
            let info = unsafe { &*data.cast::<raw::RedisModuleSwapDbInfo>() };
            if let (Some(first), Some(second)) = (number(info.dbnum_first), number(info.dbnum_second)) {
                upkeep::swapped(first, second);
            }
        }
        // The module is shown each key of an RDB file, but not the commands of an append-only file.
        (
            raw::REDISMODULE_EVENT_LOADING,
            raw::REDISMODULE_SUBEVENT_LOADING_RDB_START | raw::REDISMODULE_SUBEVENT_LOADING_REPL_START,
        ) => {
            // SAFETY: the context is valid during the call.
            let server = unsafe { Server::new(ctx) };
            upkeep::loading_begins(&server);
        }
        (raw::REDISMODULE_EVENT_LOADING, raw::REDISMODULE_SUBEVENT_LOADING_ENDED) => upkeep::loading_ends(),
        (raw::REDISMODULE_EVENT_LOADING, _) => upkeep::rebuild_everything(),
        _ => {}
    });
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
        if upkeep::follows_loading(server.database(), name) {
            // The key may be on the server's stack, where it cannot be shared.
            upkeep::loaded(&server, Name::new(name));
        }
    });
    OK
}

/// Watches keyspace events too, from now on. They make every write of the server dearer, so this is the last resort,
/// where clients cannot be told apart and their transactions could not be followed.
pub fn watch_events(server: &Server) {
    let events = raw::REDISMODULE_NOTIFY_NEW
        | raw::REDISMODULE_NOTIFY_STRING
        | raw::REDISMODULE_NOTIFY_HASH
        | raw::REDISMODULE_NOTIFY_SET
        | raw::REDISMODULE_NOTIFY_ZSET
        | raw::REDISMODULE_NOTIFY_LIST;
    // SAFETY: the context is valid; the callback lives as long as the module is loaded.
    let subscribed = unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(server.ctx(), events, Some(on_change))) };
    let is_watching = subscribed == OK;
    // What is queued will be seen when it changes something.
    state::with(|state| {
        state.watches_events = is_watching;
        state.transactions = Transactions::default();
        state.restless.clear();
    });
    server.log(
        c"notice",
        "transactions of several clients overlap and this server does not tell clients apart; \
         watching keyspace events instead, which makes every write a little slower",
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
    // SAFETY: a plain read of a function pointer that the server set before OnLoad.
    if unsafe { raw::RedisModule_AddPostNotificationJob }.is_some() {
        watch(server, raw::REDISMODULE_NOTIFY_NEW, on_new_key);
    }
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
        if is_written_by_a_master || !fence::stops(server.database(), name) {
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
        fence::enforce(&server, name);
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
        let expected = ConnectedClient { id: 7, has_transaction: false, is_blocked: true, command: b"blmove".to_vec() };
        assert_eq!(ConnectedClient::read(line), Some(expected));
        let line = b"id=8 flags=x multi=2 cmd=set";
        let expected = ConnectedClient { id: 8, has_transaction: true, is_blocked: false, command: b"set".to_vec() };
        assert_eq!(ConnectedClient::read(line), Some(expected));
        assert_eq!(ConnectedClient::read(b""), None);
    }
}
