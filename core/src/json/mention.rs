//! Whether a document mentions a text at all.
//!
//! A text stands in a document as it is, or spelt with escapes, of which each must spell a part of it: `\u0061da` for `ada`.
//! So one pass over the bytes is enough to say of nearly every document that it does not mention somebody, many times
//! faster than to read it.

use memchr::{memchr, memmem};

/// How many bytes are searched in one go, for the text and then for escapes, while they are in the processor's cache.
const CHUNK: usize = 16 * 1024;

/// Whether documents mention a text.
pub struct Mention {
    /// The text as it is, and the units that escapes of it spell. `None` if it is not Unicode, which strings and numbers are.
    spelt: Option<(Plain, Units)>,
    /// Whether more may stand around it: a text that is not Unicode may then be bytes of a sign that is.
    is_part: bool,
}

impl Mention {
    /// A string or a number that is this text, byte for byte.
    pub fn of(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).ok();
        Self { spelt: text.map(|text| (Plain::new(text), Units::of(text))), is_part: false }
    }

    /// A string or a number with this text as a part.
    pub fn of_part(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).ok();
        Self { spelt: text.map(|text| (Plain::part(text), Units::of(text))), is_part: true }
    }

    /// Whether the document may hold one. `false` is certain, for any bytes: a document that is no JSON holds neither.
    pub fn is_in(&self, document: &[u8]) -> bool {
        let Some((plain, units)) = &self.spelt else { return self.is_part };
        let mut escapes = Escapes { units, from: 0 };
        let chunk = CHUNK.max(plain.finder.needle().len());
        (0..document.len()).step_by(chunk).any(|start| {
            let end = document.len().min(start + chunk);
            plain.begins_in(document, start, end) || escapes.begin_in(document, start, end)
        })
    }
}

/// The text as it is: in quotes, or if it may be a number, without.
struct Plain {
    finder: memmem::Finder<'static>,
    is_number: bool,
}

impl Plain {
    fn new(text: &str) -> Self {
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let needle = if is_number { text.to_owned() } else { format!("\"{text}\"") };
        Self { finder: memmem::Finder::new(&needle).into_owned(), is_number }
    }

    /// The same of a text with more around it.
    fn part(text: &str) -> Self {
        Self { finder: memmem::Finder::new(text).into_owned(), is_number: false }
    }

    /// Whether it begins in this part of the document. It may end behind.
    fn begins_in(&self, document: &[u8], start: usize, end: usize) -> bool {
        let reach = document.len().min(end + self.finder.needle().len() - 1);
        // What overlaps with another one begins behind no quote, for no text as it is has quotes inside.
        let mut found = self.finder.find_iter(&document[start..reach]).map(|at| start + at);
        found.any(|at| !self.is_number || self.stands_alone(document, at))
    }

    /// Whether what was found is not a part of a longer number.
    fn stands_alone(&self, document: &[u8], at: usize) -> bool {
        let goes_on =
            |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let before = at.checked_sub(1).and_then(|before| document.get(before));
        !goes_on(before) && !goes_on(document.get(at + self.finder.needle().len()))
    }
}

/// The UTF-16 units of a text, sorted.
struct Units(Vec<u16>);

impl Units {
    fn of(text: &str) -> Self {
        let mut units: Vec<u16> = text.encode_utf16().collect();
        units.sort_unstable();
        units.dedup();
        Self(units)
    }
}

/// Escapes that spell a part of the text.
struct Escapes<'u> {
    units: &'u Units,
    /// Where the last escape ended that was looked at: an escaped backslash begins none.
    from: usize,
}

impl Escapes<'_> {
    /// Whether one begins in this part of the document.
    fn begin_in(&mut self, document: &[u8], start: usize, end: usize) -> bool {
        self.from = self.from.max(start);
        while let Some(at) = document.get(self.from..end).and_then(|rest| memchr(b'\\', rest)) {
            let at = self.from + at;
            self.from = at + 2;
            if unit(&document[at + 1..]).is_some_and(|unit| self.units.0.binary_search(&unit).is_ok()) {
                return true;
            }
        }
        false
    }
}

