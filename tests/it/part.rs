//! A logout of a part: one tenant, one room.

use crate::args;
use crate::support::reply::{array, bulk, bulks, error, int};
use crate::support::{Listener, Server, keys};

const TENANTS: &str = r#"{ "name": "tenants", "separator": ":", "traces": [
    { "key": "org:{org}:socket:user:{userId}" },
    { "key": "org:{org}:data:{socketId}", "owner": "/user" },
    { "key": "status:{userId}" },
    { "members": "org:{org}:online", "member": "{userId}" },
    { "members": "org:{org}:room:{roomId}", "member": "{userId}" },
    { "entries": "org:{org}:doc:{roomId}", "array": "/in", "owner": "" } ] }"#;

fn world() -> Server {
    let server = Server::builder().layout(TENANTS).start();
    for org in ["acme", "wayne"] {
        server.script(&format!(
            "SET org:{org}:socket:user:7 s-{org}\nSET org:{org}:data:s-{org} '{{\"user\":7}}'\nSADD org:{org}:online 7 8
             SADD org:{org}:room:den 7 8\nSADD org:{org}:room:hall 7\nSET org:{org}:doc:den '{{\"in\":[7,8]}}'"
        ));
    }
    server.must("SET status:7 on");
    server
}

#[test]
fn one_tenant_goes_and_the_other_stays_whole() {
    let server = world();
    assert_eq!(server.run("SESSION.LOGOUT 7 WHERE org acme"), int(6));
    assert_eq!(server.run("SESSION.LOGOUT 7 WHERE org acme"), int(0));
    assert_eq!(
        keys(&mut server.client()),
        [
            "org:acme:doc:den",
            "org:acme:online",
            "org:acme:room:den",
            "org:wayne:data:s-wayne",
            "org:wayne:doc:den",
            "org:wayne:online",
            "org:wayne:room:den",
            "org:wayne:room:hall",
            "org:wayne:socket:user:7",
            "status:7"
        ]
    );
    assert_eq!(server.run("GET org:acme:doc:den"), bulk(r#"{"in":[8]}"#));
    assert_eq!(server.run("GET org:wayne:doc:den"), bulk(r#"{"in":[7,8]}"#));
    assert_eq!(server.run("SESSION.LOGOUT 7"), int(7), "all of the rest");
}

#[test]
fn several_placeholders_narrow_it_further_and_the_reply_shows_that_part() {
    let server = world();
    let shown = server.run("SESSION.LOGOUT 7 where org acme WHERE roomId den WITHTRACES");
    let fields = [
        ("user", bulk("7")),
        ("removed", int(2)),
        ("keys", array([])),
        ("members", array([bulks(["org:acme:room:den", "7"])])),
        ("entries", array([array([bulk("org:acme:doc:den"), int(1)])])),
        ("sockets", array([])),
        ("rooms", bulks(["den"])),
    ];
    assert_eq!(shown, array(fields.into_iter().flat_map(|(name, value)| [bulk(name), value])));
    assert_eq!(server.run("SMEMBERS org:acme:room:den"), bulks(["8"]));
    assert_eq!(server.run("SESSION.LOGOUT 7 WHERE roomId den"), int(2), "that of the other tenant");
    assert_eq!(server.run("SESSION.LOGOUT 7 WHERE roomId nowhere"), int(0));
    assert_eq!(server.run("EXISTS org:acme:socket:user:7 org:acme:data:s-acme org:acme:room:hall status:7"), int(4));
}

#[test]
fn others_hear_of_a_part() {
    let server = world();
    let mut listener = Listener::to_all(&server);
    assert_eq!(server.run("SESSION.LOGOUT 7 WHERE org acme REASON moved"), int(6));
    let event = r#"session:events {"event":"logout","userId":"7","sockets":[],"rooms":["den","hall"],"scope":"part","reason":"moved","removed":6,"at":AT}"#;
    assert_eq!(listener.heard_lines(&server), [event]);
}

#[test]
fn a_part_of_one_socket_is_the_part_of_what_that_logout_takes() {
    let server = Server::start();
    server.script(
        "SADD user_socket:ada s1 s2\nSET socket_data:s1 '{\"userId\":\"ada\",\"roomId\":\"den\"}'\nSET socket_data:s2 '{\"userId\":\"ada\"}'
         SET typing:den:ada 1\nSET typing:hall:ada 1",
    );
    assert_eq!(server.run("SESSION.LOGOUT ada SOCKET s1 WHERE roomId den"), int(0), "no key of a socket names a room");
    assert_eq!(server.run("SESSION.LOGOUT ada SOCKET s1 WHERE socketId s2"), int(0));
    assert_eq!(
        server.run("SESSION.LOGOUT ada WHERE socketId s1"),
        int(1),
        "its data, and not its place in the mapping"
    );
    assert_eq!(server.run("SCARD user_socket:ada"), int(2));
    assert_eq!(server.run("SESSION.LOGOUT ada WHERE roomId den"), int(1));
    assert_eq!(server.run("EXISTS typing:hall:ada socket_data:s2 user_socket:ada"), int(3));
}

#[test]
fn what_is_no_placeholder_is_refused_with_those_that_are() {
    let server = world();
    let before = server.snapshot();
    let known = error("ERR WHERE takes a placeholder of the layout, without braces: socketId, roomId, org");
    for wrong in ["orgg acme", "userId 7", "{org} acme", "ORG acme"] {
        assert_eq!(server.run(&format!("SESSION.LOGOUT 7 WHERE {wrong}")), known, "{wrong}");
    }
    let syntax = error("ERR syntax error");
    for wrong in ["WHERE", "WHERE org", "WHERE org acme WHERE org wayne", "WHERE org acme wayne"] {
        assert_eq!(server.run(&format!("SESSION.LOGOUT 7 {wrong}")), syntax, "{wrong}");
    }
    let rule = error("ERR value of WHERE must not hold ':', by `separator` and `ids` of the layout");
    assert_eq!(server.run("SESSION.LOGOUT 7 WHERE org a:b"), rule);
    assert_eq!(
        server.cmd(["SESSION.LOGOUT", "7", "WHERE", "org", ""]),
        error("ERR value of WHERE must not be empty, by `separator` and `ids` of the layout")
    );
    let long = vec![b'x'; 65_537];
    let refused = server.cmd(args!["SESSION.LOGOUT", "7", "WHERE", "org", long]);
    assert_eq!(refused, error("ERR value of WHERE must not be longer than 65536 bytes"));
    assert!(server.snapshot() == before);
}

#[test]
fn a_part_needs_permission_for_its_own_keys_alone() {
    let server = world();
    server.must("ACL SETUSER acme on nopass +session.logout ~org:acme:*");
    let mut client = server.client();
    client.must("AUTH acme any");
    assert!(client.run("SESSION.LOGOUT 7").is_error());
    assert!(client.run("SESSION.LOGOUT 7 WHERE org wayne").is_error());
    assert_eq!(client.run("SESSION.LOGOUT 7 WHERE org acme"), int(6));
    assert_eq!(client.run("SESSION.LOGOUT 7 WHERE org acme"), int(0));
    assert!(client.run("SESSION.LOGOUT nobody WHERE org wayne").is_error());
}
