//! Safe handles on the server: names, keys, calls, clients, permissions, replies.
//!
//! What the core needs of a host ([`redis_session_core::ports`]), implemented on a running server. This room and
//! [`crate::callbacks`] are the only ones that know the server's C interface, and the only ones with `unsafe` code.

mod access;
pub(crate) mod bus;
pub mod call;
mod clients;
mod handle;
pub(crate) mod hidden;
mod host;
mod keys;
mod reply;
mod slots;
mod store;

pub(crate) use access::forget as forget_accounts;
pub use handle::{Name, Server};
pub(crate) use handle::{OK, api, bytes, log};
