//! Values in other formats than JSON, as applications write them: documents that hold something where a pointer leads to.

mod marshalled;
mod pickled;
mod serialized;

use super::documents;
use crate::support::model::unpacked::adler32;
use fastrand::Rng;
use flate2::{Compression, GzBuilder, bufread};
use std::io::Read;

type Bytes = Vec<u8>;

/// A document before it is written in a format.
#[derive(Clone, PartialEq)]
pub enum Document {
    /// Text that may stand there as a number too.
    Id(Bytes),
    Text(Bytes),
    Integer(i64),
    Null,
    List(Vec<Document>),
    Map(Vec<(Bytes, Document)>),
}

impl Document {
    /// A document that holds one of `values` where `pointer` leads to, each time for `*`, with other things around it.
    pub fn around(rng: &mut Rng, pointer: &str, values: &[Self]) -> Self {
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        Self::inside(rng, &steps, values)
    }

    fn inside(rng: &mut Rng, steps: &[&str], values: &[Self]) -> Self {
        let Some((step, rest)) = steps.split_first() else { return rng.choice(values).expect("some").clone() };
        let inside = Self::inside(rng, rest, values);
        match step.parse::<usize>() {
            Ok(index) if rng.u8(0..4) != 0 => {
                let before = (0..index).map(|_| Self::noise(rng)).collect::<Vec<_>>();
                let behind = (0..rng.usize(0..2)).map(|_| Self::noise(rng)).collect::<Vec<_>>();
                Self::List(before.into_iter().chain([inside]).chain(behind).collect())
            }
            _ if *step == "*" && rng.bool() => {
                let mut elements: Vec<_> = (0..rng.usize(0..3)).map(|_| Self::noise(rng)).collect();
                elements.insert(rng.usize(..=elements.len()), inside);
                while rng.u8(0..3) == 0 {
                    elements.push(Self::inside(rng, rest, values));
                }
                Self::List(elements)
            }
            _ => Self::map_around(rng, step, inside),
        }
    }

    fn map_around(rng: &mut Rng, step: &str, inside: Self) -> Self {
        let name = if step == "*" { b"some".to_vec() } else { step.replace("~1", "/").replace("~0", "~").into() };
        let mut members = vec![(name.clone(), inside)];
        if rng.u8(0..8) == 0 {
            // The same name twice: the last one counts.
            members.insert(0, (name, Self::noise(rng)));
        }
        for other in ["joined_at", "x|y", "", "user_idx"] {
            if rng.u8(0..4) == 0 {
                members.insert(rng.usize(..=members.len()), (other.into(), Self::noise(rng)));
            }
        }
        Self::Map(members)
    }

    /// The document with a member before its own, if it is a map.
    pub fn with_member(self, name: &str, value: Self) -> Self {
        let Self::Map(mut members) = self else { return self };
        members.insert(0, (name.into(), value));
        Self::Map(members)
    }

    fn noise(rng: &mut Rng) -> Self {
        match rng.u8(0..6) {
            0 => Self::Null,
            1 => Self::Integer(rng.choice([0, -1, 127, 128, -32, -33, 65536, i64::MAX, i64::MIN]).expect("some")),
            2 => Self::Text(b"\";i:1;}\xff\0".to_vec()),
            3 => Self::List(vec![Self::Integer(1), Self::Null]),
            4 => Self::Map(vec![(b"user_id".to_vec(), Self::Text(b"nested".to_vec()))]),
            _ => Self::Text(Bytes::new()),
        }
    }

    /// It as a number, if it is the text of one and chance will have it.
    fn number(rng: &mut Rng, id: &[u8]) -> Option<i64> {
        let number: i64 = str::from_utf8(id).ok()?.parse().ok()?;
        (number.to_string().as_bytes() == id && rng.bool()).then_some(number)
    }
}

/// A document in the first formats that are around it, from right to left. Now and then it is damaged.
pub fn wrapped(rng: &mut Rng, wrappings: &[String], document: Bytes) -> Bytes {
    let document = perhaps_damaged(rng, document);
    wrappings.iter().rfold(document, |inside, format| {
        let value = match &**format {
            "base64" => base64(rng, &inside),
            "zlib" if rng.bool() => stored(rng, &inside),
            "zlib" => packed(bufread::ZlibEncoder::new(&*inside, level(rng))),
            "gzip" => gzip(rng, &inside),
            "json" => documents::string(rng, &String::from_utf8_lossy(&inside)),
            format => written(rng, format, &Document::Text(inside)),
        };
        perhaps_damaged(rng, value)
    })
}

/// Now and then a value that is cut off, or in which a byte is another one.
fn perhaps_damaged(rng: &mut Rng, mut value: Bytes) -> Bytes {
    if value.is_empty() || rng.u8(0..16) != 0 {
        return value;
    }
    let at = rng.usize(..value.len());
    if rng.bool() {
        value.truncate(at);
    } else {
        value[at] = rng.u8(..);
    }
    value
}

/// A document in a format.
pub fn written(rng: &mut Rng, format: &str, document: &Document) -> Bytes {
    let mut bytes = Bytes::new();
    match (format, document) {
        ("msgpack", _) => msgpack(rng, document, &mut bytes),
        ("php", _) => bytes = serialized::php(rng, document),
        ("php-session", Document::Map(members)) => bytes = serialized::php_session(rng, members),
        ("php-session", _) => {}
        ("pickle", _) => bytes = pickled::pickle(rng, document),
        ("marshal", _) => bytes = marshalled::marshal(rng, document),
        (format, _) => panic!("nobody writes {format} here"),
    }
    bytes
}

