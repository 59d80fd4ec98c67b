//! What Python pickles.

use super::{check, texts};

/// A session of Django, in each protocol.
const DJANGO: [&[u8]; 6] = [
    b"(dp0\nV_auth_user_id\np1\nV1\np2\nsV_auth_user_backend\np3\nVdjango.contrib.auth.backends.ModelBackend\n\
    p4\nsV_auth_user_hash\np5\nV5f1c\np6\ns.",
    b"}q\x00(X\x0d\x00\x00\x00_auth_user_idq\x01X\x01\x00\x00\x001q\x02X\x12\x00\x00\x00_auth_user_backendq\
    \x03X)\x00\x00\x00django.contrib.auth.backends.ModelBackendq\x04X\x0f\x00\x00\x00_auth_user_hashq\x05X\
    \x04\x00\x00\x005f1cq\x06u.",
    b"\x80\x02}q\x00(X\x0d\x00\x00\x00_auth_user_idq\x01X\x01\x00\x00\x001q\x02X\x12\x00\x00\x00_auth_user_bac\
    kendq\x03X)\x00\x00\x00django.contrib.auth.backends.ModelBackendq\x04X\x0f\x00\x00\x00_auth_user_hashq\
    \x05X\x04\x00\x00\x005f1cq\x06u.",
    b"\x80\x03}q\x00(X\x0d\x00\x00\x00_auth_user_idq\x01X\x01\x00\x00\x001q\x02X\x12\x00\x00\x00_auth_user_bac\
    kendq\x03X)\x00\x00\x00django.contrib.auth.backends.ModelBackendq\x04X\x0f\x00\x00\x00_auth_user_hashq\
    \x05X\x04\x00\x00\x005f1cq\x06u.",
    b"\x80\x04\x95s\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x0d_auth_user_id\x94\x8c\x011\x94\x8c\x12_auth_user_\
    backend\x94\x8c)django.contrib.auth.backends.ModelBackend\x94\x8c\x0f_auth_user_hash\x94\x8c\x045f1c\x94\
    u.",
    b"\x80\x05\x95s\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x0d_auth_user_id\x94\x8c\x011\x94\x8c\x12_auth_user_\
    backend\x94\x8c)django.contrib.auth.backends.ModelBackend\x94\x8c\x0f_auth_user_hash\x94\x8c\x045f1c\x94\
    u.",
];

