//! Keys whose names follow from the user's id are not named in a logout as long as none like them was ever seen. Whatever brings the
//! first one about has to be noticed.

use crate::args;
use crate::support::server::{Builder, Stop};
use crate::support::{Server, int, ok};

/// Traces `t0:{userId}` and so on, of which each is unseen, and one that makes the module watch commands at all.
fn with_traces(count: usize) -> Builder {
    let traces: Vec<String> = (0..count).map(|number| format!(r#"{{"key":"t{number}:{{userId}}"}}"#)).collect();
    let traces = traces.join(",");
    Server::builder().layout(format!(
        r#"{{"name":"unseen","separator":":","traces":[{{"key":"typing:{{roomId}}:{{userId}}"}},{traces}]}}"#
    ))
}

#[test]
fn the_first_key_is_found_whatever_wrote_it() {
    let lines = [
        "SET t0:u 1",
        "MSET x 1 t1:u 1",
        "SET x 1\nRENAME x t2:u",
        "SET x 1\nCOPY x t3:u",
        "EVAL 'return redis.call(\"SET\", \"t\" .. \"4:u\", \"1\")' 0",
        "MULTI\nSADD t5:u a\nEXEC",
        "RPUSH list a b c d\nSORT list ALPHA STORE t6:u",
        "LMOVE list t7:u LEFT LEFT",
        "BITOP NOT t8:u x",
        "SELECT 1\nSET t9:u 1\nMOVE t9:u 0\nSELECT 0",
        "SELECT 1\nSET t10:u 1\nCOPY t10:u t10:u DB 0\nSELECT 0",
        "PFMERGE t11:u",
        "XADD t12:u * a b",
        "SETEX t13:u 100 1",
        "DEBUG POPULATE 1 t14 1\nRENAME t14:0 t14:u",
    ];
    let server = with_traces(lines.len() + 2).start();
    let mut waiting = server.client();
    waiting.send(args!["BLMOVE", "empty", format!("t{}:u", lines.len()), "LEFT", "LEFT", "0"]);
    for line in lines {
        server.script(line);
    }
    let dump = server.must("DUMP x");
    server.cmd(args!["RESTORE", format!("t{}:u", lines.len() + 1), "0", dump.as_bytes()]);
    server.must("RPUSH empty a");
    waiting.read();
    let keys = lines.len() + 2;
    assert_eq!(server.run("SESSION.LOGOUT u"), int(i64::try_from(keys).expect("few")));
    assert_eq!(server.run("KEYS t*"), crate::support::array([]));
}

#[test]
fn keys_that_were_there_before_are_found() {
    let server = with_traces(2).without_module().start();
    server.script("SET t0:u 1\nSET t1:u 1");
    assert_eq!(server.load_module(), ok());
    assert_eq!(server.run("SESSION.LOGOUT u"), int(2));
}

#[test]
fn keys_that_are_loaded_are_found() {
    for builder in [with_traces(2), with_traces(2).append_only()] {
        let mut server = builder.start();
        server.script("SET t0:u 1\nSET t0:v 1\nSET t1:v 1");
        server.must("DEBUG RELOAD");
        assert_eq!(server.run("SESSION.LOGOUT u"), int(1));
        server.restart(Stop::Save);
        assert_eq!(server.run("SESSION.LOGOUT v"), int(2));
    }
}

#[test]
fn keys_that_a_debugger_makes_are_found() {
    let server = with_traces(2).start();
    server.must("DEBUG POPULATE 3 t1");
    assert_eq!(server.run("SESSION.LOGOUT 2"), int(1));
    assert_eq!(server.run("DBSIZE"), int(2));
}

#[test]
fn a_replica_that_is_promoted_has_seen_what_its_master_wrote() {
    let (master, replica) = (with_traces(3).start(), with_traces(3).start());
    master.must("SET t0:u 1");
    replica.replica_of(&master);
    master.script("SET t1:u 1\nEVAL 'redis.call(\"SET\", \"t2:u\", \"1\")' 0");
    replica.catch_up_with(&master);
    replica.must("REPLICAOF NO ONE");
    assert_eq!(replica.run("SESSION.LOGOUT u"), int(3));
}
