use super::*;

fn bytes(text: &str) -> Reply {
    Reply::Bytes(text.as_bytes().to_vec())
}

fn pair(key: &str, value: Reply) -> Reply {
    Reply::Array(vec![bytes(key), value])
}

/// The map of a user with these traces.
fn map(user: &str, removed: i64, keys: &[&str], members: Vec<Reply>, live: i64) -> Reply {
    Reply::Map(vec![
        ("user", bytes(user)),
        ("removed", Reply::Integer(removed)),
        ("keys", Reply::Array(keys.iter().map(|key| bytes(key)).collect())),
        ("members", Reply::Array(members)),
        ("live", Reply::Integer(live)),
    ])
}

fn part() -> Part {
    let told = |id: &str, bits, room: Option<&str>| {
        ToldSocket::from_parts(id.into(), bits, room.into_iter().map(Into::into).collect()).unwrap()
    };
    let sockets = vec![told("s1", 0b10_1001, Some("den")), told("s2", 0b01_0110, None)];
    let socket = GoneSocket {
        id: b"s1".to_vec(),
        is_mapped: true,
        closes: false,
        rooms: vec![b"den".to_vec(), b"hall".to_vec()],
    };
    Part {
        reply: map("ann", 3, &["a", "b"], vec![pair("online", bytes("ann"))], 1),
        removed: 3,
        is_found: true,
        hidden: Some(Error::NOT_TO_SHOW),
        gone: Gone {
            user: b"ann".to_vec(),
            user_name: Some("Ann".to_owned()),
            sockets: vec![socket],
            rooms: vec![b"den".to_vec(), b"\xff".to_vec()],
        },
        told: Told::from_parts(sockets, true, ToldOf::Less, [true, false, true, true]).unwrap(),
        each: Vec::new(),
        motion: Motion::Arriving,
    }
}

fn messages() -> Vec<Message> {
    let request = Request {
        layout: digest("{}"),
        database: 3,
        user: Some(b"app".to_vec()),
        command: vec![b"SESSION.LOGOUT".to_vec(), b"\0\xff".to_vec()],
        limit: u64::MAX,
        stamp: Stamp { at: 1, id: "abc".to_owned() },
        errand: Errand::Do(None),
        age: None,
        is_late: false,
    };
    let learn = Errand::Learn(part().told);
    let with_told = Errand::Do(Some(part().told));
    let write = Errand::Write(part().gone, Scope::Part);
    let users = vec![(b"ann".to_vec(), part().told), (b"bob".to_vec(), Told::default())];
    let judge = Errand::Judge(5, users.clone());
    let reap = Errand::Reap(Reap { trial: 5, users, has_expired: true, is_dry: false, shows: true });
    let sweep = Part::of(Reply::Array(vec![map("ann", 1, &["a"], Vec::new(), 0)]));
    vec![
        Message::Request(1, request.clone()),
        Message::Request(1, Request { errand: write, age: Some(7), ..request.clone() }),
        Message::Request(1, Request { errand: learn, ..request.clone() }),
        Message::Request(1, Request { errand: with_told, ..request.clone() }),
        Message::Request(1, Request { errand: judge, ..request.clone() }),
        Message::Request(1, Request { errand: reap, ..request.clone() }),
        Message::Request(u64::MAX, Request { user: None, command: Vec::new(), ..request }),
        Message::Answer(7, Ok(Part { each: vec![part(), Part::nothing()], ..Part::nothing() })),
        Message::Answer(2, Ok(part())),
        Message::Answer(3, Ok(sweep)),
        Message::Answer(4, Ok(Part::of(Reply::Integer(-1)))),
        Message::Answer(5, Err(Error::Demoted.into())),
        Message::Answer(8, Err(Error::CameBack.into())),
        Message::Answer(9, Err(Error::NOT_TO_SHOW.into())),
        Message::Working(6),
    ]
}

