//! Sweeps in a cluster judge by what all nodes know.

use super::{
    SECOND,
    cluster::{answers, deliver, id, live, spread},
};
use crate::{
    fake::{Answer, World},
    layout::Layout,
    ports::Access,
    wire::{Errand, Message},
};

/// Whose sockets are told by the mapping alone: the data has no word of it.
const OPAQUE: &str = r#"{ "name": "opaque", "separator": ":",
    "traces": [ { "key": "status:{userId}" }, { "key": "in:{roomId}:{userId}" }, { "key": "map:{userId}" }, { "key": "data:{socketId}" } ],
    "sockets": { "of": "map:{userId}", "data": "data:{socketId}" },
    "then": [ { "for": "user", "command": ["INCR", "left:{userId}"] } ] }"#;

/// A layout in which a heartbeat of its own says who is live.
const HEARTBEAT: &str = r#"{ "name": "heartbeat", "separator": ":",
    "traces": [ { "key": "in:{roomId}:{userId}" } ], "live": [ { "key": "beat:{userId}" } ] }"#;

fn layout(text: &str) -> Layout {
    Layout::parse(text).expect("a layout")
}

fn sweep(nodes: &[World], line: &str) -> Vec<Answer> {
    nodes[1].run(line);
    deliver(nodes, 1);
    live(nodes, SECOND / 2);
    answers(&nodes[1])
}

/// What each node holds.
fn names(nodes: &[World]) -> Vec<String> {
    nodes.iter().map(|node| node.fake.names().join(" ")).collect()
}

/// Ann is live: the mapping is on the first node, the data on the second, a trace on the third. Bob's data is gone, and eve has
/// nothing but a trace.
fn opaque() -> Vec<World> {
    let keys: [&[(&str, &str)]; 3] = [
        &[("map:ann", "s1"), ("map:bob", "s2"), ("in:den:eve", "1"), ("map:eve", "")],
        &[("data:s1", "x"), ("status:bob", "1"), ("left:bob", "0"), ("data:s3", "")],
        &[("status:ann", "1"), ("left:eve", "0"), ("data:s2", "")],
    ];
    spread(&keys, || layout(OPAQUE), &["fence", "0"])
}

#[test]
fn who_is_live_by_what_several_nodes_know_together_stays_and_others_go_from_all() {
    let nodes = opaque();
    assert_eq!(sweep(&nodes, "SESSION.SWEEP DRYRUN"), [Answer::Integer(2)]);
    let shown = sweep(&nodes, "SESSION.SWEEP DRYRUN WITHTRACES");
    let [Answer::Array(maps)] = &*shown else { panic!("maps, not {shown:?}") };
    assert_eq!(maps.len(), 2);
    assert_eq!(sweep(&nodes, "SESSION.SWEEP"), [Answer::Integer(2)]);
    let left = ["map:ann", "data:s1 left:bob", "left:eve status:ann"];
    assert_eq!(names(&nodes), left);
    let told: Vec<_> = nodes.iter().flat_map(|node| node.fake.take_sent()).collect();
    assert_eq!(told.len(), 2, "others are told of each once: {told:?}");
    let counts = [(1, "left:bob"), (2, "left:eve")].map(|(node, key)| nodes[node].run(&format!("GET {key}")));
    assert_eq!(counts, ["1", "1"].map(|text| Answer::Bytes(text.into())), "the layout's commands are carried out once");
    assert_eq!(sweep(&nodes, "SESSION.SWEEP"), [Answer::Integer(0)]);
}

#[test]
fn a_limit_is_that_of_all_nodes_and_a_grace_counts_from_when_it_was_noticed() {
    let nodes = opaque();
    assert_eq!(sweep(&nodes, "SESSION.SWEEP GRACE 10"), [Answer::Integer(0)]);
    live(&nodes, 10 * SECOND);
    assert_eq!(sweep(&nodes, "SESSION.SWEEP GRACE 10 LIMIT 1"), [Answer::Integer(1)]);
    assert_eq!(sweep(&nodes, "SESSION.SWEEP GRACE 10 LIMIT 5"), [Answer::Integer(1)]);
    assert_eq!(names(&nodes), ["map:ann", "data:s1 left:bob", "left:eve status:ann"]);
}

