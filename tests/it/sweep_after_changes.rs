//! After sweeps that found everybody in order, the next one finds whoever became stale since, however that came about.

use crate::support::server::Stop;
use crate::support::{Server, int, log_in, ok, sweep_exactly, wait_until};

/// Users u0 to u9 on sockets s0 to s9, all live, and swept: whatever a sweep knows, it knows now.
fn world(server: &Server) {
    let mut client = server.client();
    for n in 0..10 {
        log_in(&mut client, &format!("u{n}"), &format!("s{n}"), "den");
    }
    // Whoever logs in again in these tests does so with the same socket.
    client.must("CONFIG SET session.fence 0");
    // Of the last one the mapping is a set, with a second device that is gone.
    client.script("DEL user_socket:u9\nSADD user_socket:u9 s9 gone");
    settle(server);
}

fn settle(server: &Server) {
    assert_eq!(sweep_exactly(server), 0);
}

/// Each of these commands, one by one, must make so many users stale.
fn each_makes_stale(server: &Server, commands: &[(&str, i64)]) {
    world(server);
    for (command, users) in commands {
        server.must(command);
        assert_eq!(sweep_exactly(server), *users, "{command}");
    }
}

#[test]
fn a_mapping_that_is_deleted() {
    each_makes_stale(
        &Server::start(),
        &[
            ("DEL user_socket:u0", 1),
            ("UNLINK user_socket:u1", 1),
            ("GETDEL user_socket:u2", 1),
            ("RENAME user_socket:u3 elsewhere", 1),
            ("MOVE user_socket:u4 1", 1),
            ("SMOVE user_socket:u9 elsewhere:set s9", 1),
            ("EXPIRE user_socket:u5 -1", 1),
            ("EVAL 'return redis.call(\"DEL\", \"user_socket:\" .. ARGV[1])' 0 u6", 1),
            ("RENAMENX user_socket:u7 x", 1),
        ],
    );
}

#[test]
fn a_mapping_that_changes() {
    each_makes_stale(
        &Server::start(),
        &[
            ("SET user_socket:u0 other", 1),
            ("APPEND user_socket:u1 x", 1),
            ("SETRANGE user_socket:u2 0 x", 1),
            ("GETSET user_socket:u3 x", 1),
            ("COPY user_socket:u5 user_socket:u4 REPLACE", 0),
            ("DEL user_socket:u4", 1),
            ("MSET a b user_socket:u5 x", 1),
            ("BITOP NOT user_socket:u6 user_socket:u6", 1),
            ("SREM user_socket:u9 s9", 1),
            ("SETEX user_socket:u7 100 x", 1),
        ],
    );
}

#[test]
fn a_data_key_that_goes_or_changes() {
    each_makes_stale(
        &Server::start(),
        &[
            ("DEL socket_data:s0", 1),
            ("UNLINK a socket_data:s1 b", 1),
            ("GETDEL socket_data:s2", 1),
            ("RENAME socket_data:s3 x", 1),
            ("MOVE socket_data:s4 1", 1),
            ("EXPIREAT socket_data:s5 1", 1),
            ("PEXPIRE socket_data:s6 -5", 1),
            ("GETEX socket_data:s7 PXAT 1", 1),
            ("DEL socket_data:s9", 1),
            ("EVAL 'redis.call(\"UNLINK\", KEYS[1])' 1 socket_data:s8", 1),
        ],
    );
}

#[test]
fn members_of_a_mapping_that_is_a_collection_go_one_by_one() {
    let server = Server::start();
    server.script(
        "SET socket_data:s1 x\nSET socket_data:s2 x\nSADD user_socket:a s1 s2\nHSET user_socket:b s1 1 s2 1
        RPUSH user_socket:c s1 s2\nZADD user_socket:d 1 s1 2 s2\nSADD user_socket:e s1\nRPUSH user_socket:f s2 x\nSADD user_socket:g s1",
    );
    settle(&server);
    for (commands, users) in [
        ("SREM user_socket:a s1\nHDEL user_socket:b s1\nLPOP user_socket:c\nZPOPMIN user_socket:d", 0),
        ("SADD user_socket:a x\nSREM user_socket:a s2", 1),
        ("HSET user_socket:b x 1\nHDEL user_socket:b s2", 1),
        ("LSET user_socket:c 0 x", 1),
        ("ZADD user_socket:d 1 x\nZREMRANGEBYRANK user_socket:d 1 1", 1),
        ("SADD active_users e\nSPOP user_socket:e", 1),
        ("RPUSH user_socket:f y\nLTRIM user_socket:f 1 1", 1),
        ("SADD active_users g\nSDIFFSTORE user_socket:g user_socket:g user_socket:g", 1),
    ] {
        server.script(commands);
        assert_eq!(sweep_exactly(&server), users, "{commands}");
    }
}

