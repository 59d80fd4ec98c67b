//! The contract as plain code: what is in a layout, which traces a user has in a snapshot, and the keyspace without
//! them. Slow on purpose (every question is a scan of all keys) and free of the module's own code.

pub mod document;
pub mod json;
pub mod layout;
mod mapping;
pub mod plan;
pub mod sweep;
pub mod template;
pub mod unpacked;
mod value;

pub use layout::Layout;
pub use plan::{Model, Plan};
