//! A logout is exact after data was loaded: from RDB and AOF, by MODULE LOAD into a full server, on a replica.

use crate::support::server::{Builder, Stop};
use crate::support::{Server, TRACES, int, log_in, log_out_exactly, log_out_exactly_in, ok};

/// Users, overwritten data, and keys in two databases.
fn fill(server: &Server) {
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    client.script(
        r#"SET socket_data:s3 '{"userId":"bob"}'
           SET socket_data:s3 '{"userId":"ann"}'
           SET socket_data:s4 '{"userId":"ann"}'
           SET socket_data:s4 '{"userId":"carl"}'
           SET typing:loft:ann 1
           SET typing:roof:ann 1
           RENAME typing:roof:ann typing:roof:bob
           EVAL "redis.call('SET', 'typing:attic:ann', 1)" 0
           SELECT 5
           SET typing:cellar:ann 1
           SET socket_data:s5 '{"userId":"ann"}'"#,
    );
}

/// Logs out everybody whom [`fill`] knows.
fn log_everybody_out(server: &Server) {
    assert_eq!(log_out_exactly(server, "ann"), TRACES + 3);
    assert_eq!(log_out_exactly(server, "bob"), TRACES + 1);
    assert_eq!(log_out_exactly(server, "carl"), 1);
    assert_eq!(log_out_exactly_in(server, 5, "ann"), 2);
    assert_eq!(log_out_exactly_in(server, 5, "bob"), 0);
}

/// The index catches what happens from now on, too.
fn later_traces_are_found(server: &Server) {
    server.script(
        r#"SET typing:den:ann 1
           SET socket_data:s3 '{"userId":"ann"}'
           SET socket_data:s3 '{"userId":"bob"}'
           SET socket_data:s8 '{"userId":"bob"}'
           SET socket_data:s8 '{"userId":"ann"}'"#,
    );
    assert_eq!(log_out_exactly(server, "ann"), 2);
    assert_eq!(log_out_exactly(server, "bob"), 1);
}

#[test]
fn after_debug_reload() {
    for reload in ["DEBUG RELOAD", "DEBUG RELOAD NOFLUSH MERGE", "DEBUG RELOAD"] {
        let server = Server::start();
        fill(&server);
        server.must(reload);
        log_everybody_out(&server);
        later_traces_are_found(&server);
    }
}

#[test]
fn after_an_older_file_is_loaded_onto_newer_data() {
    let server = Server::start();
    fill(&server);
    // INSPECT reads what is new into the index, so that the load alone can lose it.
    server.script("SAVE\nSET typing:late:ann 1\nSESSION.INSPECT ann\nDEBUG RELOAD NOSAVE NOFLUSH MERGE");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 3 + 1);
}

#[test]
fn after_a_restart_from_an_rdb_file() {
    let mut server = Server::start();
    fill(&server);
    server.restart(Stop::Save);
    log_everybody_out(&server);
    later_traces_are_found(&server);
}

#[test]
fn after_a_restart_from_an_append_only_file() {
    let mut server = Server::builder().append_only().start();
    fill(&server);
    server.restart(Stop::NoSave);
    log_everybody_out(&server);
    later_traces_are_found(&server);
    server.restart(Stop::Kill);
    assert_eq!(log_out_exactly(&server, "ann"), 0, "logouts are in the file as well");
    assert_eq!(log_out_exactly_in(&server, 5, "ann"), 0);
}

#[test]
fn after_a_restart_from_a_rewritten_append_only_file_with_later_commands() {
    for preamble in ["yes", "no"] {
        let builder = Server::builder().append_only().config(&format!("aof-use-rdb-preamble {preamble}"));
        let mut server = builder.start();
        server.script(
            r#"SET socket_data:s1 '{"userId":"bob"}'
               SET socket_data:s2 '{"userId":"ann"}'
               SET typing:den:bob 1
               BGREWRITEAOF"#,
        );
        crate::support::wait_until("the rewrite is over", || {
            let info = server.info("persistence");
            info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0"
        });
        fill(&server);
        server.must("RENAME typing:den:bob typing:shed:carl");
        server.restart(Stop::NoSave);
        assert_eq!(log_out_exactly(&server, "carl"), 2, "preamble {preamble}");
        assert_eq!(log_out_exactly(&server, "ann"), TRACES + 3, "preamble {preamble}");
        assert_eq!(log_out_exactly(&server, "bob"), TRACES + 1, "preamble {preamble}");
        later_traces_are_found(&server);
    }
}

