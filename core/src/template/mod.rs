//! Templates of key and member names: literal bytes and `{name}` placeholders.
//!
//! Pure, and over bytes throughout: ids come from users and need not be UTF-8. A template is parsed once, when the
//! layout loads, and refused if a name could be read by it in two ways. [`Template::matches`] and [`Template::render`] are
//! inverse to each other: rendering what a match bound gives the name that was matched, and a name that was rendered from
//! ids that the layout allows matches as those ids.

mod head;
mod ids;
mod reading;
pub(crate) mod text;

use std::fmt;

pub use head::Head;
pub use ids::{IdRule, LONGEST_LENGTH, MAX_PLACEHOLDERS, Placeholder, Placeholders};
use reading::{Ambiguity, Reading};
use text::{Backslash, Piece, pieces};

/// What each placeholder stands for in one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bindings<'a>([Option<&'a [u8]>; MAX_PLACEHOLDERS + 1]);

impl<'a> Bindings<'a> {
    /// Bindings with `{userId}` alone.
    pub fn user(id: &'a [u8]) -> Self {
        Self::default().with(Placeholder::USER, id)
    }

    /// The same bindings and one more (or another value for one).
    #[must_use]
    pub fn with(mut self, placeholder: Placeholder, value: &'a [u8]) -> Self {
        self.bind(placeholder, value);
        self
    }

    /// Adds one more (or another value for one), in place: to copy what has just been written stalls the processor.
    pub(crate) fn bind(&mut self, placeholder: Placeholder, value: &'a [u8]) {
        self.0[placeholder.index()] = Some(value);
    }

    /// Those that are bound, with what they stand for.
    pub fn iter(&self) -> impl Iterator<Item = (Placeholder, &'a [u8])> {
        self.0.into_iter().enumerate().filter_map(|(number, value)| Some((Placeholder::of_index(number), value?)))
    }

    /// What the placeholder stands for, if it is bound.
    pub fn get(&self, placeholder: Placeholder) -> Option<&'a [u8]> {
        self.0[placeholder.index()]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    Placeholder(Placeholder, IdRule),
}

impl Part {
    /// The bytes that stand there; none if it is a placeholder.
    fn literal(&self) -> &[u8] {
        match self {
            Self::Literal(literal) => literal,
            Self::Placeholder(..) => &[],
        }
    }

    /// What stands there, if it is known.
    fn bytes<'p>(&'p self, bindings: &Bindings<'p>) -> Option<&'p [u8]> {
        match self {
            Self::Literal(literal) => Some(literal),
            Self::Placeholder(placeholder, _) => bindings.get(*placeholder),
        }
    }
}

/// A parsed template. Literals and placeholders alternate, no literal is empty, and no placeholder stands twice.
///
/// In its text `{{` and `}}` are literal braces, `\\` is a backslash, and `\xNN` the byte of that hexadecimal number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// What every name begins with.
    head: Head,
    parts: Box<[Part]>,
    /// The placeholders in the order in which they stand.
    placeholders: Box<[Placeholder]>,
    /// How a name is taken apart; `None` without a placeholder, and if it takes more than the name.
    reading: Option<Reading>,
}

