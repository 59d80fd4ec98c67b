//! The model that other tests trust, held against cases made by hand and against another JSON parser.

use crate::support::model::document::NOW;
use crate::support::model::json;
use crate::support::model::plan::flat;
use crate::support::model::template::{Ids, Rule, Template};
use crate::support::model::unpacked::{self, Tree};
use crate::support::reply::{array, bulk, bulks, int};
use crate::support::snapshot::{Content, Entry, Keys};
use crate::support::{Layout, Model};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

fn easyshare() -> Layout {
    Layout::parse(include_str!("../layouts/easyshare.json"))
}

fn workspace() -> Layout {
    Layout::parse(include_str!("../layouts/workspace.json"))
}

fn string(text: &str) -> Content {
    Content::String(text.into())
}

fn set(members: &[&str]) -> Content {
    Content::Set(members.iter().map(|&member| member.into()).collect())
}

fn keys<const N: usize>(entries: [(&str, Content); N]) -> Keys {
    let entry = |content| Entry { content, expires_at: -1, dump: None };
    entries.into_iter().map(|(key, content)| (key.into(), entry(content))).collect()
}

#[test]
fn a_placeholder_stands_for_what_its_rule_allows() {
    let any_user = Ids { separator: Some(b":".to_vec()), exceptions: [("userId".to_owned(), Rule::Any)].into() };
    let separated = Ids { exceptions: BTreeMap::new(), ..any_user.clone() };
    let cases = [
        ("typing:{roomId}:{userId}", &any_user, "typing:a:b:c", Some("roomId=a userId=b:c")),
        ("typing:{roomId}:{userId}", &separated, "typing:a:b:c", None),
        ("typing:{roomId}:{userId}", &separated, "typing:a:b", Some("roomId=a userId=b")),
        ("typing:{roomId}:{userId}", &any_user, "typing:a:", None),
        ("typing:{roomId}:{userId}", &any_user, "typing::a", None),
        ("user:{{{userId}}}:x", &any_user, "user:{a}:x", Some("userId=a")),
        ("user:{{{userId}}}:x", &any_user, "user:{a}:x}:x", Some("userId=a}:x")),
        ("{userId}:presence", &any_user, "a:presence:presence", Some("userId=a:presence")),
        ("{userId}:presence", &separated, "a:presence:presence", None),
        ("{userId}:presence", &any_user, ":presence", None),
        ("{userId}", &any_user, "anything", Some("userId=anything")),
        ("literal", &any_user, "literal", Some("")),
        ("literal", &any_user, "literals", None),
        (r"\\\x61{userId}", &any_user, r"\ab", Some("userId=b")),
    ];
    for (template, ids, text, expected) in cases {
        let bindings = Template::parse(template, ids).matches(text.as_bytes());
        let found = bindings.map(|bindings| {
            let pairs = bindings.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
            pairs.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref(), expected, "{text} as {template}");
    }
}

#[test]
fn the_models_json_parser_agrees_with_another_one() {
    let texts = [
        "null",
        " true ",
        "false",
        "nul",
        "",
        " ",
        "0",
        "-0",
        "-",
        "01",
        "1.",
        "1.5",
        ".5",
        "1e5",
        "1E+5",
        "1e",
        "+1",
        "\"\"",
        "\"a",
        "\"\\n\"",
        "\"\\x\"",
        "\"\\u00e9\"",
        "\"\\u00g9\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "\"é\"",
        "[]",
        "[1,2]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "{}",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" : [ { } ] }",
        "{\"a\"}",
        "1 2",
        "\u{feff}1",
        "'a'",
        "[1]x",
        "{\"a\":1 \"b\":2}",
        "\u{a0}1",
        "[\"\\ud83d\\ude00\"]",
    ];
    for text in texts {
        let other = serde_json::from_str::<&RawValue>(text).is_ok();
        assert_eq!(json::parse(text.as_bytes()).is_some(), other, "is this JSON: {text}");
    }
    assert!(json::parse(b"\"\xff\"").is_none(), "JSON text is UTF-8");
    assert!(json::parse(br#"{"half":"\ud83d"}"#).is_some(), "half a surrogate pair is JSON by its grammar");
}

#[test]
fn a_pointer_leads_where_rfc_6901_says() {
    let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8,"~1":9,"twice":1,"twice":2}"#;
    let document = json::parse(text.as_bytes()).expect("JSON");
    let cases = [
        ("/foo/0", Some("bar")),
        ("/foo/00", None),
        ("/foo/2", None),
        ("/foo/-", None),
        ("/foo/+1", None),
        ("/", Some("0")),
        ("/a~1b", Some("1")),
        ("/m~0n", Some("8")),
        ("/~01", Some("9")),
        ("/twice", Some("2")),
        ("/foo", None),
        ("/nothing", None),
    ];
    for (pointer, expected) in cases {
        let found = document.pointer(pointer).and_then(|node| node.text(text.as_bytes()));
        assert_eq!(found, expected.map(|text| text.as_bytes().to_vec()), "{pointer}");
    }
}

#[test]
fn a_star_in_a_pointer_leads_to_each_in_turn() {
    let text = r#"{"a":[{"b":1},{"b":[2]},{"c":3}],"*":{"x":4,"y":"5","x":6}}"#;
    let document = json::parse(text.as_bytes()).expect("JSON");
    let cases = [("/a/*/b", "1"), ("/a/1/b/*", "2"), ("/*/*", "5 6"), ("/*/*/b", "1"), ("/**", ""), ("/a/0/b", "1")];
    for (pointer, expected) in cases {
        let texts = document.texts(pointer, text.as_bytes());
        let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
        assert_eq!(texts.join(" "), expected, "{pointer}");
    }
}

#[test]
fn values_in_other_formats_are_read() {
    /// What is there by these steps, as text.
    fn at(tree: Option<Tree>, steps: &[&str]) -> Option<String> {
        let part = steps.iter().try_fold(tree?, |part, step| part.step(step).pop())?;
        part.text().map(|text| String::from_utf8_lossy(&text).into_owned())
    }
    let packed: [(&[u8], &[&str], Option<&str>); 7] = [
        (b"\x81\xa1a\x92\x01\xd9\x02ab", &["a", "1"], Some("ab")),
        (b"\x93\xff\xd1\xff\x00\xcd\x01\x00", &["1"], Some("-256")),
        (b"\x93\xff\xd1\xff\x00\xcd\x01\x00", &["2"], Some("256")),
        (b"\xde\x00\x01\x05\xc4\x01z", &["5"], Some("z")),
        (b"\x92\xc0\xc7\x01\x05x", &["1"], None),
        (b"\x92\x01", &["0"], None),
        (b"\x01\x02", &[], None),
    ];
    for (bytes, steps, expected) in packed {
        assert_eq!(at(unpacked::msgpack(bytes), steps).as_deref(), expected, "{}", bytes.escape_ascii());
    }
    let php = br#"a:2:{s:1:"a";O:1:"C":1:{s:1:"b";i:-7;}i:3;N;}tail"#;
    assert_eq!(at(unpacked::php(php), &["a", "b"]).as_deref(), Some("-7"));
    assert_eq!(at(unpacked::php(b"a:1:{i:3;s:2:\"x\";}"), &["3"]), None, "a text that is too short");
    assert_eq!(at(unpacked::php_session(b"a|i:1;b|s:1:\"x\";"), &["b"]).as_deref(), Some("x"));
    assert_eq!(at(unpacked::php_session(b"a|i:1;b"), &["a"]), None);
    let base64 = |text: &str| unpacked::base64(text.as_bytes());
    assert_eq!(base64("YWJj\nZA"), Some(b"abcd".to_vec()));
    assert_eq!(base64("YWJjZA=="), Some(b"abcd".to_vec()));
    assert_eq!((base64("YWJjZ"), base64("YW}j")), (None, None));
    let zlib = b"\x78\x01\x01\x03\x00\xfc\xff\x61\x62\x63\x02\x4d\x01\x27";
    assert_eq!(unpacked::zlib(zlib), Some(b"abc".to_vec()));
    assert_eq!(unpacked::zlib(&zlib[..13]), None);
    let copied = b"x\x9cKLJNDE\0A|\x06\xe5";
    assert_eq!(unpacked::zlib(copied), Some(b"abc".repeat(6)));
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03KLJ\x06\0\xc2A$5\x03\0\0\0";
    assert_eq!(unpacked::gzip(gzip), Some(b"abc".to_vec()));
    assert_eq!(unpacked::gzip(&[&gzip[..], gzip].concat()), Some(b"abcabc".to_vec()));
    assert_eq!(unpacked::gzip(&[&gzip[..], b" "].concat()), None);
}

#[test]
fn objects_of_python_and_ruby_are_read() {
    // What Python 3 and Ruby 3 write. The dict and the string stand there twice, and the first dict is inside itself.
    let pickles: [&[u8]; 3] = [
        b"(dp0\nVuser\np1\n(dp2\nVid\np3\nVada\np4\nssVagain\np5\ng2\nsVn\np6\n(lp7\nI1\naI-300\naL1180591620717411303424L\n\
          ac_codecs\nencode\np8\n(V\xff\np9\nVlatin1\np10\ntp11\nRp12\nasV\xe9\np13\nNsVself\np14\ng0\ns.",
        b"\x80\x02}q\x00(X\x04\x00\x00\x00userq\x01}q\x02X\x02\x00\x00\x00idq\x03X\x03\x00\x00\x00adaq\x04sX\x05\x00\x00\x00again\
          q\x05h\x02X\x01\x00\x00\x00nq\x06]q\x07(K\x01J\xd4\xfe\xff\xff\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00@c_codecs\nencode\nq\x08\
          X\x02\x00\x00\x00\xc3\xbfq\tX\x06\x00\x00\x00latin1q\n\x86q\x0bRq\x0ceX\x02\x00\x00\x00\xc3\xa9q\rNX\x04\x00\x00\x00self\
          q\x0eh\x00u.",
        b"\x80\x04\x95Q\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04user\x94}\x94\x8c\x02id\x94\x8c\x03ada\x94s\x8c\x05again\x94h\x02\
          \x8c\x01n\x94]\x94(K\x01J\xd4\xfe\xff\xff\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00@C\x01\xff\x94e\x8c\x02\xc3\xa9\x94N\x8c\
          \x04self\x94h\x00u.",
    ];
    for pickle in pickles {
        let tree = unpacked::pickle(pickle).expect("a pickle");
        assert_eq!(texts(&tree, "user/id"), ["ada"]);
        assert_eq!(texts(&tree, "self/self/again/id"), ["ada"]);
        assert_eq!(texts(&tree, "n/*"), ["1", "-300", "1180591620717411303424", "\\xff"]);
        assert_eq!(texts(&tree, "*/*"), ["ada", "ada", "1", "-300", "1180591620717411303424", "\\xff"]);
        assert!(unpacked::pickle(&pickle[..pickle.len() - 1]).is_none());
    }
    let marshalled =
        b"\x04\x08{\n:\nfirstI\"\x08ada\x06:\x06ETI\"\x06u\x06;\x06To:\tUser\x06:\x08@idi\x0cI\"\nagain\x06;\x06T\
        @\x06I\"\x08sym\x06;\x06T;\x00I\"\x06l\x06;\x06T[\tl+\x08\x00\x00\x00\x00\x00\x01i\xFE\xD4\xFE0\"\x06x";
    let tree = unpacked::marshal(marshalled).expect("it is one");
    assert_eq!(texts(&tree, "*"), ["ada", "ada", "first"]);
    assert_eq!(
        (texts(&tree, "u/@id"), texts(&tree, "l/*")),
        (vec!["7".to_owned()], ["1099511627776", "-300", "x"].map(str::to_owned).to_vec())
    );
    assert!(unpacked::marshal(&marshalled[..marshalled.len() - 1]).is_none());
}

/// The texts that these steps lead to, with escapes for what is no ASCII.
fn texts(tree: &Tree, steps: &str) -> Vec<String> {
    let mut parts = vec![tree.clone()];
    for step in steps.split('/') {
        parts = parts.iter().flat_map(|part| part.step(step)).collect();
    }
    parts.iter().filter_map(Tree::text).map(|text| text.escape_ascii().to_string()).collect()
}

#[test]
fn elements_that_stay_are_marked_unless_they_are() {
    let layout = Layout::parse(
        r#"{"name":"x","traces":[{"entries":"d","object":"/in","owner":"/u","set":{"/on":false,"/at/t":"{now}"}}]}"#,
    );
    let cases = [
        (r#"{"a":{"u":"a"}}"#, r#"{"a":{"u":"a","on":false}}"#),
        (
            r#"{"a":{"u":"a","on":1,"at":{ }},"b":{"u":"b"}}"#,
            r#"{"a":{"u":"a","on":false,"at":{"t":NOW }},"b":{"u":"b"}}"#,
        ),
        (r#"{"a":{"u":"a","on":false,"at":{"t":5}}}"#, r#"{"a":{"u":"a","on":false,"at":{"t":5}}}"#),
        (r#"{"a":{"u":"a","on":false}}"#, r#"{"a":{"u":"a","on":false}}"#),
    ];
    for (before, after) in cases {
        let wrapped = |inner: &str| string(&format!(r#"{{"in":{inner}}}"#).replace("NOW", NOW));
        let keys = keys([("d", wrapped(before))]);
        let model = Model::new(&layout, &keys);
        assert_eq!(model.after(&model.logout(b"a"))[&b"d"[..]].content, wrapped(after), "{before}");
    }
}

#[test]
fn cut_elements_go_with_what_separates_them() {
    let cases = [
        ("[ a , b ,\tc ]", "[ b ,\tc ]"),
        ("[ b , a ,\tc ]", "[ b , c ]"),
        ("[ b ,\tc , a ]", "[ b ,\tc ]"),
        ("[ a, b, a ]", "[ b ]"),
        ("[ b, a,  a ]", "[ b ]"),
        ("[ b, a,  a, c ]", "[ b, c ]"),
        ("[ a ]", "[  ]"),
        ("[a,a]", "[]"),
        (" [\na\n,\na\n]\n", " [\n\n]\n"),
    ];
    let layout = Layout::parse(r#"{"name":"x","traces":[{"entries":"d","array":"","owner":""}]}"#);
    for (before, after) in cases {
        let spell = |text: &str| text.replace('a', "\"a\"").replace('b', "\"b\"").replace('c', "\"c\"");
        let keys = keys([("d", string(&spell(before)))]);
        let model = Model::new(&layout, &keys);
        assert_eq!(model.after(&model.logout(b"a"))[&b"d"[..]].content, string(&spell(after)), "{before}");
    }
}

#[test]
fn a_full_logout_takes_every_kind_of_trace() {
    let keys = keys([
        ("user_socket:u", string("s1")),
        ("socket_data:s1", string(r#"{"userId":"u","roomId":"den"}"#)),
        ("socket_data:s2", string(r#"{"userId":"u","roomId":"hall"}"#)),
        ("socket_data:s3", string(r#"{"userId":"v","roomId":"attic"}"#)),
        ("typing:loft:u", string("1")),
        ("typing:loft:v", string("1")),
        ("active_users", set(&["u", "v"])),
        ("room:yard", string(r#"{"participants":[{"userId":"u"},{"userId":"v"},{"userId":"u"}]}"#)),
    ]);
    let layout = easyshare();
    let model = Model::new(&layout, &keys);
    let plan = model.logout(b"u");
    let expected = [
        [bulk("user"), bulk("u")],
        [bulk("removed"), int(7)],
        [bulk("keys"), bulks(["socket_data:s1", "socket_data:s2", "typing:loft:u", "user_socket:u"])],
        [bulk("members"), array([bulks(["active_users", "u"])])],
        [bulk("entries"), array([array([bulk("room:yard"), int(2)])])],
        [bulk("sockets"), bulks(["s1", "s2"])],
        [bulk("rooms"), bulks(["den", "hall", "loft", "yard"])],
        [bulk("live"), int(1)],
    ];
    assert_eq!(flat(plan.inspect_map()), array(expected.into_iter().flatten()));
    let left = ["active_users", "room:yard", "socket_data:s3", "typing:loft:v"].map(|key| key.as_bytes().to_vec());
    assert_eq!(model.after(&plan).into_keys().collect::<Vec<_>>(), left);
}

#[test]
fn one_socket_of_two_takes_only_what_is_its_own() {
    let device = |room: &str| string(&format!(r#"{{"session":{{"user/id":["u"]}},"room":"{room}"}}"#));
    let keys = keys([
        ("user:{u}:devices", set(&["s1", "s2"])),
        ("device:s1", device("den")),
        ("device:s2", device("hall")),
        ("room:den:sockets", set(&["s1", "s2"])),
        ("cursor:den:u:s1", string("1")),
        ("u:presence", string("1")),
    ]);
    let layout = workspace();
    let model = Model::new(&layout, &keys);
    let plan = model.logout_socket(b"u", b"s1");
    assert_eq!(plan.removed(), 4);
    assert_eq!(bulks(&plan.keys), bulks(["cursor:den:u:s1", "device:s1"]));
    let members = [["room:den:sockets", "s1"], ["user:{u}:devices", "s1"]];
    assert_eq!(array(plan.members.iter().map(|(key, member)| bulks([key, member]))), array(members.map(bulks)));
    assert_eq!(bulks(&plan.rooms), bulks(["den"]));
    assert_eq!(model.logout_socket(b"u", b"s3").removed(), 0, "an unknown socket while another is live");
    let after = model.after(&plan);
    let model = Model::new(&layout, &after);
    assert_eq!(model.logout_socket(b"u", b"s2").removed(), 4, "the last socket takes the user along");
}
