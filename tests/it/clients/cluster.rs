//! On a cluster: a plain call removes everything from all masters, or gets an error that names the master whose part is missing.

use super::{Client, GLIDE, IOREDIS, IfDown, NODE_REDIS, PHP, REDIS_PY, REDIS_PY_ASYNCIO, REDIS_RS};
use crate::cluster_fanout::{builder, cluster_of, fill, left, wait_until_all_hear};
use crate::support::server::Stop;
use crate::support::{Model, Server, Snapshot, ok, wait_until};

fn judge(client: &Client) {
    let (mut masters, replicas) = builder().start_cluster_with_replicas(3);
    wait_until_all_hear(&masters);
    removes_everything_and_nothing_else(client, &masters, &replicas);
    fill(&masters);
    client.does_as_it_says("surprises", &masters[0]);
    // The one that programs call comes first.
    masters.sort_by_key(|node| !serves_ann(node));
    fill(&masters);
    names_a_master_without_the_module(client, &masters);
    fill(&masters);
    names_a_master_that_is_down(client, &mut masters);
    says_if_the_chosen_master_is_down(client, &mut masters);
}

/// Whether programs that choose a node by the user's id choose this one.
fn serves_ann(node: &Server) -> bool {
    !node.run("EXISTS ann").is_error()
}

fn removes_everything_and_nothing_else(client: &Client, masters: &[Server], replicas: &[Server]) {
    fill(masters);
    let expected: Vec<Snapshot> = masters.iter().map(without_ann).collect();
    client.does_as_it_says("cluster", &masters[0]);
    for ((master, replica), expected) in masters.iter().zip(replicas).zip(expected) {
        expected.assert_matches(&master.snapshot());
        replica.catch_up_with(master);
        expected.assert_matches(&snapshot_of_replica(replica));
    }
}

/// What a node holds when its part of ann is gone.
fn without_ann(node: &Server) -> Snapshot {
    let (before, layout) = (node.snapshot(), node.layout());
    let keys = before.database(0);
    let model = Model::new(&layout, &keys);
    let after = model.after(&model.logout(b"ann"));
    before.with_database(0, after)
}

fn snapshot_of_replica(replica: &Server) -> Snapshot {
    let mut client = replica.client();
    client.must("READONLY");
    Snapshot::take(&mut client)
}

const NO_ANSWER: &str = "no answer within 1000 ms; is it up, and the module loaded there?";
const NOT_CONNECTED: &str = "it is not connected";

fn names_a_master_without_the_module(client: &Client, masters: &[Server]) {
    let part = left(&masters[1..2], "ann");
    wait_until("the module goes", || masters[1].run("MODULE UNLOAD session") == ok());
    assert_eq!(call(client, &masters[2]), partial(client, &masters[1], NO_ANSWER));
    assert_eq!(masters[1].load_module(), ok());
    wait_until_all_hear(masters);
    assert_eq!(call(client, &masters[2]), part.to_string(), "a second call completes");
}

fn names_a_master_that_is_down(client: &Client, masters: &mut [Server]) {
    masters[1].stop(Stop::Kill);
    let expected = [NO_ANSWER, NOT_CONNECTED].map(|why| partial(client, &masters[1], why));
    let printed = call(client, &masters[2]);
    assert!(expected.contains(&printed), "{printed}");
    assert_eq!(left(&masters[..1], "ann") + left(&masters[2..], "ann"), 0, "the others have done their part");
}

/// Of three masters, two are down then.
fn says_if_the_chosen_master_is_down(client: &Client, masters: &mut [Server]) {
    masters[0].stop(Stop::Kill);
    let ports = [0, 1].map(|node: usize| masters[node].port().to_string());
    match client.if_down {
        IfDown::Waits => {}
        IfDown::Fails(text) => assert_eq!(call(client, &masters[2]), text.replace("PORT", &ports[0])),
        IfDown::GoesElsewhere | IfDown::TriesElsewhere => {
            let printed = call(client, &masters[2]);
            let names_both = printed.starts_with(client.partial) && ports.iter().all(|port| printed.contains(port));
            let gave_up = matches!(client.if_down, IfDown::TriesElsewhere) && printed == "timed out";
            assert!(names_both || gave_up, "{printed}");
        }
    }
}

/// What the call on the cluster gets. A client that calls any master may find the one without the module, which says so.
fn call(client: &Client, node: &Server) -> String {
    loop {
        let printed = client.run("cluster", node).join("\n");
        if !client.goes_anywhere || printed != "ERR unknown command 'SESSION.LOGOUT', with args beginning with: 'ann'" {
            return printed;
        }
    }
}

fn partial(client: &Client, node: &Server, why: &str) -> String {
    format!(
        "{}the part of these nodes is missing: 127.0.0.1:{} ({why}); what the others did is done, and it is safe to call again",
        client.partial,
        node.port()
    )
}

#[test]
fn node_redis_logs_out_everywhere() {
    judge(&NODE_REDIS);
}

#[test]
fn ioredis_logs_out_everywhere() {
    judge(&IOREDIS);
}

#[test]
fn valkey_glide_logs_out_everywhere() {
    judge(&GLIDE);
}

#[test]
fn redis_py_logs_out_everywhere() {
    judge(&REDIS_PY);
}

#[test]
fn redis_py_with_asyncio_logs_out_everywhere() {
    judge(&REDIS_PY_ASYNCIO);
}

#[test]
fn phpredis_logs_out_everywhere() {
    judge(&PHP);
}

#[test]
fn redis_rs_logs_out_everywhere() {
    judge(&REDIS_RS);
}

#[test]
fn node_redis_waits_for_a_master_that_is_down() {
    let mut nodes = Server::builder().start_cluster(3);
    nodes.sort_by_key(|node| !serves_ann(node));
    nodes[0].stop(Stop::Kill);
    NODE_REDIS.does_as_it_says("down", &nodes[1]);
}

#[test]
fn valkey_glide_does_not_wait_until_a_missing_node_is_named() {
    let mut nodes = cluster_of(Server::builder().option("cluster-timeout", "20000"));
    nodes.sort_by_key(|node| !serves_ann(node));
    wait_until("the module goes", || nodes[1].run("MODULE UNLOAD session") == ok());
    GLIDE.does_as_it_says("slow", &nodes[2]);
}
