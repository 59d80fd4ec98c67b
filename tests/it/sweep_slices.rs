//! A sweep of many users: others are served meanwhile, and whatever happens to the server in between, it ends well.

use crate::args;
use crate::support::server::{Builder, Stop};
use crate::support::{Client, Reply, Server, aof_commands, array, bulk, error, int, nil, ok, queued, wait_until};

/// So many users are too many for one slice, many times over.
const MANY: i64 = 2_500;

/// A server with the shortest slices.
fn slow() -> Builder {
    Server::builder().option("slice-us", "50").option("fence", "0")
}

/// Ghosts `g0` and so on, and a live user; `active_users` holds them all.
fn fill(client: &mut Client, count: i64) {
    let ghosts = |n: i64| {
        [
            args!["SET", format!("user_socket:g{n}"), format!("s{n}")],
            args!["SET", format!("user_status:g{n}"), "busy"],
            args!["SADD", "active_users", format!("g{n}")],
        ]
    };
    client.pipeline((0..count).flat_map(ghosts));
    client.script("SET user_socket:ann s-ann\nSET socket_data:s-ann '{\"userId\":\"ann\"}'\nSADD active_users ann");
}

fn world() -> Server {
    let server = slow().start();
    fill(&mut server.client(), MANY);
    server
}

fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[&format!("session_{field}")].parse().expect("a number")
}

/// A client whose sweep is under way and not nearly over.
fn sweeper(server: &Server, call: &str) -> Client {
    let mut client = server.client();
    let before = number(server, "swept_users");
    client.send(crate::support::split(call));
    wait_until("the sweep is under way", || {
        number(server, "sweeps_running") > 0 && (call.contains("DRYRUN") || number(server, "swept_users") > before)
    });
    client
}

/// Nobody is left but ann.
fn all_gone(server: &Server) {
    let mut left = crate::support::keys(&mut server.client());
    left.retain(|key| key.starts_with("user_"));
    assert_eq!(left, ["user_socket:ann"]);
    assert_eq!(server.run("SMEMBERS active_users"), array([bulk("ann")]));
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
}

#[test]
fn other_clients_are_served_between_the_slices() {
    let server = world();
    server.must("SET x 1");
    let mut client = sweeper(&server, "SESSION.SWEEP");
    let mut served = 0;
    while number(&server, "sweeps_running") == 1 {
        assert_eq!(server.run("GET x"), bulk("1"));
        assert_eq!(server.run("INCR y"), int(served + 1));
        served += 1;
    }
    assert!(served > 10, "{served}");
    assert_eq!(client.read(), int(MANY));
    assert!(number(&server, "last_sweep_slices") > 10);
    assert_eq!(number(&server, "last_sweep_users"), MANY);
    all_gone(&server);
}

#[test]
fn who_logs_in_meanwhile_is_not_touched() {
    let server = world();
    let mut client = sweeper(&server, "SESSION.SWEEP");
    // Wherever the sweep is: those whom it has taken are new, and those whom it has not are live from here on.
    let mut returned = 0;
    let mut visitor = server.client();
    while number(&server, "sweeps_running") == 1 && returned < 200 {
        let user = format!("g{}", MANY - 1 - returned);
        visitor.script(&format!(
            "MULTI\nSET socket_data:new-{user} '{{\"userId\":\"{user}\"}}'\nSET user_socket:{user} new-{user}
            SET user_status:{user} back\nSADD active_users {user}\nEXEC"
        ));
        returned += 1;
    }
    let swept = client.read().as_int();
    assert!(returned > 5 && swept >= MANY - returned && swept <= MANY, "{returned} came back, {swept} were swept");
    for n in 0..returned {
        let user = format!("g{}", MANY - 1 - n);
        let keys = format!("EXISTS socket_data:new-{user} user_socket:{user} user_status:{user}");
        assert_eq!(server.run(&keys), int(3), "{user}");
    }
    assert_eq!(server.run("SCARD active_users"), int(returned + 1));
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
}

