//! Values as they are met in real stores: written by the libraries that applications use.

mod bounds;
mod damage;
mod marshal;
mod php;
mod pickle;
mod values;

use super::{Encoding, EncodingError, Format};
use crate::json::Pointer;

/// The texts that a pointer leads to, or why there are none.
fn texts(names: &[&str], value: &[u8], pointer: &str) -> Result<Vec<String>, String> {
    let encoding = Encoding::parse(names.iter().copied()).unwrap();
    let mut found = Vec::new();
    let pointer = Pointer::parse(pointer).unwrap();
    encoding
        .texts(value, &[None, Some(&pointer)], &mut |n, text| {
            assert_eq!(n, 1, "there is no other pointer");
            found.push(text.escape_ascii().to_string());
        })
        .map_err(|unreadable| unreadable.to_string())?;
    Ok(found)
}

/// Encodings, a value in them, and what pointers lead to.
type Row<'a> = (&'a [&'a str], &'a [u8], &'a [(&'a str, &'a [&'a str])]);

fn check(rows: &[Row<'_>]) {
    for (names, value, pointers) in rows {
        for (pointer, expected) in *pointers {
            let found = texts(names, value, pointer);
            let expected = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(found, Ok(expected), "{names:?} {} {pointer}", value.escape_ascii());
        }
    }
}

#[test]
fn an_encoding_is_parsed_or_says_what_to_fix() {
    let parse = |names: &[&str]| Encoding::parse(names.iter().copied());
    assert_eq!(parse(&["json"]), Ok(Encoding::default()));
    assert!(Encoding::default().is_json());
    assert!(!parse(&["json", "json"]).unwrap().is_json() && !parse(&["msgpack"]).unwrap().is_json());
    let formats: Vec<Format> = parse(&["base64", "zlib", "php"]).unwrap().formats().collect();
    assert_eq!(formats, [Format::Base64, Format::Zlib, Format::Php]);
    for format in Format::ALL {
        assert_eq!(Format::named(format.name()), Some(format));
        assert_eq!(parse(&[format.name()]).is_ok(), !format.is_wrapper());
    }
    assert!(parse(&["json"; 8]).is_ok());
    let table: [(&[&str], EncodingError, &str); 6] = [
        (&[], EncodingError::Empty, "an encoding names at least one format"),
        (&["json"; 9], EncodingError::TooMany, "an encoding names at most 8 formats"),
        (&["base64"], EncodingError::EndsInWrapper(Format::Base64), "after 'base64' write what is inside it"),
        (&["json", "gzip"], EncodingError::EndsInWrapper(Format::Gzip), r#"such as ["gzip", "json"]"#),
        (&["php-session", "json"], EncodingError::SessionInside, "'php-session' must be the last format"),
        (&["yaml", "json"], EncodingError::Unknown("yaml".into()), "'yaml' is no encoding; there are json, msgpack"),
    ];
    for (names, error, sentence) in table {
        let found = parse(names).unwrap_err();
        assert!(found.to_string().contains(sentence), "{found}");
        assert_eq!(found, error);
    }
}

#[test]
fn all_pointers_are_followed() {
    let values: [(&str, &[u8]); 2] = [
        ("json", br#"{"a":{"b":"x","c":["y",2]},"d":"z","a2":1}"#),
        ("msgpack", b"\x83\xa1a\x82\xa1b\xa1x\xa1c\x92\xa1y\x02\xa1d\xa1z\xa2a2\x01"),
    ];
    for (name, value) in values {
        let encoding = Encoding::parse([name]).unwrap();
        let pointers = ["/a/b", "/a/c/*", "/*", "/a/b", "/a/*/1", "/d/x"];
        let pointers = pointers.map(|pointer| Pointer::parse(pointer).unwrap());
        let mut found: [Vec<String>; 6] = Default::default();
        let mut note = |n: usize, text: &[u8]| found[n].push(String::from_utf8(text.to_vec()).unwrap());
        encoding.texts(value, &pointers.each_ref().map(Some), &mut note).unwrap();
        let expected: [&[&str]; 6] = [&["x"], &["y", "2"], &["z", "1"], &["x"], &["2"], &[]];
        assert_eq!(found, expected, "{name}");
        // The same of a document in which all stands side by side.
        let mut found = Vec::new();
        let mut note = |n: usize, text: &[u8]| found.push((n, String::from_utf8(text.to_vec()).unwrap()));
        let pointers = ["/d", "/c", "/b", "/a"].map(|pointer| Pointer::parse(pointer).unwrap());
        let flat = if name == "json" {
            &br#"{"a":1,"b":2,"c":3,"d":4}"#[..]
        } else {
            b"\x84\xa1a\x01\xa1b\x02\xa1c\x03\xa1d\x04"
        };
        encoding.texts(flat, &pointers.each_ref().map(Some), &mut note).unwrap();
        found.sort();
        assert_eq!(found, [(0, "4"), (1, "3"), (2, "2"), (3, "1")].map(|(n, text)| (n, text.to_owned())), "{name}");
        // Without pointers nothing is read, so that nothing is wrong.
        assert_eq!(encoding.texts(b"\xc1", &[None], &mut |_, _| unreachable!()), Ok(()));
    }
}
