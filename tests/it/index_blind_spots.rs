//! A logout is exact after changes that are easy to overlook: in bulk, late, refused half-way, or from before the module.

use crate::args;
use crate::support::bytes::split;
use crate::support::{Client, Server, array, error, int, log_out_exactly, ok, queued, wait_until};

/// Lets the module do whatever it does by itself between commands.
fn idle(server: &Server) {
    wait_until("the index is ready", || server.info("session")["session_index_state"] == "ready");
    server.wait_for_time(server.now() + 20);
}

fn workspace() -> Server {
    Server::builder().option("fence", "0").layout(include_str!("../layouts/workspace.json")).start()
}

/// `SET typing:<room><n>:ann 1` for many rooms.
fn typing(room: &str, count: usize) -> Vec<Vec<Vec<u8>>> {
    (0..count).map(|n| args!["SET", format!("typing:{room}{n}:ann"), "1"]).collect()
}

#[test]
fn one_command_that_writes_thousands_of_keys() {
    let server = Server::start();
    let pairs = (0..3000).flat_map(|n| [format!("typing:r{n}:ann"), "1".to_owned()]);
    assert_eq!(server.cmd(["MSET".to_owned()].into_iter().chain(pairs)), ok());
    assert_eq!(log_out_exactly(&server, "ann"), 3000);
    let data = r#"{"userId":"ann"}"#;
    let pairs = (0..700).flat_map(|n| [format!("socket_data:{n}"), data.to_owned()]);
    server.cmd(["MSET".to_owned()].into_iter().chain(pairs));
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 700);
}

#[test]
fn one_transaction_or_script_that_writes_thousands_of_keys() {
    let server = Server::start();
    let mut client = server.client();
    client.must("MULTI");
    client.pipeline(typing("m", 2000));
    client.must("EXEC");
    let script = "for n = 1, 2000 do redis.call('SET', 'typing:s' .. n .. ':ann', 1) end";
    client.cmd(["EVAL", script, "0"]);
    let keys = (0..1000).map(|n| format!("typing:k{n}:ann"));
    let call = ["EVAL", "for _, key in ipairs(KEYS) do redis.call('SET', key, 1) end", "1000"].map(str::to_owned);
    client.cmd(call.into_iter().chain(keys));
    client.pipeline(typing("p", 2000));
    assert_eq!(log_out_exactly(&server, "ann"), 7000);
}

#[test]
fn a_transaction_with_a_script_that_writes_thousands_of_keys() {
    let server = Server::start();
    let mut client = server.client();
    client.must("MULTI");
    client.pipeline(typing("a", 600));
    client.cmd(["EVAL", "for n = 1, 600 do redis.call('SET', 'typing:s' .. n .. ':bob', 1) end", "0"]);
    client.pipeline(typing("b", 600));
    client.must("EXEC");
    assert_eq!(log_out_exactly(&server, "ann"), 1200);
    assert_eq!(log_out_exactly(&server, "bob"), 600);
}

