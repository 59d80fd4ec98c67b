//! Templates, against a reader and a matcher that are slow and obvious.
//!
//! An input is a template's text in its first line, and in the second what ids may hold: the separator (none if it is empty),
//! then exceptions behind spaces, such as `userId=any`, `roomId=3` (its length) and `socketId!/` (what it does not hold).
//! Every other line is a name to take apart, and a value to put in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_core::template::{
    Bindings, IdRule, LONGEST_LENGTH, MAX_PLACEHOLDERS, Placeholder, Placeholders, Template, TemplateError,
};
use redis_session_fuzz::lines;

/// The oracle takes the square of it, for each part of the template.
const LONGEST_NAME: usize = 48;

/// Below it every part of a name is tried as a value.
const SHORT_NAME: usize = 16;

fuzz_target!(|input: &[u8]| {
    let lines = lines(input);
    let [first, second, others @ ..] = &*lines else { return };
    let (Ok(text), Ok(rules)) = (str::from_utf8(first), str::from_utf8(second)) else { return };
    let Some(rules) = Rules::read(rules) else { return };
    let mut names = rules.placeholders();
    let template = Template::parse(text, &mut names);
    let Some(parts) = read(text).filter(|parts| is_template(parts)) else {
        let error = template.expect_err("the oracle refuses it");
        assert!(
            !error.to_string().is_empty() && !matches!(error, TemplateError::Ambiguous { .. }),
            "{text:?}: {error}"
        );
        return;
    };
    let template = match template {
        Err(error @ TemplateError::Ambiguous { .. }) => {
            assert!(placeholders(&parts).count() > 1, "one placeholder takes all that is left: {text:?}: {error}");
            return;
        }
        template => template.unwrap_or_else(|error| panic!("{text:?}: {error}")),
    };
    let oracle = Oracle { template, names, parts, rules };
    oracle.check_parts();
    for name in others {
        oracle.check_name(&name[..name.len().min(LONGEST_NAME)]);
    }
    let values: Vec<&[u8]> = others.iter().map(|value| &**value).filter(|value| !value.is_empty()).collect();
    oracle.check_values(&values);
});

/// What an id may hold.
#[derive(Clone, Debug)]
enum Rule {
    Any,
    Without(Vec<u8>),
    Length(usize),
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

/// What all ids of a template may hold, and what those of some names may instead; as texts too, for the module to read.
struct Rules {
    general: Option<(String, Rule)>,
    exceptions: Vec<(String, String, Rule)>,
}

impl Rules {
    /// `None` if an escape in the line is wrong: then the module refuses it too.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let separator = words.next().filter(|word| !word.is_empty());
        let without = |text: &str| {
            let bytes = bytes(text).filter(|bytes| !bytes.is_empty());
            assert_eq!(IdRule::without(text).is_ok(), bytes.is_some(), "{text:?}");
            bytes.map(Rule::Without)
        };
        let general = separator.map(|text| without(text).map(|rule| (text.to_owned(), rule)));
        let general = if let Some(general) = general { Some(general?) } else { None };
        let exceptions = words.filter_map(|word| {
            let (name, text, rule) = match word.split_once('!') {
                Some((name, text)) => (name, text, without(text)?),
                None => match word.split_once('=')? {
                    (name, "any") => (name, "", Rule::Any),
                    (name, length) => {
                        (name, "", Rule::Length(length.parse().ok().filter(|n| (1..=LONGEST_LENGTH).contains(n))?))
                    }
                },
            };
            Some((name.to_owned(), text.to_owned(), rule))
        });
        Some(Self { general, exceptions: exceptions.collect() })
    }

    /// The same as the module has it.
    fn placeholders(&self) -> Placeholders {
        let rule = |text: &str, rule: &Rule| match rule {
            Rule::Any => IdRule::Any,
            Rule::Without(_) => IdRule::without(text).expect("the oracle read it"),
            Rule::Length(length) => IdRule::Length(*length),
        };
        let general = self.general.as_ref().map_or(IdRule::Unsaid, |(text, of)| rule(text, of));
        let exceptions = self.exceptions.iter().map(|(name, text, of)| (name.clone(), rule(text, of)));
        Placeholders::new(general, exceptions.collect())
    }

    /// Whether the id of that name may be this.
    fn allow(&self, name: &str, id: &[u8]) -> bool {
        let exception = self.exceptions.iter().find(|(other, ..)| other == name).map(|(_, _, rule)| rule);
        let general = self.general.as_ref().map(|(_, rule)| rule);
        exception.or(general).unwrap_or(&Rule::Any).allows(id)
    }
}

#[derive(Debug, PartialEq)]
enum Part {
    Literal(Vec<u8>),
    Placeholder(String),
}

/// The byte that the text begins with as an escape, and what follows.
fn escape(text: &str) -> Option<(u8, &str)> {
    let rest = text.strip_prefix('\\')?;
    if let Some(rest) = rest.strip_prefix('\\') {
        return Some((b'\\', rest));
    }
    let rest = rest.strip_prefix('x')?;
    let digits = rest.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, &rest[2..]))
}

/// The bytes of a text with escapes alone.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(byte) = rest.bytes().next() {
        if byte == b'\\' {
            let (byte, tail) = escape(rest)?;
            bytes.push(byte);
            rest = tail;
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            bytes.extend_from_slice(&rest.as_bytes()[..length]);
            rest = &rest[length..];
        }
    }
    Some(bytes)
}

