//! The expiry cascade and the timer: the server cleans up by itself, not before its time, and only if it is asked to.

use crate::args;
use crate::support::server::{Builder, Stop};
use crate::support::{Server, TRACES, aof_commands, bulks, int, log_in, sweep_exactly, wait_until};

/// A server with the cascade on.
fn cascading(grace: &str) -> Builder {
    Server::builder().option("expire-cascade", "yes").option("grace", grace)
}

fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[&format!("session_{field}")].parse().expect("a number")
}

/// Nothing is left of the user but what a sweep leaves alone.
fn is_gone(server: &Server, user: &str) -> bool {
    let keys = ["user_socket:", "user_activity:", "activity:", "user_session:", "user_presence:", "user_status:"];
    let keys = keys.map(|prefix| format!("{prefix}{user}")).join(" ");
    server.run(&format!("EXISTS {keys}")) == int(0)
        && server.run(&format!("SISMEMBER active_users {user}")) == int(0)
        && server.run(&format!("KEYS typing:*:{user}")).items().is_empty()
}

/// Whether all of the user is there, but perhaps for the mapping and the data.
fn is_whole(server: &Server, user: &str) -> bool {
    let keys = ["user_activity:", "activity:", "user_session:", "user_presence:", "user_status:", "typing:den:"];
    let keys = keys.map(|prefix| format!("{prefix}{user}")).join(" ");
    server.run(&format!("EXISTS {keys}")) == int(6) && server.run(&format!("SISMEMBER active_users {user}")) == int(1)
}

fn idle(server: &Server, milliseconds: i64) {
    server.wait_for_time(server.now() + milliseconds);
}

#[test]
fn a_user_whose_mapping_or_data_expires_is_cleaned_up_and_nobody_else() {
    let server = cascading("0").start();
    let mut client = server.client();
    for user in ["ann", "bob", "carl", "dora"] {
        log_in(&mut client, user, &format!("s-{user}"), "den");
    }
    let document = server.run("GET room:den");
    server.script(
        "PEXPIRE socket_data:s-ann 50\nPEXPIRE user_socket:bob 50\nPEXPIRE user_status:carl 50\nDEL typing:den:carl",
    );
    wait_until("ann is gone", || is_gone(&server, "ann"));
    wait_until("bob is gone", || is_gone(&server, "bob"));
    assert_eq!(server.run("EXISTS socket_data:s-bob"), int(0));
    assert_eq!(server.run("GET room:den"), document, "documents say that a sweep leaves them alone");
    idle(&server, 500);
    assert!(is_whole(&server, "dora") && server.run("EXISTS user_socket:carl socket_data:s-carl") == int(2));
    assert_eq!((number(&server, "swept_users"), number(&server, "logouts")), (2, 0));
    assert!(server.log().contains("user=ann reason=expired"));
}

#[test]
fn it_does_not_wait_until_the_server_comes_across_the_expired_key() {
    let server = cascading("0").start();
    server.must("DEBUG SET-ACTIVE-EXPIRE 0");
    let mut client = server.client();
    client.pipeline((0..20_000).map(|n| args!["SET", format!("other:{n}"), "1", "EX", "1000"]));
    for n in 0..50 {
        log_in(&mut client, &format!("u{n}"), &format!("s{n}"), "den");
        client.must(&format!("PEXPIRE socket_data:s{n} 100"));
    }
    for n in 0..50 {
        wait_until("all are gone", || is_gone(&server, &format!("u{n}")));
    }
    assert_eq!(number(&server, "swept_users"), 50);
    assert_eq!(sweep_exactly_count(&server), 0);
}

fn sweep_exactly_count(server: &Server) -> i64 {
    server.run("SESSION.SWEEP").as_int()
}

#[test]
fn it_is_off_by_default() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.script("CONFIG SET session.grace 0\nPEXPIRE socket_data:s1 20");
    wait_until("the data is gone", || server.run("EXISTS socket_data:s1") == int(0));
    idle(&server, 600);
    assert!(is_whole(&server, "ann"));
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn to_delete_is_not_to_expire() {
    let server = cascading("0").start();
    let mut client = server.client();
    for user in ["ann", "bob", "carl"] {
        log_in(&mut client, user, &format!("s-{user}"), "den");
    }
    server.script("DEL socket_data:s-ann\nUNLINK user_socket:bob\nRENAME socket_data:s-carl x");
    idle(&server, 600);
    assert!(["ann", "bob", "carl"].iter().all(|user| is_whole(&server, user)));
    assert_eq!(sweep_exactly(&server), 3);
}

