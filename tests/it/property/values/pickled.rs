//! Pickles as Python 2 and 3 write them, in every protocol.

use super::{Bytes, Document};
use fastrand::Rng;

/// A document as a pickle.
pub fn pickle(rng: &mut Rng, document: &Document) -> Bytes {
    let protocol = rng.u8(0..=5);
    let mut pickler = Pickler { rng, protocol, out: Bytes::new(), known: Vec::new(), numbers: 0 };
    if protocol >= 2 {
        pickler.out.extend([0x80, protocol]);
    }
    let from = pickler.out.len();
    pickler.value(document);
    pickler.out.push(b'.');
    let mut pickle = pickler.out;
    if protocol >= 4 {
        let length = (pickle.len() - from).to_le_bytes();
        pickle.splice(from..from, [&[0x95][..], &length].concat());
    }
    pickle
}

/// What stands in the memo by a number.
#[derive(Clone, PartialEq)]
enum Known {
    Text(Bytes),
    Part(Document),
    /// What never comes again by itself.
    Other,
}

struct Pickler<'r> {
    rng: &'r mut Rng,
    protocol: u8,
    out: Bytes,
    known: Vec<(Known, usize)>,
    /// How many numbers the memo has given out.
    numbers: usize,
}

impl Pickler<'_> {
    fn one_in(&mut self, n: u8) -> bool {
        self.rng.u8(0..n) == 0
    }

    fn value(&mut self, document: &Document) {
        match document {
            Document::Id(id) => match Document::number(self.rng, id) {
                Some(number) => self.integer(number),
                None => self.text(id),
            },
            Document::Text(text) => self.text(text),
            Document::Integer(number) => self.integer(*number),
            Document::Null => self.nothing(),
            Document::List(_) | Document::Map(_) if self.again(&Known::Part(document.clone())) => {}
            Document::List(elements) => self.elements(document, elements),
            Document::Map(members) if self.one_in(4) => self.object(document, members),
            Document::Map(members) => self.dict(Known::Part(document.clone()), members),
        }
    }

    /// Writes the number of what is in the memo, if it is there. A container that is not written to its end is inside itself
    /// then.
    fn again(&mut self, known: &Known) -> bool {
        let Some((_, number)) = self.known.iter().find(|(earlier, _)| earlier == known) else { return false };
        let number = *number;
        let is_inside = self.one_in(2);
        if is_inside {
            self.memo(number, [b'g', b'h', b'j']);
        }
        is_inside
    }

    /// Gives what was written last a number, as a pickler does with all that may come again.
    fn remember(&mut self, known: Known) {
        let number = self.numbers;
        self.numbers += 1;
        self.known.push((known, number));
        if self.protocol >= 4 { self.out.push(0x94) } else { self.memo(number, [b'p', b'q', b'r']) }
    }

    fn memo(&mut self, number: usize, [line, short, long]: [u8; 3]) {
        match u8::try_from(number) {
            _ if self.protocol == 0 => self.line(line, number.to_string().as_bytes()),
            Ok(number) if !self.one_in(8) => self.out.extend([short, number]),
            _ => {
                self.out.push(long);
                self.out.extend(&number.to_le_bytes()[..4]);
            }
        }
    }

    fn line(&mut self, step: u8, text: &[u8]) {
        self.out.extend([&[step], text, b"\n"].concat());
    }

    fn sized(&mut self, step: u8, width: usize, bytes: &[u8]) {
        self.out.extend([&[step], &bytes.len().to_le_bytes()[..width], bytes].concat());
    }

    /// A string, or bytes.
    fn text(&mut self, text: &[u8]) {
        let known = Known::Text(text.to_vec());
        if self.again(&known) {
            return;
        }
        match str::from_utf8(text) {
            Ok(string) if !self.one_in(6) => self.string(string),
            _ if self.protocol < 3 && self.rng.bool() => self.python2(text),
            _ => self.bytes(text),
        }
        self.remember(known);
    }

    fn string(&mut self, text: &str) {
        let is_short = text.len() < 256;
        match self.protocol {
            0 => {
                let sign = |sign: char| match u32::from(sign) {
                    0 | 10 | 13 | 26 | 92 | 256..=0xffff => format!("\\u{:04x}", u32::from(sign)).into_bytes(),
                    0x10000.. => format!("\\U{:08x}", u32::from(sign)).into_bytes(),
                    code => vec![u8::try_from(code).expect("Latin 1")],
                };
                let escaped: Bytes = text.chars().flat_map(sign).collect();
                self.line(b'V', &escaped);
            }
            4.. if is_short => self.sized(0x8c, 1, text.as_bytes()),
            4.. if self.rng.bool() => self.sized(0x8d, 8, text.as_bytes()),
            _ => self.sized(b'X', 4, text.as_bytes()),
        }
    }

    /// What is a string there, and bytes here.
    fn python2(&mut self, text: &[u8]) {
        match self.protocol {
            0 => {
                let sign = |sign: &u8| match sign {
                    b'\'' | b'\\' => vec![b'\\', *sign],
                    b'\n' => b"\\n".to_vec(),
                    b'\r' => b"\\r".to_vec(),
                    b'\t' => b"\\t".to_vec(),
                    b' '..=b'~' => vec![*sign],
                    _ => format!("\\x{sign:02x}").into_bytes(),
                };
                let shown: Bytes = text.iter().flat_map(sign).collect();
                self.line(b'S', &[b"'", &shown[..], b"'"].concat());
            }
            _ if text.len() < 256 && self.rng.bool() => self.sized(b'U', 1, text),
            _ => self.sized(b'T', 4, text),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let is_wide = self.one_in(3);
        match self.protocol {
            0..=2 => {
                let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
                self.global("_codecs", "encode");
                self.tuple(2, |pickler| {
                    pickler.string(&text);
                    pickler.string("latin1");
                });
                self.out.push(b'R');
            }
            5 if is_wide && self.rng.bool() => self.sized(0x96, 8, bytes),
            4.. if is_wide => self.sized(0x8e, 8, bytes),
            _ if bytes.len() < 256 => self.sized(b'C', 1, bytes),
            _ => self.sized(b'B', 4, bytes),
        }
    }

    fn integer(&mut self, number: i64) {
        let bytes = number.to_le_bytes();
        let is_enough = |width: &usize| number >> (8 * width - 1) == if number < 0 { -1 } else { 0 };
        let width = (1..8).find(is_enough).unwrap_or(8);
        match number {
            _ if self.protocol == 0 && self.rng.bool() => self.line(b'I', number.to_string().as_bytes()),
            _ if self.protocol == 0 => self.line(b'L', format!("{number}L").as_bytes()),
            0..256 if self.rng.bool() => self.out.extend([b'K', bytes[0]]),
            0..65536 if self.rng.bool() => self.out.extend([b'M', bytes[0], bytes[1]]),
            _ if width <= 4 => self.out.extend([b"J", &bytes[..4]].concat()),
            _ if self.protocol == 1 => self.line(b'L', format!("{number}L").as_bytes()),
            _ if self.one_in(8) => self.sized(0x8b, 4, &bytes[..width]),
            _ => self.sized(0x8a, 1, &bytes[..width]),
        }
    }

    /// What is no text and holds nothing, or stands elsewhere already: perhaps around it.
    fn nothing(&mut self) {
        match self.rng.u8(0..6) {
            0 if self.numbers > 0 => {
                let number = self.rng.usize(0..self.numbers);
                self.memo(number, [b'g', b'h', b'j']);
            }
            1 if self.protocol >= 2 => self.out.push(0x88),
            1 => self.line(b'I', b"01"),
            2 if self.protocol == 0 => self.line(b'F', b"0.5"),
            2 => self.out.extend([b"G", &0.5_f64.to_be_bytes()[..]].concat()),
            3 => {
                self.global("datetime", "datetime");
                self.tuple(1, |pickler| pickler.bytes(b"\x07\xea\x01\x01\0\0\0\0\0\0"));
                self.out.push(b'R');
                self.remember(Known::Other);
            }
            _ => self.out.push(b'N'),
        }
    }

    fn elements(&mut self, document: &Document, elements: &[Document]) {
        let is_plain =
            |element: &Document| matches!(element, Document::Text(_) | Document::Id(_) | Document::Integer(_));
        if elements.iter().all(is_plain) && self.one_in(4) {
            return self.set(document, elements);
        }
        if self.rng.bool() {
            self.tuple(elements.len(), |pickler| pickler.values(elements));
            return self.remember(Known::Part(document.clone()));
        }
        self.out.extend(if self.protocol == 0 { &b"(l"[..] } else { b"]" });
        self.remember(Known::Part(document.clone()));
        self.fill(elements, |pickler, element| pickler.value(element), [b'a', b'e']);
    }

    fn values(&mut self, elements: &[Document]) {
        for element in elements {
            self.value(element);
        }
    }

    /// A tuple of so many elements.
    fn tuple(&mut self, length: usize, write: impl FnOnce(&mut Self)) {
        let short = [b')', 0x85, 0x86, 0x87].get(length);
        let short = short.filter(|_| self.protocol >= if length == 0 { 1 } else { 2 });
        if short.is_none() {
            self.out.push(b'(');
        }
        write(self);
        self.out.push(*short.unwrap_or(&b't'));
    }

    /// A set. Before protocol 4 it is what a function makes of a list.
    fn set(&mut self, document: &Document, elements: &[Document]) {
        if self.protocol >= 4 && self.rng.bool() {
            self.out.push(0x8f);
            self.remember(Known::Part(document.clone()));
            return self.fill(elements, |pickler, element| pickler.value(element), [0x90, 0x90]);
        }
        if self.protocol >= 4 {
            self.out.push(b'(');
            self.values(elements);
            self.out.push(0x91);
            return self.remember(Known::Part(document.clone()));
        }
        self.global("__builtin__", "set");
        self.tuple(1, |pickler| {
            pickler.out.extend(b"(");
            pickler.values(elements);
            pickler.out.extend(b"l");
        });
        self.out.push(b'R');
        self.remember(Known::Part(document.clone()));
    }

    fn dict(&mut self, known: Known, members: &[(Bytes, Document)]) {
        self.out.extend(if self.protocol == 0 { &b"(d"[..] } else { b"}" });
        self.remember(known);
        self.members(members);
    }

    fn members(&mut self, members: &[(Bytes, Document)]) {
        let write = |pickler: &mut Self, (name, value): &(Bytes, Document)| {
            pickler.text(name);
            pickler.value(value);
        };
        self.fill(members, write, [b's', b'u']);
    }

    /// Puts items into what was written last: one by one, or several behind a mark.
    fn fill<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T), [one, several]: [u8; 2]) {
        let mut rest = items;
        while !rest.is_empty() {
            let is_one = one != several && (self.protocol == 0 || self.rng.bool());
            let (now, later) = rest.split_at(if is_one { 1 } else { self.rng.usize(1..=rest.len()) });
            self.out.extend(if is_one { &b""[..] } else { b"(" });
            for item in now {
                write(self, item);
            }
            self.out.push(if is_one { one } else { several });
            rest = later;
        }
    }

    /// An object: a dict of a class of its own, or one with attributes.
    fn object(&mut self, document: &Document, members: &[(Bytes, Document)]) {
        match self.rng.u8(0..4) {
            0 => {
                self.global("collections", "OrderedDict");
                self.tuple(0, |_| ());
                self.out.push(b'R');
                self.remember(Known::Part(document.clone()));
                return self.members(members);
            }
            1 if self.protocol < 2 => {
                self.out.extend(b"(iaccounts\nUser\n");
            }
            2 if self.protocol == 1 => {
                self.out.push(b'(');
                self.global("accounts", "User");
                self.out.push(b'o');
            }
            _ if self.protocol < 2 => {
                self.global("copy_reg", "_reconstructor");
                self.tuple(3, |pickler| {
                    pickler.global("accounts", "User");
                    pickler.global("__builtin__", "object");
                    pickler.out.push(b'N');
                });
                self.out.push(b'R');
            }
            kind => {
                self.global("accounts", "User");
                self.tuple(0, |_| ());
                let has_names = self.protocol >= 4 && kind == 1;
                self.out.extend(if has_names { &b"}\x92"[..] } else { b"\x81" });
            }
        }
        self.remember(Known::Part(document.clone()));
        self.state(members);
        self.out.push(b'b');
    }

    /// The attributes of an object: in its dict, or where its class has places for them.
    fn state(&mut self, members: &[(Bytes, Document)]) {
        if self.rng.bool() {
            return self.dict(Known::Other, members);
        }
        let (first, second) = members.split_at(self.rng.usize(..=members.len()));
        self.tuple(2, |pickler| {
            if first.is_empty() {
                pickler.out.push(b'N');
            } else {
                pickler.dict(Known::Other, first);
            }
            pickler.dict(Known::Other, second);
        });
        self.remember(Known::Other);
    }

    /// A function or class.
    fn global(&mut self, module: &str, name: &str) {
        if self.protocol >= 4 {
            self.string(module);
            self.string(name);
            self.out.push(0x93);
        } else {
            self.line(b'c', &[module, "\n", name].concat().into_bytes());
        }
        self.remember(Known::Other);
    }
}
