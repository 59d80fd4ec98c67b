//! What a server answers, exactly: a status is not a bulk string, and an error is its whole text.

use super::bytes::quote;
use redis::{ServerError, Value};
use std::fmt;

/// One reply of a server, in RESP2 or RESP3.
#[derive(Clone, PartialEq)]
pub enum Reply {
    Nil,
    Int(i64),
    Double(f64),
    Bool(bool),
    /// `+OK` and the like.
    Status(String),
    /// The whole line, with its code: `ERR syntax error`.
    Error(String),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// RESP3 out of band: kind, then data.
    Push(Vec<Reply>),
}

/// An integer.
pub fn int(value: i64) -> Reply {
    Reply::Int(value)
}

/// A bulk string.
pub fn bulk(bytes: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(bytes.as_ref().to_vec())
}

/// A status, as `PONG`.
pub fn status(text: &str) -> Reply {
    Reply::Status(text.to_owned())
}

/// The status `OK`.
pub fn ok() -> Reply {
    status("OK")
}

/// What a command inside MULTI answers.
pub fn queued() -> Reply {
    status("QUEUED")
}

/// An error, with its code.
pub fn error(text: &str) -> Reply {
    Reply::Error(text.to_owned())
}

/// No value.
pub fn nil() -> Reply {
    Reply::Nil
}

/// An array of replies.
pub fn array(items: impl IntoIterator<Item = Reply>) -> Reply {
    Reply::Array(items.into_iter().collect())
}

/// An array of bulk strings.
pub fn bulks<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Reply {
    array(items.into_iter().map(bulk))
}

impl Reply {
    /// Is it an error?
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// The integer that it is.
    pub fn as_int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            other => panic!("expected an integer, got {other:?}"),
        }
    }

    /// The bytes of a bulk string or a status.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bulk(bytes) => bytes,
            Self::Status(text) => text.as_bytes(),
            other => panic!("expected a string, got {other:?}"),
        }
    }

    /// A string as text.
    pub fn as_text(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("text in UTF-8")
    }

    /// The items of an array, set or push.
    pub fn items(&self) -> &[Reply] {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => items,
            other => panic!("expected an array, got {other:?}"),
        }
    }

    /// The items of an array of strings, as bytes.
    pub fn byte_items(&self) -> Vec<Vec<u8>> {
        self.items().iter().map(|item| item.as_bytes().to_vec()).collect()
    }

    /// Names and values of a map, or of the flat array that RESP2 has instead.
    pub fn pairs(&self) -> Vec<(Reply, Reply)> {
        match self {
            Self::Map(pairs) => pairs.clone(),
            Self::Array(items) if items.len() % 2 == 0 => {
                items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
            }
            other => panic!("expected a map, got {other:?}"),
        }
    }

    /// The value under `name` in a map (or in RESP2's flat array).
    #[must_use]
    pub fn field(&self, name: &str) -> Reply {
        let found = self.pairs().into_iter().find(|(key, _)| key.as_bytes() == name.as_bytes());
        found.unwrap_or_else(|| panic!("no field {name} in {self:?}")).1
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        let list = |items: Vec<Value>| items.into_iter().map(Self::from).collect();
        match value {
            Value::Nil => Self::Nil,
            Value::Int(value) => Self::Int(value),
            Value::Double(value) => Self::Double(value),
            Value::Boolean(value) => Self::Bool(value),
            Value::Okay => ok(),
            Value::SimpleString(text) => Self::Status(text),
            Value::BulkString(bytes) => Self::Bulk(bytes),
            Value::VerbatimString { text, .. } => Self::Bulk(text.into_bytes()),
            Value::Array(items) => Self::Array(list(items)),
            Value::Set(items) => Self::Set(list(items)),
            Value::Map(pairs) => Self::Map(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect()),
            Value::Push { kind, data } => {
                Self::Push([bulk(kind.to_string())].into_iter().chain(data.into_iter().map(Self::from)).collect())
            }
            Value::ServerError(error) => Self::Error(error_text(&error)),
            other => panic!("a reply of a kind that no test expects: {other:?}"),
        }
    }
}

fn error_text(error: &ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("(nil)"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "(double) {value}"),
            Self::Bool(value) => write!(f, "({value})"),
            Self::Status(text) => write!(f, "+{text}"),
            Self::Error(text) => write!(f, "(error) {text}"),
            Self::Bulk(bytes) => f.write_str(&quote(bytes)),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => f.debug_set().entries(items).finish(),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Self::Push(items) => write!(f, "push {items:?}"),
        }
    }
}
