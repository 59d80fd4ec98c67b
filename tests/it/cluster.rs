//! In a cluster every node cleans what it holds. What a call on all nodes does is in `cluster_fanout`.

use crate::support::reply::{bulk, int};
use crate::support::{Model, Reply, Server, error};

const ONE_SLOT: &str = "ERR in this transaction or script the cluster node shows only keys of one hash slot; call the command by itself, or in one that names no key";

/// The words of ann and bob that [`fill`] writes: a command and its key.
const DATA: [(&str, &str, &str); 14] = [
    ("SET", "user_socket:ann", "s1"),
    ("SET", "user_status:ann", "busy"),
    ("SET", "user_presence:ann", "online"),
    ("SET", "typing:den:ann", "1"),
    ("SET", "typing:hall:ann", "1"),
    ("SET", "typing:loft:ann", "1"),
    ("SET", "socket_data:s1", r#"{"userId":"ann","roomId":"den"}"#),
    ("SET", "socket_data:s2", r#"{"userId":"ann","roomId":"hall"}"#),
    ("SADD", "active_users", "ann"),
    ("SET", "room:den", r#"{"participants":[{"userId":"ann"},{"userId":"bob"}]}"#),
    ("SET", "room:hall", r#"{"participants":[{"userId":"ann"}]}"#),
    ("SET", "user_socket:bob", "s3"),
    ("SET", "typing:den:bob", "1"),
    ("SET", "socket_data:s3", r#"{"userId":"bob","roomId":"den"}"#),
];

/// Writes each key to the node that holds its slot.
fn fill(nodes: &[Server]) {
    for (command, key, value) in DATA {
        let written = nodes.iter().filter(|node| !node.cmd([command, key, value]).is_error()).count();
        assert_eq!(written, 1, "one node takes {key}");
    }
}

/// Logs `user` out on every node, on each for itself. Each node is held against the model of what it holds; the sum is returned.
fn log_out_everywhere(nodes: &[Server], user: &str) -> i64 {
    let log_out = |node: &Server| {
        let before = node.snapshot();
        let (layout, keys) = (node.layout(), before.database(0));
        let model = Model::new(&layout, &keys);
        let plan = model.logout(user.as_bytes());
        let reply = node.cmd(["SESSION.LOGOUT", user, "LOCAL", "WITHTRACES"]);
        assert_eq!(reply, crate::support::model::plan::flat(plan.map()));
        before.clone().with_database(0, model.after(&plan)).assert_matches(&node.snapshot());
        plan.removed()
    };
    nodes.iter().map(log_out).sum()
}

#[test]
fn one_node_with_all_slots_logs_out_across_them() {
    let nodes = Server::builder().start_cluster(1);
    fill(&nodes);
    assert_eq!(nodes[0].must("SESSION.INSPECT ann").field("removed"), int(11));
    assert_eq!(log_out_everywhere(&nodes, "ann"), 11);
    assert_eq!(nodes[0].run("SESSION.LOGOUT ann"), int(0));
    assert_eq!(log_out_everywhere(&nodes, "bob"), 4);
}

#[test]
fn several_nodes_remove_everything_together() {
    let nodes = Server::builder().start_cluster(3);
    fill(&nodes);
    let used = nodes.iter().filter(|node| node.run("DBSIZE") != int(0)).count();
    assert_eq!(used, 3, "the data lies on all nodes");
    assert_eq!(log_out_everywhere(&nodes, "ann"), 11);
    assert_eq!(log_out_everywhere(&nodes, "ann"), 0);
    assert_eq!(log_out_everywhere(&nodes, "bob"), 4);
}

#[test]
fn hash_tags_keep_a_user_together() {
    let nodes = Server::builder().layout(include_str!("../layouts/workspace.json")).start_cluster(2);
    let commands = [
        ["SADD", "user:{ann}:devices", "s1"],
        ["SET", "user:{ann}:draft:1", "text"],
        ["SADD", "user:{ann}:rooms", "s1"],
        ["SET", "user:{ann}:draft:2", "text"],
        ["SET", "user:{bob}:draft:1", "text"],
    ];
    for command in commands {
        assert_eq!(nodes.iter().filter(|node| !node.cmd(command).is_error()).count(), 1);
    }
    let removed: Vec<_> = nodes.iter().map(|node| node.run("SESSION.LOGOUT ann LOCAL").as_int()).collect();
    assert!(removed == [4, 0] || removed == [0, 4], "{removed:?}");
}

#[test]
fn transactions_and_scripts_log_out_across_slots() {
    let nodes = Server::builder().start_cluster(1);
    fill(&nodes);
    let node = &nodes[0];
    let before = node.snapshot();
    node.script("MULTI\nGET {x}a\nSESSION.LOGOUT ann");
    let reply = node.must("EXEC").items()[1].clone();
    // Since they keep a table for each slot, servers show a transaction only keys of the slot that it names.
    if reply.is_error() {
        assert_eq!(reply, error(ONE_SLOT));
        before.assert_matches(&node.snapshot());
        node.script("MULTI\nSESSION.LOGOUT ann");
        assert_eq!(node.must("EXEC").items()[0], int(11));
    } else {
        assert_eq!(reply, int(11));
    }
    let reply = node.cmd(["EVAL", "return redis.call('SESSION.LOGOUT', 'bob')", "0"]);
    assert_eq!(reply, int(4));
}

#[test]
fn the_append_only_file_of_a_node_is_read_without_the_module() {
    let mut nodes = Server::builder().append_only().start_cluster(1);
    fill(&nodes);
    assert_eq!(log_out_everywhere(&nodes, "ann"), 11);
    let before = nodes[0].snapshot();
    nodes[0].restart_with(crate::support::server::Stop::Kill, crate::support::Builder::without_module);
    nodes[0].wait_for_cluster(1);
    before.assert_matches(&nodes[0].snapshot());
}

#[test]
fn a_node_that_holds_nothing_of_the_user_answers_0() {
    let nodes = Server::builder().start_cluster(2);
    let set = ["SET", "user_status:ann", "busy"];
    let holder = nodes.iter().position(|node| !node.cmd(set).is_error()).expect("one node holds the key");
    assert_eq!(nodes[1 - holder].run("SESSION.LOGOUT ann LOCAL"), int(0));
    assert_ne!(nodes[1 - holder].run("SESSION.INSPECT ann LOCAL"), Reply::Nil);
    assert_eq!(nodes[holder].run("SESSION.LOGOUT ann LOCAL"), int(1));
}

#[test]
fn the_node_that_serves_a_key_explains_it_and_others_say_which_that_is() {
    let nodes = Server::builder().start_cluster(3);
    fill(&nodes);
    for (_, key, _) in DATA {
        let replies: Vec<Reply> = nodes.iter().map(|node| node.cmd(["SESSION.EXPLAIN", key])).collect();
        let of_the_server: Vec<Reply> = nodes.iter().map(|node| node.cmd(["EXISTS", key])).collect();
        for (reply, exists) in replies.iter().zip(of_the_server) {
            if exists.is_error() {
                assert_eq!(*reply, exists, "MOVED");
            } else {
                assert_eq!(reply.field("key"), bulk(key));
                assert!(!reply.field("traces").items().is_empty(), "{key}");
            }
        }
        assert_eq!(replies.iter().filter(|reply| reply.is_error()).count(), 2);
    }
}

#[test]
fn an_explanation_looks_into_all_slots_of_the_node() {
    let nodes = Server::builder().start_cluster(1);
    let node = &nodes[0];
    fill(&nodes);
    let reply = node.must("SESSION.EXPLAIN room:den");
    let users = reply.field("traces").items()[0].field("users");
    let [ann, bob] = users.items() else { panic!("two users: {reply:?}") };
    for (user, name, socket) in [(ann, "ann", "socket s1"), (bob, "bob", "socket s3")] {
        assert_eq!((user.field("user"), user.field("live")), (bulk(name), int(1)));
        assert_eq!((user.field("by"), user.field("removed")), (bulk(socket), bulk("entries")));
    }
    node.script("MULTI\nSESSION.EXPLAIN room:den");
    assert_eq!(node.must("EXEC").items()[0], error(ONE_SLOT));
    let script = ["EVAL", "return redis.pcall('SESSION.EXPLAIN', KEYS[1])", "1", "room:den"];
    assert_eq!(node.cmd(script), error(ONE_SLOT));
    // With the rights of the one who asked.
    node.must("ACL SETUSER narrow on nopass +session.explain %R~room:*");
    let mut client = node.client();
    client.must("AUTH narrow any");
    let shown = client.must("SESSION.EXPLAIN room:den").field("traces").items()[0].field("users");
    assert!(shown.items().iter().all(|user| user.items().len() == 2), "{shown:?}");
    assert!(client.run("SESSION.EXPLAIN typing:den:ann").is_error());
}

/// Sweeps every node, each for itself. The sum of the answers.
fn sweep_everywhere(nodes: &[Server], call: &str) -> i64 {
    nodes.iter().map(|node| node.run(call).as_int()).sum()
}

/// Writes to the node that holds the key's slot.
fn write(nodes: &[Server], command: &[&str]) {
    let written = nodes.iter().filter(|node| !node.cmd(command).is_error()).count();
    assert_eq!(written, 1, "one node takes {command:?}");
}

#[test]
fn one_node_with_all_slots_sweeps_exactly() {
    let nodes = Server::builder().start_cluster(1);
    fill(&nodes);
    for command in [["DEL", "socket_data:s3"], ["SET", "typing:den:zoe"]] {
        nodes[0].cmd(command.iter().copied().chain((command[0] == "SET").then_some("1")));
    }
    assert_eq!(crate::support::sweep_exactly(&nodes[0]), 2);
}

#[test]
fn a_node_sweeps_only_users_whose_mapping_it_would_hold() {
    let nodes = Server::builder().start_cluster(3);
    fill(&nodes);
    // Ghosts whose every key lies on the node that would hold the mapping, and some whose keys are spread.
    for n in 0..60 {
        write(&nodes, &["SET", &format!("user_socket:{{g{n}}}"), "gone"]);
        write(&nodes, &["SET", &format!("typing:{{g{n}}}:{{g{n}}}"), "1"]);
        write(&nodes, &["SET", &format!("typing:den:h{n}"), "1"]);
    }
    // The users on each node whose mapping's slot it serves, as the servers themselves say.
    let serves = |node: &Server, user: &str| !node.cmd(["EXISTS", &format!("user_socket:{user}")]).is_error();
    let before: Vec<_> = nodes.iter().map(Server::snapshot).collect();
    let dry = sweep_everywhere(&nodes, "SESSION.SWEEP DRYRUN LOCAL");
    before.iter().zip(&nodes).for_each(|(before, node)| before.assert_matches(&node.snapshot()));
    assert_eq!(sweep_everywhere(&nodes, "SESSION.SWEEP LOCAL"), dry);
    assert_eq!(sweep_everywhere(&nodes, "SESSION.SWEEP LOCAL"), 0);
    for node in &nodes {
        let keys = crate::support::keys(&mut node.client());
        for n in 0..60 {
            let (ghost, typing) = (format!("h{n}"), format!("typing:den:h{n}"));
            if keys.contains(&typing) {
                assert!(!serves(node, &ghost), "{ghost} was not swept where the mapping would be");
            }
        }
    }
    // Ann and bob are live, though no node sees all of them.
    let left = |key: &str| nodes.iter().any(|node| node.cmd(["EXISTS", key]) == int(1));
    for (_, key, _) in DATA {
        assert!(left(key), "{key}");
    }
}

#[test]
fn a_cluster_transaction_that_shows_one_slot_sweeps_nothing() {
    let nodes = Server::builder().start_cluster(1);
    let node = &nodes[0];
    node.script("SADD active_users ghost\nMULTI\nGET {x}a\nSESSION.SWEEP");
    let reply = node.must("EXEC").items()[1].clone();
    if reply.is_error() {
        assert_eq!(reply, error(ONE_SLOT));
        node.script("MULTI\nSESSION.SWEEP");
        assert_eq!(node.must("EXEC").items()[0], int(1));
    } else {
        assert_eq!(reply, int(1));
    }
    assert_eq!(node.run("EXISTS active_users"), int(0));
}

#[test]
fn the_timer_and_the_cascade_of_a_node_leave_alone_what_it_cannot_judge() {
    let nodes = Server::builder().option("grace", "0").option("expire-cascade", "yes").start_cluster(3);
    fill(&nodes);
    for node in &nodes {
        // Not before: without a grace, half of a login is no session.
        node.must("CONFIG SET session.sweep-interval 1");
        let sweeps = || node.info("session")["session_sweeps"].parse::<i64>().expect("a number");
        let before = sweeps();
        crate::support::wait_until("it has swept", || node.run("DBSIZE") == int(0) || sweeps() > before + 1);
    }
    let left = |key: &str| nodes.iter().any(|node| node.cmd(["EXISTS", key]) == int(1));
    for (_, key, _) in DATA {
        assert!(left(key), "{key}");
    }
}

#[test]
fn a_node_judges_nobody_whose_sockets_or_signs_of_life_may_be_elsewhere() {
    let layouts = [
        r#"{ "name": "unmapped", "separator": ":", "traces": [
            { "key": "data:{socketId}", "owner": "/u" }, { "members": "online", "member": "{userId}" } ],
            "sockets": { "data": "data:{socketId}" } }"#,
        r#"{ "name": "signs", "separator": ":", "traces": [{ "members": "online", "member": "{userId}" }],
            "live": [{ "key": "beat:{userId}" }] }"#,
    ];
    for layout in layouts {
        let nodes = Server::builder().layout(layout).start_cluster(3);
        let on_its_node = |command: &str| nodes.iter().any(|node| !node.run(command).is_error());
        let users: Vec<String> = (0..12).map(|number| format!("u{number}")).collect();
        for user in &users {
            assert!(on_its_node(&format!("SADD online {user}")));
            assert!(on_its_node(&format!("SET data:s-{user} '{{\"u\":\"{user}\"}}'")));
            assert!(on_its_node(&format!("SET beat:{user} 1")));
        }
        for node in &nodes {
            assert_eq!(node.run("SESSION.SWEEP LOCAL"), int(0), "{layout}");
        }
        let online = nodes.iter().map(|node| node.run("SCARD online")).find(|count| !count.is_error());
        assert_eq!(online, Some(int(12)), "{layout}");
    }
}
