//! A logout stays a logout: what a request in flight writes for a socket that was logged out is removed again.

use crate::args;
use crate::support::server::Builder;
use crate::support::{Client, Server, aof_commands, array, bulks, int, log_in, nil, ok, wait_until};

const DATA: &str = r#"{"userId":"ann","roomId":"den"}"#;

fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[&format!("session_{field}")].parse().expect("a number")
}

/// Whether such a key is removed before the next command. Redis 7.0 does not let a module write then, and Valkey 8.1 moves
/// clients to other databases when it does.
fn is_prompt(server: &Server) -> bool {
    let info = server.info("server");
    match info.get("valkey_version") {
        Some(version) => !version.starts_with("8.1."),
        None => !info["redis_version"].starts_with("7.0."),
    }
}

/// The key is gone, at once where the server can do that, else soon.
fn is_removed(server: &Server, key: &str, what: &str) {
    if is_prompt(server) {
        assert_eq!(server.run(&format!("EXISTS {key}")), int(0), "{what}");
    }
    wait_until(what, || server.run(&format!("EXISTS {key}")) == int(0));
}

/// Time enough for whatever the module does by itself.
fn idle(server: &Server) {
    server.wait_for_time(server.now() + 60);
}

/// Ann was logged out of socket s1; bob is there.
fn world(builder: Builder) -> Server {
    let server = builder.start();
    log_in(&mut server.client(), "ann", "s1", "den");
    log_in(&mut server.client(), "bob", "s2", "hall");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(crate::support::TRACES));
    server
}

#[test]
fn the_data_of_a_socket_that_was_logged_out_is_removed_whatever_wrote_it() {
    let server = world(Server::builder());
    let before = server.snapshot();
    let commands = [
        format!("SET socket_data:s1 '{DATA}'"),
        format!("SET socket_data:s1 '{DATA}' EX 100"),
        format!("SETNX socket_data:s1 '{DATA}'"),
        format!("MSET socket_data:s1 '{DATA}'"),
        format!("GETSET socket_data:s1 '{DATA}'"),
        format!("APPEND socket_data:s1 '{DATA}'"),
        format!("EVAL 'return redis.call(\"SET\", \"socket_data:\" .. ARGV[1], ARGV[2])' 0 s1 '{DATA}'"),
        format!("SET x '{DATA}'\nRENAME x socket_data:s1"),
        format!("SET x '{DATA}'\nCOPY x socket_data:s1\nDEL x"),
        format!("SELECT 1\nSET socket_data:s1 '{DATA}'\nMOVE socket_data:s1 0\nSELECT 0"),
        format!("MULTI\nSET socket_data:s1 '{DATA}'\nSET socket_data:s1 '{DATA}'\nEXEC"),
    ];
    for (n, command) in (1..).zip(&commands) {
        server.script(command);
        is_removed(&server, "socket_data:s1", command);
        before.assert_matches(&server.snapshot());
        assert_eq!(number(&server, "fence_removed_keys"), n, "{command}");
    }
    server.must(&format!("SET x '{DATA}'"));
    let dump = server.must("DUMP x");
    server.must("DEL x");
    server.cmd([b"RESTORE", &b"socket_data:s1"[..], b"0", dump.as_bytes()]);
    is_removed(&server, "socket_data:s1", "RESTORE");
    assert_eq!(number(&server, "logouts"), 1);
}

#[test]
fn the_next_command_does_not_see_it_where_the_server_lets_the_module_write_at_once() {
    let server = world(Server::builder());
    if !is_prompt(&server) {
        return;
    }
    let (set, get) = (args!["SET", "socket_data:s1", DATA], args!["GET", "socket_data:s1"]);
    let mut client = server.client();
    assert_eq!(client.pipeline([set.clone(), get.clone()]), [ok(), nil()]);
    client.must("MULTI");
    client.pipeline([set, args!["PING"]]);
    client.must("EXEC");
    assert_eq!(client.cmd(get), nil());
}

