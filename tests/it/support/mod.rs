//! The harness of the black-box tests: a fresh server with the module for each test, clients that keep every byte of
//! a reply, snapshots of the keyspace, and a slow model that says what a logout has to do to one.
//!
//! ```text
//! server    starts, restarts and ends a redis-server of its own directory and port
//! client    one connection; commands as one line of text or as bytes
//! aof       the append-only file as a list of commands
//! hear      what is said on channels and in streams
//! exact     a logout or a sweep held against the model; worlds to log out of
//! foreign   programs in other languages, and the packages that they need
//! model     the contract as slow and plain code over snapshots, a crate of its own in tests/model
//! ```

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod aof;
pub mod client;
pub mod cluster;
pub mod exact;
pub mod foreign;
pub mod hear;
pub mod server;

pub use aof::aof_commands;
pub use redis_session_model::{self as model, bytes, reply, snapshot};

pub use bytes::{quote, split};
pub use client::Client;
pub use exact::{
    TRACES, keys, log_in, log_out_exactly, log_out_exactly_in, log_out_socket_exactly, sweep_exactly, sweep_exactly_in,
};
pub use hear::Listener;
pub use model::{Layout, Model};
pub use reply::{Reply, array, bulk, bulks, error, int, nil, ok, queued, status};
pub use server::{Builder, Server, wait_until};
pub use snapshot::{Content, Entry, Snapshot};