fn msgpack(rng: &mut Rng, document: &Document, out: &mut Bytes) {
    match document {
        Document::Id(id) => match Document::number(rng, id) {
            Some(number) => packed_number(rng, number, out),
            None => packed_text(rng, id, out),
        },
        Document::Text(text) => packed_text(rng, text, out),
        Document::Integer(number) => packed_number(rng, *number, out),
        Document::Null => out.push(rng.choice([0xc0, 0xc2, 0xc3]).expect("some")),
        Document::List(elements) => {
            packed_head(rng, elements.len(), (0x90, 15), &[(2, 0xdc), (4, 0xdd)], out);
            for element in elements {
                msgpack(rng, element, out);
            }
        }
        Document::Map(members) => {
            packed_head(rng, members.len(), (0x80, 15), &[(2, 0xde), (4, 0xdf)], out);
            for (name, value) in members {
                packed_text(rng, name, out);
                msgpack(rng, value, out);
            }
        }
    }
}

/// A length: in the mark itself if it is short, or behind one of some marks.
fn packed_head(rng: &mut Rng, length: usize, (short, most): (u8, usize), long: &[(usize, u8)], out: &mut Bytes) {
    if length <= most && rng.u8(0..4) != 0 {
        return out.push(short + u8::try_from(length).expect("short"));
    }
    let fitting: Vec<_> = long.iter().filter(|(width, _)| length < 1 << (8 * width)).collect();
    let (width, mark) = rng.choice(fitting).expect("one is wide enough");
    out.push(*mark);
    out.extend(&length.to_be_bytes()[8 - width..]);
}

fn packed_text(rng: &mut Rng, text: &[u8], out: &mut Bytes) {
    if rng.u8(0..4) == 0 {
        // Bytes have no short form.
        let wide: &[(usize, u8)] = if text.len() < 256 { &[(1, 0xc4), (2, 0xc5)] } else { &[(2, 0xc5), (4, 0xc6)] };
        let (width, mark) = rng.choice(wide).expect("some");
        out.push(*mark);
        out.extend(&text.len().to_be_bytes()[8 - width..]);
    } else {
        packed_head(rng, text.len(), (0xa0, 31), &[(1, 0xd9), (2, 0xda), (4, 0xdb)], out);
    }
    out.extend(text);
}

fn packed_number(rng: &mut Rng, number: i64, out: &mut Bytes) {
    if let (Ok(small), true) = (i8::try_from(number), rng.bool())
        && small >= -32
    {
        return out.extend(small.to_be_bytes());
    }
    // By its sign as one that has none, or not.
    let (first, bytes) = match u64::try_from(number) {
        Ok(number) if rng.bool() => (0xcc, number.to_be_bytes()),
        _ => (0xd0, number.to_be_bytes()),
    };
    let fits = |width: usize| {
        let bits = 8 * width - usize::from(first == 0xd0);
        width == 8 || number >> bits == if number < 0 { -1 } else { 0 }
    };
    let wide_enough: Vec<u8> = (0..4).filter(|power| fits(1 << power)).collect();
    let power = rng.choice(wide_enough).expect("the widest fits");
    out.push(first + power);
    out.extend(&bytes[8 - (1 << power)..]);
}

fn base64(rng: &mut Rng, bytes: &[u8]) -> Bytes {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let signs = [SIGNS, rng.choice([b"+/", b"-_"]).expect("some")].concat();
    let mut text = Bytes::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|at| signs[bits >> (18 - 6 * at) & 63]));
    }
    if rng.u8(0..4) != 0 {
        text.resize(text.len().next_multiple_of(4), b'=');
    }
    if rng.u8(0..4) == 0 { text.iter().flat_map(|sign| [*sign, b'\n']).collect() } else { text }
}

/// Zlib of blocks that are stored and not compressed.
fn stored(rng: &mut Rng, bytes: &[u8]) -> Bytes {
    let mut packed = vec![0x78, 0x01];
    let (first, last) = bytes.split_at(rng.usize(..=bytes.len()));
    for (block, end) in [(first, 0), (last, 1)] {
        let length = u16::try_from(block.len()).expect("short");
        packed.push(end);
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(block);
    }
    packed.extend(adler32(bytes).to_be_bytes());
    packed
}

/// Gzip, in one part or two, with a head of every kind.
fn gzip(rng: &mut Rng, bytes: &[u8]) -> Bytes {
    let (first, second) = if rng.bool() { (bytes, &[][..]) } else { bytes.split_at(rng.usize(..=bytes.len())) };
    let mut part = |bytes| {
        let mut head = GzBuilder::new().mtime(rng.u32(..));
        if rng.u8(0..4) == 0 {
            head = head.extra(b"ab\x02\0xy").filename("session").comment("no comment");
        }
        packed(head.buf_read(bytes, level(rng)))
    };
    if second.is_empty() { part(first) } else { [part(first), part(second)].concat() }
}

fn level(rng: &mut Rng) -> Compression {
    Compression::new(rng.u32(0..=9))
}

/// All that a packer gives out.
fn packed(mut packer: impl Read) -> Bytes {
    let mut packed = Bytes::new();
    packer.read_to_end(&mut packed).expect("it is in memory");
    packed
}