#[test]
fn a_caller_that_goes_away_does_not_stop_it() {
    let server = world();
    let mut client = server.client();
    let id = client.id();
    client.send(["SESSION.SWEEP"]);
    wait_until("the sweep is under way", || number(&server, "swept_users") > 0);
    assert_eq!(server.run(&format!("CLIENT KILL ID {id}")), int(1));
    drop(sweeper(&server, "SESSION.SWEEP"));
    wait_until("both have ended", || number(&server, "sweeps_running") == 0);
    assert_eq!(number(&server, "swept_users"), MANY);
    all_gone(&server);
    assert_eq!(server.info("clients")["blocked_clients"], "0");
}

#[test]
fn sweeps_at_once_share_the_users() {
    let server = world();
    let mut first = sweeper(&server, "SESSION.SWEEP");
    let mut second = sweeper(&server, "SESSION.SWEEP");
    let mut third = sweeper(&server, "SESSION.SWEEP LIMIT 100");
    // And one that does not wait.
    let fourth = server.must("EVAL 'return redis.call(\"SESSION.SWEEP\", \"LIMIT\", \"50\")' 0").as_int();
    assert_eq!((third.read(), fourth), (int(100), 50));
    assert_eq!(first.read().as_int() + second.read().as_int(), MANY - 150);
    all_gone(&server);
    assert_eq!(number(&server, "sweeps"), 4 + 1);
}

#[test]
fn a_sweep_in_a_transaction_is_one_piece_and_ends_another_one() {
    let server = world();
    let mut client = sweeper(&server, "SESSION.SWEEP");
    let mut other = server.client();
    assert_eq!((other.run("MULTI"), other.run("SESSION.SWEEP"), other.run("DBSIZE")), (ok(), queued(), queued()));
    let reply = other.run("EXEC");
    let [Reply::Int(rest), left] = reply.items() else { panic!("{reply:?}") };
    assert_eq!(left, &int(3));
    assert_eq!(client.read(), int(MANY - rest));
    all_gone(&server);
}

#[test]
fn a_dry_run_counts_everybody_once_whatever_happens_elsewhere() {
    let server = world();
    let mut other = server.client();
    other.must("SELECT 5");
    let mut client = sweeper(&server, "SESSION.SWEEP DRYRUN");
    server.wait_for_time(server.now() + 50);
    other.script("SET a 1\nFLUSHDB\nSET a 1\nSWAPDB 5 6\nSWAPDB 0 5\nSWAPDB 5 0\nDEBUG POPULATE 10");
    assert_eq!(number(&server, "sweeps_running"), 1, "it happened meanwhile");
    assert_eq!(client.read(), int(MANY));
    assert_eq!(server.run("SESSION.SWEEP"), int(MANY));
}

#[test]
fn a_database_that_is_emptied_or_swapped() {
    let server = world();
    let mut client = sweeper(&server, "SESSION.SWEEP");
    server.must("FLUSHALL");
    let before = number(&server, "swept_users");
    assert_eq!(client.read(), int(before));
    assert_eq!(server.run("SESSION.SWEEP"), int(0));

    fill(&mut server.client(), MANY);
    let mut other = server.client();
    other.script("SELECT 1\nSADD active_users x y z\nSET user_status:x 1");
    let before = number(&server, "swept_users");
    let mut client = sweeper(&server, "SESSION.SWEEP");
    server.must("SWAPDB 0 1");
    let swept = client.read().as_int();
    assert_eq!(number(&server, "swept_users") - before, swept);
    assert_eq!(server.run("DBSIZE"), int(0), "database 0 holds what was in 1, and was swept");
    assert_eq!(other.run("SESSION.SWEEP"), int(MANY + 3 - swept));
}

