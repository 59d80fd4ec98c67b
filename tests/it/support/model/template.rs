//! Key-name templates: literal bytes and `{name}` placeholders.

use std::collections::BTreeMap;

/// What the placeholders of a template stand for.
pub type Bindings = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Vec<u8>),
    Placeholder(String),
}

/// A template, as `typing:{roomId}:{userId}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a template: `{{` and `}}` are literal braces.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(first);
                rest = &rest[2..];
            } else if first == '{' {
                let (name, after) = rest[1..].split_once('}').expect("a placeholder is closed");
                parts.push(Part::Literal(std::mem::take(&mut literal).into_bytes()));
                parts.push(Part::Placeholder(name.to_owned()));
                rest = after;
            } else {
                literal.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        parts.push(Part::Literal(literal.into_bytes()));
        parts.retain(|part| !matches!(part, Part::Literal(bytes) if bytes.is_empty()));
        Self { parts }
    }

    /// Does it have the placeholder `name`?
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// The names of its placeholders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text with every placeholder replaced.
    ///
    /// # Panics
    /// When a placeholder has no value.
    pub fn render(&self, bindings: &Bindings) -> Vec<u8> {
        let value = |part: &Part| match part {
            Part::Literal(bytes) => bytes.clone(),
            Part::Placeholder(name) => bindings[name].clone(),
        };
        self.parts.iter().flat_map(value).collect()
    }

    /// What the placeholders stand for if `text` is of this form: from left to right, each at least one byte and as
    /// few as it can.
    pub fn matches(&self, text: &[u8]) -> Option<Bindings> {
        self.matches_where(text, &Bindings::new())
    }

    /// The same where some of them are known to stand for something.
    pub fn matches_where(&self, text: &[u8], known: &Bindings) -> Option<Bindings> {
        matches(&self.parts, text, known)
    }
}

fn matches(parts: &[Part], text: &[u8], bound: &Bindings) -> Option<Bindings> {
    match parts.split_first() {
        None => text.is_empty().then(|| bound.clone()),
        Some((Part::Literal(bytes), rest)) => matches(rest, text.strip_prefix(&bytes[..])?, bound),
        Some((Part::Placeholder(name), rest)) => (1..=text.len()).find_map(|length| {
            let (value, after) = text.split_at(length);
            if bound.get(name).is_some_and(|earlier| earlier != value) {
                return None;
            }
            let mut bound = bound.clone();
            bound.insert(name.clone(), value.to_vec());
            matches(rest, after, &bound)
        }),
    }
}
