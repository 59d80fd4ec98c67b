use serde_json::{Value as Json, json};

use super::*;
use crate::{
    fake::{Fake, Value},
    plan::{Detail, Known, Scope, find},
};

const AT: u64 = 1_767_225_600_000;

/// A layout with these announcements and nothing else of interest.
fn layout(announce: &str) -> Layout {
    let text = format!(r#"{{"name":"x","traces":[{{"key":"u:{{userId}}"}}],"announce":{announce}}}"#);
    Layout::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn options(arguments: &[&str]) -> Options {
    Options::parse(arguments.iter().map(|argument| argument.as_bytes())).unwrap()
}

fn ann<'a>(sockets: &[&'a [u8]], rooms: &'a [Vec<u8>]) -> Departure<'a> {
    Departure {
        user: b"ann",
        user_name: None,
        sockets: sockets.to_vec(),
        own: sockets.iter().filter_map(|socket| str::from_utf8(socket).ok()).collect(),
        seats: Vec::new(),
        rooms,
        scope: Scope::User,
        reason: b"logout",
        at: AT,
        id: "0123456789abcdefghjk",
    }
}

fn nothing_known() -> Known<'static> {
    Known { places: &|_, _| crate::index::PlaceSet::default(), has_sockets: false, unseen: None, told: None }
}

/// The commands that follow, as lines; bytes that are not printable ASCII are escaped.
fn told(options: &Options, layout: &Layout, departure: Departure<'_>, space: &Fake) -> (Vec<String>, Vec<LeftOut>) {
    let plan = find(space, layout, nothing_known(), departure.user, Detail::Audience, &[]);
    let Some(audience) = Audience::new(options, layout) else { return Default::default() };
    let ready = Notice::new(audience, departure).check(space, &plan.keys, |_| false);
    let mut lines = Vec::new();
    ready.tell(3, &mut |command| {
        let arguments = command.arguments.iter().map(|argument| argument.escape_ascii().to_string());
        let name = command.name.to_string_lossy().into_owned();
        lines.push([name].into_iter().chain(arguments).collect::<Vec<_>>().join(" ").replace("\\\"", "\""));
    });
    (lines, ready.left_out)
}

fn lines(arguments: &[&str], announce: &str, departure: Departure<'_>) -> Vec<String> {
    told(&options(arguments), &layout(announce), departure, &Fake::default()).0
}

/// The announcements of the built-in layout.
const LEFT: &str = r#"[{"event":"user:left","args":["{userId}"]}]"#;
const EASYSHARE: &str = r#"[{"event":"user:left","args":["{userId}"]},{"event":"message:new","args":[{"roomId":"{roomId}",
    "userId":"system","type":"leave","content":"{userName} logged out","timestamp":"{now}"}]}]"#;

#[test]
fn the_event_says_what_happened_field_by_field() {
    let rooms = [b"den".to_vec(), b"hall".to_vec()];
    let departure = Departure { user_name: Some("Ann \"A\""), ..ann(&[b"s1", b"s2"], &rooms) };
    let event = r#"{"event":"logout","userId":"ann","userName":"Ann \\"A\\"","sockets":["s1","s2"],"rooms":["den","hall"],"scope":"user","reason":"logout","removed":3,"at":1767225600000}"#;
    assert_eq!(lines(&[], "[]", departure.clone()), [format!("PUBLISH session:events {event}")]);
    let both = lines(&["channel", "c", "stream", "s", "stream-maxlen", "7"], "[]", departure);
    assert_eq!(both, [format!("XADD s MAXLEN ~ 7 * event {event}"), format!("PUBLISH c {event}")]);
    let departure = Departure { scope: Scope::Socket, reason: b"a\xffb\n", ..ann(&[], &[]) };
    let event = r#"{"event":"logout","userId":"ann","sockets":[],"rooms":[],"scope":"socket","reason":"a\xef\xbf\xbdb\\n","removed":3,"at":1767225600000}"#;
    assert_eq!(lines(&[], "[]", departure), [format!("PUBLISH session:events {event}")]);
}

#[test]
fn nothing_is_told_when_nobody_listens() {
    assert_eq!(lines(&["channel", ""], EASYSHARE, ann(&[b"s"], &[b"r".to_vec()])), Vec::<String>::new());
}

