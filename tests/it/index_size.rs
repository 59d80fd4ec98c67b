//! The index does not grow by what is gone.

use std::ops::Range;

use crate::support::{Client, Server, int, keys, wait_until};

/// How users leave.
type Leave = fn(&mut Client, Range<usize>);

/// By the application's own doing, as far as it goes.
fn delete(client: &mut Client, users: Range<usize>) {
    users.for_each(|n| client.script(&format!("DEL map:u{n} sock:s{n}\nSESSION.LOGOUT u{n}")));
}

/// The data and the mapping end first, of which nothing tells.
fn expire(client: &mut Client, users: Range<usize>) {
    let last = users.end - 1;
    users.clone().for_each(|n| client.script(&format!("PEXPIRE map:u{n} 50\nPEXPIRE sock:s{n} 50")));
    wait_until("the data has expired", || client.must(&format!("EXISTS sock:s{last}")) == int(0));
    users.for_each(|n| client.script(&format!("SESSION.LOGOUT u{n}")));
}

/// Many users come and leave. Says how many bytes the index takes then.
fn bytes_after(server: &Server, round: usize, leave: Leave) -> i64 {
    const USERS: usize = 3000;
    let mut client = server.client();
    let users = round * USERS..(round + 1) * USERS;
    for n in users.clone() {
        client.script(&format!(r#"SET sock:s{n} {{"userId":"u{n}"}}"#));
        client.script(&format!("SET map:u{n} s{n}\nSADD online u{n}"));
    }
    client.must("SESSION.SWEEP");
    leave(&mut client, users);
    // Whoever asks has the module read what was written.
    client.must("SESSION.INSPECT nobody");
    let info = server.info("session");
    assert_eq!((keys(&mut client), &*info["session_index_entries"]), (vec![], "0"));
    info["session_index_bytes"].parse().expect("a number")
}

/// Users and sockets are new each time, so whatever is kept of one that is gone would be kept for ever.
fn nothing_is_kept(traces: &str, leave: Leave, start: impl Fn(String) -> Server) {
    let sockets = r#"{"of":"map:{userId}","data":"sock:{socketId}"}"#;
    let server = start(format!(r#"{{"name":"x","separator":":","traces":[{traces}],"sockets":{sockets}}}"#));
    let [first, _, third] = [0, 1, 2].map(|round| bytes_after(&server, round, leave));
    // Tables have a place or two in reserve.
    assert!(third <= first + 4096, "{first} {third}");
}

const ALL: &str = r#"{"members":"online","member":"{userId}"}, {"key":"map:{userId}"}"#;

fn owned() -> String {
    format!(r#"{ALL}, {{"key":"sock:{{socketId}}","owner":"/userId"}}"#)
}

#[test]
fn where_the_data_says_whose_a_socket_is() {
    nothing_is_kept(&owned(), expire, |layout| Server::builder().layout(layout).start());
}

#[test]
fn where_the_data_says_it_in_a_cluster() {
    nothing_is_kept(&owned(), expire, |layout| Server::builder().layout(layout).start_cluster(1).remove(0));
}

#[test]
fn where_the_mapping_says_it() {
    nothing_is_kept(ALL, delete, |layout| Server::builder().layout(layout).start());
}
