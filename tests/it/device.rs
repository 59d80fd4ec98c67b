//! SESSION.LOGOUT user SOCKET id: one device, and never the wrong session.

use crate::support::reply::{array, bulk, bulks, int};
use crate::support::{Server, TRACES, keys, log_in, log_out_exactly, log_out_socket_exactly};

fn workspace() -> Server {
    Server::builder().layout(include_str!("../layouts/workspace.json")).start()
}

/// The data of one of ann's devices, in a room.
fn device(server: &Server, socket: &str, room: &str) {
    let data = format!(r#"{{"session":{{"user/id":["ann"],"name":"Ann"}},"room":"{room}"}}"#);
    server.cmd(["SET", &format!("device:{socket}"), &data]);
}

/// Ann on a phone and a laptop; `mapping` creates the mapping of both.
fn phone_and_laptop(mapping: &str) -> Server {
    let server = workspace();
    server.must(mapping);
    device(&server, "phone", "den");
    device(&server, "laptop", "hall");
    server.script(
        "SET user:{ann}:draft:1 text
         SET ann:presence online
         SET ann/phone/tab 1
         SET cursor:den:ann:phone 1
         SET cursor:hall:ann:laptop 1
         SADD online ann bob
         SADD room:den:sockets phone other
         SADD room:hall:sockets laptop
         SADD room:den:members den|ann
         RPUSH user:{ann}:rooms phone laptop phone
         SET lobby '[\"ann\",\"bob\"]'",
    );
    server
}

#[test]
fn the_only_socket_takes_the_user_along() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(log_out_socket_exactly(&server, "ann", "s1"), TRACES);
}

#[test]
fn an_unknown_socket_of_a_user_without_a_live_one_is_a_full_logout() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.must("DEL socket_data:s1");
    assert_eq!(log_out_socket_exactly(&server, "ann", "s9"), TRACES - 1);
}

#[test]
fn an_unknown_socket_of_a_user_with_a_live_one_is_nothing() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(log_out_socket_exactly(&server, "ann", "s9"), 0);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_socket_of_somebody_else_is_unknown() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "bob", "s2", "hall");
    assert_eq!(log_out_socket_exactly(&server, "ann", "s2"), 0);
    server.must("DEL socket_data:s1");
    assert_eq!(log_out_socket_exactly(&server, "ann", "s2"), TRACES - 1);
    assert_eq!(log_out_exactly(&server, "bob"), TRACES);
}

#[test]
fn a_second_call_for_the_same_socket_finds_nothing() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    assert_eq!(client.run("SESSION.LOGOUT ann SOCKET s1"), int(TRACES));
    assert_eq!(client.run("SESSION.LOGOUT ann SOCKET s1"), int(0));
    log_in(&mut client, "ann", "s2", "hall");
    assert_eq!(client.run("SESSION.LOGOUT ann SOCKET s1"), int(0), "the new session is left whole");
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn the_old_socket_of_a_user_who_has_logged_in_again_goes_alone() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "ann", "s2", "hall");
    let reply = client.run("SESSION.LOGOUT ann SOCKET s1 WITHTRACES");
    assert_eq!(reply.field("removed"), int(1));
    assert_eq!(reply.field("keys"), bulks(["socket_data:s1"]));
    assert_eq!(reply.field("members"), array([]));
    assert_eq!(reply.field("entries"), array([]));
    assert_eq!(reply.field("sockets"), bulks(["s1"]));
    assert_eq!(reply.field("rooms"), bulks(["den"]));
    assert_eq!(client.run("GET user_socket:ann"), bulk("s2"));
    // The typing key and the entry in the document of the old room are the user's, not the socket's.
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 2);
}

#[test]
fn a_room_that_another_socket_is_in_is_not_left() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    log_in(&mut client, "ann", "s2", "den");
    let reply = client.run("SESSION.LOGOUT ann SOCKET s1 WITHTRACES");
    assert_eq!(reply.field("removed"), int(1));
    assert_eq!(reply.field("rooms"), array([]));
}

#[test]
fn the_mapped_socket_goes_while_another_by_owner_is_live() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    client.must(r#"SET socket_data:s2 '{"userId":"ann","roomId":"hall"}'"#);
    let reply = client.run("SESSION.LOGOUT ann SOCKET s1 WITHTRACES");
    assert_eq!(reply.field("keys"), bulks(["socket_data:s1", "user_socket:ann"]));
    assert_eq!(reply.field("removed"), int(2));
    assert_eq!(log_out_socket_exactly(&server, "ann", "s1"), 0);
    assert_eq!(log_out_socket_exactly(&server, "ann", "s2"), TRACES - 1);
}

