//! What large values cost a logout.
//!
//! A document of more than 64 KiB is looked into at every logout, for the index does not hold who stands in it. It is read
//! only if the user's id may stand in it at all, which a search tells many times faster. Here every way to spell an id is
//! found in a long document exactly as in a short one.

use crate::support::{Server, bulk, int, log_out_exactly, wait_until};

/// More than any document that is read when it changes.
const LONG: usize = 70_000;

/// One document that is the array itself, one that stands for a crowd of them, and keys whose value says whose they are.
const LAYOUT: &str = r#"{ "name": "long", "traces": [
    { "entries": "list", "array": "", "owner": "" },
    { "entries": "room:{roomId}", "array": "/in", "owner": "/id" },
    { "entries": "room:{roomId}", "array": "/out", "owner": "/id" },
    { "key": "token:{tokenId}", "owner": "/of" }
] }"#;

/// Users, and elements that are theirs (`true`) or not.
const SPELLINGS: [(&str, &[(&str, bool)]); 11] = [
    (
        "ann",
        &[
            (r#""ann""#, true),
            (r#""\u0061nn""#, true),
            (r#""a\u006En""#, true),
            (r#""\u0061\u006e\u006e""#, true),
            (r#""anna""#, false),
            (r#""\\u0061nn""#, false),
            (r#""\"ann\"""#, false),
            (r#"{"x":"ann"}"#, false),
            (r#"["ann"]"#, false),
            (r#"{"ann":"ann"}"#, false),
        ],
    ),
    ("é", &[(r#""é""#, true), (r#""\u00e9""#, true), (r#""\u00E9""#, true), (r#""e\u0301""#, false)]),
    ("\u{1f600}", &[(r#""\ud83d\ude00""#, true), ("\"\u{1f600}\"", true), (r#""\ud83d""#, false)]),
    ("a/b", &[(r#""a/b""#, true), (r#""a\/b""#, true), (r#""a\\/b""#, false)]),
    ("a\"b\\c", &[(r#""a\"b\\c""#, true), (r#""a\u0022b\u005cc""#, true), (r#""a""#, false)]),
    ("a\tb", &[(r#""a\tb""#, true), (r#""a\u0009b""#, true), (r#""a\\tb""#, false)]),
    (
        "1.50",
        &[("1.50", true), (r#""1.50""#, true), ("1.5", false), ("1.500", false), ("11.50", false), ("-1.50", false)],
    ),
    ("15", &[("15", true), (r#""15""#, true), (r#""\u00315""#, true), ("15.0", false), ("150", false), ("115", false)]),
    ("-0", &[("-0", true), (r#""-0""#, true), ("0", false), ("-0.0", false)]),
    ("1e3", &[("1e3", true), ("1E3", false), ("1e33", false), (r#""1e3""#, true)]),
    ("true", &[("true", false), (r#""true""#, true), ("null", false)]),
];

/// Something of that length that names nobody.
fn padding(length: usize) -> String {
    format!("\"{}\"", "x\\n".repeat(length / 3))
}

fn mistyped(server: &Server) -> i64 {
    server.info("session")["session_mistyped_values"].parse().expect("a number")
}

#[test]
fn an_entry_is_found_in_a_long_document_however_it_is_spelt() {
    let server = Server::builder().layout(LAYOUT).start();
    let join = |elements: &[&str]| format!("[{}]", elements.join(","));
    for (user, elements) in SPELLINGS {
        for length in [3, LONG] {
            let padding = padding(length);
            let all: Vec<_> = [&*padding].into_iter().chain(elements.iter().map(|(element, _)| *element)).collect();
            let others = elements.iter().filter(|(_, is_users)| !is_users).map(|(element, _)| *element);
            let left: Vec<_> = [&*padding].into_iter().chain(others).collect();
            server.cmd(["SET", "list", &join(&all)]);
            assert_eq!(log_out_exactly(&server, user), i64::try_from(all.len() - left.len()).expect("few"), "{user}");
            assert_eq!(server.cmd(["GET", "list"]), bulk(join(&left)), "{user}");
        }
    }
}

#[test]
fn each_spelling_alone_is_found_and_nothing_else() {
    let server = Server::builder().layout(LAYOUT).start();
    let padding = padding(LONG);
    for (user, elements) in SPELLINGS {
        for (element, is_users) in elements {
            let [room, token, left] = [
                format!("{{\"in\":[{{\"id\":{element}}}],\"x\":{padding}}}"),
                format!("{{\"x\":{padding},\"of\":{element}}}"),
                format!("{{\"in\":[],\"x\":{padding}}}"),
            ];
            server.cmd(["MSET", "room:den", &room, "token:t", &token]);
            assert_eq!(server.cmd(["SESSION.LOGOUT", user]), int(2 * i64::from(*is_users)), "{user} as {element}");
            assert_eq!(server.run("GET room:den"), bulk(if *is_users { left } else { room }), "{user} as {element}");
            assert_eq!(server.run("EXISTS token:t"), int(i64::from(!is_users)), "{user} as {element}");
        }
    }
}

#[test]
fn a_long_document_is_cut_by_each_of_its_traces() {
    let server = Server::builder().layout(LAYOUT).start();
    let document = |people: &str| format!("{{\"in\":[{people}],\"pad\":{},\"out\":[{people}]}}", padding(LONG));
    server.cmd(["SET", "room:den", &document(r#"{"id":"ann"},{"id":"b"},{"id":"\u0061nn"}"#), "EX", "9000"]);
    assert_eq!(log_out_exactly(&server, "nobody"), 0);
    assert_eq!(log_out_exactly(&server, "ann"), 4);
    assert_eq!(server.run("GET room:den"), bulk(document(r#"{"id":"b"}"#)));
}

#[test]
fn of_members_of_one_name_the_last_counts_in_a_long_document_too() {
    let server = Server::builder().layout(LAYOUT).start();
    let token = |of: &str| format!("{{{of},\"x\":{}}}", padding(LONG));
    server.cmd(["SET", "token:1", &token(r#""of":"ann","of":"bob""#)]);
    server.cmd(["SET", "token:2", &token(r#""of":"bob","o\u0066":"ann""#)]);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
    assert_eq!(log_out_exactly(&server, "bob"), 1);
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn what_is_no_json_holds_no_trace_whoever_is_mentioned() {
    let server = Server::builder().layout(LAYOUT).start();
    let mut invalid = format!("[\"ann\",{}]", padding(LONG)).into_bytes();
    invalid[LONG / 2] = 0xff;
    let unfinished = format!("[\"ann\",{}", padding(LONG)).into_bytes();
    let binary = [b"\x1f\x8b".to_vec(), b"\"ann\"".repeat(LONG)].concat();
    for value in [invalid, unfinished, binary] {
        server.cmd([&b"SET"[..], b"list", &value]);
        let before = mistyped(&server);
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(0));
        assert_eq!(mistyped(&server), before + 1);
        assert_eq!(server.run("GET list"), bulk(&value));
    }
}

/// What the value is, only reading it would tell. So this shows that it is not read.
#[test]
fn a_long_document_that_does_not_mention_the_user_is_not_read() {
    let server = Server::builder().layout(LAYOUT).start();
    let unfinished = format!("[\"ann\",{}", padding(LONG));
    server.cmd(["SET", "list", &unfinished]);
    server.cmd(["SET", "room:den", &unfinished]);
    server.cmd(["SET", "token:t", &unfinished]);
    wait_until("they are in the index", || server.info("session")["session_index_state"] == "ready");
    for (user, read) in [("zoe", 0), ("an", 0), ("n", 0), ("15", 0), ("x", 0), ("ann", 4)] {
        let before = mistyped(&server);
        assert_eq!(server.cmd(["SESSION.LOGOUT", user]), int(0));
        assert_eq!(mistyped(&server) - before, read, "{user}");
    }
    // A value that does not begin like JSON is counted all the same.
    server.cmd([&b"SET"[..], b"list", &vec![0x1f; LONG]]);
    let before = mistyped(&server);
    assert_eq!(server.run("SESSION.LOGOUT zoe"), int(0));
    assert_eq!(mistyped(&server), before + 1);
}
