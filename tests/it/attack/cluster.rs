//! In a cluster a transaction or script that may be shown one slot alone is refused.
//!
//! Since they keep a table for each hash slot, servers look up every key of a transaction in the slot that it names. Whether
//! one may see all keys was once guessed from keys drawn at random, which nearly always lie in the same slot where nearly
//! all keys do.

use crate::support::{Reply, Server, error, int, ok};

const ONE_SLOT: &str = "ERR in this transaction or script the cluster node shows only keys of one hash slot; call the command by itself, or in one that names no key";

/// So many of the node's keys lie in one slot.
const CROWD: usize = 1_000;

/// How often each thing is tried: what was guessed went wrong in two of three tries.
const TRIES: usize = 8;

/// Ann's, in as many slots.
const TRACES: [&str; 7] = [
    "SET user_socket:ann s1",
    "SET user_status:ann busy",
    "SET typing:den:ann 1",
    "SET typing:hall:ann 1",
    r#"SET socket_data:s1 '{"userId":"ann","roomId":"den"}'"#,
    "SADD active_users ann",
    r#"SET room:den '{"participants":[{"userId":"ann"},{"userId":"bob"}]}'"#,
];

/// A node with all slots, one of which holds nearly all keys. Without the fence, which would not let ann come back with the
/// socket that she left by.
fn crowded() -> Server {
    let node = Server::builder().option("fence", "0").start_cluster(1).remove(0);
    node.default_client()
        .pipeline((0..CROWD).map(|n| vec![b"SET".to_vec(), format!("{{x}}{n}").into(), b"1".to_vec()]));
    node
}

/// What the last command of a transaction answers.
fn in_transaction(node: &Server, commands: &[&str]) -> Reply {
    node.script("MULTI");
    node.script(&commands.join("\n"));
    node.must("EXEC").items().last().expect("a reply for each command").clone()
}

/// Calls LOGOUT for ann by `call`, again and again. It removes all or is refused, and then a plain one finds all. Says how
/// often it was refused.
fn all_or_nothing(node: &Server, call: impl Fn(&Server) -> Reply) -> usize {
    let is_refused = || {
        node.script(&TRACES.join("\n"));
        let before = node.snapshot();
        let reply = call(node);
        if reply == int(7) {
            assert_eq!(node.run("SESSION.LOGOUT ann"), int(0));
            return false;
        }
        assert_eq!(reply, error(ONE_SLOT));
        before.assert_matches(&node.snapshot());
        assert_eq!(node.run("SESSION.LOGOUT ann"), int(7), "what was refused is not forgotten");
        true
    };
    (0..TRIES).filter(|_| is_refused()).count()
}

#[test]
fn a_transaction_that_names_a_key_removes_all_or_is_refused() {
    let node = crowded();
    for key in ["{x}1", "{x}none", "user_status:ann", "elsewhere"] {
        let get = format!("GET {key}");
        let refused = all_or_nothing(&node, |node| in_transaction(node, &[&get, "SESSION.LOGOUT ann"]));
        assert!(refused == 0 || refused == TRIES, "the answer is exact, not a guess: {refused} of {TRIES}");
    }
}

#[test]
fn the_slot_of_a_script_binds_the_rest_of_its_transaction() {
    let node = crowded();
    let script = "EVAL \"return redis.call('GET', '{x}1')\" 0";
    let refused = all_or_nothing(&node, |node| in_transaction(node, &[script, "SESSION.LOGOUT ann"]));
    assert!(refused == 0 || refused == TRIES, "the answer is exact, not a guess: {refused} of {TRIES}");
}

#[test]
fn a_transaction_that_names_no_key_is_never_refused() {
    let node = crowded();
    let transactions: [&[&str]; 3] = [
        &["SESSION.LOGOUT ann"],
        &["SESSION.LOGOUT nobody", "SESSION.INSPECT ann", "SESSION.LOGOUT ann"],
        &["PING", "SESSION.LOGOUT ann"],
    ];
    for commands in transactions {
        assert_eq!(all_or_nothing(&node, |node| in_transaction(node, commands)), 0, "{commands:?}");
    }
}

