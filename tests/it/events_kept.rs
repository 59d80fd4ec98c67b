//! What is told can be kept: in a stream and in the history of each room, in the same transaction as the removal.

use crate::support::bytes::join;
use crate::support::hear::{newest_entry, without_moments};
use crate::support::reply::int;
use crate::support::server::{Builder, Stop};
use crate::support::{Listener, Server, aof_commands, bulks};

/// Rooms' histories: a list and a stream; sets of what is there, which only the index finds.
const LAYOUT: &str = r#"{
  "name": "chat", "separator": ":",
  "traces": [
    { "key": "status:{userId}" },
    { "key": "typing:{roomId}:{userId}" },
    { "members": "log:{roomId}", "member": "{userId}" }
  ],
  "announce": [
    { "event": "left", "args": ["{userId}"], "append": "history:{roomId}" },
    { "event": "said", "args": [{ "text": "{userId} left {roomId}", "at": "{now}" }, 42], "append": "feed:{roomId}", "as": "stream" },
    { "event": "code", "args": [42], "append": "log:{roomId}" }
  ]
}"#;

const EVENT: &str = r#"{"event":"logout","userId":"ann","sockets":[],"rooms":["den"],"scope":"user","reason":"logout","removed":1,"at":AT}"#;

fn chat() -> Builder {
    Server::builder().layout(LAYOUT).option("stream", "audit")
}

fn counts(server: &Server) -> (String, String) {
    let info = server.info("session");
    (info["session_events_sent"].clone(), info["session_events_left_out"].clone())
}

