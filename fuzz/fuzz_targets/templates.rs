//! Templates, against a reader and a matcher that are slow and obvious.
//!
//! An input is a template's text in its first line; every other line is a name to take apart, and a value to put in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_core::template::{Bindings, MAX_PLACEHOLDERS, Placeholder, Placeholders, Template};
use redis_session_fuzz::lines;

/// The oracle takes the square of it.
const LONGEST_NAME: usize = 64;

/// Below it every part of a name is tried as a value.
const SHORT_NAME: usize = 16;

fuzz_target!(|input: &[u8]| {
    let lines = lines(input);
    let (first, others) = lines.split_first().expect("an input has a line");
    let Ok(text) = str::from_utf8(first) else { return };
    let mut names = Placeholders::default();
    let template = Template::parse(text, &mut names);
    let Some(parts) = read(text).filter(|parts| is_template(parts)) else {
        let error = template.expect_err("the oracle refuses it");
        assert!(!error.to_string().is_empty());
        return;
    };
    let template = template.unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let oracle = Oracle { template, names, parts };
    oracle.check_parts();
    for name in others {
        oracle.check_name(&name[..name.len().min(LONGEST_NAME)]);
    }
    let values: Vec<&[u8]> = others.iter().map(|value| &**value).filter(|value| !value.is_empty()).collect();
    oracle.check_values(&values);
});

#[derive(Debug, PartialEq)]
enum Part {
    Literal(Vec<u8>),
    Placeholder(String),
}

/// The parts of a text, if its braces are right.
fn read(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let literal = if rest.starts_with("{{") || rest.starts_with("}}") {
            rest = &rest[2..];
            first
        } else if first == '{' {
            let end = rest.find('}')?;
            let name = &rest[1..end];
            let letters = |c: char| c.is_ascii_alphabetic();
            let others = |c: char| letters(c) || c.is_ascii_digit() || c == '_';
            if !name.chars().next().is_some_and(letters) || !name.chars().all(others) {
                return None;
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = &rest[end + 1..];
            continue;
        } else if first == '}' {
            return None;
        } else {
            rest = &rest[first.len_utf8()..];
            first
        };
        let bytes = literal.to_string().into_bytes();
        match parts.last_mut() {
            Some(Part::Literal(before)) => before.extend(bytes),
            _ => parts.push(Part::Literal(bytes)),
        }
    }
    Some(parts)
}

/// Whether the parts can be told apart in a name: something between two placeholders, each once, and not too many.
fn is_template(parts: &[Part]) -> bool {
    let names: Vec<&str> = placeholders(parts).collect();
    let known = ["userId", "socketId", "roomId"];
    let is_adjacent = |two: &[Part]| two.iter().all(|part| matches!(part, Part::Placeholder(_)));
    let is_repeated = |name: &&str| names.iter().filter(|other| *other == name).count() > 1;
    !parts.is_empty()
        && !parts.windows(2).any(is_adjacent)
        && !names.iter().any(is_repeated)
        && names.iter().filter(|name| !known.contains(name)).count() + known.len() <= MAX_PLACEHOLDERS
}

fn placeholders(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| if let Part::Placeholder(name) = part { Some(&**name) } else { None })
}

struct Oracle {
    template: Template,
    names: Placeholders,
    parts: Vec<Part>,
}

impl Oracle {
    /// The template has these parts and says so.
    fn check_parts(&self) {
        let Self { template, names, parts } = self;
        let own: Vec<&str> = template.placeholders().iter().map(|p| names.name(*p)).collect();
        assert_eq!(own, placeholders(parts).collect::<Vec<_>>());
        assert!(template.placeholders().iter().all(|p| template.has(*p)));
        for (known, name) in
            [(Placeholder::USER, "userId"), (Placeholder::SOCKET, "socketId"), (Placeholder::ROOM, "roomId")]
        {
            assert_eq!(template.has(known), own.contains(&name), "{name}");
        }
        let prefix = if let Some(Part::Literal(literal)) = parts.first() { &**literal } else { b"" };
        assert_eq!(template.prefix(), prefix);
        let all = self.render(|at| if own[at] == "userId" { b"<user>" } else { b"<>" });
        assert_eq!(template.render_all(b"<user>", b"<>"), all);
        let respelled: String = parts.iter().map(spell).collect();
        let again = Template::parse(&respelled, &mut names.clone());
        assert_eq!(again.as_ref(), Ok(template), "{respelled:?}");
    }

