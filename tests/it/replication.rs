//! Replicas and the append-only file see plain commands, all of a logout or nothing; other clients learn of every change.

use crate::support::bytes::join;
use crate::support::reply::{bulk, int, nil};
use crate::support::server::{Builder, Stop};
use crate::support::{Client, Reply, Server, TRACES, aof_commands, log_in, log_out_exactly, wait_until};
use std::collections::BTreeSet;

/// The commands that a logout may replicate.
const PLAIN: [&str; 6] = ["UNLINK", "SREM", "ZREM", "HDEL", "LREM", "SET"];

fn world(builder: Builder) -> Server {
    let server = builder.start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    server
}

/// The lines that `act` appends to the append-only file.
fn appended(server: &Server, act: impl FnOnce(&Server)) -> Vec<String> {
    let (_, length) = aof_commands(server, 0);
    act(server);
    aof_commands(server, length).0.iter().map(|command| join(command)).collect()
}

/// The plain commands within one MULTI and EXEC, sorted; what comes before it may only select a database.
fn within_one_transaction(lines: &[String]) -> Vec<String> {
    let upper = |line: &String| line.split(' ').next().expect("a name").to_uppercase();
    let mut lines = lines;
    while lines.first().is_some_and(|line| upper(line) == "SELECT") {
        lines = &lines[1..];
    }
    let [multi, commands @ .., exec] = lines else { panic!("no transaction: {lines:?}") };
    assert_eq!((upper(multi), upper(exec)), ("MULTI".into(), "EXEC".into()), "{lines:?}");
    for line in commands {
        assert!(PLAIN.contains(&&*upper(line)), "no plain command of a logout: {line}");
    }
    let mut commands = commands.to_vec();
    commands.sort();
    commands
}

#[test]
fn a_logout_is_appended_as_plain_commands_in_one_transaction() {
    let server = world(Server::builder().append_only());
    let lines = appended(&server, |server| assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES)));
    let mut deleted = BTreeSet::new();
    let mut others = Vec::new();
    for line in within_one_transaction(&lines) {
        match line.strip_prefix("UNLINK ") {
            Some(keys) => deleted.extend(keys.split(' ').map(str::to_owned)),
            None => others.push(line),
        }
    }
    let expected = [
        "activity:ann",
        "socket_data:s1",
        "typing:den:ann",
        "user_activity:ann",
        "user_presence:ann",
        "user_session:ann",
        "user_socket:ann",
        "user_status:ann",
    ];
    assert_eq!(deleted, expected.map(str::to_owned).into());
    let document = crate::support::quote(
        r#"{"id":"den","participants":[{"userId":"host","rank":1.50}],"big":12345678901234567890}"#,
    );
    assert_eq!(others, [format!("SET room:den {document} KEEPTTL"), "SREM active_users ann".to_owned()]);
}

#[test]
fn members_of_every_type_are_appended_as_plain_commands() {
    let builder = Server::builder().append_only().layout(include_str!("../layouts/workspace.json"));
    let server = builder.start();
    server.script(
        "SADD online:s ann bob\nZADD online:z 1 ann 2 bob\nHSET online:h ann 1 bob 1\nRPUSH online:l ann bob ann",
    );
    let lines = appended(&server, |server| assert_eq!(server.run("SESSION.LOGOUT ann"), int(4)));
    let commands = ["HDEL online:h ann", "LREM online:l 0 ann", "SREM online:s ann", "ZREM online:z ann"];
    assert_eq!(within_one_transaction(&lines), commands);
}

#[test]
fn one_trace_is_appended_as_one_plain_command() {
    let server = Server::builder().append_only().start();
    server.must("SET typing:den:ann 1");
    let lines = appended(&server, |server| assert_eq!(server.run("SESSION.LOGOUT ann"), int(1)));
    let plain: Vec<_> = lines.iter().filter(|line| !["MULTI", "EXEC"].contains(&line.as_str())).collect();
    assert_eq!(plain, ["UNLINK typing:den:ann"]);
    // Keys whose names follow from the user's id are named unseen, once there was one like them.
    server.script("SET user_status:bob 1\nSET cache:activity:bob 1\nSET typing:den:ann 1");
    let lines = appended(&server, |server| assert_eq!(server.run("SESSION.LOGOUT ann"), int(1)));
    let plain: Vec<_> = lines.iter().filter(|line| !["MULTI", "EXEC"].contains(&line.as_str())).collect();
    assert_eq!(plain, ["UNLINK cache:activity:ann user_status:ann typing:den:ann"]);
}

