//! What Python pickles. A pickle is read as nested lists: each mark begins one, up to the step that makes something of it.

use super::{Bytes, Place, Rest, Tree};
use std::collections::HashMap;

/// An object of Python's; what stands behind it is passed over.
pub fn pickle(bytes: &[u8]) -> Option<Tree> {
    let mut unpickler = Unpickler { rest: Rest(bytes), length: bytes.len(), memo: HashMap::new() };
    match unpickler.list(false)? {
        (mut values, b'.') => values.pop(),
        _ => None,
    }
}

struct Unpickler<'b> {
    rest: Rest<'b>,
    /// Of the whole pickle.
    length: usize,
    memo: HashMap<usize, Tree>,
}

/// The name of the function that makes bytes of a text and "latin1".
const ENCODE: [&[u8]; 2] = [b"_codecs", b"encode"];

impl<'b> Unpickler<'b> {
    /// Values up to the step that ends their list, and that step.
    fn list(&mut self, has_mark: bool) -> Option<(Vec<Tree>, u8)> {
        let mut values = Vec::new();
        loop {
            let step = self.rest.byte()?;
            match step {
                b'.' | b't' | b'l' | b'd' | b'e' | b'u' | 0x90 | 0x91 | b'1' | b'o' => return Some((values, step)),
                b'i' => {
                    self.line()?;
                    self.line()?;
                    return Some((values, step));
                }
                b'0' if values.is_empty() => return has_mark.then_some((values, b'1')),
                b'(' => {
                    let (inner, end) = self.list(true)?;
                    if end == b'.' {
                        return Some((inner, end));
                    }
                    close(&mut values, inner, end)?;
                }
                _ => self.step(step, &mut values)?,
            }
        }
    }

    /// A step that asks for no mark.
    fn step(&mut self, step: u8, values: &mut Vec<Tree>) -> Option<()> {
        let value = match step {
            0x80 => return self.rest.take(1).map(|_| ()),
            0x95 => return self.rest.take(8).map(|_| ()),
            0x98 => return values.last().map(|_| ()),
            b'0' => return values.pop().map(|_| ()),
            b'2' => values.last()?.clone(),
            b'p' | b'q' | b'r' | 0x94 => return self.remember(step, values),
            b'g' | b'h' | b'j' => {
                let at = self.number_in_memo(step)?;
                self.memo.get(&at)?.clone()
            }
            b'a' => {
                let element = values.pop()?;
                return fill(values, b'e', vec![element]);
            }
            b's' => {
                let (value, key) = (values.pop()?, values.pop()?);
                return fill(values, b'u', vec![key, value]);
            }
            b'b' => {
                let state = values.pop()?;
                if let Tree::Shared(object) = values.last()?
                    && let Tree::Holder(parts) = &mut *object.borrow_mut()
                {
                    parts.push((Place::State, state));
                }
                return Some(());
            }
            b']' | b'}' | b')' | 0x8f => Tree::list([]).shared(),
            0x85..=0x87 => {
                let from = values.len().checked_sub(usize::from(step - 0x84))?;
                Tree::list(values.split_off(from)).shared()
            }
            b'c' | 0x93 | b'R' | 0x81 | 0x92 => self.object(step, values)?,
            _ => self.plain(step, values)?,
        };
        values.push(value);
        Some(())
    }

    fn remember(&mut self, step: u8, values: &[Tree]) -> Option<()> {
        let at = if step == 0x94 { self.next_number() } else { self.number_in_memo(step)? };
        // Each number takes a step, so that none is beyond what has been read.
        let is_sound = at < self.length - self.rest.0.len();
        self.memo.insert(at, values.last()?.clone());
        is_sound.then_some(())
    }

    fn next_number(&self) -> usize {
        self.memo.keys().max().map_or(0, |last| last + 1)
    }

    fn number_in_memo(&mut self, step: u8) -> Option<usize> {
        match step {
            b'p' | b'g' => str::from_utf8(self.line()?).ok()?.parse().ok(),
            b'q' | b'h' => self.number(1),
            _ => self.number(4),
        }
    }

    /// A function or class, or what one made. Nothing is called: what it made may get parts later on.
    fn object(&mut self, step: u8, values: &mut Vec<Tree>) -> Option<Tree> {
        if step == b'c' {
            let name = [self.line()?, self.line()?];
            return Some(if name == ENCODE { Tree::Encode } else { Tree::Other });
        }
        let from = values.len().checked_sub(if step == 0x92 { 3 } else { 2 })?;
        let called = values.split_off(from);
        match (step, &called[0]) {
            (0x93, _) => return Some(Tree::Other),
            (b'R', Tree::Encode) => {
                if let [(_, Tree::Text(text)), (_, Tree::Text(codec) | Tree::Raw(codec))] = &called[1].held()[..]
                    && codec == b"latin1"
                    && let Some(bytes) = latin1(text)
                {
                    return Some(Tree::Raw(bytes));
                }
            }
            _ => {}
        }
        Some(Tree::list([]).shared())
    }

