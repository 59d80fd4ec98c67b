//! Clients that wait for their reply.

use std::{
    ffi::{c_int, c_void},
    ptr::{NonNull, null_mut},
};

use redis_module::raw;
use redis_session_core::{
    error::Error,
    reply::{Reply, Ticket},
};

use super::{OWN, commands::reply, guard::guard};
use crate::server::{OK, Server, api};

/// What the client gets in the end.
type Answer = Result<Reply, Error>;

/// A client that waits. It gets its answer even if that is nobody's any more: a server keeps the handle of a client
/// that went away until the module lets go of it.
#[derive(Debug)]
pub(super) struct Blocked(NonNull<raw::RedisModuleBlockedClient>);

/// Lets the caller of the command in this context wait, without an end, until the ticket is answered.
pub(super) fn block(server: &Server, ticket: Ticket) {
    // SAFETY: the context is that of a command; the callbacks live as long as the module is loaded, and the server does
    // not unload it while a client waits.
    let client = unsafe { api!(RedisModule_BlockClient(server.ctx(), Some(on_answer), None, Some(free), 0)) };
    let client = NonNull::new(client).map(Blocked);
    OWN.with(|own| own.blocked.extend(client.map(|client| (ticket, client))));
}

/// Answers the client that waits with this ticket, if it is still there.
pub fn answer(ticket: Ticket, answer: Answer) {
    if let Some(client) = OWN.with(|own| own.blocked.remove(&ticket)) {
        client.answer(answer);
    }
}

impl Blocked {
    fn answer(self, answer: Answer) {
        let answer = Box::into_raw(Box::new(answer)).cast::<c_void>();
        // SAFETY: the handle came from BlockClient and is given back once, since `self` goes; `free` takes the answer.
        unsafe { api!(RedisModule_UnblockClient(std::mem::ManuallyDrop::new(self).0.as_ptr(), answer)) };
    }
}

impl Drop for Blocked {
    /// Nobody is left waiting, whatever becomes of the work.
    fn drop(&mut self) {
        // SAFETY: as in `answer`, which does not come here.
        unsafe { api!(RedisModule_UnblockClient(self.0.as_ptr(), null_mut())) };
    }
}

unsafe extern "C" fn on_answer(ctx: *mut raw::RedisModuleCtx, _: *mut *mut raw::RedisModuleString, _: c_int) -> c_int {
    // SAFETY: the context is valid during the call; the data is what `answer` gave, or null.
    let (server, answer) = unsafe {
        let data = api!(RedisModule_GetBlockedClientPrivateData(ctx)).cast::<Answer>();
        (Server::new(ctx), data.as_ref().cloned())
    };
    reply(&server, guard("answering", || answer.unwrap_or(Err(Error::Defect))));
    OK
}

unsafe extern "C" fn free(_: *mut raw::RedisModuleCtx, answer: *mut c_void) {
    if !answer.is_null() {
        // SAFETY: it came out of a box in `answer` and is freed once, by the server's calling this.
        drop(unsafe { Box::from_raw(answer.cast::<Answer>()) });
    }
}
