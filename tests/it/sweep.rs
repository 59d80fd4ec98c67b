//! A sweep takes exactly those who are stale, whole and in every database, script and protocol that it is called from.

use crate::args;
use crate::support::model::sweep;
use crate::support::reply::{bulk, bulks};
use crate::support::server::Builder;
use crate::support::{
    Client, Reply, Server, array, error, int, keys, log_in, log_out_exactly, nil, ok, queued, sweep_exactly,
    sweep_exactly_in,
};

/// Live users, and one ghost of every kind: seven of them.
fn ghosts(client: &mut Client) {
    log_in(client, "ann", "s-ann", "den");
    log_in(client, "bob", "s-bob", "hall");
    log_in(client, "no mapping".replace(' ', "_").as_str(), "s-1", "den");
    log_in(client, "no_data", "s-2", "den");
    client.script(
        r#"
        DEL user_socket:no_mapping socket_data:s-2
        SADD active_users member_alone
        SET typing:den:typing_alone 1
        SET user_socket:mapping_alone s-3
        SET socket_data:s-4 '{"userId":"data_alone","roomId":"den"}'
        SADD user_socket:devices s-5 s-6
        SET user_status:no_ghost away
        SET user_activity:no_ghost 1
        SET user_status:in_a_room away
        SET socket_data:s-7 '{"userId":""}'
        SET socket_data:s-8 '{"roomId":"den"}'
        SET socket_data:s-9 'no JSON'
        SET room:attic '{"participants":[{"userId":"in_a_room"}, {"userId":"data_alone"}]}'
        SET unrelated 1
        HSET user_session: x y
        "#,
    );
}

fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[field].parse().expect("a number")
}

#[test]
fn exactly_the_stale_are_taken_and_a_second_sweep_finds_none() {
    let server = Server::start();
    ghosts(&mut server.client());
    let stale = sweep::stale(&server.layout(), &server.snapshot().database(0));
    let expected = ["data_alone", "devices", "mapping_alone", "member_alone", "no_data", "no_mapping", "typing_alone"];
    assert_eq!(bulks(stale), bulks(expected));
    assert_eq!(sweep_exactly(&server), 7);
    assert_eq!(server.run("SMEMBERS active_users").items().len(), 2);
    assert_eq!(server.run("EXISTS user_status:no_ghost user_activity:no_ghost socket_data:s-9 room:attic"), int(4));
    assert_eq!(number(&server, "session_swept_users"), 7);
}

#[test]
fn a_live_user_is_left_whole_with_every_kind_of_trace() {
    let server = Server::builder().option("fence", "0").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    client.script("SET typing:hall:ann 1\nSET socket_data:old '{\"userId\":\"ann\"}'\nSET user_presence:ann x");
    assert_eq!(sweep_exactly(&server), 0);
    // Of two devices one is enough; of a mapped socket it does not matter whose the data is.
    client.script("DEL user_socket:ann socket_data:s1\nSADD user_socket:ann gone old");
    assert_eq!(sweep_exactly(&server), 0);
    client.script("SADD user_socket:ann gone\nSREM user_socket:ann old\nSET socket_data:gone x");
    assert_eq!(sweep_exactly(&server), 0);
}

#[test]
fn mappings_of_every_type_are_read() {
    let server = Server::start();
    server.script(
        "SET socket_data:s1 x\nSADD user_socket:set s1 s2\nZADD user_socket:zset 1 s2 2 s1\nHSET user_socket:hash s1 1 s2 1
        RPUSH user_socket:list s2 s1\nSET user_socket:string s1\nXADD user_socket:stream 1-1 s1 s1
        SADD user_socket:set2 s2\nZADD user_socket:zset2 1 s2\nHSET user_socket:hash2 s2 s1\nRPUSH user_socket:list2 s2
        SET user_socket:string2 ''",
    );
    assert_eq!(sweep_exactly(&server), 5, "of a stream it can't be told");
    let left = ["hash", "list", "set", "stream", "string", "zset"].map(|kind| format!("user_socket:{kind}"));
    assert_eq!(keys(&mut server.client())[1..], left);
}

#[test]
fn a_key_that_expired_but_is_in_memory_does_not_exist() {
    let server = Server::start();
    server.must("DEBUG SET-ACTIVE-EXPIRE 0");
    let mut client = server.client();
    for (user, key) in [("ann", "user_socket:ann"), ("bob", "socket_data:bob")] {
        log_in(&mut client, user, user, "den");
        client.must(&format!("PEXPIRE {key} 20"));
    }
    client.must("SET typing:den:carl 1 PX 20");
    server.wait_for_time(server.now() + 20);
    assert_eq!(sweep_exactly(&server), 2);
}

