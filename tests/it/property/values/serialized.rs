//! Values as PHP's `serialize` writes them, and sessions of them.

use super::{Bytes, Document};
use fastrand::Rng;

/// A document as PHP serializes it.
pub fn php(rng: &mut Rng, document: &Document) -> Bytes {
    let mut writer = Writer { rng, out: Bytes::new(), numbers: 0 };
    writer.value(document);
    writer.out
}

/// Names and values as PHP's session handler writes them.
pub fn php_session(rng: &mut Rng, members: &[(Bytes, Document)]) -> Bytes {
    let mut writer = Writer { rng, out: Bytes::new(), numbers: 0 };
    // A name with the sign that ends it can't be written.
    for (name, value) in members.iter().filter(|(name, _)| !name.contains(&b'|')) {
        writer.out.extend([name, &b"|"[..]].concat());
        writer.value(value);
    }
    writer.out
}

struct Writer<'r> {
    rng: &'r mut Rng,
    out: Bytes,
    /// How many numbers values have: from 1.
    numbers: usize,
}

impl Writer<'_> {
    fn value(&mut self, document: &Document) {
        if matches!(document, Document::Null) {
            return self.nothing();
        }
        self.numbers += 1;
        match document {
            Document::Id(id) => match Document::number(self.rng, id) {
                Some(number) => self.put(format!("i:{number};")),
                None => self.text(id),
            },
            Document::Text(value) => self.text(value),
            Document::Integer(number) => self.put(format!("i:{number};")),
            Document::Null => {}
            Document::List(elements) => {
                self.put(format!("a:{}:{{", elements.len()));
                for (index, element) in elements.iter().enumerate() {
                    self.put(format!("i:{index};"));
                    self.value(element);
                }
                self.put("}");
            }
            Document::Map(members) => {
                let is_object = self.rng.bool();
                self.put(format!("{}:{}:{{", if is_object { "O:4:\"User\"" } else { "a" }, members.len()));
                for (name, value) in members {
                    self.name(name, is_object);
                    self.value(value);
                }
                self.put("}");
            }
        }
    }

    fn put(&mut self, text: impl AsRef<[u8]>) {
        self.out.extend(text.as_ref());
    }

    fn text(&mut self, text: &[u8]) {
        if self.rng.u8(0..8) > 0 {
            return self.quoted(text);
        }
        let sign = |sign: &u8| match sign {
            b'\\' | 0..=31 | 127.. => format!("\\{sign:02x}").into_bytes(),
            _ => vec![*sign],
        };
        let escaped: Bytes = text.iter().flat_map(sign).collect();
        self.out.extend([format!("S:{}:\"", text.len()).as_bytes(), &escaped, b"\";"].concat());
    }

    fn quoted(&mut self, text: &[u8]) {
        self.out.extend([format!("s:{}:\"", text.len()).as_bytes(), text, b"\";"].concat());
    }

    /// The name of a member. A property may be one that only its class sees.
    fn name(&mut self, name: &[u8], is_object: bool) {
        let class = self.rng.choice([&b""[..], b"", b"\0*\0", b"\0User\0"]).expect("some");
        self.quoted(&[if is_object { class } else { b"" }, name].concat());
    }

    /// What is no text and holds nothing, or stands elsewhere already: perhaps around it.
    fn nothing(&mut self) {
        let kind = self.rng.u8(0..8);
        let earlier = self.rng.usize(..=self.numbers + 1);
        let plain = self.rng.choice(["N;", "b:1;", "d:0.5;"]).expect("some");
        // A reference is no value of its own.
        self.numbers += usize::from(kind != 0);
        match kind {
            0 => self.put(format!("R:{earlier};")),
            1 => self.put(format!("r:{earlier};")),
            2 => self.put("E:9:\"Suit:Club\";"),
            3 => self.put("C:3:\"Bag\":4:{i:1;}"),
            _ => self.put(plain),
        }
    }
}
