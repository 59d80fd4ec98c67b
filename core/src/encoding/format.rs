//! The formats that a value may be in.

use std::fmt;

/// One format: a document in which a pointer leads somewhere, or a wrapper around bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// `MessagePack`.
    Msgpack,
    /// What PHP's `serialize` writes.
    Php,
    /// What PHP's session handler `php` writes: `key|value`, each value serialized.
    PhpSession,
    /// Python's pickle.
    Pickle,
    /// What Ruby's `Marshal.dump` writes.
    Marshal,
    /// A wrapper: base64, with the alphabet of the standard or the one for URLs, padded or not.
    Base64,
    /// A wrapper: a zlib stream, as PHP's `gzcompress` and Python's `zlib` write it.
    Zlib,
    /// A wrapper: gzip.
    Gzip,
}

impl Format {
    /// All formats, documents first.
    pub const ALL: [Self; 9] = [
        Self::Json,
        Self::Msgpack,
        Self::Php,
        Self::PhpSession,
        Self::Pickle,
        Self::Marshal,
        Self::Base64,
        Self::Zlib,
        Self::Gzip,
    ];

    /// The name in a layout.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Msgpack => "msgpack",
            Self::Php => "php",
            Self::PhpSession => "php-session",
            Self::Pickle => "pickle",
            Self::Marshal => "marshal",
            Self::Base64 => "base64",
            Self::Zlib => "zlib",
            Self::Gzip => "gzip",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether it holds only bytes, so that no pointer leads anywhere in it.
    pub fn is_wrapper(self) -> bool {
        matches!(self, Self::Base64 | Self::Zlib | Self::Gzip)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
