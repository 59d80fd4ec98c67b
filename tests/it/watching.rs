//! INFO section `session` and log lines.

use crate::args;
use crate::support::{Server, TRACES, int, log_in, ok, wait_until};

fn number(server: &Server, field: &str) -> i64 {
    let info = server.info("session");
    let text = info.get(field).unwrap_or_else(|| panic!("no {field} in {info:?}"));
    text.parse().unwrap_or_else(|_| panic!("{field} is {text}"))
}

/// The module's log lines that hold `word`.
fn lines(server: &Server, word: &str) -> Vec<String> {
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("<session>") && line.contains(word));
    lines.map(str::to_owned).collect()
}

#[test]
fn info_counts_logouts_and_traces_by_kind() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    for field in ["session_logouts", "session_removed_keys", "session_removed_members", "session_removed_entries"] {
        assert_eq!(number(&server, field), 0, "{field}");
    }
    server.script("SESSION.LOGOUT ann\nSESSION.LOGOUT bob\nSESSION.INSPECT ann");
    assert_eq!(number(&server, "session_logouts"), 2);
    assert_eq!(number(&server, "session_removed_keys"), 2 * (TRACES - 2));
    assert_eq!(number(&server, "session_removed_members"), 2);
    assert_eq!(number(&server, "session_removed_entries"), 2);
    assert!(number(&server, "session_slowest_logout_usec") > 0);
}

#[test]
fn info_tells_the_state_and_size_of_the_index() {
    let server = Server::start();
    assert_eq!(server.info("session")["session_index_state"], "ready");
    let (entries, bytes) = (number(&server, "session_index_entries"), number(&server, "session_index_bytes"));
    server.must("DEBUG POPULATE 5000 typing:den");
    wait_until("the index is ready again", || server.info("session")["session_index_state"] == "ready");
    assert!(number(&server, "session_index_entries") >= entries + 5000);
    assert!(number(&server, "session_index_bytes") >= bytes + 5000);
}

#[test]
fn info_tells_how_far_the_index_is_built() {
    let server = Server::builder().without_module().start();
    server.must("DEBUG POPULATE 300000 typing:den");
    assert_eq!(server.load_module(), ok());
    let mut seen = Vec::new();
    wait_until("the index is ready", || {
        seen.push(server.info("session")["session_index_state"].clone());
        seen.last().is_some_and(|state| state == "ready")
    });
    for state in seen.iter().filter(|state| *state != "ready") {
        let percent = state.strip_prefix("building ").and_then(|rest| rest.strip_suffix('%'));
        let percent = percent.and_then(|text| text.trim().parse::<u8>().ok());
        assert!(percent.is_some_and(|percent| percent <= 100), "a state is {state}");
    }
    assert!(number(&server, "session_index_entries") >= 300_000);
}

#[test]
fn info_counts_values_that_cannot_hold_a_trace() {
    let server = Server::start();
    server.script("SET active_users x\nSET socket_data:s1 'no JSON'\nSET room:den 'no JSON'\nSADD room:hall ann");
    server.script("SESSION.LOGOUT ann\nSESSION.INSPECT ann");
    assert!(number(&server, "session_mistyped_values") > 0);
}

#[test]
fn a_logout_is_logged_with_user_counts_and_time() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(server.run("SESSION.LOGOUT ann REASON because"), int(TRACES));
    assert_eq!(lines(&server, "=== USER LOGOUT DETECTED ===").len(), 1);
    let [cleaning] = &*lines(&server, "=== CLEANING UP USER LOGOUT ===") else { panic!("one line") };
    assert!(cleaning.contains("ann") && cleaning.contains("because"), "{cleaning}");
    let [success] = &*lines(&server, "SUCCESS: User logout cleanup completed") else { panic!("one line") };
    for part in ["ann", "8", "1", "usec"] {
        assert!(success.contains(part), "{part} is not in {success}");
    }
}

#[test]
fn ids_and_reasons_cannot_forge_log_lines() {
    let server = Server::start();
    server.cmd(args!["SET", b"user_status:a\r\n<session> forged\0\xff", "1"]);
    let before = server.log().lines().count();
    assert_eq!(server.cmd(args!["SESSION.LOGOUT", b"a\r\n<session> forged\0\xff", "REASON", "b\n<session> c"]), int(1));
    let log = server.log();
    let new: Vec<_> = log.lines().skip(before).collect();
    assert_eq!(new.len(), 3, "{new:#?}");
    assert!(new.iter().all(|line| line.is_ascii() && !line.contains('\0')), "{new:#?}");
}

