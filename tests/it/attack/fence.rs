//! The fence is by socket and user, so that nobody lifts it from a socket of another, and bounded in bytes.

use crate::{
    args,
    support::{Client, Server, int, log_in, wait_until},
};

fn number(server: &Server, section: &str, field: &str) -> usize {
    server.info(section)[field].parse().expect("a number")
}

fn data(user: &str) -> String {
    format!(r#"{{"userId":"{user}","roomId":"den"}}"#)
}

/// Time enough for whatever the module does by itself.
fn idle(server: &Server) {
    server.wait_for_time(server.now() + 60);
}

/// What is written to the data of a socket is removed again if it names this user.
fn assert_fenced(server: &Server, socket: &str, user: &str) {
    let key = format!("socket_data:{socket}");
    server.cmd(["SET", &key, &data(user)]);
    wait_until("it is removed", || server.cmd(["EXISTS", &key]) == int(0));
}

#[test]
fn a_logout_of_somebody_else_with_the_same_socket_leaves_it_up() {
    let server = Server::start();
    log_in(&mut server.client(), "bob", "s1", "den");
    server.must("SESSION.LOGOUT bob");
    for mallory in 0..3 {
        server.must(&format!("SET user_socket:mallory{mallory} s1"));
        assert_eq!(server.run(&format!("SESSION.LOGOUT mallory{mallory}")), int(1));
    }
    for user in ["bob", "mallory0", "mallory2", "bob"] {
        assert_fenced(&server, "s1", user);
    }
    assert_eq!(number(&server, "session", "session_fence_removed_keys"), 4);
    // Whoever was not logged out comes and goes.
    server.cmd(["SET", "socket_data:s1", &data("cid")]);
    idle(&server);
    assert_eq!(server.run("EXISTS socket_data:s1"), int(1));
    // And it is bob's no more when it becomes his again.
    assert_fenced(&server, "s1", "bob");
}

fn long_id(user: &str, length: usize) -> String {
    "0".repeat(length - user.len()) + user
}

/// Logs users out whose socket ids are this long.
fn log_out_long(client: &mut Client, count: usize, length: usize) {
    let of = |n: usize| {
        let user = format!("u{n}");
        let set = args!["SET", format!("user_socket:{user}"), long_id(&user, length)];
        [set, args!["SESSION.LOGOUT", user]]
    };
    client.pipeline((0..count).flat_map(of));
}

#[test]
fn long_ids_do_not_fill_the_memory() {
    const MB: usize = 1 << 20;
    let server = Server::start();
    server.must("CONFIG SET session.log-level debug");
    let before = number(&server, "memory", "used_memory");
    log_out_long(&mut server.client(), 1000, 20_000);
    let bytes = number(&server, "session", "session_fence_bytes");
    assert!((8 * MB..=16 * MB).contains(&bytes), "{bytes} bytes");
    let used = || number(&server, "memory", "used_memory").saturating_sub(before);
    wait_until("what it takes is what it says", || used() < bytes + 4 * MB);
    assert_fenced(&server, &long_id("u999", 20_000), "u999");
    let first = format!("socket_data:{}", long_id("u0", 20_000));
    server.cmd(["SET", &first, &data("u0")]);
    idle(&server);
    assert_eq!(server.cmd(["EXISTS", &first]), int(1), "the first was forgotten");
}

#[test]
fn an_id_that_is_too_long_takes_nobodys_place() {
    let server = Server::start();
    log_in(&mut server.client(), "bob", "s1", "den");
    server.must("SESSION.LOGOUT bob");
    log_out_long(&mut server.client(), 1, 20 << 20);
    assert_eq!(number(&server, "session", "session_fence_sockets"), 1);
    assert_fenced(&server, "s1", "bob");
}