#[test]
fn ids_of_any_bytes_and_names_that_look_alike_are_told_apart() {
    let server = Server::start();
    let ids: [&[u8]; 7] = [b"a|b", b"*", b"\xff\x00", b"a\r\nb", b"{x}", b"active_users", b"1.50"];
    for id in ids {
        server.cmd(args!["SADD", "active_users", id]);
        server.cmd(args!["SET", [b"typing:den:", id].concat(), "1"]);
        server.cmd(args!["SET", [b"user_status:", id].concat(), "1"]);
    }
    server.script("SET user_socket:a s\nSET socket_data:s x\nSADD active_users a '' b\nSET typing:den:a 1");
    assert_eq!(sweep_exactly(&server), 8);
    assert_eq!(server.run("SMEMBERS active_users").items().len(), 2, "a, and the member that is nobody");
}

#[test]
fn a_data_document_of_any_size_is_evidence() {
    let server = Server::start();
    for (user, size) in [("small", 10), ("large", 66_000)] {
        let document = format!(r#"{{"pad":"{}","userId":"{user}"}}"#, "x".repeat(size));
        server.cmd(["SET", &format!("socket_data:{user}"), &document]);
        server.must(&format!("SET user_status:{user} 1"));
    }
    assert_eq!(sweep_exactly(&server), 2);
}

#[test]
fn collections_of_any_size_and_type_are_evidence() {
    for (add, encoding) in [("SADD", "hashtable"), ("ZADD", "skiplist"), ("HSET", "hashtable"), ("RPUSH", "quicklist")]
    {
        let server = Server::start();
        let mut client = server.client();
        log_in(&mut client, "ann", "s1", "den");
        client.must("DEL active_users");
        let member = |n: u32| match add {
            "ZADD" => args![n.to_string(), format!("u{n}")],
            "HSET" => args![format!("u{n}"), "1"],
            _ => args![format!("u{n}")],
        };
        for from in [0, 1000] {
            let members: Vec<_> = (from..from + 1000).flat_map(member).collect();
            client.cmd([args![add, "active_users"], members].concat());
        }
        let ann = match add {
            "ZADD" => args!["1", "ann"],
            "HSET" => args!["ann", "1"],
            _ => args!["ann"],
        };
        client.cmd([args![add, "active_users"], ann].concat());
        assert_eq!(client.run("OBJECT ENCODING active_users"), bulk(encoding));
        assert_eq!(client.run("SESSION.SWEEP DRYRUN"), int(2000), "{add}");
        assert_eq!(client.run("SESSION.SWEEP LIMIT 3"), int(3), "{add}");
        assert_eq!(client.run("SESSION.SWEEP"), int(1997), "{add}");
        assert_eq!(client.run("SESSION.SWEEP"), int(0), "{add}");
        assert_eq!(sweep_exactly(&server), 0);
        assert!(keys(&mut client).contains(&"active_users".to_owned()), "ann is still there");
    }
}

#[test]
fn other_layouts_say_where_evidence_is() {
    let workspace = Server::builder().layout(include_str!("../layouts/workspace.json")).start();
    workspace.script(
        r#"
        SADD user:{ann}:devices s1
        SET device:s1 '{"session":{"user/id":["ann"]}}'
        SADD user:{bob}:devices s2
        SADD room:den:sockets s1 s2 s3
        SADD room:den:members den|ann den|carl hall|dora
        SET cursor:den:emil:s4 1
        SET user:{fay}:draft:1 text
        SET gus:presence 1
        SET doc:den '{"state/now":{"editors":[{"user~id":["carl"]}]},"viewers":["carl"]}'
        ZADD online 1 ann 2 hal
        SET device:s5 '{"session":{"user/id":["ida"]}}'
        SET jon/tablet/tab 1
        "#,
    );
    assert_eq!(sweep_exactly(&workspace), 7);
    let hashes = Server::builder().layout(include_str!("../layouts/hashes.json")).start();
    hashes.script(
        "HSET app:sessions:s1 principal ann\nSADD app:index:ann s1\nHSET app:sessions:s2 principal bob
        SADD app:index:carl s3\nSET app:sessions:expires:s3 '{\"id\":\"carl\"}'\nSADD app:eu:online user:ann user:dora emil
        SET app:seen:fay:phone 1",
    );
    assert_eq!(sweep_exactly(&hashes), 4);
}

#[test]
fn without_sockets_in_the_layout_it_is_an_error_and_changes_nothing() {
    let server = Server::builder().layout(include_str!("../layouts/nobody_live.json")).start();
    server.script("SET ann 1\nSADD x:list ann");
    let before = server.snapshot();
    let expected =
        error("ERR the layout has no `sockets` and no `live`, so nobody is known to be live or stale; add one of them");
    assert_eq!(server.run("SESSION.SWEEP"), expected);
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), expected);
    server.must("CONFIG SET session.sweep-interval 1");
    server.must("CONFIG SET session.expire-cascade yes");
    server.wait_for_time(server.now() + 1500);
    before.assert_matches(&server.snapshot());
}

