//! In a cluster one call reaches every master, or says which it did not reach.

use std::time::{Duration, Instant};

use crate::support::server::Stop;
use crate::support::{Builder, Listener, Reply, Server, bulk, error, int, wait_until};

/// Ann's traces, in plain words without hash tags; bob's stay.
const DATA: [&[&str]; 16] = [
    &["SET", "user_socket:ann", "s1"],
    &["SET", "user_status:ann", "busy"],
    &["SET", "user_presence:ann", "online"],
    &["SET", "cache:user_status:ann", "busy"],
    &["SET", "activity:ann", "1"],
    &["SET", "typing:den:ann", "1"],
    &["SET", "typing:hall:ann", "1"],
    &["SET", "typing:loft:ann", "1"],
    &["SET", "socket_data:s1", r#"{"userId":"ann","roomId":"den","userName":"Ann"}"#],
    &["SET", "socket_data:s2", r#"{"userId":"ann","roomId":"hall"}"#],
    &["SADD", "active_users", "ann", "bob"],
    &["SET", "room:den", r#"{"participants":[{"userId":"ann"},{"userId":"bob"}]}"#],
    &["SET", "room:hall", r#"{"participants":[{"userId":"ann"}]}"#],
    &["SET", "user_socket:bob", "s3"],
    &["SET", "typing:den:bob", "1"],
    &["SET", "socket_data:s3", r#"{"userId":"bob","roomId":"den"}"#],
];

/// How many of these are ann's.
const ANNS: i64 = 13;

/// Writes a command to the node that serves its key.
pub fn write(nodes: &[Server], command: &[&str]) {
    let written = nodes.iter().filter(|node| !node.cmd(command).is_error()).count();
    assert_eq!(written, 1, "one node takes {command:?}");
}

pub fn fill(nodes: &[Server]) {
    for command in DATA {
        write(nodes, command);
    }
    let used = nodes.iter().filter(|node| node.run("DBSIZE") != int(0)).count();
    assert_eq!(used, nodes.len(), "the data lies on all nodes");
}

/// Masters without the fence, which would not let ann come back with the socket that she left by. What is missing is not asked for
/// again, so that the tests see it.
pub fn builder() -> Builder {
    Server::builder().option("fence", "0").option("cluster-retry", "0")
}

/// Three masters that hear each other.
pub fn cluster_of(builder: Builder) -> Vec<Server> {
    let nodes = builder.start_cluster(3);
    wait_until_all_hear(&nodes);
    nodes
}

/// Right after nodes have met, and on Valkey 9 whenever a connection is new, a message may be lost.
pub fn wait_until_all_hear(nodes: &[Server]) {
    let hears = |node: &Server| !node.run("SESSION.INSPECT nobody").is_error();
    wait_until("all hear each other", || nodes.iter().all(hears));
}

fn three() -> Vec<Server> {
    cluster_of(builder())
}

/// How many traces of a user are left, by what each node finds.
pub fn left(nodes: &[Server], user: &str) -> i64 {
    let removed = |node: &Server| node.cmd(["SESSION.INSPECT", user, "LOCAL"]).field("removed").as_int();
    nodes.iter().map(removed).sum()
}

/// The text of an error.
pub fn refusal(reply: &Reply) -> String {
    let Reply::Error(text) = reply else { panic!("no error: {reply:?}") };
    text.clone()
}

pub fn field(node: &Server, name: &str) -> i64 {
    node.info("session")[name].parse().expect("a number")
}

#[test]
fn a_plain_logout_on_any_node_removes_everything_and_counts_it_exactly() {
    let nodes = three();
    let sum = |name: &str| nodes.iter().map(|node| field(node, name)).sum::<i64>();
    let (calls, parts) = (sum("session_cluster_calls"), sum("session_cluster_parts"));
    for node in &nodes {
        fill(&nodes);
        assert_eq!(node.run("SESSION.LOGOUT ann"), int(ANNS));
        assert_eq!(left(&nodes, "ann"), 0);
        assert_eq!(node.run("SESSION.LOGOUT ann"), int(0));
        assert_eq!(left(&nodes, "bob"), 5);
    }
    // Two others each time, and once: nobody has anything that only a socket names.
    let expected = 3 * 2 + 3 * 2;
    assert_eq!((sum("session_cluster_calls") - calls, sum("session_cluster_parts") - parts), (6, expected));
}

#[test]
fn a_map_holds_what_all_nodes_removed_or_would() {
    let nodes = three();
    fill(&nodes);
    let locals: Vec<Reply> = nodes.iter().map(|node| node.must("SESSION.INSPECT ann LOCAL")).collect();
    let union = |name: &str| {
        let mut all: Vec<Reply> = locals.iter().flat_map(|local| local.field(name).items().to_vec()).collect();
        all.sort_by_key(|item| format!("{item:?}"));
        all.dedup();
        Reply::Array(all)
    };
    for node in &nodes {
        let whole = node.must("SESSION.INSPECT ann");
        assert_eq!((whole.field("user"), whole.field("removed")), (bulk("ann"), int(ANNS)));
        assert_eq!(whole.field("live"), int(1), "the mapping is on one node, and the data on another");
        for name in ["keys", "members", "entries", "sockets", "rooms"] {
            assert_eq!(whole.field(name), union(name), "{name}");
        }
        let maps = node.client().resp3().must("SESSION.INSPECT ann");
        assert_eq!(maps.pairs().len(), 8, "a map in RESP3");
    }
    let mut gone = nodes[1].must("SESSION.LOGOUT ann WITHTRACES").pairs();
    let name = |text: &str| gone.iter().find(|(name, _)| *name == bulk(text)).map(|(_, value)| value.clone());
    assert_eq!((name("removed"), name("keys")), (Some(int(ANNS)), Some(union("keys"))));
    assert_eq!(gone.pop().map(|(name, _)| name), Some(bulk("rooms")));
    assert_eq!(left(&nodes, "ann"), 0);
}

#[test]
fn a_part_and_local_are_what_they_say_on_all_nodes_or_one() {
    let nodes = three();
    fill(&nodes);
    assert_eq!(nodes[0].run("SESSION.LOGOUT ann WHERE roomId hall"), int(2));
    let locals: Vec<i64> = nodes.iter().map(|node| node.run("SESSION.LOGOUT ann LOCAL").as_int()).collect();
    assert!(locals.iter().all(|local| *local > 0) && locals.iter().sum::<i64>() == ANNS - 2, "{locals:?}");
}

#[test]
fn a_sweep_judges_by_what_all_nodes_know_and_counts_everybody_once() {
    let nodes = three();
    for node in &nodes {
        fill(&nodes);
        let before: Vec<_> = nodes.iter().map(Server::snapshot).collect();
        assert_eq!(node.run("SESSION.SWEEP"), int(0), "mapping and data keep ann and bob, wherever they lie");
        for (before, node) in before.iter().zip(&nodes) {
            before.assert_matches(&node.snapshot());
        }
        for key in ["socket_data:s1", "socket_data:s2"] {
            write(&nodes, &["DEL", key]);
        }
        assert_eq!(node.run("SESSION.SWEEP DRYRUN"), int(1));
        let maps = node.must("SESSION.SWEEP DRYRUN WITHTRACES");
        let [map] = maps.items() else { panic!("one user: {maps:?}") };
        // A sweep leaves the room's document alone, in which others may stay by design.
        assert_eq!((map.field("user"), map.field("removed")), (bulk("ann"), int(left(&nodes, "ann") - 2)));
        assert_eq!(node.run("SESSION.SWEEP"), int(1));
        assert_eq!((left(&nodes, "ann"), left(&nodes, "bob")), (2, 5));
        assert_eq!(node.run("SESSION.SWEEP"), int(0));
    }
}

#[test]
fn the_timer_sweeps_who_is_stale_by_what_all_nodes_know() {
    let nodes = cluster_of(builder().option("grace", "0"));
    fill(&nodes);
    for node in &nodes {
        // Not before: without a grace, half of a login is no session.
        node.must("CONFIG SET session.sweep-interval 1");
    }
    for key in ["socket_data:s1", "socket_data:s2"] {
        write(&nodes, &["DEL", key]);
    }
    wait_until("ann is swept", || left(&nodes, "ann") == 2);
    assert_eq!(left(&nodes, "bob"), 5);
}

#[test]
fn a_sweep_of_one_node_sweeps_all() {
    let nodes = three();
    for n in 0..60 {
        write(&nodes, &["SET", &format!("typing:{{g{n}}}:{{g{n}}}"), "1"]);
    }
    assert_eq!(nodes[0].run("SESSION.SWEEP DRYRUN"), int(60));
    assert_eq!(nodes[1].must("SESSION.SWEEP DRYRUN WITHTRACES").items().len(), 60);
    assert_eq!(nodes[1].must("SESSION.SWEEP DRYRUN WITHTRACES LIMIT 25").items().len(), 25);
    for (node, swept) in nodes.iter().zip([25, 25, 10]) {
        assert_eq!(node.run("SESSION.SWEEP LIMIT 25"), int(swept), "the limit is that of all nodes together");
    }
    assert!(nodes.iter().all(|node| node.run("DBSIZE") == int(0)));
}

#[test]
fn where_nothing_can_wait_local_has_to_be_said() {
    let nodes = three();
    fill(&nodes);
    let needs = "ERR a transaction, script or function cannot wait for the other masters of the cluster; say LOCAL for what this node holds, or call the command by itself";
    for call in ["SESSION.LOGOUT ann", "SESSION.INSPECT ann", "SESSION.SWEEP"] {
        nodes[0].script(&format!("MULTI\n{call}\n{call} LOCAL"));
        let replies = nodes[0].must("EXEC");
        assert_eq!(replies.items()[0], error(needs), "{call}");
        assert!(!replies.items()[1].is_error(), "{call}: {replies:?}");
        let words: Vec<&str> = call.split(' ').collect();
        let eval = |words: &[&str]| nodes[0].cmd([&["EVAL", "return redis.pcall(unpack(ARGV))", "0"], words].concat());
        assert_eq!(eval(&words), error(needs), "{call}");
        assert!(!eval(&[&words[..], &["LOCAL"]].concat()).is_error(), "{call}");
    }
}

#[test]
fn a_node_that_is_down_is_named_the_others_are_done_and_a_second_call_completes() {
    let mut nodes = cluster_of(builder().option("cluster-timeout", "300").append_only());
    fill(&nodes);
    let parts: Vec<i64> = nodes.iter().map(|node| left(std::slice::from_ref(node), "ann")).collect();
    let address = format!("127.0.0.1:{}", nodes[2].port());
    nodes[2].stop(Stop::Kill);
    let began = Instant::now();
    let reply = nodes[0].run("SESSION.LOGOUT ann");
    assert!(began.elapsed() < Duration::from_secs(5), "no call hangs");
    let text = refusal(&reply);
    assert!(text.starts_with("PARTIAL ") && text.contains(&address), "{text}");
    assert!(text.contains("safe to call again") && !text.contains(&format!(":{}", nodes[1].port())), "{text}");
    assert_eq!(left(&nodes[..2], "ann"), 0, "what is up did its part");
    assert!(field(&nodes[0], "session_cluster_calls_partial") > 0);
    assert!(nodes[0].log().contains("a call on the cluster is not complete: PARTIAL"));
    nodes[2].start_again();
    wait_until("the nodes know each other again", || !nodes[0].run("SESSION.INSPECT ann").is_error());
    assert_eq!(nodes[0].run("SESSION.LOGOUT ann"), int(parts[2]));
    assert_eq!(left(&nodes, "ann"), 0);
}

#[test]
fn each_node_asks_its_own_acl_for_the_callers_user() {
    let nodes = three();
    fill(&nodes);
    let rights = "ACL SETUSER app on nopass ~* +session.logout +session.inspect";
    for node in &nodes[..2] {
        node.must(rights);
    }
    let mut client = nodes[0].client();
    client.must("AUTH app any");
    let mut says = |what: &str| {
        let text = refusal(&client.run("SESSION.LOGOUT ann"));
        assert!(text.starts_with("PARTIAL ") && text.contains(what), "{text}");
        assert!(text.contains(&format!("127.0.0.1:{} (NOPERM ", nodes[2].port())), "{text}");
    };
    says("its ACL has no enabled user 'app'");
    nodes[2].must(&rights.replace(" on ", " off "));
    says("its ACL has no enabled user 'app'");
    nodes[2].must("ACL SETUSER app on -session.logout");
    says("No permission to delete or write");
    nodes[2].must("ACL SETUSER app +session.logout resetkeys ~nothing:*");
    says("No permission to delete or write");
    assert_eq!(left(&nodes[..2], "ann"), 0);
    let rest = left(&nodes, "ann");
    nodes[2].must("ACL SETUSER app ~*");
    assert_eq!(client.run("SESSION.LOGOUT ann"), int(rest));
    // Who may not do it here does it nowhere.
    fill(&nodes);
    nodes[0].must("ACL SETUSER app resetkeys ~nothing:*");
    assert!(refusal(&client.run("SESSION.LOGOUT ann")).starts_with("NOPERM "));
    assert_eq!(left(&nodes, "ann"), ANNS);
}

#[test]
fn a_node_with_another_layout_or_without_the_module_is_named() {
    let layout = include_str!("../../core/src/layouts/easyshare.json");
    let cluster = |builder: Builder| builder.config("cluster-enabled yes").config("cluster-node-timeout 60000").start();
    let servers = vec![
        cluster(builder().option("cluster-timeout", "300")),
        cluster(builder().layout(format!("{layout} "))),
        cluster(builder().layout(layout.replace("\"easyshare\"", "\"another\""))),
        cluster(builder().without_module()),
    ];
    let nodes = Builder::join(servers);
    let (text, port) = (refusal(&nodes[0].run("SESSION.LOGOUT ann")), |node: usize| nodes[node].port());
    assert!(text.starts_with("PARTIAL "), "{text}");
    assert!(!text.contains(&format!(":{} ", port(1))), "white space around it makes no other layout: {text}");
    assert!(text.contains(&format!(":{} (ERR it has another layout", port(2))), "{text}");
    assert!(text.contains(&format!(":{} (no answer within 300 ms", port(3))), "{text}");
}

/// How often `session:events` told of a logout, as the node that is listened to heard it.
fn told(listener: &mut Listener, node: &Server) -> Vec<serde_json::Value> {
    let heard = listener.heard(node).into_iter().filter(|(channel, _)| channel == "session:events");
    heard.map(|(_, message)| serde_json::from_slice(&message).expect("an event is JSON")).collect()
}

#[test]
fn others_are_told_once_and_of_everything() {
    let nodes = three();
    for (node, other) in [(0, 1), (1, 2), (2, 0)] {
        fill(&nodes);
        let mut listener = Listener::to_all(&nodes[other]);
        assert_eq!(nodes[node].run("SESSION.LOGOUT ann REASON banned"), int(ANNS));
        // What is said on one node comes to the others in its own time.
        let mut events = Vec::new();
        wait_until("the event is heard", || {
            events.extend(told(&mut listener, &nodes[other]));
            !events.is_empty()
        });
        assert_eq!(nodes[node].run("SESSION.LOGOUT ann"), int(0));
        std::thread::sleep(Duration::from_millis(50));
        events.extend(told(&mut listener, &nodes[other]));
        let [event] = &*events else { panic!("one event: {events:?}") };
        assert_eq!((&event["userId"], &event["userName"]), (&"ann".into(), &"Ann".into()));
        assert_eq!((&event["removed"], &event["reason"]), (&ANNS.into(), &"banned".into()));
        assert_eq!(event["sockets"], serde_json::json!(["s1", "s2"]));
        assert_eq!(event["rooms"], serde_json::json!(["den", "hall", "loft"]));
    }
    assert_eq!(nodes.iter().map(|node| field(node, "session_events_sent")).sum::<i64>(), 3);
}

#[test]
fn a_client_that_asks_all_nodes_itself_gets_the_right_sum() {
    let nodes = three();
    for _ in 0..5 {
        fill(&nodes);
        let mut clients: Vec<_> = nodes.iter().map(Server::client).collect();
        for client in &mut clients {
            client.send(["SESSION.LOGOUT", "ann"]);
        }
        let sum: i64 = clients.iter_mut().map(|client| client.read().as_int()).sum();
        assert_eq!(sum, ANNS);
    }
}

#[test]
fn one_device_is_judged_by_what_all_nodes_know() {
    let nodes = three();
    for node in &nodes {
        let user = "ann";
        write(&nodes, &["DEL", "user_socket:ann"]);
        write(&nodes, &["SADD", "user_socket:ann", "s1", "s2", "s3"]);
        DATA.iter()
            .filter(|command| !command[1].contains("user_socket:ann"))
            .for_each(|command| write(&nodes, command));
        // s3 has no data. s2 is not the last: its data and its place in the mapping go, and nothing else.
        assert_eq!(node.run("SESSION.LOGOUT ann SOCKET s2"), int(2));
        assert_eq!(node.run("SESSION.LOGOUT ann SOCKET s2"), int(0), "a late call ends nothing");
        assert_eq!(node.run("SESSION.LOGOUT ann SOCKET s3"), int(1), "a dead one leaves the mapping");
        assert_eq!(left(&nodes, user), ANNS - 1, "the rest goes on");
        assert_eq!(node.run("SESSION.LOGOUT ann SOCKET s1"), int(ANNS - 1), "the last device is the whole user");
        assert_eq!(left(&nodes, user), 0);
    }
}

#[test]
fn a_newer_session_on_other_nodes_is_left_whole() {
    let nodes = three();
    fill(&nodes);
    assert_eq!(nodes[0].run("SESSION.LOGOUT ann"), int(ANNS));
    fill(&nodes);
    for node in &nodes {
        assert_eq!(node.run("SESSION.LOGOUT ann SOCKET old"), int(0));
    }
    assert_eq!(left(&nodes, "ann"), ANNS);
}

#[test]
fn what_a_socket_alone_names_is_found_by_what_another_node_knows_of_it() {
    let layout = r#"{ "name": "by-socket", "separator": ":",
        "traces": [ { "key": "sockets:{userId}" }, { "key": "data:{socketId}" }, { "key": "seat:{socketId}" },
                    { "members": "connected", "member": "{socketId}" }, { "members": "nodes:1", "member": "{socketId}" } ],
        "sockets": { "of": "sockets:{userId}", "data": "data:{socketId}" } }"#;
    let nodes = cluster_of(builder().layout(layout));
    for node in &nodes {
        let sockets: Vec<String> = (0..6).map(|number| format!("s{number}")).collect();
        for socket in &sockets {
            write(&nodes, &["SADD", "sockets:ann", socket]);
            write(&nodes, &["SET", &format!("data:{socket}"), "encrypted"]);
            write(&nodes, &["SET", &format!("seat:{socket}"), "7"]);
            write(&nodes, &["SADD", "connected", socket, "of-bob"]);
            write(&nodes, &["SADD", "nodes:1", socket, "of-bob"]);
        }
        let inspected = node.must("SESSION.INSPECT ann");
        assert_eq!((inspected.field("removed"), inspected.field("live")), (int(1 + 4 * 6), int(1)));
        assert_eq!(node.run("SESSION.LOGOUT ann SOCKET s0"), int(5), "of one socket its four and its place");
        assert_eq!(node.run("SESSION.LOGOUT ann"), int(1 + 4 * 5));
        let rest: i64 = nodes.iter().map(|node| node.run("DBSIZE").as_int()).sum();
        assert_eq!(rest, 2, "what is bob's is left");
    }
}

#[test]
fn what_the_layout_has_written_is_written_once_wherever_the_key_lies() {
    let layout = r#"{ "name": "then", "separator": ":",
        "traces": [ { "key": "sockets:{userId}" }, { "key": "data:{socketId}", "owner": "/user" }, { "key": "typing:{roomId}:{userId}" } ],
        "sockets": { "of": "sockets:{userId}", "data": "data:{socketId}", "room": "/room" },
        "then": [ { "for": "user", "command": ["INCR", "left:{userId}"] },
                  { "for": "room", "command": ["INCR", "leavings:{roomId}"] },
                  { "for": "socket", "command": ["LPUSH", "closed:{socketId}", "{id}"] } ] }"#;
    let nodes = cluster_of(builder().layout(layout));
    let get = |key: &str| nodes.iter().map(|node| node.cmd(["GET", key])).find(|reply| !reply.is_error());
    for (count, node) in ["1", "2", "3"].iter().zip(&nodes) {
        write(&nodes, &["SET", "sockets:ann", "s1"]);
        write(&nodes, &["SET", "data:s1", r#"{"user":"ann","room":"den"}"#]);
        for room in ["attic", "hall", "loft", "yard"] {
            write(&nodes, &["SET", &format!("typing:{room}:ann"), "1"]);
        }
        assert_eq!(node.run("SESSION.LOGOUT ann"), int(6));
        for key in ["left:ann", "leavings:den", "leavings:attic", "leavings:hall", "leavings:loft", "leavings:yard"] {
            assert_eq!(get(key), Some(bulk(count)), "{key}");
        }
        let closed =
            nodes.iter().map(|node| node.cmd(["LRANGE", "closed:s1", "0", "-1"])).find(|reply| !reply.is_error());
        let ids = closed.expect("one node serves it").items().to_vec();
        assert!(ids.len().to_string() == *count && ids[0].as_text().len() == 20, "{ids:?}");
    }
}

#[test]
fn a_replica_takes_no_part_and_does_it_when_it_is_promoted() {
    let builder =
        builder().option("cluster-timeout", "300").config("cluster-enabled yes").config("cluster-node-timeout 1000");
    let masters: Vec<Server> = (0..3).map(|_| builder.clone().start()).collect();
    let mut nodes = Builder::join(masters);
    let replica = builder.start();
    replica.join_as_replica_of(&nodes[2]);
    replica.wait_for_cluster(4);
    fill(&nodes);
    let hears = |node: &Server| !node.run("SESSION.INSPECT ann").is_error();
    wait_until("all nodes know all", || nodes.iter().chain([&replica]).all(hears));
    replica.catch_up_with(&nodes[2]);
    let before = field(&replica, "session_cluster_parts");
    assert_eq!(replica.must("SESSION.INSPECT ann").field("removed"), int(ANNS), "a replica asks all masters");
    assert_eq!(nodes[0].must("SESSION.INSPECT ann").field("removed"), int(ANNS));
    assert_eq!(field(&replica, "session_cluster_parts"), before, "and is asked by none");
    let parts = left(std::slice::from_ref(&nodes[2]), "ann");
    nodes[2].stop(Stop::Kill);
    let text = refusal(&nodes[0].run("SESSION.LOGOUT ann"));
    assert!(text.starts_with("PARTIAL ") || text.starts_with("CLUSTERDOWN "), "{text}");
    wait_until("the replica is promoted", || {
        let is_up = |node: &Server| node.must("CLUSTER INFO").as_text().contains("cluster_state:ok");
        [&nodes[0], &nodes[1], &replica].into_iter().all(is_up) && replica.info("replication")["role"] == "master"
    });
    let reply = nodes[0].run("SESSION.LOGOUT ann");
    let expected = if text.starts_with("PARTIAL ") { parts } else { ANNS };
    assert_eq!(reply, int(expected), "the dead node is not asked any more, and the new master is");
    assert_eq!(left(&nodes[..2], "ann") + left(&[replica], "ann"), 0);
}

#[test]
fn a_module_that_was_unloaded_hears_nothing_and_one_that_is_loaded_again_does_its_part() {
    let nodes = cluster_of(builder().option("cluster-timeout", "300"));
    for _ in 0..3 {
        wait_until("it goes", || nodes[1].run("MODULE UNLOAD session") == crate::support::ok());
        let text = refusal(&nodes[0].run("SESSION.LOGOUT ann"));
        assert!(text.contains(&format!("127.0.0.1:{} (no answer within 300 ms", nodes[1].port())), "{text}");
        assert!(!nodes[1].load_module().is_error());
        fill(&nodes);
        assert_eq!(nodes[0].run("SESSION.LOGOUT ann"), int(ANNS));
        fill(&nodes);
        assert_eq!(nodes[1].run("SESSION.LOGOUT ann"), int(ANNS));
    }
}

#[test]
fn who_waits_keeps_the_module_loaded_and_who_goes_away_does_no_harm() {
    let mut nodes = cluster_of(builder().option("cluster-timeout", "1500"));
    fill(&nodes);
    nodes[2].stop(Stop::Kill);
    // Until the connection is known to be gone, nodes answer at once.
    let mut clients: Vec<_> = (0..20).map(|_| nodes[0].client()).collect();
    for client in &mut clients {
        client.send(["SESSION.LOGOUT", "ann"]);
    }
    clients.truncate(10);
    for mut client in clients {
        assert!(refusal(&client.read()).starts_with("PARTIAL "));
    }
    wait_until("it goes", || nodes[0].run("MODULE UNLOAD session") == crate::support::ok());
    assert!(nodes[0].run("PING").as_text() == "PONG");
}