#[test]
fn what_is_written_is_read() {
    for message in messages() {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

#[test]
fn what_is_cut_off_or_too_long_is_damaged() {
    for message in messages() {
        let whole = message.encode();
        for end in 0..whole.len() {
            let expected = if end < MARK.len() { Unreadable::Foreign } else { Unreadable::Damaged };
            assert_eq!(Message::decode(&whole[..end]), Err(expected), "{message:?} up to {end}");
        }
        assert_eq!(Message::decode(&[&whole[..], b"\0"].concat()), Err(Unreadable::Damaged));
    }
}

#[test]
fn no_flipped_bit_makes_it_panic_and_what_is_read_all_the_same_is_what_is_written() {
    for message in messages() {
        let whole = message.encode();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Message::decode(&flipped) {
                assert_eq!(read.encode(), flipped);
            }
        }
    }
}

#[test]
fn a_length_that_nothing_bears_out_takes_no_memory() {
    let head = |kind| [&MARK[..], &[VERSION, kind], &[0; 8]].concat();
    let lists = [[&head(1)[..], &[1, 2], &[255; 4]].concat(), [&head(1)[..], &[1, 1], &[255; 4]].concat()];
    for bytes in lists {
        assert_eq!(Message::decode(&bytes), Err(Unreadable::Damaged));
    }
    let nested = [&head(1)[..], &[1], &[2, 1, 0, 0, 0].repeat(1000)].concat();
    assert_eq!(Message::decode(&nested), Err(Unreadable::Damaged), "nesting is bounded");
}

#[test]
fn another_version_is_told_from_damage() {
    for (message, is_request) in [(Message::Working(7), false), (messages().remove(0), true)] {
        let mut bytes = message.encode();
        bytes[MARK.len()] = VERSION + 1;
        let call = if is_request { 1 } else { 7 };
        assert_eq!(Message::decode(&bytes), Err(Unreadable::OtherVersion(call, is_request)));
    }
    assert_eq!(Message::decode(b"of another module"), Err(Unreadable::Foreign));
}

#[test]
fn numbers_are_added_and_lists_hold_everything_once() {
    assert_eq!(merged(Reply::Integer(2), Reply::Integer(3)), Reply::Integer(5));
    let one = map("ann", 2, &["b", "d"], vec![pair("x", bytes("ann"))], 0);
    let other = map("ann", 3, &["a", "b", "c"], vec![pair("w", bytes("ann")), pair("x", bytes("ann"))], 1);
    let members = vec![pair("w", bytes("ann")), pair("x", bytes("ann"))];
    assert_eq!(merged(one, other), map("ann", 5, &["a", "b", "c", "d"], members, 1));
}

#[test]
fn maps_of_one_user_are_one() {
    let of = |user: &str, key: &str| map(user, 1, &[key], Vec::new(), 0);
    let one = Reply::Array(vec![of("bob", "b1"), of("ann", "a1")]);
    let other = Reply::Array(vec![of("ann", "a2"), of("cid", "c1")]);
    let ann = map("ann", 2, &["a1", "a2"], Vec::new(), 0);
    assert_eq!(merged(one, other), Reply::Array(vec![ann, of("bob", "b1"), of("cid", "c1")]));
}

#[test]
fn who_must_not_know_that_there_is_nothing_gets_an_error_unless_something_is_there() {
    let nothing = |hidden| Part { is_found: false, hidden, ..Part::of(Reply::Integer(0)) };
    let mut whole = nothing(None);
    whole.merge(nothing(Some(Error::NOT_TO_REMOVE)));
    assert_eq!(whole.clone().into_reply(), Err(Error::NOT_TO_REMOVE));
    whole.merge(Part::of(Reply::Integer(2)));
    assert_eq!(whole.into_reply(), Ok(Reply::Integer(2)));
}

#[test]
fn layouts_have_digests_of_their_own() {
    assert_eq!(digest("{}"), digest("{}"));
    assert_ne!(digest("{}"), digest("{ }"));
}
