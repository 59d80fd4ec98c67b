//! A node of a cluster that is away when a user is logged out gets its part when it is back.

use crate::cluster_fanout::{cluster_of, field, left, refusal, write};
use crate::support::server::Stop;
use crate::support::{Builder, Reply, Server, bulk, int, wait_until};

/// Of each logout two things are written, which lie on other nodes for other users and rooms.
const LAYOUT: &str = r#"{ "name": "retry", "separator": ":",
    "traces": [ { "key": "sockets:{userId}" }, { "key": "data:{socketId}", "owner": "/user" }, { "key": "typing:{roomId}:{userId}" } ],
    "sockets": { "of": "sockets:{userId}", "data": "data:{socketId}", "room": "/room" },
    "then": [ { "for": "user", "command": ["INCR", "left:{userId}"] },
              { "for": "room", "command": ["INCR", "leavings:{roomId}"] } ] }"#;

/// So many users.
const USERS: i64 = 40;

fn builder() -> Builder {
    Server::builder().option("cluster-timeout", "300").layout(LAYOUT).append_only()
}

/// The users write their keys, each of which lies somewhere.
fn fill(nodes: &[Server]) {
    for user in 0..USERS {
        write(nodes, &["SET", &format!("sockets:u{user}"), &format!("s{user}")]);
        write(nodes, &["SET", &format!("data:s{user}"), &format!(r#"{{"user":"u{user}","room":"den{user}"}}"#)]);
        write(nodes, &["SET", &format!("typing:hall:u{user}"), "1"]);
    }
}

/// Logs all out, one after another. Nobody's logout is complete without the node that is down: it may have some of anybody's.
fn log_out_without(node: &Server, down: &str) {
    for user in 0..USERS {
        let text = refusal(&node.run(&format!("SESSION.LOGOUT u{user}")));
        assert!(text.starts_with("PARTIAL ") && text.contains(down), "{text}");
        assert!(text.ends_with("they are asked again for 60 seconds"), "{text}");
    }
    assert_eq!(field(node, "session_cluster_pending"), USERS);
}

/// What is kept under a key, wherever it lies.
fn get(nodes: &[Server], key: &str) -> Option<Reply> {
    nodes.iter().map(|node| node.cmd(["GET", key])).find(|reply| !reply.is_error())
}

#[test]
fn all_is_gone_and_written_without_a_second_call() {
    let mut nodes = cluster_of(builder());
    fill(&nodes);
    let address = format!("127.0.0.1:{}", nodes[2].port());
    nodes[2].stop(Stop::Kill);
    log_out_without(&nodes[0], &address);
    let keys = |node: &Server| node.must("DBSIZE").as_int();
    nodes[2].start_again();
    wait_until("all are complete", || field(&nodes[0], "session_cluster_pending") == 0);
    assert_eq!(field(&nodes[0], "session_cluster_completed_late"), USERS);
    assert_eq!(field(&nodes[0], "session_cluster_given_up"), 0);
    for user in 0..USERS {
        assert_eq!(left(&nodes, &format!("u{user}")), 0);
        for key in [format!("left:u{user}"), format!("leavings:den{user}")] {
            assert_eq!(get(&nodes, &key), Some(bulk("1")), "{key} is written once");
        }
    }
    assert_eq!(get(&nodes, "leavings:hall"), Some(bulk(USERS.to_string())));
    assert_eq!(nodes.iter().map(keys).sum::<i64>(), 2 * USERS + 1, "nothing else is left");
    assert!(nodes[0].log().contains("a logout is complete after all user=u0"));
}

#[test]
fn whoever_has_logged_in_again_is_left_alone() {
    let mut nodes = cluster_of(builder());
    fill(&nodes);
    let address = format!("127.0.0.1:{}", nodes[2].port());
    nodes[2].stop(Stop::Kill);
    log_out_without(&nodes[0], &address);
    nodes[2].start_again();
    // Before it is asked again, or after: a session that was begun since goes by no logout of before.
    for user in 0..USERS {
        let (mapping, data) = (format!("sockets:u{user}"), format!("data:n{user}"));
        let to = |key: &str, value: &str| {
            wait_until("the node takes writes", || {
                nodes.iter().any(|node| node.cmd(["SET", key, value]) == crate::support::ok())
            });
        };
        to(&mapping, &format!("n{user}"));
        to(&data, &format!(r#"{{"user":"u{user}","room":"den"}}"#));
    }
    wait_until("nobody is asked any more", || field(&nodes[0], "session_cluster_pending") == 0);
    for user in 0..USERS {
        let (mapping, data) = (format!("sockets:u{user}"), format!("data:n{user}"));
        assert_eq!(get(&nodes, &mapping), Some(bulk(format!("n{user}"))));
        assert!(get(&nodes, &data).is_some_and(|data| data != Reply::Nil), "{data}");
    }
    let ends = field(&nodes[0], "session_cluster_completed_late") + field(&nodes[0], "session_cluster_given_up");
    assert_eq!(ends, USERS);
}

#[test]
fn a_replica_that_takes_over_gets_the_part() {
    let builder = builder().config("cluster-enabled yes").config("cluster-node-timeout 1000");
    let masters: Vec<Server> = (0..3).map(|_| builder.clone().start()).collect();
    let mut nodes = Builder::join(masters);
    let replica = builder.start();
    replica.join_as_replica_of(&nodes[2]);
    replica.wait_for_cluster(4);
    // When it got all data, nobody had logged in yet whom it does not know of.
    std::thread::sleep(std::time::Duration::from_millis(800));
    fill(&nodes);
    wait_until("all nodes know all", || nodes.iter().all(|node| !node.run("SESSION.INSPECT u1").is_error()));
    replica.catch_up_with(&nodes[2]);
    // What it has not read yet may be a login of this moment, as far as it knows.
    wait_until("it has read what was written", || field(&replica, "session_pending_keys") == 0);
    std::thread::sleep(std::time::Duration::from_millis(800));
    nodes[2].stop(Stop::Kill);
    let text = refusal(&nodes[0].run("SESSION.LOGOUT u1"));
    assert!(text.ends_with("they are asked again for 60 seconds"), "{text}");
    wait_until("the replica is promoted", || replica.info("replication")["role"] == "master");
    wait_until("it is complete", || field(&nodes[0], "session_cluster_completed_late") == 1);
    assert_eq!(left(&nodes[..2], "u1") + left(std::slice::from_ref(&replica), "u1"), 0);
    assert_eq!(nodes[0].run("SESSION.LOGOUT u1"), int(0));
}
