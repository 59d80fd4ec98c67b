//! What the targets share: inputs that people can read and write too.
//!
//! An input is lines. So that a line can hold any byte, `\n`, `\\` and `\xHH` in it stand for a newline, a backslash and
//! the byte of that number; a backslash before anything else is itself.

/// The lines of an input, with the bytes that they stand for. An empty input is one empty line.
pub fn lines(input: &[u8]) -> Vec<Vec<u8>> {
    input.split(|byte| *byte == b'\n').map(unescape).collect()
}

/// The first `N` lines as they are, and all that follows them; `None` if there are fewer.
pub fn head<const N: usize>(input: &[u8]) -> Option<([&[u8]; N], &[u8])> {
    let mut rest = input;
    let mut head = [&input[..0]; N];
    for line in &mut head {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        (*line, rest) = (&rest[..end], &rest[end + 1..]);
    }
    Some((head, rest))
}

/// The bytes that a line stands for.
pub fn unescape(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, length) = escaped(tail).filter(|_| byte == b'\\').unwrap_or((byte, 0));
        bytes.push(byte);
        rest = &tail[length..];
    }
    bytes
}

/// The byte that an escape stands for, and how long it is behind its backslash.
fn escaped(tail: &[u8]) -> Option<(u8, usize)> {
    match tail {
        [b'n', ..] => Some((b'\n', 1)),
        [b'\\', ..] => Some((b'\\', 1)),
        [b'x', high, low, ..] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let value = digit(high)? * 16 + digit(low)?;
            Some((u8::try_from(value).ok()?, 3))
        }
        _ => None,
    }
}