/// `refuse` makes the server refuse a MULTI of the client, which then has no transaction open.
fn writes_are_seen_after(refuse: impl FnOnce(&Server, &mut Client)) {
    let server = Server::start();
    let mut client = server.client();
    refuse(&server, &mut client);
    assert_eq!(client.run("SET typing:loft:ann 1"), ok());
    assert_eq!(client.run(r#"SET socket_data:s1 '{"userId":"ann"}'"#), ok());
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 2);
    client.must("SET typing:loft:ann 1");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn writes_after_a_multi_with_wrong_arity() {
    writes_are_seen_after(|_, client| assert!(client.run("MULTI now").is_error()));
}

#[test]
fn writes_after_a_multi_in_a_script() {
    writes_are_seen_after(|server, client| {
        let call = ["EVAL", "return redis.pcall('MULTI')", "0"];
        assert!(client.cmd(call).is_error());
        server.cmd(call);
    });
}

#[test]
fn writes_of_scripts_after_a_multi_in_a_script() {
    let server = Server::start();
    server.cmd(["EVAL", "return redis.pcall('MULTI')", "0"]);
    server.cmd(["EVAL", "redis.call('SET', 'typing:loft:ann', 1)", "0"]);
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn writes_after_a_multi_before_authentication() {
    writes_are_seen_after(|server, client| {
        server.must("ACL SETUSER late on >secret ~* +@all");
        server.must("ACL SETUSER default off");
        let mut fresh = server.client();
        assert_eq!(fresh.run("MULTI"), error("NOAUTH Authentication required."));
        assert_eq!(fresh.run("AUTH late secret"), ok());
        server.must("ACL SETUSER default on");
        *client = fresh;
    });
}

#[test]
fn writes_after_a_multi_that_the_caller_may_not_call() {
    writes_are_seen_after(|server, client| {
        server.must("ACL SETUSER simple on nopass ~* +@all -multi");
        client.must("AUTH simple any");
        assert!(client.run("MULTI").is_error());
    });
}

#[test]
fn writes_after_a_transaction_that_was_reset() {
    writes_are_seen_after(|_, client| {
        client.script("MULTI\nSET typing:roof:bob 1");
        assert_eq!(client.run("RESET"), crate::support::status("RESET"));
    });
}

#[test]
fn writes_after_a_transaction_that_was_discarded_or_aborted() {
    writes_are_seen_after(|_, client| {
        client.script("MULTI\nSET typing:roof:bob 1\nDISCARD");
        client.must("MULTI");
        assert!(client.run("SET typing:roof:bob").is_error());
        assert!(client.run("EXEC").is_error());
        assert!(client.run("EXEC").is_error());
        assert!(client.run("DISCARD").is_error());
    });
}

#[test]
fn writes_of_a_transaction_whose_exec_was_refused_first() {
    let server = Server::start();
    let mut client = server.client();
    client.must("MULTI");
    assert_eq!(client.run("SET typing:loft:ann 1"), queued());
    // Others have nothing to execute.
    assert!(server.run("EXEC").is_error());
    assert!(server.run("DISCARD").is_error());
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 0);
    client.must("EXEC");
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn a_transaction_that_is_open_while_others_end_one_that_they_have_not() {
    let cases = [("EXEC", true), ("DISCARD", true), ("EXEC", false), ("DISCARD", false)];
    for ((end, may), comes_first) in cases.iter().flat_map(|case| [(*case, true), (*case, false)]) {
        let server = Server::start();
        let [mut client, mut other, mut third] = [server.client(), server.client(), server.client()];
        if !may {
            server.must("ACL SETUSER reader on nopass ~* +@read +client");
            other.must("AUTH reader x");
        }
        client.must("MULTI");
        if comes_first {
            assert!(other.run(end).is_error());
        }
        assert_eq!(client.must("SET typing:den:ann 1"), queued());
        if !comes_first {
            assert!(other.run(end).is_error());
        }
        third.must("MULTI");
        // What is queued is read now, and there is nothing yet.
        idle(&server);
        assert_eq!(client.must("EXEC"), array([ok()]));
        idle(&server);
        assert_eq!(log_out_exactly(&server, "ann"), 1, "{end}, {may}, {comes_first}");
    }
}

#[test]
fn a_transaction_that_waits_while_others_come_and_go() {
    let server = Server::start();
    let mut client = server.client();
    client.script("MULTI\nSET typing:loft:ann 1\nSADD active_users ann");
    client.cmd(["SET", "socket_data:s1", r#"{"userId":"ann"}"#]);
    for n in 0..20 {
        let mut other = server.client();
        other.script(&format!("MULTI\nSET typing:loft{n}:ann 1"));
        match n % 3 {
            0 => drop(other.must("EXEC")),
            1 => drop(other.must("DISCARD")),
            _ => {}
        }
    }
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 7);
    client.must("EXEC");
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 3);
}

#[test]
fn commands_under_another_name() {
    let builder = Server::builder().config("rename-command MULTI BEGIN").config("rename-command EXEC COMMIT");
    let builder = builder.config("rename-command BLMOVE TAKE").config("rename-command SET PUT");
    let server = match builder.config("rename-command COPY CLONE").try_start() {
        Ok(server) => server,
        // The module may demand a command by its own name, if it says so.
        Err(log) => return assert!(log.contains("rename-command"), "{log}"),
    };
    let mut client = server.client();
    client.script("BEGIN\nPUT typing:loft:ann 1");
    idle(&server);
    client.must("COMMIT");
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn transactions_under_another_name() {
    let builder = Server::builder().config("rename-command MULTI BEGIN").config("rename-command EXEC COMMIT");
    let server = match builder.try_start() {
        Ok(server) => server,
        Err(log) => return assert!(log.contains("rename-command"), "{log}"),
    };
    let mut client = server.client();
    client.script("BEGIN\nSET typing:loft:ann 1");
    idle(&server);
    client.must("COMMIT");
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn a_transaction_from_before_module_load() {
    let server = Server::builder().without_module().start();
    let mut client = server.client();
    client.script("MULTI\nSET typing:loft:ann 1\nSADD active_users ann");
    assert_eq!(server.load_module(), ok());
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 0);
    client.must("EXEC");
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 2);
}

#[test]
fn a_client_that_waited_since_before_module_load() {
    let server = Server::builder().without_module().layout(include_str!("../layouts/workspace.json")).start();
    let mut client = server.client();
    client.send(split("BLMOVE source online:list LEFT RIGHT 0"));
    wait_until("the client is blocked", || server.info("clients")["blocked_clients"] == "1");
    assert_eq!(server.load_module(), ok());
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 0);
    server.must("RPUSH source ann");
    assert_eq!(client.read(), crate::support::bulk("ann"));
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn a_client_that_waits_in_another_database_and_is_served_by_a_script() {
    let server = workspace();
    let mut client = server.client();
    client.must("SELECT 4");
    client.send(split("BRPOPLPUSH source online:list 0"));
    wait_until("the client is blocked", || server.info("clients")["blocked_clients"] == "1");
    idle(&server);
    server.cmd([
        "EVAL",
        "redis.call('SELECT', 4) redis.call('RPUSH', 'aside', 'ann') redis.call('RENAME', 'aside', 'source')",
        "0",
    ]);
    assert_eq!(client.read(), crate::support::bulk("ann"));
    idle(&server);
    assert_eq!(crate::support::log_out_exactly_in(&server, 4, "ann"), 1);
    assert_eq!(log_out_exactly(&server, "ann"), 0);
}

#[test]
fn commands_that_were_held_up_by_a_pause() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    clients[1].script("MULTI\nSET typing:roof:ann 1");
    server.must("CLIENT PAUSE 100000 WRITE");
    clients[0].send(split(r#"SET socket_data:s1 '{"userId":"ann"}'"#));
    clients[1].send(["EXEC"]);
    clients[2].send(["EVAL", "redis.call('SET', 'typing:loft:ann', 1)", "0"]);
    wait_until("the clients are paused", || server.info("clients")["blocked_clients"] == "3");
    idle(&server);
    assert_eq!(server.must("SESSION.INSPECT ann").field("removed"), int(0));
    server.must("CLIENT UNPAUSE");
    for client in &mut clients {
        assert!(!client.read().is_error());
    }
    idle(&server);
    assert_eq!(log_out_exactly(&server, "ann"), 3);
}

#[test]
fn a_logout_that_was_held_up_by_a_pause() {
    let server = Server::start();
    for round in 0..30 {
        let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
        server.script("FLUSHALL\nSET typing:den:ann 1\nCLIENT PAUSE 100000 WRITE");
        let commands = ["SET typing:loft:ann 1", "SESSION.LOGOUT ann", "SET typing:roof:ann 1"];
        for (client, command) in clients.iter_mut().zip(commands) {
            client.send(split(command));
        }
        wait_until("the clients are paused", || server.info("clients")["blocked_clients"] == "3");
        server.must("CLIENT UNPAUSE");
        let removed: Vec<_> = clients.iter_mut().map(Client::read).collect();
        let left = log_out_exactly(&server, "ann");
        assert_eq!(removed[1].as_int() + left, 3, "in whatever order the clients go on (round {round})");
    }
}

#[test]
fn keys_that_debug_makes_inside_a_transaction() {
    let server = Server::start();
    let mut client = server.client();
    client.script("MULTI\nDEBUG POPULATE 50 typing:den");
    idle(&server);
    assert_eq!(client.must("EXEC"), array([ok()]));
    idle(&server);
    assert_eq!(log_out_exactly(&server, "7"), 1);
}

#[test]
fn a_key_that_had_expired_on_a_replica_and_lives_on_by_its_masters_word() {
    let master = Server::start();
    let replica = Server::start();
    replica.replica_of(&master);
    master.must("SET typing:den:ann 1 PX 2000");
    let expires_at = master.must("PEXPIRETIME typing:den:ann").as_int();
    replica.catch_up_with(&master);
    assert_eq!(replica.must("SESSION.INSPECT ann").field("removed"), int(1));
    // The replica loses its master, and misses that the key stays.
    replica.must("REPLICAOF 127.0.0.1 1");
    master.must("PERSIST typing:den:ann");
    replica.wait_for_time(expires_at);
    assert_eq!(replica.must("SESSION.INSPECT ann").field("removed"), int(0));
    idle(&replica);
    replica.replica_of(&master);
    replica.must("REPLICAOF NO ONE");
    assert_eq!(replica.run("EXISTS typing:den:ann"), int(1));
    assert_eq!(log_out_exactly(&replica, "ann"), 1);
}

#[test]
fn a_socket_that_two_users_share() {
    let server = workspace();
    let world = "SADD user:{ann}:devices s1
        SADD user:{bob}:devices s1
        SADD user:{bob}:in:den s1
        SADD user:{bob}:in:hall s1
        SADD user:{bob}:rooms s1";
    server.script(world);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
    idle(&server);
    assert_eq!(log_out_exactly(&server, "bob"), 4);
    server.script(world);
    server.script("SADD user:{ann}:in:den s1\nSADD user:{ann}:in:loft s1");
    assert_eq!(log_out_exactly(&server, "ann"), 3);
    assert_eq!(log_out_exactly(&server, "bob"), 4);
}

#[test]
fn a_member_that_names_a_socket_before_the_socket_is_anybodys() {
    for logouts in [&[][..], &["ann"], &["bob", "s1", "den"]] {
        for presence in ["", "SET ann:presence 1"] {
            let server = workspace();
            server.script(&format!("SADD user:{{ann}}:in:den s1\nSADD room:den:sockets s1\n{presence}"));
            for user in logouts {
                log_out_exactly(&server, user);
            }
            idle(&server);
            server.must("SET cursor:den:ann:s1 1");
            let presence = i64::from(!presence.is_empty() && !logouts.contains(&"ann"));
            let socket = if logouts.contains(&"ann") { 1 } else { 3 };
            assert_eq!(log_out_exactly(&server, "ann"), socket + presence, "after logouts of {logouts:?}");
        }
    }
}

#[test]
fn collections_that_grow_and_shrink() {
    let server = workspace();
    let mut client = server.client();
    for (add, remove) in [("SADD", "SREM"), ("RPUSH", "LREM"), ("ZADD", "ZREM"), ("HSET", "HDEL")] {
        let names = (0..1000).map(|n| format!("user-{n}"));
        let grow = |name: String| match add {
            "ZADD" => args![add, "online:x", "1", name],
            "HSET" => args![add, "online:x", name, "1"],
            _ => args![add, "online:x", name],
        };
        let shrink = |name: String| match remove {
            "LREM" => args![remove, "online:x", "0", name],
            _ => args![remove, "online:x", name],
        };
        client.pipeline(names.clone().map(grow));
        idle(&server);
        assert_eq!(log_out_exactly(&server, "user-999"), 1, "{add}");
        client.pipeline(names.clone().take(990).map(shrink));
        idle(&server);
        assert_eq!(log_out_exactly(&server, "user-995"), 1, "{add}");
        client.must("RENAME online:x online:y");
        assert_eq!(log_out_exactly(&server, "user-996"), 1, "{add}");
        client.pipeline((990..1000).map(|n| shrink(format!("user-{n}"))));
        client.must("DEL online:y");
    }
}

#[test]
fn documents_that_grow_and_shrink() {
    let server = Server::start();
    let document =
        |filler: usize| format!(r#"{{"participants":[{{"userId":"ann"}}],"filler":"{}"}}"#, "x".repeat(filler));
    for filler in [10, 1000, 60_000, 70_000, 300_000, 70_000, 10] {
        server.cmd(["SET", "room:den", &document(filler)]);
        server.cmd(["SET", "room:hall", &document(300_000)]);
        idle(&server);
        server.cmd(["SET", "room:hall", &document(filler)]);
        assert_eq!(log_out_exactly(&server, "ann"), 2, "{filler} bytes more");
    }
}

#[test]
fn keys_that_come_and_go_by_the_thousand() {
    let server = Server::start();
    let mut client = server.client();
    for round in 0..4 {
        client.pipeline(typing("r", 6000));
        let remove = |n: usize| args!["DEL", format!("typing:r{n}:ann")];
        client.pipeline((0..6000).filter(|n| n % 10 != round).map(remove));
        idle(&server);
        assert_eq!(client.must("SESSION.INSPECT ann").field("removed"), int(600));
        client.pipeline(typing("r", 100));
    }
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(690));
}

#[test]
fn keys_that_migrate_from_another_server() {
    let (from, to) = (Server::start(), Server::start());
    crate::support::log_in(&mut from.client(), "ann", "s1", "den");
    from.must("SET typing:loft:ann 1");
    let call = format!("MIGRATE 127.0.0.1 {} '' 2 60000 COPY KEYS", to.port());
    let keys = ["typing:den:ann", "typing:loft:ann", "socket_data:s1", "room:den", "active_users"];
    assert_eq!(from.run(&format!("{call} {}", keys.join(" "))), ok());
    idle(&to);
    assert_eq!(crate::support::log_out_exactly_in(&to, 2, "ann"), 5);
    assert_eq!(log_out_exactly(&from, "ann"), crate::support::TRACES + 1);
}

#[test]
fn keys_that_replication_brings_inside_a_transaction() {
    let master = Server::start();
    let replica = Server::start();
    replica.replica_of(&master);
    let mut client = master.client();
    client.must("MULTI");
    client.pipeline(typing("m", 700));
    client.must("EXEC");
    client.cmd(["EVAL", "for n = 1, 700 do redis.call('SET', 'typing:s' .. n .. ':ann', 1) end", "0"]);
    replica.catch_up_with(&master);
    assert_eq!(replica.must("SESSION.INSPECT ann").field("removed"), int(1400));
    replica.must("REPLICAOF NO ONE");
    assert_eq!(log_out_exactly(&replica, "ann"), 1400);
}

#[test]
fn a_debug_of_another_name() {
    let server = Server::builder().config("rename-command DEBUG xdebug").start();
    server.script("SET user_socket:a s\nSESSION.INSPECT 1");
    server.must("xdebug POPULATE 3 typing:r");
    assert_eq!(log_out_exactly(&server, "1"), 1);
}
