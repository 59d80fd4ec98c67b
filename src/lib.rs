//! `redis-session`: a Redis module that logs a user out, every trace of a session at once.
//!
//! # The path of a logout
//!
//! ```text
//! argv -> Logout (parsed) -> Plan (read only) -> Checked (permitted) -> Removed (applied) -> reply, messages, log, INFO
//! ```
//!
//! Each phase is a type; only what was checked can be applied.
//!
//! # The rooms
//!
//! | module | holds | may call the server |
//! | --- | --- | --- |
//! | [`command`] | one struct for each command: syntax, options, reply | through [`session`] |
//! | [`session`] | one user's logout: the phases, the log and the counters around them | through [`plan`] |
//! | [`messenger`] | telling others: what [`events`] says, sent | through [`engine`] |
//! | [`plan`] | finding, narrowing, checking, applying; observing for the index | through [`engine`]'s traits |
//! | [`sweep`] | who is stale, and what becomes of them: sweeps, the cascade, the fence | through [`session`] |
//! | [`upkeep`] | keeping the index right: reading again, building, tidying | through [`plan`] |
//! | [`index`] | where users may show up; a superset | no |
//! | [`watcher`] | which commands may change what the index knows | no |
//! | [`tracker`] | what was written and is not read yet, queued, or held back | no |
//! | [`events`] | which messages and entries follow a logout, and their bytes | through [`engine`]'s traits |
//! | [`layout`], [`template`], [`json`] | where traces are; names; documents | no |
//! | [`config`], [`info`], [`journal`], [`error`] | options, INFO fields, log lines, errors | no |
//! | [`state`] | what is kept between calls | no |
//! | [`engine`] | the server's C interface, and all of the `unsafe` code | it is the way there |

pub mod command;
pub mod config;
pub mod engine;
pub mod error;
pub mod events;
mod faults;
pub mod index;
pub mod info;
pub mod journal;
pub mod json;
pub mod layout;
pub mod messenger;
pub mod plan;
pub mod session;
pub mod state;
pub mod sweep;
pub mod template;
pub mod tracker;
pub mod upkeep;
pub mod watcher;
