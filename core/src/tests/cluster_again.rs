//! Messages that are lost, and nodes that get their part of a logout when they are back.

use std::time::Duration;

use super::{
    SECOND,
    cluster::{answers, cluster, deliver, left, live, refusal, spread, three},
};
use crate::{
    fake::{Answer, World},
    info,
    layout::Layout,
};

/// The node hears nobody, and nobody hears it.
fn cut_off(nodes: &[World], number: usize, is_cut_off: bool) {
    // That others cannot reach it shows when they send; the rest is lost on its way.
    nodes[number].fake.is_cut_off.set(is_cut_off);
}

/// The same for a while in which what others send is lost.
fn live_without(nodes: &[World], number: usize, time: Duration) {
    const STEP: Duration = Duration::from_millis(100);
    let lost = super::cluster::id(number);
    for _ in 0..time.as_millis() / STEP.as_millis() {
        for node in nodes {
            node.live(STEP);
        }
        for node in nodes {
            node.fake.mail.borrow_mut().retain(|(to, _)| *to != lost);
        }
        deliver(nodes, 1);
    }
}

fn number(node: &World, name: &str) -> u64 {
    let fields = node.enter(info::fields).expect("it is loaded");
    let (_, value) = fields.into_iter().find(|(known, _)| *known == name).expect("a field");
    value.parse().expect("a number")
}

/// Ann is logged out on the first node while the third is away, whose part is left.
fn logged_out_without_the_third(nodes: &[World]) {
    // The modules were loaded some time ago.
    live(nodes, 3 * SECOND);
    cut_off(nodes, 2, true);
    nodes[0].run("SESSION.LOGOUT ann");
    live_without(nodes, 2, SECOND * 2);
    let text = refusal(&nodes[0]);
    assert!(text.contains("node 2 (no answer within") && !text.contains("node 1"), "{text}");
    assert!(text.ends_with("it is safe to call again; they are asked again for 60 seconds"), "{text}");
    assert_eq!((left(nodes), number(&nodes[0], "cluster_pending")), (1, 1));
}

#[test]
fn a_lost_message_is_sent_again_and_no_part_is_done_twice() {
    // One after another: a request, then an answer.
    for lost_of in [0, 1] {
        let nodes = three();
        nodes[0].run("SESSION.LOGOUT ann");
        let parts = number(&nodes[1], "cluster_parts");
        if lost_of == 1 {
            for (_, bytes) in nodes[0].fake.mail.borrow().iter() {
                nodes[1].enter(|ask| crate::peers::received(ask, &super::cluster::id(0), bytes));
            }
            nodes[1].settle();
        }
        nodes[lost_of].fake.mail.borrow_mut().clear();
        assert!(answers(&nodes[0]).is_empty());
        live(&nodes, 3 * SECOND);
        assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(5)], 0));
        assert!(number(&nodes[1], "cluster_parts") - parts <= 3, "it said twice what it knows, and did its part once");
    }
}

