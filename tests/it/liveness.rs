//! Who is live, by whatever an application has to tell it: sockets without a mapping, ids in other forms, and signs of life.

use crate::support::reply::{array, bulk, bulks, error, int};
use crate::support::{Server, keys, log_out_exactly, log_out_socket_exactly, sweep_exactly, wait_until};

fn with_layout(layout: &str) -> Server {
    Server::builder().layout(layout).start()
}

const UNMAPPED: &str = r#"{ "name": "store", "separator": ":", "traces": [
    { "key": "sess:{socketId}", "owner": "/passport/user" },
    { "members": "online", "member": "{userId}" },
    { "key": "prefs:{userId}", "sweep": false } ],
    "sockets": { "data": "sess:{socketId}" } }"#;

/// A session as such a store writes it.
fn session(server: &Server, id: &str, user: &str) {
    let text = format!(r#"{{"cookie":{{"maxAge":1}},"passport":{{"user":"{user}"}}}}"#);
    server.cmd(["SET", &format!("sess:{id}"), &text, "EX", "900"]);
}

#[test]
fn a_store_without_a_mapping_keeps_its_valid_sessions_through_a_sweep() {
    let server = with_layout(UNMAPPED);
    for (id, user) in [("s1", "ada"), ("s2", "ada"), ("s3", "bob")] {
        session(&server, id, user);
    }
    server.script("SADD online ada bob carl\nSET prefs:carl x");
    assert_eq!(server.run("SESSION.INSPECT ada").field("live"), int(1));
    assert_eq!(server.run("SESSION.INSPECT carl").field("live"), int(0));
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(server.run("SMISMEMBER online ada bob carl"), array([int(1), int(1), int(0)]));
    // One device, and a late second call.
    assert_eq!(log_out_socket_exactly(&server, "ada", "s1"), 1);
    assert_eq!(log_out_socket_exactly(&server, "ada", "s1"), 0);
    assert_eq!(log_out_socket_exactly(&server, "ada", "s3"), 0, "it is somebody else's");
    assert_eq!(log_out_socket_exactly(&server, "ada", "s2"), 2, "the last one takes all along");
    server.must("DEL sess:s3");
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(keys(&mut server.client()), ["prefs:carl"]);
}

/// Servers keep short values in another form than long ones, and they are read in another way.
#[test]
fn a_session_that_a_sweep_saw_live_ends_by_itself_however_long_its_value() {
    let server = with_layout(UNMAPPED);
    for (user, length) in [("ada", 60), ("bob", 128), ("carl", 129), ("dan", 1000)] {
        let text = format!(r#"{{"passport":{{"user":"{user}"}},"filling":"#);
        let filling = "x".repeat(length - text.len() - 3);
        server.cmd(["SET", &format!("sess:{user}"), &format!(r#"{text}"{filling}"}}"#), "PX", "3000"]);
    }
    server.must("SADD online ada bob carl dan");
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    server.wait_for_time(server.now() + 3000);
    assert_eq!(server.run("SESSION.SWEEP"), int(4));
    assert_eq!(keys(&mut server.client()), Vec::<String>::new());
}

#[test]
fn fence_timer_and_cascade_know_sockets_without_a_mapping() {
    let server = Server::builder()
        .layout(UNMAPPED)
        .option("expire-cascade", "yes")
        .option("grace", "0")
        .option("sweep-interval", "1")
        .start();
    session(&server, "s1", "ada");
    session(&server, "s2", "bob");
    server.script("SADD online ada bob");
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(2));
    session(&server, "s1", "ada");
    wait_until("it is removed again", || server.run("EXISTS sess:s1") == int(0));
    session(&server, "s4", "ada");
    server.must("SADD online ada");
    server.must("PEXPIRE sess:s2 50");
    wait_until("bob is gone", || server.run("SMEMBERS online") == bulks(["ada"]));
    let swept = || server.info("session")["session_sweeps"].parse::<u32>().expect("a number");
    let before = swept();
    wait_until("the timer has swept twice", || swept() > before + 1);
    assert_eq!(keys(&mut server.client()), ["online", "sess:s4"]);
}

#[test]
fn opaque_sessions_go_with_the_index_of_their_ids() {
    let server = with_layout(
        r#"{ "name": "list", "separator": ":", "traces": [
            { "key": "sessionlist:{userId}" }, { "key": "session:{socketId}" } ],
            "sockets": { "of": "sessionlist:{userId}", "data": "session:{socketId}" } }"#,
    );
    server.script("SADD sessionlist:ada s1 s2\nSADD sessionlist:bob s3\nSET session:s3 x");
    server.cmd([&b"SET"[..], b"session:s1", b"\xff\x00encrypted"]);
    server.cmd([&b"SET"[..], b"session:s2", b"\x78\x9c"]);
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("SESSION.INSPECT ada").field("keys"), bulks(["session:s1", "session:s2", "sessionlist:ada"]));
    assert_eq!(log_out_exactly(&server, "ada"), 3);
    // A request in flight.
    server.must("SET session:s1 x");
    wait_until("it is removed again", || server.run("EXISTS session:s1") == int(0));
    assert_eq!(keys(&mut server.client()), ["session:s3", "sessionlist:bob"]);
    assert_eq!(log_out_socket_exactly(&server, "bob", "s3"), 2);
}

#[test]
fn ids_stand_in_an_index_as_a_java_serializer_writes_them() {
    let layout = |id: &str| {
        format!(
            r#"{{ "name": "spring", "separator": ":", "traces": [
                {{ "key": "spring:session:index:PRINCIPAL:{{userId}}" }},
                {{ "key": "spring:session:sessions:{{socketId}}" }},
                {{ "key": "spring:session:sessions:expires:{{socketId}}" }},
                {{ "members": "spring:session:expirations:{{minute}}", "member": "{}" }} ],
                "sockets": {{ "of": {{ "key": "spring:session:index:PRINCIPAL:{{userId}}", "id": "{}" }},
                    "data": "spring:session:sessions:{{socketId}}" }} }}"#,
            id.replace("SIZE", ",expires:"),
            id.replace("SIZE", "$")
        )
    };
    for (form, prefix, suffix) in [
        (r"\\xac\\xed\\x00\\x05t\\x00SIZE{socketId}", &b"\xac\xed\x00\x05t\x00"[..], &b""[..]),
        (r#"\"SIZE{socketId}\""#, b"\"", b"\""),
    ] {
        let server = with_layout(&layout(form));
        for (user, id) in [("ada", "1b2c"), ("ada", "3d4e"), ("bob", "5f6a")] {
            let written = |sign: &str| [prefix, sign.as_bytes(), id.as_bytes(), suffix].concat();
            let index = format!("spring:session:index:PRINCIPAL:{user}");
            server.cmd([b"SADD", index.as_bytes(), &written("$")]);
            server.cmd([b"SADD", &b"spring:session:expirations:1700000000000"[..], &written(",expires:")]);
            server.cmd(["HSET", &format!("spring:session:sessions:{id}"), "sessionAttr:x", "\\x01"]);
            server.cmd(["SET", &format!("spring:session:sessions:expires:{id}"), ""]);
        }
        assert_eq!(sweep_exactly(&server), 0);
        assert_eq!(server.run("SESSION.INSPECT ada").field("sockets"), bulks(["1b2c", "3d4e"]));
        assert_eq!(log_out_socket_exactly(&server, "ada", "1b2c"), 4);
        assert_eq!(log_out_exactly(&server, "ada"), 4);
        assert_eq!(log_out_exactly(&server, "bob"), 4);
        assert_eq!(server.run("DBSIZE"), int(0));
    }
}