#[test]
fn everybody_and_everything_else_is_left_alone() {
    let server = world(Server::builder());
    let mut client = server.client();
    // A new login of the same user, on a new socket; somebody else, on the old one.
    log_in(&mut client, "ann", "s3", "den");
    client.script(
        r#"
        SET socket_data:s1 '{"userId":"bob"}'
        SET socket_data:s11 '{"userId":"ann"}'
        SET socket_data:s2 '{"userId":"ann"}'
        SET other:socket_data:s1 '{"userId":"ann"}'
        SADD active_users ann
        SELECT 1
        SET socket_data:s1 '{"userId":"ann"}'
        "#,
    );
    let before = server.snapshot();
    let written =
        "EXISTS socket_data:s1 socket_data:s2 socket_data:s3 socket_data:s11 other:socket_data:s1 user_socket:ann";
    assert_eq!(server.run(written), int(6));
    assert_eq!(client.run("EXISTS socket_data:s1"), int(1), "in the other database");
    idle(&server);
    before.assert_matches(&server.snapshot());
    for value in ["no JSON", "{}", r#"{"userId":7}"#, ""] {
        client.must("SELECT 0");
        client.cmd(["SET", "socket_data:s1", value]);
        idle(&server);
        assert_eq!(server.run("EXISTS socket_data:s1"), int(1), "{value}");
        client.must("DEL socket_data:s1");
    }
    client.must("SADD socket_data:s1 ann");
    idle(&server);
    assert_eq!(server.run("EXISTS socket_data:s1"), int(1));
    assert_eq!(number(&server, "fence_removed_keys"), 0);
}

