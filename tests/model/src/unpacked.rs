//! Formats other than JSON, read byte by byte: as much of them as the tests write, and refused like the module does what is
//! cut off or overwritten.

mod deflated;
mod marshal;
mod php;
mod pickle;

use std::cell::RefCell;
use std::rc::Rc;

pub use deflated::{adler32, gzip, zlib};
pub use marshal::marshal;
pub use php::{php, php_session};
pub use pickle::pickle;

type Bytes = Vec<u8>;

/// A value that was read. A part that stands in several places is shared, and may be inside itself.
#[derive(Clone)]
pub enum Tree {
    Text(Bytes),
    /// Bytes, where a format tells them from a text.
    Raw(Bytes),
    Symbol(Bytes),
    /// The name of a property, behind the class that has it to itself.
    Property(Bytes),
    Integer(i128),
    Holder(Vec<(Place, Tree)>),
    Shared(Rc<RefCell<Tree>>),
    /// A function of Python's that makes bytes of a text.
    Encode,
    /// No text, and nothing in it.
    Other,
}

/// Where a part stands in what holds it.
#[derive(Clone)]
pub enum Place {
    At(usize),
    Named(Tree),
    /// In a set.
    Loose,
    /// It is the state of an object: what is named in it is named in the object too.
    State,
}

impl Tree {
    fn list(elements: impl IntoIterator<Item = Self>) -> Self {
        Self::Holder(elements.into_iter().enumerate().map(|(at, element)| (Place::At(at), element)).collect())
    }

    fn map(members: impl IntoIterator<Item = (Self, Self)>) -> Self {
        Self::Holder(members.into_iter().map(|(key, value)| (Place::Named(key), value)).collect())
    }

    /// The same, to stand in several places.
    fn shared(self) -> Self {
        Self::Shared(Rc::new(RefCell::new(self)))
    }

    /// It as a text, if it is one.
    pub fn text(&self) -> Option<Bytes> {
        self.kind_and_text().map(|(_, text)| text)
    }

    /// It as the name of a member.
    fn name(&self) -> Option<Bytes> {
        match self {
            Self::Property(name) => name.rsplit(|byte| *byte == 0).next().map(<[u8]>::to_vec),
            key => key.text(),
        }
    }

    fn kind_and_text(&self) -> Option<(u8, Bytes)> {
        match self {
            Self::Text(text) => Some((b't', text.clone())),
            Self::Raw(bytes) => Some((b'r', bytes.clone())),
            Self::Symbol(name) => Some((b's', name.clone())),
            Self::Property(name) => Some((b'p', name.clone())),
            Self::Integer(number) => Some((b'i', number.to_string().into_bytes())),
            Self::Shared(shared) => shared.borrow().kind_and_text(),
            Self::Holder(_) | Self::Encode | Self::Other => None,
        }
    }

    /// What a step of a pointer leads to: of keys that are the same the last one.
    pub fn step(&self, step: &str) -> Vec<Self> {
        let parts = self.parts();
        if step == "*" {
            let is_again = |at: usize| parts[at + 1..].iter().any(|(later, _)| is_same(later, &parts[at].0));
            return (0..parts.len()).filter(|at| !is_again(*at)).map(|at| parts[at].1.clone()).collect();
        }
        let is_it = |place: &Place| match place {
            Place::At(at) => at.to_string() == step,
            Place::Named(key) => key.name().is_some_and(|name| name == step.as_bytes()),
            Place::Loose | Place::State => false,
        };
        parts.into_iter().rfind(|(place, _)| is_it(place)).map(|(_, part)| part).into_iter().collect()
    }

    /// What it holds, and behind that what is named in its state.
    fn parts(&self) -> Vec<(Place, Self)> {
        let (mut parts, mut state) = (Vec::new(), None);
        for (place, part) in self.held() {
            match place {
                Place::State => state = Some(part),
                place => parts.push((place, part)),
            }
        }
        let Some(state) = state else { return parts };
        let in_state = state.held();
        let dicts = match &in_state[..] {
            // A dict of attributes, and one of those that the class has places for.
            [(Place::At(0), one), (Place::At(1), other)] => vec![one.clone(), other.clone()],
            _ => vec![state],
        };
        let named = dicts.iter().flat_map(Self::held).filter(|(place, _)| matches!(place, Place::Named(_)));
        parts.extend(named);
        parts
    }

    fn held(&self) -> Vec<(Place, Self)> {
        match self {
            Self::Holder(parts) => parts.clone(),
            Self::Shared(shared) => shared.borrow().held(),
            _ => Vec::new(),
        }
    }
}

/// Whether two places are one.
fn is_same(one: &Place, other: &Place) -> bool {
    let (Place::Named(one), Place::Named(other)) = (one, other) else { return false };
    one.kind_and_text().is_some_and(|one| other.kind_and_text() == Some(one))
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

    /// So many hexadecimal digits.
    fn code(&mut self, digits: usize) -> Option<u32> {
        let digits = self.take(digits)?;
        let is_code = digits.iter().all(u8::is_ascii_hexdigit);
        is_code.then(|| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())?
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
    (0..length).map(|_| packed(rest)).collect::<Option<Vec<_>>>().map(Tree::list)
}

fn map(rest: &mut Rest<'_>, length: usize) -> Option<Tree> {
    (0..length).map(|_| packed(rest).zip(packed(rest))).collect::<Option<Vec<_>>>().map(Tree::map)
}

/// Base64 with or without its padding, in the alphabet for URLs if one of its two signs of its own stands there.
pub fn base64(bytes: &[u8]) -> Option<Bytes> {
    let text: Bytes = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let length = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if length % 4 == 1 || text.len() > length.next_multiple_of(4) {
        return None;
    }
    let is_for_urls = text.iter().any(|byte| b"-_".contains(byte));
    let last_two = if is_for_urls { b"-_" } else { b"+/" };
    let (mut bits, mut count, mut unpacked) = (0_u32, 0, Bytes::new());
    for byte in &text[..length] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            byte => 62 + u8::from(last_two.contains(byte).then_some(*byte)? == last_two[1]),
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
