//! Others are told of every logout that removed something, once, and of no other.

use crate::args;
use crate::support::reply::{bulk, int};
use crate::support::server::Stop;
use crate::support::{Client, Listener, Reply, Server, TRACES, log_in, log_out_exactly, wait_until};

/// A server on which ann is in the den with `s1` and bob in the hall with `s2`.
fn world() -> Server {
    with_users(Server::start())
}

fn with_users(server: Server) -> Server {
    log_in(&mut server.client(), "ann", "s1", "den");
    log_in(&mut server.client(), "bob", "s2", "hall");
    server
}

/// What is heard on the channel of a logout of ann, with these for scope, reason and number of traces.
fn told(scope: &str, reason: &str, removed: i64) -> String {
    format!(
        r#"session:events {{"event":"logout","userId":"ann","userName":"Name of ann","sockets":["s1"],"rooms":["den"],"scope":"{scope}","reason":"{reason}","removed":{removed},"at":AT}}"#
    )
}

fn sent(server: &Server) -> (String, String) {
    let info = server.info("session");
    (info["session_events_sent"].clone(), info["session_events_left_out"].clone())
}

#[test]
fn a_logout_is_told_once() {
    let server = world();
    let mut listener = Listener::to_all(&server);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(listener.heard_lines(&server), [told("user", "logout", TRACES)]);
    assert_eq!(sent(&server), ("1".into(), "0".into()));
}

#[test]
fn nothing_is_told_when_nothing_was_removed() {
    let server = world();
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
    let mut listener = Listener::to_all(&server);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(0));
    assert_eq!(server.run("SESSION.LOGOUT ann WITHTRACES").field("removed"), int(0));
    assert_eq!(server.run("SESSION.LOGOUT bob SOCKET s9"), int(0));
    server.must("SESSION.INSPECT bob");
    assert!(server.run("SESSION.LOGOUT bob FORCE").is_error());
    assert_eq!(listener.heard_lines(&server), Vec::<String>::new());
}

/// A plain logout looks at less than one that shows its traces, and must tell the same.
#[test]
fn the_same_is_told_with_and_without_traces() {
    let scripts = [
        "SET typing:den:ann 1\nSET typing:hall:ann 1\nSET typing:loft:ann 1\nDEL typing:loft:ann",
        "SET user_socket:ann s9\nSET user_status:ann x",
        "SET user_socket:ann s2\nSET socket_data:s2 '{\"userId\":\"bob\",\"roomId\":\"den\"}'",
        "SET socket_data:s1 '{\"userId\":\"ann\",\"userName\":\"A\"}'\nSET socket_data:s0 '{\"userId\":\"ann\",\"roomId\":\"x\"}'",
        "SET room:den '{\"participants\":[{\"userId\":\"ann\"}]}'\nSET room:loft '{\"participants\":[]}'",
        "SADD active_users ann",
        "SADD user_socket:ann s1 s2\nHSET socket_data:s2 a b",
    ];
    for script in scripts {
        let mut told = Vec::new();
        for call in ["SESSION.LOGOUT ann", "SESSION.LOGOUT ann WITHTRACES"] {
            let server = Server::start();
            server.script(script);
            let mut listener = Listener::to_all(&server);
            server.must(call);
            told.push(listener.heard_lines(&server));
            assert_eq!(told[0].len(), 1, "{script}");
        }
        assert_eq!(told[0], told[1], "{script}");
    }
}

