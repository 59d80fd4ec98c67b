//! Reading values in all formats: any bytes, and documents that are written in each format and have to say the same.
//!
//! An input is names of formats in its first line, with a space between, and a JSON pointer in the second and in the third;
//! all that follows is a value. With no formats the value is a JSON document, which is written in every format.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_core::{
    encoding::{DEEPEST, Encoding, Format},
    json::Pointer,
};
use redis_session_fuzz::head;
use serde::de::{Deserialize, IgnoredAny};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Some(([names, one, other], value)) = head(input) else { return };
    let [Ok(names), Ok(one), Ok(other)] = [names, one, other].map(str::from_utf8) else { return };
    let (Ok(one_at), Ok(other_at)) = (Pointer::parse(one), Pointer::parse(other)) else { return };
    if names.is_empty() {
        let Ok(document) = serde_json::from_slice(value) else { return };
        return check_document(&document, [(one, &one_at), (other, &other_at)]);
    }
    let Ok(encoding) = Encoding::parse(names.split(' ')) else { return };
    check_bytes(&encoding, value, [&one_at, &other_at]);
});

/// What two pointers lead to, or why the value is unreadable.
type Found = Result<[Vec<Vec<u8>>; 2], String>;

fn texts(encoding: &Encoding, value: &[u8], pointers: [Option<&Pointer>; 2]) -> Found {
    let mut found: [Vec<Vec<u8>>; 2] = Default::default();
    let result = encoding.texts(value, &pointers, &mut |n, text| found[n].push(text.to_vec()));
    result.map(|()| found).map_err(|unreadable| unreadable.to_string())
}

// --- any bytes ----------------------------------------------------------------------------------------------------------

fn check_bytes(encoding: &Encoding, value: &[u8], [one, other]: [&Pointer; 2]) {
    let both = texts(encoding, value, [Some(one), Some(other)]);
    let alone = [[Some(one), None], [None, Some(other)]].map(|pointers| texts(encoding, value, pointers));
    let alone = alone.map(|found| found.map(|[one, other]| [one, other].concat()));
    let is_endless = |why: &String| why.contains("too often");
    match (&both, &alone) {
        // How much is followed depends on the pointers.
        _ if both.as_ref().is_err_and(is_endless) => (),
        (_, [Err(why), _] | [_, Err(why)]) if is_endless(why) => (),
        (Ok([one, other]), [Ok(one_alone), Ok(other_alone)]) => {
            assert_eq!((one, other), (one_alone, other_alone));
            check_size(encoding, value, one.iter().chain(other), one.len() + other.len());
        }
        (Err(why), [Err(one), Err(other)]) => {
            assert_eq!((why, why), (one, other));
            assert!(encoding.formats().any(|format| why.contains(format.name())), "{why}");
        }
        _ => panic!("together {both:?}, alone {alone:?}"),
    }
    if encoding.formats().eq([Format::Msgpack]) {
        check_msgpack(value, both.as_ref().map(|_| ()));
    }
}

/// Nobody is told more than a small multiple of the value, if it does not grow by unpacking.
fn check_size<'t>(encoding: &Encoding, value: &[u8], texts: impl Iterator<Item = &'t Vec<u8>>, count: usize) {
    if encoding.formats().any(|format| matches!(format, Format::Zlib | Format::Gzip)) {
        return;
    }
    let told = texts.map(Vec::len).sum::<usize>() + count;
    assert!(told <= 4 * (DEEPEST + 2) * value.len() + 4096, "{told} bytes of {}", value.len());
}

/// Whether it is `MessagePack` at all, another reader says too, which follows deeper values.
fn check_msgpack(mut value: &[u8], read: Result<(), &String>) {
    let other = IgnoredAny::deserialize(&mut rmp_serde::Deserializer::new(&mut value));
    let is_readable = other.is_ok() && value.is_empty();
    assert!(read.is_ok() == is_readable || read.is_err_and(|why| why.contains("deeper")), "{read:?} {other:?}");
}

// --- one document in all formats ------------------------------------------------------------------------------------------

fn check_document(document: &Value, pointers: [(&str, &Pointer); 2]) {
    if depth(document) >= DEEPEST {
        return;
    }
    let expected = pointers.map(|(text, _)| expected(document, text));
    let plain: [(&str, Vec<u8>); 5] = [
        ("json", document.to_string().into_bytes()),
        ("msgpack", rmp_serde::to_vec(document).expect("a document can be written")),
        ("php", written(document, php)),
        ("pickle", [written(document, pickle), b".".to_vec()].concat()),
        ("marshal", [b"\x04\x08".to_vec(), written(document, marshal)].concat()),
    ];
    for (name, value) in &plain {
        let is_json = *name == "json";
        check_written(&[name], value, is_json, pointers, &expected);
    }
    // A string in each of them, with the document as JSON inside.
    let inside = Value::String(document.to_string());
    let outside: [(&str, Vec<u8>); 3] = [
        ("json", inside.to_string().into_bytes()),
        ("php", written(&inside, php)),
        ("pickle", [written(&inside, pickle), b".".to_vec()].concat()),
    ];
    for (name, value) in &outside {
        check_written(&[name, "json"], value, true, pointers, &expected);
    }
}

