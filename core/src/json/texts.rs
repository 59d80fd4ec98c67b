//! The texts that stand in a document: ids, rooms, names.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{AT_ONCE, NotJson, Pointer, find, find_all, flat};

/// The text of a string or a number: what an owner, a room or a name may be. `None` for anything else, and for a string
/// that is not Unicode (a lone surrogate), which no id can equal.
pub fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = value.get();
    match raw.as_bytes().first()? {
        b'"' if !raw.contains('\\') => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
        b'"' => serde_json::from_str(raw).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

/// Calls `found(n, text)` with every text that pointer `n` leads to; for one pointer in the order in which they stand.
///
/// # Errors
/// [`NotJson`]; nothing was found then.
pub fn texts(
    document: &[u8],
    pointers: &[Option<&Pointer>],
    found: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), NotJson> {
    for (first, pointers) in (0..).step_by(AT_ONCE).zip(pointers.chunks(AT_ONCE)) {
        let mut texts = [None; AT_ONCE];
        let flat = std::str::from_utf8(document).ok().and_then(|document| flat::texts(document, pointers, &mut texts));
        if flat.is_some() {
            let texts = texts.into_iter().enumerate().filter_map(|(n, text)| Some((n, text?)));
            texts.for_each(|(n, text)| found(first + n, text));
        } else {
            in_any(document, pointers, &mut |n, text| found(first + n, text))?;
        }
    }
    Ok(())
}

/// The same in any document, for at most [`AT_ONCE`] pointers.
#[inline(never)] // for the room that it takes on the stack
fn in_any(document: &[u8], pointers: &[Option<&Pointer>], found: &mut dyn FnMut(usize, &[u8])) -> Result<(), NotJson> {
    let mut note = |n, value| text(value).into_iter().for_each(|text| found(n, text.as_bytes()));
    if let [Some(one)] = pointers
        && !one.has_any()
    {
        find(document, one)?.into_iter().for_each(|value| note(0, value));
        return Ok(());
    }
    if !pointers.iter().flatten().any(|pointer| pointer.has_any()) {
        let mut all = [None; AT_ONCE];
        all[..pointers.len()].copy_from_slice(pointers);
        let values = find_all(document, all)?.into_iter().enumerate();
        values.filter_map(|(n, value)| Some((n, value?))).for_each(|(n, value)| note(n, value));
        return Ok(());
    }
    let whole = find(document, &Pointer::default())?;
    for (n, pointer) in pointers.iter().enumerate() {
        let (Some(pointer), Some(whole)) = (pointer, whole) else { continue };
        pointer.each(whole, &mut |value| note(n, value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_strings_content_or_a_numbers_spelling() {
        let table = [
            (r#""u1""#, Some("u1")),
            (r#""\u00e9\n""#, Some("é\n")),
            (r#""\ud800""#, None),
            ("12345678901234567890", Some("12345678901234567890")),
            ("-1.50e3", Some("-1.50e3")),
            ("true", None),
            ("null", None),
            ("[1]", None),
        ];
        for (raw, expected) in table {
            assert_eq!(text(serde_json::from_str(raw).unwrap()).as_deref(), expected, "{raw}");
        }
    }

    /// What each pointer leads to by the whole reader alone.
    fn whole<const N: usize>(document: &[u8], pointers: [&Pointer; N]) -> Result<Vec<(usize, String)>, NotJson> {
        let mut texts = Vec::new();
        for (n, pointer) in pointers.into_iter().enumerate() {
            let value = find(document, pointer)?;
            texts.extend(value.and_then(text).map(|text| (n, text.into_owned())));
        }
        Ok(texts)
    }

    /// Documents put together at random, most of them flat: the quick way and the whole reader find the same.
    #[test]
    fn the_quick_way_finds_what_the_whole_reader_finds() {
        const NAMES: [&str; 7] = [r#""a""#, r#""b""#, r#""a longer name""#, r#""é""#, r#""\u0061""#, r#""""#, "a"];
        const VALUES: [&str; 21] = [
            r#""x""#,
            "\"a longer text, \u{7f}\"",
            r#""ü y""#,
            r#""""#,
            "0",
            "-7",
            "12",
            "true",
            "false",
            "null",
            r#""\n""#,
            "\"\u{1}\"",
            "00",
            "-",
            "1.5",
            "1e2",
            "nul",
            "é",
            "1é",
            "[1]",
            r#"{"a":1}"#,
        ];
        const BETWEEN: [&str; 4] = ["", " ", "\n\t", "\u{b}"];
        let mut random = fastrand::Rng::with_seed(41);
        let mut pick = |from: &[&'static str], usual: usize| {
            let many = if random.u8(..) < 230 { usual } else { from.len() };
            from[random.usize(0..many)]
        };
        let pointers = ["/a", "/a longer name", "/"].map(|pointer| Pointer::parse(pointer).unwrap());
        let pointers = [&pointers[0], &pointers[1], &pointers[2]];
        let (mut quick, mut wrong) = (0, 0);
        for round in 0..30_000 {
            let mut document = pick(&BETWEEN, 2).to_owned() + pick(&["{", "[", ""], 1);
            for member in 0..round % 5 {
                document += if member == 0 { "" } else { pick(&[",", ";", ""], 1) };
                let name = pick(&NAMES, 4);
                let parts = [pick(&BETWEEN, 2), name, pick(&BETWEEN, 2), pick(&[":", ""], 1), pick(&BETWEEN, 2)];
                document += &(parts.concat() + pick(&VALUES, 10) + pick(&BETWEEN, 2));
            }
            document += &(pick(&["}", "]", ""], 1).to_owned() + pick(&BETWEEN, 2));
            if let Some((at, sign)) = document.char_indices().nth(round % 300) {
                // One of its signs is missing, or there twice.
                document.replace_range(at..at + sign.len_utf8(), &sign.to_string().repeat(round % 2 * 2));
            }
            let mut read = Vec::new();
            let mut note = |n, text: &[u8]| read.push((n, String::from_utf8(text.to_vec()).unwrap()));
            let result = texts(document.as_bytes(), &pointers.map(Some), &mut note).map(|()| read);
            assert_eq!(result, whole(document.as_bytes(), pointers), "{document:?}");
            quick += usize::from(flat::texts(&document, &pointers.map(Some), &mut [None; AT_ONCE]).is_some());
            wrong += usize::from(result.is_err());
        }
        assert!(quick > 3000 && wrong > 3000, "{quick} {wrong}");
    }
}
