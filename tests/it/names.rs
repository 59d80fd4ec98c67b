//! Names are read in one way only, and a sweep takes nothing whose name merely begins alike.

use crate::support::reply::{bulk, bulks, error, int, ok};
use crate::support::{Server, keys, log_out_exactly, sweep_exactly, wait_until};

fn with_layout(layout: &str) -> Server {
    Server::builder().layout(layout).start()
}

/// The log of a server that refuses to start with the layout and module arguments.
fn refusal(layout: &str, arguments: &[(&str, &str)]) -> String {
    let builder = Server::builder().layout(layout);
    let builder = arguments.iter().fold(builder, |builder, (name, value)| builder.option(name, value));
    builder.try_start().err().expect("the module does not load")
}

#[test]
fn what_the_applications_own_repositories_write_is_removed() {
    let server = Server::start();
    server.script(
        "SET user_socket:u1 s1
         SET socket_data:s1 '{\"userId\":\"u1\"}'
         SADD active_users u1
         SET cache:typing:r1:u1 1 EX 5
         SET cache:activity:u1 1 EX 300
         SET cache:user_session:u1 '{\"id\":1}'
         SET cache:user_presence:u1 online
         SET cache:user_status:u1 busy
         SET cache:user_status:u1:note mine
         SET cache:typing:r1:u1:x 1",
    );
    assert_eq!(server.run("SESSION.INSPECT u1").field("rooms"), bulks(["r1"]));
    assert_eq!(log_out_exactly(&server, "u1"), 8);
    assert_eq!(keys(&mut server.client()), ["cache:typing:r1:u1:x", "cache:user_status:u1:note"]);
}

#[test]
fn a_key_whose_name_goes_on_after_the_id_is_not_the_mapping() {
    let server = Server::start();
    server.script(
        "SET user_socket:ada s-17\nSET socket_data:s-17 '{\"userId\":\"ada\"}'\nHSET user_socket:ada:prefs theme dark",
    );
    server.script("SET user_socket:ada:bob s\nSET typing:den:ada:draft 1\nSET cache:typing:a:b:c 1");
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("HGETALL user_socket:ada:prefs"), bulks(["theme", "dark"]));
    server.must("CONFIG SET session.grace 0");
    server.must("CONFIG SET session.sweep-interval 1");
    wait_until("the timer has swept", || server.info("session")["session_sweeps"].as_str() > "1");
    assert_eq!(server.run("DBSIZE"), int(6));
}

const INDEXED: &str = r#"{ "name": "indexed", SAID "traces": [
    { "key": "user:{userId}" }, { "key": "session:{socketId}", "owner": { "field": "userid" } } ],
    "sockets": { "of": "user:{userId}", "data": "session:{socketId}" } }"#;

