//! A caller without rights learns of nobody whether there are traces.

use crate::support::{Client, Reply, Server, TRACES, int, log_in};

/// Patterns of the built-in layout's keys, of whichever user.
const PATTERNS: [&str; 8] =
    ["user_*", "activity:*", "cache:*", "typing:*", "socket_data:*", "active_users", "room:*", "sio:session:*"];

fn keys(permission: &str) -> String {
    PATTERNS.map(|pattern| format!("{permission}{pattern}")).join(" ")
}

/// Users of whom there is everything, a status, a mapping, a typing key, a socket, and nothing. (Nobody else is there.)
const USERS: [&str; 6] = ["ann", "bob", "carl", "dora", "emil", "nobody"];

fn world() -> Server {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.script(
        r#"
        SET user_status:bob busy
        SET user_socket:carl s3
        SET typing:den:dora 1
        SET socket_data:s5 '{"userId":"emil"}'
        "#,
    );
    server
}

fn caller(server: &Server, rules: &str) -> Client {
    server.must(&format!("ACL SETUSER caller reset on nopass +@all {rules}"));
    let mut client = server.client();
    client.must("AUTH caller any");
    client
}

/// Calls in which `USER` stands for a user, and what may be missing for them.
const CALLS: [(&str, &str); 5] = [
    ("SESSION.INSPECT USER", "read"),
    ("SESSION.LOGOUT USER", "delete or write"),
    ("SESSION.LOGOUT USER WITHTRACES", "delete or write"),
    ("SESSION.LOGOUT USER SOCKET s1", "delete or write"),
    ("SESSION.LOGOUT USER SOCKET s9 REASON x", "delete or write"),
];

fn refusal(to: &str) -> Reply {
    Reply::Error(format!(
        "NOPERM No permission to {to} one of the user's traces; \
         grant the key patterns that SESSION.LAYOUT shows with ACL SETUSER"
    ))
}

/// Every call is refused in the same words, whomever it is about, and changes nothing.
fn told_nothing(server: &Server, client: &mut Client, calls: &[(&str, &str)]) {
    let before = server.snapshot();
    for (call, to) in calls {
        for user in USERS {
            let call = call.replace("USER", user);
            assert_eq!(client.run(&call), refusal(to), "{call}");
        }
    }
    before.assert_matches(&server.snapshot());
}

#[test]
fn without_any_key_everybody_seems_the_same() {
    let server = world();
    for rules in ["resetkeys", "~other:*", "resetkeys (+@all ~other:*)"] {
        told_nothing(&server, &mut caller(&server, rules), &CALLS);
    }
}

#[test]
fn whoever_may_only_read_or_only_write_is_told_the_same_of_everybody() {
    let server = world();
    told_nothing(&server, &mut caller(&server, &keys("%R~")), &CALLS[1..]);
    let mut writer = caller(&server, &keys("%W~"));
    told_nothing(&server, &mut writer, &[CALLS[0], ("SESSION.LOGOUT USER WITHTRACES", "read")]);
    assert_eq!(writer.run("SESSION.LOGOUT nobody"), int(0));
    assert_eq!(writer.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(writer.run("SESSION.LOGOUT ann"), int(0));
}

#[test]
fn a_single_missing_pattern_is_missed_where_there_is_nothing() {
    let server = world();
    for missing in PATTERNS {
        let rules = PATTERNS.into_iter().filter(|pattern| *pattern != missing).map(|pattern| format!("~{pattern}"));
        let mut client = caller(&server, &rules.collect::<Vec<_>>().join(" "));
        for (call, to) in CALLS {
            assert_eq!(client.run(&call.replace("USER", "nobody")), refusal(to), "{call} without {missing}");
        }
    }
    let mut client = caller(&server, &keys("~"));
    assert_eq!(client.run("SESSION.INSPECT nobody").field("removed"), int(0));
    assert_eq!(client.run("SESSION.LOGOUT nobody"), int(0));
    assert_eq!(client.run("SESSION.LOGOUT nobody WITHTRACES").field("removed"), int(0));
    assert_eq!(client.run("SESSION.LOGOUT ann SOCKET s9"), int(0));
}

#[test]
fn whoever_has_the_keys_of_some_users_is_told_of_no_others() {
    let server = world();
    let own =
        "~user_*:t1-* ~activity:t1-* ~cache:*:t1-* ~typing:*:t1-* ~socket_data:* ~active_users ~room:* ~sio:session:*";
    let mut client = caller(&server, own);
    assert_eq!(client.run("SESSION.LOGOUT t1-ann"), int(0));
    assert_eq!(client.run("SESSION.INSPECT t1-ann").field("removed"), int(0));
    log_in(&mut server.client(), "t1-ann", "s7", "den");
    assert_eq!(client.run("SESSION.LOGOUT t1-ann"), int(TRACES));
    for user in ["ann", "nobody", "t2-ann"] {
        assert_eq!(client.run(&format!("SESSION.INSPECT {user}")), refusal("read"), "{user}");
        assert_eq!(client.run(&format!("SESSION.LOGOUT {user}")), refusal("delete or write"), "{user}");
    }
}

#[test]
fn transactions_and_scripts_tell_no_more() {
    let server = world();
    let mut client = caller(&server, "resetkeys");
    for user in USERS {
        client.script(&format!("MULTI\nSESSION.LOGOUT {user}\nSESSION.INSPECT {user}"));
        assert_eq!(client.run("EXEC").items(), [refusal("delete or write"), refusal("read")]);
        let script = format!("return redis.pcall('SESSION.LOGOUT', '{user}')");
        assert_eq!(client.cmd(["EVAL", &script, "0"]), refusal("delete or write"));
    }
}

#[test]
fn a_layout_of_other_placeholders_and_without_sockets_is_held_to_the_same() {
    let layout = r#"{"name":"x","separator":":","traces":[{"key":"at:{region}:{userId}"},{"members":"in:{region}","member":"{userId}"}]}"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET at:eu:ann 1\nSADD in:eu ann");
    for rules in ["resetkeys", "~at:*", "~in:*", "~at:*:bob ~in:*"] {
        let mut client = caller(&server, rules);
        for user in ["ann", "nobody"] {
            assert_eq!(client.run(&format!("SESSION.INSPECT {user}")), refusal("read"), "{rules}");
            assert_eq!(client.run(&format!("SESSION.LOGOUT {user}")), refusal("delete or write"), "{rules}");
        }
    }
    let mut client = caller(&server, "~at:*:bob ~in:*");
    assert_eq!(client.run("SESSION.LOGOUT bob"), int(0));
}
