//! Values as Ruby's `Marshal.dump` writes them.

use super::{Bytes, Document};
use fastrand::Rng;

/// A document as Ruby marshals it.
pub fn marshal(rng: &mut Rng, document: &Document) -> Bytes {
    let mut dumper = Dumper { rng, out: vec![4, 8], symbols: Vec::new(), known: Vec::new(), numbers: 0 };
    dumper.value(document);
    dumper.out
}

struct Dumper<'r> {
    rng: &'r mut Rng,
    out: Bytes,
    symbols: Vec<Bytes>,
    /// Values that may be referred to, by their numbers.
    known: Vec<(Document, usize)>,
    /// How many numbers objects have.
    numbers: usize,
}

impl Dumper<'_> {
    fn one_in(&mut self, n: u8) -> bool {
        self.rng.u8(0..n) == 0
    }

    fn value(&mut self, document: &Document) {
        if !matches!(document, Document::Null | Document::Integer(_)) && self.again(document) {
            return;
        }
        match document {
            Document::Id(id) => match Document::number(self.rng, id) {
                Some(number) => self.integer(number),
                None => self.text(document, id),
            },
            Document::Text(text) if self.one_in(6) => self.symbol(text),
            Document::Text(text) => self.text(document, text),
            Document::Integer(number) => self.integer(*number),
            Document::Null => self.nothing(),
            Document::List(elements) => {
                self.class_around(b"Deck");
                self.out.push(b'[');
                self.enter(document);
                self.length(elements.len());
                for element in elements {
                    self.value(element);
                }
            }
            Document::Map(members) => self.map(document, members),
        }
    }

    /// Gives what begins here its number.
    fn enter(&mut self, document: &Document) {
        self.known.push((document.clone(), self.numbers));
        self.numbers += 1;
    }

    /// Refers to a value that was written before.
    fn again(&mut self, document: &Document) -> bool {
        let Some((_, number)) = self.known.iter().find(|(earlier, _)| earlier == document) else { return false };
        let number = *number;
        let refers = self.rng.bool();
        if refers {
            self.link(number);
        }
        refers
    }

    fn link(&mut self, number: usize) {
        self.out.push(b'@');
        self.length(number);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.out.extend(bytes);
    }

    fn length(&mut self, length: usize) {
        self.small(i32::try_from(length).expect("short"));
    }

    /// A number as it stands behind `i`, and as lengths do.
    fn small(&mut self, number: i32) {
        let bytes = number.to_le_bytes();
        match number {
            0 => self.out.push(0),
            1..=122 => self.out.push(bytes[0] + 5),
            -123..=-1 => self.out.push(bytes[0].wrapping_sub(5)),
            _ => {
                let fill = if number < 0 { 255 } else { 0 };
                let width = bytes.iter().rposition(|byte| *byte != fill).map_or(1, |last| last + 1);
                let mark = i8::try_from(width).expect("at most four");
                self.out.push(if number < 0 { -mark } else { mark }.cast_unsigned());
                self.out.extend(&bytes[..width]);
            }
        }
    }

    fn integer(&mut self, number: i64) {
        // Ruby writes numbers of up to 31 bits in the short form.
        if let Some(number) = i32::try_from(number).ok().filter(|number| (-(1 << 30)..1 << 30).contains(number)) {
            self.out.push(b'i');
            return self.small(number);
        }
        self.out.extend([b'l', if number < 0 { b'-' } else { b'+' }]);
        self.numbers += 1;
        let mut bytes = number.unsigned_abs().to_le_bytes().to_vec();
        while bytes.ends_with(&[0, 0]) {
            bytes.truncate(bytes.len() - 2);
        }
        self.length(bytes.len() / 2);
        self.out.extend(bytes);
    }

    /// A string: with an encoding, or of bytes.
    fn text(&mut self, document: &Document, text: &[u8]) {
        let encoding = self.rng.u8(0..4);
        if encoding > 0 {
            self.out.push(b'I');
        }
        self.class_around(b"SafeBuffer");
        self.out.push(b'"');
        self.enter(document);
        self.bytes(text);
        if encoding > 0 {
            self.encoding(encoding);
        }
    }

    /// The variables behind a string. One has a name, which has a number of its own.
    fn encoding(&mut self, encoding: u8) {
        self.length(1);
        if encoding > 1 {
            self.plain_symbol(b"E");
            return self.out.push(if encoding == 2 { b'T' } else { b'F' });
        }
        self.plain_symbol(b"encoding");
        self.out.push(b'"');
        self.numbers += 1;
        self.bytes(b"Shift_JIS");
    }

    /// A symbol; with an encoding if it is no ASCII.
    fn symbol(&mut self, name: &[u8]) {
        if name.is_ascii() || self.symbols.iter().any(|symbol| symbol == name) {
            return self.plain_symbol(name);
        }
        self.out.push(b'I');
        self.plain_symbol(name);
        self.encoding(2);
    }

    fn plain_symbol(&mut self, name: &[u8]) {
        if let Some(number) = self.symbols.iter().position(|symbol| symbol == name) {
            self.out.push(b';');
            return self.length(number);
        }
        self.symbols.push(name.to_vec());
        self.out.push(b':');
        self.bytes(name);
    }

    /// Now and then a class that is not Ruby's own, or a module, around the value that follows.
    fn class_around(&mut self, name: &[u8]) {
        if self.one_in(8) {
            self.out.push(if self.rng.bool() { b'C' } else { b'e' });
            self.plain_symbol(name);
        }
    }

    fn map(&mut self, document: &Document, members: &[(Bytes, Document)]) {
        let kind = match self.rng.u8(0..8) {
            // Variables are called so.
            _ if members.iter().any(|(name, _)| name.starts_with(b"@")) => b'o',
            0 => b'S',
            1 => b'}',
            _ => b'{',
        };
        if matches!(kind, b'{' | b'}') {
            self.class_around(b"Params");
        }
        self.out.push(kind);
        self.enter(document);
        if matches!(kind, b'o' | b'S') {
            self.plain_symbol(b"User");
        }
        self.length(members.len());
        for (name, value) in members {
            match kind {
                b'o' | b'S' => self.symbol(name),
                _ if self.rng.bool() => self.symbol(name),
                _ => self.value(&Document::Text(name.clone())),
            }
            self.value(value);
        }
        if kind == b'}' {
            self.nothing();
        }
    }

    /// What is no text and holds nothing that anybody could know, or stands elsewhere already: perhaps around it.
    fn nothing(&mut self) {
        match self.rng.u8(0..9) {
            0 if self.numbers > 0 => {
                let number = self.rng.usize(0..self.numbers);
                self.link(number);
            }
            1 => {
                self.out.push(b'f');
                self.numbers += 1;
                self.bytes(b"0.5");
            }
            2 => {
                self.out.push(b'c');
                self.numbers += 1;
                self.bytes(b"String");
            }
            3 => {
                self.out.extend(b"I/");
                self.numbers += 1;
                self.bytes(b"a.b");
                self.out.push(1);
                self.encoding(3);
            }
            4 => {
                self.out.extend(b"Iu");
                self.plain_symbol(b"Time");
                self.bytes(b" \x80\x11\xc0\0\0\0\0");
                let encoding = self.rng.u8(1..4);
                self.encoding(encoding);
                self.numbers += 1;
            }
            5 => {
                self.out.push(b'U');
                self.numbers += 1;
                self.plain_symbol(b"Money");
                self.value(&Document::List(vec![Document::Text(b"nested".to_vec())]));
            }
            _ => self.out.push(self.rng.choice(*b"0TF").expect("some")),
        }
    }
}
