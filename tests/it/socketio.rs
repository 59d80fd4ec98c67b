//! Real Socket.IO servers and clients: whoever is in the room hears that somebody was logged out, once, and the one who was
//! is disconnected. What is asserted stands in `socketio/logout.mjs`.
//!
//! Needs Node.js and npm, and the first time a package registry; without them these tests fail.

use std::process::Stdio;

use crate::support::Server;
use crate::support::foreign::{MISSING, command};
use crate::support::server::redis_cli;

/// Logs somebody out of servers with this adapter, while the module speaks as `socketio` says.
fn log_out(socketio: &str, adapter: &str) {
    let server = Server::builder().option("socketio", socketio).start();
    let mut node = command("socketio/logout.mjs");
    node.args([adapter, &server.port().to_string()]).arg(redis_cli()).stdin(Stdio::null());
    let output = node.output().expect(MISSING);
    assert!(output.status.success(), "{adapter}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.info("session")["session_events_left_out"], "0");
}

#[test]
fn servers_on_the_classic_adapter_pass_it_on() {
    log_out("classic", "classic");
}

#[test]
fn servers_on_the_sharded_adapter_pass_it_on_with_a_channel_for_each_room() {
    log_out("sharded", "sharded-dynamic");
}

#[test]
fn servers_on_the_sharded_adapter_pass_it_on_with_a_channel_for_each_socket_too() {
    log_out("sharded", "sharded-dynamic-private");
}

#[test]
fn servers_on_the_sharded_adapter_pass_it_on_with_one_channel() {
    log_out("sharded", "sharded-static");
}

#[test]
fn servers_on_the_streams_adapter_pass_it_on() {
    log_out("streams", "streams");
}