#[test]
fn whoever_comes_back_within_the_grace_or_before_the_removal_stays() {
    let nodes = opaque();
    assert_eq!(sweep(&nodes, "SESSION.SWEEP GRACE 10"), [Answer::Integer(0)]);
    nodes[0].run("SET map:bob s3");
    nodes[1].run("SET data:s3 x");
    live(&nodes, 10 * SECOND);
    assert_eq!(sweep(&nodes, "SESSION.SWEEP GRACE 10"), [Answer::Integer(1)], "eve alone");
    assert_eq!(names(&nodes), ["map:ann map:bob", "data:s1 data:s3 left:bob status:bob", "left:eve status:ann"]);

    // All have said what they know, and before they are told to remove it, something is written.
    let nodes = opaque();
    nodes[0].run("SESSION.SWEEP LIMIT 5");
    let mut writes = 0;
    for _ in 0..50 {
        nodes.iter().for_each(World::settle);
        for (from, node) in nodes.iter().enumerate() {
            for (to, bytes) in std::mem::take(&mut *node.fake.mail.borrow_mut()) {
                let at = usize::from(to[0] - b'a');
                let message = Message::decode(&bytes).expect("a message");
                let reaps =
                    matches!(message, Message::Request(_, request) if matches!(request.errand, Errand::Reap(_)));
                if reaps && at == 1 {
                    nodes[1].run("SET in:hall:bob 1");
                    nodes[0].run("SET map:bob s3");
                    nodes[1].run("SET data:s3 x");
                    writes += 1;
                }
                nodes[at].enter(|ask| crate::peers::received(ask, &id(from), &bytes));
            }
        }
    }
    assert!(writes > 0);
    live(&nodes, SECOND);
    assert_eq!(
        names(&nodes),
        ["map:ann map:bob", "data:s1 data:s3 in:hall:bob left:bob status:bob", "left:eve status:ann"]
    );
}

#[test]
fn a_logout_that_is_refused_after_others_have_begun_says_what_is_missing_and_is_told_all_the_same() {
    let keys: [&[(&str, &str)]; 2] = [&[("data:s1", "x"), ("left:ann", "")], &[("map:ann", "s1"), ("status:ann", "1")]];
    let nodes = spread(&keys, || layout(OPAQUE), &["fence", "0"]);
    // The first node learns from the second that the data is ann's.
    nodes[0].fake.forbid_now("data:s1", Access::Delete);
    nodes[0].run("SESSION.LOGOUT ann");
    deliver(&nodes, 1);
    let Some(Answer::Error(text)) = answers(&nodes[0]).pop() else { panic!("a refusal") };
    assert!(text.starts_with("PARTIAL the part of these nodes is missing: this node (NOPERM "), "{text}");
    assert_eq!(names(&nodes), ["data:s1 left:ann", ""]);
    assert_eq!(nodes[0].fake.take_sent().len(), 1);
}

#[test]
fn a_heartbeat_on_another_node_keeps_somebody() {
    let keys: [&[(&str, &str)]; 2] =
        [&[("in:den:ann", "1"), ("in:den:bob", "1")], &[("beat:ann", "1"), ("beat:bob", "")]];
    let nodes = spread(&keys, || layout(HEARTBEAT), &[]);
    assert_eq!(sweep(&nodes, "SESSION.SWEEP"), [Answer::Integer(1)]);
    assert_eq!(names(&nodes), ["in:den:ann", "beat:ann"]);
}

#[test]
fn without_a_word_of_every_node_nobody_is_judged() {
    let nodes = opaque();
    nodes[2].fake.is_cut_off.set(true);
    nodes[1].run("SESSION.SWEEP");
    for _ in 0..30 {
        for node in &nodes {
            node.live(SECOND / 10);
        }
        for node in &nodes {
            node.fake.mail.borrow_mut().retain(|(to, _)| *to != id(2));
        }
        deliver(&nodes, 1);
    }
    let Some(Answer::Error(text)) = answers(&nodes[1]).pop() else { panic!("a refusal") };
    assert!(text.contains("ERR a sweep judges by what all nodes know, and these are missing: node 2 ("), "{text}");
    assert_eq!(names(&nodes), names(&opaque()), "nothing has changed");
}