#[test]
fn limit_bounds_how_many_and_a_dry_run_changes_nothing() {
    let server = Server::start();
    ghosts(&mut server.client());
    let before = server.snapshot();
    for (call, reply) in [
        ("SESSION.SWEEP LIMIT 0", 0),
        ("SESSION.SWEEP DRYRUN LIMIT 3", 3),
        ("session.sweep limit 100 dryrun grace 0", 7),
        ("SESSION.SWEEP DRYRUN", 7),
    ] {
        assert_eq!(server.run(call), int(reply), "{call}");
        before.assert_matches(&server.snapshot());
    }
    assert_eq!(server.run("SESSION.SWEEP LIMIT 1"), int(1));
    assert_eq!(server.run("SESSION.SWEEP LIMIT 2"), int(2));
    assert_eq!(sweep_exactly(&server), 4);
}

#[test]
fn what_is_no_order_is_refused_and_changes_nothing() {
    let server = Server::start();
    ghosts(&mut server.client());
    let before = server.snapshot();
    let (syntax, number) = ("ERR syntax error", "ERR value is not an integer or out of range");
    for (call, reply) in [
        ("SESSION.SWEEP NOW", syntax),
        ("SESSION.SWEEP ''", syntax),
        ("SESSION.SWEEP GRACE", syntax),
        ("SESSION.SWEEP LIMIT", syntax),
        ("SESSION.SWEEP DRYRUN DRYRUN", syntax),
        ("SESSION.SWEEP LIMIT 1 LIMIT 1", syntax),
        ("SESSION.SWEEP GRACE 1 DRYRUN GRACE 1", syntax),
        ("SESSION.SWEEP GRACE -1", number),
        ("SESSION.SWEEP GRACE 0.5", number),
        ("SESSION.SWEEP LIMIT DRYRUN", number),
        ("SESSION.SWEEP LIMIT ''", number),
        ("SESSION.SWEEP LIMIT 1x", number),
        ("SESSION.SWEEP GRACE 9223372036854775808", number),
    ] {
        assert_eq!(server.run(call), error(reply), "{call}");
    }
    before.assert_matches(&server.snapshot());
    assert_eq!(server.run("SESSION.SWEEP GRACE 9223372036854775807 LIMIT 9223372036854775807"), int(0));
    before.assert_matches(&server.snapshot());
}

#[test]
fn only_the_selected_database_is_swept() {
    let server = Server::start();
    let mut client = server.client();
    ghosts(&mut client);
    client.must("SELECT 3");
    ghosts(&mut client);
    client.must("SADD active_users another");
    let zero = server.snapshot().database(0);
    assert_eq!(sweep_exactly_in(&server, 3), 8);
    assert!(server.snapshot().database(0) == zero);
    assert_eq!(sweep_exactly(&server), 7);
    assert_eq!(client.run("EXISTS user_status:no_ghost"), int(1), "the client is still in database 3");
}

