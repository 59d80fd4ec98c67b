//! Evidence of a session that appears after sweeps is found by the next one, whatever wrote it, and however much of it.

use crate::args;
use crate::support::{Client, Server, int, log_in, sweep_exactly, wait_until};

/// Users u0 to u9 on sockets s0 to s9, all live, and swept: whatever a sweep knows, it knows now.
fn world(server: &Server) {
    let mut client = server.client();
    for n in 0..10 {
        log_in(&mut client, &format!("u{n}"), &format!("s{n}"), "den");
    }
    // Whoever logs in again in these tests does so with the same socket.
    client.must("CONFIG SET session.fence 0");
    // Of the last one the mapping is a set, with a second device that is gone.
    client.script("DEL user_socket:u9\nSADD user_socket:u9 s9 gone");
    settle(server);
}

fn settle(server: &Server) {
    assert_eq!(sweep_exactly(server), 0);
}

/// Whether a sweep finds `users` ghosts after each command, one by one.
fn each_is_evidence(server: &Server, mut client: Client, commands: &[(&str, i64)]) {
    for (command, users) in commands {
        client.must(command);
        assert_eq!(sweep_exactly(server), *users, "{command}");
    }
}

#[test]
fn evidence_that_appears_is_found_whatever_wrote_it() {
    let server = Server::start();
    world(&server);
    // Users who have been seen before, without evidence.
    server.script(
        "SET user_status:a 1\nSET user_status:b 1\nSADD other:set a b\nRPUSH other:list a b\nZADD other:zset 1 a",
    );
    settle(&server);
    let commands = [
        ("SADD active_users a b", 2),
        ("SADD active_users a b", 2),
        ("SUNIONSTORE active_users active_users other:set", 2),
        ("SMOVE other:set active_users a", 1),
        ("SDIFFSTORE active_users other:set nothing", 1),
        ("COPY other:list active_users REPLACE", 2),
        ("RPUSH active_users a", 1),
        ("LMOVE other:list active_users LEFT LEFT", 1),
        ("RENAME other:list active_users", 1),
        ("ZADD active_users NX CH 5 a 6 b", 2),
        ("ZRANGESTORE active_users other:zset 0 -1", 1),
        ("ZUNIONSTORE active_users 1 other:zset", 1),
        ("HSET active_users a 1", 1),
        ("HSETNX active_users b 1", 1),
        ("GEOADD active_users 13 52 a", 1),
        ("EVAL 'return redis.call(\"SADD\", \"active\" .. \"_users\", \"a\")' 0", 1),
        ("SORT other:zset STORE active_users", 0),
        ("SET typing:den:a 1", 1),
        ("MSET typing:den:b 1 typing:hall:a 1", 2),
        ("LPUSH typing:den:a 1", 1),
        ("SET user_socket:a s", 1),
        ("SET socket_data:s '{\"userId\":\"b\"}'", 1),
        ("SET socket_data:s '{\"userId\":\"c\"}' EX 100", 1),
        ("APPEND socket_data:s '{\"userId\":\"c\"}'", 1),
        ("SET room:r '{\"participants\":[{\"userId\":\"a\"}]}'", 0),
        ("SET user_presence:a 1", 0),
    ];
    server.must("CONFIG SET session.fence 0");
    each_is_evidence(&server, server.client(), &commands[..16]);
    server.must("DEL active_users");
    each_is_evidence(&server, server.client(), &commands[17..]);
}

#[test]
fn evidence_that_is_restored_or_comes_from_another_database() {
    let server = Server::start();
    world(&server);
    server.script("SADD x a b");
    let dump = server.must("DUMP x");
    server.must("DEL x");
    settle(&server);
    server.cmd([b"RESTORE", &b"active_users"[..], b"0", dump.as_bytes(), b"REPLACE"]);
    assert_eq!(sweep_exactly(&server), 2);
    server.script(
        "SELECT 1\nSADD active_users c d\nSET user_socket:c s0\nMOVE active_users 0\nMOVE user_socket:c 0\nSELECT 0",
    );
    assert_eq!(sweep_exactly(&server), 1, "c is live by another's socket");
    server.script("SELECT 1\nSET typing:den:e 1\nCOPY typing:den:e typing:den:e DB 0\nSELECT 0");
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn a_waiting_client_puts_evidence_into_a_list() {
    let server = Server::start();
    let mut waiting = server.client();
    waiting.send(["BLMOVE", "inbox", "active_users", "LEFT", "LEFT", "0"]);
    wait_until("the client waits", || server.info("clients")["blocked_clients"] == "1");
    for _ in 0..3 {
        settle(&server);
    }
    server.must("RPUSH inbox zoe");
    assert_eq!(crate::support::bulk("zoe"), waiting.read());
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn members_that_name_sockets_are_evidence_when_they_appear() {
    let server = Server::builder().layout(include_str!("../layouts/workspace.json")).option("fence", "0").start();
    server.script("SET ticket:s1 '\"ann\"'\nHSET login:s2 principal bob\nSET carl:presence 1");
    sweep_exactly(&server);
    server.script("SET ticket:s1 '\"ann\"'\nHSET login:s2 principal bob\nSET carl:presence 1");
    settle(&server);
    server.script("SADD room:den:sockets s1");
    assert_eq!(sweep_exactly(&server), 1);
    server.script("ZADD room:den:sockets 1 s2 2 s1");
    assert_eq!(sweep_exactly(&server), 1);
    server.script("SET ticket:s1 '\"ann\"'");
    assert_eq!(sweep_exactly(&server), 1);
    server.script("SADD user:{carl}:rooms s1\nSADD user:{carl}:in:den s9");
    sweep_exactly(&server);
}

#[test]
fn a_collection_that_outgrows_what_is_read_at_once_is_known_all_the_same() {
    let server = Server::start();
    world(&server);
    let mut client = server.client();
    let members =
        |from: u32, count: u32| (from..from + count).map(|n| format!("m{n}").into_bytes()).collect::<Vec<_>>();
    for (from, count) in [(0, 100), (100, 200), (300, 20_000), (0, 257)] {
        client.cmd([args!["SADD", "active_users"], members(from, count)].concat());
        assert_eq!(client.run("SESSION.SWEEP"), int(count.into()));
        assert_eq!(client.run("SESSION.SWEEP"), int(0));
        assert_eq!(client.run("SCARD active_users"), int(10));
        client.must("SADD active_users one_more");
        assert_eq!(client.run("SESSION.SWEEP"), int(1));
    }
    client.cmd([args!["SADD", "other"], members(0, 5000)].concat());
    client.must("SUNIONSTORE active_users active_users other");
    client.must("DEBUG RELOAD");
    assert_eq!(client.run("SESSION.SWEEP LIMIT 10"), int(10));
    client.must("SREM active_users m7 m8");
    let left = client.run("SCARD active_users").as_int() - 10;
    assert_eq!(client.run("SESSION.SWEEP"), int(left));
    settle(&server);
}

#[test]
fn who_is_known_by_a_document_alone_and_then_leaves_evidence_is_found() {
    let server = Server::start();
    server.script("SET room:r '{\"participants\":[{\"userId\":\"a\"},{\"userId\":\"b\"}]}'\nSET user_status:a 1");
    for evidence in ["SADD active_users a", "SET typing:den:a 1", "SET user_socket:a s", "ZADD active_users 1 b"] {
        settle(&server);
        server.must(evidence);
        assert_eq!(sweep_exactly(&server), 1, "{evidence}");
    }
    settle(&server);
    server.must("SET socket_data:s9 '{\"userId\":\"b\"}'");
    assert_eq!(sweep_exactly(&server), 1);
}