#[test]
fn a_value_that_becomes_the_users_later_is_removed_too() {
    let server = world(Server::builder());
    server.must(r#"SET socket_data:s1 '{"userId":"bob"}'"#);
    idle(&server);
    server.must(&format!("SET socket_data:s1 '{DATA}'"));
    wait_until("it is removed", || server.run("EXISTS socket_data:s1") == int(0));
}

#[test]
fn every_way_of_logging_out_fences_all_sockets_that_went() {
    /// Logs ann out, and which sockets are then fenced.
    type Way = (&'static str, fn(&Server), &'static [&'static str], &'static [&'static str]);
    let ways: [Way; 6] = [
        ("LOGOUT", |server| drop(server.must("SESSION.LOGOUT ann")), &["s1", "s2", "s3", "s4"], &["s5"]),
        ("WITHTRACES", |server| drop(server.must("SESSION.LOGOUT ann WITHTRACES")), &["s1", "s2", "s3", "s4"], &[]),
        ("SOCKET", |server| drop(server.must("SESSION.LOGOUT ann SOCKET s1")), &["s1"], &["s2", "s3", "s4"]),
        ("in MULTI", |server| server.script("MULTI\nSESSION.LOGOUT ann\nEXEC"), &["s1", "s2", "s3", "s4"], &[]),
        (
            "SWEEP",
            |server| {
                server.must("DEL socket_data:s1 socket_data:s2");
                assert_eq!(server.run("SESSION.SWEEP"), int(1));
            },
            &["s1", "s2", "s3", "s4"],
            &[],
        ),
        (
            "the cascade",
            |server| {
                server.script("CONFIG SET session.grace 0\nCONFIG SET session.expire-cascade yes");
                server.script("PEXPIRE socket_data:s1 10\nPEXPIRE socket_data:s2 10");
                wait_until("ann is gone", || server.run("EXISTS user_status:ann") == int(0));
            },
            &["s1", "s2", "s3", "s4"],
            &["s5"],
        ),
    ];
    for (name, log_out, fenced, open) in ways {
        let server = Server::start();
        // Two devices, a socket that is mapped but has no data yet, and one that was forgotten.
        server.script(&format!(
            "SADD user_socket:ann s1 s2 s3\nSET socket_data:s1 '{DATA}'\nSET socket_data:s2 '{DATA}'
            SET socket_data:s4 '{DATA}'\nSET user_status:ann 1"
        ));
        log_out(&server);
        assert_eq!(number(&server, "fence_sockets"), i64::try_from(fenced.len()).expect("few"), "{name}");
        assert!(number(&server, "fence_bytes") > 0);
        for socket in fenced {
            server.must(&format!("SET socket_data:{socket} '{DATA}'"));
            is_removed(&server, &format!("socket_data:{socket}"), &format!("{name}: {socket}"));
        }
        for socket in open {
            server.must(&format!("SET socket_data:{socket} '{DATA}'"));
            idle(&server);
            assert_eq!(server.run(&format!("EXISTS socket_data:{socket}")), int(1), "{name}: {socket}");
        }
    }
}

#[test]
fn a_logout_that_is_refused_or_finds_nothing_fences_nothing() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("ACL SETUSER caller on nopass +@all resetkeys");
    let mut client = server.client();
    client.must("AUTH caller any");
    assert!(client.run("SESSION.LOGOUT ann").is_error() && client.run("SESSION.SWEEP").is_error());
    server.must("SESSION.LOGOUT bob SOCKET s1");
    server.must("SESSION.INSPECT ann");
    server.must("SESSION.SWEEP DRYRUN");
    assert_eq!(number(&server, "fence_sockets"), 0);
    server.must(&format!("SET socket_data:s1 '{DATA}'"));
    idle(&server);
    assert_eq!(server.run("EXISTS socket_data:s1"), int(1));
}

#[test]
fn the_fence_ends_with_its_time() {
    let server = world(Server::builder().option("fence", "1"));
    let end = server.now() + 1000;
    server.wait_for_time(end);
    server.must(&format!("SET socket_data:s1 '{DATA}'"));
    idle(&server);
    assert_eq!(server.run("EXISTS socket_data:s1"), int(1));
    server.must("SESSION.LOGOUT bob");
    assert_eq!(number(&server, "fence_sockets"), 1, "the one that is over is forgotten");
}

#[test]
fn switched_off_it_removes_nothing_any_more() {
    let server = world(Server::builder());
    server.must("CONFIG SET session.fence 0");
    server.must(&format!("SET socket_data:s1 '{DATA}'"));
    idle(&server);
    assert_eq!(server.run("EXISTS socket_data:s1"), int(1));
    server.must("SESSION.LOGOUT ann");
    server.must(&format!("SET socket_data:s1 '{DATA}'"));
    idle(&server);
    assert_eq!(server.run("EXISTS socket_data:s1"), int(1));
    assert_eq!(number(&server, "fence_removed_keys"), 0);
}

#[test]
fn a_hash_that_is_filled_field_by_field_and_a_name_that_holds_the_user() {
    let layout = r#"{"name":"x","separator":":","traces":[{"key":"map:{userId}"},{"key":"hash:{socketId}","owner":{"field":"u"}}],
        "sockets":{"of":"map:{userId}","data":"hash:{socketId}"}}"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET map:ann s1\nHSET hash:s1 u ann\nSESSION.LOGOUT ann\nHSET hash:s1 at 1");
    idle(&server);
    assert_eq!(server.run("EXISTS hash:s1"), int(1), "it is nobody's yet");
    server.must("HSET hash:s1 u ann");
    wait_until("it is removed", || server.run("EXISTS hash:s1") == int(0));

    let layout = r#"{"name":"x","separator":":","traces":[{"key":"map:{userId}"},{"key":"data:{userId}:{socketId}"}],
        "sockets":{"of":"map:{userId}","data":"data:{userId}:{socketId}"}}"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET map:ann s1\nSET data:ann:s1 1\nSESSION.LOGOUT ann\nSET data:bob:s1 1\nSET data:ann:s1 1");
    wait_until("it is removed", || server.run("EXISTS data:ann:s1") == int(0));
    idle(&server);
    assert_eq!(server.run("EXISTS data:bob:s1"), int(1));
}

