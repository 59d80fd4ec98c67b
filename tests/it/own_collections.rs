//! A user's own collections name sockets, and one of those that has no data key is dead: it goes with the user, by itself,
//! and from a live user by a sweep.

use crate::support::reply::{array, bulks, int};
use crate::support::{Listener, Server, keys, log_out_exactly, log_out_socket_exactly, sweep_exactly, wait_until};

/// One socket at a time in the mapping; each that there ever was in the user's collections.
const LAYOUT: &str = r#"{ "name": "own", "separator": ":", "traces": [
    { "key": "of:{userId}" }, { "key": "data:{socketId}", "owner": "/u" },
    { "members": "conns:{userId}", "member": "{socketId}" },
    { "members": "conns:{org}:{userId}", "member": "sid:{socketId}" },
    { "members": "ids", "member": "{socketId}" }, { "members": "online", "member": "{userId}" } ],
    "sockets": { "of": "of:{userId}", "data": "data:{socketId}" } }"#;

fn own() -> Server {
    Server::builder().layout(LAYOUT).option("fence", "0").start()
}

/// The members of Ada's collection, sorted.
fn members(server: &Server) -> Vec<String> {
    let mut members = server.run("SMEMBERS conns:ada").byte_items();
    members.sort();
    members.into_iter().map(|member| String::from_utf8_lossy(&member).into_owned()).collect()
}

/// Ada is live by s1. Her collections name a dead socket each, s1, and s9, which is Ben's.
fn ada_and_ben(server: &Server) {
    server.script(
        r#"SET of:ada s1
           SET data:s1 '{"u":"ada"}'
           SADD conns:ada s1 dead s9
           HSET conns:acme:ada sid:s1 1 sid:gone 2 sid:s9 3 other 4
           ZADD ids 1 s1 2 dead 3 gone 4 s9 5 nobodys
           SADD online ada ben
           SET of:ben s9
           SET data:s9 '{"u":"ben"}'"#,
    );
}

#[test]
fn a_sweep_takes_dead_sockets_out_of_a_live_users_own_collections() {
    let server = own();
    ada_and_ben(&server);
    assert_eq!(server.run("SESSION.INSPECT ada").field("sockets"), bulks(["dead", "gone", "s1"]));
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(0));
    assert!(server.log().contains("sweep ended (a dry run) users=0 sockets=2 "), "{}", server.log());
    assert_eq!(sweep_exactly(&server), 0, "nobody is stale");
    assert_eq!(members(&server), ["s1", "s9"]);
    assert_eq!(server.run("HGETALL conns:acme:ada"), bulks(["sid:s1", "1", "sid:s9", "3", "other", "4"]));
    assert_eq!(server.run("ZRANGE ids 0 -1"), bulks(["s1", "s9", "nobodys"]));
    assert_eq!(server.info("session")["session_swept_sockets"], "2");
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.info("session")["session_swept_sockets"], "2");
}

#[test]
fn a_live_user_to_whose_collection_a_socket_comes_is_looked_at_again() {
    for command in ["SADD conns:ada late", "HSET conns:acme:ada sid:late 1", "SADD conns:{x}:ada sid:late"] {
        let server = own();
        ada_and_ben(&server);
        server.must("DEL conns:ada conns:acme:ada");
        server.must("SESSION.SWEEP");
        server.must(command);
        assert_eq!(sweep_exactly(&server), 0);
        assert_eq!(server.info("session")["session_swept_sockets"], "1", "{command}");
        assert_eq!(keys(&mut server.client()), ["data:s1", "data:s9", "ids", "of:ada", "of:ben", "online"]);
    }
}

#[test]
fn a_socket_of_somebody_else_is_dead_when_its_data_goes() {
    let server = own();
    ada_and_ben(&server);
    server.must("SESSION.SWEEP");
    // Nothing tells that this matters to Ada too.
    server.must("DEL data:s9 of:ben");
    server.must("SREM online ben");
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("SMEMBERS conns:ada"), bulks(["s1"]));
    assert_eq!(server.run("HKEYS conns:acme:ada"), bulks(["sid:s1", "other"]));
    // Nor after a logout.
    server.script("DEL conns:acme:ada\nSADD conns:ada s9\nSET of:carl s9\nSET data:s9 '{\"u\":\"carl\"}'");
    assert_eq!(log_out_exactly(&server, "ada"), 5);
    assert_eq!(keys(&mut server.client()), ["conns:ada", "data:s9", "ids", "of:carl"]);
    assert_eq!(sweep_exactly(&server), 0);
    server.must("DEL data:s9 of:carl");
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(keys(&mut server.client()), ["ids"]);
}

#[test]
fn a_logout_takes_dead_sockets_along() {
    let server = own();
    ada_and_ben(&server);
    assert_eq!(log_out_socket_exactly(&server, "ada", "dead"), 2, "its two members");
    assert_eq!(log_out_socket_exactly(&server, "ada", "s9"), 0, "it is somebody else's");
    assert_eq!(log_out_exactly(&server, "ada"), 8);
    assert_eq!(server.run("SMEMBERS conns:ada"), bulks(["s9"]));
    assert_eq!(server.run("HKEYS conns:acme:ada"), bulks(["sid:s9", "other"]));
    assert_eq!(server.run("ZRANGE ids 0 -1"), bulks(["s9", "nobodys"]));
}

