//! Calls on a cluster whose slots are on their way from node to node.

use super::{
    SECOND,
    cluster::{answers, cluster, deliver, id, left, refusal, three},
};
use crate::{
    ask::moving,
    fake::{Answer, World},
    peers,
    ports::NodeId,
};

/// Moves a string from one node to another, with its slot.
fn migrate(nodes: &[World], key: &str, from: usize, to: usize) {
    nodes[from].enter(moving::keys_leave);
    nodes[from].run(&format!("DEL {key}"));
    nodes[from].fake.serve_elsewhere(key);
    nodes[to].fake.serve_here(key);
    nodes[to].run(&format!("SET {key} 1"));
}

/// Each node gets what was sent to it until now, if `wanted` says so of its number.
fn post(nodes: &[World], wanted: impl Fn(usize) -> bool) {
    let number = |to: &NodeId| usize::from(to[0] - b'a');
    let mut mail = Vec::new();
    for (from, node) in nodes.iter().enumerate() {
        let all = std::mem::take(&mut *node.fake.mail.borrow_mut());
        let (posted, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(to, _)| wanted(number(to)));
        *node.fake.mail.borrow_mut() = rest;
        mail.extend(posted.into_iter().map(|(to, bytes)| (from, number(&to), bytes)));
    }
    for (from, to, bytes) in mail {
        nodes[to].enter(|ask| peers::received(ask, &id(from), &bytes));
        nodes[to].settle();
    }
}

#[test]
fn what_arrives_where_it_was_asked_for_and_has_left_where_it_is_asked_for_later_goes_all_the_same() {
    for (key, from, to) in [("typing:c:ann", 2, 1), ("user_activity:ann", 1, 2)] {
        let nodes = three();
        nodes[0].run("SESSION.LOGOUT ann");
        post(&nodes, |node| node == to);
        migrate(&nodes, key, from, to);
        deliver(&nodes, 1);
        assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(5)], 0), "{key}");
    }
}

#[test]
fn what_left_for_the_node_that_is_called_is_gone_all_the_same() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    // Its own part is done, and the others are asked for theirs.
    migrate(&nodes, "typing:c:ann", 2, 0);
    deliver(&nodes, 1);
    assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(5)], 0));
}

#[test]
fn what_is_here_before_its_slot_is_waited_for() {
    let nodes = three();
    nodes[1].fake.receives_slots.set(true);
    nodes[1].run("SET typing:late:ann 1");
    nodes[1].fake.serve_elsewhere("typing:late:ann");
    nodes[0].run("SESSION.LOGOUT ann");
    for _ in 0..10 {
        deliver(&nodes, 1);
        nodes[0].live(SECOND / 50);
    }
    assert_eq!((answers(&nodes[0]), left(&nodes)), (Vec::new(), 1));
    nodes[1].fake.serve_here("typing:late:ann");
    nodes[0].live(SECOND / 50);
    deliver(&nodes, 1);
    assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(6)], 0));
}

#[test]
fn what_does_not_come_in_time_is_named_and_a_second_call_completes() {
    for key in ["typing:late:ann", "active_users"] {
        let nodes = three();
        nodes[1].fake.receives_slots.set(true);
        nodes[1].run(if key == "active_users" { "SADD active_users ann" } else { "SET typing:late:ann 1" });
        nodes[1].fake.serve_elsewhere(key);
        nodes[0].run("SESSION.LOGOUT ann");
        for _ in 0..150 {
            deliver(&nodes, 1);
            nodes[0].live(SECOND / 100);
        }
        let text = refusal(&nodes[0]);
        assert!(
            text.starts_with("PARTIAL ") && text.contains("node 1 (ERR traces of the user are on their way"),
            "{text}"
        );
        nodes[1].fake.serve_here(key);
        nodes[0].run("SESSION.LOGOUT ann");
        deliver(&nodes, 1);
        assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(1)], 0));
    }
}

