//! `SESSION.EXPLAIN`: how the layout reads a key, and why a logout does or does not take it.

use crate::support::reply::{Reply, array, bulk, int};
use crate::support::{Server, log_in};

/// The reply of `SESSION.EXPLAIN key`, in which everything is a line: `name: value`, with deeper lines behind more blanks.
fn explained(server: &Server, key: &str) -> String {
    text(&server.cmd(["SESSION.EXPLAIN", key]))
}

fn text(reply: &Reply) -> String {
    lines(reply, 0).join("\n")
}

/// A map as lines.
fn lines(map: &Reply, depth: usize) -> Vec<String> {
    let blanks = " ".repeat(depth);
    let mut shown = Vec::new();
    for pair in map.items().chunks(2) {
        let [name, value] = pair else { panic!("no map: {map:?}") };
        let name = name.as_text();
        match value {
            Reply::Array(maps) if ["traces", "others", "users"].contains(&name) => {
                for map in maps {
                    shown.push(format!("{blanks}{name}:"));
                    shown.extend(lines(map, depth + 2));
                }
            }
            Reply::Array(pairs) => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                let pair = |pair: &Reply| pair.byte_items().into_iter().map(text).collect::<Vec<_>>().join("=");
                shown.push(format!("{blanks}{name}: {}", pairs.iter().map(pair).collect::<Vec<_>>().join(" ")));
            }
            Reply::Int(number) => shown.push(format!("{blanks}{name}: {number}")),
            other => shown.push(format!("{blanks}{name}: {}", other.as_text())),
        }
    }
    shown
}

fn expect(server: &Server, key: &str, expected: &str) {
    // The first line's indentation is that of all.
    let indent = expected.lines().nth(1).map_or(0, |line| line.len() - line.trim_start().len());
    let expected = expected.lines().skip(1).filter(|line| !line.trim().is_empty()).map(|line| &line[indent..]);
    assert_eq!(explained(server, key), expected.collect::<Vec<_>>().join("\n"), "{key}");
}

