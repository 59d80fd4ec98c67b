//! Loading and unloading the module.

use std::{
    ffi::{CStr, CString, c_int},
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
};

use redis_module::raw;
use redis_session_core::{
    config::{OptionError, Options},
    info,
    journal::Level,
    layout::{LARGEST, Layout, LayoutError, Unsaid},
    ports::{Host, Keyspace},
    session::Session,
};

use super::{OWN, bus, commands::NotRegistered, guard, options, server_events};
use crate::{
    module,
    server::{
        OK, Server, api,
        call::{Call, CallArgument},
        forget_accounts, hidden, log,
    },
};

/// Why the module does not load. The text is one sentence that says what to fix.
#[derive(Debug)]
pub enum LoadError {
    /// The module arguments.
    Options(OptionError),
    /// The layout's file.
    Unreadable(String, io::Error),
    /// What the layout's path names is a device, a pipe or a directory.
    NotAFile(String),
    /// The layout's file is larger than any layout.
    TooLarge(String),
    /// What stands in it.
    Layout(String, LayoutError),
    /// What it does not say and the module arguments need.
    Unsaid(String, Unsaid),
    /// A command of the module.
    Command(NotRegistered),
    /// A command of the server that a logout needs.
    MissingCommand(&'static CStr),
    /// The server's module API lacks what the module needs.
    TooOld,
    /// Something else that the server did not take.
    Refused(&'static str),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => write!(f, "{error}"),
            Self::Unreadable(path, error) => write!(f, "layout {path}: {error}"),
            Self::NotAFile(path) => write!(f, "layout {path}: it must be a regular file"),
            Self::TooLarge(path) => {
                write!(f, "layout {path}: it must not be larger than {LARGEST} bytes (16 MB)")
            }
            Self::Layout(path, error) => write!(f, "layout {path}: {error}"),
            Self::Unsaid(path, unsaid) => write!(f, "sweep-interval, expire-cascade: layout {path}: {unsaid}"),
            Self::Command(NotRegistered(name)) => {
                write!(
                    f,
                    "the server does not take the command {}; is another module using the name?",
                    name.to_string_lossy()
                )
            }
            Self::MissingCommand(name) => write!(
                f,
                "the server has no command {}, which the module needs; remove its rename-command from the configuration",
                name.to_string_lossy()
            ),
            Self::TooOld => write!(f, "the server is too old; redis-session needs Redis 7.0.6, Valkey, or newer"),
            Self::Refused(what) => write!(f, "the server refused {what}"),
        }
    }
}

/// Loads the module, with its arguments. `register` registers the commands. `false` if it does not load; the log says why.
pub fn load<'a>(
    server: &Server,
    arguments: impl Iterator<Item = &'a [u8]>,
    register: fn(&Server) -> Result<(), NotRegistered>,
) -> bool {
    guard::note_panics();
    let loaded = guard::guard("loading", || start(server, arguments, register));
    if let Some(Err(error)) = &loaded {
        log(server.ctx(), c"warning", &format!("redis-session does not load: {error}"));
    }
    let is_loaded = matches!(loaded, Some(Ok(())));
    if !is_loaded {
        unload();
    }
    is_loaded
}

/// Gives back everything, before the module's code goes and when loading failed: what lies in a static is not dropped by
/// itself.
pub fn unload() {
    server_events::stop();
    options::stop();
    module::set(None);
    OWN.forget();
    forget_accounts();
    hidden::forget();
    guard::forget_panics();
}

fn start<'a>(
    server: &Server,
    arguments: impl Iterator<Item = &'a [u8]>,
    register: fn(&Server) -> Result<(), NotRegistered>,
) -> Result<(), LoadError> {
    require_functions()?;
    let arguments = Options::parse(arguments).map_err(LoadError::Options)?;
    let layout = read_layout(&arguments.layout)?;
    arguments.allowed_by(&layout).map_err(|unsaid| LoadError::Unsaid(arguments.layout.clone(), unsaid))?;
    require_commands(server)?;
    require(server, layout.then.iter().map(|then| then.command.name))?;
    let databases = (0..usize::MAX).take_while(|database| server.select(*database)).count();
    server.select(0);
    let name = layout.name.clone();
    module::set(Some(Session::new(layout, databases, arguments.clone(), server.now(), server.instant())));
    register(server).map_err(LoadError::Command)?;
    if !options::register(server, arguments) {
        return Err(LoadError::Refused("the options"));
    }
    // SAFETY: the context is that of OnLoad; the callback lives as long as the module is loaded.
    if unsafe { api!(RedisModule_RegisterInfoFunc(server.ctx(), Some(on_info))) } != OK {
        return Err(LoadError::Refused("the INFO section"));
    }
    if !server_events::start(server) {
        return Err(LoadError::Refused("to be watched"));
    }
    // Nothing may refuse to load the module after this: servers do not forget who hears the bus.
    bus::listen(server);
    server.log(Level::Notice, &format!("redis-session {} is loaded, layout '{name}'", env!("CARGO_PKG_VERSION")));
    Ok(())
}