#[test]
fn after_a_restart_from_an_append_only_file_that_empties_the_database_on_its_way() {
    let mut server = Server::builder().append_only().start();
    server.script("SET typing:old:ann 1\nFLUSHALL");
    fill(&server);
    server.restart(Stop::NoSave);
    log_everybody_out(&server);
    later_traces_are_found(&server);
}

#[test]
fn after_debug_loadaof() {
    let server = Server::builder().append_only().start();
    fill(&server);
    server.must("DEBUG LOADAOF");
    log_everybody_out(&server);
    later_traces_are_found(&server);
}

#[test]
fn after_a_restart_with_data_written_while_the_module_was_not_there() {
    let mut server = Server::builder().append_only().without_module().start();
    fill(&server);
    server.restart_with(Stop::NoSave, Builder::with_module);
    log_everybody_out(&server);
    later_traces_are_found(&server);
}

#[test]
fn after_module_load_into_data() {
    let server = Server::builder().without_module().start();
    fill(&server);
    assert_eq!(server.load_module(), ok());
    log_everybody_out(&server);
    later_traces_are_found(&server);
}

#[test]
fn at_once_after_module_load_into_a_full_server() {
    let server = Server::builder().without_module().start();
    server.must("DEBUG POPULATE 100000 typing:den");
    server.must("DEBUG POPULATE 100000 unrelated");
    fill(&server);
    assert_eq!(server.load_module(), ok());
    // Before anything has had time to look at so many keys.
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(TRACES + 3));
    assert_eq!(server.run("SESSION.LOGOUT 99999"), int(1));
    assert_eq!(server.run("SESSION.LOGOUT 100000"), int(0));
    assert_eq!(server.run("DBSIZE"), int(200_000 - 1 + TRACES + 3));
}

#[test]
fn while_the_index_is_being_built_and_data_changes_under_it() {
    // The same sockets come back in every round.
    let server = Server::builder().without_module().option("fence", "0").start();
    server.must("DEBUG POPULATE 100000 typing:den");
    fill(&server);
    let mut client = server.client();
    assert_eq!(server.load_module(), ok());
    for round in 0..12 {
        client.script(&format!(
            r#"SET typing:room{round}:ann 1
               RENAME typing:den:{round} typing:moved:{round}
               SET socket_data:s2 '{{"userId":"ann"}}'
               SET socket_data:s1 '{{"userId":"bob"}}'
               RENAME typing:den:{} typing:elsewhere:ann
               SWAPDB 0 5
               SWAPDB 0 5"#,
            round + 1000
        ));
        let expected = if round == 0 { TRACES + 3 + 2 } else { 3 };
        assert_eq!(client.run("SESSION.LOGOUT ann"), int(expected), "round {round}");
        assert_eq!(client.run(&format!("SESSION.LOGOUT {round}")), int(1), "round {round}");
        assert_eq!(client.run(&format!("SESSION.LOGOUT {}", round + 1000)), int(0), "round {round}");
    }
    assert_eq!(log_out_exactly_in(&server, 5, "ann"), 2);
    crate::support::wait_until("the index is ready", || server.info("session").values().any(|value| value == "ready"));
    assert_eq!(client.run("SESSION.LOGOUT 99999"), int(1));
    server.must("SESSION.LOGOUT bob");
    later_traces_are_found(&server);
}

