//! Only sockets whose data named the user are disconnected.

use crate::support::{Listener, Server, int};

/// The easyshare layout's sockets, with what else `sockets` says, and the data's owner read or not.
fn layout(reads_owner: bool, more: &str) -> String {
    let data = if reads_owner { r#"{"key":"socket_data:{socketId}","owner":"/userId"},"# } else { "" };
    format!(
        r#"{{"name":"rooms","separator":":","traces":[{data}{{"key":"user_socket:{{userId}}"}},{{"key":"typing:{{roomId}}:{{userId}}"}}],
            "sockets":{{"of":"user_socket:{{userId}}","data":"socket_data:{{socketId}}","room":"/roomId"{more}}},
            "announce":[{{"event":"left","args":["{{userId}}"]}}]}}"#
    )
}

fn with_layout(layout: String) -> Server {
    Server::builder().option("socketio", "classic").option("channel", "").option("fence", "0").layout(layout).start()
}

/// The one message that closes these sockets, or none.
fn closed(sockets: &str) -> String {
    format!(r#"socket.io-request#/# {{"type":4,"opts":{{"rooms":[{sockets}],"except":[]}},"close":true}}"#)
}

/// What is said when the mapping is as the script makes it and ann is logged out: `removed` traces of hers.
fn heard(server: &Server, script: &str, call: &str, removed: i64) -> Vec<String> {
    server.script(script);
    let mut listener = Listener::to_all(server);
    assert_eq!(server.run(call), int(removed), "{script}: {call}");
    listener.heard_lines(server)
}

/// Anybody can be in a room of any name: `lobby` is one where bob and carl are, and no socket's id.
#[test]
fn nobody_in_a_room_is_disconnected_because_a_mapping_holds_its_name() {
    let server = with_layout(layout(true, ""));
    let bob = r#"MSET user_socket:bob s2 socket_data:s2 '{"userId":"bob","roomId":"lobby"}'"#;
    let nothing: [String; 0] = [];
    assert_eq!(heard(&server, &format!("{bob}\nSET user_socket:ann lobby"), "SESSION.LOGOUT ann", 1), nothing);
    assert_eq!(heard(&server, "SADD user_socket:ann lobby den", "SESSION.LOGOUT ann SOCKET lobby", 1), nothing);
    assert_eq!(heard(&server, "HSET user_socket:ann lobby 1", "SESSION.LOGOUT ann REASON x", 1), nothing);
    // Data that says of nobody whose it is says nothing.
    for data in ["x", "{}", r#"{"userId":7}"#, r#"{"userId":"bob"}"#] {
        let script = format!("SET user_socket:ann lobby\nSET socket_data:lobby '{data}'");
        assert_eq!(heard(&server, &script, "SESSION.LOGOUT ann", 1), nothing, "{data}");
    }
    server.must("DEL socket_data:lobby");
    // Nor by the hand of a sweep, or with a device of a user who goes on with another.
    assert_eq!(heard(&server, "SET user_socket:ann lobby", "SESSION.SWEEP", 1), nothing);
    let script = "SADD user_socket:ann lobby s1\nSET socket_data:s1 '{\"userId\":\"ann\"}'";
    assert_eq!(heard(&server, script, "SESSION.LOGOUT ann SOCKET lobby", 1), nothing);
}

/// The emitted message of the announcement, which spares these sockets.
fn left(room: &str, spared: &str) -> String {
    let (length, count) = (0xa0 + room.len(), 0x90 + spared.matches(r"\xa").count());
    format!(
        r"socket.io#/#{room}# \x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa4left\xa3ann\xa3nsp\xa1/\x83\xa5rooms\x91\x{length:x}{room}\xa5flags\x80\xa6except\x{count:x}{spared}"
    )
}

#[test]
fn those_whose_data_named_the_user_are_disconnected_and_spared_and_no_other() {
    let server = with_layout(layout(true, ""));
    let script = r#"
        SADD user_socket:ann lobby s1 s2
        SET socket_data:s1 '{"userId":"ann","roomId":"den"}'
        SET socket_data:s2 '{"userId":"bob","roomId":"den"}'
        SET socket_data:s3 '{"userId":"ann","roomId":"den"}'
    "#;
    let expected = [left("den", r"\xa2s1\xa2s3"), closed(r#""s1","s3""#)];
    assert_eq!(heard(&server, script, "SESSION.LOGOUT ann", 3), expected);
    let expected = [left("lobby", "")];
    assert_eq!(heard(&server, "SET user_socket:ann lobby\nSET typing:lobby:ann 1", "SESSION.LOGOUT ann", 2), expected);
}

#[test]
fn a_layout_may_trust_the_mapping_but_not_against_what_data_says() {
    let server = with_layout(layout(true, r#","trustMapping":true"#));
    let script = "SADD user_socket:ann s1 s2\nSET socket_data:s2 '{\"userId\":\"bob\"}'";
    assert_eq!(heard(&server, script, "SESSION.LOGOUT ann", 1), [closed(r#""s1""#)]);
    let server = with_layout(layout(true, r#","trustMapping":false"#));
    assert_eq!(heard(&server, script, "SESSION.LOGOUT ann", 1), Vec::<String>::new());
}

#[test]
fn where_no_owner_is_read_the_mapping_says_whose_a_socket_is() {
    let server = with_layout(layout(false, ""));
    let script = "SADD user_socket:ann s1 s2\nSET socket_data:s2 x";
    assert_eq!(heard(&server, script, "SESSION.LOGOUT ann", 1), [closed(r#""s1","s2""#)]);
}
