//! Calls on a whole cluster, whose nodes are worlds of their own, and whose bus is the test.

use std::time::Duration;

use super::SECOND;
use crate::{
    fake::{Answer, Fake, World},
    layout::Layout,
    peers,
    ports::{NodeId, Peer},
    wire::{Message, Refusal},
};

/// The name of the node of that number.
pub(super) fn id(number: usize) -> NodeId {
    [b'a' + u8::try_from(number).expect("there are few"); 40]
}

/// A cluster of nodes that hold these keys.
pub(super) fn cluster(keys: &[&[&'static str]]) -> Vec<World> {
    let keys: Vec<Vec<(&'static str, &'static str)>> =
        keys.iter().map(|keys| keys.iter().map(|key| (*key, "1")).collect()).collect();
    spread(&keys, Layout::easyshare, &["fence", "0"])
}

/// A cluster of nodes that hold these keys. A key without a value is only served there.
pub(super) fn spread<K: AsRef<[(&'static str, &'static str)]>>(
    keys: &[K],
    layout: impl Fn() -> Layout,
    arguments: &[&str],
) -> Vec<World> {
    let node = |number: usize| {
        let others = (0..keys.len()).filter(|other| *other != number);
        // What others hold is served there.
        let elsewhere = others.clone().flat_map(|other| keys[other].as_ref());
        let fake = elsewhere.fold(Fake::default(), |fake, (key, _)| fake.elsewhere(key));
        let own = keys[number].as_ref().iter().filter(|(_, value)| !value.is_empty());
        let fake = own.fold(fake, |fake, (key, value)| fake.string(key, value));
        let peers = others.map(|other| Peer { id: id(other), address: format!("node {other}") });
        *fake.peers.borrow_mut() = peers.collect();
        fake.id.set(id(number));
        let world = World::on(fake, layout(), arguments);
        world.settle();
        world
    };
    (0..keys.len()).map(node).collect()
}

pub(super) fn three() -> Vec<World> {
    cluster(&[
        &["user_status:ann", "typing:a:ann"],
        &["user_activity:ann", "typing:b:ann", "typing:b:bob"],
        &["typing:c:ann"],
    ])
}

/// Each node gets what was sent to it, `times` times, until nobody says anything more.
pub(super) fn deliver(nodes: &[World], times: usize) {
    loop {
        let mut mail = Vec::new();
        for (from, node) in nodes.iter().enumerate() {
            mail.extend(node.fake.mail.borrow_mut().drain(..).map(|(to, bytes)| (from, to, bytes)));
        }
        if mail.is_empty() {
            return;
        }
        for (from, to, bytes) in mail {
            let node = &nodes[usize::from(to[0] - b'a')];
            for _ in 0..times {
                node.enter(|ask| peers::received(ask, &id(from), &bytes));
            }
            node.settle();
        }
    }
}

/// Time passes on all nodes, and they hear each other.
pub(super) fn live(nodes: &[World], time: Duration) {
    const STEP: Duration = Duration::from_millis(100);
    for _ in 0..time.as_millis() / STEP.as_millis() {
        for node in nodes {
            node.live(STEP);
        }
        deliver(nodes, 1);
    }
}

/// What clients of a node got who waited.
pub(super) fn answers(node: &World) -> Vec<Answer> {
    node.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect()
}

pub(super) fn refusal(node: &World) -> String {
    match &*answers(node) {
        [Answer::Error(text)] => text.clone(),
        other => panic!("one refusal, not {other:?}"),
    }
}

/// What is left of ann's on all nodes.
pub(super) fn left(nodes: &[World]) -> usize {
    nodes.iter().flat_map(|node| node.fake.names()).filter(|name| name.ends_with("ann")).count()
}

#[test]
fn all_do_their_part_once_however_often_they_hear_of_it() {
    for times in [1, 3] {
        let nodes = three();
        assert!(matches!(nodes[1].run("SESSION.LOGOUT ann"), Answer::Waits(_)));
        deliver(&nodes, times);
        assert_eq!((answers(&nodes[1]), left(&nodes)), (vec![Answer::Integer(5)], 0));
        assert_eq!(nodes[1].fake.names(), ["typing:b:bob"]);
        let told: usize = nodes.iter().map(|node| node.fake.take_sent().len()).sum();
        assert_eq!(told, 1, "others are told once");
    }
}

#[test]
fn an_answer_that_comes_too_late_is_dropped_and_a_second_call_completes() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[0].live(2 * SECOND);
    let text = refusal(&nodes[0]);
    assert!(text.contains("node 1 (no answer within 1000 ms") && text.contains("node 2 (no answer"), "{text}");
    deliver(&nodes, 1);
    nodes[0].live(2 * SECOND);
    assert_eq!((answers(&nodes[0]), left(&nodes)), (Vec::new(), 0), "the late part was done, and nobody waits for it");
    nodes[0].run("SESSION.LOGOUT ann");
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(0)]);
}

