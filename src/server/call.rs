//! Calling the server's own commands.

use std::{ffi::CStr, marker::PhantomData, ptr::NonNull};

use redis_module::raw;

use super::handle::{Name, Server, api, log};

/// An argument of a command.
#[derive(Clone, Copy, Debug)]
pub enum CallArgument<'a> {
    /// A string that the server has already.
    Name(&'a Name),
    /// Bytes that are copied into one.
    Bytes(&'a [u8]),
}

/// A command about to be called, with arguments that live for `'a`.
#[derive(Debug)]
pub struct Call<'a> {
    command: &'static CStr,
    replicated: bool,
    as_caller: bool,
    /// Each is a [`Name`] of the caller's, borrowed for `'a`, or one of `copies`.
    arguments: Vec<*mut raw::RedisModuleString>,
    copies: Vec<Name>,
    names: PhantomData<&'a Name>,
}

/// The server did not carry out the command: it has none of that name, refused it, or answered with an error. Holds the
/// number of the error (`errno`) if the command did not run at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(Option<i32>);

impl Refused {
    /// The command was to run as the caller's user, and there is none.
    pub fn has_no_user(self) -> bool {
        self.0 == Some(libc::ENOTSUP)
    }

    /// The server has no such command: it was renamed or disabled.
    pub fn is_unknown_command(self) -> bool {
        self.0 == Some(libc::ENOENT)
    }
}

