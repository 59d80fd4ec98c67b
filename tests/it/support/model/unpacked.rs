//! Formats other than JSON, read byte by byte: as much of them as the tests write, and refused like the module does what is
//! cut off or overwritten.

type Bytes = Vec<u8>;

/// A value that was read.
pub enum Tree {
    Text(Bytes),
    Integer(i128),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    /// No text, and nothing in it.
    Other,
}

impl Tree {
    /// It as a text, if it is one.
    pub fn text(&self) -> Option<Bytes> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string().into_bytes()),
            _ => None,
        }
    }

    /// What a step of a pointer leads to: of keys that are the same the last one.
    pub fn step(&self, step: &str) -> Vec<&Self> {
        match self {
            Self::List(elements) if step == "*" => elements.iter().collect(),
            Self::List(elements) => {
                let is_it = |at: &usize| at.to_string() == step;
                (0..elements.len()).filter(is_it).map(|at| &elements[at]).collect()
            }
            Self::Map(members) if step == "*" => {
                let is_last = |at: &usize| !members[at + 1..].iter().any(|later| is_same(&later.0, &members[*at].0));
                (0..members.len()).filter(is_last).map(|at| &members[at].1).collect()
            }
            Self::Map(members) => {
                let is_it = |(key, _): &&(Self, Self)| key.text().is_some_and(|text| text == step.as_bytes());
                members.iter().rfind(is_it).map(|(_, value)| value).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Whether two keys are one.
fn is_same(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Text(one), Tree::Text(other)) => one == other,
        (Tree::Integer(one), Tree::Integer(other)) => one == other,
        _ => false,
    }
}

/// Bytes that are still to be read.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn expect(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    /// What stands before the next `end`, which is passed over.
    fn until(&mut self, end: u8) -> Option<&'b [u8]> {
        let length = self.0.iter().position(|byte| *byte == end)?;
        let taken = self.take(length)?;
        self.expect(&[end])?;
        Some(taken)
    }

    fn number(&mut self, end: u8) -> Option<i64> {
        str::from_utf8(self.until(end)?).ok()?.parse().ok()
    }

    fn length(&mut self, end: u8) -> Option<usize> {
        self.number(end)?.try_into().ok()
    }

    /// A number of that many bytes, the first one the highest.
    fn unsigned(&mut self, width: usize) -> Option<u64> {
        Some(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn sized(&mut self, width: usize) -> Option<usize> {
        self.unsigned(width)?.try_into().ok()
    }
}

/// `MessagePack`, and nothing behind it.
pub fn msgpack(bytes: &[u8]) -> Option<Tree> {
    let mut rest = Rest(bytes);
    let tree = packed(&mut rest)?;
    rest.0.is_empty().then_some(tree)
}

fn packed(rest: &mut Rest<'_>) -> Option<Tree> {
    let mark = rest.byte()?;
    let low = usize::from(mark);
    Some(match mark {
        0..=0x7f => Tree::Integer(mark.into()),
        0x80..=0x8f => map(rest, low - 0x80)?,
        0x90..=0x9f => list(rest, low - 0x90)?,
        0xa0..=0xbf => Tree::Text(rest.take(low - 0xa0)?.to_vec()),
        0xc0 | 0xc2 | 0xc3 => Tree::Other,
        0xc1 => return None,
        0xc4..=0xc6 => text(rest, 1 << (mark - 0xc4))?,
        0xc7..=0xc9 => {
            let length = rest.sized(1 << (mark - 0xc7))?;
            other(rest, length.checked_add(1)?)?
        }
        0xca => other(rest, 4)?,
        0xcb => other(rest, 8)?,
        0xcc..=0xcf => Tree::Integer(rest.unsigned(1 << (mark - 0xcc))?.into()),
        0xd0..=0xd3 => {
            let width = 1 << (mark - 0xd0);
            let number = i128::from(rest.unsigned(width)?);
            let all = 1 << (8 * width);
            Tree::Integer(if number >= all / 2 { number - all } else { number })
        }
        0xd4..=0xd8 => other(rest, 1 + (1 << (mark - 0xd4)))?,
        0xd9..=0xdb => text(rest, 1 << (mark - 0xd9))?,
        0xdc | 0xdd => {
            let length = rest.sized(2 << (mark - 0xdc))?;
            list(rest, length)?
        }
        0xde | 0xdf => {
            let length = rest.sized(2 << (mark - 0xde))?;
            map(rest, length)?
        }
        0xe0..=0xff => Tree::Integer(i128::from(mark) - 256),
    })
}

fn text(rest: &mut Rest<'_>, width: usize) -> Option<Tree> {
    let length = rest.sized(width)?;
    Some(Tree::Text(rest.take(length)?.to_vec()))
}

fn other(rest: &mut Rest<'_>, length: usize) -> Option<Tree> {
    rest.take(length).map(|_| Tree::Other)
}

fn list(rest: &mut Rest<'_>, length: usize) -> Option<Tree> {
    (0..length).map(|_| packed(rest)).collect::<Option<_>>().map(Tree::List)
}

fn map(rest: &mut Rest<'_>, length: usize) -> Option<Tree> {
    (0..length).map(|_| packed(rest).zip(packed(rest))).collect::<Option<_>>().map(Tree::Map)
}

/// What PHP's `serialize` writes; what stands behind it is passed over.
pub fn php(bytes: &[u8]) -> Option<Tree> {
    serialized(&mut Rest(bytes))
}

/// A session of PHP: names and values, one behind the other.
pub fn php_session(bytes: &[u8]) -> Option<Tree> {
    let mut rest = Rest(bytes);
    let mut members = Vec::new();
    while !rest.0.is_empty() {
        let name = rest.until(b'|')?.to_vec();
        members.push((Tree::Text(name), serialized(&mut rest)?));
    }
    Some(Tree::Map(members))
}

fn serialized(rest: &mut Rest<'_>) -> Option<Tree> {
    let kind = rest.byte()?;
    if kind == b'N' {
        return rest.expect(b";").map(|()| Tree::Other);
    }
    rest.expect(b":")?;
    match kind {
        b's' => {
            let text = quoted(rest)?;
            rest.expect(b";")?;
            Some(Tree::Text(text))
        }
        b'i' => Some(Tree::Integer(rest.number(b';')?.into())),
        b'b' | b'd' => rest.until(b';').map(|_| Tree::Other),
        b'a' => properties(rest),
        b'O' => {
            quoted(rest)?;
            rest.expect(b":")?;
            properties(rest)
        }
        _ => None,
    }
}

fn quoted(rest: &mut Rest<'_>) -> Option<Bytes> {
    let length = rest.length(b':')?;
    rest.expect(b"\"")?;
    let text = rest.take(length)?.to_vec();
    rest.expect(b"\"")?;
    Some(text)
}

fn properties(rest: &mut Rest<'_>) -> Option<Tree> {
    let count = rest.length(b':')?;
    rest.expect(b"{")?;
    let mut members = Vec::new();
    for _ in 0..count {
        let key = serialized(rest).filter(|key| matches!(key, Tree::Text(_) | Tree::Integer(_)))?;
        members.push((key, serialized(rest)?));
    }
    rest.expect(b"}")?;
    Some(Tree::Map(members))
}

/// Base64 with or without its padding.
pub fn base64(bytes: &[u8]) -> Option<Bytes> {
    let text: Bytes = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let length = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if length % 4 == 1 || text.len() > length.next_multiple_of(4) {
        return None;
    }
    let (mut bits, mut count, mut unpacked) = (0_u32, 0, Bytes::new());
    for byte in &text[..length] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            unpacked.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    Some(unpacked)
}

/// Zlib of blocks that are stored and not compressed.
pub fn zlib(bytes: &[u8]) -> Option<Bytes> {
    let mut rest = Rest(bytes);
    rest.expect(&[0x78, 0x01])?;
    let mut unpacked = Bytes::new();
    loop {
        let is_last = match rest.byte()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let lengths = rest.take(4)?;
        let length = u16::from_le_bytes([lengths[0], lengths[1]]);
        if u16::from_le_bytes([lengths[2], lengths[3]]) != !length {
            return None;
        }
        unpacked.extend(rest.take(length.into())?);
        if is_last {
            break;
        }
    }
    (rest.unsigned(4)? == u64::from(adler32(&unpacked))).then_some(unpacked)
}

/// The checksum at the end of zlib.
pub fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}
