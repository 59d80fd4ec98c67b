//! Templates of key and member names: literal bytes and `{name}` placeholders.
//!
//! Pure, and over bytes throughout: ids come from users and need not be UTF-8. A template is parsed once, when the
//! layout loads; [`Template::matches`] and [`Template::render`] are inverse to each other: rendering what a match bound
//! gives the name that was matched.

use std::fmt;

/// The most different placeholders in one layout; the bound makes [`Bindings`] a small plain array.
pub const MAX_PLACEHOLDERS: usize = 8;

/// A placeholder of a layout, known by its number. The same name is the same number in every template of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Placeholder(u8);

impl Placeholder {
    /// `{userId}`: whose trace it is.
    pub const USER: Self = Self(0);
    /// `{socketId}`: one connection of a user.
    pub const SOCKET: Self = Self(1);
    /// `{roomId}`: where the user was; reported by replies and events.
    pub const ROOM: Self = Self(2);

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The placeholder names of one layout.
#[derive(Clone, Debug)]
pub struct Placeholders(Vec<String>);

impl Default for Placeholders {
    fn default() -> Self {
        Self(["userId", "socketId", "roomId"].map(String::from).to_vec())
    }
}

impl Placeholders {
    /// The placeholder of that name, numbered now if the layout did not use it before.
    fn intern(&mut self, name: &str) -> Result<Placeholder, TemplateError> {
        let found = self.0.iter().position(|known| known == name);
        if found.is_none() && self.0.len() == MAX_PLACEHOLDERS {
            return Err(TemplateError::TooManyPlaceholders(name.to_owned()));
        }
        let index = found.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        Ok(Placeholder(u8::try_from(index).expect("fewer placeholders than MAX_PLACEHOLDERS")))
    }

    /// The name as the layout writes it, without braces.
    pub fn name(&self, placeholder: Placeholder) -> &str {
        &self.0[placeholder.index()]
    }
}

/// What each placeholder stands for in one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bindings<'a>([Option<&'a [u8]>; MAX_PLACEHOLDERS]);

impl<'a> Bindings<'a> {
    /// Bindings with `{userId}` alone.
    pub fn user(id: &'a [u8]) -> Self {
        Self::default().with(Placeholder::USER, id)
    }

    /// The same bindings and one more (or another value for one).
    #[must_use]
    pub fn with(mut self, placeholder: Placeholder, value: &'a [u8]) -> Self {
        self.0[placeholder.index()] = Some(value);
        self
    }