impl<'a> Call<'a> {
    /// A command without arguments.
    pub fn new(command: &'static CStr) -> Self {
        Self {
            command,
            replicated: false,
            as_caller: false,
            arguments: Vec::new(),
            copies: Vec::new(),
            names: PhantomData,
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn with(mut self, argument: CallArgument<'a>) -> Self {
        self.arguments.push(match argument {
            CallArgument::Name(name) => name.raw(),
            CallArgument::Bytes(bytes) => {
                let copy = Name::new(bytes);
                let raw = copy.raw();
                self.copies.push(copy);
                raw
            }
        });
        self
    }

    /// The same with more arguments that the server has already.
    #[must_use]
    pub fn with_names(mut self, names: &[&'a Name]) -> Self {
        self.arguments.extend(names.iter().map(|name| name.raw()));
        self
    }

    /// The same, to be sent to replicas and the append-only file too.
    #[must_use]
    pub fn replicated(self) -> Self {
        Self { replicated: true, ..self }
    }

    /// The same, as the caller's user and with that user's permissions.
    #[must_use]
    pub fn as_caller(self) -> Self {
        Self { as_caller: true, ..self }
    }

    /// Calls it.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn run(&self, server: &Server) -> Result<CallReply, Refused> {
        let format = match (self.replicated, self.as_caller) {
            (false, false) => c"v",
            (true, false) => c"!v",
            (false, true) => c"Cv",
            (true, true) => c"!Cv",
        };
        let reply = self.call(server, format);
        let reply = reply.ok_or_else(|| Refused(std::io::Error::last_os_error().raw_os_error()))?;
        if reply.kind() == raw::REDISMODULE_REPLY_ERROR { Err(Refused(None)) } else { Ok(reply) }
    }

    /// Calls it if the server would take it from a client at this moment.
    ///
    /// # Errors
    /// What the server says, with its code.
    pub fn run_if_taken(&self, server: &Server) -> Result<(), String> {
        // As from a script, since otherwise the server takes whatever a module writes. Valkey 9 expects that the error is
        // wanted as a reply, and crashes without.
        let reply = self.call(server, c"SEv").ok_or_else(|| "ERR the server gives no reason".to_owned())?;
        if reply.kind() == raw::REDISMODULE_REPLY_ERROR {
            return Err(String::from_utf8_lossy(&reply.text()).into_owned());
        }
        Ok(())
    }

    fn call(&self, server: &Server, format: &CStr) -> Option<CallReply> {
        // SAFETY: the context is valid; `v` takes a pointer to strings and their number, all of which live as long as this
        // value or longer; the server retains those that it keeps.
        let reply = unsafe {
            let call = raw::RedisModule_Call.expect("RedisModule_Call is part of every supported server");
            call(server.ctx(), self.command.as_ptr(), format.as_ptr(), self.arguments.as_ptr(), self.arguments.len())
        };
        NonNull::new(reply).map(CallReply)
    }

    /// Calls it, where it was checked before that nothing refuses it; if the server does all the same, its log says so.
    pub fn run_or_log(&self, server: &Server) -> Option<CallReply> {
        let reply = self.run(server).ok();
        if reply.is_none() {
            let command = self.command.to_string_lossy();
            let line = format!("the server refused {command}, which it had to take; please report this");
            log(server.ctx(), c"warning", &line);
        }
        reply
    }
}

/// A command's reply; freed when dropped.
#[derive(Debug)]
pub struct CallReply(NonNull<raw::RedisModuleCallReply>);

impl Drop for CallReply {
    fn drop(&mut self) {
        // SAFETY: the reply came from Call and is freed once, here. (Elements of an array are never owned.)
        unsafe { api!(RedisModule_FreeCallReply(self.0.as_ptr())) };
    }
}

impl CallReply {
    fn kind(&self) -> isize {
        // SAFETY: the reply is valid.
        let kind = unsafe { api!(RedisModule_CallReplyType(self.0.as_ptr())) };
        isize::try_from(kind).unwrap_or(raw::REDISMODULE_REPLY_UNKNOWN)
    }

    /// What commands that look for one thing say: neither null nor the integer 0. (`LPOS` answers 0 for the first
    /// element, so a command whose integers are positions is asked by [`CallReply::is_null`].)
    pub fn is_found(&self) -> bool {
        !self.is_null() && self.integer() != Some(0)
    }

    /// The integer that it is, if it is one.
    pub fn integer(&self) -> Option<i64> {
        let is_integer = self.kind() == raw::REDISMODULE_REPLY_INTEGER;
        // SAFETY: the reply is valid and an integer.
        is_integer.then(|| unsafe { api!(RedisModule_CallReplyInteger(self.0.as_ptr())) })
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.kind() == raw::REDISMODULE_REPLY_NULL
    }

    /// The bytes of a string.
    pub fn text(&self) -> Vec<u8> {
        // SAFETY: the reply is valid.
        unsafe { text(self.0.as_ptr()) }
    }

    /// The strings of an array.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        // SAFETY: the reply is valid.
        unsafe { texts(self.0.as_ptr()) }
    }

    /// How many elements an array has.
    pub fn length(&self) -> usize {
        // SAFETY: the reply is valid.
        unsafe { api!(RedisModule_CallReplyLength(self.0.as_ptr())) }
    }

    /// The strings of an array in an array.
    pub fn texts_at(&self, at: usize) -> Vec<Vec<u8>> {
        // SAFETY: the reply is valid; an element belongs to it and is only read; there is none of one that is no array.
        unsafe {
            let element = api!(RedisModule_CallReplyArrayElement(self.0.as_ptr(), at));
            if element.is_null() { Vec::new() } else { texts(element) }
        }
    }
}

/// The strings of a reply that is an array.
///
/// # Safety
/// `reply` must be valid.
unsafe fn texts(reply: *mut raw::RedisModuleCallReply) -> Vec<Vec<u8>> {
    // SAFETY: the reply is valid by contract; an element belongs to it and is only read. One that is no string has no bytes.
    unsafe {
        let length = api!(RedisModule_CallReplyLength(reply));
        let elements = (0..length).map(|at| api!(RedisModule_CallReplyArrayElement(reply, at)));
        elements.map(|element| text(element)).collect()
    }
}

/// The bytes of a reply that is a string.
///
/// # Safety
/// `reply` must be valid.
unsafe fn text(reply: *mut raw::RedisModuleCallReply) -> Vec<u8> {
    let mut length = 0;
    // SAFETY: the reply is valid by contract.
    let start = unsafe { api!(RedisModule_CallReplyStringPtr(reply, &raw mut length)) };
    if start.is_null() {
        return Vec::new();
    }
    // SAFETY: the server gives a pointer to `length` bytes, valid as long as the reply.
    unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }.to_vec()
}
