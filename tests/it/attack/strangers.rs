//! What a client sends that the server refuses makes the module hold nothing and do nothing, and what is held is bounded.

use crate::args;
use crate::support::{Builder, Client, Reply, Server, error, int, keys, log_out_exactly, ok, queued, wait_until};

const NOAUTH: &str = "NOAUTH Authentication required.";

/// A field of INFO session that is a number.
fn number(server: &Server, field: &str) -> i64 {
    server.info("session")[&format!("session_{field}")].parse().expect("a number")
}

/// Bytes that the server has allocated.
fn used_memory(server: &Server) -> i64 {
    server.info("memory")["used_memory"].parse().expect("a number")
}

/// `MSET` of eight names of 15 KB that begin as names of traces do: as much as a server takes from who gave no password.
fn large_command(n: usize) -> Vec<Vec<u8>> {
    let name = |k: usize| format!("typing:{n}-{k}:{}", "x".repeat(15_000)).into_bytes();
    [b"MSET".to_vec()].into_iter().chain((0..8).map(name)).collect()
}

/// Sends commands all of which are refused.
fn refused(client: &mut Client, commands: impl IntoIterator<Item = Vec<Vec<u8>>>) {
    for command in commands {
        let reply = client.cmd(command);
        assert!(reply.is_error(), "{reply:?}");
    }
}

/// Far more than all buffers of the connections, and far less than the names that were sent.
const FEW_MEGABYTES: i64 = 8 << 20;

/// Nothing is held of what the server refused, as soon as it had time to say so.
fn nothing_is_held(server: &Server, before: i64) {
    wait_until("the memory is given back", || used_memory(server) < before + FEW_MEGABYTES);
    wait_until("nothing is held", || number(server, "pending_keys") == 0);
    assert_eq!(number(server, "pending_bytes"), 0);
    assert_eq!(number(server, "watches_events"), 0);
}

/// A server that asks for a password, with a connection that gave it.
fn guarded(builder: Builder) -> Server {
    let server = builder.start();
    server.must("CONFIG SET requirepass x");
    server.must("AUTH x");
    server
}

#[test]
fn transactions_of_clients_that_gave_no_password_are_not_held() {
    let server = guarded(Server::builder());
    let before = used_memory(&server);
    let mut strangers: Vec<_> = (0..2).map(|_| server.client()).collect();
    for (n, stranger) in strangers.iter_mut().enumerate() {
        assert_eq!(stranger.run("MULTI"), error(NOAUTH));
        refused(stranger, (0..200).map(|k| large_command(1000 * n + k)));
    }
    nothing_is_held(&server, before);
    for stranger in &mut strangers {
        assert!(stranger.run("EXEC").is_error());
    }
}

#[test]
fn strangers_evict_nobodys_data() {
    let server = guarded(Server::builder());
    for n in 0..2000 {
        server.must(&format!("SET data:{n} {}", "y".repeat(500)));
    }
    // Buffers of connections count too, so there is some room.
    let most = used_memory(&server) + (24 << 20);
    server.script(&format!("CONFIG SET maxmemory {most} maxmemory-policy allkeys-lru"));
    for n in 0..2 {
        let mut stranger = server.client();
        assert_eq!(stranger.run("MULTI"), error(NOAUTH));
        refused(&mut stranger, (0..200).map(|k| large_command(1000 * n + k)));
    }
    assert_eq!(server.run("DBSIZE"), int(2000));
    assert_eq!(server.info("stats")["evicted_keys"], "0");
}

/// A user who may open transactions and write keys of another name than those of traces.
fn restricted(server: &Server) -> Client {
    server.must("ACL SETUSER narrow on nopass ~other:* +@all -@dangerous");
    let mut client = server.client();
    assert_eq!(client.run("AUTH narrow any"), ok());
    client
}

