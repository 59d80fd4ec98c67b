//! Redis 7.0 does not tell clients apart: commands that wait settle there too, and events are watched once.

use crate::support::split;
use crate::support::{Server, bulk, int, log_out_exactly, wait_until};

fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[&format!("session_{field}")].parse().expect("a number")
}

/// How often the module has begun to watch events.
fn subscriptions(server: &Server) -> usize {
    server.log().matches("watching keyspace events").count()
}

#[test]
fn refused_commands_that_would_wait_leave_a_sweep_its_end() {
    let server = Server::start();
    server.must("ACL SETUSER narrow on nopass ~other:* +@all");
    let mut stranger = server.client();
    stranger.must("AUTH narrow any");
    for n in 0..250 {
        assert!(stranger.run(&format!("BLMOVE q user_socket:u{n} LEFT RIGHT 0")).is_error());
    }
    for n in 0..100 {
        server.must(&format!("SADD active_users ghost{n}"));
    }
    assert_eq!(server.must("SESSION.SWEEP"), int(100));
    wait_until("nothing is held", || number(&server, "pending_keys") == 0);
    assert_eq!(subscriptions(&server), 0);
}

#[test]
fn events_are_watched_once_at_most() {
    let server = Server::start();
    server.must("ACL SETUSER narrow on nopass ~other:* +@all");
    let mut stranger = server.client();
    stranger.must("AUTH narrow any");
    // One that waits in earnest, so that the server can't say that nobody does.
    let mut waiting = server.client();
    waiting.send(split("BLMOVE source user_socket:ann LEFT RIGHT 0"));
    wait_until("the client is blocked", || server.info("clients")["blocked_clients"] == "1");
    for round in 0..4 {
        for n in 0..300 {
            assert!(stranger.run(&format!("BLMOVE q user_socket:u{round}-{n} LEFT RIGHT 0")).is_error());
        }
        server.wait_for_time(server.now() + 50);
        assert!(stranger.run("EXEC").is_error());
        stranger.must("MULTI");
        stranger.must("DISCARD");
    }
    server.wait_for_time(server.now() + 200);
    assert!(subscriptions(&server) <= 1, "{}", subscriptions(&server));
    server.must("RPUSH source s1");
    assert_eq!(waiting.read(), bulk("s1"));
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn stray_commands_of_transactions_change_nothing() {
    let server = Server::start();
    for _ in 0..3 {
        let mut stranger = server.client();
        assert!(stranger.run("EXEC").is_error());
        server.must("SET typing:den:ann 1");
        assert!(stranger.run("EXEC").is_error());
        assert!(stranger.run("DISCARD").is_error());
        assert_eq!(log_out_exactly(&server, "ann"), 1);
    }
}

/// Somebody opened a transaction and went: what came in it is not held for ever.
#[test]
fn a_transaction_whose_client_is_gone_is_forgotten() {
    let server = Server::start();
    let mut client = server.client();
    client.script("MULTI\nSET typing:den:ann 1");
    drop(client);
    wait_until("nothing is held", || number(&server, "pending_keys") == 0);
    let mut client = server.client();
    client.script("MULTI\nSET typing:loft:ann 1");
    server.must("SET typing:hall:ann 1");
    client.must("EXEC");
    assert_eq!(log_out_exactly(&server, "ann"), 2);
}
