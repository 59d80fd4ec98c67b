//! A quick way through what nearly all sessions are: one object of strings, whole numbers, `true`, `false` and `null`.
//!
//! It takes half the time that the whole reader takes, and a write of a socket's data pays it each time. It refuses
//! whatever it does not know: that is for the whole reader, which also says what is no JSON.

use super::Pointer;

/// The texts of the members that the pointers lead to, as far as there is room in `texts`. `None` if the document holds anything
/// else, an escape or a line break among it, or if a pointer leads anywhere but to a member; what is in `texts` then is of no use.
pub(super) fn texts<'d>(
    document: &'d str,
    pointers: &[Option<&Pointer>],
    texts: &mut [Option<&'d [u8]>],
) -> Option<()> {
    if pointers.iter().flatten().any(|pointer| name(pointer).is_none()) {
        return None;
    }
    // All bytes are looked at: that is many at a time, where a search would look at one after the other.
    let is_special = |byte: u8| u8::from(byte < b' ' || byte == b'\\');
    if document.bytes().fold(0, |found, byte| found | is_special(byte)) != 0 {
        return None;
    }
    let mut rest = Rest(document.as_bytes());
    rest.expect(b'{')?;
    loop {
        let (member, text) = rest.member()?;
        for (found, pointer) in texts.iter_mut().zip(pointers) {
            if pointer.and_then(name) == Some(member) {
                *found = text;
            }
        }
        match rest.next()? {
            b',' => {}
            b'}' => return rest.next().is_none().then_some(()),
            _ => return None,
        }
    }
}

/// The name of the one member that a pointer leads to, if it does.
fn name(pointer: &Pointer) -> Option<&[u8]> {
    let [step] = pointer.steps() else { return None };
    Some(step.name()?.as_bytes())
}

/// What is still to be read of a document without escapes, in which the only white space is ` `. Where a method gives `None`
/// there stands something else.
struct Rest<'d>(&'d [u8]);

impl<'d> Rest<'d> {
    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if *byte != b' ' {
                return Some(*byte);
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A string, of which the first quotation mark was read.
    fn string(&mut self) -> Option<&'d [u8]> {
        let (text, rest) = self.0.split_at(before_quotation_mark(self.0));
        self.0 = rest.get(1..)?;
        Some(text)
    }

    /// A member's name, and the text of its value if it has one.
    fn member(&mut self) -> Option<(&'d [u8], Option<&'d [u8]>)> {
        self.expect(b'"')?;
        let name = self.string()?;
        self.expect(b':')?;
        let from = self.0.trim_ascii_start();
        if self.next()? == b'"' {
            return Some((name, Some(self.string()?)));
        }
        let length = from.iter().position(|byte| matches!(byte, b',' | b'}' | b' '))?;
        let (word, rest) = from.split_at(length);
        self.0 = rest;
        match word {
            b"true" | b"false" | b"null" => Some((name, None)),
            number => is_whole_number(number).then_some((name, Some(number))),
        }
    }
}

fn is_whole_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = digits.len() == 1 || !digits.starts_with(b"0");
    !digits.is_empty() && is_plain && digits.iter().all(u8::is_ascii_digit)
}

/// How many bytes stand before the first quotation mark, or before the end. Eight at a time: most strings are too short for
/// what a search by `memchr` costs to begin.
fn before_quotation_mark(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        // The bytes that are zero now were one; of those the first has its highest bit set in what is found.
        let bytes = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'"'));
        let found = bytes.wrapping_sub(ONES) & !bytes & (ONES << 7);
        if found != 0 {
            return at * 8 + usize::try_from(found.trailing_zeros() / 8).unwrap_or_default();
        }
    }
    words.len() * 8 + rest.iter().take_while(|byte| **byte != b'"').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'d>(document: &'d str, pointers: [&str; 2]) -> Option<[Option<&'d str>; 2]> {
        let pointers = pointers.map(|pointer| Pointer::parse(pointer).unwrap());
        let mut texts = [None; 2];
        super::texts(document, &[Some(&pointers[0]), Some(&pointers[1])], &mut texts)?;
        Some(texts.map(|text| text.map(|text| std::str::from_utf8(text).unwrap())))
    }

    #[test]
    fn flat_objects_are_read_and_all_else_is_left() {
        let table = [
            (r#"{"a":"x","b":-120}"#, Some([Some("x"), Some("-120")])),
            (r#" { "b" : 0 , "é" : "ü" } "#, Some([None, Some("0")])),
            ("{\n\"a\":1}", None),
            (r#"{"a":true,"b":false,"c":null}"#, Some([None, None])),
            (r#"{"a":1,"a":"2","b":"3","b":null}"#, Some([Some("2"), None])),
            (r#"{"a":{"b":1}}"#, None),
            (r#"{"c":[],"a":1}"#, None),
            (r#"{"a":1.0}"#, None),
            (r#"{"a":1e3}"#, None),
            (r#"{"a":01}"#, None),
            (r#"{"a":-}"#, None),
            (r#"{"a":"\n"}"#, None),
            (r#"{"\u0061":1}"#, None),
            ("{\"a\":\"\n\"}", None),
            (r#"{"a":trae}"#, None),
            (r#"{"a":"#, None),
            (r#"{"a":tr"#, None),
            (r#"{"a":1"#, None),
            (r#"{"a":1,}"#, None),
            (r#"{"a":1} x"#, None),
            (r#"{"a":1}"x""#, None),
            (r#"{"a":é}"#, None),
            (r#"{"a" 1}"#, None),
            ("{}", None),
            ("[1]", None),
            ("", None),
        ];
        for (document, expected) in table {
            assert_eq!(texts(document, ["/a", "/b"]), expected, "{document}");
        }
        for pointer in ["", "/a/b", "/*"] {
            assert_eq!(texts(r#"{"a":1}"#, ["/a", pointer]), None, "{pointer}");
        }
    }

    #[test]
    fn the_first_quotation_mark_is_found_wherever_it_is() {
        for filler in [b'#', b'!', b'"' | 0x80, 0, 0xff] {
            for length in 0..40 {
                let mut bytes = vec![filler; length];
                assert_eq!(before_quotation_mark(&bytes), length);
                for at in (0..length).rev() {
                    bytes[at] = b'"';
                    assert_eq!(before_quotation_mark(&bytes), at, "of {length}");
                }
            }
        }
    }
}
