//! What the layout has written at a logout, after the removal and in the same transaction.

use crate::support::aof::aof_commands;
use crate::support::reply::{array, bulk, bulks, error, int};
use crate::support::{Server, keys, wait_until};

/// A layout with these commands, each `for` something.
fn layout(then: &str) -> String {
    format!(
        r#"{{ "name": "then", "separator": ":",
            "traces": [ {{ "key": "map:{{userId}}" }}, {{ "key": "data:{{socketId}}", "owner": "/userId" }},
                        {{ "key": "typing:{{roomId}}:{{userId}}" }}, {{ "members": "online", "member": "{{userId}}" }} ],
            "sockets": {{ "of": "map:{{userId}}", "data": "data:{{socketId}}", "room": "/roomId", "name": "/name" }},
            "announce": [ {{ "event": "left", "args": ["{{id}}"] }} ],
            "then": [{then}] }}"#
    )
}

const EASYSHARE: &str = r#"
    { "for": "user", "command": ["HSET", "user:{userId}", "status", "offline", "seen", "{now}"] },
    { "for": "room", "command": ["SET", "message:{id}", { "id": "{id}", "roomId": "{roomId}", "text": "{userName} left: {reason}", "n": 1.50, "at": "{now}" }, "EX", 2592000] },
    { "for": "room", "command": ["ZADD", "room_messages:{roomId}", "{now}", "{id}"] },
    { "for": "room", "command": ["INCR", "message_count:{roomId}"] },
    { "for": "socket", "command": ["RPUSH", "closed", "{socketId}"] }"#;

fn log_in(server: &Server) {
    server.script(
        r#"SADD map:ada s1 s2
           SET data:s1 '{"userId":"ada","roomId":"den","name":"A\"da"}'
           SET data:s2 '{"userId":"ada","roomId":"hall"}'
           SADD online ada"#,
    );
}

#[test]
fn status_counters_and_a_stored_message_are_written_with_the_logout() {
    let server = Server::builder().layout(layout(EASYSHARE)).append_only().start();
    log_in(&server);
    let (_, before) = aof_commands(&server, 0);
    let moment = server.now();
    assert_eq!(server.run("SESSION.LOGOUT ada REASON bye"), int(4), "what is written is not counted");
    let messages = server.run("ZRANGE room_messages:den 0 -1 WITHSCORES").byte_items();
    let [id, at] = &*messages else { panic!("{messages:?}") };
    let [id, at] = [id, at].map(|bytes| String::from_utf8(bytes.clone()).expect("text"));
    assert!(id.len() == 20 && (moment..=server.now()).contains(&at.parse().expect("milliseconds")), "{id} {at}");
    let mut expected =
        ["closed", "message_count:den", "message_count:hall", "room_messages:den", "room_messages:hall", "user:ada"]
            .map(str::to_owned)
            .to_vec();
    expected.push(format!("message:{id}"));
    expected.sort();
    assert_eq!(keys(&mut server.client()), expected);
    assert_eq!(server.run("HGETALL user:ada"), bulks(["status", "offline", "seen", &at]));
    assert_eq!(server.run("MGET message_count:den message_count:hall"), bulks(["1", "1"]));
    assert_eq!(server.run("LRANGE closed 0 -1"), bulks(["s1", "s2"]));
    assert_eq!(server.run("ZRANGE room_messages:hall 0 -1"), bulks([&id]), "it is one id for all of a logout");
    let message = format!(r#"{{"id":"{id}","roomId":"hall","text":"A\"da left: bye","n":1.5,"at":{at}}}"#);
    assert_eq!(server.run(&format!("GET message:{id}")), bulk(message));
    assert_eq!(server.run(&format!("TTL message:{id}")), int(2_592_000));
    // One transaction: first what goes, then what is written.
    wait_until("it is in the file", || aof_commands(&server, before).0.len() >= 13);
    let commands = aof_commands(&server, before).0;
    let names: Vec<String> = commands.iter().map(|line| String::from_utf8_lossy(&line[0]).to_uppercase()).collect();
    assert_eq!(
        names,
        ["MULTI", "UNLINK", "SREM", "HSET", "SET", "SET", "ZADD", "ZADD", "INCR", "INCR", "RPUSH", "RPUSH", "EXEC"]
    );
    // Once more there is nothing to remove, and nothing is written.
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(0));
    assert_eq!(server.run("GET message_count:den"), bulk("1"));
    assert_eq!(keys(&mut server.client()), expected);
}

