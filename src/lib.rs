//! `redis-session`: a Redis module that logs a user out, every trace of a session at once.
//!
//! All that knows no server is in the crate `redis-session-core`: see the map at its head. This crate feeds it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`callbacks`] | what the server calls; each turns its call into one of the core's |
//! | [`module`] | the one static, and what the core wants of the module |
//! | [`server`] | safe handles on the server: what the core needs of a host |

#![deny(unsafe_code)]

#[allow(unsafe_code)]
pub mod callbacks;
pub mod module;
#[allow(unsafe_code)]
pub mod server;
#[allow(unsafe_code)]
pub mod threads;