    /// Taking a name apart, whether the template made it or not.
    fn check_name(&self, name: &[u8]) {
        let Self { template, .. } = self;
        let found = template.matches(name);
        let values = found.as_ref().map(|bindings| self.values(bindings));
        assert_eq!(values, take_apart(&self.parts, name), "{:?}", name.escape_ascii().to_string());
        let Some(bindings) = found else { return };
        assert_eq!(template.render(&bindings), name, "what a match bound gives the name");
        for placeholder in template.placeholders() {
            assert_eq!(template.solve(*placeholder, &bindings, name), bindings.get(*placeholder));
        }
    }

    /// Putting values in: the name is taken apart again, and each value is found if the others are known.
    fn check_values(&self, values: &[&[u8]]) {
        let Self { template, .. } = self;
        if values.is_empty() {
            return;
        }
        let at = |number: usize| values[number % values.len()];
        let numbered = template.placeholders().iter().zip(0..);
        let bindings = numbered.clone().fold(Bindings::default(), |bound, (p, number)| bound.with(*p, at(number)));
        let name = template.render(&bindings);
        assert_eq!(name, self.render(at));
        let found = template.matches(&name).expect("a name that the template made is one of its names");
        assert_eq!(template.render(&found), name);
        for (placeholder, number) in numbered {
            assert_eq!(template.solve(*placeholder, &bindings, &name), Some(at(number)));
            for other in values.iter().filter(|other| other.len() <= SHORT_NAME) {
                assert_eq!(
                    template.solve(*placeholder, &bindings, other),
                    self.solve(*placeholder, &bindings, other),
                    "{:?}",
                    other.escape_ascii().to_string()
                );
            }
        }
    }

    fn values<'n>(&self, bindings: &Bindings<'n>) -> Vec<&'n [u8]> {
        let bound = |p: &Placeholder| bindings.get(*p).expect("a match binds every placeholder");
        self.template.placeholders().iter().map(bound).collect()
    }

    /// The name in which the placeholder at each place stands for that value.
    fn render<'v>(&self, value: impl Fn(usize) -> &'v [u8]) -> Vec<u8> {
        let mut number = 0..;
        let bytes = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => &**literal,
            Part::Placeholder(_) => value(number.next().expect("numbers do not end")),
        });
        bytes.collect::<Vec<_>>().concat()
    }

    /// The part of the name that makes it the template's name, where it stands for the placeholder.
    fn solve<'n>(&self, placeholder: Placeholder, bindings: &Bindings<'n>, name: &'n [u8]) -> Option<&'n [u8]> {
        let spans = (0..name.len()).flat_map(|from| (from + 1..=name.len()).map(move |to| &name[from..to]));
        let is_it = |value: &&'n [u8]| {
            let bound = bindings.with(placeholder, value);
            let values = self.values(&bound);
            self.render(|number| values[number]) == name
        };
        spans.into_iter().find(is_it)
    }
}

/// A part as a template's text.
fn spell(part: &Part) -> String {
    match part {
        Part::Placeholder(name) => format!("{{{name}}}"),
        Part::Literal(literal) => {
            let text = str::from_utf8(literal).expect("the text of a template is UTF-8");
            text.replace('{', "{{").replace('}', "}}")
        }
    }
}

/// The contract's rule: of all ways to take the name apart, the one whose first value is shortest, then the second.
fn take_apart<'n>(parts: &[Part], name: &'n [u8]) -> Option<Vec<&'n [u8]>> {
    // fits[p][at]: whether the parts from p on can make what the name has from `at` on.
    let mut fits = vec![vec![false; name.len() + 1]; parts.len() + 1];
    fits[parts.len()][name.len()] = true;
    for (p, part) in parts.iter().enumerate().rev() {
        for at in 0..=name.len() {
            fits[p][at] = match part {
                Part::Literal(literal) => name[at..].starts_with(literal) && fits[p + 1][at + literal.len()],
                Part::Placeholder(_) => (at + 1..=name.len()).any(|end| fits[p + 1][end]),
            };
        }
    }
    if !fits[0][0] {
        return None;
    }
    let (mut at, mut values) = (0, Vec::new());
    for (p, part) in parts.iter().enumerate() {
        let end = match part {
            Part::Literal(literal) => at + literal.len(),
            Part::Placeholder(_) => (at + 1..=name.len()).find(|end| fits[p + 1][*end])?,
        };
        if let Part::Placeholder(_) = part {
            values.push(&name[at..end]);
        }
        at = end;
    }
    Some(values)
}