/// The vector was recorded from a live server of the classic adapter.
#[test]
fn classic_messages_are_those_that_servers_send() {
    let announce = r#"[{"event":"user:logout","args":[{"userId":"{userId}"}]}]"#;
    let rooms = [b"r1".to_vec()];
    let departure = Departure { user: b"u1", ..ann(&[], &rooms) };
    let mut messages = Vec::new();
    let (options, layout) = (options(&["socketio", "classic", "channel", ""]), layout(announce));
    let plan = find(&Fake::default(), &layout, nothing_known(), b"u1", Detail::Audience, &[]);
    let ready =
        Notice::new(Audience::new(&options, &layout).unwrap(), departure)
            .check(&Fake::default(), &plan.keys, |_| false);
    ready.tell(1, &mut |command| messages.push(command.arguments.concat()));
    let vector = "93a7656d697474657283a47479706502a46461746192ab757365723a6c6f676f757481a6757365724964a27531a36e7370a12f\
                  83a5726f6f6d7391a27231a5666c61677380a665786365707490";
    let bytes = (0..vector.len()).step_by(2).map(|at| u8::from_str_radix(&vector[at..at + 2], 16).unwrap());
    assert_eq!(messages, [b"socket.io#/#r1#".iter().copied().chain(bytes).collect::<Vec<_>>()]);
}

#[test]
fn classic_announces_to_each_room_and_then_disconnects() {
    let rooms = [b"a".to_vec(), b"b".to_vec()];
    let arguments = ["socketio", "classic", "socketio-prefix", "p", "socketio-namespace", "/n", "channel", ""];
    let emit = |room: &str| {
        format!(
            r"PUBLISH p#/n#{room}# \x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa9user:left\xa3ann\xa3nsp\xa2/n\x83\xa5rooms\x91\xa1{room}\xa5flags\x80\xa6except\x92\xa2s1\xa2s2"
        )
    };
    let disconnect = r#"PUBLISH p-request#/n# {"type":4,"opts":{"rooms":["s1","s2"],"except":[]},"close":true}"#;
    let expected = [emit("a"), emit("b"), disconnect.to_owned()];
    assert_eq!(lines(&arguments, LEFT, ann(&[b"s1", b"s2"], &rooms)), expected);
}

#[test]
fn sharded_messages_go_where_every_server_listens() {
    let rooms = [b"exactly-20-characters"[1..].to_vec()];
    let arguments = ["socketio", "sharded", "channel", ""];
    let emit = r#"SPUBLISH socket.io#/# {"uid":"emitter","nsp":"/","type":3,"data":{"opts":{"rooms":["xactly-20-characters"],"except":["s1"],"flags":{}},"packet":{"type":2,"data":["user:left","ann"],"nsp":"/"}}}"#;
    let disconnect = r#"SPUBLISH socket.io#/# {"uid":"emitter","nsp":"/","type":6,"data":{"opts":{"rooms":["s1"],"except":[],"flags":{}},"close":true}}"#;
    assert_eq!(lines(&arguments, LEFT, ann(&[b"s1"], &rooms)), [emit, disconnect]);
}

#[test]
fn streams_get_entries_as_servers_add_them() {
    let rooms = [b"r".to_vec()];
    let arguments = ["socketio", "streams", "channel", ""];
    let emit = r#"XADD socket.io MAXLEN ~ 10000 * uid emitter nsp / type 3 data {"opts":{"rooms":["r"],"except":["s1"],"flags":{}},"packet":{"type":2,"data":["user:left","ann"],"nsp":"/"}}"#;
    let disconnect = r#"XADD socket.io MAXLEN ~ 10000 * uid emitter nsp / type 6 data {"opts":{"rooms":["s1"],"except":[],"flags":{}},"close":true}"#;
    assert_eq!(lines(&arguments, LEFT, ann(&[b"s1"], &rooms)), [emit, disconnect]);
}

