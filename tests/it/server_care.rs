//! The module leaves the server, its data and its clients as they were.

use crate::support::{Server, error, int, keys, log_in, log_out_exactly, ok, wait_until};

fn ready(server: &Server) {
    wait_until("the index is ready", || server.info("session")["session_index_state"] == "ready");
}

#[test]
fn a_load_that_the_server_refuses_does_not_take_it_down() {
    let server = Server::builder().without_module().start();
    let path = crate::support::server::module_path();
    let call = ["MODULE", "LOADEX", &path.to_string_lossy(), "CONFIG", "session.bogus", "1"].map(str::to_owned);
    assert!(server.cmd(call).is_error());
    assert_eq!(server.cmd(["PING"]), crate::support::status("PONG"));
}

#[test]
fn reading_leaves_values_in_their_compact_form() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "7", "den");
    server.cmd(["SET", "socket_data:8", r#"{"userId":"ann"}"#]);
    let encodings = || ["user_socket:ann", "socket_data:8"].map(|key| server.cmd(["OBJECT", "ENCODING", key]));
    let before = encodings();
    ready(&server);
    server.must("SESSION.INSPECT ann");
    server.must("SESSION.LOGOUT ann SOCKET none");
    assert_eq!(encodings(), before);
}

#[test]
fn a_script_of_a_caller_with_few_commands_leaves_no_line_in_the_acl_log() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("ACL SETUSER app on nopass ~* +eval +session.logout");
    let mut client = server.client();
    client.must("AUTH app any");
    let removed = client.cmd(["EVAL", "return redis.call('SESSION.LOGOUT', 'ann')", "0"]);
    assert_eq!(removed, int(crate::support::TRACES));
    assert_eq!(server.must("ACL LOG"), crate::support::array([]));
}

#[test]
fn debug_that_is_not_allowed_costs_nothing() {
    let server = Server::builder().config("enable-debug-command no").start();
    ready(&server);
    assert!(server.cmd(["DEBUG", "POPULATE", "10"]).is_error());
    assert_eq!(server.info("session")["session_index_state"], "ready");
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(log_out_exactly(&server, "ann"), crate::support::TRACES);
}

const CLUSTER_DOWN: &str =
    "CLUSTERDOWN the cluster is down, so nothing was looked for and nothing removed; call again when it is up";

#[test]
fn a_cluster_that_is_down_loses_no_half_of_a_user() {
    for reads in ["no", "yes"] {
        cluster_down(&format!("cluster-allow-reads-when-down {reads}"));
    }
}

fn cluster_down(config: &str) {
    let builder = Server::builder().option("grace", "0").config(config);
    let nodes = builder.start_cluster(1);
    let node = &nodes[0];
    node.must("CLUSTER DELSLOTS 1");
    wait_until("the cluster is down", || node.must("CLUSTER INFO").as_text().contains("cluster_state:fail"));
    node.must("CLUSTER ADDSLOTS 1");
    node.wait_for_cluster(1);
    log_in(&mut node.client(), "ann", "s1", "den");
    // Sweeps by itself, which must wait too.
    node.must("CONFIG SET session.sweep-interval 1");
    let before = node.snapshot();
    let entries = || node.info("session")["session_index_entries"].clone();
    wait_until("all is read", || node.info("session")["session_pending_keys"] == "0" && entries() != "0");
    let known = entries();
    assert_eq!(node.must("CLUSTER DELSLOTS 1"), ok());
    wait_until("the cluster is down", || node.must("CLUSTER INFO").as_text().contains("cluster_state:fail"));
    for call in ["SESSION.LOGOUT ann", "SESSION.INSPECT ann", "SESSION.SWEEP"] {
        assert_eq!(node.run(call), error(CLUSTER_DOWN), "{call}");
    }
    node.wait_for_time(node.now() + 1500);
    assert_eq!(entries(), known, "nothing is forgotten");
    assert!(!node.log().contains("please report this"));
    node.must("CLUSTER ADDSLOTS 1");
    node.wait_for_cluster(1);
    before.assert_matches(&node.snapshot());
    assert_eq!(node.run("SESSION.LOGOUT ann"), int(crate::support::TRACES));
}

/// Valkey 8.1 leaves a client in the database of the last event that a module watches.
#[test]
fn a_client_stays_in_its_database_whatever_the_module_watches() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    let mut client = server.client();
    client.script(
        "SESSION.LOGOUT ann
         SET k 1
         COPY k k DB 5
         SET after:copy 1
         MOVE k 6
         SET after:move 1
         EVAL 'return redis.call(\"COPY\", \"after:copy\", \"k\", \"DB\", \"7\")' 0
         SET after:script 1
         DEBUG RELOAD
         SET after:reload 1",
    );
    assert_eq!(keys(&mut client), ["after:copy", "after:move", "after:reload", "after:script", "room:den"]);
}
