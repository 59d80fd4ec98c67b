//! Real Socket.IO servers and clients: whoever is in the room hears that somebody was logged out, once, and the one who was
//! is disconnected. What is asserted stands in `socketio/logout.mjs`.
//!
//! Needs Node.js and npm, and the first time a package registry; without them these tests fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::Server;
use crate::support::server::redis_cli;

const INSTALL: &str =
    "Node.js and npm are needed: scripts/setup.sh installs them, as does `apt-get install nodejs npm`";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/socketio")
}

/// Makes sure that the packages are there that the lock file names.
fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let modified = |name: &str| directory().join(name).metadata().and_then(|file| file.modified()).ok();
        let installed = modified("node_modules/.package-lock.json");
        if installed.is_some() && installed >= modified("package-lock.json") {
            return;
        }
        let npm = Command::new("npm").args(["ci", "--silent"]).current_dir(directory()).output().expect(INSTALL);
        assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
    });
}

/// Logs somebody out of servers with this adapter, while the module speaks as `socketio` says.
fn log_out(socketio: &str, adapter: &str) {
    install();
    let server = Server::builder().option("socketio", socketio).start();
    let mut node = Command::new("node");
    node.arg("logout.mjs").args([adapter, &server.port().to_string()]).arg(redis_cli());
    node.current_dir(directory()).stdin(Stdio::null()).env_remove("REDISCLI_AUTH");
    let output = node.output().expect(INSTALL);
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
