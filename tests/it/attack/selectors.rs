//! A command and its keys are judged by one ACL selector.

use crate::support::{Client, Reply, Server, TRACES, int, log_in};

/// The patterns of all keys of a user in the built-in layout, each behind `permission` (`~`, `%R~` or `%W~`).
fn keys(permission: &str) -> String {
    let patterns = ["user_*", "activity:*", "cache:*", "typing:*", "socket_data:*", "active_users", "room:*", "sio:*"];
    patterns.map(|pattern| format!("{permission}{pattern}")).join(" ")
}

/// Ann is there, and comes back for each case: no socket is fenced off.
fn world() -> Server {
    let server = Server::builder().option("fence", "0").start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server
}

/// A connection of a user with these rules, set as they are worded.
fn caller(server: &Server, rules: &str) -> Client {
    server.must(&format!("ACL SETUSER caller reset on >pass>word {rules}"));
    let mut client = server.client();
    client.must("AUTH caller pass>word");
    client
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(text) if text.starts_with("NOPERM "))
}

/// By these rules the call is refused and nothing changes, or it is not and all traces of ann are meant by it.
fn judged(server: &Server, rules: &str, call: &str, is_permitted: bool) {
    let mut client = caller(server, rules);
    let before = server.snapshot();
    let reply = client.run(call);
    if !is_permitted {
        assert!(is_refused(&reply), "{rules}: {call}: {reply:?}");
        return before.assert_matches(&server.snapshot());
    }
    let removed = if reply.is_error() || matches!(reply, Reply::Int(_)) { reply } else { reply.field("removed") };
    assert_eq!(removed, int(TRACES), "{rules}: {call}");
    log_in(&mut server.client(), "ann", "s1", "den");
}

#[test]
fn keys_that_another_selector_gives_are_not_the_commands() {
    let server = world();
    let (any, write, read) = (keys("~"), keys("%W~"), keys("%R~"));
    let table = [
        (format!("-@all +session.logout (+append {write})"), false),
        (format!("-@all +session.logout ({any})"), false),
        (format!("-@all {any} (+session.logout)"), false),
        ("-@all ~* (+session.logout)".to_owned(), false),
        ("-@all +session.logout (-@all ~*)".to_owned(), false),
        (format!("-@all (+session.logout) ({any}) (+@all -session.logout ~*)"), false),
        (format!("-@all (+session.logout {any})"), true),
        (format!("-@all +session.logout (+session.logout {any})"), true),
        (format!("-@all +get (+set ~a) (+session.logout {any}) (+append ~b)"), true),
        (format!("-@all +session.logout {any} (+get ~x)"), true),
        (format!("+@all {any} (+get ~x)"), true),
        (format!("-@all (+@all -get {write})"), true),
        (format!("-@all (+@all -session.logout ~*) (+session.logout {read})"), false),
    ];
    for (rules, is_permitted) in table {
        judged(&server, &rules, "SESSION.LOGOUT ann", is_permitted);
        judged(&server, &rules, "SESSION.LOGOUT ann SOCKET s1", is_permitted);
    }
}

#[test]
fn two_selectors_with_a_half_of_the_keys_each_are_not_one_with_all() {
    let server = world();
    let (mine, rest) = ("~user_*", "~activity:* ~cache:* ~typing:* ~socket_data:* ~active_users ~room:* ~sio:*");
    let table = [
        (format!("-@all +session.logout {mine} (+session.logout {rest})"), false),
        (format!("-@all (+session.logout {mine}) (+session.logout {rest})"), false),
        (format!("-@all (+session.logout {mine}) (+session.logout {rest} {mine})"), true),
        // Who may write and who may see are not one and the same.
        (format!("-@all (+session.logout {}) (+session.logout {})", keys("%W~"), keys("%R~")), false),
        (format!("-@all (+session.logout {} {})", keys("%W~"), keys("%R~")), true),
    ];
    for (rules, is_permitted) in table {
        judged(&server, &rules, "SESSION.LOGOUT ann WITHTRACES", is_permitted);
    }
}