fn read_layout(path: &str) -> Result<Layout, LoadError> {
    if path == "easyshare" {
        return Ok(Layout::easyshare());
    }
    let text = read_file(path)?;
    Layout::parse(&text).map_err(|error| LoadError::Layout(path.to_owned(), error))
}

/// Reads a regular file that is not too large. What it is, the open file says and not the path, which may come to name
/// something else in between.
fn read_file(path: &str) -> Result<String, LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_owned(), error);
    // To open a pipe would wait for a writer, and a terminal could become the server's own.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(LoadError::NotAFile(path.to_owned()));
    }
    let mut text = Vec::new();
    // The size that a file says it has may change, and some of `/proc` say 0. One byte more tells that there are more.
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(LoadError::TooLarge(path.to_owned()));
    }
    String::from_utf8(text).map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// Functions that came with Redis 7.0, and one with 7.0.6; with them all others are there that the module needs.
fn require_functions() -> Result<(), LoadError> {
    // SAFETY: plain reads of function pointers that the server set before OnLoad.
    let has_all = unsafe {
        { raw::RedisModule_ReplyWithMap }.is_some()
            && { raw::RedisModule_ACLCheckKeyPermissions }.is_some()
            && { raw::RedisModule_GetModuleUserFromUserName }.is_some()
            && { raw::RedisModule_GetModuleUserACLString }.is_some()
            && { raw::RedisModule_RegisterEnumConfig }.is_some()
            && { raw::RedisModule_LoadConfigs }.is_some()
    };
    if has_all { Ok(()) } else { Err(LoadError::TooOld) }
}

/// The commands by which traces are found and removed, and what clients do is followed. They can be missing only by configuration, which cannot change
/// while the server runs: so a logout need not fear it.
fn require_commands(server: &Server) -> Result<(), LoadError> {
    let commands = [
        c"UNLINK",
        c"SET",
        c"SREM",
        c"ZREM",
        c"HDEL",
        c"LREM",
        c"SISMEMBER",
        c"ZSCORE",
        c"HEXISTS",
        c"LPOS",
        c"LRANGE",
        c"EXISTS",
        c"GET",
        c"CLIENT",
    ];
    // By these the module follows transactions.
    require(server, commands.into_iter().chain([c"MULTI", c"EXEC", c"DISCARD"]))
}

/// Says which of these commands the server does not have. Without arguments they do nothing, and those that take none do nothing
/// with one too many.
fn require(server: &Server, mut commands: impl Iterator<Item = &'static CStr>) -> Result<(), LoadError> {
    let surplus = |command| {
        let takes_none = [c"MULTI", c"EXEC", c"DISCARD"].contains(&command);
        takes_none.then_some(CallArgument::Bytes(b""))
    };
    let is_missing = |command: &&'static CStr| {
        let call = surplus(command).into_iter().fold(Call::new(command), Call::with);
        call.run(server).is_err_and(|refused| refused.is_unknown_command())
    };
    commands.find(is_missing).map_or(Ok(()), |name| Err(LoadError::MissingCommand(name)))
}

unsafe extern "C" fn on_info(ctx: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    // A crash may have struck in the middle of anything.
    if for_crash_report != 0 {
        return;
    }
    let fields =
        server_events::background().and_then(|server| module::enter("INFO", &server, info::fields)).unwrap_or_default();
    // SAFETY: the context is valid during the call; the server copies names and values.
    unsafe {
        api!(RedisModule_InfoAddSection(ctx, c"".as_ptr()));
        for (name, value) in fields {
            let (name, value) = (CString::new(name).unwrap_or_default(), CString::new(value).unwrap_or_default());
            api!(RedisModule_InfoAddFieldCString(ctx, name.as_ptr(), value.as_ptr()));
        }
    }
}
