//! Scripts never wait, and nobody asks the server about who is no real client.

use crate::support::split;
use crate::support::{Client, Server, bulk, int, keys, log_out_exactly, nil, wait_until};

/// A list that moves its elements into one that traces are in: where it waits, it writes that key later.
fn workspace() -> Server {
    Server::builder().layout(include_str!("../../layouts/workspace.json")).start()
}

const MOVES: &str = "redis.pcall('BLMOVE', 'source', 'online:list', 'LEFT', 'RIGHT', 0)";

fn eval(client: &mut Client, script: &str) -> crate::support::Reply {
    client.cmd(["EVAL", script, "0"])
}

/// Whether scripts may call commands that could wait. Redis 7.0 refuses them there.
fn scripts_may_move(server: &Server) -> bool {
    let script = "return redis.call('BLMOVE', 'none', 'none', 'LEFT', 'RIGHT', 0)";
    !eval(&mut server.client(), script).is_error()
}

#[test]
fn a_script_that_would_wait_and_logs_out() {
    for layout in [None, Some(include_str!("../../layouts/workspace.json"))] {
        let builder = Server::builder();
        let server = layout.map_or(builder.clone(), |layout| builder.layout(layout)).start();
        let mut client = server.client();
        for command in ["SESSION.LOGOUT", "SESSION.INSPECT", "SESSION.SWEEP"] {
            let argument = if command == "SESSION.SWEEP" { "" } else { ", 'ada'" };
            for source in ["typing:a:b", "user_socket:ada", "source"] {
                let moves = format!("redis.pcall('BLMOVE', '{source}', 'online:list', 'LEFT', 'RIGHT', 0)");
                eval(&mut client, &format!("{moves} return redis.pcall('{command}'{argument})"));
                client.pipeline([
                    ["EVAL", &moves, "0"].map(|part| part.as_bytes().to_vec()).to_vec(),
                    ["EVAL", &format!("return redis.pcall('{command}'{argument})"), "0"]
                        .map(|part| part.as_bytes().to_vec())
                        .to_vec(),
                ]);
            }
        }
        assert_eq!(server.run("SESSION.LOGOUT ada"), int(0), "the server is there");
    }
}

#[test]
fn a_function_that_would_wait_and_logs_out() {
    let server = workspace();
    if !scripts_may_move(&server) {
        return;
    }
    let code = format!(
        "#!lua name=moves\nredis.register_function('move', function() {MOVES} return redis.call('SESSION.LOGOUT', 'ann') end)"
    );
    server.cmd(["FUNCTION", "LOAD", &code]);
    server.must("RPUSH source ann");
    assert_eq!(server.must("FCALL move 0"), int(1));
    assert_eq!(server.must("FCALL move 0"), int(0));
    assert_eq!(keys(&mut server.client()), Vec::<String>::new());
}

#[test]
fn what_a_script_moves_at_once_is_seen_by_its_own_logout() {
    let server = workspace();
    if !scripts_may_move(&server) {
        return;
    }
    server.must("RPUSH source ann bob");
    let reply = eval(&mut server.client(), &format!("{MOVES} return redis.call('SESSION.LOGOUT', 'ann')"));
    assert_eq!(reply, int(1));
    let reply =
        eval(&mut server.client(), &format!("{MOVES} {MOVES} return redis.call('LRANGE', 'online:list', 0, -1)"));
    assert_eq!(reply, crate::support::array([bulk("bob")]));
    assert_eq!(log_out_exactly(&server, "bob"), 1);
}

#[test]
fn a_move_in_a_transaction_does_not_wait() {
    let server = workspace();
    let mut client = server.client();
    client.script("MULTI\nBLMOVE source online:list LEFT RIGHT 0\nSESSION.LOGOUT ann");
    assert_eq!(client.must("EXEC").items()[..], [nil(), int(0)]);
    server.must("RPUSH source ann");
    client.script("MULTI\nBLMOVE source online:list LEFT RIGHT 0\nSESSION.INSPECT ann");
    assert_eq!(client.must("EXEC").items()[0], bulk("ann"));
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}

#[test]
fn a_stranger_whose_move_is_refused_while_an_application_logs_out_in_a_script() {
    let server = workspace();
    server.must("ACL SETUSER stranger on nopass -@all +eval");
    let mut stranger = server.client();
    stranger.must("AUTH stranger any");
    for n in 0..20 {
        eval(&mut stranger, MOVES);
        server.must(&format!("RPUSH online:list u{n}"));
        let reply = eval(&mut server.client(), &format!("return redis.call('SESSION.LOGOUT', 'u{n}')"));
        assert_eq!(reply, int(1));
    }
}

/// A client that really waits is followed all the same, and asked about while scripts run.
#[test]
fn a_client_that_waits_while_scripts_log_out() {
    let server = workspace();
    let mut waiting = server.client();
    waiting.send(split("BLMOVE source online:list LEFT RIGHT 0"));
    wait_until("the client is blocked", || server.info("clients")["blocked_clients"] == "1");
    let log_out = |user: &str| {
        let script = format!("redis.call('RPUSH', 'source', '{user}') return redis.call('SESSION.LOGOUT', '{user}')");
        eval(&mut server.client(), &script)
    };
    // What the script pushes is moved after it: the logout in it finds nothing yet.
    assert_eq!(log_out("ann"), int(0));
    assert_eq!(waiting.read(), bulk("ann"));
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}