#[test]
fn of_one_device_what_is_of_the_user_is_not_written() {
    let server = Server::builder().layout(layout(EASYSHARE)).start();
    log_in(&server);
    assert_eq!(server.run("SESSION.LOGOUT ada SOCKET s1"), int(2));
    assert_eq!(server.run("EXISTS user:ada message_count:hall"), int(0));
    assert_eq!(server.run("LRANGE closed 0 -1"), bulks(["s1"]));
    assert_eq!(server.run("GET message_count:den"), bulk("1"));
    assert_eq!(server.run("SESSION.LOGOUT ada SOCKET s2"), int(3));
    assert_eq!(server.run("HGET user:ada status"), bulk("offline"));
    assert_eq!(server.run("MGET message_count:den message_count:hall"), bulks(["1", "1"]));
}

#[test]
fn a_sweep_writes_it_too() {
    let server = Server::builder().layout(layout(EASYSHARE)).start();
    log_in(&server);
    server.must("DEL data:s1 data:s2");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(1));
    assert_eq!(server.run("EXISTS user:ada"), int(0));
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
    assert_eq!(server.run("HGET user:ada status"), bulk("offline"));
    assert_eq!(server.run("LRANGE closed 0 -1"), bulks(["s1", "s2"]));
    assert_eq!(keys(&mut server.client()), ["closed", "user:ada"]);
}

#[test]
fn what_a_key_cannot_take_is_left_out_and_the_rest_is_done() {
    let server = Server::builder()
        .layout(layout(
            r#"{ "for": "user", "command": ["HSET", "user:{userId}", "status", "offline"] },
               { "for": "user", "command": ["INCR", "logouts"] },
               { "for": "user", "command": ["DECRBY", "left", 5] },
               { "for": "user", "command": ["HINCRBY", "counts", "n", 1] },
               { "for": "user", "command": ["INCRBYFLOAT", "sum", 0.5] },
               { "for": "user", "command": ["SADD", "last", "{userId}"] },
               { "for": "user", "command": ["SET", "seen:{userId}", "{now}", "XX"] }"#,
        ))
        .start();
    server.script("SADD online ada\nSET user:ada x\nSET logouts 9223372036854775807\nSET left -9223372036854775805\nHSET counts n x\nSET sum x\nRPUSH last a");
    let others = keys(&mut server.client());
    let others: Vec<_> = others.into_iter().filter(|key| key != "online").collect();
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(1));
    assert_eq!(keys(&mut server.client()), others);
    assert_eq!(server.run("GET logouts"), bulk("9223372036854775807"));
    assert_eq!(server.info("session")["session_events_left_out"], "6");
    let log = server.log();
    let line = "commands of `then` were left out user=ada count=6: key user:ada holds a value of another type";
    assert!(log.contains(line), "{log}");
    server.script("SADD online ada\nDEL user:ada left counts sum last\nSET logouts 41\nSET seen:ada x");
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(1));
    assert_eq!(server.run("MGET logouts left sum"), bulks(["42", "-5", "0.5"]));
    assert_eq!(server.run("HGET counts n"), bulk("1"));
    assert_eq!(server.info("session")["session_events_left_out"], "6");
}

#[test]
fn the_caller_needs_permission_for_what_is_written() {
    let server = Server::builder().layout(layout(EASYSHARE)).start();
    log_in(&server);
    let before = server.snapshot();
    let removed = "~map:* ~data:* ~typing:* ~online";
    server.must(&format!("ACL SETUSER half on nopass {removed} +session.logout"));
    server.must(&format!(
        "ACL SETUSER whole on nopass {removed} %W~user:* %W~message:* %W~room_messages:* %W~message_count:* %W~closed +session.logout"
    ));
    let mut client = server.client();
    client.must("AUTH half x");
    let refused = error("NOPERM No permissions to delete or write a key");
    let answer = client.run("SESSION.LOGOUT ada");
    assert!(answer.is_error() && format!("{answer:?}").contains("NOPERM"), "{answer:?} {refused:?}");
    assert!(client.run("SESSION.LOGOUT nobody").is_error(), "nor is it told that there is nothing");
    assert!(server.snapshot() == before);
    client.must("AUTH whole x");
    assert_eq!(client.run("SESSION.LOGOUT ada"), int(4));
    assert_eq!(client.run("SESSION.LOGOUT ada"), int(0));
    assert_eq!(server.run("LLEN closed"), int(2));
}