#[test]
fn a_mapping_may_hold_the_name_of_the_session() {
    let server = with_layout(
        r#"{ "name": "token", "separator": ":", "traces": [
            { "key": "user:current:{userId}" }, { "key": "user:session:{socketId}" } ],
            "sockets": { "of": { "key": "user:current:{userId}", "id": "user:session:{socketId}" },
                         "data": "user:session:{socketId}" } }"#,
    );
    server.script("SET user:current:ada user:session:t1\nSET user:session:t1 x\nSET user:current:bob user:session:t2");
    server.script("SET user:current:carl other\nSET user:session:t3 x");
    assert_eq!(sweep_exactly(&server), 1, "bob; of carl it can't be told");
    assert_eq!(log_out_exactly(&server, "ada"), 2);
    assert_eq!(keys(&mut server.client()), ["user:current:carl", "user:session:t3"]);
}

#[test]
fn a_mapping_may_be_an_array_in_a_document() {
    let server = with_layout(
        r#"{ "name": "array", "separator": ":", "traces": [{ "key": "tokens:{userId}" }, { "key": "token:{socketId}", "owner": "/sub" }],
            "sockets": { "of": { "key": "tokens:{userId}", "array": "", "id": "/token" }, "data": "token:{socketId}" } }"#,
    );
    let write = |user: &str, text: &str| drop(server.cmd(["SET", &format!("tokens:{user}"), text, "EX", "5000"]));
    write("ada", r#"[ {"token":"t1","expiresAt":1}, {"token":"t2","expiresAt":2} ,{"token":7} ]"#);
    write("bob", r#"[{"token":"t3","expiresAt":1}]"#);
    write("carl", "no JSON");
    write("dora", r#"[{"expiresAt":1}]"#);
    server.script("SET token:t1 '{\"sub\":\"ada\"}'\nSET token:7 '{\"sub\":\"ada\"}'");
    let shown = server.run("SESSION.INSPECT ada");
    assert_eq!((shown.field("sockets"), shown.field("live")), (bulks(["7", "t1", "t2"]), int(1)));
    // Of carl and dora it can't be told.
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(keys(&mut server.client()), ["token:7", "token:t1", "tokens:ada", "tokens:carl", "tokens:dora"]);
    let rest = r#"[ {"token":"t1","expiresAt":1}, {"token":7} ]"#;
    assert_eq!(server.run("GET tokens:ada"), bulk(rest), "the dead one is gone, and all else is as it was");
    assert_eq!(log_out_socket_exactly(&server, "ada", "7"), 2);
    assert_eq!(server.run("GET tokens:ada"), bulk(r#"[ {"token":"t1","expiresAt":1} ]"#));
    assert!(server.run("TTL tokens:ada").as_int() > 4000);
    assert_eq!(log_out_exactly(&server, "ada"), 2);
}

#[test]
fn a_user_lives_by_a_key_of_their_own() {
    let server = with_layout(
        r#"{ "name": "beat", "separator": ":", "traces": [{ "members": "present", "member": "{userId}" }],
            "live": [{ "key": "{userId}Heartbeat" }] }"#,
    );
    server.script("SADD present ada bob\nSET adaHeartbeat 1 EX 100");
    assert_eq!(server.run("SESSION.INSPECT ada").field("live"), int(1));
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(sweep_exactly(&server), 0);
    server.must("DEL adaHeartbeat");
    assert_eq!(sweep_exactly(&server), 1);
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn a_user_lives_by_a_score_that_is_a_moment_not_long_ago() {
    let layout = |unit: &str| {
        format!(
            r#"{{ "name": "scores", "separator": ":", "traces": [
                {{ "members": "online", "member": "{{userId}}" }}, {{ "key": "at:{{roomId}}:{{userId}}" }} ],
                "live": [{{ "scores": "online", "member": "{{userId}}", "within": 60{unit} }}] }}"#
        )
    };
    for (unit, divisor) in [("", 1000), (r#", "unit": "ms""#, 1), (r#", "unit": "s""#, 1000)] {
        let server = with_layout(&layout(unit));
        let ago = |seconds: i64| (server.now() - seconds * 1000) / divisor;
        for (user, seconds) in [("ada", 5), ("bob", 50), ("carl", 70), ("dora", 100_000), ("later", -1000)] {
            server.cmd(["ZADD", "online", &ago(seconds).to_string(), user]);
        }
        server.script("ZADD online -1 never\nSET at:den:ada 1\nSET at:den:eve 1");
        assert_eq!(server.run("SESSION.INSPECT bob").field("live"), int(1));
        assert_eq!(sweep_exactly(&server), 4);
        assert_eq!(server.run("ZRANGE online 0 -1"), bulks(["bob", "ada", "later"]));
        assert_eq!(sweep_exactly(&server), 0);
        server.cmd(["ZADD", "online", &ago(90).to_string(), "ada"]);
        assert_eq!(sweep_exactly(&server), 1);
    }
}

#[test]
fn a_grace_counts_from_the_end_of_the_last_sign_of_life() {
    let server = with_layout(
        r#"{ "name": "beat", "separator": ":", "traces": [{ "members": "present", "member": "{userId}" }],
            "live": [{ "key": "beat:{userId}" }] }"#,
    );
    server.script("SADD present ada\nSET beat:ada 1 PX 400");
    assert_eq!(server.run("SESSION.SWEEP GRACE 3600"), int(0));
    server.wait_for_time(server.now() + 500);
    // It was seen alive a moment ago, and is known to have been so for as long as the key was to last.
    assert_eq!(server.run("SESSION.SWEEP GRACE 3600"), int(0));
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
}

/// A user of two devices, of which one is dead, and a sorted set of all ids.
const DEVICES: &str = r#"{ "name": "devices", "separator": ":", "traces": [
    { "key": "of:{userId}" }, { "key": "data:{socketId}", "owner": "/u" },
    { "members": "ids", "member": "{socketId}" }, { "members": "online", "member": "{userId}" } ],
    "sockets": { "of": "of:{userId}", "data": "data:{socketId}" } }"#;