    /// What the placeholder stands for, if it is bound.
    pub fn get(&self, placeholder: Placeholder) -> Option<&'a [u8]> {
        self.0[placeholder.index()]
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    Placeholder(Placeholder),
}

/// A parsed template. Literals and placeholders alternate, no literal is empty, and no placeholder stands twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
    /// The placeholders in the order in which they stand.
    placeholders: Box<[Placeholder]>,
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
    /// Nothing separates these two, so a name could not be taken apart.
    Adjacent(String, String),
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

impl Template {
    /// Reads a template; its placeholders are numbered in `names`.
    ///
    /// # Errors
    /// [`TemplateError`], saying what to fix.
    pub fn parse(text: &str, names: &mut Placeholders) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Literal(literal) => parts.push(Part::Literal(literal.into())),
                Piece::Name(name) => push_placeholder(name, names, &mut parts)?,
            }
        }
        if parts.is_empty() {
            return Err(TemplateError::Empty);
        }
        let placeholders = parts.iter().filter_map(|part| match part {
            Part::Placeholder(p) => Some(*p),
            Part::Literal(_) => None,
        });
        Ok(Self { placeholders: placeholders.collect(), parts: parts.into() })
    }

    /// The placeholders, in the order in which they stand.
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// Whether the placeholder stands in the template.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        self.placeholders.contains(&placeholder)
    }

    /// The literal bytes every match begins with; empty if a placeholder comes first.
    pub fn prefix(&self) -> &[u8] {
        match self.parts.first() {
            Some(Part::Literal(literal)) => literal,
            _ => &[],
        }
    }

    /// Takes a name apart. From left to right a placeholder takes at least one byte and as few as it can; one at the end
    /// takes the rest. `None` if the name does not fit.
    ///
    /// Needs no backtracking: where a literal is found first leaves the most room for what follows, and the last literal
    /// is looked for at the end of the name alone.
    pub fn matches<'n>(&self, name: &'n [u8]) -> Option<Bindings<'n>> {
        // Most names fail here.
        let mut rest = name.strip_prefix(self.prefix())?;
        let mut bindings = Bindings::default();
        let literals_done = usize::from(!self.prefix().is_empty());
        for (at, part) in self.parts.iter().enumerate().skip(literals_done) {
            let value_length = match (part, self.parts.get(at + 1)) {
                (Part::Literal(literal), _) => {
                    rest = rest.strip_prefix(&**literal)?;
                    continue;
                }
                (Part::Placeholder(_), None) => rest.len(),
                (Part::Placeholder(_), Some(Part::Literal(last))) if at + 2 == self.parts.len() => {
                    rest.strip_suffix(&**last)?.len()
                }
                (Part::Placeholder(_), Some(Part::Literal(literal))) => find_after_first(rest, literal)?,
                (Part::Placeholder(_), Some(Part::Placeholder(_))) => return None,
            };
            if value_length == 0 {
                return None;
            }
            if let Part::Placeholder(placeholder) = part {
                bindings = bindings.with(*placeholder, &rest[..value_length]);
            }
            rest = &rest[value_length..];
        }
        rest.is_empty().then_some(bindings)
    }

    /// Appends the name to `out`.
    ///
    /// # Panics
    /// If a placeholder of the template is not bound: the layout's validation makes sure of it, so this is a defect.
    pub fn render_to(&self, bindings: &Bindings<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => out.extend_from_slice(literal),
                Part::Placeholder(p) => out.extend_from_slice(bindings.get(*p).expect("every placeholder is bound")),
            }
        }
    }

    /// The name as bytes of its own; see [`Template::render_to`].
    pub fn render(&self, bindings: &Bindings<'_>) -> Vec<u8> {
        let mut name = Vec::with_capacity(64);
        self.render_to(bindings, &mut name);
        name
    }

    /// The name in which every placeholder but `{userId}` stands for the same.
    pub fn render_all(&self, user: &[u8], others: &[u8]) -> Vec<u8> {
        let bound = self.placeholders.iter().fold(Bindings::default(), |bindings, p| bindings.with(*p, others));
        self.render(&bound.with(Placeholder::USER, user))
    }

    /// What `placeholder` stands for in `name`, where all other placeholders of the template are bound already.
    pub fn solve<'n>(&self, placeholder: Placeholder, bindings: &Bindings<'_>, name: &'n [u8]) -> Option<&'n [u8]> {
        let at = self.parts.iter().position(|part| *part == Part::Placeholder(placeholder))?;
        let side = |parts: &[Part]| {
            let mut bytes = Vec::new();
            for part in parts {
                match part {
                    Part::Literal(literal) => bytes.extend_from_slice(literal),
                    Part::Placeholder(p) => bytes.extend_from_slice(bindings.get(*p)?),
                }
            }
            Some(bytes)
        };
        let value = name.strip_prefix(&*side(&self.parts[..at])?)?.strip_suffix(&*side(&self.parts[at + 1..])?)?;
        (!value.is_empty()).then_some(value)
    }
}

/// A piece of a text with placeholders: literal bytes, never none, or what stands between braces.
pub(crate) enum Piece<'t> {
    Literal(Vec<u8>),
    Name(&'t str),
}

/// Takes a text apart; `{{` and `}}` are literal braces. What a name means is the caller's business.
///
/// # Errors
/// [`TemplateError`], for braces and names that are wrong whatever the names mean.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
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
            _ => {
                let end = rest.find(['{', '}']).unwrap_or(rest.len());
                literal.extend_from_slice(&rest.as_bytes()[..end]);
                &rest[end..]
            }
        };
    }
    flush(&mut literal, &mut pieces);
    Ok(pieces)
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

fn push_placeholder(name: &str, names: &mut Placeholders, parts: &mut Vec<Part>) -> Result<(), TemplateError> {
    let placeholder = names.intern(name)?;
    if parts.contains(&Part::Placeholder(placeholder)) {
        return Err(TemplateError::Repeated(name.to_owned()));
    }
    if let Some(Part::Placeholder(left)) = parts.last() {
        return Err(TemplateError::Adjacent(names.name(*left).to_owned(), name.to_owned()));
    }
    parts.push(Part::Placeholder(placeholder));
    Ok(())
}

