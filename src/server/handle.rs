//! A running server: opening keys, asking for permissions, changing.

use std::{
    cell::Cell,
    ffi::{CStr, c_int},
    marker::PhantomData,
    ptr::{NonNull, null, null_mut},
    slice,
    sync::OnceLock,
};

use redis_module::raw;
use redis_session_core::ports::{Keyspace, Kind};

use super::{
    call::{Call, CallArgument},
    keys::OpenKey,
};

/// Calls a function of the server's module API. All of them are there on every server that the module loads on, because
/// [`crate::callbacks`] refuses one that lacks any (see `require_functions` there).
macro_rules! api {
    ($name:ident($($argument:expr),* $(,)?)) => {{
        // A plain read of a function pointer that the server set before OnLoad and that nobody writes again.
        let function = redis_module::raw::$name;
        function.expect(concat!(stringify!($name), " is part of every supported server"))($($argument),*)
    }};
}
pub(crate) use api;

/// A string of the server: a key's name, or an argument. Owned: one reference is this value's.
#[derive(Debug)]
pub struct Name(pub(crate) NonNull<raw::RedisModuleString>);

impl Name {
    /// A copy of the bytes as a string of the server.
    pub fn new(bytes: &[u8]) -> Self {
        // SAFETY: the pointer and the length are those of a slice; the server copies it. Without a context the string is
        // the caller's to free.
        let string = unsafe { api!(RedisModule_CreateString(null_mut(), bytes.as_ptr().cast(), bytes.len())) };
        Self(NonNull::new(string).expect("the server aborts rather than to return no string"))
    }

    /// Shares a string that somebody else owns, such as an argument.
    ///
    /// # Safety
    /// `string` must be a valid string of the server, and this the server's main thread.
    pub(crate) unsafe fn share(string: *mut raw::RedisModuleString) -> Self {
        // SAFETY: the string is valid by contract; without a context the reference is ours until it is freed.
        unsafe { api!(RedisModule_RetainString(null_mut(), string)) };
        Self(NonNull::new(string).expect("a valid string is not null"))
    }

    pub(crate) fn raw(&self) -> *mut raw::RedisModuleString {
        self.0.as_ptr()
    }

    /// Hands the reference over to somebody who frees it.
    pub(crate) fn into_raw(self) -> *mut raw::RedisModuleString {
        std::mem::ManuallyDrop::new(self).raw()
    }
}

impl Clone for Name {
    /// Another reference to the same string.
    fn clone(&self) -> Self {
        // SAFETY: a Name holds a valid string.
        unsafe { Self::share(self.raw()) }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: one reference to the string is this value's, and given back once, here.
        unsafe { api!(RedisModule_FreeString(null_mut(), self.raw())) };
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the string lives as long as this value, and the server never changes one that is shared.
        unsafe { bytes(self.raw()) }
    }
}

/// The bytes of a string of the server.
///
/// # Safety
/// `string` must be valid and unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(string: *const raw::RedisModuleString) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the string is valid by contract.
    let start = unsafe { api!(RedisModule_StringPtrLen(string, &raw mut length)) };
    // SAFETY: the server gives a pointer to `length` bytes, valid as long as the string.
    unsafe { slice::from_raw_parts(start.cast(), length) }
}

/// One database of the server, seen through a context.
#[derive(Debug)]
pub struct Server {
    ctx: NonNull<raw::RedisModuleCtx>,
    /// The arguments of the command that the context is for, its name first, and how many; null for another context.
    argv: (*const *mut raw::RedisModuleString, usize),
    /// Makes it so that nobody who has borrowed the state can hold one: see `Session::with` of the core.
    not_unwind_safe: PhantomData<Cell<()>>,
}

impl Server {
    /// # Safety
    /// `ctx` must be a valid context for as long as the value is used, on the server's main thread.
    pub(crate) unsafe fn new(ctx: *mut raw::RedisModuleCtx) -> Self {
        Self {
            ctx: NonNull::new(ctx).expect("the server gives a context"),
            argv: (null(), 0),
            not_unwind_safe: PhantomData,
        }
    }

    /// The same for a command with these arguments, its name first.
    ///
    /// # Safety
    /// As for [`Server::new`]; `argv` must be `argc` valid strings for as long as the value is used.
    pub(crate) unsafe fn for_command(
        ctx: *mut raw::RedisModuleCtx,
        argv: *const *mut raw::RedisModuleString,
        argc: usize,
    ) -> Self {
        // SAFETY: the same contract.
        Self { argv: (argv, argc), ..unsafe { Self::new(ctx) } }
    }

    /// The arguments of the command that the context is for, its name first; none in another context.
    pub(crate) fn arguments(&self) -> &[*mut raw::RedisModuleString] {
        let (argv, argc) = self.argv;
        if argv.is_null() {
            return &[];
        }
        // SAFETY: who gave them promised that they live as long as this value.
        unsafe { slice::from_raw_parts(argv, argc) }
    }

    pub(crate) fn ctx(&self) -> *mut raw::RedisModuleCtx {
        self.ctx.as_ptr()
    }

