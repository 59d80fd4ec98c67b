//! Every command before it runs.

use std::{
    ffi::c_int,
    iter,
    ptr::null_mut,
    rc::Rc,
    sync::atomic::{AtomicPtr, Ordering},
};

use redis_module::raw;
use redis_session_core::{
    ask::{follow, moving},
    faults,
    plan::MOST_MEMBERS,
    session::Ask,
    tracker::ANYBODY,
    watcher::{self, Effect, Meaning, Suspect, Watcher},
};

use super::{guard::guard, server_events::background, unload};
use crate::{
    module::{enter, look},
    server::{Name, Server, api, bytes},
};

/// How many words `MIGRATE` has at least.
const SHORTEST_MIGRATE: c_int = 6;

/// The core's watcher; null while the module is not loaded. It is here too because a command that has nothing to do with the
/// layout is let pass without a guard and without borrowing the core's state, which would double what it pays.
static WATCHER: AtomicPtr<Watcher> = AtomicPtr::new(null_mut());

/// Begins to see commands. `false` if the server refuses.
pub(super) fn start(server: &Server) -> bool {
    let watcher = look(|state| state.watcher.clone());
    WATCHER.store(Rc::into_raw(watcher).cast_mut(), Ordering::Relaxed);
    let no_self = c_int::try_from(raw::REDISMODULE_CMDFILTER_NOSELF).unwrap_or_default();
    // SAFETY: the context is that of OnLoad; the callback lives as long as the module is loaded, and the server forgets it
    // when the module is unloaded.
    let filter = unsafe { api!(RedisModule_RegisterCommandFilter(server.ctx(), Some(on_command), no_self)) };
    !filter.is_null()
}

/// Lets the watcher go. Commands that still come pass.
pub(super) fn stop() {
    let watcher = WATCHER.swap(null_mut(), Ordering::Relaxed);
    if !watcher.is_null() {
        // SAFETY: it came from `Rc::into_raw` and is given back once, here.
        drop(unsafe { Rc::from_raw(watcher) });
    }
}

/// Called for every command of the server: whatever is done here, everybody pays for. So the command's name is not even
/// read unless it stands alone or an argument looks interesting.
unsafe extern "C" fn on_command(filter: *mut raw::RedisModuleCommandFilterCtx) {
    const DOING: &str = "watching a command";
    let command = FilteredCommand(filter);
    let count = command.count();
    if count == 1 {
        let meaning = watcher::meaning(command.get(0));
        if meaning != Meaning::Ordinary {
            background().map(|server| enter(DOING, &server, |ask| on_special(ask, &command, meaning, None)));
        }
        return;
    }
    if count >= SHORTEST_MIGRATE && command.get(0).eq_ignore_ascii_case(b"MIGRATE") {
        background().map(|server| enter(DOING, &server, moving::keys_leave));
    }
    // SAFETY: it is there until `stop`, and the server calls modules on one thread at a time: see `crate::threads`.
    let Some(watcher) = (unsafe { WATCHER.load(Ordering::Relaxed).as_ref() }) else { return };
    let Some(first) = (1..count).find(|at| watcher.may_begin(command.get(*at))) else { return };
    let may_matter = || (first..count).find(|at| watcher.may_matter(command.get(*at)));
    if let Some(first) = guard(DOING, may_matter).flatten() {
        background().map(|server| enter(DOING, &server, |ask| look_at(ask, &command, first, count)));
    }
}

/// A command that is about to run, its name first.
struct FilteredCommand(*mut raw::RedisModuleCommandFilterCtx);

impl FilteredCommand {
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
    /// are more than [`MOST_MEMBERS`], when the collection is better read as a whole.
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

/// Looks at a command; no argument before `first` matters.
#[cold]
fn look_at(ask: Ask<'_, Server>, command: &FilteredCommand, first: c_int, count: c_int) {
    let name = command.get(0);
    let meaning = watcher::meaning(name);
    if meaning != Meaning::Ordinary {
        return on_special(ask, command, meaning, Some(command.get(1)));
    }
    if watcher::populates(command.get(1)) && watcher::effect(name) == Effect::Anything {
        on_unknown_populate(ask, command.client());
    }
    if watcher::unloads(command.get(1)) && count > 2 && command.get(2).eq_ignore_ascii_case(b"session") {
        unload::make_way(ask.host);
    }
    let watcher = ask.state(|state| state.watcher.clone());
    let is_cared_for = |at: &c_int| watcher.cares_for(command.get(*at));
    let Some(first) = (first..count).find(is_cared_for) else { return };
    let effect = watcher::effect(name);
    let is_of_interest = |at: &c_int| match effect {
        Effect::Nothing => false,
        Effect::Takes => watcher.is_vital(command.get(*at)),
        Effect::Adds(_) | Effect::Anything => true,
    };
    let others = (first + 1..count).filter(is_cared_for);
    let mut keys = iter::once(first).chain(others).filter(is_of_interest).peekable();
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
            follow::suspect(ask, client, members.chain(others), may_wait);
        }
        None => follow::suspect(ask, client, keys.map(|at| command.suspect(at, None)), may_wait),
    }
}

/// `DEBUG` may have another name.
fn on_unknown_populate(ask: Ask<'_, Server>, client: u64) {
    if ask.host.allows_debug() && !ask.host.has_command(c"DEBUG") {
        follow::suspect_populating(ask, client);
    }
}

fn on_special(ask: Ask<'_, Server>, command: &FilteredCommand, meaning: Meaning, first: Option<&[u8]>) {
    let client = command.client();
    match meaning {
        Meaning::Ordinary => {}
        Meaning::Begin => follow::begins(ask, client),
        Meaning::Execute => follow::executes(ask, client),
        // A client that cannot be told apart may have had no transaction to drop.
        Meaning::Reset if client == ANYBODY => {}
        Meaning::Discard | Meaning::Reset => follow::discards(ask, client),
        Meaning::Anything => {
            if first.is_some_and(watcher::populates) && ask.host.allows_debug() {
                follow::suspect_populating(ask, client);
            }
        }
    }
}
