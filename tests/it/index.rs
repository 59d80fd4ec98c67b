//! A logout is exact however the traces got there: commands that copy, move, rename, swap, restore, clear or change.

use crate::args;
use crate::support::bytes::split;
use crate::support::{
    Reply, Server, TRACES, bulk, error, int, keys, log_in, log_out_exactly, log_out_exactly_in, nil, ok,
};

/// The JSON of a socket's data.
fn data(user: &str) -> String {
    format!(r#"{{"userId":"{user}","roomId":"den"}}"#)
}

/// Two users of an easyshare world.
fn two_users() -> Server {
    // Sockets come back, as they never do in real life.
    let server = Server::builder().option("fence", "0").start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    server
}

fn workspace() -> Server {
    Server::builder().layout(include_str!("../layouts/workspace.json")).start()
}

#[test]
fn traces_left_by_plain_commands_are_found() {
    let server = two_users();
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    let left = [
        "active_users",
        "activity:bob",
        "room:den",
        "room:hall",
        "socket_data:s2",
        "typing:hall:bob",
        "user_activity:bob",
        "user_presence:bob",
        "user_session:bob",
        "user_socket:bob",
        "user_status:bob",
    ];
    assert_eq!(keys(&mut server.client()), left);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES);
    assert_eq!(keys(&mut server.client()), ["room:den", "room:hall"]);
}

#[test]
fn restored_keys_are_found() {
    let server = two_users();
    let dump = |key: &str| server.cmd(["DUMP", key]).as_bytes().to_vec();
    let restore = |key: &str, dump: &[u8]| {
        assert_eq!(server.cmd(args!["RESTORE", key, "0", dump, "REPLACE"]), ok());
    };
    let [typing, of_ann] = ["typing:den:ann", "socket_data:s1"].map(dump);
    restore("typing:attic:ann", &typing);
    restore("socket_data:s9", &of_ann);
    restore("socket_data:s2", &of_ann);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 3);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES - 1, "bob's data was replaced by ann's");
    restore("socket_data:s9", &of_ann);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn a_key_restored_as_already_expired_is_no_trace() {
    let server = two_users();
    let dump = server.cmd(["DUMP", "typing:den:ann"]).as_bytes().to_vec();
    server.cmd(args!["RESTORE", "typing:attic:ann", "1", dump, "REPLACE", "ABSTTL"]);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn renamed_keys_are_found_under_their_new_name_alone() {
    let server = two_users();
    server.script(
        "RENAME typing:den:ann typing:den:bob
         RENAME socket_data:s1 aside
         RENAME user_status:bob user_status:ann
         RENAMENX typing:hall:bob typing:loft:ann",
    );
    assert_eq!(log_out_exactly(&server, "ann"), TRACES - 1);
    server.must("RENAME aside socket_data:s1");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES - 1);
}

#[test]
fn a_rename_over_a_key_changes_whose_trace_it_is() {
    let server = two_users();
    server.must("RENAME socket_data:s1 socket_data:s2");
    assert_eq!(log_out_exactly(&server, "bob"), TRACES - 1);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_key_renamed_to_its_own_name_stays_a_trace() {
    let server = two_users();
    server.script("RENAME socket_data:s1 socket_data:s1\nRENAME typing:den:ann typing:den:ann");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn copied_keys_are_found_where_they_were_copied_to() {
    let server = two_users();
    server.script(
        "COPY typing:den:ann typing:loft:ann
         COPY socket_data:s1 socket_data:s2 REPLACE
         COPY socket_data:s1 socket_data:s1 DB 3
         COPY active_users active_users DB 3",
    );
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 2);
    assert_eq!(log_out_exactly_in(&server, 3, "ann"), 2);
    assert_eq!(log_out_exactly_in(&server, 3, "bob"), 1);
}

#[test]
fn moved_keys_are_found_in_their_new_database_alone() {
    let server = two_users();
    server.script("MOVE typing:den:ann 1\nMOVE socket_data:s1 1\nMOVE room:den 1\nMOVE active_users 1");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES - 4);
    assert_eq!(log_out_exactly_in(&server, 1, "ann"), 4);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES - 1);
}

#[test]
fn swapped_databases_are_told_apart() {
    let server = two_users();
    let mut client = server.client();
    client.must("SELECT 1");
    log_in(&mut client, "ann", "t1", "attic");
    client.must("SET typing:loft:ann 1");
    server.must("SWAPDB 0 1");
    assert_eq!(log_out_exactly(&server, "bob"), 0);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 1);
    assert_eq!(log_out_exactly_in(&server, 1, "bob"), TRACES);
    server.must("SWAPDB 1 0");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    server.must("SWAPDB 0 9");
    assert_eq!(log_out_exactly(&server, "ann"), 0);
}