#[test]
fn connections_are_hurried_once_and_again_if_answers_are_late() {
    let nodes = three();
    let hurried = || nodes.iter().map(|node| node.fake.hurried.get()).collect::<Vec<_>>();
    let call = |late: Duration| {
        nodes[0].run("SESSION.LOGOUT ann");
        for node in &nodes {
            node.fake.pass(late);
        }
        deliver(&nodes, 1);
        assert_eq!(answers(&nodes[0]).len(), 1);
    };
    call(Duration::ZERO);
    assert_eq!(hurried(), [1; 3], "they are new");
    call(Duration::from_millis(40));
    assert_eq!(hurried(), [1; 3], "not so soon again");
    for node in &nodes {
        node.fake.pass(2 * SECOND);
    }
    call(Duration::ZERO);
    assert_eq!(hurried(), [1, 2, 2], "the others heard that answers were late, and their answers were not now");
    call(Duration::from_millis(40));
    assert_eq!(hurried(), [2; 3]);
}

#[test]
fn a_call_ends_in_time_and_not_before() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[0].live(SECOND * 9 / 10);
    assert!(answers(&nodes[0]).is_empty());
    nodes[0].live(SECOND * 2 / 10);
    assert_eq!(answers(&nodes[0]).len(), 1);
}

#[test]
fn who_says_that_it_is_at_work_has_more_time() {
    let nodes = cluster(&[&[], &["user_activity:ann", "typing:b:bob"], &["typing:c:ann"]]);
    nodes[0].run("SESSION.SWEEP");
    let mail = std::mem::take(&mut *nodes[0].fake.mail.borrow_mut());
    for (to, bytes) in mail {
        let node = &nodes[usize::from(to[0] - b'a')];
        node.enter(|ask| peers::received(ask, &id(0), &bytes));
        // It takes the work up, and does not come to its end.
        node.enter(crate::work::soon);
    }
    for _ in 0..40 {
        nodes[1..].iter().for_each(World::cron);
        for (to, bytes) in nodes[1..].iter().flat_map(|node| std::mem::take(&mut *node.fake.mail.borrow_mut())) {
            assert!(matches!(Message::decode(&bytes), Ok(Message::Working(_))) && to == id(0));
            for from in 1..3 {
                nodes[0].enter(|ask| peers::received(ask, &id(from), &bytes));
            }
        }
        nodes[0].live(SECOND / 10);
        assert!(answers(&nodes[0]).is_empty());
    }
    nodes[1..].iter().for_each(World::settle);
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(2)], "each is counted once, whichever nodes have evidence");
}

#[test]
fn what_cannot_be_sent_waits_for_a_connection_for_some_time() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[1].fake.is_cut_off.set(true);
    deliver(&nodes, 1);
    nodes[1].live(SECOND / 2);
    assert!(answers(&nodes[0]).is_empty());
    nodes[1].fake.is_cut_off.set(false);
    nodes[1].live(SECOND / 10);
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(5)]);
    nodes[0].fake.is_cut_off.set(true);
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[0].live(SECOND / 5);
    nodes[0].fake.is_cut_off.set(false);
    nodes[0].live(SECOND / 10);
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(0)]);
    nodes[0].fake.is_cut_off.set(true);
    nodes[0].run("SESSION.LOGOUT ann");
    nodes[0].live(SECOND / 5);
    assert!(answers(&nodes[0]).is_empty());
    nodes[0].live(SECOND / 5);
    assert!(refusal(&nodes[0]).contains("node 1 (it is not connected), node 2 (it is not connected)"));
}