#[test]
fn the_reason_and_one_device_are_told() {
    let server = world();
    server.script(r#"SET socket_data:s0 '{"userId":"ann","roomId":"loft"}'"#);
    let mut listener = Listener::to_all(&server);
    assert_eq!(server.run(r#"SESSION.LOGOUT ann SOCKET s1 REASON "left \"us\"""#), int(2));
    let expected = told("socket", r#"left \\"us\\""#, 2);
    assert_eq!(listener.heard_lines(&server), [expected]);
    server.must("SET user_socket:ann s0");
    assert_eq!(server.run("SESSION.LOGOUT ann SOCKET s0"), int(TRACES));
    let [last] = &*listener.heard_lines(&server) else { panic!("one event") };
    assert!(last.contains(r#""scope":"user""#) && last.contains(r#""rooms":["den","loft"]"#), "{last}");
}

#[test]
fn whom_to_tell_can_be_said_at_any_time() {
    let server = Server::builder().option("channel", "first").start();
    let mut listener = Listener::to_all(&server);
    for (option, value) in [("channel", "first"), ("channel", "a \"b\"\n"), ("channel", "")] {
        server.cmd(["CONFIG", "SET", &format!("session.{option}"), value]);
        server.must("SET user_status:ann x");
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
        let channels: Vec<_> = listener.heard(&server).into_iter().map(|(channel, _)| channel).collect();
        let expected: Vec<_> = [value].into_iter().filter(|channel| !channel.is_empty()).collect();
        assert_eq!(channels, expected);
    }
    let refused =
        [("socketio-namespace", "chat"), ("socketio-namespace", "/a#b"), ("socketio-prefix", ""), ("socketio", "on")];
    for (option, value) in refused {
        let reply = server.cmd(["CONFIG", "SET", &format!("session.{option}"), value]);
        assert!(reply.is_error(), "{option} {value}: {reply:?}");
    }
    let Reply::Error(text) = server.run("CONFIG SET session.socketio-namespace chat") else { panic!("it is refused") };
    assert!(text.contains("it must be a namespace, which begins with '/' and holds no '#'"), "{text}");
}

#[test]
fn transactions_and_scripts_tell_too() {
    // Without the fence a socket that was logged out may come back.
    let server = with_users(Server::builder().option("fence", "0").start());
    let mut listener = Listener::to_all(&server);
    server.script("MULTI\nPUBLISH a before\nSESSION.LOGOUT ann\nPUBLISH a after\nEXEC");
    assert_eq!(listener.heard_lines(&server), ["a before", &told("user", "logout", TRACES), "a after"]);
    log_in(&mut server.client(), "ann", "s1", "den");
    let script = "redis.call('PUBLISH', 'a', 'before') return redis.call('SESSION.LOGOUT', 'ann', 'REASON', 'script')";
    assert_eq!(server.cmd(["EVAL", script, "0"]), int(TRACES));
    assert_eq!(listener.heard_lines(&server), ["a before", &told("user", "script", TRACES)]);
}

/// The event of a user who left a mapping, and data of a socket that is gone, in the den.
fn told_of_a_ghost(reason: &str) -> String {
    format!(
        r#"session:events {{"event":"logout","userId":"ann","sockets":["s1"],"rooms":["den"],"scope":"user","reason":"{reason}","removed":2,"at":AT}}"#
    )
}

#[test]
fn sweeps_tell_too() {
    let server = Server::start();
    let mut listener = Listener::to_all(&server);
    server.script("SET user_socket:ann s1\nSET typing:den:ann 1");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(1));
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    assert_eq!(listener.heard_lines(&server), [told_of_a_ghost("sweep")]);
}

#[test]
fn the_end_of_a_session_by_expiry_is_told_too() {
    let server = Server::builder().option("expire-cascade", "yes").option("grace", "0").start();
    let mut listener = Listener::to_all(&server);
    server.script("SET user_socket:ann s1\nSET typing:den:ann 1");
    server.cmd(["SET", "socket_data:s1", r#"{"userId":"ann","roomId":"den"}"#, "PX", "20"]);
    let mut heard = Vec::new();
    wait_until("the user is cleaned up", || {
        heard.extend(listener.heard_lines(&server));
        !heard.is_empty()
    });
    assert_eq!(heard, [told_of_a_ghost("expired")]);
}

#[test]
fn a_caller_needs_no_permission_for_the_channel() {
    let server = with_users(Server::builder().option("stream", "audit").option("socketio", "classic").start());
    server.must(
        "ACL SETUSER caller on nopass resetchannels +session.logout ~user_* ~activity:* ~typing:* ~socket_data:* ~room:* ~active_users",
    );
    let mut caller = server.client();
    caller.must("AUTH caller any");
    assert!(caller.run("PUBLISH session:events x").is_error());
    let mut listener = Listener::to_all(&server);
    assert_eq!(caller.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(listener.heard(&server).len(), 4, "an event, two announcements, a disconnect");
    assert_eq!(server.must("XLEN audit"), int(1));
    assert_eq!(sent(&server), ("5".into(), "0".into()));
}

#[test]
fn a_caller_who_listens_hears_of_it_beside_the_reply() {
    let server = world();
    let mut client = server.client().resp3();
    client.send(["SUBSCRIBE", "session:events"]);
    let Reply::Push(_) = client.read() else { panic!("the subscription is confirmed") };
    client.send(["SESSION.LOGOUT", "ann"]);
    let mut replies = [client.read(), client.read()];
    replies.sort_by_key(|reply| matches!(reply, Reply::Push(_)));
    let [reply, Reply::Push(message)] = &replies else { panic!("a reply and a message: {replies:?}") };
    assert_eq!((reply, &message[..2]), (&int(TRACES), &[bulk("message"), bulk("session:events")][..]));
}

#[test]
fn subscribers_of_replicas_hear_it_from_the_master_alone() {
    let master = with_users(Server::builder().option("socketio", "classic").start());
    let replicas = [Server::start(), Server::builder().without_module().start()];
    for replica in &replicas {
        replica.replica_of(&master);
    }
    let mut listeners: Vec<_> = replicas.iter().map(Listener::to_all).collect();
    let mut at_master = Listener::to_all(&master);
    assert_eq!(master.run("SESSION.LOGOUT ann"), int(TRACES));
    let heard = at_master.heard(&master);
    assert_eq!(heard.len(), 4);
    for listener in &mut listeners {
        assert_eq!(listener.heard(&master), heard);
    }
    assert_eq!(sent(&replicas[0]), ("0".into(), "0".into()));
}

#[test]
fn a_replica_that_takes_writes_tells_nothing() {
    let master = world();
    let replica = Server::builder().option("stream", "audit").option("socketio", "classic").start();
    replica.replica_of(&master);
    replica.must("CONFIG SET replica-read-only no");
    let mut listener = Listener::to_all(&replica);
    assert_eq!(replica.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(replica.must("EXISTS audit"), int(0));
    assert_eq!(listener.heard(&master), []);
    replica.must("REPLICAOF NO ONE");
    assert_eq!(replica.run("SESSION.LOGOUT bob"), int(TRACES));
    assert_eq!(listener.heard(&replica).len(), 4);
    assert_eq!(replica.must("XLEN audit"), int(1));
}

#[test]
fn loading_tells_nothing() {
    let mut server = with_users(Server::builder().append_only().option("stream", "audit").start());
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
    let before = server.snapshot();
    server.restart(Stop::Kill);
    before.assert_matches(&server.snapshot());
    assert_eq!(sent(&server), ("0".into(), "0".into()));
}

#[test]
fn ids_of_any_bytes_are_told_without_harm() {
    let server = Server::builder().option("socketio", "classic").start();
    let mut client = server.client();
    let ids: [&[u8]; 6] = [b"a\"b\\", b"\x00\xff\x01", b"{\"x\"}", b"*", b"\r\n", b"a#b"];
    for id in ids {
        client.cmd(args!["SET", [b"user_status:", id].concat(), "x"]);
        client.cmd(args!["SET", [&b"typing:"[..], id, b":", id].concat(), "x"]);
        let mut listener = Listener::to_all(&server);
        assert_eq!(client.cmd(args!["SESSION.LOGOUT", id, "REASON", id]), int(2));
        let heard = listener.heard(&server);
        let event: serde_json::Value = serde_json::from_slice(&heard[0].1).expect("an event is JSON");
        let id = String::from_utf8_lossy(id);
        let told = [&event["userId"], &event["rooms"][0], &event["reason"]];
        assert_eq!(told, [&*id; 3]);
        let channels: Vec<_> = heard[1..].iter().map(|(channel, _)| channel.clone()).collect();
        let is_text = !id.contains('\u{fffd}');
        assert_eq!(
            channels,
            vec![format!("socket.io#/#{id}#"); if is_text { 2 } else { 0 }],
            "no socket, no disconnect"
        );
    }
}

#[test]
fn announcements_follow_the_event_and_disconnects_come_last() {
    let server = with_users(Server::builder().option("socketio", "classic").start());
    server.script("SET typing:attic:ann 1");
    let mut listener = Listener::to_all(&server);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES + 1));
    let lines = listener.heard_lines(&server);
    let left = |room: &str, length: usize| {
        format!(
            r"socket.io#/#{room}# \x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa9user:left\xa3ann\xa3nsp\xa1/\x83\xa5rooms\x91\x{length:x}{room}\xa5flags\x80\xa6except\x91\xa2s1"
        )
    };
    assert_eq!(lines[1..3], [left("attic", 0xa5), left("den", 0xa3)]);
    assert!(
        lines[3].starts_with("socket.io#/#attic# ") && lines[3].contains(r"\xb6Name of ann logged out"),
        "{lines:?}"
    );
    assert!(lines[4].starts_with("socket.io#/#den# ") && lines[4].contains(r"\xabmessage:new"), "{lines:?}");
    let closed = r#"socket.io-request#/# {"type":4,"opts":{"rooms":["s1"],"except":[]},"close":true}"#;
    assert_eq!(lines[5..], [closed]);
}

/// A mapping may be wrong; whose a socket is, its data says.
#[test]
fn a_socket_of_somebody_else_is_not_disconnected() {
    let server = with_users(Server::builder().option("socketio", "classic").start());
    server.must("SET user_socket:ann s2");
    let mut listener = Listener::to_all(&server);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    let lines = listener.heard_lines(&server);
    let closed = r#"socket.io-request#/# {"type":4,"opts":{"rooms":["s1"],"except":[]},"close":true}"#;
    assert_eq!(lines.last().map(String::as_str), Some(closed));
}

/// The messages that a client hears on one sharded channel until `count` have come.
fn sharded(client: &mut Client, count: usize) -> Vec<String> {
    let messages = (0..count).map(|_| client.read());
    messages.map(|reply| reply.items()[2].as_text().to_owned()).collect()
}

#[test]
fn sharded_messages_come_on_the_channel_of_the_namespace() {
    let server =
        with_users(Server::builder().option("socketio", "sharded").option("socketio-namespace", "/chat").start());
    let mut client = server.client();
    client.cmd(["SSUBSCRIBE", "socket.io#/chat#"]);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
    let [left, said, closed] = &*sharded(&mut client, 3) else { unreachable!("three") };
    let data = r#"{"opts":{"rooms":["den"],"except":["s1"],"flags":{}},"packet":{"type":2,"data":["user:left","ann"],"nsp":"/chat"}}"#;
    assert_eq!(*left, format!(r#"{{"uid":"emitter","nsp":"/chat","type":3,"data":{data}}}"#));
    assert!(said.contains(r#""data":["message:new",{"roomId":"den","userId":"system","type":"leave","content":"Name of ann logged out","timestamp":1"#), "{said}");
    let data = r#"{"opts":{"rooms":["s1"],"except":[],"flags":{}},"close":true}"#;
    assert_eq!(*closed, format!(r#"{{"uid":"emitter","nsp":"/chat","type":6,"data":{data}}}"#));
}

/// `PUBLISH` reaches all nodes, whichever has something to tell; what belongs to a slot only its node can do.
#[test]
fn nodes_of_a_cluster_tell_what_they_removed_alone() {
    let nodes = Server::builder().option("stream", "audit").option("socketio", "sharded").start_cluster(2);
    let put = |line: &str| assert_eq!(nodes.iter().filter(|node| !node.run(line).is_error()).count(), 1, "{line}");
    (0..8).for_each(|room| put(&format!("SET typing:{room}:ann 1")));
    let mut listener = Listener::to_all(&nodes[0]);
    let removed: Vec<_> = nodes.iter().map(|node| node.run("SESSION.LOGOUT ann LOCAL").as_int()).collect();
    assert_eq!(removed.iter().sum::<i64>(), 8);
    let mut told = Vec::new();
    wait_until("both nodes are heard", || {
        told.extend(listener.heard(&nodes[0]));
        told.len() == 2
    });
    let mut rooms: Vec<String> = Vec::new();
    for (_, event) in told {
        let event: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
        rooms
            .extend(event["rooms"].as_array().expect("rooms").iter().map(|room| room.as_str().expect("a room").into()));
    }
    rooms.sort();
    assert_eq!(rooms, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let left_out = |node: &Server| sent(node).1.parse::<i64>().expect("a number");
    let announced = |rooms: i64| 2 * rooms;
    // The stream and the sharded channel are each at home on one node.
    assert_eq!(nodes.iter().map(left_out).sum::<i64>() - 1, announced(removed[usize::from(left_out(&nodes[1]) > 1)]));
}

#[test]
fn without_publish_the_event_is_left_out_and_counted() {
    let server = Server::builder().config("rename-command PUBLISH PUB").start();
    server.must("SET user_status:ann online");
    let mut listener = server.client();
    listener.must("SUBSCRIBE session:events");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(sent(&server), ("0".to_owned(), "1".to_owned()));
    assert!(!listener.has_reply(), "nobody gets what replicas would not get");
}