/// What a user left behind grows with sockets and rooms, not with the product of both.
#[test]
fn of_many_sockets_some_are_spared_an_announcement_and_all_are_disconnected() {
    let ids: Vec<Vec<u8>> = (0..100).map(|number| format!("s{number:03}").into()).collect();
    let (sockets, rooms): (Vec<&[u8]>, _) = (ids.iter().map(|id| &**id).collect(), [b"r".to_vec()]);
    let lines = lines(&["socketio", "sharded", "channel", ""], LEFT, ann(&sockets, &rooms));
    let [left, closed] = &*lines else { panic!("two messages: {lines:?}") };
    assert!(left.contains(r#""s063"],"flags""#) && !left.contains("s064"), "{left}");
    assert!(closed.contains("s000") && closed.contains("s099"), "{closed}");
}

#[test]
fn a_user_without_a_socket_or_a_room_disconnects_nobody() {
    for adapter in ["classic", "sharded", "streams"] {
        let arguments = ["socketio", adapter, "channel", ""];
        assert_eq!(lines(&arguments, EASYSHARE, ann(&[], &[])), Vec::<String>::new(), "{adapter}");
        // Neither do ids that are no text.
        let rooms = [b"\xff".to_vec()];
        assert_eq!(lines(&arguments, EASYSHARE, ann(&[b"\xfe"], &rooms)), Vec::<String>::new(), "{adapter}");
        let departure = Departure { own: vec![], ..ann(&[b"somebody else's"], &[]) };
        assert_eq!(lines(&arguments, EASYSHARE, departure), Vec::<String>::new(), "{adapter}");
    }
}

#[test]
fn placeholders_are_filled_at_any_depth() {
    let announce = r#"[{"event":"{userId}","args":["{now}",{"z":{"{roomId}":["{now}!",{"a":"{{{userName}}}"}]},"n":1.5,
        "x":null,"b":[true,-3,[]],"":"{socketId}{socketId}/{reason}"}],"append":"h:{roomId}:{{{userId}}}:{now}"}]"#;
    let rooms = [b"r1".to_vec(), b"r2".to_vec(), b"r3".to_vec()];
    let line = |room: &str, socket: &str| {
        format!(
            r#"RPUSH h:{room}:{{ann}}:{AT} [{AT},{{"z":{{"{{roomId}}":["{AT}!",{{"a":"{{ann}}"}}]}},"n":1.5,"x":null,"b":[true,-3,[]],"":"{socket}{socket}/logout"}}]"#
        )
    };
    let seats: Vec<(&[u8], &[u8])> = vec![(b"r1", b"s1"), (b"r2", b"s2")];
    let departure = Departure { seats, ..ann(&[b"s1", b"s2"], &rooms) };
    let expected = [line("r1", "s1"), line("r2", "s2"), line("r3", "s1")];
    assert_eq!(lines(&["channel", ""], announce, departure), expected);
    let none = lines(&["channel", ""], r#"[{"event":"e","args":["{socketId}"],"append":"h"}]"#, ann(&[], &rooms[..1]));
    assert_eq!(none, [r#"RPUSH h """#], "no socket is known, and one argument is kept as it is");
}

#[test]
fn entries_come_before_messages_and_channels_before_rooms() {
    let announce = r#"[{"event":"a","args":[1],"append":"l:{roomId}"},{"event":"b","args":[2],"append":"s:{roomId}","as":"stream"}]"#;
    let rooms = [b"x".to_vec(), b"y".to_vec()];
    let arguments = ["stream", "st", "socketio", "sharded"];
    let lines = lines(&arguments, announce, ann(&[b"s1"], &rooms));
    let heads: Vec<_> = lines.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = ["XADD st", "RPUSH l:x", "RPUSH l:y", "XADD s:x", "XADD s:y", "PUBLISH session:events"];
    assert_eq!(heads[..6], expected);
    assert_eq!(heads[6..], ["SPUBLISH socket.io#/#"; 5]);
    assert_eq!(lines[3], "XADD s:x * message 2");
}

/// The arguments of the commands that follow when everything of a user is called `id`.
fn told_of(id: &str, adapter: &str) -> Vec<Vec<Vec<u8>>> {
    let (options, layout, space) = (options(&["socketio", adapter]), layout(EASYSHARE), Fake::default());
    let rooms = [id.as_bytes().to_vec()];
    let departure = Departure { user: id.as_bytes(), ..ann(&[id.as_bytes()], &rooms) };
    let plan = find(&space, &layout, nothing_known(), b"u", Detail::Names, &[]);
    let ready = Notice::new(Audience::new(&options, &layout).unwrap(), departure).check(&space, &plan.keys, |_| false);
    let mut commands = Vec::new();
    ready.tell(1, &mut |command| commands.push(command.arguments.iter().map(|argument| argument.to_vec()).collect()));
    commands
}

/// What the first announcement says: the rooms that it is for, and its data.
fn addressed(adapter: &str, command: &[Vec<u8>]) -> (Json, Json) {
    let message = command.last().unwrap();
    if adapter == "classic" {
        let message: Json = rmp_serde::from_slice(message).unwrap();
        return (message[2]["rooms"].clone(), message[1]["data"].clone());
    }
    let message: Json = serde_json::from_slice(message).unwrap();
    let data = if adapter == "sharded" { &message["data"] } else { &message };
    (data["opts"]["rooms"].clone(), data["packet"]["data"].clone())
}

/// Whose sockets are disconnected.
fn disconnected(adapter: &str, command: &[Vec<u8>]) -> Json {
    let message: Json = serde_json::from_slice(command.last().unwrap()).unwrap();
    let data = if adapter == "sharded" { &message["data"] } else { &message };
    data["opts"]["rooms"].clone()
}

#[test]
fn odd_ids_stay_where_they_are() {
    let long = "x".repeat(70_000);
    let odd = ["a#b", "*", "?[a]", "\"],\"rooms\":[]", "\\", "\r\n\0\u{7f}", "é\u{2028}", "#", "{now}", "/", &long];
    for (id, adapter) in odd.iter().flat_map(|id| ["classic", "sharded", "streams"].map(|adapter| (*id, adapter))) {
        let commands = told_of(id, adapter);
        let [event, left, said, closed] = commands.as_slice() else { panic!("{adapter} {id}: {commands:?}") };
        let event: Json = serde_json::from_slice(&event[1]).unwrap();
        let only = json!([id]);
        assert_eq!((&event["userId"], &event["rooms"], &event["sockets"]), (&json!(id), &only, &only), "{adapter}");
        assert_eq!(addressed(adapter, left), (only.clone(), json!(["user:left", id])), "{adapter}");
        assert_eq!(disconnected(adapter, closed), only, "{adapter}");
        // No id chooses where a message goes, but that the classic adapter names the room in the channel as well.
        let places = [&left[0], &said[0], &closed[0]].map(|place| str::from_utf8(place).unwrap());
        let channel = format!("socket.io#/#{id}#");
        let expected = match adapter {
            "classic" => [&*channel, &channel, "socket.io-request#/#"],
            "sharded" => ["socket.io#/#"; 3],
            _ => ["socket.io"; 3],
        };
        assert_eq!(places, expected);
    }
}

#[test]
fn what_a_key_cannot_take_is_left_out_before_anything_changes() {
    let announce = r#"[{"event":"e","args":["{userId}"],"append":"l:{roomId}"}]"#;
    let rooms = ["good", "bad", "far"].map(|room| room.as_bytes().to_vec());
    let space = Fake::default()
        .string("l:bad", "x")
        .string("u:ann", "a trace")
        .with("st", Value::Stream(1))
        .collection("socket.io", Kind::Set, &["a"])
        .collection("l:good", Kind::List, &["a"])
        .elsewhere("l:far");
    let arguments = ["stream", "st", "socketio", "streams", "channel", ""];
    let (lines, left_out) = told(&options(&arguments), &layout(announce), ann(&[b"s"], &rooms), &space);
    assert!(lines[0].starts_with("XADD st "), "{lines:?}");
    assert_eq!(lines[1..], [r#"RPUSH l:good "ann""#]);
    let left = |key: &str, why, events| LeftOut { key: key.into(), why, events };
    let expected =
        [left("l:bad", Unfit::Mistyped, 1), left("l:far", Unfit::Elsewhere, 1), left("socket.io", Unfit::Mistyped, 4)];
    assert_eq!(left_out, expected);
    let arguments = ["stream", "u:ann", "channel", ""];
    let (lines, left_out) = told(&options(&arguments), &layout("[]"), ann(&[], &[]), &space);
    assert_eq!((lines, left_out), (vec![], vec![left("u:ann", Unfit::Trace, 1)]));
}

#[test]
fn a_wrong_announcement_is_refused_with_its_number_and_what_to_fix() {
    let table = [
        ("1", "invalid type"),
        (r#"{"event":"e"}"#, "missing field `args`"),
        (r#"{"event":"e","args":[],"to":1}"#, "unknown field `to`"),
        (r#"{"event":"","args":[]}"#, "`event` must not be empty"),
        (r#"{"event":"disconnect","args":[]}"#, "that Socket.IO raises by itself"),
        (r#"{"event":"e","args":[{"a":["{roomid}"]}]}"#, "`args` holds {roomid}, which nothing is known of"),
        (r#"{"event":"e","args":["{now"]}"#, "`args`: '{' without '}'"),
        (r#"{"event":"e","args":["{}"]}"#, "`args`: placeholder '{}' is not a name"),
        (r#"{"event":"e","args":[],"append":"h:{region}"}"#, "`append` holds {region}, which nothing is known of"),
        (r#"{"event":"e","args":[],"append":""}"#, "`append` must begin with a literal"),
        (r#"{"event":"e","args":[],"append":"{roomId}:h"}"#, "`append` must begin with a literal"),
        (r#"{"event":"e","args":[],"append":"u:{roomId}"}"#, "`append` names a key that is a trace"),
        (r#"{"event":"e","args":[],"append":"h","as":"set"}"#, "unknown variant `set`"),
        (r#"{"event":"e","args":[],"as":"list"}"#, "there is no `append`"),
    ];
    for (item, expected) in table {
        let text = format!(
            r#"{{"name":"x","traces":[{{"key":"u:{{userId}}"}}],"announce":[{{"event":"ok","args":[]}}, {item}]}}"#
        );
        let error = Layout::parse(&text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("announce 2 {item}: ")) && error.contains(expected), "{item}: {error}");
    }
    let deep = format!(r#"[{{"event":"e","args":[{}{}]}}]"#, "[".repeat(100), "]".repeat(100));
    let text = format!(r#"{{"name":"x","traces":[{{"key":"u:{{userId}}"}}],"announce":{deep}}}"#);
    assert!(Layout::parse(&text).unwrap_err().to_string().contains("nested too deep"));
}