#[test]
fn to_inspect_and_to_sweep_is_judged_so_too() {
    let server = world();
    let (any, read) = (keys("~"), keys("%R~"));
    judged(&server, &format!("-@all +session.inspect (+get {read})"), "SESSION.INSPECT ann", false);
    judged(&server, &format!("-@all (+session.logout {any}) (+session.inspect)"), "SESSION.INSPECT ann", false);
    judged(&server, &format!("-@all (+session.inspect {read}) (+get ~x)"), "SESSION.INSPECT ann", true);
    // Ann becomes a ghost.
    server.must("DEL socket_data:s1");
    let sweeps = [
        (format!("-@all +session.sweep (+append {any})"), None),
        (format!("-@all (+session.sweep ~user_*) ({any})"), None),
        (format!("-@all +session.sweep ~user_* (+session.sweep {any})"), Some(1)),
    ];
    for (rules, swept) in sweeps {
        let mut client = caller(&server, &rules);
        for call in ["SESSION.SWEEP DRYRUN", "SESSION.SWEEP"] {
            let reply = client.run(call);
            assert!(swept.map_or(is_refused(&reply), |users| reply == int(users)), "{rules}: {call}: {reply:?}");
        }
    }
    assert_eq!(server.run("EXISTS user_socket:ann"), int(0));
}

#[test]
fn the_arguments_that_a_selector_permits_are_looked_at_too() {
    let server = world();
    let rules = format!("-@all (+session.logout|bob {}) (+session.logout|ann ~user_*)", keys("~"));
    // Not every server knows commands that are permitted by their first argument.
    if server.run(&format!("ACL SETUSER caller {rules}")).is_error() {
        return;
    }
    judged(&server, &rules, "SESSION.LOGOUT ann", false);
    judged(&server, &rules.replace("bob", "ann"), "SESSION.LOGOUT ann", true);
    judged(&server, &rules.replace("bob", "ANN"), "SESSION.LOGOUT ann", true);
}

#[test]
fn transactions_scripts_and_functions_are_judged_so_too() {
    let server = world();
    let mut client = caller(&server, "+@all -append resetkeys (+append ~*)");
    let before = server.snapshot();
    client.script("MULTI\nSESSION.LOGOUT ann");
    assert!(is_refused(&client.run("EXEC").items()[0]));
    let script = ["EVAL", "return redis.pcall('SESSION.LOGOUT', 'ann')", "0"];
    assert!(is_refused(&client.cmd(script)));
    let code = "#!lua name=l\nredis.register_function('f', function() return redis.pcall('SESSION.LOGOUT', 'ann') end)";
    assert!(!server.cmd(["FUNCTION", "LOAD", code]).is_error());
    assert!(is_refused(&client.run("FCALL f 0")));
    before.assert_matches(&server.snapshot());
    let mut client = caller(&server, "+@all resetkeys (+@all ~*)");
    assert_eq!(client.cmd(script), int(TRACES));
}

