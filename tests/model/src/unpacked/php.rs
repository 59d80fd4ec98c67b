//! What PHP serializes, built as PHP builds it, with the values met so far by their numbers.

use super::{Bytes, Rest, Tree};
use std::cell::RefCell;
use std::rc::Rc;

/// A value of PHP's; what stands behind it is passed over.
pub fn php(bytes: &[u8]) -> Option<Tree> {
    Reader { rest: Rest(bytes), values: Vec::new(), are_known: true }.value()
}

/// A session of PHP: names and values, one behind the other.
pub fn php_session(bytes: &[u8]) -> Option<Tree> {
    let mut reader = Reader { rest: Rest(bytes), values: Vec::new(), are_known: true };
    let mut members = Vec::new();
    while !reader.rest.0.is_empty() {
        let name = reader.rest.until(b'|')?.to_vec();
        members.push((Tree::Text(name), reader.value()?));
    }
    Some(Tree::map(members))
}

struct Reader<'b> {
    rest: Rest<'b>,
    /// All but keys and references.
    values: Vec<Rc<RefCell<Tree>>>,
    /// Behind an object that has written itself in its own way it is not known which number a value has.
    are_known: bool,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Tree> {
        let kind = self.kind()?;
        if kind == b'R' {
            return self.earlier();
        }
        let value = Rc::new(RefCell::new(Tree::Other));
        let earlier = if kind == b'r' { Some(self.earlier()?) } else { None };
        self.are_known &= kind != b'C';
        if self.are_known {
            self.values.push(value.clone());
        }
        let tree = match (kind, earlier) {
            (_, Some(earlier)) => earlier,
            (b'b' | b'd', _) => self.rest.until(b';').map(|_| Tree::Other)?,
            (b'a', _) => self.members(false)?,
            (b'O', _) => {
                self.class()?;
                self.members(true)?
            }
            (b'C', _) => {
                self.class()?;
                let length = self.rest.length(b':')?;
                self.rest.expect(b"{")?;
                self.rest.take(length)?;
                self.rest.expect(b"}").map(|()| Tree::Other)?
            }
            (b'E', _) => {
                self.quoted()?;
                self.rest.expect(b";").map(|()| Tree::Other)?
            }
            (b'N', _) => Tree::Other,
            _ => self.key(kind)?,
        };
        *value.borrow_mut() = tree;
        Some(Tree::Shared(value))
    }

    /// How a value begins, and the sign behind that.
    fn kind(&mut self) -> Option<u8> {
        let kind = self.rest.byte()?;
        self.rest.expect(if kind == b'N' { b";" } else { b":" })?;
        Some(kind)
    }

    /// What may be a key.
    fn key(&mut self, kind: u8) -> Option<Tree> {
        match kind {
            b'i' => Some(Tree::Integer(self.rest.number(b';')?.into())),
            b's' => {
                let text = self.quoted()?;
                self.rest.expect(b";")?;
                Some(Tree::Text(text))
            }
            b'S' => {
                let text = self.escaped()?;
                self.rest.expect(b"\";")?;
                Some(Tree::Text(text))
            }
            _ => None,
        }
    }

    /// The value that a reference is about, if it has been met.
    fn earlier(&mut self) -> Option<Tree> {
        let number: usize = str::from_utf8(self.rest.until(b';')?).ok()?.parse().ok()?;
        let value = number.checked_sub(1).and_then(|at| self.values.get(at));
        Some(value.map_or(Tree::Other, |value| Tree::Shared(value.clone())))
    }

    fn class(&mut self) -> Option<()> {
        self.quoted()?;
        self.rest.expect(b":")
    }

    fn quoted(&mut self) -> Option<Bytes> {
        let length = self.rest.length(b':')?;
        self.rest.expect(b"\"")?;
        let text = self.rest.take(length)?.to_vec();
        self.rest.expect(b"\"")?;
        Some(text)
    }

    /// A text of so many bytes, each by itself or as two digits.
    fn escaped(&mut self) -> Option<Bytes> {
        let length = self.rest.length(b':')?;
        self.rest.expect(b"\"")?;
        let mut text = Bytes::new();
        while text.len() < length {
            let byte = self.rest.byte()?;
            text.push(if byte == b'\\' { self.rest.code(2)?.try_into().ok()? } else { byte });
        }
        Some(text)
    }

    fn members(&mut self, are_properties: bool) -> Option<Tree> {
        let count = self.rest.length(b':')?;
        self.rest.expect(b"{")?;
        let mut members = Vec::new();
        for _ in 0..count {
            let kind = self.kind()?;
            let key = match self.key(kind)? {
                Tree::Text(name) if are_properties => Tree::Property(name),
                key => key,
            };
            members.push((key, self.value()?));
        }
        self.rest.expect(b"}")?;
        Some(Tree::map(members))
    }
}