#[test]
fn a_mapped_socket_whose_data_is_somebody_elses_loses_its_place_alone() {
    let server = Server::start();
    let mut client = server.client();
    log_in(&mut client, "ann", "s1", "den");
    client.must(r#"SET socket_data:s2 '{"userId":"ann"}'"#);
    client.must(r#"SET socket_data:s1 '{"userId":"bob"}'"#);
    assert_eq!(log_out_socket_exactly(&server, "ann", "s1"), 1);
    assert_eq!(client.run("EXISTS socket_data:s1 user_socket:ann"), int(1));
}

#[test]
fn one_of_several_devices_goes_from_a_mapping_of_any_type() {
    let mappings = [
        "SADD user:{ann}:devices phone laptop",
        "HSET user:{ann}:devices phone 1 laptop 2",
        "RPUSH user:{ann}:devices phone laptop phone",
        "ZADD user:{ann}:devices 1 phone 2 laptop",
    ];
    for mapping in mappings {
        let server = phone_and_laptop(mapping);
        let reply = server.run("SESSION.LOGOUT ann SOCKET phone WITHTRACES");
        assert_eq!(reply.field("keys"), bulks(["cursor:den:ann:phone", "device:phone"]), "{mapping}");
        let members = [["room:den:sockets", "phone"], ["user:{ann}:devices", "phone"], ["user:{ann}:rooms", "phone"]];
        assert_eq!(reply.field("members"), array(members.map(bulks)), "{mapping}");
        assert_eq!(reply.field("removed"), int(5), "{mapping}");
        assert_eq!(reply.field("sockets"), bulks(["phone"]), "{mapping}");
        assert_eq!(reply.field("rooms"), bulks(["den"]), "{mapping}");
        assert_eq!(log_out_socket_exactly(&server, "ann", "phone"), 0, "{mapping}");
        assert_eq!(log_out_socket_exactly(&server, "ann", "laptop"), 11, "{mapping}");
        assert_eq!(keys(&mut server.client()), ["lobby", "online", "room:den:sockets"], "{mapping}");
    }
}

#[test]
fn one_of_several_devices_is_held_against_the_model() {
    for mapping in ["SADD user:{ann}:devices phone laptop", "SET user:{ann}:devices phone"] {
        for socket in ["phone", "laptop", "tablet"] {
            let server = phone_and_laptop(mapping);
            log_out_socket_exactly(&server, "ann", socket);
            log_out_exactly(&server, "ann");
        }
    }
}

#[test]
fn the_last_place_in_a_mapping_takes_the_mapping_along() {
    let server = workspace();
    server.must("SADD user:{ann}:devices phone");
    device(&server, "phone", "den");
    device(&server, "forgotten", "hall");
    assert_eq!(log_out_socket_exactly(&server, "ann", "phone"), 2);
    assert_eq!(keys(&mut server.client()), ["device:forgotten"]);
}

#[test]
fn every_device_of_the_user_goes_with_a_full_logout() {
    let server = phone_and_laptop("SADD user:{ann}:devices phone laptop gone");
    let reply = server.run("SESSION.INSPECT ann");
    assert_eq!(reply.field("sockets"), bulks(["gone", "laptop", "phone"]));
    assert_eq!(reply.field("rooms"), bulks(["den", "hall"]));
    assert_eq!(reply.field("live"), int(1));
    // Eight keys, six members, one entry.
    assert_eq!(log_out_exactly(&server, "ann"), 15);
}

#[test]
fn without_sockets_in_the_layout_any_socket_is_a_full_logout() {
    let server = Server::builder().layout(include_str!("../layouts/nobody_live.json")).start();
    server.script("SET ann 1\nSET token:1 '\"ann\"'");
    assert_eq!(log_out_socket_exactly(&server, "ann", "s1"), 2);
}

#[test]
fn an_expired_data_key_is_no_live_socket() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    server.script("DEBUG SET-ACTIVE-EXPIRE 0\nPEXPIRE socket_data:s1 1");
    server.wait_for_time(server.now() + 2);
    assert_eq!(log_out_socket_exactly(&server, "ann", "s9"), TRACES - 1);
}

#[test]
fn a_script_may_log_one_device_out() {
    let server = phone_and_laptop("SADD user:{ann}:devices phone laptop");
    let script = "return {redis.call('SESSION.LOGOUT', 'ann', 'SOCKET', 'phone'),
                          redis.call('SESSION.LOGOUT', 'ann', 'SOCKET', 'phone'),
                          redis.call('SESSION.LOGOUT', 'ann', 'SOCKET', 'laptop')}";
    assert_eq!(server.cmd(["EVAL", script, "0"]), array([int(5), int(0), int(11)]));
}
