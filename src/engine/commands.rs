//! Registering commands, and the way into them.

use std::{
    ffi::{CStr, c_int},
    ptr::{null, null_mut},
};

use redis_module::raw;

use super::{
    border::guard,
    keyspace,
    reply::Reply,
    server::{OK, Server, api, bytes},
};
use crate::error::Error;

/// A command of the module.
pub trait Command {
    /// What the server is told of it.
    const INFO: Info;

    /// Carries it out. `arguments` are those behind the command's name.
    ///
    /// # Errors
    /// Whatever it refuses; then it changed nothing.
    fn run(server: &Server, arguments: &[&[u8]]) -> Result<Reply, Error>;
}

/// What the server is told of a command: for `COMMAND INFO`, `COMMAND DOCS`, access control, and cluster clients.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Its name, in lower case.
    pub name: &'static CStr,
    /// Flags as `RM_CreateCommand` takes them.
    pub flags: &'static CStr,
    /// Access control categories besides those that follow from the flags.
    pub categories: &'static CStr,
    /// How many arguments it takes, its name included; negative for "at least".
    pub arity: c_int,
    /// What it does, in a line.
    pub summary: &'static CStr,
    /// What it costs.
    pub complexity: &'static CStr,
    /// Command tips, separated by spaces.
    pub tips: Option<&'static CStr>,
    /// Its arguments.
    pub arguments: &'static [Argument],
}

/// An argument, as `COMMAND DOCS` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static CStr,
    /// The word that it begins with.
    pub token: Option<&'static CStr>,
    /// Whether it is that word alone.
    pub is_flag: bool,
    /// Whether it is a whole number.
    pub is_number: bool,
    /// Whether it may be left out.
    pub is_optional: bool,
}

/// The server refused a command; the log says which.
#[derive(Debug)]
pub struct NotRegistered(pub &'static CStr);

/// Registers a command.
///
/// # Errors
/// [`NotRegistered`].
pub fn register<C: Command>(server: &Server) -> Result<(), NotRegistered> {
    let info = C::INFO;
    // SAFETY: the context is that of OnLoad; all strings live as long as the program.
    let created = unsafe {
        let name = info.name.as_ptr();
        api!(RedisModule_CreateCommand(server.ctx(), name, Some(enter::<C>), info.flags.as_ptr(), 0, 0, 0))
    };
    if created != OK {
        return Err(NotRegistered(info.name));
    }
    describe(server, &info);
    Ok(())
}

/// Documents a command, where the server can hold it. It copies what it is given.
fn describe(server: &Server, info: &Info) {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1,
        sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut arguments: Vec<_> = info.arguments.iter().map(|argument| argument.raw()).collect();
    // SAFETY: all fields are pointers and numbers, for which zeros are valid; a null name ends the list.
    arguments.push(unsafe { std::mem::zeroed() });
    let raw_info = raw::RedisModuleCommandInfo {
        version: &raw const version,
        summary: info.summary.as_ptr(),
        complexity: info.complexity.as_ptr(),
        since: c"0.1.0".as_ptr(),
        history: null_mut(),
        tips: info.tips.map_or(null(), CStr::as_ptr),
        arity: info.arity,
        key_specs: null_mut(),
        args: arguments.as_mut_ptr(),
    };
    // SAFETY: the command was just created under this name; the structures are as the server's header says and live
    // through the calls. Both functions are asked for first: 7.0 has no categories.
    unsafe {
        let command = api!(RedisModule_GetCommand(server.ctx(), info.name.as_ptr()));
        if let Some(set_info) = raw::RedisModule_SetCommandInfo {
            set_info(command, &raw const raw_info);
        }
        if let Some(set_categories) = raw::RedisModule_SetCommandACLCategories {
            set_categories(command, info.categories.as_ptr());
        }
    }
}

impl Argument {
    /// A value that must be there.
    pub const fn required(name: &'static CStr) -> Self {
        Self { name, token: None, is_flag: false, is_number: false, is_optional: false }
    }

    /// A value behind a word, both of which may be left out.
    pub const fn option(token: &'static CStr, name: &'static CStr) -> Self {
        Self { token: Some(token), is_optional: true, ..Self::required(name) }
    }

    /// A number behind a word, both of which may be left out.
    pub const fn number(token: &'static CStr, name: &'static CStr) -> Self {
        Self { is_number: true, ..Self::option(token, name) }
    }

    /// A word that may be left out.
    pub const fn flag(token: &'static CStr, name: &'static CStr) -> Self {
        Self { is_flag: true, ..Self::option(token, name) }
    }

    fn raw(&self) -> raw::RedisModuleCommandArg {
        let kind = if self.is_flag {
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN
        } else if self.is_number {
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER
        } else {
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING
        };
        let optional = if self.is_optional { raw::REDISMODULE_CMD_ARG_OPTIONAL } else { 0 };
        raw::RedisModuleCommandArg {
            name: self.name.as_ptr(),
            type_: kind,
            key_spec_index: -1,
            token: self.token.map_or(null(), CStr::as_ptr),
            summary: null(),
            since: null(),
            flags: c_int::try_from(optional).unwrap_or_default(),
            deprecated_since: null(),
            subargs: null_mut(),
            display_text: null(),
        }
    }
}

/// Where the server calls a command.
unsafe extern "C" fn enter<C: Command>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the context is valid for the whole call, and the server gives `argc` valid strings, unchanged during it.
    let server = unsafe { Server::for_command(ctx, argv, usize::try_from(argc).unwrap_or_default()) };
    let result = guard(&C::INFO.name.to_string_lossy(), || {
        let strings = server.arguments().iter().skip(1);
        // SAFETY: as above.
        let arguments: Vec<&[u8]> = strings.map(|string| unsafe { bytes(*string) }).collect();
        keyspace::meet_command(&server);
        C::run(&server, &arguments)
    });
    reply(&server, result);
    OK
}

/// Sends what came of a command; `None` if a defect was caught.
pub(super) fn reply(server: &Server, result: Option<Result<Reply, Error>>) {
    match result {
        Some(Ok(Reply::Later)) => {}
        Some(Ok(reply)) => server.send(&reply),
        Some(Err(Error::WrongArity)) => server.send_wrong_arity(),
        Some(Err(error)) => server.send_error(&error.to_string()),
        None => server.send_error(&Error::Defect.to_string()),
    }
}