/// A dict with one of everything: times and other objects, parts that stand in several places, bytes, sets, large numbers.
pub(super) const RICH: [&[u8]; 4] = [
    b"(dp0\nVseen\np1\ncdatetime\ndatetime\np2\n(c_codecs\nencode\np3\n(V\x07\xea\x01\x01\\u0000\\u0000\\u0000\
    \\u0000\\u0000\\u0000\np4\nVlatin1\np5\ntp6\nRp7\ntp8\nRp9\nsVuuid\np10\nccopy_reg\n_reconstructor\np11\
    \n(cuuid\nUUID\np12\nc__builtin__\nobject\np13\nNtp14\nRp15\n(dp16\nVint\np17\nI5\nsbsV_auth_user_id\np1\
    8\nV1\np19\nsVa\np20\n(dp21\nVid\np22\nVada\np23\nsVroles\np24\n(lp25\nVx\np26\naVy\np27\nassVb\np28\ng2\
    1\nsVlist\np29\n(lp30\ng21\nag21\nasVt\np31\n(I1\nVtwo\np32\ng3\n(V3\np33\ng5\ntp34\nRp35\ntp36\nsVset\n\
    p37\nc__builtin__\nset\np38\n((lp39\nI1\naI2\natp40\nRp41\nsVn\np42\nNsVf\np43\nF1.5\nsVbig\np44\nL11805\
    91620717411303424L\nsVneg\np45\nI-5\nsVod\np46\nccollections\nOrderedDict\np47\n(tRp48\nVuser\np49\nVeve\
    \np50\nssI3\nVthree\np51\nsV\xe9\np52\ng52\ns.",
    b"\x80\x02}q\x00(X\x04\x00\x00\x00seenq\x01cdatetime\ndatetime\nq\x02c_codecs\nencode\nq\x03X\x0b\x00\x00\
    \x00\x07\xc3\xaa\x01\x01\x00\x00\x00\x00\x00\x00q\x04X\x06\x00\x00\x00latin1q\x05\x86q\x06Rq\x07\x85q\
    \x08Rq\x09X\x04\x00\x00\x00uuidq\ncuuid\nUUID\nq\x0b)\x81q\x0c}q\x0dX\x03\x00\x00\x00intq\x0eK\x05sbX\
    \x0d\x00\x00\x00_auth_user_idq\x0fX\x01\x00\x00\x001q\x10X\x01\x00\x00\x00aq\x11}q\x12(X\x02\x00\x00\x00\
    idq\x13X\x03\x00\x00\x00adaq\x14X\x05\x00\x00\x00rolesq\x15]q\x16(X\x01\x00\x00\x00xq\x17X\x01\x00\x00\
    \x00yq\x18euX\x01\x00\x00\x00bq\x19h\x12X\x04\x00\x00\x00listq\x1a]q\x1b(h\x12h\x12eX\x01\x00\x00\x00tq\
    \x1cK\x01X\x03\x00\x00\x00twoq\x1dh\x03X\x01\x00\x00\x003q\x1eh\x05\x86q\x1fRq \x87q!X\x03\x00\x00\x00se\
    tq\"c__builtin__\nset\nq#]q$(K\x01K\x02e\x85q%Rq&X\x01\x00\x00\x00nq'NX\x01\x00\x00\x00fq(G?\xf8\x00\x00\
    \x00\x00\x00\x00X\x03\x00\x00\x00bigq)\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@X\x03\x00\x00\x00negq*J\
    \xfb\xff\xff\xffX\x02\x00\x00\x00odq+ccollections\nOrderedDict\nq,)Rq-X\x04\x00\x00\x00userq.X\x03\x00\
    \x00\x00eveq/sK\x03X\x05\x00\x00\x00threeq0X\x02\x00\x00\x00\xc3\xa9q1h1u.",
    b"\x80\x04\x959\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04seen\x94\x8c\x08datetime\x94\x8c\x08datetime\x94\
    \x93\x94C\n\x07\xea\x01\x01\x00\x00\x00\x00\x00\x00\x94\x85\x94R\x94\x8c\x04uuid\x94h\x08\x8c\x04UUID\
    \x94\x93\x94)\x81\x94}\x94\x8c\x03int\x94K\x05sb\x8c\x0d_auth_user_id\x94\x8c\x011\x94\x8c\x01a\x94}\x94\
    (\x8c\x02id\x94\x8c\x03ada\x94\x8c\x05roles\x94]\x94(\x8c\x01x\x94\x8c\x01y\x94eu\x8c\x01b\x94h\x11\x8c\
    \x04list\x94]\x94(h\x11h\x11e\x8c\x01t\x94K\x01\x8c\x03two\x94C\x013\x94\x87\x94\x8c\x03set\x94\x8f\x94(\
    K\x01K\x02\x90\x8c\x01n\x94N\x8c\x01f\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x03big\x94\x8a\x09\x00\x00\
    \x00\x00\x00\x00\x00\x00@\x8c\x03neg\x94J\xfb\xff\xff\xff\x8c\x02od\x94\x8c\x0bcollections\x94\x8c\x0bOr\
    deredDict\x94\x93\x94)R\x94\x8c\x04user\x94\x8c\x03eve\x94sK\x03\x8c\x05three\x94\x8c\x02\xc3\xa9\x94h-u\
    .",
    b"\x80\x05\x959\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04seen\x94\x8c\x08datetime\x94\x8c\x08datetime\x94\
    \x93\x94C\n\x07\xea\x01\x01\x00\x00\x00\x00\x00\x00\x94\x85\x94R\x94\x8c\x04uuid\x94h\x08\x8c\x04UUID\
    \x94\x93\x94)\x81\x94}\x94\x8c\x03int\x94K\x05sb\x8c\x0d_auth_user_id\x94\x8c\x011\x94\x8c\x01a\x94}\x94\
    (\x8c\x02id\x94\x8c\x03ada\x94\x8c\x05roles\x94]\x94(\x8c\x01x\x94\x8c\x01y\x94eu\x8c\x01b\x94h\x11\x8c\
    \x04list\x94]\x94(h\x11h\x11e\x8c\x01t\x94K\x01\x8c\x03two\x94C\x013\x94\x87\x94\x8c\x03set\x94\x8f\x94(\
    K\x01K\x02\x90\x8c\x01n\x94N\x8c\x01f\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x03big\x94\x8a\x09\x00\x00\
    \x00\x00\x00\x00\x00\x00@\x8c\x03neg\x94J\xfb\xff\xff\xff\x8c\x02od\x94\x8c\x0bcollections\x94\x8c\x0bOr\
    deredDict\x94\x93\x94)R\x94\x8c\x04user\x94\x8c\x03eve\x94sK\x03\x8c\x05three\x94\x8c\x02\xc3\xa9\x94h-u\
    .",
];

