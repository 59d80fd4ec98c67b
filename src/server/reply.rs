//! Replies, in RESP2 and RESP3.

use std::ffi::{CString, c_long};

use redis_session_core::reply::Reply;

use super::handle::{Server, api};

impl Server {
    /// Sends a reply.
    pub(crate) fn send(&self, reply: &Reply) {
        let length = |length: usize| c_long::try_from(length).unwrap_or(c_long::MAX);
        // SAFETY: the context is valid; pointers and lengths are those of slices, which the server copies.
        unsafe {
            match reply {
                Reply::Integer(integer) => api!(RedisModule_ReplyWithLongLong(self.ctx(), *integer)),
                Reply::Bytes(bytes) => {
                    api!(RedisModule_ReplyWithStringBuffer(self.ctx(), bytes.as_ptr().cast(), bytes.len()))
                }
                Reply::Line(line) => {
                    let line = CString::new(*line).unwrap_or_default();
                    api!(RedisModule_ReplyWithSimpleString(self.ctx(), line.as_ptr()))
                }
                Reply::Later(_) => return,
                Reply::Array(elements) => api!(RedisModule_ReplyWithArray(self.ctx(), length(elements.len()))),
                Reply::Map(fields) => api!(RedisModule_ReplyWithMap(self.ctx(), length(fields.len()))),
            };
        }
        match reply {
            Reply::Array(elements) => elements.iter().for_each(|element| self.send(element)),
            Reply::Map(fields) => {
                for (key, value) in fields {
                    self.send(&Reply::Bytes(key.as_bytes().to_vec()));
                    self.send(value);
                }
            }
            _ => {}
        }
    }

    /// Sends an error; its text begins with the code.
    pub(crate) fn send_error(&self, text: &str) {
        let text = CString::new(text.replace(['\r', '\n', '\0'], " ")).unwrap_or_default();
        // SAFETY: the context is valid; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithError(self.ctx(), text.as_ptr())) };
    }

    /// Lets the server word the error for a wrong number of arguments.
    pub(crate) fn send_wrong_arity(&self) {
        // SAFETY: the context is that of a command.
        unsafe { api!(RedisModule_WrongArity(self.ctx())) };
    }
}
