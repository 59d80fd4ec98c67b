//! Values that somebody made to be large, deep or endless.

use std::{io::Write, thread, time::Instant};

use flate2::{Compression, write};

use super::{
    super::{DEEPEST, LARGEST, unpack, unreadable::Why},
    texts,
};

#[test]
fn a_value_that_is_nested_too_deep_is_not_read() {
    type Nest = fn(usize) -> Vec<u8>;
    let table: [(&str, Nest); 4] = [
        ("msgpack", |depth| [vec![0x91; depth], vec![7]].concat()),
        ("php", |depth| ["a:1:{i:0;".repeat(depth), "i:7;".into(), "}".repeat(depth)].concat().into_bytes()),
        ("marshal", |depth| [b"\x04\x08", &*b"[\x06".repeat(depth), b"i\x0c"].concat()),
        ("php-session", |depth| {
            ["0|".into(), "a:1:{i:0;".repeat(depth - 1), "i:7;".into(), "}".repeat(depth - 1)].concat().into_bytes()
        }),
    ];
    for (name, nest) in table {
        let to_the_bottom = "/0".repeat(DEEPEST);
        // Threads of a server may have small stacks.
        let small = thread::Builder::new().stack_size(256 << 10);
        let all = move || {
            assert_eq!(texts(&[name], &nest(DEEPEST), &to_the_bottom), Ok(vec!["7".into()]));
            assert_eq!(texts(&[name], &nest(DEEPEST), &"/*".repeat(DEEPEST)), Ok(vec!["7".into()]));
            for depth in [DEEPEST + 1, 100_000] {
                let why = format!("{name}: nested deeper than 128 levels");
                assert_eq!(texts(&[name], &nest(depth), "/0"), Err(why));
            }
        };
        small.spawn(all).unwrap().join().unwrap();
    }
}

#[test]
fn a_value_that_unpacks_to_too_much_is_not_read() {
    let zlib = |bytes: &[u8]| {
        let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let why = |format| Err(format!("{format}: larger than 64 MB, or 1000 times the value, when unpacked"));
    let spaces = |length: usize| [b"7".to_vec(), vec![b' '; length - 1]].concat();
    // Little enough: it is not the same byte all over.
    let fits: Vec<u8> = (0..900_000).map(|i| if i == 0 { b'7' } else { b" \n"[i / 50 % 7 % 2] }).collect();
    assert_eq!(texts(&["zlib", "json"], &zlib(&fits), ""), Ok(vec!["7".into()]));
    assert_eq!(texts(&["gzip", "json"], &gzip(&fits), ""), Ok(vec!["7".into()]));
    // More than 1000 times the value, in one step or two.
    let bomb = spaces(4 << 20);
    assert_eq!(texts(&["zlib", "json"], &zlib(&bomb), ""), why("zlib"));
    assert_eq!(texts(&["gzip", "json"], &gzip(&bomb), ""), why("gzip"));
    assert_eq!(texts(&["gzip", "zlib", "json"], &gzip(&zlib(&bomb)), ""), why("zlib"));
    // What is allowed is the same for all wrappers of a value, and ends at 64 MB.
    assert_eq!([0, 1, 67_108, 67_109, usize::MAX].map(unpack::limit), [0, 1000, 67_108_000, LARGEST, LARGEST]);
    for (unpack, packed) in [(unpack::zlib as fn(&[u8], usize) -> _, zlib(&fits)), (unpack::gzip, gzip(&fits))] {
        assert_eq!(unpack(&packed, fits.len()).as_deref(), Ok(&*fits));
        assert_eq!(unpack(&packed, fits.len() - 1), Err(Why::TooLarge));
    }
}

/// Objects that were given the same state over and over, and are looked at over and over.
#[test]
fn a_pickle_of_one_state_for_many_objects_takes_no_quadratic_time() {
    let many = 100_000;
    let state = [&b"}("[..], &b"NN".repeat(many), b"uq\0"].concat();
    let given = [&state[..], b"0cm\nC\n)\x81", &b"h\0b".repeat(many), b"."].concat();
    let shared = [&state[..], b"0(", &b"cm\nC\n)\x81h\0b".repeat(many), b"l."].concat();
    let begun = Instant::now();
    assert_eq!(texts(&["pickle"], &given, "/*"), Ok(vec![]));
    let why = "pickle: it refers to its own parts too often";
    assert_eq!(texts(&["pickle"], &shared, "/*/*"), Err(why.into()));
    assert!(begun.elapsed().as_secs() < 5, "it took {:?}", begun.elapsed());
}

/// Levels of which each is twice the one below, by references: told apart they would be more than anybody can read.
#[test]
fn a_value_that_refers_to_its_parts_takes_no_exponential_time() {
    let php = || {
        // The array of each level holds the one below, and once more by reference: its number is its place from the outside.
        let mut value = "s:1:\"x\";".to_owned();
        for level in (0..60).rev() {
            value = format!("a:2:{{i:0;{value}i:1;R:{};}}", level + 2);
        }
        value.into_bytes()
    };
    let marshal = || {
        // The same. Its number stands in a byte that is 5 more.
        let nested = (0..60).rev().fold(b"i\x0c".to_vec(), |inner, level: u8| {
            let number = if level == 59 { vec![] } else { vec![b'@', level + 1 + 5] };
            let length = if level == 59 { b"[\x06" } else { b"[\x07" };
            [length.to_vec(), inner, number].concat()
        });
        [b"\x04\x08".to_vec(), nested].concat()
    };
    let pickle = || [&b"K\x07"[..], &b"2\x86".repeat(60), b"."].concat();
    let values = [("php", php(), "x"), ("marshal", marshal(), "7"), ("pickle", pickle(), "7")];
    for (name, value, text) in values {
        let begun = Instant::now();
        let why = format!("{name}: it refers to its own parts too often");
        assert_eq!(texts(&[name], &value, &"/*".repeat(60)), Err(why));
        assert_eq!(texts(&[name], &value, &("/1".repeat(59) + "/0")), Ok(vec![text.into()]));
        assert!(begun.elapsed().as_secs() < 5, "{name} took {:?}", begun.elapsed());
    }
}