#[test]
fn transactions_scripts_functions_and_resp3_get_the_same_answer() {
    let server = Server::start();
    let mut client = server.client();
    let ghost = "SADD active_users zoe yan";
    client.must(ghost);
    client.must("MULTI");
    assert_eq!(client.run("SESSION.SWEEP DRYRUN"), queued());
    assert_eq!(client.run("SESSION.SWEEP LIMIT 1"), queued());
    assert_eq!(client.run("SESSION.SWEEP"), queued());
    assert_eq!(client.run("SESSION.SWEEP NOW"), queued());
    let replies = [int(2), int(1), int(1), error("ERR syntax error")];
    assert_eq!(client.run("EXEC"), array(replies));
    client.must(ghost);
    assert_eq!(client.cmd(["EVAL", "return redis.call('SESSION.SWEEP')", "0"]), int(2));
    client.must(ghost);
    let library =
        "#!lua name=mine\nredis.register_function('sweep', function() return redis.call('SESSION.SWEEP') end)";
    client.cmd(["FUNCTION", "LOAD", library]);
    assert_eq!(client.run("FCALL sweep 0"), int(2));
    client.must(ghost);
    let mut client = client.resp3();
    assert_eq!(client.run("SESSION.SWEEP"), int(2));
    assert_eq!(client.run("EXISTS active_users"), int(0));
}

#[test]
fn commands_behind_a_sweep_in_the_pipeline_run_after_it() {
    let server = Server::start();
    let mut client = server.client();
    client.cmd([args!["SADD", "active_users"], (0..500).map(|n| format!("u{n}").into_bytes()).collect()].concat());
    let replies = client.pipeline([args!["SESSION.SWEEP"], args!["EXISTS", "active_users"], args!["SESSION.SWEEP"]]);
    assert_eq!(replies, [int(500), int(0), int(0)]);
}

/// A client with these ACL rules beside `+@all`.
fn caller(server: &Server, rules: &str) -> Client {
    server.must(&format!("ACL SETUSER caller reset on nopass +@all {rules}"));
    let mut client = server.client();
    client.must("AUTH caller any");
    client
}

const PATTERNS: [&str; 15] = [
    "cache:activity:*",
    "cache:typing:*",
    "cache:user_presence:*",
    "cache:user_session:*",
    "cache:user_status:*",
    "user_socket:*",
    "user_activity:*",
    "activity:*",
    "user_session:*",
    "user_presence:*",
    "user_status:*",
    "typing:*:*",
    "socket_data:*",
    "sio:session:*",
    "active_users",
];

#[test]
fn who_may_write_what_the_layout_says_may_sweep_and_nobody_else() {
    let server = Server::start();
    ghosts(&mut server.client());
    let before = server.snapshot();
    let refusal = "NOPERM No permission to delete or write one of the user's traces; grant the key patterns that \
                   SESSION.LAYOUT shows with ACL SETUSER";
    let refused = |rules: &str| {
        let mut client = caller(&server, rules);
        for call in ["SESSION.SWEEP", "SESSION.SWEEP DRYRUN", "SESSION.SWEEP LIMIT 1"] {
            assert_eq!(client.run(call), error(refusal), "{rules}: {call}");
        }
        client.must("MULTI");
        client.must("SESSION.SWEEP");
        assert_eq!(client.run("EXEC"), array([error(refusal)]), "{rules}");
        before.assert_matches(&server.snapshot());
    };
    refused("");
    refused("%R~*");
    refused(&PATTERNS.map(|pattern| format!("%R~{pattern}")).join(" "));
    for missing in PATTERNS {
        let others = PATTERNS.iter().filter(|pattern| **pattern != missing).map(|pattern| format!("~{pattern}"));
        refused(&others.collect::<Vec<_>>().join(" "));
    }
    let mut client = caller(&server, &PATTERNS.map(|pattern| format!("%W~{pattern}")).join(" "));
    assert_eq!(client.run("SESSION.SWEEP"), int(7), "room documents are not swept, so they need no permission");
}

#[test]
fn a_caller_needs_permission_for_the_command() {
    let server = Server::start();
    server.must("SADD active_users zoe");
    server.must("ACL SETUSER caller reset on nopass ~* +@all -session.sweep");
    let mut client = server.client();
    client.must("AUTH caller any");
    assert!(matches!(client.run("SESSION.SWEEP"), Reply::Error(text) if text.starts_with("NOPERM")));
    server.must("ACL SETUSER caller +session.sweep");
    assert_eq!(client.run("SESSION.SWEEP"), int(1));
}

#[test]
fn a_full_memory_does_not_keep_anybody() {
    let server = Server::start();
    ghosts(&mut server.client());
    server.must("CONFIG SET maxmemory 1");
    assert!(server.run("SET x 1").is_error());
    assert_eq!(server.run("SESSION.SWEEP"), int(7));
}

