//! What a caller may not write or read, a logout does not touch or tell.

use crate::support::reply::{bulks, int};
use crate::support::{Client, Reply, Server, TRACES, log_in, log_out_exactly};

const KEYS_OF_ANN: [&str; 10] = [
    "active_users",
    "activity:ann",
    "room:den",
    "socket_data:s1",
    "typing:den:ann",
    "user_activity:ann",
    "user_presence:ann",
    "user_session:ann",
    "user_socket:ann",
    "user_status:ann",
];

fn world() -> Server {
    // Sockets come back, as they never do in real life.
    let server = Server::builder().option("fence", "0").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    server
}

/// A connection of a user with these ACL rules beside `+@all`.
fn caller(server: &Server, rules: &str) -> Client {
    server.must(&format!("ACL SETUSER caller reset on nopass +@all {rules}"));
    let mut client = server.client();
    client.must("AUTH caller any");
    client
}

/// Rules that give `permission` (as `~` or `%W~`) on each of the keys.
fn rules<'a>(permission: &str, keys: impl IntoIterator<Item = &'a str>) -> String {
    keys.into_iter().map(|key| format!("{permission}{key}")).collect::<Vec<_>>().join(" ")
}

/// Every call must be refused with NOPERM, tell nothing about keys, and change nothing.
fn refused(server: &Server, client: &mut Client, calls: &[&str]) {
    let before = server.snapshot();
    for call in calls {
        let Reply::Error(text) = client.run(call) else { panic!("{call} was not refused") };
        assert!(text.starts_with("NOPERM "), "{call}: {text}");
        for secret in KEYS_OF_ANN.iter().chain(&["ann", "s1", "den"]) {
            assert!(!text.contains(secret), "{call} leaks {secret}: {text}");
        }
    }
    before.assert_matches(&server.snapshot());
}

#[test]
fn a_caller_with_all_keys_of_the_plan_may_log_out() {
    let server = world();
    let mut client = caller(&server, &rules("~", KEYS_OF_ANN));
    assert_eq!(client.run("SESSION.INSPECT ann").field("removed"), int(TRACES));
    assert_eq!(client.run("SESSION.LOGOUT ann WITHTRACES").field("removed"), int(TRACES));
    assert_eq!(log_out_exactly(&server, "bob"), TRACES);
}

#[test]
fn a_caller_lacking_one_key_of_the_plan_is_refused_and_nothing_changes() {
    let server = world();
    for missing in KEYS_OF_ANN {
        let others = KEYS_OF_ANN.into_iter().filter(|&key| key != missing);
        let mut client = caller(&server, &rules("~", others));
        let calls = [
            "SESSION.LOGOUT ann",
            "SESSION.LOGOUT ann WITHTRACES",
            "SESSION.LOGOUT ann SOCKET s1",
            "SESSION.INSPECT ann",
        ];
        refused(&server, &mut client, &calls);
    }
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_caller_with_no_keys_is_refused_whether_there_is_anything_or_not() {
    let server = world();
    let mut client = caller(&server, "resetkeys");
    refused(&server, &mut client, &["SESSION.LOGOUT ann", "SESSION.INSPECT ann"]);
    refused(&server, &mut client, &["SESSION.LOGOUT nobody", "SESSION.INSPECT nobody"]);
}

#[test]
fn to_log_out_writing_is_enough_but_to_see_the_traces_is_not() {
    let server = world();
    let mut client = caller(&server, &rules("%W~", KEYS_OF_ANN));
    refused(&server, &mut client, &["SESSION.LOGOUT ann WITHTRACES", "SESSION.INSPECT ann"]);
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
}

#[test]
fn to_inspect_reading_is_enough_but_to_log_out_is_not() {
    let server = world();
    let mut client = caller(&server, &rules("%R~", KEYS_OF_ANN));
    refused(&server, &mut client, &["SESSION.LOGOUT ann WITHTRACES", "SESSION.LOGOUT ann"]);
    assert_eq!(client.run("SESSION.INSPECT ann").field("removed"), int(TRACES));
}

#[test]
fn one_key_that_may_not_be_read_hides_the_whole_plan() {
    let server = world();
    for hidden in KEYS_OF_ANN {
        let others = KEYS_OF_ANN.into_iter().filter(|&key| key != hidden);
        let mut client = caller(&server, &(rules("~", others) + " " + &rules("%W~", [hidden])));
        refused(&server, &mut client, &["SESSION.LOGOUT ann WITHTRACES", "SESSION.INSPECT ann"]);
    }
}

#[test]
fn keys_outside_the_plan_need_no_permission() {
    let server = world();
    server.script("SET typing:loft:bob 1\nSET room:attic '{\"participants\":[{\"userId\":\"bob\"}]}'");
    let mut client = caller(&server, "~*:ann ~active_users ~room:den ~socket_data:s1");
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
    refused(&server, &mut client, &["SESSION.LOGOUT bob", "SESSION.INSPECT bob"]);
}

#[test]
fn for_one_device_the_keys_of_its_own_plan_are_enough() {
    let server = world();
    log_in(&mut server.client(), "ann", "s9", "hall");
    let mut client = caller(&server, "~socket_data:s1");
    refused(&server, &mut client, &["SESSION.LOGOUT ann SOCKET s9"]);
    assert_eq!(client.run("SESSION.LOGOUT ann SOCKET s1"), int(1));
    // To be told of sockets, the caller must be allowed to read the mapping.
    server.must(r#"SET socket_data:s1 '{"userId":"ann","roomId":"den"}'"#);
    let mut client = caller(&server, "~socket_data:s1 %R~user_socket:ann");
    let reply = client.run("SESSION.LOGOUT ann SOCKET s1 WITHTRACES");
    assert_eq!(reply.field("keys"), bulks(["socket_data:s1"]));
}

#[test]
fn transactions_and_scripts_are_refused_for_their_caller() {
    let server = world();
    let mut client = caller(&server, "~user_socket:ann");
    let before = server.snapshot();
    client.script("MULTI\nSESSION.LOGOUT ann");
    let Reply::Error(text) = client.run("EXEC").items()[0].clone() else { panic!("not refused") };
    assert!(text.starts_with("NOPERM "), "{text}");
    let reply = client.cmd(["EVAL", "return redis.pcall('SESSION.LOGOUT', 'ann')", "0"]);
    assert!(matches!(&reply, Reply::Error(text) if text.starts_with("NOPERM ")), "{reply:?}");
    before.assert_matches(&server.snapshot());
}

#[test]
fn a_selector_may_give_the_keys() {
    let server = world();
    let selector = format!("~user_socket:ann (+@all {})", rules("~", KEYS_OF_ANN));
    let mut client = caller(&server, &selector);
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
}

#[test]
fn a_caller_without_the_command_is_refused_by_the_server() {
    let server = world();
    for command in ["session.logout", "session.inspect"] {
        let mut client = caller(&server, &format!("~* -{command}"));
        let reply = client.run(&format!("{command} ann"));
        assert!(matches!(&reply, Reply::Error(text) if text.starts_with("NOPERM ")), "{reply:?}");
    }
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_user_of_strange_bytes_is_held_to_the_same_rules() {
    let server = world();
    server.script("SET user_status:* 1\nSET user_activity:* 1");
    let mut client = caller(&server, "~user_status:\\*");
    let before = server.snapshot();
    assert!(client.run("SESSION.LOGOUT *").is_error());
    before.assert_matches(&server.snapshot());
    server.must("DEL user_activity:*");
    assert_eq!(client.run("SESSION.LOGOUT *"), int(1));
}