/// Why a text is not a template. The sentence says what to fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The text is empty; a key name needs at least one byte.
    Empty,
    /// A `{` that no `}` closes.
    Unclosed,
    /// A `}` that closes nothing.
    Unopened,
    /// What stands between the braces is not a name.
    BadName(String),
    /// A backslash that begins neither `\\` nor `\xNN`: what stands there.
    BadEscape(String),
    /// Nothing separates these two, so a name could not be taken apart.
    Adjacent(String, String),
    /// Both of these may hold the literal between them, so that a name could be taken apart in two ways.
    Ambiguous {
        /// The placeholders, as they stand.
        names: [String; 2],
        /// What stands between them.
        literal: Box<[u8]>,
    },
    /// The placeholder stands twice.
    Repeated(String),
    /// The layout would have more than [`MAX_PLACEHOLDERS`] different placeholders.
    TooManyPlaceholders(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a template must not be empty"),
            Self::Unclosed => write!(f, "'{{' without '}}'; write '{{{{' for a literal brace"),
            Self::Unopened => write!(f, "'}}' without '{{'; write '}}}}' for a literal brace"),
            Self::BadName(name) => write!(
                f,
                "placeholder '{{{name}}}' is not a name; use a letter followed by letters, digits or '_', or write '{{{{' for a literal brace"
            ),
            Self::BadEscape(text) => {
                write!(
                    f,
                    "'{text}' is no escape; write '\\\\' for a backslash, or '\\x' and two hexadecimal digits for a byte"
                )
            }
            Self::Ambiguous { names: [left, right], literal } => {
                let sign = sign(literal);
                write!(
                    f,
                    "a name could be read in two ways, because '{{{left}}}' and '{{{right}}}' may both hold '{sign}'; \
                     say that no id holds it with \"separator\": \"{sign}\", \
                     or that one of the two does not, as with \"ids\": {{ \"{right}\": {{ \"without\": \"{sign}\" }} }}"
                )
            }
            Self::Adjacent(left, right) => {
                write!(f, "placeholders '{{{left}}}' and '{{{right}}}' must be separated by a literal")
            }
            Self::Repeated(name) => write!(f, "placeholder '{{{name}}}' may stand only once"),
            Self::TooManyPlaceholders(name) => write!(
                f,
                "placeholder '{{{name}}}' is one too many; a layout may have {MAX_PLACEHOLDERS} different ones"
            ),
        }
    }
}

/// What of a literal would separate ids best, as a layout writes it in JSON: a sign if it holds one, else all of it.
fn sign(literal: &[u8]) -> String {
    let sign = literal.iter().position(|byte| byte.is_ascii_punctuation() && !b"\"{}\\".contains(byte));
    sign.map_or(literal, |at| &literal[at..=at]).escape_ascii().to_string().replace('\\', r"\\")
}

impl Template {
    /// Reads a template; its placeholders are numbered in `names`.
    ///
    /// # Errors
    /// [`TemplateError`], saying what to fix.
    pub fn parse(text: &str, names: &mut Placeholders) -> Result<Self, TemplateError> {
        Self::parse_with(text, names, |_| false)
    }

    /// Reads a template of members of a collection. The key of that says what its own placeholders stand for, so at most
    /// one is left as a rule: see [`Template::solve`].
    ///
    /// # Errors
    /// [`TemplateError`], saying what to fix.
    pub fn parse_member(text: &str, names: &mut Placeholders, key: &Self) -> Result<Self, TemplateError> {
        Self::parse_with(text, names, |placeholder| key.has(placeholder))
    }