#[test]
fn the_servers_own_sweeps_and_the_cascade_ask_all_too() {
    let nodes = spread(
        &[
            vec![("map:ann", "s1"), ("map:bob", "s2")],
            vec![("data:s1", "x"), ("status:bob", "1"), ("left:bob", "")],
            vec![("status:ann", "1"), ("data:s2", "")],
        ],
        || layout(OPAQUE),
        &["fence", "0", "sweep-interval", "1", "grace", "0"],
    );
    live(&nodes, 3 * SECOND);
    assert_eq!(names(&nodes), ["map:ann", "data:s1 left:bob", "status:ann"]);

    let nodes = spread(
        &[
            vec![("map:ann", "s1"), ("data:s9", ""), ("in:den:eve", "1"), ("map:eve", "")],
            vec![("data:s1", "x"), ("left:bob", ""), ("status:bob", "")],
            vec![("status:ann", "1"), ("in:den:ann", "1"), ("map:bob", "s9"), ("left:ann", "")],
        ],
        || layout(OPAQUE),
        &["fence", "0", "expire-cascade", "yes", "grace", "1"],
    );
    live(&nodes, SECOND);
    nodes[0].run("PEXPIRE map:ann 100");
    live(&nodes, 4 * SECOND);
    assert_eq!(names(&nodes), ["in:den:eve", "data:s1", "left:ann map:bob"], "whose mapping ended, and nobody else");
}

#[test]
fn the_cascade_judges_somebody_again_whom_not_all_could_judge() {
    let nodes = spread(
        &[vec![("map:ann", "s1")], vec![("in:den:ann", "1"), ("data:s1", ""), ("left:ann", "")]],
        || layout(OPAQUE),
        &["fence", "0", "expire-cascade", "yes", "grace", "0"],
    );
    live(&nodes, SECOND);
    nodes[0].fake.is_cut_off.set(true);
    nodes[0].run("PEXPIRE map:ann 100");
    for _ in 0..30 {
        for node in &nodes {
            node.live(SECOND / 10);
        }
    }
    assert_eq!(names(&nodes), ["", "in:den:ann"]);
    nodes[0].fake.is_cut_off.set(false);
    live(&nodes, 4 * SECOND);
    assert_eq!(names(&nodes), ["", "left:ann"]);
}

#[test]
fn a_mapping_that_is_no_trace_does_not_keep_others_from_sweeping() {
    let layout = || {
        let text = r#"{ "name": "apart", "separator": ":",
            "traces": [ { "key": "in:{roomId}:{userId}" }, { "key": "data:{socketId}", "owner": "/user" } ],
            "sockets": { "of": "map:{userId}", "data": "data:{socketId}" } }"#;
        Layout::parse(text).expect("a layout")
    };
    let keys: [&[(&str, &str)]; 2] = [&[("map:ann", "s1")], &[("in:den:ann", "1"), ("data:s1", "")]];
    let nodes = spread(&keys, layout, &["fence", "0"]);
    assert_eq!(sweep(&nodes, "SESSION.SWEEP"), [Answer::Integer(1)]);
    assert_eq!(names(&nodes)[1], "");
}

#[test]
fn a_socket_is_fenced_off_where_its_data_would_be_written() {
    let nodes =
        spread(&[vec![("user_socket:ann", "s1")], vec![("socket_data:s1", "")]], Layout::easyshare, &["fence", "60"]);
    nodes[0].run("SESSION.LOGOUT ann");
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(1)]);
    nodes[1].run(r#"SET socket_data:s1 {"userId":"ann"}"#);
    live(&nodes, SECOND);
    assert_eq!(names(&nodes), ["", ""]);
}
