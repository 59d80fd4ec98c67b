//! Values that end too early or hold a wrong byte: each is read or says why not, and nothing panics.

use super::{marshal, pickle, texts};

const VALUES: &[(&[&str], &[u8])] = &[
    (&["json"], br#"{"a":["b",{"c":-1.5}],"d":"\ud83d\ude00"}"#),
    (&["json", "json"], br#""{\"userId\": \"ada\"}""#),
    (&["msgpack"], b"\x93\xc4\x02ab\x81\xa7user_id\xa3ada\x99\xcd\x07\xea\x01\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0\xd4\x01x"),
    (&["base64", "msgpack"], b"hKNzaWSiczGjcGlkonAxpXJvb21zkqJzMaVsb2JieaRkYXRhgaZ1c2VySWSjYWRh"),
    (&["php"], b"a:4:{s:1:\"u\";O:1:\"U\":1:{s:5:\"\0U\0id\";i:7;}i:1;r:2;i:2;C:1:\"X\":2:{ab}i:3;S:2:\"\\41b\";}"),
    (&["php", "php"], b"s:12:\"a:1:{i:0;N;}\";"),
    (&["php-session"], b"csrf|s:1:\"x\";user|a:1:{i:0;d:1.5;}same|R:2;e|E:4:\"S:On\";"),
    (&["pickle"], pickle::RICH[0]),
    (&["pickle"], pickle::RICH[2]),
    (&["marshal"], marshal::DEVISE),
    (&["marshal"], marshal::RICH),
    (&["marshal"], marshal::DUMPED),
    (&["zlib", "json"], b"x\x9c\xabV*-N-\xf2LQ\xb2RJLIT\xaa\x05\x00.\xc6\x05M"),
    (
        &["gzip", "json"],
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV*-N-\xf2LQ\xb2RJLIT\xaa\x05\x00ar\x09x\x10\0\0\0",
    ),
];

/// Reads the value with pointers that lead everywhere in it, which say the same of whether it is readable.
fn is_readable(names: &[&str], value: &[u8]) -> bool {
    let results = ["", "/*/*/*/*", "/0/id"].map(|pointer| texts(names, value, pointer));
    for result in &results {
        if let Err(why) = result {
            assert!(names.iter().any(|name| why.contains(name)) && why.len() > 20, "{why}");
        }
    }
    let all = results.iter().all(Result::is_ok);
    assert!(all || results.iter().all(Result::is_err), "{names:?} {} {results:?}", value.escape_ascii());
    all
}

#[test]
fn a_value_that_ends_too_early_is_unreadable() {
    for (names, value) in VALUES {
        assert!(is_readable(names, value), "{names:?}");
        for end in 0..value.len() {
            // A session may end behind any of its values.
            let may_end = names == &["php-session"] && (end == 0 || b";}".contains(&value[end - 1]));
            let readable = is_readable(names, &value[..end]);
            assert!(!readable || may_end, "{names:?} {}", value[..end].escape_ascii());
        }
    }
}

#[test]
fn a_value_with_a_wrong_byte_is_read_or_says_why_not() {
    for (names, value) in VALUES {
        for at in 0..value.len() {
            let mut damaged = value.to_vec();
            let flipped = (0..8).map(|bit| value[at] ^ 1 << bit);
            for byte in flipped.chain(*b"\0\xffI@R}(.;") {
                damaged[at] = byte;
                is_readable(names, &damaged);
            }
        }
    }
}