#[test]
fn replicas_and_the_append_only_file_get_plain_commands() {
    let master = world(Server::builder().append_only());
    let (with, without) = (Server::start(), Server::builder().without_module().start());
    with.replica_of(&master);
    without.replica_of(&master);
    let (_, length) = aof_commands(&master, 0);
    master.must(&format!("SET socket_data:s1 '{DATA}'"));
    is_removed(&master, "socket_data:s1", "it is removed");
    let lines: Vec<_> =
        aof_commands(&master, length).0.iter().map(|command| crate::support::bytes::join(command)).collect();
    assert!(lines.iter().any(|line| line == "UNLINK socket_data:s1"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("SESSION.")), "{lines:?}");
    for replica in [with, without] {
        replica.catch_up_with(&master);
        master.snapshot().assert_matches(&replica.snapshot());
    }
}

#[test]
fn memory_for_it_is_bounded() {
    let server = Server::start();
    let mut client: Client = server.client();
    let commands = (0..70_000).flat_map(|n| {
        let user = format!("u{n}");
        [args!["SET", format!("user_socket:{user}"), format!("s{n}")], args!["SESSION.LOGOUT", user]]
    });
    client.must("CONFIG SET session.log-level debug");
    client.pipeline(commands);
    assert_eq!(number(&server, "fence_sockets"), 65_536);
    assert!(number(&server, "fence_bytes") < 32 << 20);
    client.must(r#"SET socket_data:s69999 '{"userId":"u69999"}'"#);
    is_removed(&server, "socket_data:s69999", "the last is known");
    client.must(r#"SET socket_data:s1 '{"userId":"u1"}'"#);
    idle(&server);
    assert_eq!(client.run("EXISTS socket_data:s1"), int(1), "the first was forgotten");
    assert_eq!(array([]), client.run("KEYS user_socket:*"));
}

#[test]
fn what_a_request_in_flight_brings_back_goes_with_its_socket() {
    let server = Server::start();
    let mut client = server.client();
    client.must("SADD active_users bob");
    // What has no socket in it comes after something that has.
    for (number, order) in [[0, 1, 2], [0, 2, 1], [1, 2, 0], [1, 0, 2]].into_iter().enumerate() {
        let (user, socket) = (format!("u{number}"), format!("s{number}"));
        let writes = [
            format!("SET socket_data:{socket} '{{\"userId\":\"{user}\"}}'"),
            format!("SET user_socket:{user} {socket}"),
            format!("SADD active_users {user}"),
        ];
        client.script(&writes.join("\n"));
        assert_eq!(client.run(&format!("SESSION.LOGOUT {user}")), int(3));
        for write in order {
            client.must(&writes[write]);
        }
        wait_until("all of it is gone", || server.run("SMEMBERS active_users") == bulks(["bob"]));
        assert_eq!(server.run(&format!("EXISTS socket_data:{socket} user_socket:{user}")), int(0));
    }
}

#[test]
fn a_mapping_that_mentions_a_fenced_socket_loses_it_and_keeps_the_others() {
    let server = Server::start();
    server.script(
        "SADD user_socket:ada s1 s2\nSET socket_data:s1 '{\"userId\":\"ada\"}'\nSET socket_data:s2 '{\"userId\":\"ada\"}'
         SADD active_users ada\nSET user_status:ada x",
    );
    assert_eq!(server.run("SESSION.LOGOUT ada SOCKET s1"), int(2));
    server.must("SADD user_socket:ada s1");
    wait_until("the mention is gone", || server.run("SMEMBERS user_socket:ada") == bulks(["s2"]));
    idle(&server);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(server.run("EXISTS socket_data:s2 active_users user_status:ada"), int(3), "she goes on with the other");
    // Somebody else's mapping may name what was hers.
    server.script("SET user_socket:bob s1\nSET user_socket:carl s3");
    idle(&server);
    assert_eq!(server.run("EXISTS user_socket:bob user_socket:carl"), int(2));
}

#[test]
fn a_new_login_is_not_touched_by_a_request_of_the_old_one() {
    let data = |socket: &str| format!("SET socket_data:{socket} '{{\"userId\":\"ada\"}}'");
    let old = || {
        let server = Server::start();
        server.script(&format!("{}\nSET user_socket:ada s1\nSADD active_users ada\nSESSION.LOGOUT ada", data("s1")));
        server
    };
    let settle = || std::thread::sleep(std::time::Duration::from_millis(700));

    // In parts, with the late request among them.
    let server = old();
    server.script(&format!(
        "SADD active_users ada\n{}\nSET user_status:ada new\n{}\nSET user_socket:ada s2",
        data("s1"),
        data("s2")
    ));
    wait_until("the old data is gone", || server.run("EXISTS socket_data:s1") == int(0));
    settle();
    assert_eq!(server.run("EXISTS active_users user_status:ada socket_data:s2 user_socket:ada"), int(4));

    // By HTTP first, with a socket later.
    let server = old();
    server.script(&format!(
        "SET user_session:ada tok EX 3600\nSET user_status:ada online\nSADD active_users ada\n{}",
        data("s1")
    ));
    settle();
    assert_eq!(server.run("EXISTS user_session:ada user_status:ada socket_data:s1"), int(2));

    // Its mapping names a socket whose data is on its way.
    let server = old();
    server.script(&format!("{}\nSET user_socket:ada s2\nSADD active_users ada", data("s1")));
    settle();
    server.must(&data("s2"));
    assert_eq!(server.run("EXISTS user_socket:ada active_users socket_data:s2"), int(3));

    // Without anything of the old socket nobody looks.
    let server = old();
    server.must("SADD active_users ada");
    settle();
    assert_eq!(server.run("SISMEMBER active_users ada"), int(1));
}

#[test]
fn other_signs_of_life_keep_what_comes_with_a_late_request() {
    let layout = r#"{ "name": "signs", "separator": ":", "traces": [
        { "key": "sess:{socketId}", "owner": "/u" }, { "members": "online", "member": "{userId}" } ],
        "sockets": { "data": "sess:{socketId}" }, "live": [{ "key": "hb:{userId}" }] }"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET sess:s1 '{\"u\":\"ada\"}'\nSESSION.LOGOUT ada\nSET hb:ada 1\nSET sess:s1 '{\"u\":\"ada\"}'\nSADD online ada");
    wait_until("the old data is gone", || server.run("EXISTS sess:s1") == int(0));
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(server.run("EXISTS online hb:ada"), int(2));
}