#[test]
fn watchers_and_keyspace_events_learn_of_it() {
    let server = Server::builder().config("notify-keyspace-events KEA").start();
    let mut client = server.client();
    client.must("SET user_socket:zoe s1");
    client.must("WATCH user_socket:zoe");
    let mut listener = server.client();
    listener.must("PSUBSCRIBE __keyspace@0__:user_socket:zoe");
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
    client.must("MULTI");
    client.must("PING");
    assert_eq!(client.run("EXEC"), nil());
    assert_eq!(listener.read().items().last(), Some(&bulk("del")));
}

#[test]
fn it_is_described_as_other_commands_are() {
    let server = Server::start();
    let reply = server.run("COMMAND DOCS SESSION.SWEEP");
    assert!(!reply.is_error() && !reply.items().is_empty());
    let info = server.run("COMMAND INFO SESSION.SWEEP");
    let Reply::Array(fields) = &info.items()[0] else { panic!("{info:?}") };
    let flags: Vec<_> = fields[2].items().iter().map(|flag| flag.as_text().to_owned()).collect();
    assert!(flags.contains(&"write".to_owned()) && flags.contains(&"admin".to_owned()), "{flags:?}");
    assert!(fields[7].items().is_empty(), "a client need not ask all nodes of a cluster: they ask each other");
}

#[test]
fn info_and_the_log_tell_of_each_sweep() {
    let server = Server::start();
    ghosts(&mut server.client());
    assert_eq!((number(&server, "session_sweeps"), number(&server, "session_last_sweep_start")), (0, 0));
    let start = server.now() / 1000;
    assert_eq!(server.run("SESSION.SWEEP"), int(7));
    for (field, value) in
        [("sweeps", 1), ("sweeps_running", 0), ("swept_users", 7), ("last_sweep_users", 7), ("logouts", 0)]
    {
        assert_eq!(number(&server, &format!("session_{field}")), value, "{field}");
    }
    assert!((start..=server.now() / 1000).contains(&number(&server, "session_last_sweep_start")));
    assert!(number(&server, "session_last_sweep_slices") >= 1);
    let longest = number(&server, "session_last_sweep_longest_slice_usec");
    assert!(longest >= 1 && longest <= number(&server, "session_last_sweep_usec"));
    assert!(number(&server, "session_removed_keys") > 7);
    let lines = || server.log().lines().filter(|line| line.contains("<session>") && line.contains("users=7")).count();
    assert_eq!(lines(), 1);
    server.must("SET typing:den:zoe 1");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(1));
    assert_eq!((number(&server, "session_swept_users"), number(&server, "session_last_sweep_users")), (7, 1));
}

#[test]
fn a_configuration_out_of_bounds_is_refused() {
    let server = Builder::default().start();
    for line in ["sweep-interval -1", "grace x", "expire-cascade 2", "fence -1", "slice-us 0", "slice-us 10000000"] {
        assert!(server.run(&format!("CONFIG SET session.{line}")).is_error(), "{line}");
    }
    for line in ["sweep-interval 300", "grace 0", "expire-cascade yes", "fence 0", "slice-us 50"] {
        assert_eq!(server.run(&format!("CONFIG SET session.{line}")), ok(), "{line}");
    }
}

/// What a sweep leaves alone stays known: a logout finds it afterwards.
#[test]
fn what_a_sweep_leaves_alone_is_found_by_the_next_logout() {
    let layout = r#"{ "name": "kept", "separator": ":",
        "traces": [
            { "key": "status:{roomId}:{userId}" },
            { "members": "room:{roomId}:sockets", "member": "{socketId}", "sweep": false },
            { "members": "room:{roomId}:users", "member": "{userId}", "sweep": false }
        ],
        "sockets": { "of": "user_socket:{userId}", "data": "socket_data:{socketId}" } }"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET user_socket:u s1\nSADD room:r:sockets s1 s2\nSADD room:r:users u v\nSET status:r:u 1");
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
    assert_eq!(server.run("EXISTS status:r:u"), int(0));
    assert_eq!(log_out_exactly(&server, "u"), 2);
}

/// A mapping that is no trace cannot be removed; what comes beside it can.
#[test]
fn a_trace_that_comes_beside_a_mapping_that_is_none_is_swept() {
    let layout = r#"{ "name": "mapped", "separator": ":", "traces": [{ "key": "status:{userId}" }],
        "sockets": { "of": "map:{userId}", "data": "sock:{socketId}" } }"#;
    let server = Server::builder().layout(layout).start();
    server.must("SET map:ann s1");
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    server.must("SET status:ann on");
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
    assert_eq!(keys(&mut server.client()), ["map:ann"]);
}