#[test]
fn a_node_whose_clients_are_paused_writes_nothing_and_says_so() {
    let nodes = three();
    nodes[1].fake.is_paused.set(true);
    nodes[0].run("SESSION.LOGOUT ann");
    deliver(&nodes, 1);
    assert!(answers(&nodes[0]).is_empty());
    nodes[1].live(2 * SECOND);
    deliver(&nodes, 1);
    assert!(refusal(&nodes[0]).contains("node 1 (ERR its clients are paused)"));
    nodes[1].fake.is_paused.set(false);
    nodes[1].live(SECOND);
    assert_eq!(left(&nodes), 2, "what was asked for then is not done later");
}

#[test]
fn a_node_that_cannot_do_its_part_says_why() {
    type Change = fn(&World);
    let table: [(&str, Change); 3] = [
        ("READONLY the server became a replica", |node| node.fake.is_replica.set(true)),
        ("CLUSTERDOWN", |node| node.fake.is_cluster_down.set(true)),
        ("MISCONF", |node| *node.fake.refuses.borrow_mut() = Some("MISCONF".to_owned())),
    ];
    for (expected, change) in table {
        let nodes = three();
        change(&nodes[2]);
        nodes[0].run("SESSION.LOGOUT ann");
        deliver(&nodes, 1);
        let text = refusal(&nodes[0]);
        assert!(text.contains(&format!("node 2 ({expected}")) && !text.contains("node 1"), "{text}");
        assert_eq!(left(&nodes), 1, "the others are done");
    }
}

#[test]
fn what_is_no_message_is_not_heard_and_another_version_is_named() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    let version = b"rses".len();
    let mail = std::mem::take(&mut *nodes[0].fake.mail.borrow_mut());
    for (to, mut bytes) in mail {
        let node = &nodes[usize::from(to[0] - b'a')];
        for end in 0..bytes.len() {
            node.enter(|ask| peers::received(ask, &id(0), &bytes[..end]));
        }
        node.settle();
        assert!(node.fake.mail.borrow().is_empty());
        bytes[version] += 1;
        node.enter(|ask| peers::received(ask, &id(0), &bytes));
    }
    deliver(&nodes, 1);
    let text = refusal(&nodes[0]);
    assert!(text.contains("node 1 (ERR it runs another version") && text.contains("node 2 (ERR it"), "{text}");
    assert_eq!(left(&nodes), 3);
}

#[test]
fn an_answer_of_a_node_that_was_not_asked_counts_for_nothing() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    let mail = nodes[0].fake.mail.borrow().clone();
    let Ok(Message::Request(call, _)) = Message::decode(&mail[0].1) else { panic!("a request") };
    let refused = Message::Answer(call, Err(Refusal::passing("by a stranger"))).encode();
    nodes[0].enter(|ask| peers::received(ask, &[b'z'; 40], &refused));
    let other = Message::Answer(call ^ 1, Err(Refusal::passing("to another call"))).encode();
    nodes[0].enter(|ask| peers::received(ask, &id(1), &other));
    deliver(&nodes, 1);
    assert_eq!(answers(&nodes[0]), [Answer::Integer(5)]);
}

#[cfg(feature = "faults")]
#[test]
fn a_defect_in_another_nodes_part_is_told_to_the_node_that_asked() {
    let nodes = three();
    nodes[0].run("SESSION.LOGOUT ann");
    let mail = std::mem::take(&mut *nodes[0].fake.mail.borrow_mut());
    let Ok(Message::Request(call, mut request)) = Message::decode(&mail[0].1) else { panic!("a request") };
    request.command[1] = b"fault-plan".to_vec();
    nodes[1].enter(|ask| peers::received(ask, &id(0), &Message::Request(call, request).encode()));
    nodes[1].settle();
    assert_eq!(nodes[1].module.defects(), 1);
    let answered = Message::Answer(call, Err(crate::error::Error::Defect.into()));
    assert_eq!(*nodes[1].fake.mail.borrow(), [(id(0), answered.encode())]);
}
