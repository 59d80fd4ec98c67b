//! Rooms that are named beside a user's id, in members, values and documents, each time that they are.

use crate::support::reply::{Reply, array, bulk, bulks, int};
use crate::support::{Listener, Server, keys, sweep_exactly};

/// Without the fence, which would not let a socket come back that was logged out.
fn with_traces(traces: &str) -> Server {
    let sockets = r#""sockets": { "of": "map:{userId}", "data": "data:{socketId}" }"#;
    Server::builder()
        .option("fence", "0")
        .layout(format!(r#"{{ "name": "rooms", "separator": ":", "traces": [{traces}], {sockets} }}"#))
        .start()
}

/// What a reply with WITHTRACES says of something.
fn field(reply: &Reply, name: &str) -> Reply {
    let items = reply.items();
    let at = items.iter().position(|item| *item == bulk(name)).expect("it is in the map");
    items[at + 1].clone()
}

#[test]
fn a_room_in_a_member_is_left_though_its_collection_goes_as_a_whole() {
    let server = with_traces(
        r#"{ "key": "rooms:{userId}" }, { "members": "rooms:{userId}", "member": "in:{roomId}" },
           { "key": "desk:{userId}" }, { "entries": "desk:{userId}", "object": "/at", "member": "{roomId}" }"#,
    );
    server.script(
        r#"SADD rooms:ada in:den in:hall other
                     SET desk:ada '{"at":{"attic":1,"den":2}}'"#,
    );
    let reply = server.run("SESSION.LOGOUT ada WITHTRACES");
    assert_eq!(field(&reply, "keys"), bulks(["desk:ada", "rooms:ada"]));
    assert_eq!(field(&reply, "members"), array([]));
    assert_eq!(field(&reply, "rooms"), bulks(["attic", "den", "hall"]));
}

#[test]
fn a_part_takes_the_members_of_a_collection_that_stays() {
    let server = with_traces(
        r#"{ "key": "rooms:{userId}" }, { "members": "rooms:{userId}", "member": "{roomId}" },
           { "key": "desk:{userId}" }, { "entries": "desk:{userId}", "object": "", "member": "{roomId}" }"#,
    );
    server.script(
        r#"SADD rooms:ada den hall
                     SET desk:ada '{"den":1,"hall":2}'"#,
    );
    let reply = server.run("SESSION.LOGOUT ada WHERE roomId den WITHTRACES");
    assert_eq!(field(&reply, "keys"), array([]));
    assert_eq!(field(&reply, "members"), array([bulks(["rooms:ada", "den"])]));
    assert_eq!(field(&reply, "entries"), array([array([bulk("desk:ada"), int(1)])]));
    assert_eq!(field(&reply, "rooms"), bulks(["den"]));
    assert_eq!(server.run("SMEMBERS rooms:ada"), bulks(["hall"]));
    assert_eq!(server.run("GET desk:ada"), bulk(r#"{"hall":2}"#));
    assert_eq!(server.run("SESSION.LOGOUT ada WHERE roomId den"), int(0));
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(2), "the rest goes as a whole");
}

#[test]
fn every_text_that_a_star_leads_to_counts() {
    let server = with_traces(
        r#"{ "key": "seats:{x}", "owner": { "pointer": "/*", "is": "{roomId}:{userId}" } },
           { "members": "halls:{x}", "owner": { "pointer": "/*", "is": "{roomId}:{userId}" } },
           { "key": "pair:{x}", "owner": { "pointer": "/*", "is": "{socketId}" } },
           { "members": "pairs:{x}", "owner": { "pointer": "/*", "is": "{socketId}" } },
           { "key": "map:{userId}" }, { "key": "data:{socketId}", "owner": { "raw": true } }"#,
    );
    let fill = || {
        server.script(
            r#"SET seats:1 '["den:ada","hall:ben","hall:ada"]'
               SADD halls:1 '["attic:ada","porch:ada"]' '["cellar:ben"]'
               SADD map:ada s1 s2
               SET data:s1 ada
               SET data:s2 ada
               SET pair:1 '["s1","s2"]'
               SADD pairs:1 '["s1","s2"]' '["s2"]'"#,
        );
    };
    fill();
    let reply = server.run("SESSION.LOGOUT ada WHERE roomId hall WITHTRACES");
    assert_eq!((field(&reply, "keys"), field(&reply, "rooms")), (bulks(["seats:1"]), bulks(["hall"])));
    let reply = server.run("SESSION.LOGOUT ada WHERE roomId porch WITHTRACES");
    assert_eq!(field(&reply, "members"), array([bulks(["halls:1", r#"["attic:ada","porch:ada"]"#])]));
    assert_eq!(field(&reply, "rooms"), bulks(["porch"]));
    // What two sockets are named by goes with either.
    for (socket, members) in [("s1", 2), ("s2", 3)] {
        server.must("FLUSHALL");
        fill();
        let reply = server.run(&format!("SESSION.LOGOUT ada SOCKET {socket} WITHTRACES"));
        assert_eq!(field(&reply, "keys"), bulks([&format!("data:{socket}"), "pair:1"]));
        assert_eq!(field(&reply, "members").items().len(), members, "{socket}");
    }
    server.must("FLUSHALL");
    fill();
    let reply = server.run("SESSION.LOGOUT ada WITHTRACES");
    assert_eq!(field(&reply, "rooms"), bulks(["attic", "den", "hall", "porch"]));
    assert_eq!(keys(&mut server.client()), ["halls:1"]);
}

/// What takes a step for each pair of them would not come back.
#[test]
fn a_value_may_name_very_many_sockets() {
    let server = with_traces(r#"{ "key": "pair:{x}", "owner": { "pointer": "/*", "is": "{socketId}:{userId}" } }"#);
    let names: Vec<_> = (0..300_000).map(|number| format!("\"s{}:ada\"", number % 100_000)).collect();
    server.cmd(["SET", "pair:1", &format!("[{}]", names.join(","))]);
    let reply = server.run("SESSION.LOGOUT ada WITHTRACES");
    assert_eq!(field(&reply, "keys"), bulks(["pair:1"]));
    assert_eq!(field(&reply, "sockets").items().len(), 100_000);
}

#[test]
fn a_socket_may_be_in_several_rooms() {
    let layout = r#"{ "name": "rooms", "separator": ":", "traces": [{ "key": "data:{socketId}", "owner": "/user" }],
        "sockets": { "data": "data:{socketId}", "room": "/rooms/*" },
        "announce": [{ "event": "left", "args": ["{roomId}", "{socketId}"] }] }"#;
    let server = Server::builder().layout(layout).option("socketio", "classic").start();
    let mut listener = Listener::to_all(&server);
    server.script(
        r#"SET data:s1 '{"user":"ada","rooms":["den","hall","","den"]}'
           SET data:s2 '{"user":"ada","rooms":["attic","hall"]}'"#,
    );
    let reply = server.run("SESSION.LOGOUT ada SOCKET s1 WITHTRACES");
    assert_eq!(field(&reply, "rooms"), bulks(["den"]), "another socket is in the hall");
    let reply = server.run("SESSION.LOGOUT ada WITHTRACES");
    assert_eq!(field(&reply, "rooms"), bulks(["attic", "hall"]));
    let heard = listener.heard_lines(&server).join("\n");
    for room in ["den", "attic", "hall"] {
        assert_eq!(heard.matches(&format!("socket.io#/#{room}#")).count(), 1, "{room}: {heard}");
    }
}

#[test]
fn a_room_beside_the_id_in_an_element_is_left() {
    let server = with_traces(
        r#"{ "entries": "desks", "object": "", "member": "{roomId}:{userId}" },
           { "entries": "seats", "array": "", "owner": { "pointer": "/at/*", "is": "{roomId}:{userId}" } },
           { "entries": "marks", "array": "", "owner": { "pointer": "/at", "is": "{roomId}:{userId}" }, "set": { "/on": false } }"#,
    );
    server.script(
        r#"SET desks '{"den:ada":1,"hall:ben":2}'
           SET seats '[{"at":["attic:ada","hall:ada","porch:ben"]},{"at":["cellar:ben"]}]'
           SET marks '[{"at":"roof:ada","on":true},{"at":"yard:ada","on":false}]'"#,
    );
    let reply = server.run("SESSION.LOGOUT ada WITHTRACES");
    assert_eq!(field(&reply, "removed"), int(3));
    assert_eq!(field(&reply, "rooms"), bulks(["attic", "den", "hall", "roof"]), "and none by what was marked before");
}

#[test]
fn membership_in_a_users_own_collection_is_evidence_whatever_its_members_are() {
    let server = with_traces(r#"{ "key": "rooms:{userId}" }, { "members": "rooms:{userId}", "member": "{roomId}" }"#);
    server.script("SADD rooms:ada den");
    let reply = server.run("SESSION.EXPLAIN rooms:ada");
    let shown = format!("{reply:?}");
    assert!(!shown.contains("den"), "the room is no user: {shown}");
    assert_eq!(sweep_exactly(&server), 1);
}
