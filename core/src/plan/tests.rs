//! The phases on a database in memory.

use std::{cell::RefCell, rc::Rc};

use super::{Checked, Detail, Known, Part, Plan, Scope, Sought, find, live_by, observe, still_there};
use crate::{
    error::Error,
    fake::{Call, Fake, Value},
    index::{HashedSubject, Index, LivenessChange, PlaceRef, Subject, Tick},
    layout::Layout,
    ports::{Access, Host, Keyspace, Kind},
    template::Placeholder,
    watcher::Suspect,
};

fn layout(traces: &str) -> Layout {
    let sockets = r#"{"of":"map:{userId}","data":"data:{socketId}","room":"/room","name":"/name"}"#;
    let text = format!(r#"{{"name":"test","separator":":","traces":[{traces}],"sockets":{sockets}}}"#);
    Layout::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// An index of everything there is, by observing every key.
fn index(space: &Fake, layout: &Layout) -> Index {
    let mut index = Index::default();
    for name in space.names() {
        let suspect = Suspect { key: name.into_bytes(), member: None };
        observe(layout, Sought::suspect(&suspect), &|| space.open(&suspect.key), &mut |seen| {
            let mut place = Vec::new();
            seen.write_place(&mut place);
            index.add(
                HashedSubject::new(seen.subject, seen.id),
                PlaceRef::of_bytes(&place),
                LivenessChange::Evidence(Tick::FIRST),
            );
        });
    }
    index
}

/// The plan by what an index knows, which may have been so before.
fn find_by(
    index: &Index,
    space: &Fake,
    layout: &Layout,
    user: &[u8],
    detail: Detail,
    part: Part<'_>,
) -> Box<Plan<Vec<u8>>> {
    let places = &|subject, id: &[u8]| index.places(subject, id);
    let known = Known { places, has_sockets: index.has_sockets(), unseen: None, told: None };
    find(space, layout, known, user, detail, part)
}

fn plan(space: &Fake, layout: &Layout, user: &str) -> Box<Plan<Vec<u8>>> {
    plan_part(space, layout, user, &[])
}

fn plan_part(space: &Fake, layout: &Layout, user: &str, part: Part<'_>) -> Box<Plan<Vec<u8>>> {
    let index = index(space, layout);
    find_by(&index, space, layout, user.as_bytes(), Detail::Facts, part)
}

/// The plan as one line of text.
fn show(plan: &Plan<Vec<u8>>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let keys = plan.keys.iter().map(|key| text(&key.name));
    let members = plan.members.iter().map(|member| format!("{}/{}", text(&member.key), text(&member.member)));
    let entries = plan.entries.iter().map(|entry| format!("{}-{}", text(&entry.key), entry.elements));
    let sockets = plan.sockets.iter().map(|socket| format!("@{}", text(&socket.id)));
    let rooms = plan.rooms.iter().map(|room| format!("#{}", text(room)));
    keys.chain(members).chain(entries).chain(sockets).chain(rooms).collect::<Vec<_>>().join(" ")
}

fn check(plan: Box<Plan<Vec<u8>>>, space: &Fake) -> Checked<Vec<u8>> {
    plan.check(space, &space.caller(), true).unwrap_or_else(|error| panic!("{error}"))
}

const DATA: &str = r#"{"key":"data:{socketId}","owner":"/user"}"#;

#[test]
fn every_kind_of_trace_is_found_and_removed_by_one_command_each() {
    let layout = layout(&format!(
        r#"{DATA}, {{"key":"map:{{userId}}"}}, {{"key":"typing:{{roomId}}:{{userId}}"}},
           {{"members":"online","member":"{{userId}}"}}, {{"members":"of:{{roomId}}","member":"{{socketId}}"}},
           {{"entries":"room:{{roomId}}","array":"/in","owner":"/id"}}, {{"entries":"room:{{roomId}}","array":"/asked","owner":""}}"#
    ));
    let space = Fake::default()
        .string("map:u", "s1")
        .string("data:s1", r#"{"user":"u","room":"r1","name":"Ann"}"#)
        .string("data:s2", r#"{"user":"u","room":7}"#)
        .string("data:s3", r#"{"user":"v"}"#)
        .string("data:s4", "no JSON")
        .string("typing:r1:u", "1")
        .string("typing:r1:v", "1")
        .collection("online", Kind::SortedSet, &["u", "v"])
        .collection("of:r2", Kind::Set, &["s2", "s3"])
        .collection("of:r3", Kind::Set, &["s3"])
        .string("room:r4", r#"{"in":[{"id":"u"},{"id":"v"}],"asked":["v","u"]}"#);
    let plan = plan(&space, &layout, "u");
    let expected = "data:s1 data:s2 map:u typing:r1:u of:r2/s2 online/u room:r4-2 @s1 @s2 #7 #r1 #r2 #r4";
    assert_eq!(show(&plan), expected);
    assert_eq!((plan.live, plan.user_name.as_deref(), plan.removed()), (true, Some("Ann"), 8));
    let removed = check(plan, &space).apply(&space);
    assert_eq!((removed.keys, removed.members, removed.entries, removed.total()), (4, 2, 2, 8));
    let expected = [
        "UNLINK data:s1 data:s2 map:u typing:r1:u",
        "Set of:r2 less s2",
        "SortedSet online less u",
        r#"SET room:r4 {\"in\":[{\"id\":\"v\"}],\"asked\":[\"v\"]}"#,
    ];
    assert_eq!(space.commands(), expected);
}

#[test]
fn what_others_are_told_takes_one_look_at_each_key() {
    let layout = layout(&format!(r#"{DATA}, {{"key":"map:{{userId}}"}}, {{"key":"typing:{{roomId}}:{{userId}}"}}"#));
    let space = Fake::default()
        .string("map:u", "s1")
        .string("data:s1", r#"{"user":"u","room":"r1","name":"Ann"}"#)
        .string("data:s2", r#"{"user":"u","room":"","name":"Bea"}"#)
        .string("typing:r2:u", "1");
    let index = index(&space, &layout);
    let opened = Rc::new(RefCell::new(Vec::new()));
    let seen = opened.clone();
    space.on(move |_, call| {
        if let Call::Open(name) = call {
            seen.borrow_mut().push(String::from_utf8_lossy(name).into_owned());
        }
    });
    let plan = find_by(&index, &space, &layout, b"u", Detail::Audience, &[]);
    assert_eq!(show(&plan), "map:u data:s1 data:s2 typing:r2:u @s1 @s2 #r1 #r2");
    assert_eq!((plan.live, plan.user_name.as_deref()), (true, Some("Ann")));
    opened.borrow_mut().sort();
    assert_eq!(*opened.borrow(), ["data:s1", "data:s2", "map:u", "typing:r2:u"]);
}

#[test]
fn what_the_index_knows_in_vain_is_told_and_not_removed() {
    let layout = layout(&format!(r#"{DATA}, {{"key":"typing:{{roomId}}:{{userId}}"}}"#));
    let space = Fake::default().string("typing:r:u", "1").string("typing:q:u", "1").string("data:s", r#"{"user":"u"}"#);
    let index = index(&space, &layout);
    let space = space.expire("typing:q:u").string("data:s", r#"{"user":"v"}"#);
    let plan = find_by(&index, &space, &layout, b"u", Detail::Facts, &[]);
    assert_eq!(show(&plan), "typing:r:u #r");
    assert_eq!(plan.stale.len(), 2);
    for place in index.places(Subject::User, b"u").iter() {
        let is_stale = plan.stale.iter().any(|(_, _, stale)| stale.borrowed() == place);
        assert_eq!(still_there(&space, &layout, Subject::User, b"u", place), !is_stale);
    }
}

#[test]
fn a_key_that_goes_as_a_whole_is_one_trace() {
    let layout = layout(
        r#"{"key":"x:{userId}"}, {"key":"x:{name}","owner":"/user"}, {"members":"x:{name}","member":"{userId}"}"#,
    );
    let space = Fake::default().collection("x:u", Kind::Set, &["u"]).string("x:w", r#"{"user":"u"}"#);
    assert_eq!(show(&plan(&space, &layout, "u")), "x:u x:w");
}

#[test]
fn large_collections_are_looked_into_at_every_logout() {
    let layout = layout(r#"{"members":"of:{roomId}","member":"{userId}"}"#);
    let many: Vec<String> = (0..300).map(|number| format!("u{number}")).collect();
    let many: Vec<&str> = many.iter().map(|member| &**member).collect();
    let space = Fake::default().collection("of:big", Kind::Set, &many).collection("of:small", Kind::Set, &["u7"]);
    let index = index(&space, &layout);
    assert_eq!((index.len(), index.places(Subject::Anyone, b"").iter().count()), (2, 1));
    assert_eq!(show(&plan(&space, &layout, "u7")), "of:big/u7 of:small/u7 #big #small");
    assert_eq!(show(&plan(&space, &layout, "u300")), "");
}

#[test]
fn one_device_leaves_the_others() {
    let layout = layout(&format!(
        r#"{DATA}, {{"key":"map:{{userId}}"}}, {{"key":"status:{{userId}}"}}, {{"members":"of:{{userId}}","member":"{{socketId}}"}}"#
    ));
    let space = || {
        Fake::default()
            .collection("map:u", Kind::Set, &["a", "b", "gone"])
            .collection("of:u", Kind::Set, &["a", "b"])
            .string("status:u", "1")
            .string("data:a", r#"{"user":"u","room":"r"}"#)
            .string("data:b", r#"{"user":"u","room":"q"}"#)
            .string("data:c", r#"{"user":"v"}"#)
    };
    let narrowed = |space: &Fake, socket: &str| {
        let (plan, scope) = plan(space, &layout, "u").only_socket(socket.as_bytes());
        (show(&plan), scope)
    };
    assert_eq!(narrowed(&space(), "a"), ("data:a map:u/a of:u/a @a #r".into(), Scope::Socket));
    assert_eq!(narrowed(&space(), "gone"), ("map:u/gone @gone".into(), Scope::Socket));
    assert_eq!(narrowed(&space(), "c"), (String::new(), Scope::Socket), "somebody else's socket");
    let alone = space().expire("data:b");
    let whole = "data:a map:u status:u of:u/a of:u/b @a @b @gone #r";
    assert_eq!(narrowed(&alone, "a"), (whole.into(), Scope::User));
    assert_eq!(narrowed(&space(), "b").0, "data:b map:u/b of:u/b @b #q");
    let same_room = space().string("data:b", r#"{"user":"u","room":"r"}"#);
    assert_eq!(narrowed(&same_room, "a").0, "data:a map:u/a of:u/a @a", "the user stays in the room");
}

#[test]
fn a_cluster_node_does_not_judge_what_it_cannot_see() {
    let layout = layout(&format!(r#"{DATA}, {{"key":"map:{{userId}}"}}, {{"key":"status:{{userId}}"}}"#));
    let space = || Fake::default().string("map:u", "a").string("status:u", "1").string("data:b", r#"{"user":"u"}"#);
    let narrowed = |space: &Fake| {
        let (plan, scope) = plan(space, &layout, "u").only_socket(b"b");
        (show(&plan), scope)
    };
    assert_eq!(narrowed(&space()), ("data:b map:u status:u @a @b".into(), Scope::User), "socket a has no data");
    assert_eq!(narrowed(&space().elsewhere("data:a")), ("data:b @b".into(), Scope::Socket));
    assert_eq!(narrowed(&space().elsewhere("map:u")), ("data:b @b".into(), Scope::Socket));
}

#[test]
fn a_single_mapping_goes_only_if_it_names_the_socket() {
    let layout = layout(DATA);
    let space =
        Fake::default().string("map:u", "a").string("data:a", r#"{"user":"u"}"#).string("data:b", r#"{"user":"u"}"#);
    assert_eq!(show(&plan(&space, &layout, "u").only_socket(b"a").0), "data:a map:u @a");
    assert_eq!(show(&plan(&space, &layout, "u").only_socket(b"b").0), "data:b @b");
}

#[test]
fn a_device_leaves_each_place_once_in_whichever_order_the_traces_were_found() {
    let members: Vec<String> =
        ["z", "map", "b"].map(|name| format!(r#"{{"members":"{name}:{{userId}}","member":"{{socketId}}"}}"#)).into();
    let layout = layout(&format!("{DATA}, {}", members.join(", ")));
    let space = ["z:u", "map:u", "b:u"]
        .into_iter()
        .fold(Fake::default(), |space, name| space.collection(name, Kind::Set, &["a", "b"]))
        .string("data:a", r#"{"user":"u"}"#)
        .string("data:b", r#"{"user":"u"}"#);
    let index = index(&space, &layout);
    for detail in [Detail::Facts, Detail::Audience] {
        let plan = find_by(&index, &space, &layout, b"u", detail, &[]);
        assert_eq!(show(&plan.only_socket(b"a").0), "data:a b:u/a map:u/a z:u/a @a", "{detail:?}");
    }
}

#[test]
fn one_missing_permission_refuses_the_whole_plan() {
    let layout = layout(&format!(
        r#"{DATA}, {{"members":"online","member":"{{userId}}"}}, {{"entries":"room","array":"","owner":""}}"#
    ));
    let space = || {
        Fake::default()
            .string("map:u", "s")
            .string("data:s", r#"{"user":"u"}"#)
            .collection("online", Kind::Set, &["u"])
            .string("room", r#"["u"]"#)
    };
    let to_change = [("data:s", Access::Delete), ("online", Access::Delete), ("room", Access::Update)];
    for (name, access) in to_change {
        let space = space().forbid(name, access);
        let refused = plan(&space, &layout, "u").check(&space, &space.caller(), false).map(|_| ());
        assert_eq!(refused, Err(Error::NoPermission { to: "delete or write" }), "{name}");
    }
    for name in ["data:s", "online", "room", "map:u"] {
        let space = space().forbid(name, Access::Read);
        assert!(plan(&space, &layout, "u").check(&space, &space.caller(), false).is_ok(), "{name}");
        let refused = plan(&space, &layout, "u").check(&space, &space.caller(), true).map(|_| ());
        assert_eq!(refused, Err(Error::NoPermission { to: "read" }), "{name}");
    }
}

#[test]
fn values_that_cannot_hold_a_trace_are_counted_and_left_alone() {
    let layout = layout(
        r#"{"key":"h:{x}","owner":{"field":"user"}}, {"members":"m","member":"{userId}"}, {"entries":"e","array":"/a","owner":""}"#,
    );
    let hash = |user: &str| Value::Hash([(b"user".to_vec(), user.into())].into());
    let space = Fake::default()
        .with("h:1", hash("u"))
        .with("h:2", hash("v"))
        .string("h:3", r#"{"user":"u"}"#)
        .with("map:u", Value::Stream(1))
        .string("m", "u")
        .string("e", "{");
    let plan = plan(&space, &layout, "u");
    assert_eq!((show(&plan), plan.mistyped), ("h:1".into(), 3));
    let suspect = Suspect { key: b"h:3".to_vec(), member: None };
    assert_eq!(observe(&layout, Sought::suspect(&suspect), &|| space.open(&suspect.key), &mut |_| {}).mistyped, 1);
}

#[test]
fn a_value_that_names_somebody_else_than_its_key_is_nobodys() {
    let layout = layout(r#"{"key":"login:{userId}:{x}","owner":"/user"}"#);
    let space = Fake::default().string("login:u:1", r#"{"user":"u"}"#).string("login:u:2", r#"{"user":"v"}"#);
    let index = index(&space, &layout);
    let places = |user: &str| index.places(Subject::User, user.as_bytes()).iter().count();
    assert_eq!((places("u"), places("v")), (1, 0));
    assert_eq!(show(&plan(&space, &layout, "u")), "login:u:1");
}

/// Nothing but the collection's name says whose the sockets are.
#[test]
fn a_look_at_a_user_takes_up_a_part_of_a_large_own_collection() {
    let layout = layout(&format!(r#"{DATA}, {{"members":"conns:{{userId}}","member":"sid:{{socketId}}"}}"#));
    let names: Vec<String> = (0..3000).map(|number| format!("sid:s{number}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let space = Fake::default()
        .string("map:u", "s1")
        .string("data:s1", r#"{"user":"u"}"#)
        .string("data:s2", r#"{"user":"v"}"#)
        .collection("conns:u", Kind::Set, &names)
        .collection("conns:v", Kind::Set, &["s7", "sid:", "sid:s2", "sid:a:b"]);
    let look = |user: &str| {
        let index = index(&space, &layout);
        live_by(&space, &layout, &index.places(Subject::User, user.as_bytes()), user.as_bytes())
    };
    let found = look("u");
    assert_eq!(found.sockets.len(), 1);
    assert!(found.has_more && (1022..=1024).contains(&found.dead.len()), "{}", found.dead.len());
    space.pass(std::time::Duration::from_millis(1024));
    assert!(look("u").dead[0] != found.dead[0], "others the next time");
    let found = look("v");
    assert_eq!((found.dead.len(), found.listed, found.has_more), (0, vec![b"s2".to_vec()], false));
    assert!(!plan(&space, &layout, "u").is_dead(b"s1") && plan(&space, &layout, "u").is_dead(b"s3"));
}

/// Elements that do not mention the id are not read: whoever is named in any way must not be passed over.
#[test]
fn an_element_names_somebody_in_any_spelling_and_form() {
    let table: [(&str, &str, &str, &[u8], &str); 12] = [
        ("/id", "{userId}", r#"[{"id":"ada"},{"id":"\u0061da"},{"id":"adam"}]"#, b"ada", "e-2"),
        ("/id", "{userId}", r#"[{"id":7},{"id":"7"},{"id":17},{"id":7.0}]"#, b"7", "e-2"),
        ("", "{userId}", r#"["a/b","a\/b",["a/b"]]"#, b"a/b", "e-2"),
        ("/*/at", "{userId}", r#"[{"x":{"at":"ada"}},[{"at":"ada"}],{"at":"ada"}]"#, b"ada", "e-2"),
        ("/id", "{roomId}:{userId}", r#"[{"id":"den:ada"},{"id":"den:\u0061da"},{"id":"ada"}]"#, b"ada", "e-2 #den"),
        ("/id", "r/{userId}", r#"[{"id":"r/ada"},{"id":"r\/ada"},{"id":"r/adam"}]"#, b"ada", "e-2"),
        ("/id", "1{userId}", r#"[{"id":15},{"id":"15"},{"id":5}]"#, b"5", "e-2"),
        ("/id", "{userId}é", "[{\"id\":\"é\u{e9}\"},{\"id\":\"\\u00e9\\u00e9\"}]", "é".as_bytes(), "e-2"),
        ("/id", "\\\\xc3{userId}", "[{\"id\":\"é\"},{\"id\":\"éx\"}]", b"\xa9", "e-1"),
        ("/id", "\\\\xc3{userId}", "[{\"id\":\"\\u00e9x\"},{\"id\":\"é\"}]", b"\xa9x", "e-1"),
        ("/id", "{userId}", "[{\"id\":\"é\"}]", b"\xa9", ""),
        ("/id", "{userId}", r#"[{"id":"bo","by":"ada"}]"#, b"ada", ""),
    ];
    for (at, is, document, user, expected) in table {
        let layout = layout(&format!(r#"{{"entries":"e","array":"","owner":{{"pointer":"{at}","is":"{is}"}}}}"#));
        let space = Fake::default().string("e", document);
        let found = find_by(&index(&space, &layout), &space, &layout, user, Detail::Facts, &[]);
        assert_eq!(show(&found), expected, "{} as {is} in {document}", user.escape_ascii());
    }
}

#[test]
fn an_element_is_marked_once_though_it_has_no_place_for_a_value() {
    let layout = layout(
        r#"{"entries":"e","array":"","owner":"/id","set":{"/on":false,"/seen/at":"{now}","/tab/open":false}},
           {"entries":"f","array":"","owner":"","set":{"/on":false}}"#,
    );
    let space = Fake::default()
        .string("e", r#"[{"id":"u","on":true},{"id":"u","seen":{}},{"id":"u","on":false},{"id":"u","on":1,"seen":7}]"#)
        .string("f", r#"["u"]"#);
    let plan_now = plan(&space, &layout, "u");
    assert_eq!(show(&plan_now), "e-3");
    check(plan_now, &space).apply(&space);
    assert_eq!(show(&plan(&space, &layout, "u")), "", "{:?}", space.commands());
}

#[test]
fn what_is_marked_stays_in_the_index() {
    let layout = layout(
        r#"{"key":"map:{userId}"}, {"entries":"e:{x}","array":"","owner":"/id","set":{"/on":false}},
           {"entries":"f:{x}","array":"","owner":{"pointer":"/s","is":"{socketId}"},"set":{"/by":"{userId}"}}"#,
    );
    let space = Fake::default()
        .string("map:u", "s1")
        .string("map:v", "s1")
        .string("e:1", r#"[{"id":"u","on":false}]"#)
        .string("f:1", r#"[{"s":"s1","by":"u"}]"#);
    let found = plan(&space, &layout, "u");
    assert_eq!((show(&found).as_str(), found.stale.len()), ("map:u @s1", 0));
    assert_eq!(show(&plan(&space, &layout, "v")), "map:v f:1-1 @s1");
    let index = index(&space, &layout);
    let space = space.string("e:1", r#"[{"id":"v","on":false}]"#);
    let found = find_by(&index, &space, &layout, b"u", Detail::Facts, &[]);
    assert_eq!(found.stale.len(), 1, "the user stands there no more");
}

#[test]
fn a_room_in_a_value_or_a_member_is_left_with_its_part() {
    let layout = layout(
        r#"{"key":"seat:{x}","owner":{"raw":true,"is":"{roomId}:{userId}"}}, {"members":"places","member":"{roomId}:{userId}"}"#,
    );
    let space = Fake::default().string("seat:1", "r1:u").string("seat:2", "r2:u").collection(
        "places",
        Kind::Set,
        &["r3:u", "r1:u"],
    );
    assert_eq!(show(&plan(&space, &layout, "u")), "seat:1 seat:2 places/r1:u places/r3:u #r1 #r2 #r3");
    let part = |room: &'static [u8]| show(&plan_part(&space, &layout, "u", &[(Placeholder::ROOM, room)]).only_part());
    assert_eq!(part(b"r1"), "seat:1 places/r1:u #r1");
    assert_eq!(part(b"r3"), "places/r3:u #r3");
}

#[test]
fn a_large_value_whose_name_holds_the_user_is_the_users() {
    let layout = layout(
        r#"{"members":"of:{userId}","member":"on"}, {"key":"own:{userId}:{x}","owner":"/u"},
           {"entries":"doc:{userId}:{x}","array":"/in","owner":""}"#,
    );
    let fields: Vec<String> = (0..300).map(|number| number.to_string()).chain(["on".to_owned()]).collect();
    let fields: Vec<&str> = fields.iter().map(|field| &**field).collect();
    let long = |rest: &str| format!(r#"{{"pad":"{}",{rest}}}"#, "x".repeat(70_000));
    let space = Fake::default()
        .collection("of:u", Kind::Set, &fields)
        .string("own:u:1", &long(r#""u":"u""#))
        .string("doc:u:1", &long(r#""in":["u"]"#));
    let index = index(&space, &layout);
    assert!(index.places(Subject::Anyone, b"").iter().next().is_none(), "whose they are is known");
    for place in index.places(Subject::User, b"u").iter() {
        assert!(still_there(&space, &layout, Subject::User, b"u", place));
    }
    assert_eq!(show(&plan(&space, &layout, "u")), "own:u:1 of:u/on doc:u:1-1");
}

#[test]
fn an_owner_may_stand_in_the_form_that_it_is_said_to_have() {
    let layout = layout(
        r#"{"key":"map:{userId}"}, {"key":"at:{org}:{x}","owner":{"raw":true,"is":"{org}:{userId}"}},
           {"key":"tok:{x}","owner":{"pointer":"/ids/*","is":"User/{userId}"}}, {"key":"tab:{x}","owner":{"raw":true,"is":"{socketId}"}}"#,
    );
    let space = Fake::default()
        .collection("map:u", Kind::Set, &["s1", "s2"])
        .string("at:a:1", "a:u")
        .string("at:a:2", "b:u")
        .string("tok:1", r#"{"ids":["User/v","User/u"]}"#)
        .string("tok:2", r#"{"ids":"User/u"}"#)
        .string("tab:1", "s1")
        .string("tab:2", "s3")
        .string("data:s2", "{}");
    assert_eq!(show(&plan(&space, &layout, "u")), "at:a:1 map:u tab:1 tok:1 @s1 @s2");
    assert_eq!(show(&plan(&space, &layout, "u").only_socket(b"s1").0), "tab:1 map:u/s1 @s1");
}

#[test]
fn one_device_leaves_the_documents_that_name_it() {
    let layout = layout(&format!(
        r#"{DATA}, {{"key":"map:{{userId}}"}}, {{"entries":"list:{{userId}}","array":"","owner":{{"pointer":"/t","is":"{{socketId}}"}}}},
           {{"entries":"list:{{userId}}","array":"","owner":"/u"}}, {{"entries":"tabs","object":"","member":"{{socketId}}"}}"#
    ));
    let space = Fake::default()
        .collection("map:u", Kind::Set, &["a", "b"])
        .string("data:a", r#"{"user":"u"}"#)
        .string("data:b", r#"{"user":"u"}"#)
        .string("list:u", r#"[{"t":"a"},{"t":"b"},{"u":"u"}]"#)
        .string("tabs", r#"{"a":1,"b":2,"c":3}"#);
    assert_eq!(show(&plan(&space, &layout, "u")), "data:a data:b map:u list:u-3 tabs-2 @a @b");
    let narrowed = plan(&space, &layout, "u").only_socket(b"a").0;
    assert_eq!(show(&narrowed), "data:a map:u/a list:u-1 tabs-1 @a");
    check(narrowed, &space).apply(&space);
    let left = [r#"SET list:u [{\"t\":\"b\"},{\"u\":\"u\"}]"#, r#"SET tabs {\"b\":2,\"c\":3}"#];
    assert!(left.iter().all(|command| space.commands().iter().any(|known| known == command)), "{:?}", space.commands());
}

#[test]
fn one_device_leaves_what_goes_as_a_whole_with_the_user() {
    let layout = layout(&format!(
        r#"{DATA}, {{"key":"socks:{{userId}}"}}, {{"members":"socks:{{userId}}","member":"{{socketId}}"}}, {{"key":"list:{{userId}}"}},
           {{"entries":"list:{{userId}}","array":"","owner":{{"pointer":"","is":"{{socketId}}"}}}}"#
    ));
    let space = Fake::default()
        .collection("socks:u", Kind::Set, &["a", "b"])
        .string("list:u", r#"["a","b"]"#)
        .string("data:a", r#"{"user":"u"}"#)
        .string("data:b", r#"{"user":"u"}"#);
    let full = plan(&space, &layout, "u");
    assert_eq!(show(&full), "data:a data:b list:u socks:u @a @b");
    assert_eq!(show(&full.only_socket(b"a").0), "data:a socks:u/a list:u-1 @a");
}