fn two_devices(server: &Server) {
    server.script(
        "SADD of:ada s1 s2\nSET data:s1 '{\"u\":\"ada\"}'\nSET data:s2 '{\"u\":\"ada\"}'\nZADD ids 1 s1 2 s2 3 s9
         SADD online ada",
    );
}

#[test]
fn a_sweep_takes_dead_devices_of_live_users() {
    // The same devices come back.
    let server = Server::builder().layout(DEVICES).option("fence", "0").start();
    two_devices(&server);
    server.must("DEL data:s1");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(0));
    assert!(server.log().contains("sweep ended (a dry run) users=0 sockets=1 "), "{}", server.log());
    assert_eq!(server.run("SCARD of:ada"), int(2));
    assert_eq!(sweep_exactly(&server), 0, "nobody is stale");
    assert_eq!(server.run("SMEMBERS of:ada"), bulks(["s2"]));
    assert_eq!(server.run("ZRANGE ids 0 -1"), bulks(["s2", "s9"]));
    assert_eq!(server.info("session")["session_swept_sockets"], "1");
    // One that expires where nobody is told of it.
    two_devices(&server);
    server.must("DEBUG SET-ACTIVE-EXPIRE 0");
    server.must("PEXPIRE data:s2 50");
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    server.wait_for_time(server.now() + 60);
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("SMEMBERS of:ada"), bulks(["s1"]));
}

