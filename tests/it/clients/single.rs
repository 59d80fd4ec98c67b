//! On a single server: a logout, its map in RESP2 and RESP3, an error, a pipeline and a transaction.

use super::{Client, GLIDE, IOREDIS, NODE_REDIS, PHP, REDIS_PY, REDIS_PY_ASYNCIO, REDIS_RS};
use crate::support::{Server, bulks, keys};

/// Those whom each program logs out.
const USERS: [&str; 6] = ["ada", "ben", "cid", "dan", "eve", "fay"];

/// Four traces.
fn log_in(server: &Server, user: &str) {
    let data = format!(r#"{{"userId":"{user}","roomId":"den"}}"#);
    server.cmd(["MSET", &format!("user_socket:{user}"), &format!("s-{user}"), &format!("socket_data:s-{user}"), &data]);
    server.script(&format!("SET typing:den:{user} 1\nSADD active_users {user}"));
}

fn judge(client: &Client) {
    let server = Server::start();
    for user in USERS.iter().chain(&["zoe"]) {
        log_in(&server, user);
    }
    client.does_as_it_says("single", &server);
    let of_zoe = ["active_users", "socket_data:s-zoe", "typing:den:zoe", "user_socket:zoe"];
    assert_eq!(keys(&mut server.client()), of_zoe);
    assert_eq!(server.run("SMEMBERS active_users"), bulks(["zoe"]));
}

#[test]
fn node_redis_logs_out() {
    judge(&NODE_REDIS);
}

#[test]
fn ioredis_logs_out() {
    judge(&IOREDIS);
}

#[test]
fn valkey_glide_logs_out() {
    judge(&GLIDE);
}

#[test]
fn redis_py_logs_out() {
    judge(&REDIS_PY);
}

#[test]
fn redis_py_with_asyncio_logs_out() {
    judge(&REDIS_PY_ASYNCIO);
}

#[test]
fn phpredis_logs_out() {
    judge(&PHP);
}

#[test]
fn redis_rs_logs_out() {
    judge(&REDIS_RS);
}

#[test]
fn valkey_glide_writes_errors_to_the_standard_output() {
    let printed = GLIDE.run("loud", &Server::start());
    assert!(printed.iter().any(|line| line.contains("user id must not be empty")), "{printed:?}");
}
