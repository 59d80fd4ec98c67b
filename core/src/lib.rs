//! The core of `redis-session`: what a logout is, without a server.
//!
//! It finds every trace of a user, checks and removes them, and knows what has to be remembered for that. What it needs of
//! a host stands in [`ports`]; it knows no server, and has no `unsafe` code.

pub mod ask;
pub mod command;
pub mod config;
#[cfg(test)]
pub(crate) mod double;
pub mod error;
pub mod events;
pub mod faults;
pub mod index;
pub mod info;
pub mod journal;
pub mod json;
pub mod known;
pub mod layout;
pub mod plan;
pub mod ports;
pub mod session;
pub mod template;
pub mod tracker;
pub mod watcher;
pub mod work;