#[test]
fn sessions_of_django_are_read() {
    for session in DJANGO {
        let pointers: &[(&str, &[&str])] = &[
            ("/_auth_user_id", &["1"]),
            ("/_auth_user_hash", &["5f1c"]),
            ("/*", &["1", "django.contrib.auth.backends.ModelBackend", "5f1c"]),
            ("/0", &[]),
            ("", &[]),
        ];
        check(&[(&["pickle"], session, pointers)]);
    }
}

#[test]
fn objects_do_not_keep_the_rest_from_being_read() {
    for session in RICH {
        let pointers: &[(&str, &[&str])] = &[
            ("/_auth_user_id", &["1"]),
            ("/seen", &[]),
            ("/uuid/int", &["5"]),
            ("/a/id", &["ada"]),
            ("/b/id", &["ada"]),
            ("/list/1/id", &["ada"]),
            ("/list/*/roles/*", &["x", "y", "x", "y"]),
            ("/t/*", &["1", "two", "3"]),
            ("/n", &[]),
            ("/f", &[]),
            ("/big", &["1180591620717411303424"]),
            ("/neg", &["-5"]),
            ("/od/user", &["eve"]),
            ("/3", &["three"]),
            ("/é", &[r"\xc3\xa9"]),
            ("/*/id", &["ada", "ada"]),
        ];
        check(&[(&["pickle"], session, pointers)]);
    }
    // Protocols 0 to 2 have no sets of their own, but a function that makes one of a list.
    for (session, expected) in RICH.iter().zip([&[][..], &[], &["1", "2"], &["1", "2"]]) {
        check(&[(&["pickle"], session, &[("/set/*", expected), ("/set/0", &[])])]);
    }
}