fn check_written(
    names: &[&str],
    value: &[u8],
    is_json: bool,
    pointers: [(&str, &Pointer); 2],
    expected: &[Vec<(bool, Vec<u8>)>; 2],
) {
    let encoding = Encoding::parse(names.iter().copied()).expect("there are such formats");
    let found = texts(&encoding, value, pointers.map(|(_, pointer)| Some(pointer)));
    // Numbers with a fraction are texts in JSON alone.
    let told = expected.each_ref().map(|texts| {
        let texts = texts.iter().filter(|(is_fraction, _)| is_json || !is_fraction);
        texts.map(|(_, text)| text.clone()).collect::<Vec<_>>()
    });
    let is_endless = pointers.iter().any(|(text, _)| text.split('/').count() > DEEPEST);
    assert!(found == Ok(told) || is_endless, "{names:?} {} {found:?}", value.escape_ascii());
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// The texts that a pointer leads to, and whether each is a number with a fraction.
fn expected(document: &Value, pointer: &str) -> Vec<(bool, Vec<u8>)> {
    let mut values = vec![document];
    for step in pointer.split('/').skip(1) {
        values = values.into_iter().flat_map(|value| stepped(value, step)).collect();
    }
    let text = |value: &Value| match value {
        Value::String(text) => Some((false, text.clone().into_bytes())),
        Value::Number(number) => Some((number.is_f64(), number.to_string().into_bytes())),
        _ => None,
    };
    values.into_iter().filter_map(text).collect()
}

fn stepped<'v>(value: &'v Value, step: &str) -> Vec<&'v Value> {
    match value {
        Value::Array(elements) if step == "*" => elements.iter().collect(),
        Value::Object(members) if step == "*" => members.values().collect(),
        value => value.pointer(&format!("/{step}")).into_iter().collect(),
    }
}

fn written(value: &Value, write: fn(&Value, &mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

fn php(value: &Value, to: &mut Vec<u8>) {
    let string = |text: &str| format!("s:{}:\"{text}\";", text.len()).into_bytes();
    match value {
        Value::Null => to.extend(b"N;"),
        Value::Bool(is) => to.extend(format!("b:{};", u8::from(*is)).bytes()),
        // PHP has no larger integers, but reads them as text.
        Value::Number(number) if number.as_i64().is_some() => to.extend(format!("i:{number};").bytes()),
        Value::Number(number) if number.is_f64() => to.extend(format!("d:{number};").bytes()),
        Value::Number(number) => to.extend(string(&number.to_string())),
        Value::String(text) => to.extend(string(text)),
        Value::Array(elements) => {
            to.extend(format!("a:{}:{{", elements.len()).bytes());
            for (index, element) in elements.iter().enumerate() {
                to.extend(format!("i:{index};").bytes());
                php(element, to);
            }
            to.push(b'}');
        }
        Value::Object(members) => {
            to.extend(format!("a:{}:{{", members.len()).bytes());
            for (name, member) in members {
                to.extend(string(name));
                php(member, to);
            }
            to.push(b'}');
        }
    }
}

fn pickle(value: &Value, to: &mut Vec<u8>) {
    let string = |text: &str| {
        let length = u32::try_from(text.len()).expect("inputs are short");
        [b"X", &length.to_le_bytes()[..], text.as_bytes()].concat()
    };
    match value {
        Value::Null => to.push(b'N'),
        Value::Bool(is) => to.push(if *is { 0x88 } else { 0x89 }),
        Value::Number(number) if number.is_f64() => to.extend(format!("F{number}\n").bytes()),
        Value::Number(number) => match number.as_i64() {
            Some(number) if number % 2 == 0 => to.extend([&b"\x8a\x08"[..], &number.to_le_bytes()].concat()),
            _ => to.extend(format!("L{number}L\n").bytes()),
        },
        Value::String(text) => to.extend(string(text)),
        Value::Array(elements) => {
            to.extend(b"](");
            for element in elements {
                pickle(element, to);
            }
            to.push(b'e');
        }
        Value::Object(members) => {
            to.extend(b"}(");
            for (name, member) in members {
                to.extend(string(name));
                pickle(member, to);
            }
            to.push(b'u');
        }
    }
}

fn marshal(value: &Value, to: &mut Vec<u8>) {
    let length = |length: usize| {
        let bytes = u32::try_from(length).expect("inputs are short").to_le_bytes();
        [&[4], &bytes[..]].concat()
    };
    let string = |text: &str| [b"I\"", &*length(text.len()), text.as_bytes(), b"\x06:\x06ET"].concat();
    match value {
        Value::Null => to.push(b'0'),
        Value::Bool(is) => to.push(if *is { b'T' } else { b'F' }),
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            to.extend([b"f", &*length(text.len()), text.as_bytes()].concat());
        }
        Value::Number(number) => {
            let sign = if number.as_i64().is_some_and(i64::is_negative) { b"l-" } else { b"l+" };
            let magnitude = number.as_u64().or(number.as_i64().map(i64::unsigned_abs)).expect("it is an integer");
            to.extend([sign, &*length(4), &magnitude.to_le_bytes()].concat());
        }
        Value::String(text) => to.extend(string(text)),
        Value::Array(elements) => {
            to.extend([b"[", &*length(elements.len())].concat());
            for element in elements {
                marshal(element, to);
            }
        }
        Value::Object(members) => {
            to.extend([b"{", &*length(members.len())].concat());
            for (name, member) in members {
                to.extend(string(name));
                marshal(member, to);
            }
        }
    }
}
