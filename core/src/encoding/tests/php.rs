//! What PHP writes.

use super::{check, texts};

/// An object with a private, a protected and a public property.
const USER: &str = "O:1:\"U\":3:{s:5:\"\0U\0id\";i:7;s:7:\"\0*\0name\";s:3:\"ada\";s:4:\"tags\";a:1:{i:0;s:1:\"x\";}}";

#[test]
fn serialized_values_are_read() {
    let referring = format!(
        "a:11:{{s:5:\"first\";i:1;s:1:\"u\";{USER}s:5:\"again\";r:3;s:1:\"v\";s:3:\"ada\";s:1:\"w\";R:9;s:1:\"e\";E:4:\"S:On\";\
         s:1:\"d\";d:1.5;s:1:\"n\";N;s:1:\"t\";b:1;s:4:\"user\";a:1:{{s:2:\"id\";i:-3;}}s:5:\"user2\";R:14;}}"
    );
    let custom =
        b"a:4:{i:0;C:1:\"X\":8:{}}i:1;R:}i:1;s:1:\"a\";i:2;R:3;i:3;O:8:\"DateTime\":1:{s:4:\"date\";s:1:\"x\";}}";
    check(&[
        (
            &["php"],
            b"a:2:{s:4:\"csrf\";s:1:\"x\";s:7:\"user_id\";s:3:\"ada\";}",
            &[("/user_id", &["ada"]), ("/*", &["x", "ada"]), ("/0", &[]), ("", &[])],
        ),
        // Laravel keeps a session as a string in a string.
        (
            &["php", "php"],
            b"s:186:\"a:3:{s:6:\"_token\";s:40:\"dk2qE9gO1XHbpYt0uFvNcRz7aSjLwM4iK8yTQxGe\";s:9:\"_previous\";\
              a:1:{s:3:\"url\";s:16:\"http://localhost\";}s:50:\"login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d\";i:18;}\";",
            &[("/login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d", &["18"]), ("/_previous/url", &["http://localhost"])],
        ),
        (
            &["php"],
            referring.as_bytes(),
            &[
                ("/first", &["1"]),
                ("/u/id", &["7"]),
                ("/u/name", &["ada"]),
                ("/u/tags/0", &["x"]),
                ("/u/*", &["7", "ada"]),
                ("/again/name", &["ada"]),
                ("/w", &["ada"]),
                ("/user2/id", &["-3"]),
                ("/e", &[]),
                ("/d", &[]),
                ("/n", &[]),
                ("/t", &[]),
                ("/*/id", &["7", "7", "-3", "-3"]),
            ],
        ),
        // Which number a value behind an object of such a form has cannot be known; all others are read.
        (&["php"], custom, &[("/1", &["a"]), ("/2", &[]), ("/3/date", &["x"])]),
        (&["php"], b"S:3:\"a\\62\\\\\";", &[]),
        (&["php"], b"S:3:\"a\\62c\";", &[("", &["abc"])]),
        (&["php"], b"i:018;", &[("", &["18"])]),
        (&["php"], b"a:2:{i:5;s:1:\"a\";i:5;s:1:\"b\";}", &[("/5", &["b"]), ("/*", &["b"])]),
        // Private properties of a class and of its parent are two.
        (
            &["php"],
            b"O:1:\"U\":2:{s:4:\"\0P\0x\";i:1;s:4:\"\0U\0x\";i:2;}",
            &[("/x", &["2"]), ("/*", &["1", "2"])],
        ),
        // However its name is written.
        (
            &["php"],
            b"O:1:\"U\":2:{s:4:\"\0P\0x\";i:1;S:4:\"\\00U\\00\\78\";i:2;}",
            &[("/x", &["2"]), ("/*", &["1", "2"])],
        ),
        // PHP leaves alone what follows a value.
        (&["php"], b"i:1;rest", &[("", &["1"])]),
        // References that lead nowhere, to what comes later, or in a circle.
        (&["php"], b"a:2:{i:0;R:99;i:1;R:0;}", &[("/*", &[])]),
        (&["php"], b"a:2:{i:0;R:2;i:1;s:1:\"a\";}", &[("/*", &["a"])]),
        (&["php"], b"a:2:{i:0;r:2;i:1;R:1;}", &[("/0", &[]), ("/1/1/1/0", &[])]),
    ]);
    let wrong: [(&[u8], &str); 7] = [
        (b"", "it ends too early"),
        (b"{}", "a value begins like none of PHP's"),
        (b"i:x;", "a number is none"),
        (b"s:1:\"ab\";", "something stands where a value should end or go on"),
        (b"a:1:{N;N;}", "a key is neither a string nor an integer"),
        (b"a:1:{i:0;N;i:", "something stands where a value should end or go on"),
        (b"S:1:\"\\zz\";", "an escape is none"),
    ];
    for (value, why) in wrong {
        assert_eq!(texts(&["php"], value, "/0"), Err(format!("not php: {why}")), "{}", value.escape_ascii());
    }
}

#[test]
fn sessions_are_read() {
    let referring = format!("csrf|s:1:\"x\";user_id|s:3:\"ada\";user|{USER}same|r:3;q|a:1:{{i:0;s:3:\"ada\";}}q2|R:9;");
    check(&[
        (
            &["php-session"],
            b"csrf|s:1:\"x\";user_id|s:3:\"ada\";",
            &[("/user_id", &["ada"]), ("/*", &["x", "ada"]), ("", &[])],
        ),
        (
            &["php-session"],
            referring.as_bytes(),
            &[("/user/id", &["7"]), ("/same/id", &["7"]), ("/q2/0", &["ada"]), ("/*/0", &["ada", "ada"])],
        ),
        (&["php-session"], b"a|i:1;a|i:2;", &[("/a", &["2"]), ("/*", &["2"])]),
        (&["php-session"], b"", &[("/a", &[])]),
        (&["base64", "php-session"], b"YXxpOjE7", &[("/a", &["1"])]),
    ]);
    assert_eq!(texts(&["php-session"], b"{\"a\":1}", "/a"), Err("not php-session: it ends too early".into()));
}
