//! What Ruby marshals, built as Ruby builds it: each value once, with tables of the objects and symbols met so far.

use super::{Bytes, Place, Rest, Tree};
use std::cell::RefCell;
use std::rc::Rc;

/// A value of Ruby's; what stands behind it is passed over.
pub fn marshal(bytes: &[u8]) -> Option<Tree> {
    let mut rest = Rest(bytes);
    rest.expect(&[4, 8])?;
    Loader { rest, symbols: Vec::new(), objects: Vec::new() }.value()
}

struct Loader<'b> {
    rest: Rest<'b>,
    symbols: Vec<Bytes>,
    /// All but symbols, small numbers, nil, true and false.
    objects: Vec<Rc<RefCell<Tree>>>,
}

impl Loader<'_> {
    fn value(&mut self) -> Option<Tree> {
        let kind = self.rest.byte()?;
        match kind {
            b'0' | b'T' | b'F' => Some(Tree::Other),
            b'i' => self.number().map(|number| Tree::Integer(number.into())),
            b':' | b';' => self.symbol_of(kind).map(Tree::Symbol),
            b'@' => {
                let at = self.length()?;
                self.objects.get(at).cloned().map(Tree::Shared)
            }
            // Around a value: its class or module, or variables behind it, such as a string's encoding.
            b'C' | b'e' => {
                self.symbol()?;
                self.value()
            }
            b'I' if self.rest.0.first() == Some(&b'u') => {
                self.rest.byte()?;
                self.dumped(true)
            }
            b'I' => {
                let value = self.value()?;
                self.pairs()?;
                Some(value)
            }
            b'u' => self.dumped(false),
            _ => self.object(kind),
        }
    }

    /// A value that has its number before what is in it, which may refer to it.
    fn object(&mut self, kind: u8) -> Option<Tree> {
        let object = Rc::new(RefCell::new(Tree::Other));
        self.objects.push(object.clone());
        let tree = match kind {
            b'"' => Tree::Text(self.bytes()?),
            b'c' | b'm' | b'M' | b'f' => self.bytes().map(|_| Tree::Other)?,
            b'/' => {
                self.bytes()?;
                self.rest.byte().map(|_| Tree::Other)?
            }
            b'l' => self.large()?,
            b'[' => {
                let length = self.length()?;
                Tree::list((0..length).map(|_| self.value()).collect::<Option<Vec<_>>>()?)
            }
            b'{' => self.pairs()?,
            b'}' => {
                let members = self.pairs()?;
                self.value()?;
                members
            }
            b'o' | b'S' => {
                self.symbol()?;
                self.pairs()?
            }
            // What its class makes of that nobody here knows.
            b'U' | b'd' => {
                self.symbol()?;
                self.value().map(|_| Tree::Other)?
            }
            _ => return None,
        };
        *object.borrow_mut() = tree;
        Some(Tree::Shared(object))
    }

    /// A string that a class has made of its object. The object has its number after the string's variables.
    fn dumped(&mut self, has_variables: bool) -> Option<Tree> {
        self.symbol()?;
        self.bytes()?;
        if has_variables {
            self.pairs()?;
        }
        self.objects.push(Rc::new(RefCell::new(Tree::Other)));
        Some(Tree::Other)
    }

    fn pairs(&mut self) -> Option<Tree> {
        let length = self.length()?;
        let pair = |_| Some((Place::Named(self.value()?), self.value()?));
        (0..length).map(pair).collect::<Option<_>>().map(Tree::Holder)
    }

    fn symbol(&mut self) -> Option<Bytes> {
        match self.rest.byte()? {
            b'I' => {
                self.rest.expect(b":")?;
                let symbol = self.symbol_of(b':')?;
                self.pairs()?;
                Some(symbol)
            }
            kind => self.symbol_of(kind),
        }
    }

    /// A symbol behind its mark: a new one, or one of those met before.
    fn symbol_of(&mut self, mark: u8) -> Option<Bytes> {
        match mark {
            b':' => {
                let name = self.bytes()?;
                self.symbols.push(name.clone());
                Some(name)
            }
            b';' => {
                let at = self.length()?;
                self.symbols.get(at).cloned()
            }
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.length()?;
        self.rest.take(length).map(<[u8]>::to_vec)
    }

    fn length(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    /// From -123 to 122 in one byte, away from 0 by 5; else how many bytes it has, with its sign, and those.
    fn number(&mut self) -> Option<i64> {
        let first = i64::from(self.rest.byte()?.cast_signed());
        if first == 0 || first.abs() > 4 {
            return Some(first - 5 * first.signum());
        }
        let bytes = self.rest.take(usize::try_from(first.abs()).ok()?)?;
        let number = bytes.iter().rev().fold(0, |number, byte| number * 256 + i64::from(*byte));
        Some(if first < 0 { number - (1 << (8 * bytes.len())) } else { number })
    }

    fn large(&mut self) -> Option<Tree> {
        let sign = match self.rest.byte()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let length = self.length()?.checked_mul(2)?;
        let bytes = self.rest.take(length)?;
        let number =
            bytes.iter().rev().try_fold(0_i128, |number, byte| number.checked_mul(256)?.checked_add(i128::from(*byte)));
        Some(number.map_or(Tree::Other, |number| Tree::Integer(sign * number)))
    }
}
