//! Whatever clients do in which order: what they write in the end is seen.

use crate::args;
use crate::support::{Client, Server, array, int, log_out_exactly, ok, queued, split, wait_until};

fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[&format!("session_{field}")].parse().expect("a number")
}

/// Time enough for whatever the module asks the server.
fn settle(server: &Server) {
    server.wait_for_time(server.now() + 400);
}

/// So long that the server is asked about it.
fn long() -> String {
    "x".repeat(2000)
}

#[test]
fn a_transaction_after_one_that_was_refused_before_the_password() {
    let server = Server::start();
    server.script("CONFIG SET requirepass x\nAUTH x");
    let mut client = server.client();
    let commands = [
        args!["MULTI"],
        args!["SET", format!("typing:{}:zoe", long()), "1"],
        args!["AUTH", "x"],
        args!["MULTI"],
        args!["SET", "typing:den:ann", "1"],
    ];
    let replies = client.pipeline(commands);
    assert!(replies[0].is_error() && replies[1].is_error());
    assert_eq!(replies[2..], [ok(), ok(), queued()]);
    settle(&server);
    assert_eq!(client.run("EXEC"), array([ok()]));
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert_eq!(server.run("EXISTS typing:den:ann"), int(0));
}

#[test]
fn a_transaction_that_goes_on_after_another_multi() {
    let server = Server::start();
    let mut client = server.client();
    client.script(&format!("MULTI\nSET typing:{}:ann 1", long()));
    assert!(client.run("MULTI").is_error(), "transactions do not nest");
    client.must("SET typing:den:ann 1");
    settle(&server);
    // Valkey 9 executes nothing then.
    let executes = !client.run("EXEC").is_error();
    assert_eq!(log_out_exactly(&server, "ann"), if executes { 2 } else { 0 });
}

#[test]
fn a_command_of_a_transaction_that_a_pause_held_back() {
    let server = Server::start();
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    server.must("CLIENT PAUSE 600000 WRITE");
    clients[0].must("MULTI");
    settle(&server);
    // All that follows happens in two turns of the server's loop, each longer than the time between its chores.
    clients[2].send(split("DEBUG SLEEP 0.3"));
    std::thread::sleep(std::time::Duration::from_millis(100));
    clients[0].send(["SET", &format!("typing:{}:ann", long()), "1"]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    clients[1].send(["CLIENT", "UNPAUSE"]);
    clients[1].send(["DEBUG", "SLEEP", "0.3"]);
    assert_eq!([clients[2].read(), clients[1].read(), clients[1].read()], [ok(), ok(), ok()]);
    assert_eq!(clients[0].read(), queued());
    settle(&server);
    clients[0].must("EXEC");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn keys_that_debug_makes_before_the_counts_are_taken_back() {
    let server = Server::start();
    settle(&server);
    server.default_client().pipeline([args!["DEBUG", "POPULATE", "10", "typing:den"], args!["CONFIG", "RESETSTAT"]]);
    settle(&server);
    assert_eq!(log_out_exactly(&server, "7"), 1);
}

#[test]
fn many_clients_that_wait_for_the_same_key_cost_one_look() {
    let server = Server::builder().layout(include_str!("../../layouts/workspace.json")).start();
    server.must("SET online:list 'no collection'");
    let mut clients: Vec<Client> = (0..40).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(split("BLMOVE source online:list LEFT RIGHT 0"));
    }
    wait_until("they wait", || server.info("clients")["blocked_clients"] == "40");
    settle(&server);
    // A key of another type is counted each time that it is looked at.
    let before = number(&server, "mistyped_values");
    assert_eq!(server.run("SESSION.LOGOUT nobody"), int(0));
    assert!(number(&server, "mistyped_values") - before <= 2, "{before}");
}

#[test]
fn a_user_whose_mapping_stays_is_found_by_the_next_sweep_after_a_logout() {
    let layout = r#"{"name":"m","separator":":","traces":[{"key":"status:{userId}"}],"sockets":{"of":"map:{userId}","data":"data:{socketId}"}}"#;
    let server = Server::builder().layout(layout).start();
    server.script("SET map:ada s1\nSET status:ada x");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(1));
    server.must("ACL SETUSER narrow on nopass -@all +session.logout");
    let mut narrow = server.client();
    narrow.must("AUTH narrow any");
    server.must("DEL status:ada");
    assert!(narrow.run("SESSION.LOGOUT ada").is_error());
    server.must("SET status:ada x");
    assert_eq!(server.run("SESSION.SWEEP DRYRUN"), int(1));
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(1));
    server.must("SET status:ada x");
    assert_eq!(server.run("SESSION.SWEEP"), int(1));
}