#[test]
fn the_grace_passes_first_and_who_logs_in_again_within_it_is_left_whole() {
    let server = cascading("1").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "den");
    client.script("PEXPIRE socket_data:s1 100\nPEXPIRE socket_data:s2 100");
    let ended = server.now() + 100;
    wait_until("the sessions have ended", || server.run("EXISTS socket_data:s1 socket_data:s2") == int(0));
    log_in(&mut client, "bob", "s3", "den");
    wait_until("ann is gone", || is_gone(&server, "ann"));
    assert!(server.now() >= ended + 1000, "not before the grace was over");
    idle(&server, 1500);
    assert!(is_whole(&server, "bob") && server.run("EXISTS user_socket:bob socket_data:s3") == int(2));
}

#[test]
fn a_second_end_has_a_grace_of_its_own() {
    let server = cascading("2").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "den");
    client.script("PEXPIRE socket_data:s1 10\nPEXPIRE socket_data:s2 10");
    wait_until("the sessions have ended", || server.run("EXISTS socket_data:s1 socket_data:s2") == int(0));
    idle(&server, 500);
    // Both come back. One session expires again, the other is deleted, which is no end that the cascade looks at.
    log_in(&mut client, "ann", "s3", "den");
    log_in(&mut client, "bob", "s4", "den");
    idle(&server, 500);
    client.script("PEXPIRE socket_data:s3 200\nDEL socket_data:s4");
    let ended = server.now() + 150;
    wait_until("ann is gone", || is_gone(&server, "ann"));
    let passed = server.now() - ended;
    assert!(passed >= 2000, "ann was stale for {passed} ms");
    idle(&server, 1000);
    assert!(is_whole(&server, "bob"), "DEL is no expiry");
}

#[test]
fn of_two_devices_the_last_one_counts() {
    let server = cascading("0").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    client.script(
        "DEL user_socket:ann\nSADD user_socket:ann s1 s2\nSET socket_data:s2 '{\"userId\":\"ann\"}'\nPEXPIRE socket_data:s1 30",
    );
    wait_until("one device is gone", || server.run("SMEMBERS user_socket:ann") == bulks(["s2"]));
    idle(&server, 500);
    assert!(is_whole(&server, "ann"));
    client.must("PEXPIRE socket_data:s2 30");
    wait_until("ann is gone", || is_gone(&server, "ann"));
}

#[test]
fn a_time_to_live_that_is_prolonged_is_heeded() {
    let server = cascading("0").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    for _ in 0..15 {
        client.must("PEXPIRE socket_data:s1 400");
        idle(&server, 60);
    }
    assert!(is_whole(&server, "ann"));
    client.must("PERSIST socket_data:s1");
    idle(&server, 700);
    assert!(is_whole(&server, "ann"));
}

#[test]
fn keys_that_are_evicted_end_a_session_too() {
    let server = cascading("0").start();
    let mut client = server.client();
    for n in 0..10 {
        log_in(&mut client, &format!("u{n}"), &format!("s{n}"), &format!("room{n}"));
    }
    idle(&server, 300);
    client.script("CONFIG SET maxmemory-policy volatile-ttl\nCONFIG SET maxmemory 1");
    wait_until("all of them are gone", || {
        client.run("SET x 1");
        server.run("KEYS user_socket:*").items().is_empty()
    });
    for n in 0..10 {
        wait_until("all are gone", || is_gone(&server, &format!("u{n}")));
    }
}

#[test]
fn it_can_be_switched_on_and_off_and_works_in_every_database() {
    let server = Server::start();
    let mut client = server.client();
    client.must("SELECT 9");
    log_in(&mut client, "ann", "s1", "den");
    idle(&server, 150);
    server.script("CONFIG SET session.grace 0\nCONFIG SET session.expire-cascade yes");
    idle(&server, 300);
    client.must("PEXPIRE socket_data:s1 30");
    wait_until("ann is gone", || client.run("EXISTS user_status:ann user_socket:ann active_users") == int(0));
    log_in(&mut client, "ann", "s2", "den");
    server.must("CONFIG SET session.expire-cascade no");
    client.must("PEXPIRE socket_data:s2 30");
    wait_until("the data is gone", || client.run("EXISTS socket_data:s2") == int(0));
    idle(&server, 600);
    assert_eq!(client.run("EXISTS user_status:ann user_socket:ann"), int(2));
}

#[test]
fn sessions_that_ended_while_the_server_was_down_are_cleaned_up() {
    let mut server = cascading("0").start();
    log_in(&mut server.client(), "ann", "s1", "den");
    log_in(&mut server.client(), "bob", "s2", "den");
    server.must("PEXPIRE socket_data:s1 1500");
    let end = server.now() + 1500;
    server.restart(Stop::Save);
    server.wait_for_time(end);
    wait_until("ann is gone", || is_gone(&server, "ann"));
    assert!(is_whole(&server, "bob"));
}