/// What stands between the brace that the text begins with and the next one, if it is a name; and what follows.
fn name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
    let letter = |c: char| c.is_ascii_alphabetic();
    let others = |c: char| letter(c) || c.is_ascii_digit() || c == '_';
    (name.chars().next().is_some_and(letter) && name.chars().all(others)).then_some((name, rest))
}

/// The parts of a text, if its braces and escapes are right.
fn read(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (bytes, tail) = if rest.starts_with("{{") || rest.starts_with("}}") {
            (vec![rest.as_bytes()[0]], &rest[2..])
        } else if first == '{' {
            let (name, tail) = name(rest)?;
            parts.push(Part::Placeholder(name.to_owned()));
            rest = tail;
            continue;
        } else if first == '}' {
            return None;
        } else if first == '\\' {
            let (byte, tail) = escape(rest)?;
            (vec![byte], tail)
        } else {
            (first.to_string().into_bytes(), &rest[first.len_utf8()..])
        };
        rest = tail;
        match parts.last_mut() {
            Some(Part::Literal(before)) => before.extend(bytes),
            _ => parts.push(Part::Literal(bytes)),
        }
    }
    Some(parts)
}

/// Whether the parts could be those of a template: something between two placeholders, each once, and not too many.
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
    rules: Rules,
}

impl Oracle {
    /// The template has these parts and says so.
    fn check_parts(&self) {
        let Self { template, names, parts, .. } = self;
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
        assert_eq!(template.render_all(b"<user>", b"<>", &[]), all);
        let respelled: String = parts.iter().map(spell).collect();
        let again = Template::parse(&respelled, &mut names.clone());
        assert_eq!(again.as_ref(), Ok(template), "{respelled:?}");
    }

    /// Taking a name apart, whether the template made it or not.
    fn check_name(&self, name: &[u8]) {
        let Self { template, .. } = self;
        let found = template.matches(name);
        let values = found.as_ref().map(|bindings| self.values(bindings));
        assert_eq!(values, self.take_apart(name), "{:?}", name.escape_ascii().to_string());
        let Some(bindings) = found else { return };
        assert_eq!(template.render(&bindings), name, "what a match bound gives the name");
        for placeholder in template.placeholders() {
            assert_eq!(template.solve(*placeholder, &bindings, name), bindings.get(*placeholder));
        }
    }

    /// Putting values in: the name is taken apart again if they are allowed, and each is found if the others are known.
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
        if numbered.clone().all(|(placeholder, number)| self.allows(*placeholder, at(number))) {
            assert_eq!(template.matches(&name), Some(bindings), "a name that the template made is one of its names");
        }
        for (placeholder, number) in numbered {
            let value = Some(at(number)).filter(|value| self.allows(*placeholder, value));
            assert_eq!(template.solve(*placeholder, &bindings, &name), value);
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

    fn allows(&self, placeholder: Placeholder, id: &[u8]) -> bool {
        let name = self.names.name(placeholder);
        let allows = self.rules.allow(name, id);
        assert_eq!(self.names.rule(placeholder).allows(id), allows, "{name}: {:?}", id.escape_ascii().to_string());
        allows
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
            self.allows(placeholder, value) && self.render(|number| values[number]) == name
        };
        spans.into_iter().find(is_it)
    }

    /// The one way to take the name apart, of all splits; there must not be two.
    fn take_apart<'n>(&self, name: &'n [u8]) -> Option<Vec<&'n [u8]>> {
        let Self { parts, .. } = self;
        // ways[p][at]: in how many ways the parts from p on can make what the name has from `at` on.
        let mut ways = vec![vec![0_usize; name.len() + 1]; parts.len() + 1];
        ways[parts.len()][name.len()] = 1;
        for p in (0..parts.len()).rev() {
            for at in 0..=name.len() {
                ways[p][at] = self.ends(p, name, at).fold(0, |sum, end| sum.saturating_add(ways[p + 1][end]));
            }
        }
        assert!(ways[0][0] < 2, "{:?} can be read in {} ways", name.escape_ascii().to_string(), ways[0][0]);
        let (mut at, mut values) = (0, Vec::new());
        for (p, part) in parts.iter().enumerate() {
            let end = self.ends(p, name, at).find(|end| ways[p + 1][*end] > 0)?;
            if let Part::Placeholder(_) = part {
                values.push(&name[at..end]);
            }
            at = end;
        }
        (at == name.len()).then_some(values)
    }

    /// Where a part of the template can end that begins there in the name.
    fn ends<'a>(&'a self, part: usize, name: &'a [u8], at: usize) -> Box<dyn Iterator<Item = usize> + 'a> {
        match &self.parts[part] {
            Part::Literal(literal) if name[at..].starts_with(literal) => Box::new([at + literal.len()].into_iter()),
            Part::Literal(_) => Box::new([].into_iter()),
            Part::Placeholder(id) => {
                Box::new((at + 1..=name.len()).filter(move |end| self.rules.allow(id, &name[at..*end])))
            }
        }
    }
}

/// A part as a template's text.
fn spell(part: &Part) -> String {
    match part {
        Part::Placeholder(name) => format!("{{{name}}}"),
        Part::Literal(literal) => literal.iter().map(|byte| spell_byte(*byte)).collect::<Vec<_>>().concat(),
    }
}

fn spell_byte(byte: u8) -> String {
    match byte {
        b'{' | b'}' | b'\\' => [char::from(byte); 2].iter().collect(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    }
}