#[test]
fn other_keys_of_a_socket_that_was_logged_out_are_removed_too() {
    let layout = r#"{ "name": "x", "separator": ":", "traces": [
        { "key": "map:{userId}" }, { "key": "data:{socketId}", "owner": "/userId" }, { "key": "meta:{kind}:{socketId}" }, { "key": "ends:{socketId}" },
        { "key": "recovery:{pid}", "owner": { "pointer": "/sid", "is": "{socketId}" } } ],
        "sockets": { "of": "map:{userId}", "data": "data:{socketId}" } }"#;
    let server = Server::builder().layout(layout).start();
    server.script(
        "SADD map:ann s1\nSADD map:bob s2\nSET data:s1 '{\"userId\":\"ann\"}'\nSET data:s2 '{\"userId\":\"bob\"}'",
    );
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(2));
    let before = server.snapshot();
    for (key, value) in [("ends:s1", "1"), ("meta:end:s1", "1"), ("recovery:p1", "{\"sid\":\"s1\"}"), ("meta:x:s1", "")]
    {
        server.cmd(["SET", key, value]);
        is_removed(&server, key, key);
    }
    before.assert_matches(&server.snapshot());
    // What is of others stays, and what names nobody.
    server.script("SET meta:end:s2 1\nSET recovery:p2 '{\"sid\":\"s2\"}'\nSET recovery:p3 s1\nSET meta:s1 1\nHSET recovery:p4 sid s1");
    idle(&server);
    assert_eq!(server.run("DBSIZE"), int(2 + 5));
    assert_eq!(number(&server, "fence_removed_keys"), 4);
    server.must("CONFIG SET session.fence 0");
    server.must("SET meta:end:s1 1");
    idle(&server);
    assert_eq!(server.run("EXISTS meta:end:s1"), int(1));
}
