//! Options that `CONFIG` knows: each is registered with the server as what its [`OptionKind`] says.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_longlong, c_uint, c_void},
    rc::Rc,
};

use redis_module::raw;
use redis_session_core::config::{OPTIONS, Opt, OptionKind, Options};

use super::guard::guard;
use crate::{
    module::look,
    server::{Name, OK, Server, api, bytes},
    threads::MainThread,
};

/// Registers all options that can be set at run time, with the values that the module's arguments gave them as their
/// defaults, and takes those of the server's configuration file. `false` if the server refuses one.
pub(super) fn register(server: &Server, mut values: Options) -> bool {
    let is_registered = |option| register_one(server, option, &mut values);
    // SAFETY: the context is that of OnLoad.
    OPTIONS.iter().filter(|option| option.at_run_time).all(is_registered)
        && unsafe { api!(RedisModule_LoadConfigs(server.ctx())) } == OK
}

fn register_one(server: &Server, option: &'static Opt, values: &mut Options) -> bool {
    let Ok(name) = CString::new(option.name) else { return false };
    let (ctx, name) = (server.ctx(), name.as_ptr());
    let data = std::ptr::from_ref(option).cast_mut().cast::<c_void>();
    let flags: c_uint = raw::REDISMODULE_CONFIG_DEFAULT;
    // SAFETY: the context is that of OnLoad; the server copies names and values; the option is part of the program, and
    // the callbacks live as long as the module is loaded.
    let registered = unsafe {
        match &option.kind {
            OptionKind::Text(_, place) => {
                let Ok(value) = CString::new(place(values).as_str()) else { return false };
                let value = value.as_ptr();
                api!(RedisModule_RegisterStringConfig(
                    ctx,
                    name,
                    value,
                    flags,
                    Some(get_text),
                    Some(set_text),
                    None,
                    data
                ))
            }
            OptionKind::Number(bounds, place) => {
                let (value, least, most) = (*place(values), *bounds.start(), *bounds.end());
                let (get, set) = (Some(get_number as _), Some(set_number as _));
                api!(RedisModule_RegisterNumericConfig(ctx, name, value, flags, least, most, get, set, None, data))
            }
            OptionKind::Switch(place) => {
                let value = c_int::from(*place(values));
                api!(RedisModule_RegisterBoolConfig(
                    ctx,
                    name,
                    value,
                    flags,
                    Some(get_switch),
                    Some(set_switch),
                    None,
                    data
                ))
            }
            OptionKind::Choice(names, place) => {
                let mut texts: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
                let numbers: Vec<c_int> = (0..).take(names.len()).collect();
                let (texts, numbers, count) = (texts.as_mut_ptr(), numbers.as_ptr(), numbers.len());
                let (value, count) = (number(*place(values)), number(count));
                let (get, set) = (Some(get_choice as _), Some(set_choice as _));
                api!(RedisModule_RegisterEnumConfig(
                    ctx, name, value, flags, texts, numbers, count, get, set, None, data
                ))
            }
        }
    };
    registered == OK
}

fn number(value: usize) -> c_int {
    c_int::try_from(value).unwrap_or_default()
}

/// Sets an option; why a value is refused is shown to the one who set it.
fn set(data: *mut c_void, error: *mut *mut raw::RedisModuleString, value: &str) -> c_int {
    // SAFETY: the data is what the option was registered with.
    let option = unsafe { &*data.cast_const().cast::<Opt>() };
    let refusal = match guard("setting an option", || look(|state| state.set_option(option, value))) {
        Some(Ok(())) => return OK,
        Some(Err(refusal)) => refusal,
        None => "internal error in redis-session; the server's log says what to report".to_owned(),
    };
    refuse(error, &refusal)
}

/// Says why a value is refused.
fn refuse(error: *mut *mut raw::RedisModuleString, why: &str) -> c_int {
    // SAFETY: the server gives a place for the string, takes it over and frees it.
    unsafe { *error = Name::new(why.as_bytes()).into_raw() };
    1
}

/// Looks an option's value up.
fn get<R>(data: *mut c_void, read: fn(&OptionKind, &mut Options) -> Option<R>) -> Option<R> {
    // SAFETY: the data is what the option was registered with.
    let option = unsafe { &*data.cast_const().cast::<Opt>() };
    guard("reading an option", || look(|state| read(&option.kind, Rc::make_mut(&mut state.options))))?
}

unsafe extern "C" fn get_number(_: *const c_char, data: *mut c_void) -> c_longlong {
    let value =
        get(data, |kind, options| if let OptionKind::Number(_, place) = kind { Some(*place(options)) } else { None });
    value.unwrap_or_default()
}

unsafe extern "C" fn set_number(
    _: *const c_char,
    value: c_longlong,
    data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    set(data, error, &value.to_string())
}

unsafe extern "C" fn get_switch(_: *const c_char, data: *mut c_void) -> c_int {
    let value =
        get(data, |kind, options| if let OptionKind::Switch(place) = kind { Some(*place(options)) } else { None });
    value.unwrap_or_default().into()
}

unsafe extern "C" fn set_switch(
    _: *const c_char,
    value: c_int,
    data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    set(data, error, if value == 0 { "no" } else { "yes" })
}

unsafe extern "C" fn get_choice(_: *const c_char, data: *mut c_void) -> c_int {
    let value =
        get(data, |kind, options| if let OptionKind::Choice(_, place) = kind { Some(*place(options)) } else { None });
    number(value.unwrap_or_default())
}

unsafe extern "C" fn set_choice(
    _: *const c_char,
    value: c_int,
    data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    let chosen = |kind: &OptionKind| {
        let OptionKind::Choice(names, _) = kind else { return None };
        names.get(usize::try_from(value).ok()?).map(|name: &&CStr| name.to_string_lossy())
    };
    // SAFETY: the data is what the option was registered with.
    let name = chosen(unsafe { &(*data.cast_const().cast::<Opt>()).kind }).unwrap_or_default();
    set(data, error, &name)
}

/// The text that the server read last: it is copied before the next one is asked for.
static LAST_TEXT: MainThread<Option<Name>> = MainThread::new(None);

unsafe extern "C" fn get_text(_: *const c_char, data: *mut c_void) -> *mut raw::RedisModuleString {
    let value = get(
        data,
        |kind, options| if let OptionKind::Text(_, place) = kind { Some(place(options).clone()) } else { None },
    );
    let value = Name::new(value.unwrap_or_default().as_bytes());
    LAST_TEXT.with(|last| last.insert(value).raw())
}

unsafe extern "C" fn set_text(
    _: *const c_char,
    value: *mut raw::RedisModuleString,
    data: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the server gives a valid string, unchanged during the call.
    match str::from_utf8(unsafe { bytes(value) }) {
        Ok(value) => set(data, error, value),
        Err(_) => refuse(error, "it must be UTF-8"),
    }
}

/// Frees what is kept for the server, while there is one to free it.
pub(super) fn stop() {
    LAST_TEXT.with(|last| *last = None);
}
