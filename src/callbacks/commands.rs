//! Registering commands, and the way into them.

use std::{
    ffi::{CStr, c_int},
    ptr::{null, null_mut},
};

use redis_module::raw;
use redis_session_core::{
    command::{Argument, ArgumentKind, Command, Info},
    error::Error,
    reply::Reply,
};

use super::{blocked, keyspace};
use crate::{
    module,
    server::{OK, Server, api, bytes},
};

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
    let mut pair = [c"placeholder", c"value"].map(|name| raw_argument(&Argument::required(name))).to_vec();
    let mut arguments: Vec<_> = info.arguments.iter().map(raw_argument).collect();
    for list in [&mut pair, &mut arguments] {
        // SAFETY: all fields are pointers and numbers, for which zeros are valid; a null name ends the list.
        list.push(unsafe { std::mem::zeroed() });
    }
    for (raw, _) in
        arguments.iter_mut().zip(info.arguments).filter(|(_, argument)| argument.kind == ArgumentKind::Pairs)
    {
        raw.subargs = pair.as_mut_ptr();
    }
    let names_a_key = info.arguments.iter().any(|argument| argument.kind == ArgumentKind::Key);
    // SAFETY: as above; a specification of no kind ends the list.
    let mut keys = [first_key(), unsafe { std::mem::zeroed() }];
    let raw_info = raw::RedisModuleCommandInfo {
        version: &raw const version,
        summary: info.summary.as_ptr(),
        complexity: info.complexity.as_ptr(),
        since: c"0.1.0".as_ptr(),
        history: null_mut(),
        tips: info.tips.map_or(null(), CStr::as_ptr),
        arity: info.arity,
        key_specs: if names_a_key { keys.as_mut_ptr() } else { null_mut() },
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

/// Says that the argument behind a command's name is a key, which is read. With that clients of a cluster know which node to ask,
/// and the server permits the command only to those who may read the key.
fn first_key() -> raw::RedisModuleCommandKeySpec {
    let flags = u64::from(raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS);
    // SAFETY: all fields are pointers and numbers, for which zeros are valid: the range ends with its first key.
    let mut spec: raw::RedisModuleCommandKeySpec = unsafe { std::mem::zeroed() };
    spec.flags = flags;
    spec.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    spec.bs.index.pos = 1;
    spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    spec.fk.range.keystep = 1;
    spec
}

/// An argument in the server's form.
fn raw_argument(argument: &Argument) -> raw::RedisModuleCommandArg {
    let kind = match argument.kind {
        ArgumentKind::Text => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
        ArgumentKind::Key => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
        ArgumentKind::Number => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
        ArgumentKind::Flag => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
        ArgumentKind::Pairs => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
    };
    let optional = if argument.is_optional { raw::REDISMODULE_CMD_ARG_OPTIONAL } else { 0 };
    let repeated = raw::REDISMODULE_CMD_ARG_MULTIPLE | raw::REDISMODULE_CMD_ARG_MULTIPLE_TOKEN;
    let flags = if argument.kind == ArgumentKind::Pairs { optional | repeated } else { optional };
    raw::RedisModuleCommandArg {
        name: argument.name.as_ptr(),
        type_: kind,
        key_spec_index: if argument.kind == ArgumentKind::Key { 0 } else { -1 },
        token: argument.token.map_or(null(), CStr::as_ptr),
        summary: null(),
        since: null(),
        flags: c_int::try_from(flags).unwrap_or_default(),
        deprecated_since: null(),
        subargs: null_mut(),
        display_text: null(),
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
    let name = const {
        match C::INFO.name.to_str() {
            Ok(name) => name,
            Err(_) => panic!("a command's name is text"),
        }
    };
    let result = module::enter(name, &server, |ask| {
        let strings = server.arguments().iter().skip(1);
        // SAFETY: as above.
        let arguments: Vec<&[u8]> = strings.map(|string| unsafe { bytes(*string) }).collect();
        keyspace::probe_displacement(&server);
        C::run(ask, &arguments)
    });
    reply(&server, result);
    OK
}

/// Sends what came of a command; `None` if a defect was caught.
pub(super) fn reply(server: &Server, result: Option<Result<Reply, Error>>) {
    match result {
        Some(Ok(Reply::Later(ticket))) => blocked::block(server, ticket),
        Some(Ok(reply)) => server.send(&reply),
        Some(Err(Error::WrongArity)) => server.send_wrong_arity(),
        Some(Err(error)) => server.send_error(&error.to_string()),
        None => server.send_error(&Error::Defect.to_string()),
    }
}
