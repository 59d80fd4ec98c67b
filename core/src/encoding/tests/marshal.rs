//! What Ruby writes.

use super::{check, texts};

/// A session of Rails with Devise.
pub(super) const DEVISE: &[u8] =
    b"\x04\x08{\x07I\"\x19warden.user.user.key\x06:\x06ET[\x07[\x06i\x16I\"\"$2a$11$abcdefghijklmnopqrstuu\
    \x06;\x00TI\"\x10_csrf_token\x06;\x00TI\"\x09abc=\x06;\x00T";

/// A hash with one of everything.
pub(super) const RICH: &[u8] = b"\x04\x08{\x1e:\nfirstI\"\x08ada\x06:\x06ET:\x0bsecond@\x06:\x09usero:\x09User\x07:\x08@idi\x0c:\n@nameI\"\
    \x08ada\x06;\x06T:\nagain@\x07:\x06pS:\x06P\x07:\x07idi\x08:\x09nameI\"\x08eve\x06;\x06T:\x06dIu:\x09Dump\x08abc\x06;\
    \x06T:\x07mdU:\nMDump[\x06I\"\x07in\x06;\x06T:\x07hsC:\x07HS{\x06I\"\x06k\x06;\x06TI\"\x06v\x06;\x06T:\x07dh}\x06:\
    \x06xi\x06i\n:\x08bigl+\n\x00\x00\x00\x00\x00\x00\x00\x00@\x00:\x08negi\xfe\xd4\xfe:\x06ff\x081.5:\x07reI/\x08a.b\
    \x01\x06;\x06F:\x08sym;\x00:\x08clsc\x0bString:\x08modm\x0bKernel:\x08bin\"\x06\xff:\x06tIu:\x09Time\x0d \x80\x11\xc0\
    \x00\x00\x00\x00\x06:\x09zoneI\"\x08UTC\x06;\x06F:\x08extI\"\x06x\x06;\x06Ti\x11I\"\x0btwelve\x06;\x06T0i\x06I\"\x07sj\
    \x06;\x06TI\"\x06a\x06:\x0dencoding\"\x0eShift_JISI:\x07\xc3\xa9\x06;\x06Ti\x06:\x09last@\x06:\x07l2@\x0f";

/// An object with a dump of its own, whose encoding is an object that gets its number first; behind it one string twice.
pub(super) const DUMPED: &[u8] =
    b"\x04\x08[\x08Iu:\nDump2\x08abc\x06:\x0dencoding\"\x0eShift_JISI\"\x06q\x06:\x06ET@\x08";

#[test]
fn marshalled_values_are_read() {
    check(&[
        (
            &["marshal"],
            DEVISE,
            &[
                ("/warden.user.user.key/0/0", &["17"]),
                ("/warden.user.user.key/1", &["$2a$11$abcdefghijklmnopqrstuu"]),
                ("/_csrf_token", &["abc="]),
                ("/*", &["abc="]),
                ("/*/*/*", &["17"]),
                ("", &[]),
            ],
        ),
        (
            &["marshal"],
            RICH,
            &[
                ("/first", &["ada"]),
                ("/second", &["ada"]),
                ("/last", &["ada"]),
                ("/user/@id", &["7"]),
                ("/again/@name", &["ada"]),
                ("/p/name", &["eve"]),
                ("/d", &[]),
                ("/md/0", &[]),
                ("/hs/k", &["v"]),
                ("/l2/k", &["v"]),
                ("/dh/x", &["1"]),
                ("/big", &["1180591620717411303424"]),
                ("/neg", &["-300"]),
                ("/f", &[]),
                ("/re", &[]),
                ("/sym", &["first"]),
                ("/cls", &[]),
                ("/bin", &[r"\xff"]),
                ("/t", &[]),
                ("/ext", &["x"]),
                ("/12", &["twelve"]),
                ("/sj", &["a"]),
                ("/é", &["1"]),
                ("/*/name", &["eve"]),
            ],
        ),
        (
            &["marshal"],
            b"\x04\x08[\x17i\x00i\x06i\xfai\x7fi\x01{i\x80i\xff\x84i\x01\xffi\x02\x00\x01i\xff\x00i\xfe\xff\xfei\x03\x00\x00\x01\
              i\x04\x00\x00\x00 l+\x07\x00\x00\x00@i\xfc\x00\x00\x00\xc0l-\x07\x00\x00\x00\x80l+\x09\x00\x00\x00\x00\x00\x00\
              \x00@l+\n\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00",
            &[(
                "/*",
                &[
                    "0",
                    "1",
                    "-1",
                    "122",
                    "123",
                    "-123",
                    "-124",
                    "255",
                    "256",
                    "-256",
                    "-257",
                    "65536",
                    "536870912",
                    "1073741824",
                    "-1073741824",
                    "-2147483648",
                    "4611686018427387904",
                    "18446744073709551616",
                ],
            )],
        ),
        (&["marshal"], DUMPED, &[("/1", &["q"]), ("/2", &["q"]), ("/*", &["q", "q"])]),
        // An array that is inside itself.
        (&["marshal"], b"\x04\x08[\x07i\x06@\x00", &[("/0", &["1"]), ("/1/1/1/0", &["1"])]),
        // Of a key that stands twice the last one counts; a symbol and a string are two keys.
        (&["marshal"], b"\x04\x08{\x08:\x06ai\x06;\x00i\x07\"\x06ai\x08", &[("/a", &["3"]), ("/*", &["2", "3"])]),
        // No id has more than 128 bits.
        (&["marshal"], b"\x04\x08l+\x0e0123456789abcdef01", &[("", &[])]),
        // Ruby leaves alone what follows a value.
        (&["marshal"], b"\x04\x08i\x06rest", &[("", &["1"])]),
    ]);
    let wrong: [(&[u8], &str); 8] = [
        (b"", "it ends too early"),
        (b"{}", "it does not begin with the bytes 4 and 8"),
        (b"\x04\x08?", "a value begins like none of Ruby's"),
        (b"\x04\x08\"\xfa", "a length is negative"),
        (b"\x04\x08l*\x06ab", "a large number has no sign"),
        (b"\x04\x08o\"\x06a\x00", "a name is no symbol"),
        (b"\x04\x08[\x06@\x06", "it refers to a part that is not there"),
        (b"\x04\x08[\x06;\x00", "it refers to a part that is not there"),
    ];
    for (value, why) in wrong {
        assert_eq!(texts(&["marshal"], value, "/0"), Err(format!("not marshal: {why}")), "{}", value.escape_ascii());
    }
}
