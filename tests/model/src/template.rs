//! Key-name templates: literal bytes and `{name}` placeholders.

use std::collections::BTreeMap;

/// What the placeholders of a template stand for.
pub type Bindings = BTreeMap<String, Vec<u8>>;

/// What ids may hold: for some placeholders by name, and for all others.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    pub separator: Option<Vec<u8>>,
    pub exceptions: BTreeMap<String, Rule>,
}

/// What the ids of one placeholder may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    Any,
    Without(Vec<u8>),
    Length(usize),
}

impl Ids {
    /// What a placeholder may stand for.
    pub fn rule(&self, name: &str) -> Rule {
        let general = self.separator.clone().map_or(Rule::Any, Rule::Without);
        self.exceptions.get(name).cloned().unwrap_or(general)
    }

    /// May the placeholder stand for `id`?
    pub fn allow(&self, name: &str, id: &[u8]) -> bool {
        self.rule(name).allows(id)
    }

    /// What a command says that is given `id` for a placeholder, if it does not take it.
    pub fn refusal(&self, what: &str, name: &str, id: &[u8]) -> Option<String> {
        let must = match self.rule(name) {
            rule if rule.allows(id) => return None,
            Rule::Any => "not be empty".to_owned(),
            Rule::Without(bytes) => format!("not hold '{}'", bytes.escape_ascii()),
            Rule::Length(length) => format!("have {length} bytes"),
        };
        Some(format!("ERR {what} must {must}, by `separator` and `ids` of the layout"))
    }
}

impl Rule {
    fn allows(&self, id: &[u8]) -> bool {
        !id.is_empty()
            && match self {
                Self::Any => true,
                Self::Without(bytes) => !(0..id.len()).any(|at| id[at..].starts_with(bytes)),
                Self::Length(length) => id.len() == *length,
            }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Vec<u8>),
    Placeholder(String, Rule),
}

/// A template, as `typing:{roomId}:{userId}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a template: `{{` and `}}` are literal braces, `\\` is a backslash, `\xNN` a byte.
    pub fn parse(text: &str, ids: &Ids) -> Self {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(u8::try_from(first).expect("a brace"));
                rest = &rest[2..];
            } else if let Some(after) = rest.strip_prefix("\\\\") {
                literal.push(b'\\');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("\\x") {
                literal.push(u8::from_str_radix(&after[..2], 16).expect("a byte"));
                rest = &after[2..];
            } else if first == '{' {
                let (name, after) = rest[1..].split_once('}').expect("a placeholder is closed");
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(Part::Placeholder(name.to_owned(), ids.rule(name)));
                rest = after;
            } else {
                literal.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[first.len_utf8()..];
            }
        }
        parts.push(Part::Literal(literal));
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
            Part::Placeholder(name, _) => Some(name.as_str()),
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
            Part::Placeholder(name, _) => bindings[name].clone(),
        };
        self.parts.iter().flat_map(value).collect()
    }

    /// What the placeholders stand for if `text` is of this form, each as its rule says.
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
        Some((Part::Placeholder(name, rule), rest)) => (1..=text.len()).find_map(|length| {
            let (value, after) = text.split_at(length);
            // Long names would take long otherwise.
            let fits = match rest.first() {
                None => after.is_empty(),
                Some(Part::Literal(bytes)) => after.starts_with(bytes),
                Some(Part::Placeholder(..)) => true,
            };
            if !fits || !rule.allows(value) {
                return None;
            }
            if bound.get(name).is_some_and(|earlier| earlier != value) {
                return None;
            }
            let mut bound = bound.clone();
            bound.insert(name.clone(), value.to_vec());
            matches(rest, after, &bound)
        }),
    }
}
