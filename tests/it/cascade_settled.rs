//! The expiry cascade reaches everybody: who was there before it was on, whom somebody looks at in between, and whose data
//! does not say whose it is.

use crate::args;
use crate::support::{Server, int, log_in, wait_until};

/// Writes users whose sockets' data expires at the moment, and whom the server does not come across by itself.
fn users(server: &Server, count: usize, expires_at: i64) {
    server.must("DEBUG SET-ACTIVE-EXPIRE 0");
    let commands = (0..count).flat_map(|n| {
        let (user, socket) = (format!("user_socket:u{n}"), format!("s{n}"));
        let data = format!(r#"{{"userId":"u{n}"}}"#);
        [
            args!["SET", user, socket.clone()],
            args!["SET", format!("socket_data:{socket}"), data, "PXAT", expires_at.to_string()],
        ]
    });
    server.client().pipeline(commands);
}

fn all_are_gone(server: &Server) {
    wait_until("all users are gone", || server.run("KEYS user_socket:*").items().is_empty());
}

#[test]
fn who_was_there_before_it_was_switched_on() {
    let server = Server::start();
    users(&server, 300, server.now() + 1500);
    // What was written is read into the index first: a write that is read later has its user looked at anyway.
    server.must("SESSION.INSPECT nobody");
    server.script("CONFIG SET session.grace 0\nCONFIG SET session.expire-cascade yes");
    all_are_gone(&server);
    assert_eq!(server.info("session")["session_sweeps"], "0", "nobody swept");
}

#[test]
fn whom_somebody_looks_at_between_the_end_and_the_cleaning() {
    for look in ["SESSION.SWEEP DRYRUN", "SESSION.INSPECT u7"] {
        let server = Server::builder().option("expire-cascade", "yes").option("grace", "1").start();
        let ends = server.now() + 300;
        users(&server, 100, ends);
        server.wait_for_time(ends);
        for _ in 0..50 {
            server.must(look);
        }
        all_are_gone(&server);
    }
}

#[test]
fn who_is_live_by_data_that_names_nobody() {
    let layout = r#"{ "name": "unowned", "separator": ":", "traces": [{ "key": "map:{userId}" }, { "key": "status:{userId}" }],
        "sockets": { "of": "map:{userId}", "data": "sock:{socketId}" } }"#;
    let server = Server::builder().layout(layout).option("expire-cascade", "yes").option("grace", "0").start();
    server.script("SET map:ann s1\nSET sock:s1 1 PX 300\nSET status:ann on\nSET map:bob s2\nSET sock:s2 1");
    wait_until("ann is gone", || server.run("EXISTS map:ann status:ann") == int(0));
    assert_eq!(server.run("EXISTS map:bob sock:s2"), int(2));
}

#[test]
fn what_was_planned_follows_the_options() {
    let server = Server::builder().option("expire-cascade", "yes").option("grace", "3600").start();
    let mut client = server.client();
    for user in ["ann", "bob"] {
        log_in(&mut client, user, &format!("s-{user}"), "den");
    }
    server.must("PEXPIRE socket_data:s-ann 20");
    server.wait_for_time(server.now() + 500);
    assert_eq!(server.run("EXISTS user_socket:ann"), int(1), "the grace is not over");
    server.must("CONFIG SET session.grace 0");
    wait_until("ann is gone", || server.run("EXISTS user_socket:ann") == int(0));
    server.script("CONFIG SET session.grace 1\nPEXPIRE socket_data:s-bob 20");
    server.wait_for_time(server.now() + 400);
    server.must("CONFIG SET session.expire-cascade no");
    server.wait_for_time(server.now() + 1500);
    assert_eq!(server.run("EXISTS user_socket:bob"), int(1), "the cascade was switched off");
}