#[test]
fn a_node_that_was_away_gets_its_part_when_it_is_back() {
    let nodes = three();
    logged_out_without_the_third(&nodes);
    let told: usize = nodes.iter().map(|node| node.fake.take_sent().len()).sum();
    assert_eq!(told, 1);
    live_without(&nodes, 2, SECOND * 30);
    assert_eq!((left(&nodes), number(&nodes[0], "cluster_pending")), (1, 1), "it is still away");
    cut_off(&nodes, 2, false);
    live(&nodes, SECOND * 3);
    let numbers = ["cluster_pending", "cluster_completed_late", "cluster_given_up"].map(|name| number(&nodes[0], name));
    assert_eq!((left(&nodes), numbers), (0, [0, 1, 0]));
    assert!(nodes[0].fake.lines().iter().any(|line| line == "a logout is complete after all user=ann"));
    let told: Vec<_> = nodes.iter().flat_map(|node| node.fake.take_sent()).collect();
    assert_eq!(told.len(), 1);
    let text = String::from_utf8_lossy(&told[0][2]);
    assert!(text.contains(r#""rooms":["c"],"#), "only the room that nobody had heard of: {text}");
}

#[test]
fn many_are_done_when_a_node_is_back() {
    let names: Vec<&'static str> = (0..200).map(|user| &*format!("user_status:u{user}").leak()).collect();
    let nodes = cluster(&[&[], &[], &names]);
    live(&nodes, 3 * SECOND);
    cut_off(&nodes, 2, true);
    for user in 0..200 {
        let client = nodes[0].connect();
        nodes[0].run_as(client, &format!("SESSION.LOGOUT u{user}"));
    }
    live_without(&nodes, 2, SECOND * 2);
    assert_eq!((answers(&nodes[0]).len(), number(&nodes[0], "cluster_pending")), (200, 200));
    cut_off(&nodes, 2, false);
    live(&nodes, SECOND * 5);
    assert_eq!((nodes[2].fake.names().len(), number(&nodes[0], "cluster_completed_late")), (0, 200));
}

#[test]
fn whoever_has_logged_in_since_is_left_alone() {
    for at in [1, 2] {
        let nodes = three();
        logged_out_without_the_third(&nodes);
        nodes[at].run("SET user_socket:ann s9");
        nodes[at].live(SECOND / 10);
        nodes[at].fake.mail.borrow_mut().clear();
        cut_off(&nodes, 2, false);
        live(&nodes, SECOND * 3);
        let numbers =
            ["cluster_pending", "cluster_completed_late", "cluster_given_up"].map(|name| number(&nodes[0], name));
        assert_eq!((left(&nodes), numbers), (2, [0, 0, 1]), "on node {at}");
        let said = format!(
            "a part of a logout is missing for good, call again user=ann: node {at} \
             (ERR the user may have logged in again since; call again if not)"
        );
        assert!(nodes[0].fake.lines().contains(&said), "{:?}", nodes[0].fake.lines());
    }
}

#[test]
fn whoever_has_a_heartbeat_is_left_alone() {
    let layout = || {
        let text = r#"{ "name": "beats", "separator": ":", "traces": [ { "key": "status:{userId}" } ],
            "live": [ { "key": "beat:{userId}" } ] }"#;
        Layout::parse(text).expect("a layout")
    };
    let keys: [&[(&str, &str)]; 3] = [&[("beat:ann", "")], &[], &[("status:ann", "1")]];
    for (beats, expected) in [(true, (1, 0, 1)), (false, (0, 1, 0))] {
        let nodes = spread(&keys, layout, &[]);
        logged_out_without_the_third(&nodes);
        if beats {
            nodes[0].run("SET beat:ann 1");
        }
        cut_off(&nodes, 2, false);
        live(&nodes, SECOND * 3);
        let numbers = ["cluster_completed_late", "cluster_given_up"].map(|name| number(&nodes[0], name));
        assert_eq!((nodes[2].fake.names().len(), numbers[0], numbers[1]), expected);
    }
}

#[test]
fn nobody_does_anything_as_long_as_a_node_is_away_that_may_have_seen_a_login() {
    let nodes = three();
    logged_out_without_the_third(&nodes);
    // Ann logs in with what lies on the third, and leaves a trace on the second.
    nodes[2].run("SET user_socket:ann s9");
    nodes[1].run("SET user_activity:ann 9");
    live_without(&nodes, 2, SECOND * 5);
    assert_eq!(nodes[1].fake.names(), ["typing:b:bob", "user_activity:ann"]);
    cut_off(&nodes, 2, false);
    live(&nodes, SECOND * 3);
    assert_eq!((left(&nodes), number(&nodes[0], "cluster_given_up")), (3, 1));
}

#[test]
fn a_node_that_may_have_missed_a_login_leaves_the_user_alone() {
    let mut nodes = three();
    logged_out_without_the_third(&nodes);
    // Loaded into a server that runs, where clients may have written anything before.
    let third = nodes.pop().expect("there are three");
    nodes.push(third.loaded_again(Layout::easyshare(), &["fence", "0"]));
    cut_off(&nodes, 2, false);
    live(&nodes, SECOND * 3);
    assert_eq!((left(&nodes), number(&nodes[0], "cluster_given_up")), (1, 1));
}

#[test]
fn what_a_request_in_flight_writes_is_no_login() {
    let nodes = three();
    logged_out_without_the_third(&nodes);
    nodes[1].run("SET user_activity:ann 5");
    nodes[1].run("DEL user_socket:ann");
    cut_off(&nodes, 2, false);
    live(&nodes, SECOND * 3);
    assert_eq!((left(&nodes), number(&nodes[0], "cluster_completed_late")), (0, 1));
}

#[test]
fn nobody_is_asked_again_after_the_time_is_over_or_when_all_is_done() {
    let nodes = three();
    logged_out_without_the_third(&nodes);
    live_without(&nodes, 2, SECOND * 60);
    assert_eq!((number(&nodes[0], "cluster_pending"), number(&nodes[0], "cluster_given_up")), (0, 1));
    cut_off(&nodes, 2, false);
    live(&nodes, SECOND * 3);
    assert_eq!(left(&nodes), 1);

    let nodes = three();
    logged_out_without_the_third(&nodes);
    cut_off(&nodes, 2, false);
    // The connection is back, and somebody calls before the node is asked again.
    nodes[0].run("SESSION.LOGOUT ann");
    deliver(&nodes, 1);
    assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(1)], 0));
    live(&nodes, SECOND * 3);
    assert_eq!((number(&nodes[0], "cluster_pending"), number(&nodes[0], "cluster_given_up")), (0, 0));
}

#[test]
fn a_refusal_that_would_come_again_is_not_kept() {
    let nodes = three();
    let mail = || std::mem::take(&mut *nodes[0].fake.mail.borrow_mut());
    nodes[0].run("SESSION.LOGOUT ann");
    for (to, bytes) in mail() {
        let Ok(crate::wire::Message::Request(call, _)) = crate::wire::Message::decode(&bytes) else { panic!() };
        let no = crate::wire::Message::Answer(call, Err(crate::error::Error::NOT_TO_REMOVE.into())).encode();
        nodes[0].enter(|ask| crate::peers::received(ask, &to, &no));
    }
    nodes[0].settle();
    let text = refusal(&nodes[0]);
    assert!(text.ends_with("it is safe to call again"), "{text}");
    assert_eq!(number(&nodes[0], "cluster_pending"), 0);
}

#[test]
fn a_master_that_takes_anothers_place_and_had_not_heard_of_a_logout_gets_it_unless_the_user_came_back() {
    for comes_back in [false, true] {
        let nodes = three();
        let third = nodes[0].fake.peers.borrow_mut().pop();
        live(&nodes, 3 * SECOND);
        nodes[0].run("SESSION.LOGOUT ann");
        deliver(&nodes, 1);
        assert_eq!((answers(&nodes[0]), left(&nodes)), (vec![Answer::Integer(4)], 1), "of the two that are there");
        if comes_back {
            live(&nodes, 3 * SECOND);
            nodes[1].run(r#"SET socket_data:s9 {"userId":"ann"}"#);
        }
        nodes[0].fake.peers.borrow_mut().extend(third);
        live(&nodes, 3 * SECOND);
        assert_eq!(left(&nodes), usize::from(comes_back));
        assert_eq!(number(&nodes[0], "cluster_completed_late"), u64::from(!comes_back));
        assert_eq!((number(&nodes[0], "cluster_pending"), number(&nodes[0], "cluster_given_up")), (0, 0));
    }
}