#[test]
fn what_would_fail_or_come_back_does_not_load() {
    let refused = [
        (
            r#"{ "for": "user", "command": ["EVAL", "return 1", 0] }"#,
            "'EVAL' is none of the commands that can be written",
        ),
        (r#"{ "for": "user", "command": ["BLPOP", "a", 0] }"#, "'BLPOP' is none of"),
        (r#"{ "for": "user", "command": ["FLUSHALL"] }"#, "'FLUSHALL' is none of"),
        (r#"{ "for": "user", "command": [] }"#, "`command` must begin with the name of a command"),
        (r#"{ "for": "user", "command": ["SET", "a:{userId}"] }"#, "SET takes more arguments"),
        (r#"{ "for": "user", "command": ["SET", "a:{userId}", 1, "EX"] }"#, "SET takes more arguments"),
        (r#"{ "for": "user", "command": ["SET", "a:{userId}", 1, "EX", 0] }"#, "argument 4 of SET"),
        (r#"{ "for": "user", "command": ["SET", "a:{userId}", 1, "EX", "{now}"] }"#, "argument 4 of SET"),
        (r#"{ "for": "user", "command": ["SET", "a:{userId}", 1, "NX", "XX"] }"#, "argument 4 of SET"),
        (r#"{ "for": "user", "command": ["SET", "a:{userId}", 1, "GET"] }"#, "argument 3 of SET"),
        (r#"{ "for": "user", "command": ["HSET", "a:{userId}", "f"] }"#, "HSET takes more arguments"),
        (r#"{ "for": "user", "command": ["INCRBY", "a:{userId}", "{userId}"] }"#, "argument 2 of INCRBY"),
        (r#"{ "for": "user", "command": ["ZADD", "a:{userId}", "inf", "x"] }"#, "argument 2 of ZADD"),
        (r#"{ "for": "user", "command": ["XADD", "a", "1-1", "f", "v"] }"#, "argument 2 of XADD"),
        (r#"{ "for": "user", "command": ["DEL", "{userId}"] }"#, "a key must begin with a literal"),
        (r#"{ "for": "user", "command": ["DEL", ["a"]] }"#, "a key must be a text"),
        (r#"{ "for": "user", "command": ["SET", "map:{userId}", 1] }"#, "what it writes is a trace"),
        (r#"{ "for": "user", "command": ["SET", "data:{userId}", 1] }"#, "what it writes is a trace"),
        (r#"{ "for": "user", "command": ["SADD", "online", "{userId}"] }"#, "what it writes is a trace"),
        (r#"{ "for": "user", "command": ["SET", "a:{roomId}", 1] }"#, "for each user it may hold {userId}, {userName}"),
        (r#"{ "for": "room", "command": ["SET", "a:{socketId}", 1] }"#, "`command` holds {socketId}"),
        (r#"{ "for": "room", "command": ["SET", "a:{org}", 1] }"#, "`command` holds {org}"),
        (r#"{ "for": "room", "command": ["SET", "a:{", 1] }"#, "`command`: '{' without '}'"),
        (r#"{ "for": "room", "command": ["SET", "a", {"b": "{c}"}] }"#, "`command`: `args` holds {c}"),
        (r#"{ "for": "rooms", "command": ["SET", "a", 1] }"#, "unknown variant `rooms`"),
        (r#"{ "command": ["SET", "a", 1] }"#, "missing field `for`"),
        (r#"{ "for": "user", "command": ["SET", "a", 1], "if": 1 }"#, "unknown field `if`"),
    ];
    for (then, why) in refused {
        let log = Server::builder().layout(layout(then)).try_start().err().expect("it does not load");
        let text = then.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(log.contains(&format!("then 1 {text}: ")) && log.contains(why), "{then}: {log}");
    }
}

#[test]
fn a_command_that_the_server_does_not_have_is_missed_when_the_module_is_loaded() {
    let builder = Server::builder().layout(layout(EASYSHARE)).config("rename-command INCR ''");
    let log = builder.try_start().err().expect("it does not load");
    assert!(log.contains("the server has no command INCR, which the module needs"), "{log}");
}

#[test]
fn every_command_that_loads_is_carried_out() {
    let commands = [
        r#"["APPEND", "k1", "x"]"#,
        r#"["DECR", "k2"]"#,
        r#"["decrby", "k3", "-7"]"#,
        r#"["DEL", "gone1", "gone2"]"#,
        r#"["EXPIRE", "k1", 1000, "NX"]"#,
        r#"["EXPIREAT", "k2", 9999999999]"#,
        r#"["HDEL", "h", "a", "b"]"#,
        r#"["HINCRBY", "h1", "f", -1]"#,
        r#"["HINCRBYFLOAT", "h1", "g", 1.5]"#,
        r#"["HMSET", "h2", "a", 1]"#,
        r#"["HSET", "h3", "a", 1, "b", {"c": [null, true]}]"#,
        r#"["HSETNX", "h3", "a", 2]"#,
        r#"["INCR", "k4"]"#,
        r#"["INCRBY", "k4", 9]"#,
        r#"["INCRBYFLOAT", "k5", 0.25]"#,
        r#"["LPUSH", "l1", "a", "b"]"#,
        r#"["LPUSHX", "none1", "a"]"#,
        r#"["LREM", "l1", 0, "a"]"#,
        r#"["LTRIM", "l1", 0, -1]"#,
        r#"["PERSIST", "k1"]"#,
        r#"["PEXPIRE", "k3", 100000000, "gt"]"#,
        r#"["PEXPIREAT", "k3", 9999999999999]"#,
        r#"["PSETEX", "k6", 100000000, ""]"#,
        r#"["RPUSH", "l2", "{reason}"]"#,
        r#"["RPUSHX", "none2", "a"]"#,
        r#"["SADD", "s1", "{userId}", "{userName}"]"#,
        r#"["SET", "k7", "{now}", "PXAT", 9999999999999, "XX"]"#,
        r#"["SETEX", "k8", 1000, "x"]"#,
        r#"["SETNX", "k9", "x"]"#,
        r#"["SREM", "s1", "x"]"#,
        r#"["UNLINK", "gone3"]"#,
        r#"["XADD", "x1", "MAXLEN", "~", 10, "*", "who", "{userId}"]"#,
        r#"["XADD", "x1", "NOMKSTREAM", "*", "a", "b"]"#,
        r#"["ZADD", "z1", "XX", "CH", 1, "a"]"#,
        r#"["ZADD", "z1", "{now}", "now", 1.5, "half", -1, "low"]"#,
        r#"["ZINCRBY", "z1", 2, "half"]"#,
        r#"["ZREM", "z1", "none"]"#,
        r#"["ZREMRANGEBYRANK", "z1", 0, 0]"#,
        r#"["ZREMRANGEBYSCORE", "z1", "-inf", "(3"]"#,
    ];
    let then: Vec<String> =
        commands.iter().map(|command| format!(r#"{{ "for": "user", "command": {command} }}"#)).collect();
    let server = Server::builder().layout(layout(&then.join(","))).start();
    server.script("SADD online ada\nSET gone1 x\nSET gone2 x\nSET gone3 x\nHSET h a 1 b 2 c 3");
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(1));
    let log = server.log();
    assert!(!log.contains("refused") && !log.contains("left out"), "{log}");
    assert_eq!(
        keys(&mut server.client()),
        ["h", "h1", "h2", "h3", "k1", "k2", "k3", "k4", "k5", "k6", "k8", "k9", "l1", "l2", "s1", "x1", "z1"]
    );
    assert_eq!(server.run("MGET k1 k2 k3 k4 k5 k6 k8 k9"), bulks(["x", "-1", "7", "10", "0.25", "", "x", "x"]));
    assert_eq!(server.run("HVALS h3"), bulks(["1", r#"{"c":[null,true]}"#]));
    assert_eq!(server.run("LRANGE l1 0 -1"), bulks(["b"]));
    assert_eq!(server.run("LRANGE l2 0 -1"), bulks(["logout"]));
    assert_eq!(server.run("SMEMBERS s1"), bulks(["ada"]));
    assert_eq!(server.run("XLEN x1"), int(2));
    assert_eq!(server.run("ZRANGE z1 0 -1").items().len(), 2);
    assert_eq!(server.run("HGETALL h1"), array(["f", "-1", "g", "1.5"].map(bulk)));
}
