//! SESSION.LOGOUT: what it answers, what it refuses, and where it may be called.

use crate::args;
use crate::support::reply::{array, bulk, bulks, error, int, nil, ok, queued};
use crate::support::{Client, Reply, Server, TRACES, keys, log_in, log_out_exactly};

fn two_users() -> Server {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    server
}

/// The map of a logout of ann, as names and values.
fn traces_of_ann() -> Vec<(Reply, Reply)> {
    let fields = [
        ("user", bulk("ann")),
        ("removed", int(TRACES)),
        (
            "keys",
            bulks([
                "activity:ann",
                "socket_data:s1",
                "typing:den:ann",
                "user_activity:ann",
                "user_presence:ann",
                "user_session:ann",
                "user_socket:ann",
                "user_status:ann",
            ]),
        ),
        ("members", array([bulks(["active_users", "ann"])])),
        ("entries", array([array([bulk("room:den"), int(1)])])),
        ("sockets", bulks(["s1"])),
        ("rooms", bulks(["den"])),
    ];
    fields.into_iter().map(|(name, value)| (bulk(name), value)).collect()
}

fn nothing_of(user: &str) -> Vec<(Reply, Reply)> {
    let empty = ["keys", "members", "entries", "sockets", "rooms"].map(|name| (bulk(name), array([])));
    [(bulk("user"), bulk(user)), (bulk("removed"), int(0))].into_iter().chain(empty).collect()
}

fn flat(map: Vec<(Reply, Reply)>) -> Reply {
    array(map.into_iter().flat_map(|(name, value)| [name, value]))
}

/// Each line must be answered with `text`, and change nothing.
fn refused(server: &Server, lines: &[&str], text: &str) {
    let before = server.snapshot();
    for line in lines {
        assert_eq!(server.run(line), error(text), "{line}");
    }
    before.assert_matches(&server.snapshot());
}

#[test]
fn it_answers_how_many_traces_it_removed() {
    let server = two_users();
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(0));
    assert_eq!(server.run("SESSION.LOGOUT nobody"), int(0));
}

#[test]
fn with_traces_it_answers_a_flat_array_in_resp2() {
    let server = two_users();
    assert_eq!(server.run("SESSION.LOGOUT ann WITHTRACES"), flat(traces_of_ann()));
    assert_eq!(server.run("SESSION.LOGOUT ann WITHTRACES"), flat(nothing_of("ann")));
}

#[test]
fn with_traces_it_answers_a_map_in_resp3() {
    let server = two_users();
    let mut client = server.client().resp3();
    assert_eq!(client.run("SESSION.LOGOUT ann WITHTRACES"), Reply::Map(traces_of_ann()));
    assert_eq!(client.run("SESSION.LOGOUT ann WITHTRACES"), Reply::Map(nothing_of("ann")));
    assert_eq!(client.run("SESSION.LOGOUT bob"), int(TRACES));
}

#[test]
fn options_come_in_any_order_and_case() {
    for options in [
        "WITHTRACES SOCKET s1 REASON why",
        "reason withtraces withtraces socket s1",
        "Socket s1 Reason '' WithTraces",
        "REASON SOCKET SOCKET s1 WITHTRACES",
    ] {
        let server = two_users();
        let reply = server.run(&format!("SESSION.LOGOUT ann {options}"));
        assert_eq!(reply, flat(traces_of_ann()), "{options}");
    }
}

#[test]
fn values_of_options_may_look_like_options() {
    let server = two_users();
    server.script(
        r#"SET user_socket:SOCKET WITHTRACES
        SET socket_data:WITHTRACES '{"userId":"SOCKET"}'"#,
    );
    assert_eq!(server.run("SESSION.LOGOUT SOCKET SOCKET WITHTRACES REASON SOCKET"), int(2));
}

#[test]
fn unknown_and_repeated_options_are_syntax_errors() {
    let lines = [
        "SESSION.LOGOUT ann FORCE",
        "SESSION.LOGOUT ann ''",
        "SESSION.LOGOUT ann SOCKET",
        "SESSION.LOGOUT ann REASON",
        "SESSION.LOGOUT ann WITHTRACES WITHTRACES",
        "SESSION.LOGOUT ann SOCKET s1 SOCKET s1",
        "SESSION.LOGOUT ann REASON a REASON b",
        "SESSION.LOGOUT ann SOCKET s1 s2",
        "SESSION.LOGOUT ann bob",
        "SESSION.LOGOUT ann WITHTRACES SOCKET",
        "SESSION.LOGOUT ann SOCKETS s1",
    ];
    refused(&two_users(), &lines, "ERR syntax error");
}

