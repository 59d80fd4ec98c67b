//! JSON documents as applications, careless and hostile writers make them.

use fastrand::Rng;

type Bytes = Vec<u8>;

/// `id` as JSON: a string in one of many spellings, or a number if it reads as one.
pub fn id(rng: &mut Rng, id: &[u8]) -> Bytes {
    let Ok(text) = str::from_utf8(id) else {
        // Not to be written in JSON. Raw bytes make a text that is no JSON; a replacement names somebody else.
        return if rng.bool() { [b"\"", id, b"\""].concat() } else { string(rng, &String::from_utf8_lossy(id)) };
    };
    let is_number =
        text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && serde_json::from_str::<f64>(text).is_ok();
    if is_number && rng.bool() { text.into() } else { string(rng, text) }
}

/// A JSON string of `text`, now and then with more escapes than it needs.
pub fn string(rng: &mut Rng, text: &str) -> Bytes {
    let needless = rng.u8(0..4) == 0;
    let mut spelling = |c| {
        let escaped = needless && rng.bool();
        character(rng, c, escaped)
    };
    let content: String = text.chars().map(&mut spelling).collect();
    format!("\"{content}\"").into_bytes()
}

/// A character in a JSON string; escaped where it must be, or where that is asked for.
fn character(rng: &mut Rng, c: char, escaped: bool) -> String {
    let lower = rng.bool();
    let escape = |unit: &u16| if lower { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
    match c {
        '/' if escaped => "\\/".to_owned(),
        '"' | '\\' if !escaped => format!("\\{c}"),
        _ if escaped || c < ' ' => c.encode_utf16(&mut [0; 2]).iter().map(escape).collect(),
        _ => c.to_string(),
    }
}

fn blank(rng: &mut Rng) -> &'static [u8] {
    rng.choice([&b""[..], b"", b"", b" ", b"\n  ", b"\t", b" \r\n"]).expect("some")
}

/// A value that has nothing to do with anything, with numbers that a rewrite would change.
fn noise(rng: &mut Rng) -> Bytes {
    let values: [&[u8]; 14] = [
        b"1.50",
        b"12345678901234567890",
        b"1E+2",
        b"-0.0",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"[ 1 ,2,{ } ]",
        b"\"\\ud83d\\ude00 \\/ \\u0041\"",
        b"{\"userId\":\"nested\"}",
        b"\"]},\"",
        b"\"\"",
        "\"\u{e9}\u{2028}\"".as_bytes(),
    ];
    rng.choice(values).expect("some").to_vec()
}

/// A document that holds one of `values` where `pointer` leads to, each time for `*`, with other things around it.
pub fn around(rng: &mut Rng, pointer: &str, values: &[Bytes]) -> Bytes {
    let tokens: Vec<String> = pointer.split('/').skip(1).map(|t| t.replace("~1", "/").replace("~0", "~")).collect();
    inside(rng, &tokens, values)
}

fn inside(rng: &mut Rng, tokens: &[String], values: &[Bytes]) -> Bytes {
    let Some((token, rest)) = tokens.split_first() else { return rng.choice(values).expect("some").clone() };
    let json = inside(rng, rest, values);
    match token.parse::<usize>() {
        Ok(index) if rng.u8(0..4) != 0 => array_around(rng, index, vec![json]),
        _ if token == "*" && rng.bool() => {
            let index = rng.usize(0..3);
            let mut items = vec![json];
            while rng.u8(0..3) == 0 {
                items.push(inside(rng, rest, values));
            }
            array_around(rng, index, items)
        }
        _ => object_around(rng, token, &json),
    }
}

fn array_around(rng: &mut Rng, index: usize, values: Vec<Bytes>) -> Bytes {
    let mut items: Vec<_> = (0..index).map(|_| noise(rng)).collect();
    items.extend(values);
    items.extend((0..rng.usize(0..2)).map(|_| noise(rng)));
    array(rng, items)
}

/// A JSON array of `items` with random blanks.
pub fn array(rng: &mut Rng, items: Vec<Bytes>) -> Bytes {
    listed(rng, b'[', items, b']')
}

/// A JSON object of members, with random blanks.
pub fn object(rng: &mut Rng, members: Vec<(String, Bytes)>) -> Bytes {
    let members = members.into_iter().map(|(name, value)| member(rng, &name, &value)).collect();
    listed(rng, b'{', members, b'}')
}

fn member(rng: &mut Rng, name: &str, value: &[u8]) -> Bytes {
    let (name, before, after) = (string(rng, name), blank(rng), blank(rng));
    [&name, before, b":", after, value].concat()
}

fn object_around(rng: &mut Rng, name: &str, value: &[u8]) -> Bytes {
    let mut members = Vec::new();
    if rng.u8(0..8) == 0 {
        // The same name twice: the last one counts.
        let earlier = noise(rng);
        members.push(member(rng, name, &earlier));
    }
    members.push(member(rng, name, value));
    for other in ["joinedAt", "x/y", "", "userIdx"] {
        if rng.u8(0..4) == 0 {
            let value = noise(rng);
            let place = rng.usize(..=members.len());
            let member = member(rng, other, &value);
            members.insert(place, member);
        }
    }
    listed(rng, b'{', members, b'}')
}

/// `document` with members `"name":value` before its own, if it is an object.
pub fn with_members(rng: &mut Rng, document: Bytes, members: &[(&str, Bytes)]) -> Bytes {
    let Some(rest) = document.strip_prefix(b"{") else { return document };
    let mut items: Vec<_> =
        members.iter().map(|(name, value)| [&string(rng, name), &b":"[..], value].concat()).collect();
    if !rest.trim_ascii_start().starts_with(b"}") {
        items.push(rest[..rest.len() - 1].to_vec());
    }
    listed(rng, b'{', items, b'}')
}

fn listed(rng: &mut Rng, open: u8, items: Vec<Bytes>, close: u8) -> Bytes {
    let mut text = vec![open];
    text.extend(blank(rng));
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            text.extend([blank(rng), b",", blank(rng)].concat());
        }
        text.extend(item);
    }
    text.extend(blank(rng));
    text.push(close);
    text
}

/// Now and then what is left of a document after an accident; else the document, perhaps between blanks.
pub fn perhaps_broken(rng: &mut Rng, document: Bytes) -> Bytes {
    match rng.u8(0..40) {
        0 => document[..rng.usize(..=document.len())].to_vec(),
        1 => [&document[..], b"}"].concat(),
        2 => [&document[..], b"\xff"].concat(),
        3 => ["\u{feff}".as_bytes(), &document].concat(),
        4 => Bytes::new(),
        5..10 => [blank(rng), &document[..], blank(rng)].concat(),
        _ => document,
    }
}