    /// A text, a number, or what is neither and holds nothing.
    fn plain(&mut self, step: u8, values: &mut Vec<Tree>) -> Option<Tree> {
        Some(match step {
            b'N' | 0x88 | 0x89 | 0x97 => Tree::Other,
            b'Q' => values.pop().map(|_| Tree::Other)?,
            b'F' | b'P' => self.line().map(|_| Tree::Other)?,
            b'G' => self.rest.take(8).map(|_| Tree::Other)?,
            0x82 | 0x83 => self.rest.take(usize::from(step - 0x81)).map(|_| Tree::Other)?,
            0x84 => self.rest.take(4).map(|_| Tree::Other)?,
            b'I' | b'L' => decimal(step, self.line()?)?,
            b'S' => python2(self.line()?)?,
            b'V' => with_escapes(self.line()?).map_or(Tree::Other, Tree::Text),
            b'K' => Tree::Integer(self.number(1)?.try_into().ok()?),
            b'M' => Tree::Integer(self.number(2)?.try_into().ok()?),
            b'J' => signed(self.rest.take(4)?),
            0x8a | 0x8b => signed(self.sized(if step == 0x8a { 1 } else { 4 })?),
            b'U' | 0x8c => Tree::Text(self.sized(1)?.to_vec()),
            b'T' | b'X' => Tree::Text(self.sized(4)?.to_vec()),
            0x8d => Tree::Text(self.sized(8)?.to_vec()),
            b'C' => Tree::Raw(self.sized(1)?.to_vec()),
            b'B' => Tree::Raw(self.sized(4)?.to_vec()),
            0x8e | 0x96 => Tree::Raw(self.sized(8)?.to_vec()),
            _ => return None,
        })
    }

    fn line(&mut self) -> Option<&'b [u8]> {
        self.rest.until(b'\n')
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        let bytes = self.rest.take(width)?;
        bytes.iter().rev().try_fold(0_usize, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()))
    }

    fn sized(&mut self, width: usize) -> Option<&'b [u8]> {
        let length = self.number(width)?;
        self.rest.take(length)
    }
}

/// What becomes of the values behind a mark.
fn close(values: &mut Vec<Tree>, inner: Vec<Tree>, end: u8) -> Option<()> {
    match end {
        b'1' => {}
        b't' | b'l' => values.push(Tree::list(inner).shared()),
        b'd' | 0x91 => {
            values.push(Tree::list([]).shared());
            fill(values, if end == b'd' { b'u' } else { 0x90 }, inner)?;
        }
        b'i' | b'o' => values.push(Tree::list([]).shared()),
        _ => fill(values, end, inner)?,
    }
    Some(())
}

/// Puts elements (`e`), keys and values (`u`), or what a set holds, into the last value.
fn fill(values: &[Tree], what: u8, items: Vec<Tree>) -> Option<()> {
    let Tree::Shared(last) = values.last()? else { return None };
    let Tree::Holder(parts) = &mut *last.borrow_mut() else { return None };
    match what {
        b'e' => {
            let first = parts.iter().filter(|(place, _)| matches!(place, Place::At(_))).count();
            parts.extend(items.into_iter().zip(first..).map(|(item, at)| (Place::At(at), item)));
        }
        b'u' => {
            let (pairs, odd) = items.as_chunks::<2>();
            parts.extend(pairs.iter().cloned().map(|[key, value]| (Place::Named(key), value)));
            return odd.is_empty().then_some(());
        }
        _ => parts.extend(items.into_iter().map(|item| (Place::Loose, item))),
    }
    Some(())
}

/// A number in decimal; of protocol 1 two texts are false and true.
fn decimal(step: u8, line: &[u8]) -> Option<Tree> {
    if step == b'I' && (line == b"00" || line == b"01") {
        return Some(Tree::Other);
    }
    let digits = if step == b'L' { line.strip_suffix(b"L").unwrap_or(line) } else { line };
    let is_number = !digits.starts_with(b"+");
    let number = str::from_utf8(digits).ok()?.parse().ok();
    number.filter(|_| is_number).map(Tree::Integer)
}

/// An integer in two's complement, its lowest byte first.
fn signed(bytes: &[u8]) -> Tree {
    let number = bytes.iter().rev().fold(0_i128, |number, byte| number << 8 | i128::from(*byte));
    let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    match bytes.len() {
        0..16 if is_negative => Tree::Integer(number - (1 << (8 * bytes.len()))),
        0..=16 => Tree::Integer(number),
        _ => Tree::Other,
    }
}

/// A string of Python 2, as it shows one: between quotes, with escapes.
fn python2(line: &[u8]) -> Option<Tree> {
    let (first, last) = (line.first()?, line.last()?);
    if line.len() < 2 || first != last || ![b'\'', b'"'].contains(first) {
        return None;
    }
    let (mut text, mut rest) = (Bytes::new(), Rest(&line[1..line.len() - 1]));
    while let Some(byte) = rest.byte() {
        let byte = if byte == b'\\' { escape(&mut rest) } else { Some(byte) };
        let Some(byte) = byte else { return Some(Tree::Other) };
        text.push(byte);
    }
    Some(Tree::Text(text))
}

fn escape(rest: &mut Rest<'_>) -> Option<u8> {
    match rest.byte()? {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'x' => u8::try_from(rest.code(2)?).ok(),
        sign => b"\\'\"".contains(&sign).then_some(sign),
    }
}

/// A string with escapes for all that is not Latin 1.
fn with_escapes(line: &[u8]) -> Option<Bytes> {
    let (mut text, mut rest) = (String::new(), Rest(line));
    while let Some(byte) = rest.byte() {
        let digits = match (byte, rest.0.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(byte.into());
                continue;
            }
        };
        rest.byte()?;
        text.push(char::from_u32(rest.code(digits)?)?);
    }
    Some(text.into_bytes())
}

fn latin1(text: &[u8]) -> Option<Bytes> {
    str::from_utf8(text).ok()?.chars().map(|sign| u8::try_from(sign).ok()).collect()
}