#[test]
fn an_id_cannot_pass_for_two_or_for_another_field() {
    let server = Server::start();
    for user in ["two words keys=9", "a,b", "c\nd", "\\x2c"] {
        server.cmd(["SADD", "active_users", user]);
        server.cmd(["SET", &format!("typing:den:{user}"), "1"]);
    }
    assert_eq!(server.cmd(["SESSION.LOGOUT", "two words keys=9"]), int(2));
    let [cleaning] = &*lines(&server, "=== CLEANING UP USER LOGOUT ===") else { panic!("one line") };
    assert!(cleaning.ends_with(r"user=two\x20words\x20keys=9 reason=logout"), "{cleaning}");
    let [success] = &*lines(&server, "SUCCESS") else { panic!("one line") };
    assert!(success.contains(r" user=two\x20words\x20keys=9 keys=1 members=1 "), "{success}");
    assert_eq!(server.run("SESSION.SWEEP"), int(3));
    let [swept] = &*lines(&server, "sweep ended users=3 ") else { panic!("one line") };
    let (_, names) = swept.split_once(" first=").expect("users are named");
    let mut names: Vec<&str> = names.split(',').collect();
    names.sort_unstable();
    assert_eq!(names, [r"\\x2c", r"a\x2cb", r"c\nd"], "{swept}");
}

#[test]
fn the_log_level_is_an_option_at_load_and_at_run_time() {
    let server = Server::builder().option("log-level", "warning").config("loglevel warning").start();
    let logged = |level: &str| {
        let before = lines(&server, "SUCCESS").len();
        if !level.is_empty() {
            server.must(&format!("CONFIG SET session.log-level {level}"));
        }
        server.must("SET user_status:ann 1");
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
        lines(&server, "SUCCESS").len() - before
    };
    assert_eq!(logged(""), 1);
    assert_eq!(logged("notice"), 0, "the server's own level hides it");
    assert_eq!(logged("warning"), 1);
    let reply = server.run("CONFIG SET session.log-level loud");
    assert!(reply.is_error(), "{reply:?}");
    let level = server.run("CONFIG GET session.log-level").field("session.log-level");
    assert_eq!(level.as_text(), "warning");
}

#[test]
fn the_option_may_stand_in_the_servers_own_file() {
    let mut server = Server::builder().start();
    server.restart_with(crate::support::server::Stop::NoSave, |builder| builder.config("session.log-level warning"));
    assert_eq!(server.run("CONFIG GET session.log-level").field("session.log-level").as_text(), "warning");
}

#[test]
fn a_flood_of_logouts_is_logged_with_a_hundred_lines_and_a_count_of_the_rest() {
    let server = Server::start();
    let mut client = server.client();
    let users = 400;
    let commands = (0..users)
        .flat_map(|n| [args!["SET", format!("user_status:u{n}"), "1"], args!["SESSION.LOGOUT", format!("u{n}")]]);
    let commands: Vec<_> = commands.collect();
    client.must("MULTI");
    client.pipeline(commands);
    client.must("EXEC");
    let told = || lines(&server, "USER LOGOUT").len() + lines(&server, "SUCCESS:").len();
    let counted = || -> usize {
        let message = |line: &String| line.split_once("<session> ").expect("the module's line").1.to_owned();
        let number = |line: &String| message(line).split(' ').find_map(|word| word.parse::<usize>().ok());
        lines(&server, "left out").iter().filter_map(number).sum()
    };
    wait_until("every line is told or counted", || told() + counted() == 3 * users);
    assert!(counted() > 0, "some were left out");
}

/// Tables keep the room that they once took, so what is compared is far from what a leak would be.
#[test]
fn users_who_are_gone_leave_nothing_in_the_index() {
    for fence in ["60", "0"] {
        let server = Server::builder().option("fence", fence).option("channel", "").start();
        let mut client = server.client();
        let mut bytes = Vec::new();
        for round in 0..8 {
            for user in 0..300 {
                log_in(&mut client, &format!("u{user}"), &format!("s{round}-{user}"), "den");
                client.must(&format!("SESSION.LOGOUT u{user}"));
            }
            bytes.push(number(&server, "session_index_bytes"));
        }
        assert!(bytes[7] * 2 < bytes[1] * 3, "fence {fence}: {bytes:?}");
    }
}
