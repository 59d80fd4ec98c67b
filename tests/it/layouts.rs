//! Layouts: which load, and how a wrong one is refused.

use crate::support::reply::{bulk, int};
use crate::support::{Server, log_in, log_out_exactly};

/// The log of a server that refuses to start with the layout `json`.
fn refusal(json: &str) -> String {
    match Server::builder().layout(json).try_start() {
        Ok(_) => panic!("the module loads with the layout {json}"),
        Err(log) => log,
    }
}

/// The one line in which the module says why it does not load.
fn reason(log: &str) -> String {
    let lines: Vec<_> = log.lines().filter(|line| line.contains("<session>") && line.contains("layout")).collect();
    let [line] = lines.as_slice() else { panic!("not one line about the layout, but {lines:#?}\nin {log}") };
    (*line).to_owned()
}

/// A layout whose third trace is `trace`.
fn with_third_trace(trace: &str) -> String {
    format!(
        r#"{{ "name": "wrong", "traces": [ {{ "key": "a:{{userId}}" }}, {{ "key": "b:{{userId}}" }}, {trace}, {{ "key": "c:{{userId}}" }} ] }}"#
    )
}

#[test]
fn a_wrong_trace_is_named_by_file_number_text_and_cause() {
    // The trace, and a word that the cause cannot do without.
    let cases = [
        (r#"{ "key": "fixed" }"#, "userId"),
        (r#"{ "key": "typing:{roomId}" }"#, "userId"),
        (r#"{ "key": "" }"#, "empty"),
        (r#"{ "key": "x:{userId" }"#, "{"),
        (r#"{ "key": "x:{userId}}" }"#, "}"),
        (r#"{ "key": "x:{}:{userId}" }"#, "{}"),
        (r#"{ "key": "x:{roomId}{userId}" }"#, "{roomId}"),
        (r#"{ "key": "x:{userId}", "colour": "red" }"#, "colour"),
        (r#"{ "key": 5 }"#, "string"),
        (r#"{ "key": "d:{socketId}", "owner": "userId" }"#, "pointer"),
        (r#"{ "key": "d:{socketId}", "owner": "/a~2b" }"#, "~"),
        (r#"{ "key": "d:{socketId}", "owner": { "pointers": "/a" } }"#, "`owner`"),
        (r#"{ "key": "d:{socketId}", "owner": { } }"#, "field"),
        (r#"{ "key": "d:{socketId}", "owner": { "field": "a", "and": "b" } }"#, "owner"),
        (r#"{ "key": "d:{socketId}", "owner": 1 }"#, "owner"),
        (r#"{ "members": "online" }"#, "member"),
        (r#"{ "member": "{userId}" }"#, "member"),
        (r#"{ "members": "online", "member": "everybody" }"#, "userId"),
        (r#"{ "members": "online:{region}", "member": "{other}:{userId}" }"#, "other"),
        (r#"{ "members": "online", "member": "{region}:{userId}" }"#, "region"),
        (r#"{ "members": "online", "member": "{userId}", "owner": "/a" }"#, "owner"),
        (r#"{ "entries": "room:{roomId}", "owner": "/userId" }"#, "array"),
        (r#"{ "entries": "room:{roomId}", "array": "/a" }"#, "owner"),
        (r#"{ "entries": "room:{roomId}", "array": "a", "owner": "/userId" }"#, "array"),
        (r#"{ "entries": "room:{roomId}", "array": "/a", "owner": "b" }"#, "owner"),
        (r#"{ "key": "x:{userId}", "members": "online", "member": "{userId}" }"#, "members"),
        (r#"{ "key": "x:{userId}", "entries": "r", "array": "/a", "owner": "/b" }"#, "entries"),
        (r#"{ "key": "x:{userId}", "sweep": "no" }"#, "bool"),
        ("{ }", "key"),
        (r#""x:{userId}""#, "trace 3"),
    ];
    let mut wrong = Vec::new();
    for (trace, cause) in cases {
        let line = reason(&refusal(&with_third_trace(trace)));
        let said = line.replace(trace, "");
        let named = ["/layout.json", "trace 3", trace].iter().all(|part| line.contains(part));
        if !named || !said.contains(cause) {
            wrong.push(format!("{trace} without {cause}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "refused\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_layout_is_named_by_file_and_cause() {
    let ann = r#""traces": [ { "key": "x:{userId}" } ]"#;
    let cases = [
        (String::new(), ""),
        ("{".to_owned(), "line"),
        ("[]".to_owned(), ""),
        ("no JSON".to_owned(), "line"),
        (format!("{{ {ann} }}"), "name"),
        (r#"{ "name": "x" }"#.to_owned(), "traces"),
        (format!(r#"{{ "name": "x", "version": 2, {ann} }}"#), "version"),
        (format!(r#"{{ "name": "x", {ann} }} more"#), ""),
        (format!(r#"{{ "name": "x", {ann}, "sockets": {{ "of": "m:{{userId}}" }} }}"#), "data"),
        (format!(r#"{{ "name": "x", {ann}, "sockets": {{ "data": "d:{{socketId}}" }} }}"#), "of"),
        (format!(r#"{{ "name": "x", {ann}, "sockets": {{ "of": "m", "data": "d:{{socketId}}" }} }}"#), "userId"),
        (format!(r#"{{ "name": "x", {ann}, "sockets": {{ "of": "m:{{userId}}", "data": "d" }} }}"#), "socketId"),
        (
            format!(
                r#"{{ "name": "x", {ann}, "sockets": {{ "of": "m:{{userId}}:{{roomId}}", "data": "d:{{socketId}}" }} }}"#
            ),
            "sockets.of",
        ),
        (
            format!(
                r#"{{ "name": "x", {ann}, "sockets": {{ "of": "m:{{userId}}", "data": "d:{{socketId}}", "room": "r" }} }}"#
            ),
            "room",
        ),
        (
            format!(
                r#"{{ "name": "x", {ann}, "sockets": {{ "of": "m:{{userId}}", "data": "d:{{socketId}}", "rooms": "/r" }} }}"#
            ),
            "rooms",
        ),
        (format!(r#"{{ "name": "x", {ann}, "announce": [ {{ "args": [] }} ] }}"#), "event"),
        (format!(r#"{{ "name": "x", {ann}, "announce": [ {{ "event": "e", "args": [], "to": 1 }} ] }}"#), "to"),
    ];
    let mut wrong = Vec::new();
    for (json, cause) in cases {
        let line = reason(&refusal(&json));
        if !line.contains("/layout.json") || !line.contains(cause) {
            wrong.push(format!("{json} without {cause}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "refused\n{}", wrong.join("\n"));
}

#[test]
fn a_missing_file_is_named() {
    for args in [&["layout", "/nonexistent/layout.json"][..], &["layout", "/"], &["layout", ""]] {
        let log = Server::builder().module_args(args).try_start().err().expect("it does not load");
        assert!(log.contains(args[1]) && reason(&log).contains(args[1]), "{log}");
    }
}

#[test]
fn wrong_module_arguments_are_refused_and_named() {
    let cases = [&["layout"][..], &["colour", "red"], &["layout-file", "x"], &["log-level", "loud"], &["log-level"]];
    for args in cases {
        let log = Server::builder().module_args(args).try_start().err().expect("it does not load");
        let named = log.lines().any(|line| line.contains("<session>") && line.contains(args[0]));
        assert!(named, "{args:?}: {log}");
    }
}

#[test]
fn module_load_answers_with_an_error_and_the_server_goes_on() {
    let server = Server::builder().without_module().layout(with_third_trace(r#"{ "key": "fixed" }"#)).start();
    assert!(server.load_module().is_error());
    assert!(reason(&server.log()).contains("trace 3"));
    let modules = format!("{:?}", server.must("MODULE LIST"));
    assert!(!modules.contains("session"), "{modules}");
    assert!(server.run("SESSION.LOGOUT ann").is_error());
}

#[test]
fn right_layouts_load() {
    let traces = [
        r#"{ "key": "{userId}" }"#,
        r#"{ "key": "{userId}:x", "sweep": false }"#,
        r#"{ "key": "user:{{{userId}}}:{any}" }"#,
        r#"{ "key": "é:{userId}" }"#,
        r#"{ "key": "d:{socketId}", "owner": "" }"#,
        r#"{ "key": "d:{socketId}", "owner": "/a/0/~0~1" }"#,
        r#"{ "key": "d:{any}:{socketId}", "owner": { "field": "" } }"#,
        r#"{ "key": "d", "owner": "/userId" }"#,
        r#"{ "members": "{x}", "member": "{x}:{userId}" }"#,
        r#"{ "members": "room:{roomId}", "member": "{socketId}" }"#,
        r#"{ "members": "room:{roomId}", "member": "{socketId}@{roomId}" }"#,
        r#"{ "entries": "all", "array": "", "owner": "" }"#,
        r#"{ "entries": "all:{userId}", "array": "/a", "owner": "/b" }"#,
    ];
    for trace in traces {
        let json = with_third_trace(trace).trim_end().strip_suffix('}').expect("an object").to_owned();
        let sockets = r#""sockets": { "of": "m:{userId}", "data": "d:{socketId}" }"#;
        let server = Server::builder().layout(format!(r#"{json}, "separator": ":", {sockets} }}"#)).start();
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(0), "{trace}");
    }
    for layout in [
        "easyshare",
        "workspace",
        "hashes",
        "nobody_live",
        "unmapped",
        "opaque",
        "listed",
        "owners",
        "members",
        "entries",
        "encoded",
    ] {
        let path = format!("{}/tests/layouts/{layout}.json", env!("CARGO_MANIFEST_DIR"));
        let server = Server::builder().option("layout", &path).start();
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(0), "{layout}");
    }
}

#[test]
fn a_member_may_name_user_and_socket_where_its_key_holds_the_user() {
    let json = r#"{ "name": "both", "ids": { "userId": { "without": ":" } }, "traces": [
        { "key": "user:{userId}:devices" },
        { "members": "user:{userId}:rooms", "member": "{socketId}@{userId}" } ],
        "sockets": { "of": "user:{userId}:devices", "data": "device:{socketId}" } }"#;
    let server = Server::builder().layout(json).start();
    server.script(
        "SADD user:ann:devices s1 s2
         SADD user:ann:rooms s1@ann s2@ann s3@ann s1@bob",
    );
    assert_eq!(log_out_exactly(&server, "ann"), 4, "s3 is a dead socket");
}

#[test]
fn a_layout_from_a_file_replaces_the_built_in_one() {
    let json = r#"{ "name": "mine", "traces": [ { "key": "only:{userId}" } ] }"#;
    let server = Server::builder().layout(json).start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("SET only:ann 1");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn the_layout_in_use_is_shown_as_json() {
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).expect("JSON");
    let shown = |server: &Server| value(server.must("SESSION.LAYOUT").as_text());
    assert_eq!(shown(&Server::start()), value(include_str!("../layouts/easyshare.json")));
    let json = r#"{ "name": "mine", "traces": [ { "key": "only:{userId}", "sweep": false } ] }"#;
    assert_eq!(shown(&Server::builder().layout(json).start()), value(json));
}

#[test]
fn the_layout_is_read_once_when_the_module_loads() {
    let server = Server::builder().layout(r#"{ "name": "first", "traces": [ { "key": "a:{userId}" } ] }"#).start();
    let second = r#"{ "name": "second", "traces": [ { "key": "b:{userId}" } ] }"#;
    std::fs::write(server.dir().join("layout.json"), second).expect("the file can be written");
    server.script("SET a:ann 1\nSET b:ann 1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert!(server.run("CONFIG SET session.layout x").is_error());
    assert_eq!(server.run("GET b:ann"), bulk("1"));
}