/// Patterns may hold parentheses and quotes, and a pattern's own may be the last of a selector.
#[test]
fn patterns_of_strange_bytes_are_the_same_patterns() {
    let server = Server::start();
    let id = |text: &str| format!("user_status:{text}");
    let cases = [
        ("a)", r"(~user_status:a) +session.logout)"),
        ("(a", r"(~user_status:(a +session.logout)"),
        (")(", r"(+session.logout ~user_status:)( ~x)"),
        ("'\"", r#"("~user_status:'\"" "+session.logout")"#),
        ("\\", r"(~user_status:\\ +session.logout)"),
        ("é", "(+session.logout %W~user_status:é)"),
        ("#ab", "(+session.logout ~user_status:#ab)"),
        ("db=1", "(+session.logout ~user_status:db=1)"),
    ];
    for (user, selector) in cases {
        let calls = [&["SESSION.LOGOUT", user][..], &["SESSION.LOGOUT", "other"]];
        for (call, is_permitted) in calls.into_iter().zip([true, false]) {
            server.script("ACL DELUSER caller\nFLUSHALL");
            server.cmd(["SET", &id(call[1]), "1"]);
            let set = server.cmd(["ACL", "SETUSER", "caller", "on", "nopass", "~user_status:(x", "-@all", selector]);
            assert!(!set.is_error(), "{selector}: {set:?}");
            let mut client = server.client();
            client.must("AUTH caller any");
            let reply = client.cmd(call);
            assert!(if is_permitted { reply == int(1) } else { is_refused(&reply) }, "{selector}: {call:?}: {reply:?}");
        }
    }
}

#[test]
fn a_selector_of_another_database_gives_nothing() {
    let server = world();
    let rules = format!("-@all +select +session.logout (+session.logout db=1,3 {}) (+select)", keys("~"));
    // Not every server knows databases in rules.
    if server.run(&format!("ACL SETUSER caller {rules}")).is_error() {
        return;
    }
    judged(&server, &rules, "SESSION.LOGOUT ann", false);
    judged(&server, &rules.replace("db=1,3", "resetdbs"), "SESSION.LOGOUT ann", false);
    judged(&server, &rules.replace("db=1,3", "db=2,0"), "SESSION.LOGOUT ann", true);
    let mut client = caller(&server, &rules);
    client.must("SELECT 3");
    let mut writer = server.client();
    writer.must("SELECT 3");
    log_in(&mut writer, "ann", "s3", "den");
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
}

#[test]
fn rules_that_change_count_from_that_moment() {
    let server = world();
    let mut client = caller(&server, &format!("-@all +session.logout (+append {})", keys("~")));
    assert!(is_refused(&client.run("SESSION.LOGOUT ann")));
    let give = format!("ACL SETUSER caller (+session.logout {})", keys("~"));
    for _ in 0..3 {
        server.must(&give);
        assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
        log_in(&mut server.client(), "ann", "s1", "den");
        server.must("ACL SETUSER caller clearselectors (+append ~*)");
        assert!(is_refused(&client.run("SESSION.LOGOUT ann")));
    }
    // Somebody else of the same name.
    server.script("ACL DELUSER caller\nACL SETUSER caller on nopass -@all +session.logout (+append ~*)");
    let mut client = server.client();
    client.must("AUTH caller any");
    assert!(is_refused(&client.run("SESSION.LOGOUT ann")));
    server.must("ACL SETUSER caller clearselectors ~*");
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
}

#[test]
fn of_many_users_each_has_its_own_rules_and_unloading_forgets_them() {
    let server = Server::start();
    server.must("MSET user_status:2 x user_status:3 x");
    for number in 0..200 {
        let command = if number % 2 == 0 { "+session.logout" } else { "+append" };
        server.must(&format!("ACL SETUSER u{number} on nopass -@all +session.logout ({command} ~*)"));
    }
    let mut clients: Vec<_> = (0..200).map(|_| server.client()).collect();
    for (number, client) in (0..).zip(&mut clients) {
        client.must(&format!("AUTH u{number} any"));
    }
    for _ in 0..2 {
        for (number, client) in (0..).zip(&mut clients) {
            server.must(&format!("SET user_status:{number} x"));
            let reply = client.run(&format!("SESSION.LOGOUT {number}"));
            assert!(if number % 2 == 0 { reply == int(1) } else { is_refused(&reply) }, "{number}: {reply:?}");
        }
    }
    // Some servers do not survive, and others refuse, that a module goes whose commands are in anybody's rules.
    (0..200).for_each(|number| drop(server.must(&format!("ACL DELUSER u{number}"))));
    server.must("MODULE UNLOAD session");
    assert!(!server.load_module().is_error());
    server.script("ACL SETUSER u0 on nopass -@all (+session.logout ~*)\nSET user_status:0 x");
    let mut client = server.client();
    client.must("AUTH u0 any");
    assert_eq!(client.run("SESSION.LOGOUT 0"), int(1));
    assert!(is_refused(&client.run("PING")));
}