#[test]
fn a_device_that_has_not_been_dead_for_the_grace_stays() {
    let server = with_layout(DEVICES);
    two_devices(&server);
    // The mapping is written first, and the data soon.
    server.must("SADD of:ada s3");
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    assert_eq!(server.run("SCARD of:ada"), int(3));
    server.wait_for_time(server.now() + 1100);
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    assert_eq!(server.run("SCARD of:ada"), int(2));
}

#[test]
fn timer_and_cascade_take_dead_devices_too() {
    for option in [("sweep-interval", "1"), ("expire-cascade", "yes")] {
        let server = Server::builder().layout(DEVICES).option("grace", "1").option(option.0, option.1).start();
        two_devices(&server);
        server.must("PEXPIRE data:s1 50");
        wait_until("the dead one is gone", || server.run("SMEMBERS of:ada") == bulks(["s2"]));
        wait_until("everywhere", || server.run("ZRANGE ids 0 -1") == bulks(["s2", "s9"]));
        assert_eq!(server.run("EXISTS online data:s2"), int(2));
    }
}

#[test]
fn a_dry_run_shows_whom_a_sweep_would_clean_up_and_the_log_names_them() {
    let server = Server::start();
    server.script("SADD active_users ada bob\nSET typing:den:ada 1\nSET user_socket:carl s1\nSET socket_data:s1 x");
    let map = |user: &str, keys: &[&str], rooms: &[&str]| {
        let members = array([bulks(["active_users", user])]);
        let count = i64::try_from(keys.len() + 1).expect("few");
        let fields = [
            ("user", bulk(user)),
            ("removed", int(count)),
            ("keys", bulks(keys)),
            ("members", members),
            ("entries", array([])),
            ("sockets", array([])),
            ("rooms", bulks(rooms)),
        ];
        array(fields.into_iter().flat_map(|(name, value)| [bulk(name), value]))
    };
    let mut shown = server.run("SESSION.SWEEP DRYRUN WITHTRACES").items().to_vec();
    shown.sort_by_key(|map| map.field("user").as_bytes().to_vec());
    assert_eq!(shown, [map("ada", &["typing:den:ada"], &["den"]), map("bob", &[], &[])]);
    assert_eq!(server.run("SESSION.SWEEP WITHTRACES DRYRUN LIMIT 1").items().len(), 1);
    let mut client = server.client();
    client.must("MULTI");
    client.must("SESSION.SWEEP DRYRUN WITHTRACES");
    assert_eq!(client.run("EXEC").items()[0].items().len(), 2);
    for wrong in ["SESSION.SWEEP WITHTRACES", "SESSION.SWEEP DRYRUN WITHTRACES WITHTRACES"] {
        assert_eq!(server.run(wrong), error("ERR syntax error"));
    }
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(2), "nothing has changed");
    for number in 0..12 {
        server.must(&format!("SADD active_users g{number}"));
    }
    assert_eq!(server.run("SESSION.SWEEP"), int(14));
    let log = server.log();
    let line = log.lines().rfind(|line| line.contains("sweep ended users=14")).expect("it is in the log");
    let (_, names) = line.split_once(" first=").expect("users are named");
    assert_eq!(names.split(',').count(), 10, "{line}");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN WITHTRACES"), array([]));
}