#[test]
fn transactions_and_functions_that_take_a_session_away() {
    let server = Server::start();
    world(&server);
    let mut client = server.client();
    // Queued before a sweep, executed after it.
    client.script("MULTI\nDEL socket_data:s0\nSET user_socket:u1 x\nSADD active_users new");
    settle(&server);
    client.must("EXEC");
    assert_eq!(sweep_exactly(&server), 3);
    client.script("MULTI\nDEL socket_data:s2");
    let mut other = server.client();
    other.script("MULTI\nDEL socket_data:s3\nEXEC");
    assert_eq!(sweep_exactly(&server), 1);
    client.must("EXEC");
    assert_eq!(sweep_exactly(&server), 1);
    let code = "#!lua name=mine\nredis.register_function('gone', function(keys, args) \
                return redis.call('DEL', 'socket_data:' .. args[1]) end)";
    client.cmd(["FUNCTION", "LOAD", code]);
    client.must("FCALL gone 0 s4");
    assert_eq!(sweep_exactly(&server), 1);
    client.script("MULTI\nDEL socket_data:s5\nDISCARD");
    settle(&server);
}

#[test]
fn a_time_to_live_that_is_set_in_any_way_ends_a_session() {
    let server = Server::start();
    world(&server);
    server.must("DEBUG SET-ACTIVE-EXPIRE 0");
    for command in [
        "PEXPIRE socket_data:s0 30",
        "PEXPIRE user_socket:u1 30",
        "SET socket_data:s2 x PX 30",
        "PSETEX user_socket:u3 30 s3",
        "GETEX socket_data:s4 PX 30",
        "EVAL 'redis.call(\"PEXPIRE\", KEYS[1], 30)' 1 socket_data:s5",
        "SET user_socket:u6 s6 PX 30",
    ] {
        server.must(command);
    }
    let dump = server.must("DUMP socket_data:s7");
    server.cmd([b"RESTORE", &b"socket_data:s7"[..], b"30", dump.as_bytes(), b"REPLACE"]);
    // A longer time, and none at all, are heeded too.
    server.must("SET source x PX 30");
    server.must("RENAME source socket_data:s8");
    server.script("PEXPIRE socket_data:s9 30\nPERSIST socket_data:s9");
    let taken = server.run("SESSION.SWEEP").as_int();
    server.wait_for_time(server.now() + 30);
    assert_eq!(taken + sweep_exactly(&server), 9);
    server.script("PEXPIRE socket_data:s9 30\nEXPIRE socket_data:s9 1000");
    settle(&server);
    server.must("PEXPIRE socket_data:s9 30");
    server.wait_for_time(server.now() + 30);
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn whose_a_data_key_was_does_not_matter_when_it_goes() {
    let server = Server::start();
    world(&server);
    server.must("SET socket_data:s0 '{\"userId\":\"somebody else\"}'");
    // Somebody else is stale by that data, and with it goes what u0 is live by.
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(1));
    server.must("DEL socket_data:s0");
    assert_eq!(sweep_exactly(&server), 1);
    for value in ["'no JSON'", "'{\"userId\":7}'", "''", "'{}'"] {
        log_in(&mut server.client(), "u0", "s0", "den");
        settle(&server);
        server.script(&format!("SET socket_data:s0 {value}"));
        server.run("SESSION.SWEEP LIMIT 0");
        server.run("SESSION.SWEEP DRYRUN");
        server.must("SESSION.INSPECT u0");
        server.run("SESSION.SWEEP DRYRUN");
        server.script("DEL socket_data:s0");
        assert_eq!(sweep_exactly(&server), 1, "{value}");
    }
    log_in(&mut server.client(), "u0", "s0", "den");
    server.script("DEL socket_data:s0\nLPUSH socket_data:s0 x");
    settle(&server);
    server.must("SESSION.INSPECT u0");
    settle(&server);
    server.must("RPOP socket_data:s0");
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn whole_databases_that_change() {
    let server = Server::start();
    world(&server);
    let mut other = server.client();
    other.script("SELECT 1\nSET user_socket:u0 s0\nSADD active_users x");
    server.must("SWAPDB 0 1");
    assert_eq!(sweep_exactly(&server), 2);
    server.must("SWAPDB 1 0");
    settle(&server);
    server.must("DEL socket_data:s1");
    server.must("SWAPDB 0 1");
    settle(&server);
    server.must("SWAPDB 0 1");
    assert_eq!(sweep_exactly(&server), 1);
    server.must("FLUSHDB");
    settle(&server);
    server.must("SADD active_users a b");
    assert_eq!(sweep_exactly(&server), 2);
    world(&server);
    server.must("FLUSHALL ASYNC");
    settle(&server);
    server.must("SET user_socket:u1 s1");
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn keys_that_are_evicted() {
    for (policy, evicted) in [("volatile-ttl", "socket_data"), ("allkeys-random", "user_socket")] {
        let server = Server::start();
        let mut client = server.client();
        for n in 0..20 {
            client
                .script(&format!("SET user_socket:u{n} s{n}\nSET socket_data:s{n} '{{\"userId\":\"u{n}\"}}' EX 10000"));
        }
        client.script(&format!("CONFIG SET maxmemory-policy {policy}"));
        server.wait_for_time(server.now() + 300);
        settle(&server);
        // Keys are evicted when a command finds that memory is short.
        client.must("CONFIG SET maxmemory 1");
        wait_until("keys are evicted", || {
            client.run("SET x 1");
            let stats = server.info("stats");
            stats["evicted_keys"].parse::<u32>().expect("a number") > 10
        });
        client.must("CONFIG SET maxmemory 0");
        client.run("DEL x");
        let left = crate::support::keys(&mut client);
        assert!(left.len() < 35, "{policy} {evicted}: {left:?}");
        sweep_exactly(&server);
        settle(&server);
    }
}

#[test]
fn everything_is_known_after_loading() {
    let mut server = Server::builder().append_only().start();
    world(&server);
    server.must("DEL socket_data:s0");
    server.must("DEBUG RELOAD");
    assert_eq!(sweep_exactly(&server), 1);
    server.must("DEL user_socket:u1");
    server.must("DEBUG LOADAOF");
    assert_eq!(sweep_exactly(&server), 1);
    server.must("DEL user_socket:u2");
    server.restart(Stop::NoSave);
    assert_eq!(sweep_exactly(&server), 1);
    server.must("DEL socket_data:s3");
    server.restart_with(Stop::Save, |builder| builder.config("appendonly no"));
    assert_eq!(sweep_exactly(&server), 1);
    server.must("DEL socket_data:s4");
    assert_eq!(sweep_exactly(&server), 1);
}

#[test]
fn the_module_is_loaded_into_a_full_keyspace() {
    let server = Server::builder().without_module().start();
    let mut client = server.client();
    for n in 0..50 {
        log_in(&mut client, &format!("u{n}"), &format!("s{n}"), "den");
    }
    client.must("DEBUG POPULATE 50000 other");
    client.script("DEL user_socket:u1 socket_data:s2 socket_data:s3\nSADD active_users x\nSET typing:den:y 1");
    assert_eq!(server.load_module(), ok());
    // While the index is being built.
    assert_eq!(server.run("SESSION.SWEEP"), int(5));
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    client.script("DEL user_socket:u4 socket_data:s5");
    assert_eq!(server.run("SESSION.SWEEP"), int(2));
}

#[test]
fn a_replica_that_is_promoted_knows_everything() {
    let (master, replica) = (Server::start(), Server::start());
    world(&master);
    replica.replica_of(&master);
    assert!(replica.run("SESSION.SWEEP").is_error(), "a replica takes no writes");
    master.script("DEL socket_data:s0\nSET user_socket:u1 x\nSADD active_users zoe\nPEXPIRE socket_data:s2 20");
    master.wait_for_time(master.now() + 20);
    wait_until("the key has expired", || master.run("EXISTS socket_data:s2") == int(0));
    replica.catch_up_with(&master);
    replica.must("REPLICAOF NO ONE");
    assert_eq!(sweep_exactly(&replica), 4);
    replica.script("DEL socket_data:s3\nSREM user_socket:u9 s9");
    assert_eq!(sweep_exactly(&replica), 2);
}

#[test]
fn fields_that_expire_by_themselves_end_a_session() {
    let server = Server::builder().layout(include_str!("../layouts/hashes.json")).start();
    if !server.has_command("HPEXPIRE") {
        return;
    }
    server.script(
        "HSET app:sessions:s1 principal ann\nHSET app:index:ann s1 1\nHSET app:sessions:s2 principal bob at 1
        HSET app:index:bob s2 1\nHSET app:sessions:s3 principal carl\nHSET app:index:carl s3 1 s4 1
        HSET app:sessions:s5 principal dora at 1\nSADD app:index:dora s5
        HSET app:sessions:s6 principal emil at 1\nSADD app:index:emil s6
        SADD app:eu:online user:ann user:bob user:carl user:dora user:emil",
    );
    settle(&server);
    for fields in [
        "app:index:ann PX 40 FIELDS 1 s1",
        "app:index:bob PX 40 FIELDS 1 s2",
        "app:index:carl PX 40 FIELDS 1 s4",
        "app:sessions:s5 PX 40 FIELDS 2 principal at",
        "app:sessions:s6 PX 40 FIELDS 1 principal",
    ] {
        server.must(&format!("HPEXPIRE {}", fields.replace("PX ", "")));
    }
    let early = server.run("SESSION.SWEEP").as_int();
    server.wait_for_time(server.now() + 40);
    wait_until("the fields are gone", || server.run("EXISTS app:sessions:s5") == int(0));
    assert_eq!(early + sweep_exactly(&server), 3, "ann, bob and dora; emil's data is there without an owner");
}

/// A key that is gone from a database that is empty then.
#[test]
fn the_last_keys_of_a_database() {
    let server = Server::start();
    let mut client = server.client();
    client.script(r#"SET socket_data:s {"userId":"u"}"#);
    client.script("SET user_socket:u s\nSADD active_users u");
    settle(&server);
    client.must("DEL user_socket:u socket_data:s active_users");
    // Whoever asks has the module read what was written.
    client.must("SESSION.INSPECT nobody");
    client.must("SADD active_users u");
    assert_eq!(sweep_exactly(&server), 1);
}