    fn parse_with(
        text: &str,
        names: &mut Placeholders,
        is_known: impl Fn(Placeholder) -> bool,
    ) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        for piece in pieces(text, Backslash::Escape)? {
            match piece {
                Piece::Literal(literal) => parts.push(Part::Literal(literal.into())),
                Piece::Name(name) => push_placeholder(name, names, &mut parts)?,
            }
        }
        if parts.is_empty() {
            return Err(TemplateError::Empty);
        }
        let placeholders = parts.iter().filter_map(|part| match part {
            Part::Placeholder(p, _) => Some(*p),
            Part::Literal(_) => None,
        });
        let placeholders: Box<[Placeholder]> = placeholders.collect();
        let reading = match Reading::of(&parts) {
            Ok(reading) => reading,
            Err(_) if placeholders.iter().filter(|placeholder| !is_known(**placeholder)).count() < 2 => None,
            Err(Ambiguity { placeholders, literal }) => {
                let names = placeholders.map(|placeholder| names.name(placeholder).to_owned());
                return Err(TemplateError::Ambiguous { names, literal });
            }
        };
        let head = Head::of(parts.first().map_or(&[], Part::literal));
        Ok(Self { head, placeholders, parts: parts.into(), reading })
    }

    /// The placeholders, in the order in which they stand.
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// Whether the placeholder stands in the template.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        self.placeholders.contains(&placeholder)
    }

    /// Whether it is a placeholder, and no literal.
    pub fn is_placeholder(&self) -> bool {
        matches!(*self.parts, [Part::Placeholder(..)])
    }

    /// The literal bytes every match begins with; empty if a placeholder comes first.
    pub fn prefix(&self) -> &[u8] {
        self.parts.first().map_or(&[], Part::literal)
    }

    /// The first bytes of that.
    #[inline]
    pub fn head(&self) -> Head {
        self.head
    }

    /// A pattern for access control that every name of the template matches, and no rule would refuse: `*` for each placeholder,
    /// a backslash before what means something in patterns, and `?` for the white space and zero bytes that a rule must
    /// not hold.
    pub fn acl_pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::new();
        for part in &self.parts {
            match part {
                Part::Placeholder(..) => pattern.push(b'*'),
                Part::Literal(literal) => acl_literal(literal, &mut pattern),
            }
        }
        pattern
    }

    /// The literal bytes every match ends with; empty if a placeholder comes last, or there is none.
    pub fn suffix(&self) -> &[u8] {
        self.parts.get(1..).and_then(<[Part]>::last).map_or(&[], Part::literal)
    }

    /// Takes a name apart. `None` if it does not fit, or an id in it would not be one that the layout allows. There is one
    /// way only: see [`Template::parse`].
    #[inline]
    pub fn matches<'n>(&self, name: &'n [u8]) -> Option<Bindings<'n>> {
        // Nearly all names fail here.
        if !self.head.begins(Head::of(name)) {
            return None;
        }
        let mut bindings = Bindings::default();
        self.read(name, &mut bindings).then_some(bindings)
    }

    /// Whether a name is one of the template's. What its placeholders stand for is added to `bindings`, in place: moving them
    /// takes longer. Some may have been added if it is not.
    fn read<'n>(&self, name: &'n [u8], bindings: &mut Bindings<'n>) -> bool {
        match (self.between(name), &self.reading) {
            (None, _) => false,
            (Some(rest), Some(reading)) => reading.read(rest, bindings).is_some(),
            (Some(rest), None) => rest.is_empty() && self.placeholders.is_empty(),
        }
    }

    /// What stands in a name between the literals that every match begins and ends with, whatever the layout allows there.
    pub(crate) fn between<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        text::without_suffix(text::without_prefix(name, self.prefix())?, self.suffix())
    }

    /// Why a name is none of the template's that would be one if ids could hold anything: the first placeholder, read from the
    /// left and as short as can be, that would stand for what the layout does not allow. `None` if that is not the reason.
    pub fn misfit<'n>(&self, name: &'n [u8]) -> Option<(Placeholder, &'n [u8])> {
        let (mut rest, mut misfit) = (name, None);
        for (at, part) in self.parts.iter().enumerate() {
            let (placeholder, rule) = match part {
                Part::Literal(literal) => {
                    rest = rest.strip_prefix(&**literal)?;
                    continue;
                }
                Part::Placeholder(placeholder, rule) => (*placeholder, rule),
            };
            let end = match self.parts.get(at + 1) {
                Some(Part::Literal(last)) if at + 2 == self.parts.len() => rest.strip_suffix(&**last)?.len(),
                Some(Part::Literal(literal)) => text::find(rest.get(1..)?, literal)? + 1,
                Some(Part::Placeholder(..)) | None => rest.len(),
            };
            let (value, behind) = rest.split_at(end);
            if misfit.is_none() && !value.is_empty() && !rule.allows(value) {
                misfit = Some((placeholder, value));
            }
            rest = behind;
        }
        misfit.filter(|_| rest.is_empty())
    }

    /// Appends the name to `out`.
    ///
    /// # Panics
    /// If a placeholder of the template is not bound: the layout's validation makes sure of it, so this is a defect.
    pub fn render_to(&self, bindings: &Bindings<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => out.extend_from_slice(literal),
                Part::Placeholder(p, _) => out.extend_from_slice(bindings.get(*p).expect("every placeholder is bound")),
            }
        }
    }

    /// The name as bytes of its own; see [`Template::render_to`].
    pub fn render(&self, bindings: &Bindings<'_>) -> Vec<u8> {
        let mut name = Vec::with_capacity(64);
        self.render_to(bindings, &mut name);
        name
    }

    /// The name in which every placeholder but `{userId}` stands for the same, unless `some` says for what.
    pub fn render_all(&self, user: &[u8], others: &[u8], some: &[(Placeholder, &[u8])]) -> Vec<u8> {
        let bound = self.placeholders.iter().fold(Bindings::default(), |bindings, p| bindings.with(*p, others));
        let bound = some.iter().fold(bound, |bindings, (p, value)| bindings.with(*p, value));
        self.render(&bound.with(Placeholder::USER, user))
    }

    /// What `placeholder` stands for in `name`, where all other placeholders of the template are bound already. `None` if
    /// it does not fit, or the layout does not allow that.
    pub fn solve<'n>(&self, placeholder: Placeholder, bindings: &Bindings<'_>, name: &'n [u8]) -> Option<&'n [u8]> {
        let is_it = |part: &Part| matches!(part, Part::Placeholder(p, _) if *p == placeholder);
        let at = self.parts.iter().position(is_it)?;
        let (before, behind) = (&self.parts[..at], &self.parts[at + 1..]);
        let rest = before.iter().try_fold(name, |rest, part| rest.strip_prefix(part.bytes(bindings)?))?;
        let value = behind.iter().rev().try_fold(rest, |rest, part| rest.strip_suffix(part.bytes(bindings)?))?;
        let Part::Placeholder(_, rule) = &self.parts[at] else { return None };
        rule.allows(value).then_some(value)
    }

    /// What every placeholder stands for in `name`, if those in `given` stand there for what they do in it. `None` if it does
    /// not fit, or the layout does not allow what another one would stand for.
    pub fn fill<'n>(&self, given: &Bindings<'n>, name: &'n [u8]) -> Option<Bindings<'n>> {
        let mut open = self.placeholders.iter().filter(|placeholder| given.get(**placeholder).is_none());
        match (open.next(), open.next()) {
            (None, _) => {
                let rest = self.parts.iter().try_fold(name, |rest, part| rest.strip_prefix(part.bytes(given)?))?;
                rest.is_empty().then_some(*given)
            }
            (Some(one), None) => self.solve(*one, given, name).map(|value| given.with(*one, value)),
            _ => {
                let read = self.matches(name)?;
                let agrees = |placeholder: &Placeholder| {
                    given.get(*placeholder).is_none_or(|value| read.get(*placeholder) == Some(value))
                };
                let with = |filled: Bindings<'n>, placeholder: &Placeholder| match read.get(*placeholder) {
                    Some(value) => filled.with(*placeholder, value),
                    None => filled,
                };
                self.placeholders.iter().all(agrees).then(|| self.placeholders.iter().fold(*given, with))
            }
        }
    }
}

/// Appends to a pattern for access control what matches a literal.
pub(crate) fn acl_literal(literal: &[u8], pattern: &mut Vec<u8>) {
    for byte in literal {
        match byte {
            b'*' | b'?' | b'[' | b']' | b'\\' => pattern.extend([b'\\', *byte]),
            0 | b'\t'..=b'\r' | b' ' => pattern.push(b'?'),
            _ => pattern.push(*byte),
        }
    }
}

fn push_placeholder(name: &str, names: &mut Placeholders, parts: &mut Vec<Part>) -> Result<(), TemplateError> {
    let placeholder = names.intern(name)?;
    if parts.iter().any(|part| matches!(part, Part::Placeholder(p, _) if *p == placeholder)) {
        return Err(TemplateError::Repeated(name.to_owned()));
    }
    if let Some(Part::Placeholder(left, _)) = parts.last() {
        return Err(TemplateError::Adjacent(names.name(*left).to_owned(), name.to_owned()));
    }
    parts.push(Part::Placeholder(placeholder, names.rule(placeholder).clone()));
    Ok(())
}

#[cfg(test)]
mod tests;