#[test]
fn what_a_node_holds_that_receives_no_slots_is_nobodys() {
    let nodes = three();
    nodes[1].run("SET typing:old:ann 1");
    nodes[1].fake.serve_elsewhere("typing:old:ann");
    nodes[0].run("SESSION.LOGOUT ann");
    deliver(&nodes, 1);
    assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(5)], 1));
}

#[test]
fn a_device_is_not_taken_for_the_last_while_the_data_of_another_is_on_its_way() {
    let data = |socket: &str| format!(r#"SET socket_data:{socket} {{"userId":"ann"}}"#);
    let nodes = cluster(&[&["user_status:ann"], &[], &[]]);
    let other = ["socket_data:s2", "socket_data:s1"];
    for node in &nodes {
        for key in other {
            node.fake.serve_elsewhere(key);
        }
    }
    nodes[0].fake.serve_here("socket_data:s1");
    nodes[0].run(&data("s1"));
    nodes[2].fake.serve_here("socket_data:s2");
    nodes[2].run(&data("s2"));
    nodes[0].run("SESSION.LOGOUT ann SOCKET s1");
    post(&nodes, |node| node == 1);
    nodes[2].enter(moving::keys_leave);
    nodes[2].fake.serve_elsewhere("socket_data:s2");
    nodes[2].run("DEL socket_data:s2");
    nodes[1].fake.serve_here("socket_data:s2");
    nodes[1].run(&data("s2"));
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(1)]);
    assert_eq!(nodes[0].fake.names(), ["user_status:ann"], "she is still there by her other device");
}

#[test]
fn a_master_that_came_while_the_others_were_asked_is_asked_too() {
    let nodes = three();
    let newcomer = nodes[0].fake.peers.borrow_mut().pop();
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[0].fake.peers.borrow_mut().extend(newcomer);
    deliver(&nodes, 1);
    assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(5)], 0));
}

#[test]
fn the_node_that_is_called_writes_nothing_while_its_clients_are_paused() {
    for resumes in [true, false] {
        let nodes = three();
        // What a part is about is asked for first.
        nodes[0].run("SESSION.LOGOUT ann WHERE roomId a");
        nodes[0].fake.is_paused.set(true);
        deliver(&nodes, 1);
        nodes[0].live(SECOND / 2);
        assert_eq!((answers(&nodes[0]), left(&nodes)), (Vec::new(), 5));
        if resumes {
            nodes[0].fake.is_paused.set(false);
            nodes[0].live(SECOND / 50);
            deliver(&nodes, 1);
            assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(1)], 4));
        } else {
            nodes[0].live(SECOND);
            assert!(refusal(&nodes[0]).contains("clients are paused"));
            assert_eq!((left(&nodes), nodes[0].fake.take_sent().len()), (5, 0));
        }
    }
}

#[test]
fn others_are_told_when_the_pause_is_over() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[0].fake.is_paused.set(true);
    deliver(&nodes, 1);
    nodes[0].live(SECOND / 2);
    assert_eq!((answers(&nodes[0]), left(&nodes), nodes[0].fake.take_sent().len()), (Vec::new(), 0, 0));
    nodes[0].fake.is_paused.set(false);
    nodes[0].live(SECOND / 50);
    assert_eq!((answers(&nodes[0]), nodes[0].fake.take_sent().len()), (vec![Answer::Integer(5)], 1));
}

#[test]
fn nobody_is_swept_as_long_as_keys_may_be_on_their_way() {
    let nodes = three();
    let sweep = || {
        nodes[1].run("SESSION.SWEEP");
        for _ in 0..5 {
            deliver(&nodes, 1);
            for node in &nodes {
                node.live(SECOND / 10);
            }
        }
        answers(&nodes[1])
    };
    nodes[2].enter(moving::keys_leave);
    assert_eq!((sweep(), left(&nodes)), (vec![Answer::Integer(0)], 5));
    for node in &nodes {
        node.live(2 * SECOND);
    }
    assert_eq!((sweep(), left(&nodes)), (vec![Answer::Integer(2)], 0), "ann and bob");
}