    /// Whether the context has one of these flags (`REDISMODULE_CTX_FLAGS_*`).
    pub fn has_flag(&self, flag: u32) -> bool {
        // SAFETY: the context is valid.
        let flags = unsafe { api!(RedisModule_GetContextFlags(self.ctx())) };
        flags & c_int::try_from(flag).expect("context flags are small") != 0
    }

    /// The name of the caller's user, if the caller has one. Asks by client id first: `GetCurrentUserName` crashes servers up to 7.2 when the
    /// context's client has no user, as in a call from another module; only a call "as the user" tells without a crash.
    pub fn user_name(&self) -> Option<Name> {
        // SAFETY: the context is valid; the string returned is ours to free, or null.
        let name = unsafe {
            let id = api!(RedisModule_GetClientId(self.ctx()));
            api!(RedisModule_GetClientUserNameById(self.ctx(), id))
        };
        if let Some(name) = NonNull::new(name) {
            return Some(Name(name));
        }
        // With an argument too few it is refused before anybody's permissions are looked at.
        if Call::new(c"GET").as_caller().run(self).is_err_and(|refused| refused.has_no_user()) {
            return None;
        }
        // SAFETY: the context is valid, and its client has a user, or the call above would have been refused.
        let name = unsafe { api!(RedisModule_GetCurrentUserName(self.ctx())) };
        NonNull::new(name).map(Name)
    }
}

/// Writes a line to the server's log; `ctx` may be null.
pub(crate) fn log(ctx: *mut raw::RedisModuleCtx, level: &CStr, line: &str) {
    let line = std::ffi::CString::new(line.replace('\0', "\\0")).expect("NUL bytes were replaced");
    // SAFETY: the context is valid or null, which the server allows; the format takes one C string.
    unsafe { api!(RedisModule_Log(ctx, level.as_ptr(), c"%s".as_ptr(), line.as_ptr())) };
}

pub(crate) const OK: c_int = 0;

/// How keys are opened: for reading, and where the server can, without effect on its statistics, its notion of when the
/// key was used last, and its expiry. (7.0 knows `NOTOUCH` alone.)
fn reading_mode() -> c_int {
    const QUIET: u32 = raw::REDISMODULE_OPEN_KEY_NOTOUCH
        | raw::REDISMODULE_OPEN_KEY_NONOTIFY
        | raw::REDISMODULE_OPEN_KEY_NOSTATS
        | raw::REDISMODULE_OPEN_KEY_NOEXPIRE;
    // SAFETY: a plain read of a function pointer that is set before OnLoad; the function takes and keeps nothing.
    let known = unsafe { raw::RedisModule_GetOpenKeyModesAll.map(|modes| modes()) };
    let known = known.unwrap_or(c_int::try_from(raw::REDISMODULE_OPEN_KEY_NOTOUCH).expect("modes are small"));
    let quiet = c_int::try_from(QUIET).expect("modes are small") & known;
    c_int::try_from(raw::REDISMODULE_READ).expect("modes are small") | quiet
}

impl Keyspace for Server {
    type Name = Name;
    type Key<'a> = OpenKey<'a>;

    fn name(&self, bytes: &[u8]) -> Name {
        Name::new(bytes)
    }

    fn open<'a>(&'a self, name: &'a Name) -> Option<OpenKey<'a>> {
        if self.hides(name) {
            return None;
        }
        // SAFETY: context and name are valid; the server keeps its own reference to the name.
        let key = unsafe { api!(RedisModule_OpenKey(self.ctx(), name.raw(), reading_mode())) };
        NonNull::new(key.cast()).map(|key| OpenKey::new(key, self, name))
    }

    fn now(&self) -> u64 {
        // SAFETY: the call takes nothing.
        u64::try_from(unsafe { api!(RedisModule_Milliseconds()) }).unwrap_or_default()
    }

    fn fields_expire(&self) -> bool {
        // Asked without arguments, a server that knows the command says only that they are missing.
        static ANSWER: OnceLock<bool> = OnceLock::new();
        let knows = || !Call::new(c"HPEXPIRE").run(self).is_err_and(|refused| refused.is_unknown_command());
        *ANSWER.get_or_init(knows)
    }

    fn is_cluster(&self) -> bool {
        // A server is one or not for as long as it runs, and to ask makes it gather all of its flags.
        static ANSWER: OnceLock<bool> = OnceLock::new();
        *ANSWER.get_or_init(|| self.has_flag(raw::REDISMODULE_CTX_FLAGS_CLUSTER))
    }

    fn serves(&self, name: &Name) -> bool {
        // The module interface has no word for it, but a command with a key of another node's slot is refused.
        !self.is_cluster() || Call::new(c"EXISTS").with(CallArgument::Name(name)).run(self).is_ok()
    }

    fn contains(&self, name: &Name, kind: Kind, member: &[u8]) -> bool {
        let command = match kind {
            Kind::Set => c"SISMEMBER",
            Kind::SortedSet => c"ZSCORE",
            Kind::Hash => c"HEXISTS",
            Kind::List => c"LPOS",
            Kind::String | Kind::Stream | Kind::Other => return false,
        };
        let reply = Call::new(command).with(CallArgument::Name(name)).with(CallArgument::Bytes(member)).run(self);
        reply.is_ok_and(|reply| if kind == Kind::List { !reply.is_null() } else { reply.is_found() })
    }
}