#[test]
fn after_databases_were_flushed_or_swapped_while_the_index_is_being_built() {
    let server = Server::builder().without_module().start();
    server.must("DEBUG POPULATE 100000 typing:den");
    fill(&server);
    assert_eq!(server.load_module(), ok());
    server.must("SWAPDB 0 5");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(2));
    server.must("SWAPDB 0 5");
    assert_eq!(server.run("SESSION.LOGOUT 50000"), int(1));
    server.must("FLUSHDB");
    assert_eq!(server.run("SESSION.LOGOUT 50001"), int(0));
    later_traces_are_found(&server);
}

#[test]
fn after_the_module_was_unloaded_and_loaded_again() {
    let server = Server::start();
    fill(&server);
    if server.run("MODULE UNLOAD session") != ok() {
        // A module may refuse; then it must go on as before.
        log_everybody_out(&server);
        return;
    }
    server.script(r#"SET socket_data:s9 '{"userId":"dora"}'"#);
    assert_eq!(server.load_module(), ok());
    assert_eq!(log_out_exactly(&server, "dora"), 1);
    log_everybody_out(&server);
}

#[test]
fn on_a_promoted_replica() {
    let master = Server::start();
    fill(&master);
    let replica = Server::start();
    replica.script(
        r#"SET typing:old:ann 1
        SET socket_data:old '{"userId":"ann"}'"#,
    );
    replica.replica_of(&master);
    master.script(
        r#"SET typing:late:ann 1
           SET socket_data:s2 '{"userId":"ann"}'
           RENAME socket_data:s1 socket_data:s10"#,
    );
    replica.catch_up_with(&master);
    replica.must("REPLICAOF NO ONE");
    assert_eq!(log_out_exactly(&replica, "ann"), TRACES + 5);
    assert_eq!(log_out_exactly(&replica, "bob"), TRACES);
    later_traces_are_found(&replica);
    assert_eq!(log_out_exactly(&master, "ann"), TRACES + 5);
}

#[test]
fn on_a_replica_promoted_after_logouts_on_its_master() {
    let master = Server::start();
    fill(&master);
    let replica = Server::start();
    replica.replica_of(&master);
    assert_eq!(log_out_exactly(&master, "ann"), TRACES + 3);
    replica.catch_up_with(&master);
    master.snapshot().assert_matches(&replica.snapshot());
    replica.must("REPLICAOF NO ONE");
    assert_eq!(log_out_exactly(&replica, "ann"), 0);
    assert_eq!(log_out_exactly(&replica, "bob"), TRACES + 1);
}

#[test]
fn on_a_replica_that_loads_without_a_disk() {
    for load in ["disabled", "on-empty-db", "swapdb"] {
        let master = Server::builder().config("repl-diskless-sync yes").start();
        fill(&master);
        let replica = Server::builder().config(&format!("repl-diskless-load {load}")).start();
        replica.replica_of(&master);
        // Once more into a replica that holds data: from another history, so that all is sent again.
        let other = Server::builder().config("repl-diskless-sync yes").start();
        fill(&other);
        other.must("SET typing:other:ann 1");
        replica.replica_of(&other);
        replica.must("REPLICAOF NO ONE");
        assert_eq!(log_out_exactly(&replica, "ann"), TRACES + 4, "{load}");
        assert_eq!(log_out_exactly(&replica, "bob"), TRACES + 1, "{load}");
        later_traces_are_found(&replica);
    }
}

#[test]
fn a_logout_on_a_replica_is_refused_and_inspecting_works() {
    let master = Server::start();
    fill(&master);
    let replica = Server::start();
    replica.replica_of(&master);
    let refused = crate::support::error("READONLY You can't write against a read only replica.");
    assert_eq!(replica.run("SESSION.LOGOUT ann"), refused);
    assert_eq!(replica.run("SESSION.INSPECT ann"), master.run("SESSION.INSPECT ann"));
    assert_eq!(replica.run("SESSION.INSPECT ann").field("removed"), int(TRACES + 3));
    master.snapshot().assert_matches(&replica.snapshot());
}