#[test]
fn a_caller_who_may_not_read_is_not_shown_whom_a_sweep_would_take() {
    let server = Server::start();
    server.script("SADD active_users ada\nACL SETUSER writer on nopass +session.sweep %W~*");
    let mut client = server.client();
    client.must("AUTH writer any");
    assert_eq!(client.run("SESSION.SWEEP DRYRUN"), int(1));
    let refused = client.run("SESSION.SWEEP DRYRUN WITHTRACES");
    assert!(format!("{refused:?}").contains("NOPERM No permission to read"), "{refused:?}");
}

#[test]
fn a_mapping_that_a_sweep_leaves_alone_stays_and_is_no_evidence() {
    let server = with_layout(
        r#"{ "name": "kept", "separator": ":", "traces": [
            { "key": "map:{userId}", "sweep": false }, { "key": "data:{socketId}", "owner": "/u" }, { "key": "st:{userId}" } ],
            "sockets": { "of": "map:{userId}", "data": "data:{socketId}" }, "live": [{ "key": "hb:{userId}" }] }"#,
    );
    server.script("SET map:ada s1\nSET hb:ada 1\nSET map:ben s1\nSET st:ben on");
    assert_eq!(sweep_exactly(&server), 0);
    assert_eq!(server.run("DBSIZE"), int(4));
}

#[test]
fn a_device_that_came_back_in_between_is_dead_anew() {
    let server = Server::builder().layout(DEVICES).option("fence", "0").start();
    two_devices(&server);
    server.must("DEL data:s1");
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    server.wait_for_time(server.now() + 700);
    server.must("SET data:s1 '{\"u\":\"ada\"}'");
    server.wait_for_time(server.now() + 700);
    server.must("DEL data:s1");
    assert_eq!(server.run("SESSION.SWEEP GRACE 1"), int(0));
    assert_eq!(server.run("SCARD of:ada"), int(2));
}

#[test]
fn a_device_that_a_sweep_found_dead_may_come_back() {
    let server = with_layout(DEVICES);
    two_devices(&server);
    // A login writes the mapping first.
    server.script("SADD of:ada s3\nSESSION.SWEEP");
    server.script("SADD of:ada s3\nSET data:s3 '{\"u\":\"ada\"}'");
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(server.run("EXISTS data:s3"), int(1));
    assert_eq!(server.run("SISMEMBER of:ada s3"), int(1));
}

#[test]
fn many_dead_devices_of_one_user_go_in_slices() {
    let server = with_layout(DEVICES);
    two_devices(&server);
    for number in 0..300 {
        server.must(&format!("SADD of:ada dead{number}"));
    }
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    assert_eq!(server.run("SCARD of:ada"), int(2));
    assert_eq!(server.info("session")["session_swept_sockets"], "300");
    assert!(server.info("session")["session_last_sweep_slices"].parse::<u32>().expect("a number") > 1);
}

#[test]
fn a_socket_of_somebody_else_keeps_what_names_it() {
    let server = with_layout(DEVICES);
    server.script("SADD of:ada s1\nSADD of:ben s1\nSET data:s1 '{\"u\":\"ben\"}'\nZADD ids 1 s1");
    assert_eq!(log_out_exactly(&server, "ada"), 1);
    assert_eq!(server.run("ZRANGE ids 0 -1"), bulks(["s1"]));
    assert_eq!(log_out_exactly(&server, "ben"), 3);
}