#[test]
fn nothing_is_left_after_flushing_and_new_traces_are_found_then() {
    for flush in ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB", "FLUSHDB SYNC", "FLUSHDB ASYNC"] {
        let server = two_users();
        server.must(flush);
        assert_eq!(log_out_exactly(&server, "ann"), 0, "{flush}");
        server.script("SET typing:loft:ann 1\nSADD active_users ann");
        server.cmd(["SET", "socket_data:s7", &data("ann")]);
        assert_eq!(log_out_exactly(&server, "ann"), 3, "{flush}");
    }
}

#[test]
fn flushing_one_database_leaves_the_others_traces() {
    let server = two_users();
    server.script("SELECT 2\nSET typing:loft:ann 1\nFLUSHDB\nSET typing:roof:ann 1\nSELECT 0");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    assert_eq!(log_out_exactly_in(&server, 2, "ann"), 1);
}

#[test]
fn populated_keys_are_found() {
    let server = two_users();
    server.script("DEBUG POPULATE 500 typing:den\nDEBUG POPULATE 500 typing:hall");
    assert_eq!(log_out_exactly(&server, "77"), 2);
    assert_eq!(log_out_exactly(&server, "499"), 2);
    assert_eq!(log_out_exactly(&server, "500"), 0);
}

#[test]
fn data_belongs_to_the_owner_that_was_written_last() {
    let overwrites = [
        "SET socket_data:s1 '{D}'",
        "SETEX socket_data:s1 1000 '{D}'",
        "GETSET socket_data:s1 '{D}'",
        "SET socket_data:s1 '{D}' XX KEEPTTL GET",
        "MSET a 1 socket_data:s1 '{D}' b 2",
        "EVAL 'redis.call(\"SET\", KEYS[1], ARGV[1])' 1 socket_data:s1 '{D}'",
    ];
    for overwrite in overwrites {
        let server = two_users();
        server.must(&overwrite.replace("{D}", &data("bob")));
        assert_eq!(log_out_exactly(&server, "ann"), TRACES - 1, "{overwrite}");
        assert_eq!(log_out_exactly(&server, "bob"), TRACES + 1, "{overwrite}");
    }
}

#[test]
fn data_changed_in_place_belongs_to_its_new_owner() {
    let server = two_users();
    let place = server.cmd(["GET", "socket_data:s1"]).as_text().find("ann").expect("the owner is ann").to_string();
    server.cmd(["SETRANGE", "socket_data:s1", &place, "bob"]);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES - 1);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES + 1);
}

#[test]
fn data_written_in_pieces_is_a_trace_once_it_is_json() {
    let server = two_users();
    let json = data("ann");
    let (first, second) = json.split_at(9);
    server.cmd(["APPEND", "socket_data:s7", first]);
    assert_eq!(log_out_exactly(&server, "nobody"), 0);
    server.cmd(["APPEND", "socket_data:s7", second]);
    server.cmd(["SET", "part", &json]);
    server.script("BITOP OR socket_data:s8 part part\nSETBIT socket_data:s9 0 0");
    server.cmd(["SETRANGE", "socket_data:s9", "0", &json]);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 3);
}

#[test]
fn data_that_stops_being_json_stops_being_a_trace() {
    let server = two_users();
    server.must("APPEND socket_data:s1 x");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES - 1);
    server.script("DEL socket_data:s2\nHSET socket_data:s2 userId bob");
    assert_eq!(log_out_exactly(&server, "bob"), TRACES - 1);
}

#[test]
fn a_counter_names_another_user_after_each_increment() {
    let server = workspace();
    server.script("SET ticket:t 41\nINCR ticket:t");
    assert_eq!(log_out_exactly(&server, "41"), 0);
    server.must("INCRBY ticket:t 958");
    assert_eq!(log_out_exactly(&server, "42"), 0);
    server.script("DECR ticket:t\nINCRBYFLOAT ticket:t 0.5");
    assert_eq!(log_out_exactly(&server, "999"), 0);
    assert_eq!(log_out_exactly(&server, "999.5"), 1);
}

#[test]
fn a_hash_belongs_to_the_owner_in_its_field() {
    let server = workspace();
    server.script(
        "HSET login:a other ann
         HSET login:a principal ann
         HSET login:b principal ann
         HSET login:b principal bob
         HSET login:c principal ann at 1
         HDEL login:c principal
         HSETNX login:d principal ann
         HSETNX login:d principal bob
         HSET login:e principal 41
         HINCRBY login:e principal 1
         HSET aside principal ann
         RENAME aside login:f",
    );
    assert_eq!(log_out_exactly(&server, "ann"), 3);
    assert_eq!(log_out_exactly(&server, "bob"), 1);
    assert_eq!(log_out_exactly(&server, "42"), 1);
    assert_eq!(keys(&mut server.client()), ["login:c"]);
}

