//! Replies, in RESP2 and RESP3.

use std::ffi::{CString, c_long};

use super::server::{Server, api};

/// A reply to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bytes(Vec<u8>),
    /// A simple string: one line.
    Line(&'static str),
    /// An array.
    Array(Vec<Reply>),
    /// None yet: the client waits for it. See [`super::blocked`].
    Later,
    /// A map; to RESP2 clients, keys and values as a flat array.
    Map(Vec<(&'static str, Reply)>),
}

impl Reply {
    /// An integer, from a number of things.
    pub fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// An array of bulk strings.
    pub fn texts<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Self {
        Self::Array(texts.into_iter().map(|text| Self::Bytes(text.to_vec())).collect())
    }
}

impl Server {
    /// Sends a reply.
    pub(super) fn send(&self, reply: &Reply) {
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
                Reply::Later => return,
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
    pub(super) fn send_error(&self, text: &str) {
        let text = CString::new(text.replace(['\r', '\n', '\0'], " ")).unwrap_or_default();
        // SAFETY: the context is valid; the server copies the text.
        unsafe { api!(RedisModule_ReplyWithError(self.ctx(), text.as_ptr())) };
    }

    /// Lets the server word the error for a wrong number of arguments.
    pub(super) fn send_wrong_arity(&self) {
        // SAFETY: the context is that of a command.
        unsafe { api!(RedisModule_WrongArity(self.ctx())) };
    }
}
