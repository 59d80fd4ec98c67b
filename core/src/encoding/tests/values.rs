//! JSON, `MessagePack` and wrappers.

use super::{check, texts};

#[test]
fn json_is_read_with_stars_and_inside_itself() {
    check(&[
        (
            &["json"],
            br#"{"userId":"ada","n":1.50,"s":"\ud800","l":[{"u":"x"},{"u":7},{"u":null},3],"b":true}"#,
            &[
                ("/userId", &["ada"]),
                ("/n", &["1.50"]),
                ("/s", &[]),
                ("/b", &[]),
                ("/l/*/u", &["x", "7"]),
                ("/*", &["ada", "1.50"]),
                ("", &[]),
            ],
        ),
        (&["json", "json"], br#""{\"userId\": \"ada\"}""#, &[("/userId", &["ada"]), ("", &[])]),
        (&["json", "json", "json"], br#""\"[1,\\\"a\\\"]\"""#, &[("/*", &["1", "a"])]),
        (&["json", "base64", "json"], br#""eyJhIjoxfQ==""#, &[("/a", &["1"])]),
    ]);
    let not_inside = texts(&["json", "json"], br#"{"userId":"ada"}"#, "/userId");
    assert_eq!(not_inside, Err("json: it is no string with something inside".into()));
    assert_eq!(texts(&["json"], b"{", "/a"), Err("not json: it is no JSON document".into()));
    assert_eq!(texts(&["json"], b"{", "/*"), Err("not json: it is no JSON document".into()));
}

#[test]
fn msgpack_is_read() {
    check(&[
        // Flask-Session
        (
            &["msgpack"],
            b"\x85\xaa_permanent\xc3\xa8_user_id\xa11\xa1n\xf9\xa3big\xcf\x00\x00\x01\x00\x00\x00\x00\x00\x05\xa4five",
            &[
                ("/_user_id", &["1"]),
                ("/_permanent", &[]),
                ("/n", &["-7"]),
                ("/big", &["1099511627776"]),
                ("/5", &["five"]),
                ("/*", &["1", "-7", "1099511627776", "five"]),
                ("/_user_id/0", &[]),
                ("/0", &[]),
                ("", &[]),
            ],
        ),
        // tower-sessions
        (
            &["msgpack"],
            b"\x93\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\x81\xa7user_id\xa3ada\x99\xcd\x07\xea\x01\0\0\0\0\0\0\0",
            &[
                ("/1/user_id", &["ada"]),
                ("/0", &[r"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"]),
                ("/*/user_id", &["ada"]),
                ("/2/0", &["2026"]),
                ("/2/00", &[]),
                ("/3", &[]),
            ],
        ),
        // Socket.IO keeps such a session for a client that comes back.
        (
            &["base64", "msgpack"],
            b"hKNzaWSiczGjcGlkonAxpXJvb21zkqJzMaVsb2JieaRkYXRhgaZ1c2VySWSjYWRh",
            &[("/sid", &["s1"]), ("/rooms/*", &["s1", "lobby"]), ("/data/userId", &["ada"])],
        ),
        // Every length, float and extension.
        (
            &["msgpack"],
            b"\xdc\x00\x0e\xd9\x01a\xda\x00\x01b\xdb\0\0\0\x01c\xc5\x00\x01d\xc6\0\0\0\x01e\xca\0\0\0\0\xcb\0\0\0\0\0\0\0\0\
              \xd4\x01x\xc7\x02\x01xx\xd8\x010123456789abcdef\xd0\x80\xd1\xff\x00\xd2\xff\xff\xff\xff\xd3\x80\0\0\0\0\0\0\0",
            &[("/*", &["a", "b", "c", "d", "e", "-128", "-256", "-1", "-9223372036854775808"])],
        ),
        // Of a name that stands twice the last one counts; keys of different kinds are different names.
        (&["msgpack"], b"\x83\xa1a\x01\xa1b\x02\xa1a\x03", &[("/a", &["3"]), ("/*", &["2", "3"])]),
        (&["msgpack"], b"\x82\xa11\x01\x01\x02", &[("/1", &["2"]), ("/*", &["1", "2"])]),
        (&["msgpack"], b"\x82\xa1a\x91\x01\xa1a\x91\x02", &[("/a/*", &["2"]), ("/*/0", &["2"])]),
        // Keys that no step names.
        (&["msgpack"], b"\x82\x91\xa1a\xa1x\xc0\xa1y", &[("/*", &["x", "y"]), ("/a", &[])]),
        (&["msgpack"], b"\xdf\0\0\0\x01\xc4\x01k\xde\x00\x01\xa1u\xdd\0\0\0\x01\x07", &[("/k/u/0", &["7"])]),
    ]);
    let wrong: [(&[u8], &str); 4] = [
        (b"", "not msgpack: it ends too early"),
        (b"\x01\x02", "not msgpack: something follows its end"),
        (b"\xc1", "not msgpack: it holds a byte that stands for nothing"),
        (b"\xdd\xff\xff\xff\xff\x01", "not msgpack: it ends too early"),
    ];
    for (value, why) in wrong {
        assert_eq!(texts(&["msgpack"], value, "/0"), Err(why.into()));
    }
}

#[test]
fn wrappers_are_taken_off() {
    check(&[
        (&["zlib", "json"], b"x\x9c\xabV*-N-\xf2LQ\xb2RJLIT\xaa\x05\x00.\xc6\x05M", &[("/userId", &["ada"])]),
        (
            &["gzip", "json"],
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV*-N-\xf2LQ\xb2RJLIT\xaa\x05\x00ar\x09x\x10\x00\x00\x00",
            &[("/userId", &["ada"])],
        ),
        (&["base64", "gzip", "json"], b"H4sIAAAAAAACA6tWKi1OLfJMUbJSSkxJVKoFAGFyCXgQAAAA", &[("/userId", &["ada"])]),
        // Unpadded, in lines, and with the alphabet for URLs.
        (&["base64", "json"], b"eyJhIjoxfQ", &[("/a", &["1"])]),
        (&["base64", "json"], b"eyJh\r\nIjox\nfQ==\n", &[("/a", &["1"])]),
        (&["base64", "json"], b"IsO_w7_DvyI", &[("", &[r"\xc3\xbf\xc3\xbf\xc3\xbf"])]),
        (&["base64", "json"], b"IsO/w7/DvyI=", &[("", &[r"\xc3\xbf\xc3\xbf\xc3\xbf"])]),
    ]);
    let wrong: [(&[&str], &[u8], &str); 5] = [
        (&["base64", "json"], b"{}", "not base64: it holds something else"),
        (&["zlib", "json"], b"{}", "not zlib: it is damaged or ends too early"),
        (&["gzip", "json"], b"{}", "not gzip: it is damaged or ends too early"),
        (&["gzip", "json"], b"", "not gzip: it is damaged or ends too early"),
        (&["base64", "json"], b"e30x", "not json: it is no JSON document"),
    ];
    for (names, value, why) in wrong {
        assert_eq!(texts(names, value, "/a"), Err(why.into()), "{names:?}");
    }
}