#[test]
fn a_user_who_has_nothing_but_dead_sockets_is_stale() {
    let server = own();
    server.script("RPUSH conns:ada s1 s1 s2\nSADD conns:acme:ben sid:s3\nSET conns:carl s4\nSADD conns:dora ''");
    server.must("SADD ids s1 s2 s3 s5");
    assert_eq!(server.run("SESSION.INSPECT ada").field("live"), int(0));
    assert_eq!(sweep_exactly(&server), 2);
    assert_eq!(keys(&mut server.client()), ["conns:carl", "conns:dora", "ids"]);
    assert_eq!(server.run("SMEMBERS ids"), bulks(["s5"]), "nothing says whose that is");
}

#[test]
fn a_sweep_waits_for_the_grace_and_leaves_alone_what_it_shall() {
    let server = own();
    ada_and_ben(&server);
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    assert_eq!(server.run("SCARD conns:ada"), int(3));
    server.wait_for_time(server.now() + 1100);
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    assert_eq!(members(&server), ["s1", "s9"]);
    let layout = LAYOUT.replace(r#""{socketId}" },"#, r#""{socketId}", "sweep": false },"#);
    let server = Server::builder().layout(&layout).option("fence", "0").start();
    ada_and_ben(&server);
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("SCARD conns:ada"), int(3));
    assert_eq!(server.run("HKEYS conns:acme:ada"), bulks(["sid:s1", "sid:s9", "other"]));
    assert_eq!(log_out_exactly(&server, "ada"), 8);
    assert_eq!(server.run("SMEMBERS conns:ada"), bulks(["s9"]));
}

#[test]
fn timer_and_cascade_take_dead_sockets_out_of_own_collections() {
    for option in [("sweep-interval", "1"), ("expire-cascade", "yes")] {
        let server = Server::builder().layout(LAYOUT).option("grace", "1").option(option.0, option.1).start();
        ada_and_ben(&server);
        server.script("SET data:s2 '{\"u\":\"ada\"}' PX 50\nSADD conns:ada s2");
        wait_until("the dead one is gone", || server.run("SMISMEMBER conns:ada s1 s2") == array([int(1), int(0)]));
        assert_eq!(server.run("EXISTS of:ada data:s1"), int(2));
    }
}

/// Where no data says whose a socket is, its place in a collection of the user's own does, as far as it is dead.
#[test]
fn opaque_sockets_in_own_collections_are_dead_without_their_data() {
    let layout = LAYOUT.replace(r#", "owner": "/u""#, "");
    let server = Server::builder().layout(&layout).option("grace", "0").option("expire-cascade", "yes").start();
    server.script("SET of:ada s1\nSET data:s1 x\nSADD conns:ada s1 s2 s3\nSET data:s2 y\nSET data:s3 z");
    assert_eq!(server.run("SESSION.INSPECT ada").field("sockets"), bulks(["s1"]));
    assert_eq!(sweep_exactly(&server), 0);
    server.must("PEXPIRE data:s2 50");
    wait_until("the cascade took it", || members(&server) == ["s1", "s3"]);
    server.must("DEL data:s3");
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("SMEMBERS conns:ada"), bulks(["s1"]));
}

#[test]
fn dead_sockets_are_told_of_and_not_closed() {
    let server = Server::builder().layout(LAYOUT).option("socketio", "classic").start();
    ada_and_ben(&server);
    let mut listener = Listener::to_all(&server);
    server.must("SESSION.SWEEP");
    let heard = listener.heard_lines(&server).join("\n");
    assert!(
        heard.contains(r#""sockets":["dead"],"rooms":[],"scope":"socket","reason":"sweep","removed":2"#),
        "{heard}"
    );
    assert!(!heard.contains("socket.io"), "{heard}");
    server.must("SADD conns:ada dead");
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(7));
    let heard = listener.heard_lines(&server).join("\n");
    assert!(heard.contains(r#""sockets":["dead","s1"]"#), "{heard}");
    assert!(heard.contains(r#""rooms":["s1"]"#), "one is closed, and the other has no connection: {heard}");
}

#[test]
fn the_fence_leaves_a_new_socket_in_an_own_collection() {
    let unmapped = LAYOUT.replace(r#""of": "of:{userId}", "#, "");
    let server = Server::builder().layout(&unmapped).start();
    let log_in = |socket: &str| {
        server.must(&format!("SET data:{socket} '{{\"u\":\"ada\"}}'"));
        server.must(&format!("SADD conns:ada {socket}"));
    };
    let idle = || server.wait_for_time(server.now() + 500);
    log_in("s1");
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(2));
    // A request in flight.
    log_in("s1");
    wait_until("it is removed again", || keys(&mut server.client()).is_empty());
    // Beside it somebody logs in anew, and the data is on its way.
    log_in("s1");
    server.must("SADD conns:ada s2");
    wait_until("the data is removed again", || server.run("EXISTS data:s1") == int(0));
    idle();
    assert_eq!(server.run("SISMEMBER conns:ada s2"), int(1));
    log_in("s2");
    idle();
    assert_eq!(server.run("EXISTS data:s2"), int(1));
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("SISMEMBER conns:ada s2"), int(1));
}

/// What a sweep found dead may be about to come.
#[test]
fn a_sweep_does_not_fence_off_a_socket_of_an_own_collection() {
    let server = Server::builder().layout(LAYOUT).start();
    ada_and_ben(&server);
    server.script("SESSION.SWEEP\nSADD conns:ada dead\nSET data:dead '{\"u\":\"ada\"}'");
    server.wait_for_time(server.now() + 400);
    assert_eq!(server.run("EXISTS data:dead"), int(1));
    assert_eq!(server.run("SISMEMBER conns:ada dead"), int(1));
}