#[test]
fn a_script_is_never_refused_whichever_keys_it_names() {
    let node = crowded();
    let scripts = [
        "EVAL \"return redis.call('SESSION.LOGOUT', 'ann')\" 0",
        "EVAL \"redis.call('GET', KEYS[1]) return redis.call('SESSION.LOGOUT', 'ann')\" 1 {x}1",
        "EVAL \"#!lua\\nreturn redis.call('SESSION.LOGOUT', 'ann')\" 1 {x}1",
        "EVAL \"#!lua flags=allow-cross-slot-keys\\nredis.call('GET', '{x}1') redis.call('GET', '{y}1') return redis.call('SESSION.LOGOUT', 'ann')\" 0",
        "FCALL leave 1 {x}1",
    ];
    let library = "#!lua name=l\nredis.register_function('leave', function(keys) \
         redis.call('GET', keys[1]) return redis.call('SESSION.LOGOUT', 'ann') end)";
    node.cmd(["FUNCTION", "LOAD", library]);
    for script in scripts {
        assert_eq!(all_or_nothing(&node, |node| node.run(script)), 0, "{script}");
    }
    // Nor where a transaction names a key before.
    let refused = all_or_nothing(&node, |node| in_transaction(node, &["GET {x}1", scripts[0]]));
    assert_eq!(refused, 0);
}

#[test]
fn a_sweep_and_an_inspection_in_a_transaction_see_all_or_are_refused() {
    let node = crowded();
    for _ in 0..TRIES {
        node.script("SET typing:den:zoe 1\nSET typing:hall:zoe 1\nSADD active_users yan");
        let found = in_transaction(&node, &["GET {x}1", "SESSION.INSPECT zoe"]);
        if found.is_error() {
            assert_eq!(found, error(ONE_SLOT));
        } else {
            assert_eq!(found.field("removed"), int(2));
        }
        let swept = in_transaction(&node, &["GET {x}1", "SESSION.SWEEP"]);
        if swept.is_error() {
            assert_eq!(swept, error(ONE_SLOT));
            assert_eq!(node.run("EXISTS typing:den:zoe"), int(1));
            assert_eq!(in_transaction(&node, &["SESSION.SWEEP"]), int(2));
        } else {
            assert_eq!(swept, int(2));
        }
        assert_eq!(node.run("SESSION.SWEEP"), int(0));
        assert_eq!(node.run("DBSIZE"), int(i64::try_from(CROWD).expect("a small number")));
    }
}

#[test]
fn where_all_keys_lie_in_the_slot_that_is_named_nothing_is_hidden() {
    let node = Server::builder().layout(include_str!("../../layouts/workspace.json")).start_cluster(1).remove(0);
    assert_eq!(in_transaction(&node, &["GET user:{ann}:x", "SESSION.LOGOUT ann"]), int(0), "there is no key at all");
    node.script("SADD user:{ann}:devices s1\nSET user:{ann}:draft:1 text\nSET user:{ann}:draft:2 text\nSET {ann} 1");
    assert_eq!(in_transaction(&node, &["GET user:{ann}:x", "SESSION.LOGOUT ann"]), int(3));
}

/// An entry that such a transaction wrote would lie where no other command finds it.
#[test]
fn what_is_told_of_a_logout_is_not_written_to_the_wrong_slot() {
    let builder = Server::builder().layout(include_str!("../../layouts/workspace.json")).option("stream", "events");
    for first in [None, Some("GET user:{ann}:x"), Some("GET {other}x")] {
        let node = builder.clone().start_cluster(1).remove(0);
        node.script("SADD user:{ann}:devices s1\nSET user:{ann}:draft:1 text\nSET {ann} 1");
        let commands: Vec<&str> = first.into_iter().chain(["SESSION.LOGOUT ann"]).collect();
        let reply = in_transaction(&node, &commands);
        if first.is_some() && reply.is_error() {
            assert_eq!(reply, error(ONE_SLOT));
            assert_eq!(node.run("SESSION.LOGOUT ann"), int(2));
        } else {
            assert_eq!(reply, int(2));
        }
        assert_eq!(node.run("XLEN events"), int(1), "after {commands:?}");
    }
}

/// A server that is asked for a key at random, in a transaction that is shown another slot, cannot delete what has expired
/// and goes on looking: Redis 8 for ever.
#[test]
fn keys_that_have_expired_do_not_hold_the_server() {
    let node = Server::builder().start_cluster(1).remove(0);
    node.script("DEBUG SET-ACTIVE-EXPIRE 0\nSET {x}1 1 PX 1\nSET {y}1 1 PX 1");
    node.wait_for_time(node.now() + 2);
    let reply = in_transaction(&node, &["GET elsewhere", "SESSION.LOGOUT ann"]);
    assert!(reply == int(0) || reply == error(ONE_SLOT), "{reply:?}");
    assert_eq!(in_transaction(&node, &["SESSION.LOGOUT ann"]), int(0));
    assert_eq!(node.run("SET {x}1 1"), ok());
}
