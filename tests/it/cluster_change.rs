//! A cluster under change: nodes that fail, are promoted, added and removed, and slots that move, while users are logged out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::cluster::{
    TRACES_OF_EACH, address, assert_gone, everything, give_replicas, id, keys_of, log_in, manage, node, slot, storm,
    take_over, users, wait_until_calm,
};
use crate::support::server::Stop;
use crate::support::{Builder, Reply, Server, Snapshot, int, ok, split, wait_until};

/// The longest pause until a node counts as failing, in milliseconds: seldom in the tests in which none is to fail.
const PATIENT: u32 = 60_000;

fn builder() -> Builder {
    Server::builder().option("fence", "0")
}

/// Three masters with people who stay, others who will leave, and what is there without those.
fn three(node_timeout: u32, leavers: usize) -> (Vec<Server>, Vec<String>, Snapshot) {
    let nodes = Builder::join((0..3).map(|_| node(&builder(), node_timeout)).collect());
    let all: Vec<&Server> = nodes.iter().collect();
    wait_until_calm(&all);
    let (stayers, leavers) = (users("b", 200), users("u", leavers * times()));
    log_in(&nodes, &[], &stayers);
    let expected = everything(&all);
    log_in(&nodes, &stayers, &leavers);
    (nodes, leavers, expected)
}

/// How many times as many users are logged out as by default.
fn times() -> usize {
    std::env::var("REDIS_SESSION_STORM").map_or(1, |times| times.parse().expect("REDIS_SESSION_STORM is a number"))
}

fn ports(nodes: &[Server]) -> Vec<u16> {
    nodes.iter().map(Server::port).collect()
}

#[test]
fn slots_move_under_logouts_and_sweeps() {
    let (nodes, leavers, expected) = three(PATIENT, 1500);
    let masters: Vec<&Server> = nodes.iter().collect();
    let ghost = |number: usize| format!("EXISTS typing:{{g{number}}}:{{g{number}}}");
    for number in 0..60 {
        let set = ghost(number).replace("EXISTS", "SET") + " 1";
        assert_eq!(nodes.iter().filter(|node| !node.run(&set).is_error()).count(), 1);
    }
    let outcome = storm(&ports(&nodes), &leavers, 5, || {
        let moves = AtomicBool::new(true);
        thread::scope(|scope| {
            let mut client = nodes[2].client();
            let moves = &moves;
            scope.spawn(move || {
                while moves.load(Ordering::Relaxed) {
                    drop(client.run("SESSION.SWEEP LIMIT 5"));
                }
            });
            reshard(&nodes[0], &nodes[1], 250);
            moves.store(false, Ordering::Relaxed);
        });
    });
    wait_until_calm(&masters);
    // Nobody is judged as long as keys may be on their way.
    let is_there = |number: usize| nodes.iter().any(|node| node.run(&ghost(number)) == int(1));
    wait_until("the ghosts are swept", || {
        nodes[0].must("SESSION.SWEEP");
        !(0..60).any(is_there)
    });
    assert_gone(&outcome, leavers.len(), &masters, &expected);
}

/// Moves slots from one node to another.
fn reshard(from: &Server, to: &Server, slots: u32) {
    let (source, target) = (id(from), id(to));
    let slots = slots.to_string();
    let words = ["--cluster-from", &source, "--cluster-to", &target, "--cluster-slots", &slots, "--cluster-yes"];
    manage(&[&["reshard", &address(from)], &words[..]].concat()).expect("slots move");
}

#[test]
fn a_replica_takes_over_by_force_under_logouts() {
    for how in ["FORCE", "TAKEOVER"] {
        let (nodes, leavers, expected) = three(PATIENT, 600);
        let replicas: Vec<Server> = (0..3).map(|_| node(&builder(), PATIENT)).collect();
        give_replicas(&nodes, &replicas);
        let called: Vec<u16> = ports(&nodes).into_iter().chain([replicas[2].port()]).collect();
        let all: Vec<&Server> = nodes.iter().chain(&replicas).collect();
        let outcome = storm(&called, &leavers, 30, || {
            take_over(&replicas[2], how, &all);
        });
        wait_until("it is demoted", || nodes[2].info("replication")["role"] == "slave");
        // It was called too, and does what it was called for once more, some time after it has seen the new master.
        nodes[2].wait_for_time(nodes[2].now() + 1000);
        wait_until("it asks nobody again", || nodes[2].info("session")["session_cluster_pending"] == "0");
        assert_gone(&outcome, leavers.len(), &[&nodes[0], &nodes[1], &replicas[2]], &expected);
    }
}

#[test]
fn a_master_is_killed_under_logouts() {
    let (mut nodes, leavers, expected) = three(1000, 800);
    let replicas: Vec<Server> = (0..3).map(|_| node(&builder(), 1000)).collect();
    give_replicas(&nodes, &replicas);
    let all: Vec<u16> = ports(&nodes).into_iter().chain([replicas[2].port()]).collect();
    let outcome = storm(&all, &leavers, 30, || nodes[2].stop(Stop::Kill));
    wait_until("a replica is promoted", || replicas[2].info("replication")["role"] == "master");
    assert_gone(&outcome, leavers.len(), &[&nodes[0], &nodes[1], &replicas[2]], &expected);
}