#[test]
fn pickles_of_all_kinds_are_read() {
    check(&[
        // Bytes, which protocol 2 has none of, and an array of them.
        (&["pickle"], b"\x80\x02}q\x00X\x02\x00\x00\x00idq\x01c_codecs\nencode\nq\x02X\x04\x00\x00\x00\xc3\xa9\x00aq\x03X\x06\
    \x00\x00\x00latin1q\x04\x86q\x05Rq\x06s.", &[("/id", &[r"\xe9\x00a"])]),
        (&["pickle"], b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x04\0\0\0utf8\x86R.", &[("", &[])]),
        (&["pickle"], b"\x80\x05\x95\x16\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x02id\x94\x96\x03\x00\x00\x00\x00\x00\x00\x00ada\
    \x94s.", &[("/id", &["ada"])]),
        // A dict that is inside itself.
        (&["pickle"], b"\x80\x04\x95\x18\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01u\x94\x8c\x03ada\x94\x8c\x04self\x94h\x00u.", &[("/u", &["ada"]), ("/self/self/self/u", &["ada"]), ("/*/u", &["ada"])]),
        // Python 2.
        (&["pickle"], b"(dp0\nS'user\\x5fid'\np1\nS\"ad\\\"a\\n\"\nsS'n'\nL12L\nsS'b'\nI01\nsS'u'\nV\\u00e9\\U0001f600\nsS'z'\nI-007\ns.",
            &[("/user_id", &["ad\\\"a\\n"]), ("/n", &["12"]), ("/b", &[]), ("/u", &[r"\xc3\xa9\xf0\x9f\x98\x80"]), ("/z", &["-7"])]),
        (&["pickle"], b"(U\x01aK\x01T\x01\0\0\0bM\x01\x01l.", &[("/*", &["a", "1", "b", "257"])]),
        // Integers of any length; no id has more than 128 bits.
        (
            &["pickle"],
            b"(\x8a\0\x8a\x01\xff\x8a\x02\x80\0\x8a\x02\0\x80\x8a\x11\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\
              \x8b\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01J\0\0\0\x80t.",
            &[("/*", &["0", "-1", "128", "-32768", "340282366920938463463374607431768211455", "-2147483648"])],
        ),
        // Of a key that stands twice the last one counts; a string, bytes and a number are three keys.
        (
            &["pickle"],
            b"(U\x011K\x01C\x011K\x02K\x01K\x03U\x011K\x04d.",
            &[("/1", &["4"]), ("/*", &["2", "3", "4"])],
        ),
        // An object with items, elements and state, and one whose class names its attributes.
        (
            &["pickle"],
            b"cm\nC\n)\x81U\x01aK\x01sK\x02a}U\x01bK\x03sb.",
            &[("/a", &["1"]), ("/b", &["3"]), ("/0", &["2"]), ("/*", &["1", "2", "3"])],
        ),
        (&["pickle"], b"cm\nC\n)}\x92N}U\x01bK\x03s\x86b.", &[("/b", &["3"])]),
        (&["pickle"], b"(im\nC\n}U\x01bK\x03sb.", &[("/b", &["3"])]),
        (&["pickle"], b"(cm\nC\nK\x01o}U\x01bK\x03sb.", &[("/b", &["3"]), ("/*", &["3"])]),
        // Marks, what is dropped, extensions, buffers outside, things that a program keeps elsewhere.
        (&["pickle"], b"](0(K\x011K\x020K\x0320a\x82\x05a\x83\0\0a\x84\0\0\0\0aPx\naK\x01Qa\x97a\x98K\x04a.", &[("/*", &["3", "4"])]),
        (&["pickle"], b"(K\x01\x91.", &[("/*", &["1"]), ("/0", &[])]),
        // Python leaves alone what follows the end.
        (&["pickle"], b"K\x01.rest", &[("", &["1"])]),
    ]);
}

#[test]
fn what_is_no_pickle_says_why() {
    let wrong: [(&[u8], &str); 12] = [
        (b"", "it ends too early"),
        (b".", "a step finds nothing that it could work on"),
        (b"K\x01(.", "a step finds nothing that it could work on"),
        (b"K\x01(\x85.", "a step finds nothing that it could work on"),
        (b"K\x01K\x01a.", "a step finds nothing that it could work on"),
        (b"}(K\x01u.", "a key has no value"),
        (b"{\"a\":1}", "a step is none of Python's"),
        (b"I1x\n.", "a number is none"),
        (b"gx\n.", "a number is none"),
        (b"Sa\n.", "a string has no quotes"),
        (b"h\0.", "it refers to a part that is not there"),
        (b"K\x01r\xff\xff\xff\xff.", "a number in the memo is too large"),
    ];
    for (value, why) in wrong {
        assert_eq!(texts(&["pickle"], value, "/0"), Err(format!("not pickle: {why}")), "{}", value.escape_ascii());
    }
}
