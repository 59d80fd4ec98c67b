//! The black-box tests: each starts a server of its own with the module.
//!
//! One program, because each that is linked takes longer than its tests need to be built. `cargo test --test it logout::` runs one
//! file.

// Nobody but this crate uses what is public here.
#![allow(unreachable_pub)]

mod support;

use redis_session_model::args;

mod access;
mod attack;
mod cascade;
mod cascade_settled;
mod clients;
mod cluster;
mod cluster_change;
mod cluster_fanout;
mod cluster_retry;
mod cluster_valkey9;
mod commands;
#[cfg(feature = "faults")]
mod defects;
mod device;
mod documents;
mod events;
mod events_kept;
mod example;
mod explain;
mod fence;
mod gallery;
mod house;
mod index;
mod index_after_loading;
mod index_blind_spots;
mod index_size;
mod inspect;
mod layouts;
mod liveness;
mod logout;
mod model;
mod names;
mod own_collections;
mod part;
mod property;
mod readme;
mod replication;
mod rooms;
mod server_care;
mod socketio;
mod stores;
mod sweep;
mod sweep_after_changes;
mod sweep_evidence;
mod sweep_slices;
mod then;
mod unseen;
mod values;
mod watching;