/// The UTF-16 unit that an escape spells, from behind its backslash on.
fn unit(escape: &[u8]) -> Option<u16> {
    let plain = match escape.first()? {
        b'u' => {
            return std::str::from_utf8(escape.get(1..5)?).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok());
        }
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => *other,
    };
    Some(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(document: &[u8], text: &[u8]) -> bool {
        Mention::of(text).is_in(document)
    }

    fn mentions_part(document: &[u8], text: &[u8]) -> bool {
        Mention::of_part(text).is_in(document)
    }

    #[test]
    fn a_text_is_found_however_it_is_spelt() {
        let table: [(&str, &[&str], &[&str]); 9] = [
            (
                "ada",
                &[r#"["ada"]"#, r#"["\u0061da"]"#, r#"["ad\u0061"]"#, r#"{"x":"\n\\","y":"a\u0064a"}"#],
                &[
                    r#"["adam","xada"," ada"]"#,
                    "[ada]",
                    r#"["\\u0061da","\n\t\r\b\f\/\"ada\"","\u0041da"]"#,
                    "",
                    "\\",
                    "\"\\u00",
                ],
            ),
            ("é", &[r#"["é"]"#, r#"["\u00e9"]"#, r#"["\u00E9"]"#], &[r#"["e\u0301","É"]"#]),
            ("\u{1f600}", &[r#"["\ud83d\ude00"]"#, "[\"\u{1f600}\"]"], &[r#"["\u1f60"]"#]),
            ("a/b", &[r#"["a\/b"]"#, r#"["a/b"]"#], &[r#"["a"]"#]),
            ("a\"b\\c", &[r#"["a\"b\\c"]"#, r#"["a\u0022b\u005cc"]"#], &["[\"a\\nb\"]"]),
            ("a\tb", &[r#"["a\tb"]"#, r#"["a\u0009b"]"#], &[r#"["a\nb"]"#]),
            (
                "15",
                &["[15]", "15", "[\"15\"]", "[1,15,2]", "{\"a\":15}", r#"["\u0031\u0035"]"#, "[155,15]"],
                &["[150,115,15.0,1.15,15e1,-15]"],
            ),
            ("-0", &["[-0]", "[\"-0\"]"], &["[-0.0,1e-0,0]"]),
            ("7-up", &["[\"7-up\"]", "[\"17-up\",\"7-up\"]"], &[r#"["17-up","7-up1"]"#]),
        ];
        for (text, mentioning, others) in table {
            for document in mentioning {
                assert!(mentions(document.as_bytes(), text.as_bytes()), "{text} in {document}");
            }
            for document in others {
                assert!(!mentions(document.as_bytes(), text.as_bytes()), "{text} in {document}");
            }
        }
        assert!(mentions_part(br#"["adam"]"#, b"ada") && mentions_part(b"[150]", b"15"));
        assert!(!mentions_part(br#"["a","da"]"#, b"ada"));
        assert!(!mentions(b"[\"\xff\"]", b"\xff"), "what is not Unicode is no string's text");
        assert!(mentions_part("[\"é\"]".as_bytes(), b"\xa9"), "but may be a part of one");
    }

    #[test]
    fn where_a_part_ends_nothing_is_missed() {
        for (text, escaped) in [("ada", r"\u0061\u0064\u0061"), ("15", r"\u0031\u0035")] {
            for spelling in [&*format!("\"{text}\""), escaped] {
                for before in CHUNK - 40..CHUNK + 3 {
                    let document = format!("{}{spelling}{}", " ".repeat(before), " ".repeat(CHUNK));
                    assert!(mentions(document.as_bytes(), text.as_bytes()), "{spelling} after {before}");
                    // An escaped backslash begins no escape, on whichever side of the border it is.
                    let document = format!("{}\\\\u0061\\\\u0031{}", " ".repeat(before), " ".repeat(CHUNK));
                    assert!(!mentions(document.as_bytes(), text.as_bytes()), "after {before}");
                }
            }
        }
    }

    /// Documents put together at random: whoever is somebody's text is mentioned.
    #[test]
    fn nobody_who_stands_in_a_document_is_missed() {
        const PARTS: [&str; 14] = [
            "a",
            "1",
            "-",
            "é",
            "\\n",
            "\\u0061",
            "\\u0031",
            "\\\\",
            "\\\"",
            "/",
            "\\/",
            "\\ud83d\\ude00",
            "\u{1f600}",
            "\t",
        ];
        let mut random = fastrand::Rng::with_seed(16);
        let mut compared = 0;
        for _ in 0..20_000 {
            let raw: String = (0..random.usize(0..5)).map(|_| PARTS[random.usize(0..PARTS.len())]).collect();
            let raw = if random.bool() { format!("\"{raw}\"") } else { raw };
            let Ok(value) = serde_json::from_str::<&serde_json::value::RawValue>(&raw) else { continue };
            let Some(text) = crate::json::text(value) else { continue };
            compared += 1;
            let document = format!("[\"x\\\\\",{raw},7]");
            assert!(mentions(document.as_bytes(), text.as_bytes()), "{text:?} in {document}");
            for (from, sign) in text.char_indices() {
                let parts = [&text[from..], &text[..from + sign.len_utf8()]];
                let is_met = |part: &&str| mentions_part(document.as_bytes(), part.as_bytes());
                assert!(parts.iter().all(is_met), "{parts:?} in {document}");
            }
        }
        assert!(compared > 1000, "{compared}");
    }
}
