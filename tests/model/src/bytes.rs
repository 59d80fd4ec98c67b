//! Bytes as a person reads and writes them: the quoting of redis-cli, both ways.

use std::fmt::Write as _;

/// A command of arguments of all kinds: text, bytes, names that a test made up.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { vec![$(AsRef::<[u8]>::as_ref(&$arg).to_vec()),*] };
}

/// `bytes` in double quotes, with everything that is not printable ASCII as an escape.
pub fn quote(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::from("\"");
    for &byte in bytes.as_ref() {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(byte.into());
            }
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(byte.into()),
            _ => write!(text, "\\x{byte:02x}").expect("writing to a String cannot fail"),
        }
    }
    text + "\""
}

/// `args` as a line that [`split`] takes apart again. Plain words stay without quotes.
pub fn join(args: &[Vec<u8>]) -> String {
    let plain = |arg: &[u8]| !arg.is_empty() && arg.iter().all(|b| b.is_ascii_graphic() && !b"\"'\\".contains(b));
    let word = |arg: &Vec<u8>| if plain(arg) { String::from_utf8_lossy(arg).into_owned() } else { quote(arg) };
    args.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Takes a command line apart as redis-cli does: words between blanks, `"..."` with escapes (`\n`, `\r`, `\t`, `\"`,
/// `\\`, `\xHH`), `'...'` without any. A quote is special at the start of a word alone.
///
/// # Panics
/// When a quote is not closed or an escape is not one of these: the test has a mistake.
pub fn split(line: &str) -> Vec<Vec<u8>> {
    let mut rest = line.as_bytes();
    let mut words = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        let Some(&first) = rest.first() else { return words };
        let (word, length) = match first {
            b'"' => double_quoted(rest).unwrap_or_else(|| panic!("cannot split the command line {line}")),
            b'\'' => single_quoted(rest).unwrap_or_else(|| panic!("cannot split the command line {line}")),
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                (rest[..end].to_vec(), end)
            }
        };
        words.push(word);
        rest = &rest[length..];
    }
}

/// The content of the quotes that `text` starts with, and how many bytes they take.
fn single_quoted(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let end = 1 + text[1..].iter().position(|&b| b == b'\'')?;
    Some((text[1..end].to_vec(), end + 1))
}

fn double_quoted(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some((word, at + 1)),
            b'\\' => {
                let (byte, length) = match *text.get(at + 1)? {
                    b'n' => (b'\n', 2),
                    b'r' => (b'\r', 2),
                    b't' => (b'\t', 2),
                    b'x' => {
                        let digits = str::from_utf8(text.get(at + 2..at + 4)?).ok()?;
                        (u8::from_str_radix(digits, 16).ok()?, 4)
                    }
                    byte @ (b'"' | b'\\') => (byte, 2),
                    _ => return None,
                };
                word.push(byte);
                at += length;
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}