#[test]
fn a_profile_beside_an_index_of_sessions_is_no_trace() {
    let server = with_layout(&INDEXED.replace("SAID", r#""separator": ":","#));
    server.script(
        "SADD user:100 10\nHSET session:10 userid 100\nHSET user:100:profile name Ada\nHSET session:10:cart userid 100",
    );
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(log_out_exactly(&server, "100"), 2);
    assert_eq!(keys(&mut server.client()), ["session:10:cart", "user:100:profile"]);
}

#[test]
fn a_sweep_is_refused_as_long_as_nothing_is_said_of_an_id_that_it_would_take_from_a_name() {
    let unsaid = INDEXED.replace("SAID", "");
    let why = "the layout does not say what {userId} may hold, which a sweep would take from names as in \
               { \"key\": \"user:{userId}\" }: it could remove what is no user's; add a \"separator\", or \
               \"ids\": { \"userId\": \"any\" } if every such name is one";
    let server = with_layout(&unsaid);
    server.script("SADD user:100 10\nHSET user:100:profile name Ada");
    let before = server.snapshot();
    for sweep in ["SESSION.SWEEP", "SESSION.SWEEP DRYRUN", "SESSION.SWEEP GRACE 9"] {
        assert_eq!(server.run(sweep), error(&format!("ERR {why}")));
    }
    for option in ["sweep-interval 300", "expire-cascade yes"] {
        let refused = server.run(&format!("CONFIG SET session.{option}"));
        assert!(format!("{refused:?}").contains("the layout does not say what {userId} may hold"), "{refused:?}");
    }
    assert_eq!(server.run("CONFIG GET session.sweep-interval"), bulks(["session.sweep-interval", "0"]));
    assert_eq!(server.run("CONFIG SET session.sweep-interval 0"), ok());
    assert!(server.snapshot() == before);
    assert_eq!(log_out_exactly(&server, "100"), 1);
    for (name, value) in [("sweep-interval", "300"), ("expire-cascade", "yes")] {
        let log = refusal(&unsaid, &[(name, value)]);
        assert!(log.contains(why) && log.contains("/layout.json"), "{log}");
    }
    // Any id is something that is said.
    let server =
        with_layout(&INDEXED.replace("SAID", r#""ids": { "userId": "any", "socketId": { "without": ":" } },"#));
    server.script("SADD user:100 10\nHSET user:100:profile name Ada\nHSET session:10:cart userid 100");
    assert_eq!(sweep_exactly(&server), 2);
    assert_eq!(keys(&mut server.client()), ["session:10:cart"]);
}

#[test]
fn each_trace_that_a_sweep_would_take_an_id_from_has_to_be_said() {
    let layout = |trace: &str, ids: &str| {
        format!(
            r#"{{ "name": "x", "ids": {{ {ids} }}, "traces": [{trace}],
                "sockets": {{ "of": "of:{{userId}}", "data": "data:{{socketId}}" }} }}"#
        )
    };
    let cases = [
        (r#"{ "members": "in:{roomId}", "member": "{userId}" }"#, r#""userId": "any", "socketId": "any""#, "{roomId}"),
        (r#"{ "members": "online", "member": "{userId}" }"#, r#""socketId": "any""#, "{userId}"),
        (r#"{ "key": "seen:{userId}" }"#, r#""userId": "any""#, "{socketId}"),
        (r#"{ "key": "at:{x}:{userId}" }"#, r#""x": { "without": ":" }, "socketId": "any""#, "{userId}"),
    ];
    for (trace, ids, unsaid) in cases {
        let reply = format!("{:?}", with_layout(&layout(trace, ids)).run("SESSION.SWEEP"));
        assert!(reply.contains(&format!("what {unsaid} may hold")), "{trace}: {reply}");
    }
    // So have those that it finds by what is in them.
    for (trace, unsaid) in [
        (r#"{ "entries": "in:{roomId}", "array": "", "owner": "" }"#, "{roomId}"),
        (r#"{ "key": "token:{tokenId}", "owner": "" }"#, "{tokenId}"),
    ] {
        let said = r#""userId": "any", "socketId": "any""#;
        let reply = format!("{:?}", with_layout(&layout(trace, said)).run("SESSION.SWEEP"));
        assert!(reply.contains(&format!("what {unsaid} may hold")), "{trace}: {reply}");
    }
    // But not those that it leaves alone.
    let said = r#""userId": "any", "socketId": "any""#;
    for trace in [
        r#"{ "members": "in:{roomId}", "member": "{userId}", "sweep": false }"#,
        r#"{ "entries": "in:{roomId}", "array": "", "owner": "", "sweep": false }"#,
    ] {
        assert_eq!(with_layout(&layout(trace, said)).run("SESSION.SWEEP"), int(0), "{trace}");
    }
}

#[test]
fn an_id_that_holds_the_separator_is_found_where_the_layout_says_that_it_may() {
    let server = with_layout(
        r#"{ "name": "oidc", "ids": { "userId": "any", "socketId": { "without": ":" } },
            "traces": [{ "key": "user_sessions:{userId}" }, { "key": "session:{userId}:{socketId}" }],
            "sockets": { "of": "user_sessions:{userId}", "data": "session:{userId}:{socketId}" } }"#,
    );
    server.script(
        "SADD user_sessions:f:8e0c:jdoe s1\nSET session:f:8e0c:jdoe:s1 x\nSET session:f:8e0c:s1 x\nSET session:f:s1 x",
    );
    let shown = server.run("SESSION.INSPECT f:8e0c:jdoe");
    assert_eq!((shown.field("sockets"), shown.field("live")), (bulks(["s1"]), int(1)));
    assert_eq!(sweep_exactly(&server), 2, "the others have no mapping");
    assert_eq!(log_out_exactly(&server, "f:8e0c:jdoe"), 2);
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn a_template_that_could_be_read_in_two_ways_does_not_load_until_the_layout_says_who_may_hold_what() {
    let layout = |said: &str| {
        format!(
            r#"{{ "name": "two", {said} "traces": [{{ "key": "seen:{{userId}}" }}, {{ "key": "session:{{userId}}:{{sid}}" }}] }}"#
        )
    };
    let log = refusal(&layout(""), &[]);
    let line = "trace 2 { \"key\": \"session:{userId}:{sid}\" }: `key`: a name could be read in two ways, because '{userId}' and \
                '{sid}' may both hold ':'; say that no id holds it with \"separator\": \":\", or that one of the two does not, \
                as with \"ids\": { \"sid\": { \"without\": \":\" } }";
    assert!(log.contains(line), "{log}");
    let write = |server: &Server| server.script("SET session:ada:s1 1\nSET session:ada:admin:s2 1");
    for (said, ada, admin) in [
        (r#""separator": ":","#, 1, None),
        (r#""ids": { "sid": { "without": ":" } },"#, 1, Some("ada:admin")),
        (r#""ids": { "userId": { "without": ":" } },"#, 2, None),
        (r#""ids": { "sid": { "length": 2 } },"#, 1, Some("ada:admin")),
        (r#""ids": { "userId": { "length": 3 } },"#, 2, None),
    ] {
        let server = with_layout(&layout(said));
        write(&server);
        assert_eq!(log_out_exactly(&server, "ada"), ada, "{said}");
        if let Some(admin) = admin {
            assert_eq!(log_out_exactly(&server, admin), 1, "{said}");
        }
    }
}

#[test]
fn members_are_looked_for_in_the_collections_that_are_meant_alone() {
    let server = with_layout(
        r#"{ "name": "teams", "separator": ":", "traces": [{ "members": "team:{teamId}", "member": "{userId}" }] }"#,
    );
    server.script("SADD team:T1 ada bob\nHSET team:T1:roles ada admin\nSADD team:T1:banned ada");
    assert_eq!(log_out_exactly(&server, "ada"), 1);
    assert_eq!(server.run("HGET team:T1:roles ada"), bulk("admin"));
    assert_eq!(server.run("SISMEMBER team:T1:banned ada"), int(1));
}

#[test]
fn names_and_members_that_are_no_text_are_written_with_escapes() {
    let server = with_layout(
        r#"{ "name": "bytes", "separator": "\\x1f", "traces": [
            { "key": "\\xff\\x00:{userId}" }, { "members": "all\\\\", "member": "\\xac\\xed\\x1f{userId}" } ] }"#,
    );
    server.cmd([&b"SET"[..], b"\xff\0:ada", b"1"]);
    server.cmd([&b"SADD"[..], b"all\\", b"\xac\xed\x1fada", b"\xac\xed\x1fbob"]);
    assert_eq!(log_out_exactly(&server, "ada"), 2);
    assert_eq!(server.run("DBSIZE"), int(1));
    let refused = server.cmd([&b"SESSION.LOGOUT"[..], b"a\x1fb"]);
    assert_eq!(refused, error(r"ERR user id must not hold '\x1f', by `separator` and `ids` of the layout"));
}

#[test]
fn a_value_names_nobody_by_what_is_no_id() {
    let server = Server::start();
    server.script("SET socket_data:s1 '{\"userId\":\"a:b\"}'\nSADD active_users a:b c\nSET user_socket:d 'x:y'\nSADD active_users d");
    // What the mapping of d holds is no socket's id, so it can't be told whether d is live.
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(keys(&mut server.client()), ["active_users", "socket_data:s1", "user_socket:d"]);
    assert_eq!(server.run("SMEMBERS active_users").byte_items().len(), 2);
    assert_eq!(log_out_exactly(&server, "d"), 2);
}

#[test]
fn a_sweep_takes_no_key_that_is_something_else_by_its_name_too() {
    let server = with_layout(
        r#"{ "name": "two", "ids": { "userId": "any", "socketId": { "without": ":" } }, "traces": [
            { "key": "user:{userId}" }, { "key": "user:{userId}:profile", "sweep": false },
            { "key": "session:{socketId}", "owner": { "field": "userid" } } ],
            "sockets": { "of": "user:{userId}", "data": "session:{socketId}" } }"#,
    );
    server.script("SADD user:100 10\nHSET session:10 userid 100\nHSET user:100:profile name Ada\nSADD user:7 8");
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(keys(&mut server.client()), ["session:10", "user:100", "user:100:profile"]);
    let server = with_layout(
        r#"{ "name": "one", "separator": ":", "traces": [{ "key": "k:{userId}" }, { "key": "k:{socketId}" }],
            "sockets": { "of": "k:{userId}", "data": "k:{socketId}" } }"#,
    );
    server.script("SET k:ada s1\nSET k:s1 opaque");
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("DBSIZE"), int(2));
}
