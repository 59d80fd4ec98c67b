//! The core of `redis-session`: what a logout is, without a server.
//!
//! # The path of a logout
//!
//! ```text
//! argv -> Logout (parsed) -> Plan (read only) -> Checked (permitted) -> Removed (applied) -> reply, messages, log, INFO
//! ```
//!
//! Each phase is a type; only what was checked can be applied. Sweeps, the cascade and the fence go through the same phases.
//!
//! # The rooms
//!
//! `ARCHITECTURE.md` draws the map, and says the two rules: nobody holds the state while the host is called
//! ([`session::Session::with`]), and the core only wants what the module is to do ([`known::wants::Wants`]). What it needs of a
//! host stands in [`ports`].

#![forbid(unsafe_code)]

pub mod announcement;
pub mod ask;
pub mod command;
pub mod config;
pub mod encoding;
pub mod error;
pub mod events;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod faults;
mod hash;
pub mod index;
pub mod info;
pub mod journal;
pub mod json;
pub mod known;
pub mod layout;
pub mod peers;
pub mod plan;
pub mod ports;
pub mod reply;
pub mod review;
pub mod session;
pub mod template;
#[cfg(test)]
mod tests;
pub mod then;
pub mod tracker;
pub mod watcher;
pub mod wire;
pub mod work;
