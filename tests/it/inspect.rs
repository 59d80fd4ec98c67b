//! SESSION.INSPECT: the plan and whether the user is live, with nothing changed.

use crate::support::reply::{array, bulk, bulks, error, int, queued};
use crate::support::{Reply, Server, TRACES, log_in, log_out_exactly};

fn world() -> Server {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    client.must("SET typing:loft:ann 1");
    server
}

fn plan_of_ann() -> Vec<(Reply, Reply)> {
    let keys = [
        "activity:ann",
        "socket_data:s1",
        "typing:den:ann",
        "typing:loft:ann",
        "user_activity:ann",
        "user_presence:ann",
        "user_session:ann",
        "user_socket:ann",
        "user_status:ann",
    ];
    let fields = [
        ("user", bulk("ann")),
        ("removed", int(TRACES + 1)),
        ("keys", bulks(keys)),
        ("members", array([bulks(["active_users", "ann"])])),
        ("entries", array([array([bulk("room:den"), int(1)])])),
        ("sockets", bulks(["s1"])),
        ("rooms", bulks(["den", "loft"])),
        ("live", int(1)),
    ];
    fields.into_iter().map(|(name, value)| (bulk(name), value)).collect()
}

#[test]
fn it_answers_a_flat_array_in_resp2_and_a_map_in_resp3() {
    let server = world();
    let flat = array(plan_of_ann().into_iter().flat_map(|(name, value)| [name, value]));
    assert_eq!(server.run("SESSION.INSPECT ann"), flat);
    assert_eq!(server.client().resp3().run("SESSION.INSPECT ann"), Reply::Map(plan_of_ann()));
}

#[test]
fn it_changes_nothing() {
    let server = Server::builder().append_only().start();
    log_in(&mut server.client(), "ann", "s1", "den");
    let before = server.snapshot();
    let (_, length) = crate::support::aof_commands(&server, 0);
    let changes = |server: &Server| server.info("persistence")["rdb_changes_since_last_save"].clone();
    let changed = changes(&server);
    for user in ["ann", "nobody", "*"] {
        server.must(&format!("SESSION.INSPECT {user}"));
    }
    before.assert_matches(&server.snapshot());
    assert_eq!(changes(&server), changed);
    assert_eq!(crate::support::aof_commands(&server, length).0, Vec::<Vec<Vec<u8>>>::new());
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_user_without_traces_has_an_empty_plan() {
    let server = world();
    let empty = ["keys", "members", "entries", "sockets", "rooms"].map(|name| [bulk(name), array([])]);
    let fields = [[bulk("user"), bulk("nobody")], [bulk("removed"), int(0)]].into_iter().chain(empty);
    let fields = fields.chain([[bulk("live"), int(0)]]).flatten();
    assert_eq!(server.run("SESSION.INSPECT nobody"), array(fields));
}

#[test]
fn a_user_is_live_while_a_mapped_socket_has_its_data() {
    let server = world();
    let live = || server.must("SESSION.INSPECT ann").field("live");
    assert_eq!(live(), int(1));
    server.must("RENAME socket_data:s1 socket_data:s9");
    assert_eq!(live(), int(0), "a socket by owner alone is not in the mapping");
    server.must("SET user_socket:ann s9");
    assert_eq!(live(), int(1));
    server.script("DEL user_socket:ann\nSADD user_socket:ann s1 s9");
    assert_eq!(live(), int(1));
    server.must("SREM user_socket:ann s9");
    assert_eq!(live(), int(0));
    server.script("DEL user_socket:ann\nXADD user_socket:ann * s9 s9");
    assert_eq!(live(), int(0), "a stream maps nothing");
}

#[test]
fn nobody_is_live_without_sockets_in_the_layout() {
    let server = Server::builder().layout(include_str!("../layouts/nobody_live.json")).start();
    server.must("SET ann 1");
    let reply = server.must("SESSION.INSPECT ann");
    assert_eq!((reply.field("live"), reply.field("removed")), (int(0), int(1)));
}

#[test]
fn it_takes_one_user_and_local_alone() {
    let server = world();
    let arity = error("ERR wrong number of arguments for 'session.inspect' command");
    assert_eq!(server.run("SESSION.INSPECT"), arity);
    assert_eq!(server.run("SESSION.INSPECT ann bob"), error("ERR syntax error"));
    assert_eq!(server.run("SESSION.INSPECT ann local LOCAL"), error("ERR syntax error"));
    assert_eq!(server.run("SESSION.INSPECT ''"), error("ERR user id must not be empty"));
}

#[test]
fn transactions_and_read_only_scripts_may_call_it() {
    let server = world();
    let expected = server.must("SESSION.INSPECT ann");
    let mut client = server.client();
    client.must("MULTI");
    assert_eq!(client.run("SESSION.INSPECT ann"), queued());
    assert_eq!(client.run("EXEC"), array([expected.clone()]));
    assert_eq!(server.cmd(["EVAL_RO", "return redis.call('SESSION.INSPECT', 'ann')", "0"]), expected);
    let flagged = "#!lua flags=no-writes\nreturn redis.call('SESSION.INSPECT', ARGV[1])";
    assert_eq!(server.cmd(["EVAL", flagged, "0", "ann"]), expected);
}

#[test]
fn it_looks_at_the_selected_database_alone() {
    let server = world();
    let mut client = server.client();
    client.must("SELECT 3");
    assert_eq!(client.must("SESSION.INSPECT ann").field("removed"), int(0));
}

#[test]
fn lists_are_sorted_by_bytes_and_name_nothing_twice() {
    let server = Server::builder().layout(include_str!("../layouts/workspace.json")).start();
    server.script(
        r#"RPUSH user:{ann}:devices b a b
        HSET login:b principal ann
        SET ticket:c '"ann"'
        RPUSH online ann ann
        SADD online:z ann
        SADD online:Z ann
        SADD room:2:sockets b a
        SADD room:10:sockets b
        SET cursor:2:ann:b 1
        SET doc:x '{"viewers":["ann","ann"],"state/now":{"editors":[{"user~id":["ann"]}]}}'"#,
    );
    let reply = server.must("SESSION.INSPECT ann");
    assert_eq!(reply.field("keys"), bulks(["cursor:2:ann:b", "login:b", "ticket:c", "user:{ann}:devices"]));
    let members = [
        ["online", "ann"],
        ["online:Z", "ann"],
        ["online:z", "ann"],
        ["room:10:sockets", "b"],
        ["room:2:sockets", "a"],
        ["room:2:sockets", "b"],
    ];
    assert_eq!(reply.field("members"), array(members.map(bulks)));
    assert_eq!(reply.field("entries"), array([array([bulk("doc:x"), int(3)])]));
    assert_eq!(reply.field("sockets"), bulks(["a", "b", "c"]));
    assert_eq!(reply.field("rooms"), bulks(["10", "2", "x"]));
    assert_eq!(reply.field("removed"), int(13));
    assert_eq!(log_out_exactly(&server, "ann"), 13);
}