#[test]
fn a_server_that_becomes_a_replica_ends_it() {
    let (server, master) = (world(), Server::start());
    let mut client = sweeper(&server, "SESSION.SWEEP");
    server.must(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    // Servers themselves end what waits when they change roles.
    let reply = client.try_read();
    assert!(reply.is_err() || reply.is_ok_and(|reply| reply.is_error()));
    wait_until("no sweep is under way", || number(&server, "sweeps_running") == 0);
    wait_until("the replica is connected", || server.info("replication")["master_link_status"] == "up");
    assert_eq!(server.run("DBSIZE"), int(0));
    server.must("REPLICAOF NO ONE");
    fill(&mut server.client(), 10);
    assert_eq!(server.run("SESSION.SWEEP"), int(10));
}

#[test]
fn a_server_that_shuts_down_or_crashes_meanwhile_has_each_user_whole_or_not_at_all() {
    for stop in [Stop::NoSave, Stop::Kill] {
        let mut server = slow().append_only().start();
        fill(&mut server.client(), MANY);
        let _client = sweeper(&server, "SESSION.SWEEP");
        server.restart(stop);
        let keys = crate::support::keys(&mut server.client());
        let of = |prefix: &str| keys.iter().filter_map(|key| key.strip_prefix(prefix)).map(str::to_owned).collect();
        let (mut mapped, with_status): (Vec<String>, Vec<String>) = (of("user_socket:"), of("user_status:"));
        mapped.retain(|id| id != "ann");
        assert_eq!(mapped, with_status);
        let active = server.run("SMEMBERS active_users").byte_items();
        let mut active: Vec<_> = active.into_iter().filter_map(|id| String::from_utf8(id).ok()).collect();
        active.retain(|id| id != "ann");
        active.sort();
        assert_eq!(active, with_status);
        assert!(!active.is_empty());
        let left = i64::try_from(active.len()).expect("few");
        assert_eq!(server.run("SESSION.SWEEP"), int(left));
        all_gone(&server);
    }
}

#[test]
fn the_module_stays_while_a_client_waits() {
    let server = world();
    let mut client = sweeper(&server, "SESSION.SWEEP");
    let reply = server.run("MODULE UNLOAD session");
    assert!(reply.is_error(), "{reply:?}");
    assert_eq!(client.read(), int(MANY));
    let mut client = server.client();
    fill(&mut client, MANY / 5);
    let id = client.id();
    client.send(["SESSION.SWEEP"]);
    wait_until("the sweep is under way", || number(&server, "sweeps_running") == 1);
    assert_eq!(server.run(&format!("CLIENT KILL ID {id}")), int(1));
    wait_until("the module can go", || server.run("MODULE UNLOAD session") == ok());
    assert_eq!(server.run("PING"), crate::support::status("PONG"));
}

#[test]
fn slices_may_change_their_length_and_clients_may_pause() {
    let server = world();
    let mut client = sweeper(&server, "SESSION.SWEEP");
    server.must("CLIENT PAUSE 300 WRITE");
    let during = number(&server, "swept_users");
    server.wait_for_time(server.now() + 50);
    assert_eq!(number(&server, "swept_users"), during, "nobody writes while clients are paused");
    server.must("CLIENT UNPAUSE");
    server.must("CONFIG SET session.slice-us 100000");
    assert_eq!(client.read(), int(MANY));
    all_gone(&server);
}

#[test]
fn permissions_that_are_taken_away_meanwhile_end_it() {
    let server = world();
    server.must("ACL SETUSER caller on nopass ~* +@all");
    let mut client = server.client();
    client.must("AUTH caller any");
    client.send(["SESSION.SWEEP"]);
    wait_until("the sweep is under way", || number(&server, "swept_users") > 0);
    server.must("ACL SETUSER caller resetkeys");
    let swept = number(&server, "swept_users");
    assert!(matches!(client.read(), Reply::Error(text) if text.starts_with("NOPERM")));
    assert!((swept..MANY).contains(&number(&server, "swept_users")));
    assert_eq!(number(&server, "sweeps_running"), 0);
}

#[test]
fn a_sweep_is_asked_for_while_the_index_is_being_built() {
    let server = slow().without_module().start();
    let mut client = server.client();
    fill(&mut client, MANY);
    client.must("DEBUG POPULATE 100000 other");
    assert_eq!(server.load_module(), ok());
    let mut sweeping = server.client();
    sweeping.send(["SESSION.SWEEP"]);
    wait_until("it waits", || number(&server, "sweeps_running") == 1);
    assert!(server.info("session")["session_index_state"].starts_with("building"));
    client.script("SET socket_data:s7 '{\"userId\":\"g7\"}'\nSADD active_users late");
    assert_eq!(sweeping.read(), int(MANY));
    assert_eq!(client.run("EXISTS user_socket:g7 user_status:g7 socket_data:s7"), int(3));
    assert_eq!(client.run("SESSION.SWEEP"), int(0));
}

#[test]
fn a_collection_that_is_written_while_it_is_read_in_pieces() {
    let server = slow().start();
    let mut client = server.client();
    let mut members = |key: &str, from: i64, to: i64| {
        client.cmd([args!["SADD", key], (from..to).map(|n| format!("m{n}").into_bytes()).collect()].concat())
    };
    members("other", 0, 8_000);
    members("third", 8_000, 12_000);
    server.must("RENAME other active_users");
    let mut sweeping = server.client();
    sweeping.send(["SESSION.SWEEP"]);
    wait_until("it is under way", || number(&server, "sweeps_running") == 1);
    server.must("SADD active_users late");
    server.must("RENAME third active_users");
    let swept = sweeping.read().as_int();
    let rest = server.run("SESSION.SWEEP").as_int();
    assert!((4_000..=12_001).contains(&(swept + rest)), "{swept} and {rest}");
    assert_eq!(server.run("EXISTS active_users"), int(0));
}

/// What that client may write is read before each slice, since nothing tells when it goes on.
#[test]
fn a_client_that_may_write_a_collection_some_time_does_not_keep_a_sweep_from_its_end() {
    let server = slow().start();
    let members = (0..8_000).map(|n| format!("m{n}").into_bytes()).collect();
    server.client().cmd([args!["SADD", "other"], members].concat());
    server.must("RENAME other active_users");
    let mut waiting = server.client();
    waiting.send(args!["BLMOVE", "empty", "active_users", "LEFT", "LEFT", "0"]);
    wait_until("it waits", || server.info("clients")["blocked_clients"] == "1");
    assert_eq!(server.run("SESSION.SWEEP"), int(8_000));
    assert_eq!(server.run("EXISTS active_users"), int(0));
}

#[test]
fn the_append_only_file_has_plain_commands_each_user_within_one_transaction() {
    let server = slow().append_only().start();
    fill(&mut server.client(), 300);
    let (_, length) = aof_commands(&server, 0);
    let mut client = sweeper(&server, "SESSION.SWEEP");
    assert_eq!(client.read(), int(300));
    let commands = aof_commands(&server, length).0;
    let (mut open, mut seen) = (None, 0);
    for command in commands {
        let name = String::from_utf8_lossy(&command[0]).to_uppercase();
        match &*name {
            "SELECT" => {}
            "MULTI" => open = Some(Vec::new()),
            "EXEC" => {
                let whole: Vec<Vec<u8>> = open.take().expect("MULTI");
                let ids: Vec<_> = whole.iter().map(|name| name.rsplit(|byte| *byte == b':').next()).collect();
                seen += ids.len() / 3;
                for id in &ids {
                    assert_eq!(ids.iter().filter(|other| *other == id).count(), 3, "all of a user in one transaction");
                }
            }
            "UNLINK" => open.as_mut().expect("MULTI").extend(command[1..].iter().cloned()),
            "SREM" => open.as_mut().expect("MULTI").extend(command[2..].iter().cloned()),
            other => panic!("no plain command of a sweep: {other}"),
        }
    }
    assert_eq!(seen, 300);
}

#[test]
fn a_client_that_comes_while_nothing_is_wrong_gets_nothing() {
    let server = slow().start();
    assert_eq!(server.run("SESSION.SWEEP"), int(0));
    assert_eq!(server.run("GET x"), nil());
    let replica = slow().start();
    replica.replica_of(&server);
    for call in ["SESSION.SWEEP", "SESSION.SWEEP DRYRUN"] {
        assert_eq!(replica.run(call), error("READONLY You can't write against a read only replica."));
    }
}
