//! JSON documents: what counts as an entry of the user, and that every other byte stays.

use crate::args;
use crate::support::reply::{bulk, int};
use crate::support::{Server, log_out_exactly};

/// A layout of one document whose value is the array itself.
const LIST: &str = r#"{ "name": "list", "traces": [ { "entries": "list", "array": "", "owner": "" } ] }"#;

/// Sets the document, logs ann out, and returns how many elements went and what is left.
fn cut(server: &Server, key: &str, document: impl AsRef<[u8]>) -> (i64, Vec<u8>) {
    server.cmd(args!["SET", key, document.as_ref()]);
    let removed = server.run("SESSION.LOGOUT ann").as_int();
    (removed, server.cmd(["GET", key]).as_bytes().to_vec())
}

fn assert_cut(server: &Server, key: &str, document: &str, expected: &str) {
    let (removed, left) = cut(server, key, document);
    assert_eq!(String::from_utf8_lossy(&left), expected, "what is left of {document}");
    assert_eq!(removed > 0, document != expected, "{document}");
}

#[test]
fn elements_go_with_what_separates_them_and_nothing_else() {
    let server = Server::builder().layout(LIST).start();
    let cases = [
        ("[A]", "[]"),
        ("[ A ]", "[  ]"),
        ("[A,b,c]", "[b,c]"),
        ("[b,A,c]", "[b,c]"),
        ("[b,c,A]", "[b,c]"),
        ("[ b , A , c ]", "[ b , c ]"),
        ("[ b , c , A ]", "[ b , c ]"),
        ("[ A , b ]", "[ b ]"),
        ("[A,A,A]", "[]"),
        ("[ A,\tA ]", "[  ]"),
        ("[A,b,A,c,A]", "[b,c]"),
        ("[ b,A , A,  c ]", "[ b,c ]"),
        ("\n[\n  b,\n  A,\n  c\n]\n", "\n[\n  b,\n  c\n]\n"),
        ("[\n  b,\n  A\n]", "[\n  b\n]"),
        ("[\n  A,\n  b\n]", "[\n  b\n]"),
        ("[[A],{\"A\":1},b]", "[[A],{\"A\":1},b]"),
        ("[]", "[]"),
        ("[ ]", "[ ]"),
    ];
    for (document, expected) in cases {
        let spell = |text: &str| text.replace('A', "\"ann\"").replace('b', "\"b\"").replace('c', "1.50");
        assert_cut(&server, "list", &spell(document), &spell(expected));
    }
}

#[test]
fn every_other_byte_stays() {
    let server = Server::start();
    let before = "\t{ \"id\" : \"den\",\"big\":12345678901234567890 , \"price\":1.50,\"e\":1E+05,\"zero\":-0.0,\r\n \
        \"text\":\"\\u00e9\\/\\ud83d\\ude00 ]},{[ \\\" \u{e9}\u{2028}\u{7f}\", \"dup\":1,\"dup\":2, \"participants\" : [ \
        { \"userId\" : \"bob\",\"n\":1.0} ,{\"userId\":\"ann\",\"n\":[{},[\"]\"]]}  , {\"userId\":\"carl\"} ], \"after\": [ ] } \n";
    let after = before.replace("{\"userId\":\"ann\",\"n\":[{},[\"]\"]]}  , ", "");
    assert_cut(&server, "room:den", before, &after);
}