#[test]
fn it_shows_whom_a_key_names_whether_they_live_and_what_becomes_of_it() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.script("SADD active_users bob");
    let before = server.snapshot();
    expect(
        &server,
        "typing:den:ann",
        "
        key: typing:den:ann
        type: a string
        traces:
          trace: { \"key\": \"typing:{roomId}:{userId}\" }
          placeholders: roomId=den userId=ann
          named: 1
          users:
            user: ann
            live: 1
            by: socket s1
            found: by the index
            removed: the key
        ",
    );
    expect(
        &server,
        "user_socket:ann",
        "
        key: user_socket:ann
        type: a string
        traces:
          trace: { \"key\": \"user_socket:{userId}\" }
          placeholders: userId=ann
          named: 1
          users:
            user: ann
            live: 1
            by: socket s1
            found: by name
            removed: the key
        traces:
          trace: `sockets.of`
          placeholders: userId=ann
          named: 1
          users:
            user: ann
            live: 1
            by: socket s1
            found: by name
            removed: the key
        ",
    );
    expect(
        &server,
        "socket_data:s1",
        "
        key: socket_data:s1
        type: a string
        traces:
          trace: { \"key\": \"socket_data:{socketId}\", \"owner\": \"/userId\" }
          placeholders: socketId=s1
          named: 1
          users:
            user: ann
            live: 1
            by: socket s1
            found: by the index
            removed: the key
        ",
    );
    let active = explained(&server, "active_users");
    assert!(
        active.contains("  named: 2\n")
            && active.contains("    user: bob\n    live: 0\n    by: nothing\n    found: by name\n    removed: members"),
        "{active}"
    );
    let room = explained(&server, "room:den");
    assert!(room.contains("  placeholders: roomId=den\n  named: 2\n"), "{room}");
    assert!(
        room.contains("    user: host\n    live: 0\n    by: nothing\n    found: by the index\n    removed: entries"),
        "{room}"
    );
    assert!(server.snapshot() == before);
}

#[test]
fn it_says_why_nobody_is_named() {
    let server = Server::start();
    server.script(
        "SET socket_data:a 'no JSON'\nHSET socket_data:b userId ann\nSET socket_data:c '{\"user\":\"ann\"}'\nSET socket_data:d '{\"userId\":{\"id\":1}}'
         SET socket_data:e '{\"userId\":\"a:b\"}'\nSET active_users x\nSET room:a '{\"participants\":{}}'\nSET room:b '{\"participants\":[\"ann\"]}'
         HSET room:c participants ann\nSET user_socket:ada:prefs x\nSET unheard:of x\nXADD room:d 1-1 a b",
    );
    let why = |key: &str| {
        let shown = explained(&server, key);
        let why: Vec<&str> = shown.lines().filter_map(|line| line.trim().strip_prefix("why: ")).collect();
        why.join(" | ")
    };
    for (key, expected) in [
        ("socket_data:a", "the value is not JSON"),
        ("socket_data:b", "the value is a hash, and not a string"),
        ("socket_data:c", "the pointer of `owner` leads to no string or number"),
        ("socket_data:d", "the pointer of `owner` leads to no string or number"),
        ("socket_data:e", "{userId} would be 'a:b', and must not hold ':'"),
        ("active_users", "the value is a string, which has no members"),
        ("room:a", "the pointer `array` leads to no array"),
        ("room:b", "in none of its 1 elements `owner` leads to a string or number"),
        ("room:c", "the value is a hash, and not a string"),
        ("room:d", "the value is a stream, and not a string"),
        ("typing:den:ghost", "there is no such key"),
        ("unheard:of", ""),
    ] {
        assert_eq!(why(key), expected, "{key}");
    }
    expect(
        &server,
        "user_socket:ada:prefs",
        "
        key: user_socket:ada:prefs
        type: a string
        others:
          trace: { \"key\": \"user_socket:{userId}\" }
          why: {userId} would be 'ada:prefs', and must not hold ':'
        others:
          trace: `sockets.of`
          why: {userId} would be 'ada:prefs', and must not hold ':'
        ",
    );
    expect(
        &server,
        "unheard:of",
        "
        key: unheard:of
        type: a string
        ",
    );
    let none = server.run("SESSION.EXPLAIN nothing");
    assert_eq!(
        none,
        array([
            bulk("key"),
            bulk("nothing"),
            bulk("type"),
            bulk("none"),
            bulk("traces"),
            array([]),
            bulk("others"),
            array([])
        ])
    );
}

#[test]
fn other_layouts_are_explained_too() {
    let server = Server::builder()
        .layout(
            r#"{ "name": "x", "separator": ":", "traces": [
                { "key": "sessions:{userId}" }, { "key": "meta:{socketId}" },
                { "key": "token:{userId}:{tokenId}", "owner": { "field": "of" } },
                { "members": "in:{roomId}", "member": "{socketId}" } ],
                "sockets": { "of": "sessions:{userId}", "data": "data:{socketId}" },
                "live": [{ "key": "beat:{userId}" }] }"#,
        )
        .start();
    server.script("SADD sessions:ann s1\nSET data:s1 x\nSET meta:s1 x\nSET meta:s2 x\nHSET token:ann:1 of bob\nHSET token:ann:2 by ann\nHSET token:ann:3 of ann\nSADD in:den s1\nSADD in:hall x:y");
    server.script("SET token:ann:4 x\nSET beat:bob 1\nSESSION.SWEEP\nSET sessions:bob s9");
    let why = |key: &str| {
        explained(&server, key)
            .lines()
            .filter_map(|line| line.trim().strip_prefix("why: ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(why("data:s1"), ["it is the data of socket s1, and no trace lists it"]);
    assert_eq!(why("beat:bob"), ["somebody may be live by it, and no trace lists it"]);
    assert_eq!(why("meta:s2"), ["it is not known, or not yet, which user has this socket"]);
    assert_eq!(why("token:ann:1"), ["its name holds the user 'ann', and its value names 'bob'"]);
    assert_eq!(why("token:ann:2"), ["the hash has no such field"]);
    assert_eq!(why("token:ann:4"), ["the value is a string, and `owner` a field of a hash"]);
    assert_eq!(why("in:hall"), ["{socketId} would be 'x:y', and must not hold ':'"]);
    let meta = explained(&server, "meta:s1");
    assert!(
        meta.contains("    user: ann\n    live: 1\n    by: socket s1\n    found: by name\n    removed: the key"),
        "{meta}"
    );
    let token = explained(&server, "token:ann:3");
    assert!(
        token.contains("    user: ann\n    live: 1\n    by: socket s1\n    found: by the index\n    removed: the key"),
        "{token}"
    );
    let member = explained(&server, "in:den");
    assert!(member.contains("    user: ann\n") && member.contains("    removed: members"), "{member}");
    let bob = explained(&server, "sessions:bob");
    assert!(bob.contains("    live: 1\n    by: `live`\n"), "{bob}");
}

#[test]
fn no_more_than_ten_users_are_shown_and_all_are_counted() {
    let server = Server::start();
    for number in 0..25 {
        server.must(&format!("SADD active_users u{number}"));
    }
    let shown = explained(&server, "active_users");
    assert!(shown.contains("  named: 25\n"), "{shown}");
    assert_eq!(shown.matches("    user: ").count(), 10);
}

#[test]
fn a_caller_is_shown_what_it_may_read_and_no_more() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("ACL SETUSER narrow on nopass +session.explain +get %R~typing:*");
    let mut client = server.client();
    client.must("AUTH narrow any");
    // The server itself refuses it, since it knows which key is read.
    for key in ["user_socket:ann", "nothing"] {
        let refused = client.cmd(["SESSION.EXPLAIN", key]);
        assert_eq!(refused, client.cmd(["GET", key]), "{key}");
        assert!(format!("{refused:?}").contains("NOPERM") && refused.is_error(), "{refused:?}");
    }
    let shown = text(&client.run("SESSION.EXPLAIN typing:den:ann"));
    assert!(shown.ends_with("  named: 1\n  users:\n    user: ann"), "{shown}");
    // Whose a socket is stands in a key that the caller may not read.
    let server = Server::builder()
        .layout(
            r#"{ "name": "x", "separator": ":", "traces": [{ "key": "of:{userId}" }, { "key": "data:{socketId}" }],
                "sockets": { "of": "of:{userId}", "data": "data:{socketId}" } }"#,
        )
        .start();
    server.script(
        "SADD of:ann s1\nSET data:s1 x\nSESSION.SWEEP\nACL SETUSER narrow on nopass +session.explain %R~data:*",
    );
    let mut client = server.client();
    client.must("AUTH narrow any");
    let shown = text(&client.run("SESSION.EXPLAIN data:s1"));
    assert!(!shown.contains("ann"), "{shown}");
    assert!(text(&server.run("SESSION.EXPLAIN data:s1")).contains("user: ann"));
    assert_eq!(server.run("SESSION.INSPECT ann").field("removed"), int(2));
}