#[test]
fn members_are_found_in_wildcard_collections_of_every_type() {
    let server = workspace();
    server.script(
        "SADD online:set ann bob
         ZADD online:zset 1 ann 2 bob
         HSET online:hash ann 1 bob 2
         RPUSH online:list ann bob ann
         SADD online:only ann
         SADD online bob
         SET online:string ann
         XADD online:stream * ann ann",
    );
    assert_eq!(log_out_exactly(&server, "ann"), 5);
    assert_eq!(log_out_exactly(&server, "bob"), 5);
    assert_eq!(keys(&mut server.client()), ["online:stream", "online:string"]);
}

#[test]
fn members_stored_by_other_commands_are_found() {
    let server = workspace();
    server.script(
        "SADD a ann bob
         SUNIONSTORE online:union a
         SINTERSTORE online:inter a a
         SDIFFSTORE online:diff a nothing
         SADD online:moved bob
         SADD b ann
         SMOVE b online:moved ann
         ZUNIONSTORE online:zunion 1 a
         ZRANGESTORE online:zrange online:zunion 0 -1
         GEOADD online:geo 13.4 52.5 ann
         GEOSEARCHSTORE online:near online:geo FROMMEMBER ann BYRADIUS 1 km
         SORT a BY nosort STORE online:sorted
         RPUSH c ann
         LMOVE c online:pushed LEFT LEFT
         COPY a online:copied
         RPUSH online:set x
         LSET online:set 0 ann
         RPUSH online:inserted pivot
         LINSERT online:inserted BEFORE pivot ann
         ZADD online:incremented 1 bob
         ZINCRBY online:incremented 1 ann
         HINCRBY online:counted ann 1",
    );
    assert_eq!(log_out_exactly(&server, "ann"), 15);
    assert_eq!(log_out_exactly(&server, "bob"), 9);
}

#[test]
fn members_are_found_in_collections_of_thousands() {
    let server = workspace();
    let mut client = server.client();
    let members: Vec<String> = (0..6000).map(|n| format!("user-{n}")).collect();
    let add = |name: &str, key: &str, before: &[&str], after: &[&str]| {
        let each = members.iter().flat_map(|m| [before, &[m.as_str()], after].concat());
        [name, key].into_iter().chain(each).map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    client.cmd(add("SADD", "online:set", &[], &[]));
    client.cmd(add("ZADD", "online:zset", &["1"], &[]));
    client.cmd(add("HSET", "online:hash", &[], &["1"]));
    client.cmd(add("RPUSH", "online:list", &[], &[]));
    client.must("SMOVE online:set online:other user-77");
    client.must("RENAME online:zset online:renamed");
    assert_eq!(log_out_exactly(&server, "user-77"), 4);
    assert_eq!(log_out_exactly(&server, "user-5999"), 4);
    assert_eq!(log_out_exactly(&server, "user-6000"), 0);
}

#[test]
fn traces_are_found_in_hundreds_of_rooms() {
    let server = workspace();
    let mut client = server.client();
    for room in 0..300 {
        client.must(&format!("SADD room:{room}:members {room}|ann {room}|bob 0|carl"));
        client.must(&format!("SET cursor:{room}:ann:s{room} 1"));
    }
    assert_eq!(log_out_exactly(&server, "ann"), 600);
    assert_eq!(log_out_exactly(&server, "carl"), 1, "only room 0 has the member 0|carl by the layout");
    assert_eq!(log_out_exactly(&server, "bob"), 300);
}

#[test]
fn an_element_served_to_a_blocked_client_is_found() {
    let server = workspace();
    let mut waiting = server.client();
    let id = waiting.id();
    waiting.send(split("BLMOVE source online:list LEFT RIGHT 0"));
    crate::support::wait_until("the client is blocked", || server.info("clients")["blocked_clients"] == "1");
    assert_ne!(id, 0);
    assert_eq!(log_out_exactly(&server, "ann"), 0);
    // What was read at once after the command is not all that it does.
    server.wait_for_time(server.now() + 20);
    server.must("RPUSH source ann");
    assert_eq!(waiting.read(), bulk("ann"));
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn what_a_transaction_writes_after_a_logout_is_found_by_the_next() {
    let server = two_users();
    let mut other = server.client();
    other.must("MULTI");
    other.cmd(["SET", "socket_data:s2", &data("ann")]);
    other.must("SET typing:loft:ann 1");
    other.must("SADD active_users ann");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    assert_eq!(other.must("EXEC").items().len(), 3);
    assert_eq!(log_out_exactly(&server, "ann"), 3);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES - 1);
}

#[test]
fn a_discarded_transaction_leaves_no_trace() {
    let server = two_users();
    let mut other = server.client();
    other.script("WATCH user_status:bob\nMULTI\nSET typing:loft:ann 1");
    other.cmd(["SET", "socket_data:s2", &data("ann")]);
    server.must("SET user_status:bob away");
    assert_eq!(other.must("EXEC"), nil());
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES);
}