#[test]
fn it_must_be_told_a_user() {
    let server = two_users();
    refused(&server, &["SESSION.LOGOUT"], "ERR wrong number of arguments for 'session.logout' command");
    let lines = ["SESSION.LOGOUT ''", "SESSION.LOGOUT '' WITHTRACES", "SESSION.LOGOUT '' SOCKET s1 REASON x"];
    refused(&server, &lines, "ERR user id must not be empty");
    refused(&server, &["SESSION.LOGOUT ann SOCKET ''"], "ERR socket id must not be empty");
}

#[test]
fn an_id_is_never_read_as_a_pattern() {
    let server = two_users();
    for id in ["*", "a*", "a?n", "[a-z]nn", "an[n]", "\\*", "ann*", "an", "annn", "{ann}", "ANN"] {
        assert_eq!(log_out_exactly(&server, id), 0, "{id}");
    }
    server.script("SET user_status:* 1\nSET user_status:an 1\nSADD active_users *\nSET typing:*:* 1");
    assert_eq!(log_out_exactly(&server, "*"), 3);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn an_id_may_be_any_bytes() {
    let server = Server::start();
    let long = vec![b'x'; 65_536];
    let ids: [&[u8]; 7] = [b"\0", b"a\0b", b"\xff\xfe", b"a\r\nb", b" ", &long, "\u{1f600}".as_bytes()];
    for id in ids {
        server.cmd(args!["SET", [b"user_status:", id].concat(), "1"]);
        server.cmd(args!["SET", [b"typing:den:", id].concat(), "1"]);
        server.cmd(args!["SADD", "active_users", id]);
    }
    for id in ids {
        assert_eq!(log_out_exactly(&server, id), 3);
    }
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn an_id_is_split_nowhere_that_the_layout_does_not_say() {
    let layout = r#"{ "name": "any", "ids": { "userId": "any", "roomId": { "without": ":" } },
        "traces": [{ "key": "typing:{roomId}:{userId}" }, { "key": "user_status:{userId}" }] }"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET typing:a:b:c 1\nSET typing:a:b 1\nSET typing:a:c 1\nSET user_status:b:c 1\nSET user_status:c 1");
    assert_eq!(log_out_exactly(&server, "c"), 2);
    assert_eq!(log_out_exactly(&server, "b:c"), 2);
    assert_eq!(keys(&mut server.client()), ["typing:a:b"]);
}

#[test]
fn an_id_that_holds_the_separator_is_refused_and_nothing_is_lost() {
    let server = two_users();
    server.script("SET user_status:den:ann 1\nSADD active_users den:ann");
    let before = server.snapshot();
    let of_user = error("ERR user id must not hold ':', by `separator` and `ids` of the layout");
    let of_socket = error("ERR socket id must not hold ':', by `separator` and `ids` of the layout");
    assert_eq!(server.run("SESSION.LOGOUT den:ann"), of_user);
    assert_eq!(server.run("SESSION.INSPECT :"), of_user);
    assert_eq!(server.run("SESSION.LOGOUT ann SOCKET s:1 WITHTRACES"), of_socket);
    assert!(server.snapshot() == before);
}

#[test]
fn it_works_in_the_selected_database_alone() {
    let server = two_users();
    let mut elsewhere = server.client();
    elsewhere.must("SELECT 9");
    assert_eq!(elsewhere.run("SESSION.LOGOUT ann"), int(0));
    log_in(&mut elsewhere, "ann", "t1", "attic");
    assert_eq!(elsewhere.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES));
}