#[test]
fn a_node_is_added_and_one_is_removed_under_logouts() {
    let (mut nodes, leavers, expected) = three(PATIENT, 1500);
    nodes.push(node(&builder(), PATIENT));
    let outcome = storm(&ports(&nodes), &leavers, 5, || {
        let (new, first) = (address(&nodes[3]), address(&nodes[0]));
        manage(&["add-node", &new, &first]).expect("a node is added");
        for node in &nodes {
            node.wait_for_cluster(4);
        }
        reshard(&nodes[0], &nodes[3], 150);
        reshard(&nodes[3], &nodes[1], 150);
        manage(&["del-node", &first, &id(&nodes[3])]).expect("a node is removed");
    });
    assert_gone(&outcome, leavers.len(), &[&nodes[0], &nodes[1], &nodes[2]], &expected);
    assert_eq!(nodes[3].run("DBSIZE"), int(0));
}

/// Begins to move the slot of a key from the node that serves it to another one, and moves the key. Which nodes these are.
fn begin_to_move<'n>(nodes: &'n [Server], key: &str) -> (&'n Server, &'n Server) {
    let serves = |node: &&Server| !node.cmd(["EXISTS", key]).is_error();
    let (from, to) = (nodes.iter().find(serves).expect("one serves it"), nodes.iter().find(|node| !serves(node)));
    let (to, slot) = (to.expect("another one"), slot(key.as_bytes()));
    to.must(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from)));
    from.must(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to)));
    from.must(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port()));
    (from, to)
}

/// The slot has moved.
fn end_to_move(nodes: &[Server], key: &str, to: &Server) {
    for node in [to].into_iter().chain(nodes) {
        node.must(&format!("CLUSTER SETSLOT {} NODE {}", slot(key.as_bytes()), id(to)));
    }
}

#[test]
fn a_trace_whose_slot_is_on_its_way_is_waited_for_or_the_reply_says_that_it_is_missing() {
    // Else it would come by itself.
    let nodes = (0..3).map(|_| node(&builder().option("cluster-retry", "0"), PATIENT));
    let nodes = Builder::join(nodes.collect());
    wait_until_calm(&nodes.iter().collect::<Vec<_>>());
    for key in &keys_of("u0") {
        log_in(&nodes, &users("b", 200), &users("u", 2));
        let (_, to) = begin_to_move(&nodes, key);
        for node in &nodes {
            let reply = node.run("SESSION.LOGOUT u0");
            let Reply::Error(text) = &reply else { panic!("{key}: {reply:?}") };
            let expected = if node.port() == to.port() {
                "this node (ERR".to_owned()
            } else {
                format!("127.0.0.1:{} (ERR", to.port())
            };
            assert!(
                text.starts_with("PARTIAL ") && text.contains(&expected) && text.contains("on their way"),
                "{text}"
            );
        }
        end_to_move(&nodes, key, to);
        assert_eq!(nodes[0].run("SESSION.LOGOUT u0"), int(1), "{key}");
        assert_eq!(nodes[1].run("SESSION.LOGOUT u0"), int(0), "{key}");
    }
}

#[test]
fn a_promoted_replica_answers_exactly_from_a_warm_index() {
    let (nodes, leavers, expected) = three(PATIENT, 100);
    let replicas: Vec<Server> = (0..3).map(|_| node(&builder(), PATIENT)).collect();
    give_replicas(&nodes, &replicas);
    // What came by replication, and not by loading.
    log_in(&nodes, &users("b", 200), &[leavers.clone(), users("v", 50)].concat());
    let leavers = [leavers, users("v", 50)].concat();
    let field = |node: &Server, name: &str| node.info("session")[name].clone();
    for (node, replica) in nodes.iter().zip(&replicas) {
        replica.catch_up_with(node);
        wait_until("all is read", || field(replica, "session_pending_keys") == "0");
        assert_eq!(field(replica, "session_index_state"), "ready");
    }
    let all: Vec<&Server> = nodes.iter().chain(&replicas).collect();
    for replica in &replicas {
        take_over(replica, "FORCE", &all);
    }
    let masters: Vec<&Server> = replicas.iter().collect();
    for (node, replica) in nodes.iter().zip(&replicas) {
        wait_until("the old master follows", || node.info("replication")["role"] == "slave");
        assert_eq!(field(replica, "session_index_state"), "ready", "it is not built anew");
    }
    wait_until_calm(&masters);
    for (number, user) in leavers.iter().enumerate() {
        assert_eq!(masters[number % 3].cmd(["SESSION.LOGOUT", user]), int(TRACES_OF_EACH), "{user}");
    }
    expected.assert_matches(&everything(&masters));
}

#[test]
fn a_node_that_was_taken_out_of_the_cluster_a_moment_ago_promises_nothing() {
    let (mut nodes, leavers, _) = three(PATIENT, 1);
    nodes.push(node(&builder(), PATIENT));
    manage(&["add-node", &address(&nodes[3]), &address(&nodes[0])]).expect("a node is added");
    for node in &nodes {
        node.wait_for_cluster(4);
    }
    wait_until_calm(&nodes.iter().collect::<Vec<_>>());
    let commands = ["CLUSTER RESET SOFT".to_owned(), format!("SESSION.LOGOUT {}", leavers[0])];
    let replies = nodes[3].client().pipeline(commands.iter().map(|command| split(command)));
    assert_eq!(replies[0], ok());
    assert!(matches!(&replies[1], Reply::Error(text) if text.starts_with("CLUSTERDOWN ")), "{replies:?}");
}