#[test]
fn what_scripts_and_functions_write_is_found_in_every_database() {
    let server = two_users();
    server.cmd([
        "EVAL",
        "redis.call('SET', 'typing:loft:ann', 1) redis.call('SELECT', 1)
        redis.call('SET', 'typing:attic:ann', 1) redis.call('SET', 'socket_data:s5', ARGV[1])",
        "0",
        &data("ann"),
    ]);
    let library = "#!lua name=lib\nredis.register_function('put', function(keys, args)
        return redis.call('SET', keys[1], args[1]) end)";
    assert_eq!(server.cmd(["FUNCTION", "LOAD", library]), bulk("lib"));
    server.cmd(["FCALL", "put", "1", "socket_data:s6", &data("ann")]);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 2);
    assert_eq!(log_out_exactly_in(&server, 1, "ann"), 2);
}

#[test]
fn a_key_that_expired_but_is_still_in_memory_is_no_trace() {
    let server = two_users();
    server.script(
        "DEBUG SET-ACTIVE-EXPIRE 0
         SET typing:loft:ann 1 PX 1
         PEXPIRE socket_data:s1 1
         PEXPIRE user_socket:ann 1
         PEXPIRE room:den 1
         PEXPIRE active_users 1",
    );
    server.wait_for_time(server.now() + 2);
    assert_eq!(server.run("SESSION.INSPECT ann").field("live"), int(0));
    assert_eq!(log_out_exactly(&server, "ann"), TRACES - 4);
    server.script("SET typing:loft:ann 1\nSADD active_users ann");
    assert_eq!(log_out_exactly(&server, "ann"), 2);
}

#[test]
fn evicted_keys_are_no_traces() {
    let server = two_users();
    server.must("DEBUG POPULATE 2000 typing:hall 500");
    server.must("CONFIG SET maxmemory-policy allkeys-random");
    let used: u64 = server.info("memory")["used_memory"].parse().expect("a number");
    server.must(&format!("CONFIG SET maxmemory {}", used - 300_000));
    crate::support::wait_until("keys are evicted", || {
        server.info("stats")["evicted_keys"] != "0" || {
            server.run("SET nudge 1");
            false
        }
    });
    server.must("CONFIG SET maxmemory 0");
    for user in ["ann", "bob", "1", "2", "1999"] {
        log_out_exactly(&server, user);
    }
}

#[test]
fn a_hash_field_that_has_expired_is_no_trace() {
    let server = workspace();
    if !server.has_command("HPEXPIRE") {
        return;
    }
    server.script(
        "DEBUG SET-ACTIVE-EXPIRE 0
         HSET login:a principal ann at 1
         HSET login:b principal ann at 1
         HPEXPIRE login:a 1 FIELDS 1 principal
         HPEXPIRE login:b 1000000 FIELDS 1 principal
         HSET online:a ann 1 bob 1
         HPEXPIRE online:a 1 FIELDS 1 ann",
    );
    server.wait_for_time(server.now() + 2);
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(server.run("EXISTS login:b"), int(0));
    assert_eq!(server.run("EXISTS login:a online:a"), int(2));
    assert_eq!(server.run("SESSION.LOGOUT bob"), int(1));
}

#[test]
fn keys_of_any_type_are_traces_by_their_name() {
    let server = workspace();
    server.script(
        "SET a:presence 1
         HSET b:presence f v
         RPUSH c:presence x
         SADD d:presence x
         ZADD e:presence 1 x
         XADD f:presence * f v",
    );
    for user in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(log_out_exactly(&server, user), 1);
    }
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn a_key_that_changes_its_type_changes_what_it_is_a_trace_of() {
    let server = workspace();
    server.script("SADD online:x ann\nDEL online:x\nSET online:x ann");
    assert_eq!(log_out_exactly(&server, "ann"), 0);
    server.script("DEL online:x\nZADD online:x 1 ann");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
    server.must("SET device:x 1");
    assert_eq!(server.run("HSET device:x principal ann"), wrong_type());
    server.script("RPUSH source 1\nRENAME source ticket:x");
    assert_eq!(log_out_exactly(&server, "1"), 0);
}

fn wrong_type() -> Reply {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}