#[test]
fn entries_are_appended_in_the_transaction_of_the_removal_and_messages_are_not() {
    let server = chat().append_only().option("socketio", "classic").start();
    server.must("SET typing:den:ann 1");
    let (_, length) = aof_commands(&server, 0);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    let now = server.now();
    let lines: Vec<_> = aof_commands(&server, length)
        .0
        .iter()
        .map(|command| without_moments(&join(command).into_bytes(), now))
        .collect();
    let event = EVENT.replace('"', r#"\\""#);
    let said = r#"[{"text":"ann left den","at":AT},42]"#.replace('"', r#"\\""#);
    let expected = [
        "MULTI".to_owned(),
        "UNLINK typing:den:ann".to_owned(),
        format!(r#"XADD audit MAXLEN ~ 10000 AT-0 event "{event}""#),
        r#"RPUSH history:den "\\"ann\\"""#.to_owned(),
        format!(r#"XADD feed:den AT-0 message "{said}""#),
        "RPUSH log:den 42".to_owned(),
        "EXEC".to_owned(),
    ];
    // Replicas and the file get the length that the server came to by "about".
    let lines: Vec<_> = lines.iter().map(|line| line.replace("MAXLEN = 1 ", "MAXLEN ~ 10000 ")).collect();
    assert_eq!(lines, expected);
}

/// Nobody's command is at work when the timer sweeps.
#[test]
fn entries_of_a_sweep_are_in_the_transaction_of_its_removal() {
    let server = Server::builder().append_only().option("stream", "audit").start();
    server.script("SET user_socket:ann s1\nSET typing:den:ann 1");
    let (_, length) = aof_commands(&server, 0);
    server.must("CONFIG SET session.grace 0 session.sweep-interval 1");
    crate::support::wait_until("the user is swept", || server.must("XLEN audit") == int(1));
    let commands: Vec<_> = aof_commands(&server, length).0.iter().map(|command| join(&command[..1])).collect();
    assert_eq!(commands, ["MULTI", "UNLINK", "XADD", "EXEC"]);
    assert!(newest_entry(&server, "audit")[1].contains(r#""reason":"sweep""#));
}

#[test]
fn what_is_kept_is_there_after_a_restart_and_without_the_module() {
    let mut server = chat().append_only().start();
    server.must("SET typing:den:ann 1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    let before = server.snapshot();
    server.restart_with(Stop::Kill, Builder::without_module);
    before.assert_matches(&server.snapshot());
    assert_eq!(newest_entry(&server, "audit"), ["event", EVENT]);
    assert_eq!(newest_entry(&server, "feed:den"), ["message", r#"[{"text":"ann left den","at":AT},42]"#]);
    assert_eq!(server.must("LRANGE history:den 0 -1"), bulks([r#""ann""#]));
}

#[test]
fn a_replica_without_the_module_gets_entries_and_messages() {
    let master = chat().start();
    let replica = Server::builder().without_module().start();
    replica.replica_of(&master);
    let mut listener = Listener::to_all(&replica);
    master.must("SET typing:den:ann 1");
    assert_eq!(master.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(listener.heard_lines(&master), [format!("session:events {EVENT}")]);
    replica.catch_up_with(&master);
    master.snapshot().assert_matches(&replica.snapshot());
}

#[test]
fn the_stream_is_kept_short() {
    let server = chat().option("stream-maxlen", "100").start();
    for _ in 0..400 {
        server.must("SET status:ann x");
        server.must("SESSION.LOGOUT ann");
    }
    let length = server.must("XLEN audit").as_int();
    assert!((100..=200).contains(&length), "{length}");
}

#[test]
fn every_room_left_has_its_history() {
    let server = chat().start();
    server.script("SET typing:den:ann 1\nSET typing:hall:ann 1\nRPUSH history:hall old\nSET typing:hall:bob 1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(2));
    assert_eq!(server.must("LRANGE history:den 0 -1"), bulks([r#""ann""#]));
    assert_eq!(server.must("LRANGE history:hall 0 -1"), bulks(["old", r#""ann""#]));
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(0));
    assert_eq!(server.must("LLEN history:den"), int(1));
    assert_eq!(counts(&server), ("8".into(), "0".into()));
}

#[test]
fn a_key_that_cannot_take_an_entry_costs_the_entry_and_not_the_logout() {
    let server = chat().start();
    server.script("SET typing:den:ann 1\nSET typing:hall:ann 1\nSET audit x\nSET history:den x\nRPUSH feed:hall x");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(2));
    assert_eq!(server.must("MGET audit history:den"), bulks(["x", "x"]));
    assert_eq!(server.must("LRANGE feed:hall 0 -1"), bulks(["x"]));
    assert_eq!(server.must("LRANGE history:hall 0 -1"), bulks([r#""ann""#]));
    assert_eq!(newest_entry(&server, "feed:den")[0], "message");
    assert_eq!(counts(&server), ("5".into(), "3".into()));
    let line = "events about a logout were left out user=ann count=3: key audit holds a value of another type";
    assert_eq!(server.log().matches(line).count(), 1, "{}", server.log());
}

/// An id that is already the largest leaves no room for another: the server refuses the entry, after the removal.
#[test]
fn an_entry_that_the_server_refuses_is_left_out() {
    let server = chat().start();
    server.script("XADD audit 18446744073709551615-18446744073709551615 a b\nSET status:ann x");
    let mut listener = Listener::to_all(&server);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(listener.heard(&server).len(), 1);
    assert_eq!(counts(&server), ("1".into(), "1".into()));
    let line = "events about a logout were left out user=ann count=1: the server refused the one for audit";
    assert!(server.log().contains(line), "{}", server.log());
}

#[test]
fn a_stream_that_is_a_trace_is_not_brought_back() {
    let server = chat().option("channel", "").start();
    server.script("CONFIG SET session.stream status:ann\nXADD status:ann * a b");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(server.must("EXISTS status:ann"), int(0));
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(0));
    assert_eq!(counts(&server), ("0".into(), "1".into()));
}

/// The module's own writes are traces like any other: here of a user who is called 42.
#[test]
fn what_is_appended_is_known_to_the_index() {
    let server = chat().start();
    server.must("SET typing:den:ann 1");
    assert_eq!(server.must("SESSION.INSPECT 42").field("removed"), int(0));
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    let found = server.must("SESSION.INSPECT 42");
    assert_eq!((found.field("removed"), found.field("rooms")), (int(1), bulks(["den"])));
}

#[test]
fn whoever_waits_for_an_entry_gets_it() {
    let server = chat().start();
    server.must("SET typing:den:ann 1");
    let mut waiting = server.client();
    waiting.send(["BLPOP", "history:den", "0"]);
    crate::support::wait_until("somebody waits", || server.info("clients")["blocked_clients"] == "1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(waiting.read(), bulks(["history:den", r#""ann""#]));
}

#[test]
fn the_stream_of_socket_io_is_checked_like_any_other() {
    let server = chat().option("socketio", "streams").option("socketio-prefix", "io").start();
    server.script("SET typing:den:ann 1\nSET io x");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(counts(&server), ("5".into(), "3".into()), "an event on the channel and in the stream, three kept");
    server.script("DEL io\nSET typing:den:ann 1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(server.must("XLEN io"), int(3));
    let data = r#"{"opts":{"rooms":["den"],"except":[],"flags":{}},"packet":{"type":2,"data":["code",42],"nsp":"/"}}"#;
    assert_eq!(newest_entry(&server, "io"), ["uid", "emitter", "nsp", "/", "type", "3", "data", data]);
}