#[test]
fn commands_that_a_transaction_refused_are_not_held() {
    let server = Server::start();
    let before = used_memory(&server);
    let mut client = restricted(&server);
    client.must("MULTI");
    assert_eq!(client.run("SET other:1 1"), queued());
    refused(&mut client, (0..200).map(large_command));
    if server.info("server")["redis_version"].starts_with("7.0.") {
        // That server has a transaction open, and does not say whose a command is. It is bounded all the same.
        wait_until("not much is held", || number(&server, "pending_bytes") < 20 << 20);
    } else {
        // It would execute nothing, so of what it queued nothing is held either.
        nothing_is_held(&server, before);
    }
    let reply = client.run("EXEC");
    assert!(matches!(&reply, Reply::Error(text) if text.starts_with("EXECABORT")), "{reply:?}");
    wait_until("nothing is held", || number(&server, "pending_keys") == 0);
    // The next transaction is another one.
    server.must("ACL SETUSER narrow ~*");
    client.script("MULTI\nSET typing:den:ann 1");
    client.must("EXEC");
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn what_a_transaction_has_queued_is_held_and_counted_until_it_ends() {
    let server = Server::start();
    let mut client = server.client();
    client.must("MULTI");
    for n in 0..300 {
        assert_eq!(client.run(&format!("SET typing:{n}{}:ann 1", "x".repeat(1000))), queued());
    }
    // Whatever the server says of them meanwhile, they stay.
    for _ in 0..20 {
        server.wait_for_time(server.now() + 10);
        assert!(number(&server, "pending_bytes") >= 300_000);
        assert_eq!(number(&server, "pending_keys"), 300);
    }
    assert_eq!(server.must("SESSION.INSPECT ann").field("removed"), int(0));
    client.must("EXEC");
    assert_eq!(log_out_exactly(&server, "ann"), 300);
    wait_until("nothing is held", || number(&server, "pending_keys") == 0);
    client.script("MULTI\nSET typing:den:ann 1");
    drop(client);
    wait_until("nothing is held for who is gone", || number(&server, "pending_keys") == 0);
}

/// A logout after `work` looks at no key that was not written: one that holds no document is counted each time that it is
/// looked at.
fn nothing_is_built_anew(server: &Server, work: impl FnOnce()) {
    server.must("SET room:den 'no document'");
    assert_eq!(server.run("SESSION.LOGOUT nobody"), int(0));
    server.wait_for_time(server.now() + 100);
    let looks = number(server, "mistyped_values");
    assert!(looks > 0);
    work();
    assert_eq!(server.run("SESSION.LOGOUT nobody"), int(0));
    server.wait_for_time(server.now() + 300);
    assert_eq!(number(server, "mistyped_values"), looks);
}

#[test]
fn a_transaction_of_many_keys_does_not_have_the_index_built_anew() {
    let server = Server::start();
    nothing_is_built_anew(&server, || {
        let mut client = server.client();
        client.must("MULTI");
        client.pipeline((0..4200).map(|n| args!["SET", format!("typing:r{n}:ann"), "1"]).collect::<Vec<_>>());
        client.must("EXEC");
        assert_eq!(server.run("SESSION.LOGOUT ann"), int(4200));
    });
}

#[test]
fn refused_transactions_of_many_keys_do_not_have_the_index_built_anew() {
    let server = guarded(Server::builder());
    let mut stranger = server.client();
    nothing_is_built_anew(&server, || {
        for _ in 0..3 {
            assert_eq!(stranger.run("MULTI"), error(NOAUTH));
            let command = |n: usize| args!["MSET", format!("typing:r{n}:ann"), "1", format!("typing:q{n}:ann"), "1"];
            let replies = stranger.pipeline((0..2080).map(command).collect::<Vec<_>>());
            assert!(replies.iter().all(|reply| *reply == error(NOAUTH)));
            assert!(stranger.run("EXEC").is_error());
        }
    });
}

#[test]
fn a_refused_debug_populate_does_not_have_the_index_built_anew() {
    let server = guarded(Server::builder());
    let mut stranger = server.client();
    nothing_is_built_anew(&server, || {
        for _ in 0..3 {
            assert_eq!(stranger.run("DEBUG POPULATE 1000 typing:den"), error(NOAUTH));
            assert_eq!(server.run("SESSION.LOGOUT nobody"), int(0));
        }
    });
    // One that is carried out has it.
    server.must("CONFIG SET requirepass ''");
    assert_eq!(server.must("DEBUG POPULATE 1000 typing:den"), ok());
    assert_eq!(log_out_exactly(&server, "7"), 1);
}

#[test]
fn commands_refused_in_a_pause_are_not_held() {
    let server = guarded(Server::builder());
    let before = used_memory(&server);
    server.must("CLIENT PAUSE 600000 WRITE");
    let mut stranger = server.client();
    refused(&mut stranger, (0..300).map(large_command));
    nothing_is_held(&server, before);
    server.must("CLIENT UNPAUSE");
}

#[test]
fn commands_that_a_pause_holds_back_are_held_and_read_once_they_have_run() {
    let server = Server::start();
    server.must("CLIENT PAUSE 600000 WRITE");
    let mut clients: Vec<_> = (0..50).map(|_| server.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(["SET", &format!("typing:r{n}:ann"), "1"]);
    }
    wait_until("they wait", || server.info("clients")["blocked_clients"] == "50");
    server.wait_for_time(server.now() + 300);
    assert_eq!(server.must("SESSION.INSPECT ann").field("removed"), int(0));
    server.must("CLIENT UNPAUSE");
    for client in &mut clients {
        assert_eq!(client.read(), ok());
    }
    assert_eq!(log_out_exactly(&server, "ann"), 50);
    wait_until("nothing is held", || number(&server, "pending_keys") == 0);
    assert_eq!(keys(&mut server.client()), Vec::<String>::new());
}