#[test]
fn the_expiry_stays() {
    let server = Server::start();
    server.script(
        r#"SET room:den '{"participants":[{"userId":"ann"}]}' PXAT 99999999999999
           SET room:hall '{"participants":[{"userId":"ann"}]}'"#,
    );
    assert_eq!(log_out_exactly(&server, "ann"), 2);
    assert_eq!(server.run("PEXPIRETIME room:den"), int(99_999_999_999_999));
    assert_eq!(server.run("PEXPIRETIME room:hall"), int(-1));
    assert_eq!(server.run("GET room:hall"), bulk(r#"{"participants":[]}"#));
}

#[test]
fn an_owner_is_compared_by_what_it_says_not_how_it_is_spelt() {
    let server = Server::builder().layout(LIST).start();
    assert_cut(&server, "list", r#"["\u0061nn","a\u006En","b"]"#, r#"["b"]"#);
    let cases: [(&str, &str, &str); 12] = [
        ("é", r#"["\u00e9","é","e\u0301"]"#, r#"["e\u0301"]"#),
        ("\u{1f600}", r#"["\ud83d\ude00","\uD83D\uDE00","\ud83d"]"#, r#"["\ud83d"]"#),
        ("a/b", r#"["a/b","a\/b"]"#, "[]"),
        ("a\"b\\c", r#"["a\"b\\c","a\u0022b\u005cc","x"]"#, r#"["x"]"#),
        ("a\tb", r#"["a\tb","a\u0009b","a\\tb"]"#, r#"["a\\tb"]"#),
        ("1.50", r#"[1.50,"1.50",1.5,1.500,"1.5"]"#, r#"[1.5,1.500,"1.5"]"#),
        ("15", r#"[15,"15",15.0,1.5e1,"015",150]"#, r#"[15.0,1.5e1,"015",150]"#),
        ("-0", r#"[-0,0,"-0",-0.0]"#, "[0,-0.0]"),
        ("12345678901234567890", "[12345678901234567890,12345678901234567891]", "[12345678901234567891]"),
        ("1e3", "[1e3,1E3,1000,1e+3]", "[1E3,1000,1e+3]"),
        ("true", r#"[true,"true"]"#, "[true]"),
        ("null", r#"[null,"null",{},[]]"#, "[null,{},[]]"),
    ];
    for (user, document, expected) in cases {
        server.cmd(["SET", "list", document]);
        assert_ne!(log_out_exactly(&server, user), 0, "{user}");
        assert_eq!(server.cmd(["GET", "list"]), bulk(expected), "{user}");
    }
}

#[test]
fn an_id_with_a_nul_is_found_in_json() {
    let server = Server::builder().layout(LIST).start();
    server.cmd(["SET", "list", r#"["a\u0000b","a","a\u0000"]"#]);
    assert_eq!(log_out_exactly(&server, b"a\0b"), 1);
    assert_eq!(log_out_exactly(&server, b"a\0"), 1);
    assert_eq!(server.run("GET list"), bulk(r#"["a"]"#));
}

#[test]
fn a_text_that_is_not_json_holds_no_entries() {
    let server = Server::builder().layout(LIST).start();
    let texts: [&[u8]; 18] = [
        b"",
        b" ",
        b"[\"ann\"",
        b"\"ann\"]",
        b"[\"ann\",]",
        b"[,\"ann\"]",
        b"[\"ann\"] x",
        b"[\"ann\"][]",
        b"['ann']",
        b"[ann]",
        b"[\"ann\",01]",
        b"[\"ann\",.5]",
        b"[\"ann\",NaN]",
        b"[\"ann\",\"\t\"]",
        b"[\"ann\",\"\\x\"]",
        b"[\"ann\",\"\xff\"]",
        b"\xef\xbb\xbf[\"ann\"]",
        b"[\"ann\",\"\xed\xa0\x80\"]",
    ];
    for text in texts {
        assert_eq!(cut(&server, "list", text), (0, text.to_vec()), "{}", crate::support::quote(text));
    }
}

#[test]
fn a_document_of_another_form_holds_no_entries() {
    let server = Server::start();
    let documents = [
        r#"["ann"]"#,
        r#""ann""#,
        "null",
        "5",
        r#"{"participants":null}"#,
        r#"{"participants":"ann"}"#,
        r#"{"participants":{"0":{"userId":"ann"}}}"#,
        r#"{"participants":[null,1,"ann",["ann"],{"userid":"ann"},{"userId":null},{"userId":["ann"]}]}"#,
        r#"{"Participants":[{"userId":"ann"}]}"#,
        r#"{"x":{"participants":[{"userId":"ann"}]}}"#,
    ];
    for document in documents {
        assert_cut(&server, "room:den", document, document);
    }
}

#[test]
fn of_equal_names_the_last_counts() {
    let server = Server::start();
    let cases = [
        (r#"{"participants":[{"userId":"ann"}],"participants":[{"userId":"bob"}]}"#, None),
        (
            r#"{"participants":[{"userId":"ann"}],"participants":[{"userId":"ann"}]}"#,
            Some(r#"{"participants":[{"userId":"ann"}],"participants":[]}"#),
        ),
        (r#"{"participants":[{"userId":"ann","userId":"bob"}]}"#, None),
        (r#"{"participants":[{"userId":"bob","userId":"ann"}]}"#, Some(r#"{"participants":[]}"#)),
        (r#"{"participants":[{"userId":"bob","user\u0049d":"ann"}]}"#, Some(r#"{"participants":[]}"#)),
        (r#"{"participants":[{"userId":"ann"}],"participants":null}"#, None),
    ];
    for (document, expected) in cases {
        assert_cut(&server, "room:den", document, expected.unwrap_or(document));
    }
}

#[test]
fn pointers_are_read_as_rfc_6901_says() {
    let layout = |array: &str, owner: &str| {
        let json =
            format!(r#"{{ "name": "x", "traces": [ {{ "entries": "d", "array": "{array}", "owner": "{owner}" }} ] }}"#);
        Server::builder().layout(json).start()
    };
    let cases = [
        ("/a~1b", "/~0~01", r#"{"a/b":[{"~~1":"ann"},{"~/":"ann"}]}"#, r#"{"a/b":[{"~/":"ann"}]}"#),
        ("/", "/", r#"{"":[{"":"ann"},{"a":"ann"}]}"#, r#"{"":[{"a":"ann"}]}"#),
        ("/1/0", "/0", r#"[0,[[["ann"],["bob"]]]]"#, r#"[0,[[["bob"]]]]"#),
        ("/01", "", r#"[0,["ann"]]"#, r#"[0,["ann"]]"#),
        ("/01", "", r#"{"01":["ann"]}"#, r#"{"01":[]}"#),
        ("/1", "", r#"{"1":["ann"]}"#, r#"{"1":[]}"#),
        ("/-", "", r#"[["ann"]]"#, r#"[["ann"]]"#),
        ("/a//b", "", r#"{"a":{"":{"b":["ann"]}}}"#, r#"{"a":{"":{"b":[]}}}"#),
        ("/é", "", r#"{"\u00e9":["ann"]}"#, r#"{"\u00e9":[]}"#),
        ("/a b", "/c%25", r#"{"a b":[{"c%25":"ann"}]}"#, r#"{"a b":[]}"#),
    ];
    for (array, owner, document, expected) in cases {
        assert_cut(&layout(array, owner), "d", document, expected);
    }
}

#[test]
fn two_arrays_of_one_document_are_cut_together() {
    let json = r#"{ "name": "two", "traces": [
        { "entries": "d", "array": "/a", "owner": "" },
        { "entries": "d", "array": "/b", "owner": "/id" },
        { "entries": "d", "array": "/b", "owner": "/by" } ] }"#;
    let server = Server::builder().layout(json).start();
    let document = r#"{"b":[{"id":"ann","by":"ann"},{"id":"bob","by":"ann"},{"id":"bob"}],"a":["ann","bob","ann"]}"#;
    server.cmd(["SET", "d", document]);
    let reply = server.run("SESSION.INSPECT ann");
    assert_eq!(reply.field("entries"), crate::support::array([crate::support::array([bulk("d"), int(4)])]));
    assert_eq!(log_out_exactly(&server, "ann"), 4);
    assert_eq!(server.run("GET d"), bulk(r#"{"b":[{"id":"bob"}],"a":["bob"]}"#));
}

#[test]
fn half_a_surrogate_pair_elsewhere_does_not_hide_a_trace() {
    let server = Server::start();
    server.script(
        r#"SET socket_data:s1 '{"userId":"ann","lastMessage":"cut off \ud83d"}'
           SET socket_data:s2 '{"\udc00":1,"userId":"ann"}'
           SET room:den '{"topic":"\ud83d","participants":[{"userId":"ann"},{"userId":"\ud83d"}]}'"#,
    );
    assert_eq!(log_out_exactly(&server, "ann"), 3);
}

#[test]
fn a_document_nested_deeply_is_read_and_cut() {
    // Sockets come back, as they never do in real life.
    let server = Server::builder().option("fence", "0").start();
    for depth in [100, 127, 128, 129, 1000, 100_000] {
        let nest = "[".repeat(depth) + &"]".repeat(depth);
        let before = format!(r#"{{"x":{nest},"participants":[{{"userId":"ann","y":{nest}}},{{"userId":"bob"}}]}}"#);
        let after = format!(r#"{{"x":{nest},"participants":[{{"userId":"bob"}}]}}"#);
        assert_eq!(cut(&server, "room:den", before), (1, after.into_bytes()), "{depth} levels");
        server.cmd(["SET", "socket_data:s1", &format!(r#"{{"x":{nest},"userId":"ann"}}"#)]);
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(1), "{depth} levels");
    }
}

#[test]
fn text_nested_deeply_and_broken_is_left_alone() {
    let server = Server::start();
    for text in ["[".repeat(1_000_000), "{\"a\":".repeat(300_000), "[".repeat(1_000_000) + "\"ann\""] {
        assert_eq!(cut(&server, "room:den", &text), (0, text.clone().into_bytes()));
        server.cmd(["SET", "socket_data:s1", &text]);
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(0));
    }
}

#[test]
fn a_document_of_thousands_of_elements_is_cut() {
    let server = Server::start();
    let element = |n: usize| match n % 3 {
        0 => r#"{"userId":"ann"}"#.to_owned(),
        _ => format!(r#"{{"userId":"user {n}","filler":"{}"}}"#, "x".repeat(100)),
    };
    let document = |all: bool| {
        let elements: Vec<_> = (0..20_000).filter(|n| all || n % 3 != 0).map(element).collect();
        format!(r#"{{"participants":[{}]}}"#, elements.join(", "))
    };
    assert_eq!(cut(&server, "room:den", document(true)), (6667, document(false).into_bytes()));
}

#[test]
fn integers_stored_as_such_are_json_too() {
    let json = r#"{ "name": "x", "traces": [ { "key": "sid:{socketId}", "owner": "" } ] }"#;
    let server = Server::builder().layout(json).start();
    server.script("SET sid:1 42\nINCR sid:2\nSET sid:3 042\nSET sid:4 +42\nSET sid:5 ' 42 '\nSET sid:6 42x");
    assert_eq!(log_out_exactly(&server, "42"), 2);
    assert_eq!(log_out_exactly(&server, "1"), 1);
    assert_eq!(server.run("DBSIZE"), int(3));
}
