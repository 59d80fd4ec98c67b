//! The contract as plain code: what is in a layout, which traces a user has in a snapshot, and the keyspace without
//! them. Slow on purpose (every question is a scan of all keys) and free of the module's own code.
//!
//! A crate of its own, so that it is optimised and built once: the tests that ask it are built at every change.
//!
//! ```text
//! bytes     bytes to readable text, and command lines to bytes
//! reply     what a server answers, and short names for the answers that tests expect
//! snapshot  every key of every database: type, content, expiry and DUMP bytes; differences in words
//! plan      which traces a user has, and the keyspace without them; sweep: who is stale
//! layout    what is in a layout; template, document, mapping, value and unpacked: how names and values are read
//! ```

// Nobody reads its documentation but by its source.
#![allow(missing_docs)]

pub mod bytes;
pub mod document;
pub mod json;
pub mod layout;
mod mapping;
pub mod plan;
pub mod reply;
pub mod snapshot;
pub mod sweep;
pub mod template;
pub mod unpacked;
mod value;

pub use layout::Layout;
pub use plan::{Model, Plan};
