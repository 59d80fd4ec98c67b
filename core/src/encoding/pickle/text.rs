//! The texts of a pickle, by how they are written.

use std::borrow::Cow;

use super::{super::bytes::decimal, heap::Spelling};

/// The text that stands in these bytes. `None` if it is not written like that, or is an integer of more than 128 bits, which
/// no id has.
pub(super) fn text(spelling: Spelling, bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    match spelling {
        Spelling::String | Spelling::Bytes => Some(Cow::Borrowed(bytes)),
        Spelling::Quoted => quoted(bytes).map(Cow::Owned),
        Spelling::Escaped => escaped(bytes).map(|text| Cow::Owned(text.into_bytes())),
        Spelling::Latin1 => latin1(std::str::from_utf8(bytes).ok()?),
        Spelling::EscapedLatin1 => latin1(&escaped(bytes)?),
        Spelling::Decimal => std::str::from_utf8(bytes).ok()?.parse().ok().map(|number: i128| decimal(number)),
        Spelling::Signed if bytes.last().is_some_and(|byte| *byte >= 0x80) => {
            // One less than the number without its sign, as all bits are turned round.
            let number = magnitude(bytes, 0xff)?.checked_add(1)?;
            Some(decimal(format_args!("-{number}")))
        }
        Spelling::Unsigned | Spelling::Signed => magnitude(bytes, 0).map(decimal),
    }
}

/// The number of these bytes, the smallest first, with the bits of `turned` turned round in each.
fn magnitude(bytes: &[u8], turned: u8) -> Option<u128> {
    let significant = bytes.iter().rposition(|byte| *byte != turned).map_or(&[][..], |last| &bytes[..=last]);
    let number = significant.iter().rev().fold(0, |number, byte| number << 8 | u128::from(byte ^ turned));
    (significant.len() <= 16).then_some(number)
}

fn latin1(text: &str) -> Option<Cow<'static, [u8]>> {
    let bytes = text.chars().map(|letter| u8::try_from(letter).ok());
    bytes.collect::<Option<Vec<u8>>>().map(Cow::Owned)
}

/// Latin 1 with escapes `\uxxxx` and `\Uxxxxxxxx`; any other backslash is itself.
fn escaped(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        let digits = match tail.first() {
            Some(b'u') if *byte == b'\\' => 4,
            Some(b'U') if *byte == b'\\' => 8,
            _ => 0,
        };
        if digits == 0 {
            text.push(char::from(*byte));
            rest = tail;
            continue;
        }
        let (code, tail) = tail[1..].split_at_checked(digits)?;
        text.push(char::from_u32(hexadecimal(code)?)?);
        rest = tail;
    }
    Some(text)
}

/// What is between quotes, as Python 2 shows a string.
fn quoted(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.get(1..bytes.len().checked_sub(1)?)?;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'\\' {
            text.push(*byte);
            continue;
        }
        let (escape, tail) = tail.split_first()?;
        rest = tail;
        text.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => *escape,
            b'x' => {
                let (code, tail) = tail.split_at_checked(2)?;
                rest = tail;
                u8::try_from(hexadecimal(code)?).ok()?
            }
            _ => return None,
        });
    }
    Some(text)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