#[test]
fn a_logout_that_removes_nothing_appends_nothing() {
    let server = world(Server::builder().append_only());
    let lines = appended(&server, |server| {
        assert_eq!(server.run("SESSION.LOGOUT nobody"), int(0));
        assert_eq!(server.run("SESSION.LOGOUT ann SOCKET s9"), int(0));
        assert!(server.run("SESSION.LOGOUT ann FORCE").is_error());
        server.script("MULTI\nSESSION.LOGOUT nobody\nEXEC");
        server.cmd(["EVAL", "return redis.call('SESSION.LOGOUT', 'nobody')", "0"]);
        server.must("SESSION.INSPECT ann");
    });
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_logout_inside_a_transaction_or_script_is_part_of_it() {
    let server = world(Server::builder().append_only());
    let lines = appended(&server, |server| {
        server.script("MULTI\nSET online:x 1\nSESSION.LOGOUT ann\nSET online:y 1\nEXEC");
    });
    let commands = within_one_transaction(&lines);
    assert!(commands.contains(&"SET online:x 1".to_owned()) && commands.contains(&"SREM active_users ann".to_owned()));
    let script = "redis.call('SET', 'online:z', 1) return redis.call('SESSION.LOGOUT', 'bob')";
    let lines = appended(&server, |server| assert_eq!(server.cmd(["EVAL", script, "0"]), int(TRACES)));
    let commands = within_one_transaction(&lines);
    assert!(commands.contains(&"SET online:z 1".to_owned()) && commands.contains(&"SREM active_users bob".to_owned()));
}

#[test]
fn a_logout_is_appended_for_its_database() {
    let mut server = Server::builder().append_only().start();
    let mut client = server.client();
    client.must("SELECT 7");
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
    let before = server.snapshot();
    server.restart(Stop::Kill);
    before.assert_matches(&server.snapshot());
}

#[test]
fn the_file_is_read_without_the_module() {
    let mut server = world(Server::builder().append_only());
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    assert_eq!(server.run("SESSION.LOGOUT bob SOCKET s2"), int(TRACES));
    let before = server.snapshot();
    server.restart_with(Stop::Kill, Builder::without_module);
    before.assert_matches(&server.snapshot());
}

#[test]
fn a_replica_has_the_same_data_with_and_without_the_module() {
    let master = world(Server::builder());
    let with = Server::start();
    let without = Server::builder().without_module().start();
    with.replica_of(&master);
    without.replica_of(&master);
    assert_eq!(log_out_exactly(&master, "ann"), TRACES);
    master.script("MULTI\nSESSION.LOGOUT bob\nSET a 1\nEXEC");
    for replica in [&with, &without] {
        replica.catch_up_with(&master);
        master.snapshot().assert_matches(&replica.snapshot());
    }
}

#[test]
fn a_logout_that_removes_nothing_sends_a_replica_nothing() {
    let master = world(Server::builder().config("repl-ping-replica-period 3600"));
    let replica = Server::start();
    replica.replica_of(&master);
    let offset = || master.info("replication")["master_repl_offset"].clone();
    let before = offset();
    assert_eq!(master.run("SESSION.LOGOUT nobody"), int(0));
    assert_eq!(offset(), before);
}

/// Does a client that watches `key` see its transaction fail after `act`?
fn watch_fails(server: &Server, key: &str, act: impl FnOnce(&Server)) -> bool {
    let mut client = server.client();
    client.cmd(["WATCH", key]);
    act(server);
    client.script("MULTI\nPING");
    client.must("EXEC") == nil()
}

#[test]
fn whoever_watches_a_trace_has_the_transaction_aborted() {
    let traces = [
        "activity:ann",
        "socket_data:s1",
        "typing:den:ann",
        "user_activity:ann",
        "user_presence:ann",
        "user_session:ann",
        "user_socket:ann",
        "user_status:ann",
        "active_users",
        "room:den",
    ];
    for key in traces {
        let server = world(Server::builder());
        assert!(watch_fails(&server, key, |server| drop(server.must("SESSION.LOGOUT ann"))), "{key}");
    }
}

#[test]
fn whoever_watches_something_else_is_not_disturbed() {
    let server = world(Server::builder());
    assert!(!watch_fails(&server, "active_users", |server| drop(server.must("SESSION.LOGOUT nobody"))));
    assert!(!watch_fails(&server, "room:den", |server| drop(server.must("SESSION.INSPECT ann"))));
    for key in ["room:hall", "typing:hall:bob", "socket_data:s2", "user_status:bob", "nothing"] {
        assert!(!watch_fails(&server, key, |server| drop(server.must("SESSION.LOGOUT ann"))), "{key}");
        log_in(&mut server.client(), "ann", "s1", "den");
    }
}

/// The keys in the next `count` invalidation messages, sorted.
fn invalidated(client: &mut Client, count: usize) -> Vec<String> {
    let mut keys = Vec::new();
    while keys.len() < count {
        let Reply::Push(message) = client.read() else { panic!("not a push message") };
        assert_eq!(message[0], bulk("invalidate"));
        keys.extend(message[1].items().iter().map(|key| key.as_text().to_owned()));
    }
    keys.sort();
    keys
}

#[test]
fn client_side_caches_are_told() {
    for mode in ["", "BCAST"] {
        let server = world(Server::builder());
        let mut client = server.client().resp3();
        client.must(&format!("CLIENT TRACKING ON {mode}"));
        client.script(
            "GET activity:ann\nGET socket_data:s1\nGET typing:den:ann\nGET user_activity:ann\nGET user_presence:ann
             HGETALL user_session:ann\nGET user_socket:ann\nGET user_status:ann\nSMEMBERS active_users\nGET room:den
             GET room:hall\nGET user_status:bob",
        );
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
        let expected = [
            "active_users",
            "activity:ann",
            "room:den",
            "socket_data:s1",
            "typing:den:ann",
            "user_activity:ann",
            "user_presence:ann",
            "user_session:ann",
            "user_socket:ann",
            "user_status:ann",
        ];
        assert_eq!(invalidated(&mut client, 10), expected, "{mode}");
        assert_eq!(client.run("PING"), crate::support::status("PONG"), "nothing else is invalidated");
    }
}

/// The keyspace events, as `event key`, until the one that `SET the-end` causes.
fn events(client: &mut Client, server: &Server) -> Vec<String> {
    server.must("SET the-end 1");
    let mut events = Vec::new();
    loop {
        let message = client.read();
        let [_, _, channel, key] = message.items() else { panic!("not a message: {message:?}") };
        let event = channel.as_text().split_once("__:").expect("a keyevent channel").1.to_owned();
        match (event.as_str(), key.as_text()) {
            ("set", "the-end") => break,
            // A key that is new or overwritten is news to some engines only.
            ("new" | "overwritten" | "type_changed", _) => {}
            (event, key) => events.push(format!("{event} {key}")),
        }
    }
    events.sort();
    events
}

#[test]
fn keyspace_notifications_tell_of_every_change() {
    let server = world(Server::builder());
    server.must("CONFIG SET notify-keyspace-events EA");
    let mut client = server.client();
    client.must("PSUBSCRIBE __keyevent@0__:*");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
    let expected = [
        "del activity:ann",
        "del socket_data:s1",
        "del typing:den:ann",
        "del user_activity:ann",
        "del user_presence:ann",
        "del user_session:ann",
        "del user_socket:ann",
        "del user_status:ann",
        "set room:den",
        "srem active_users",
    ];
    assert_eq!(events(&mut client, &server), expected);
    server.must("SESSION.LOGOUT nobody");
    assert_eq!(events(&mut client, &server), Vec::<String>::new());
}

#[test]
fn keyspace_notifications_tell_of_members_and_emptied_collections() {
    let server = Server::builder().layout(include_str!("../layouts/workspace.json")).start();
    server
        .script("SADD online:s ann\nZADD online:z 1 ann 2 bob\nHSET online:h ann 1 bob 1\nRPUSH online:l ann bob ann");
    server.must("CONFIG SET notify-keyspace-events EA");
    let mut client = server.client();
    client.must("PSUBSCRIBE __keyevent@0__:*");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(4));
    let expected = ["del online:s", "hdel online:h", "lrem online:l", "srem online:s", "zrem online:z"];
    assert_eq!(events(&mut client, &server), expected);
}

#[test]
fn unsaved_changes_are_counted() {
    let server = world(Server::builder());
    let changes = || server.info("persistence")["rdb_changes_since_last_save"].parse::<i64>().expect("a number");
    let before = changes();
    server.must("SESSION.LOGOUT nobody");
    assert_eq!(changes(), before);
    server.must("SESSION.LOGOUT ann");
    assert!(changes() > before, "{} after {before}", changes());
}

#[test]
fn a_blocked_reader_of_a_stream_learns_that_it_is_gone() {
    let server = Server::start();
    server.script("XADD user_activity:ann 1-1 f v\nXGROUP CREATE user_activity:ann group $");
    let mut reader = server.client();
    reader.send(crate::support::split("XREADGROUP GROUP group me BLOCK 0 STREAMS user_activity:ann >"));
    wait_until("the reader is blocked", || server.info("clients")["blocked_clients"] == "1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert!(reader.read().is_error(), "the stream or its group no longer exists");
    assert_eq!(server.must("PING"), crate::support::status("PONG"));
}