#[test]
fn inside_multi_it_sees_what_came_before_it_and_spares_what_comes_after() {
    let server = two_users();
    let mut client = server.client();
    client.must("MULTI");
    for line in
        ["SET typing:loft:ann 1", "SESSION.LOGOUT ann", "SET typing:roof:ann 1", "SESSION.LOGOUT bob WITHTRACES"]
    {
        assert_eq!(client.run(line), queued());
    }
    let replies = client.run("EXEC");
    assert_eq!(replies.items()[..3], [ok(), int(TRACES + 1), ok()]);
    assert_eq!(replies.items()[3].field("removed"), int(TRACES));
    assert_eq!(keys(&mut client), ["room:den", "room:hall", "typing:roof:ann"]);
}

#[test]
fn a_syntax_error_inside_multi_leaves_the_other_commands_alone() {
    let server = two_users();
    let mut client = server.client();
    client.script("MULTI\nSESSION.LOGOUT ann FORCE\nSET a 1");
    assert_eq!(client.run("EXEC"), array([error("ERR syntax error"), ok()]));
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn scripts_may_call_it() {
    let server = two_users();
    let script = "redis.call('SET', 'typing:loft:ann', 1)
        local removed = redis.call('SESSION.LOGOUT', 'ann')
        redis.call('SET', 'typing:roof:ann', 1)
        return {removed, redis.call('SESSION.LOGOUT', ARGV[1], 'WITHTRACES')}";
    let reply = server.cmd(["EVAL", script, "0", "bob"]);
    assert_eq!(reply.items()[0], int(TRACES + 1));
    assert_eq!(reply.items()[1].field("removed"), int(TRACES));
    assert_eq!(keys(&mut server.client()), ["room:den", "room:hall", "typing:roof:ann"]);
}

#[test]
fn its_errors_reach_scripts() {
    let server = two_users();
    let reply = server.cmd(["EVAL", "return redis.pcall('SESSION.LOGOUT', '')", "0"]);
    assert_eq!(reply, error("ERR user id must not be empty"));
    let reply = server.cmd(["EVAL", "return redis.pcall('SESSION.LOGOUT', 'ann', 'X')['err']", "0"]);
    assert_eq!(reply, bulk("ERR syntax error"));
}

#[test]
fn functions_may_call_it() {
    let server = two_users();
    let library = "#!lua name=lib
        redis.register_function('leave', function(keys, args) return redis.call('SESSION.LOGOUT', args[1]) end)";
    server.cmd(["FUNCTION", "LOAD", library]);
    assert_eq!(server.run("FCALL leave 0 ann"), int(TRACES));
    assert_eq!(server.run("FCALL leave 0 ann"), int(0));
}

#[test]
fn read_only_scripts_may_not_call_it() {
    let server = two_users();
    let reply = server.cmd(["EVAL_RO", "return redis.call('SESSION.LOGOUT', 'ann')", "0"]);
    assert!(reply.is_error(), "{reply:?}");
    let flagged = "#!lua flags=no-writes\nreturn redis.call('SESSION.LOGOUT', 'ann')";
    assert!(server.cmd(["EVAL", flagged, "0"]).is_error());
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_full_server_still_logs_out() {
    let server = two_users();
    let mut client = server.client();
    client.script("CONFIG SET maxmemory-policy noeviction\nCONFIG SET maxmemory 1");
    assert!(client.run("SET a 1").is_error(), "memory has run out");
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES));
    assert_eq!(client.cmd(["EVAL", "return redis.call('SESSION.LOGOUT', 'bob')", "0"]), int(TRACES));
    let room = client.run("GET room:den");
    assert_eq!(room, bulk(r#"{"id":"den","participants":[{"userId":"host","rank":1.50}],"big":12345678901234567890}"#));
}

#[test]
fn values_that_cannot_hold_a_trace_are_left_alone() {
    let server = Server::start();
    server.script(
        r#"SET active_users ann
        HSET room:a participants ann
        SADD room:b ann
        SET room:c 'no JSON {"userId":"ann"}'
        SET room:d '{"participants":{"userId":"ann"}}'
        SET room:e '{"participants":[["ann"],"ann",{"userId":["ann"]},{"userId":{"userId":"ann"}},null]}'
        SET room:f ''
        HSET socket_data:a userId ann
        RPUSH socket_data:b ann
        SET socket_data:c '{"userId":"ann"'
        SET socket_data:d ann
        SET socket_data:e '{"userid":"ann","user":{"userId":"ann"}}'
        SET socket_data:f '[{"userId":"ann"}]'
        SADD user_socket:ann a b c d"#,
    );
    assert_eq!(log_out_exactly(&server, "ann"), 1);
    server.script("DEL active_users\nXADD active_users * ann ann");
    assert_eq!(log_out_exactly(&server, "ann"), 0);
}

#[test]
fn a_user_with_thousands_of_traces_is_logged_out_whole() {
    let server = two_users();
    let mut client = server.client();
    let data = r#"{"userId":"ann"}"#;
    let lines = (0..3000).flat_map(|n| {
        let document = format!(r#"{{"participants":[{{"userId":"host"}},{data}]}}"#);
        [
            ["SET", &format!("typing:r{n}:ann"), "1"].map(String::from),
            ["SET", &format!("socket_data:t{n}"), data].map(String::from),
            ["SET", &format!("room:r{n}"), &document].map(String::from),
        ]
    });
    let commands: Vec<Vec<Vec<u8>>> = lines.map(|line| line.map(String::into_bytes).to_vec()).collect();
    client.pipeline(commands);
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(TRACES + 9000));
    assert_eq!(client.run("GET room:r2999"), bulk(r#"{"participants":[{"userId":"host"}]}"#));
    assert_eq!(client.run("GET typing:r0:ann"), nil());
    assert_eq!(log_out_exactly(&server, "bob"), TRACES);
}

#[test]
fn a_key_that_is_found_in_several_ways_counts_once() {
    let json = r#"{ "name": "overlap", "separator": ":", "traces": [
        { "key": "u:{userId}" },
        { "key": "{kind}:{userId}" },
        { "key": "u:{socketId}", "owner": "/id" },
        { "members": "u:{userId}", "member": "{userId}" },
        { "members": "u:{any}", "member": "{userId}" },
        { "members": "list:{any}", "member": "{userId}" },
        { "members": "list:{roomId}", "member": "{userId}" },
        { "entries": "u:{any}", "array": "/all", "owner": "" } ],
        "sockets": { "of": "u:{userId}", "data": "u:{socketId}" } }"#;
    let server = Server::builder().layout(json).option("fence", "0").start();
    let values = [
        "SADD u:ann ann bob",
        "HSET u:ann ann 1",
        r#"SET u:ann '{"id":"ann","all":["ann","bob"]}'"#,
        r#"SET u:bob '{"id":"ann","all":["ann","bob"]}'"#,
        "SET u:ann ann",
    ];
    for value in values {
        server.script(&format!("FLUSHALL\n{value}\nRPUSH list:x ann ann bob"));
        assert_eq!(log_out_exactly(&server, "ann"), 2, "{value}");
    }
    server.script(r#"SET u:bob '{"all":["ann","bob","ann"]}'"#);
    assert_eq!(log_out_exactly(&server, "ann"), 2);
}

#[test]
fn a_collection_that_becomes_empty_goes() {
    let server = Server::start();
    server.must("SADD active_users ann");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(server.run("EXISTS active_users"), int(0));
    server.must("RPUSH active_users ann ann ann");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1), "equal elements of a list are one member");
    assert_eq!(server.run("EXISTS active_users"), int(0));
}

#[test]
fn a_collection_keeps_its_expiry() {
    let server = Server::start();
    server.script("SADD active_users ann bob\nPEXPIREAT active_users 99999999999999");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
    assert_eq!(server.run("PEXPIRETIME active_users"), int(99_999_999_999_999));
}

#[test]
fn clients_that_go_on_at_the_same_time_never_see_half_of_it() {
    let server = two_users();
    let mut client: Client = server.client();
    let mut watcher = server.client();
    // The other client's reads are sent before, between and after; each answer is all or nothing.
    let read = "EXISTS user_socket:ann user_activity:ann activity:ann user_status:ann socket_data:s1 typing:den:ann";
    for _ in 0..50 {
        watcher.send(crate::support::split(read));
    }
    client.send(["SESSION.LOGOUT", "ann"]);
    for _ in 0..50 {
        watcher.send(crate::support::split(read));
    }
    let seen: Vec<_> = (0..100).map(|_| watcher.read().as_int()).collect();
    assert_eq!(client.read(), int(TRACES));
    assert!(seen.iter().all(|&count| count == 6 || count == 0), "{seen:?}");
}