#[test]
fn only_the_master_does_it_and_says_so_in_plain_commands() {
    let master = cascading("0").append_only().start();
    let (with, without) = (cascading("0").start(), Server::builder().without_module().start());
    with.must("CONFIG SET session.sweep-interval 1");
    with.replica_of(&master);
    without.replica_of(&master);
    log_in(&mut master.client(), "ann", "s1", "den");
    master.script("SET user_status:ghost 1\nSADD active_users ghost");
    let (_, length) = aof_commands(&master, 0);
    master.must("PEXPIRE socket_data:s1 30");
    wait_until("ann is gone", || is_gone(&master, "ann"));
    let commands = aof_commands(&master, length).0;
    let names: Vec<_> = commands.iter().map(|command| String::from_utf8_lossy(&command[0]).to_uppercase()).collect();
    assert!(!names.iter().any(|name| name.starts_with("SESSION")), "{names:?}");
    let begin = names.iter().position(|name| name == "MULTI").expect("a transaction");
    assert_eq!(names[begin + 1..].iter().position(|name| name == "EXEC"), Some(names.len() - begin - 2), "{names:?}");
    idle(&with, 1500);
    assert_eq!(number(&with, "sweeps"), 0, "a replica never sweeps by itself");
    for replica in [&with, &without] {
        replica.catch_up_with(&master);
        master.snapshot().assert_matches(&replica.snapshot());
    }
    with.must("REPLICAOF NO ONE");
    wait_until("once promoted, it sweeps", || with.run("EXISTS user_status:ghost active_users") == int(0));
}

#[test]
fn the_timer_sweeps_every_database_with_the_grace() {
    let server = Server::builder().option("grace", "0").start();
    let mut client = server.client();
    for database in ["0", "7"] {
        client.must(&format!("SELECT {database}"));
        log_in(&mut client, "ann", "s1", "den");
        client.script("SADD active_users ghost\nSET user_status:ghost 1");
    }
    // Not before: without a grace, half of a login is no session.
    server.must("CONFIG SET session.sweep-interval 1");
    for database in ["0", "7"] {
        client.must(&format!("SELECT {database}"));
        wait_until("the ghost is gone", || client.run("EXISTS user_status:ghost") == int(0));
        assert_eq!(client.run("EXISTS user_socket:ann socket_data:s1 active_users"), int(3));
    }
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
    server.must("CONFIG SET session.grace 1000");
    server.must("SADD active_users ghost");
    let sweeps = number(&server, "sweeps");
    wait_until("the timer goes on", || number(&server, "sweeps") > sweeps + 2);
    assert_eq!(server.run("SISMEMBER active_users ghost"), int(1));
    server.must("CONFIG SET session.sweep-interval 0");
    idle(&server, 300);
    let sweeps = number(&server, "sweeps");
    idle(&server, 1500);
    assert_eq!(number(&server, "sweeps"), sweeps);
}

#[test]
fn grace_counts_from_when_a_user_became_stale() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("SADD active_users ghost");
    for call in ["SESSION.SWEEP GRACE 100", "SESSION.SWEEP GRACE 100 DRYRUN"] {
        assert_eq!(server.run(call), int(0));
    }
    let written = server.now();
    wait_until("the grace is over", || {
        // Somebody whose session is over goes on writing, and is no less stale for it.
        server.script("SET typing:den:ghost 1\nSADD active_users ghost");
        server.run("SESSION.SWEEP GRACE 1 DRYRUN") == int(1)
    });
    assert!(server.now() - written >= 900);
    server.must("DEL socket_data:s1");
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(1), "ann has just become stale");
    assert!(is_whole(&server, "ann"));
    // Who was back meanwhile begins anew.
    wait_until("the grace is over", || server.run("SESSION.SWEEP GRACE 1 DRYRUN") == int(1));
    log_in(&mut server.client(), "ann", "s2", "den");
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    let back = server.now();
    server.must("DEL socket_data:s2");
    wait_until("ann is taken", || server.run("SESSION.SWEEP GRACE 1") == int(1));
    assert!(server.now() - back >= 1000);
}

#[test]
fn grace_counts_from_when_the_last_key_expired() {
    let server = Server::start();
    server.must("DEBUG SET-ACTIVE-EXPIRE 0");
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("PEXPIRE socket_data:s1 100");
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    idle(&server, 1600);
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(1), "nobody has looked since, but the key says when it ended");
}