/// Where `literal` stands first with at least one byte before it.
fn find_after_first(bytes: &[u8], literal: &[u8]) -> Option<usize> {
    let tail = bytes.get(1..)?;
    tail.windows(literal.len()).position(|window| window == literal).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text, &mut Placeholders::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn bound<'n>(template: &Template, name: &'n [u8]) -> Option<Vec<&'n [u8]>> {
        let bindings = template.matches(name)?;
        Some(template.placeholders().iter().map(|p| bindings.get(*p).unwrap()).collect())
    }

    #[test]
    fn a_match_goes_left_to_right_with_the_shortest_values() {
        let table: &[(&str, &str, Option<&[&str]>)] = &[
            ("user:{userId}", "user:7", Some(&["7"])),
            ("user:{userId}", "user:", None),
            ("user:{userId}", "users:7", None),
            ("typing:{roomId}:{userId}", "typing:a:b:c", Some(&["a", "b:c"])),
            ("typing:{roomId}:{userId}", "typing::b:c", Some(&[":b", "c"])),
            ("typing:{roomId}:{userId}", "typing:a:", None),
            ("typing:{roomId}:{userId}", "typing:ab", None),
            ("{userId}:x", "1:x:x", Some(&["1:x"])),
            ("{userId}:x", ":x", None),
            ("{userId}:x", "1:y", None),
            ("{a}-{b}-end", "1-2-3-end", Some(&["1", "2-3"])),
            ("{a}-{b}-end", "1-end", None),
            ("u:{{{userId}}}:s", "u:{7}:s", Some(&["7"])),
            ("active", "active", Some(&[])),
            ("active", "active2", None),
            ("{userId}", "anything:at all", Some(&["anything:at all"])),
        ];
        for (text, name, expected) in table {
            let expected = expected.map(|values| values.iter().map(|v| v.as_bytes()).collect::<Vec<_>>());
            assert_eq!(bound(&template(text), name.as_bytes()), expected, "{text} against {name}");
        }
    }

    /// The rule of the contract, tried in every possible way: the first split, in order of length, that fits.
    fn oracle<'n>(parts: &[Part], name: &'n [u8]) -> Option<Vec<&'n [u8]>> {
        let Some((first, parts)) = parts.split_first() else { return name.is_empty().then(Vec::new) };
        match first {
            Part::Literal(literal) => oracle(parts, name.strip_prefix(&**literal)?),
            Part::Placeholder(_) => (1..=name.len()).find_map(|length| {
                let mut values = oracle(parts, &name[length..])?;
                values.insert(0, &name[..length]);
                Some(values)
            }),
        }
    }

    #[test]
    fn matching_agrees_with_trying_every_split_and_rendering_gives_the_name_back() {
        let texts = ["{a}", "x{a}", "{a}x", "x{a}y{b}", "{a}xy{b}x", "x{a}x{b}xx", "{a}x{b}y{c}", "xy", "{a}xx{b}"];
        for text in texts {
            let template = template(text);
            for number in 0..3_usize.pow(7) {
                let digits = (0..7).map(|i| number / 3_usize.pow(i) % 3);
                let name: Vec<u8> = digits.take_while(|d| *d < 3).map(|d| b"xyz"[d]).collect();
                let name = &name[..=number % 7];
                assert_eq!(bound(&template, name), oracle(&template.parts, name), "{text} against {name:?}");
                if let Some(bindings) = template.matches(name) {
                    assert_eq!(template.render(&bindings), name, "{text}");
                }
            }
        }
    }

    #[test]
    fn solving_finds_the_one_value_that_renders_the_name() {
        let mut names = Placeholders::default();
        let member = Template::parse("{roomId}/{userId}!", &mut names).unwrap();
        let room = Bindings::default().with(Placeholder::ROOM, b"r");
        assert_eq!(member.solve(Placeholder::USER, &room, b"r/u/1!"), Some(&b"u/1"[..]));
        assert_eq!(member.solve(Placeholder::USER, &room, b"r/!"), None);
        assert_eq!(member.solve(Placeholder::USER, &room, b"q/u!"), None);
        assert_eq!(member.solve(Placeholder::USER, &Bindings::default(), b"r/u!"), None);
    }

    #[test]
    fn a_text_that_is_no_template_is_refused_with_what_to_fix() {
        let table = [
            ("", "must not be empty"),
            ("a{userId", "'{' without '}'"),
            ("a}b", "'}' without '{'"),
            ("a{}", "'{}' is not a name"),
            ("a{user id}", "'{user id}' is not a name"),
            ("{roomId}{userId}", "'{roomId}' and '{userId}' must be separated"),
            ("{userId}:{userId}", "'{userId}' may stand only once"),
            ("{a}.{b}.{c}.{d}.{e}.{f}", "'{f}' is one too many"),
        ];
        for (text, expected) in table {
            let error = Template::parse(text, &mut Placeholders::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
