//! How a name is taken apart, so that there is one way only.
//!
//! What an id may hold says where it ends: one without `:` ends before the literal `:` that stands behind it in the
//! template, one of twenty bytes after twenty. So ids are read from the left as far as their ends are known, then from
//! the right as far as their beginnings are; one in the middle takes what is left. If more than one would be left, a
//! name could be read in several ways, and the template is refused.

use super::{
    Bindings, IdRule, Part, Placeholder,
    text::{find, find_last},
};

/// The steps in which a name is read, between the literals at its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Ids from the left, each with the literal behind it.
    left: Box<[Step]>,
    /// The id that takes what is left.
    middle: (Placeholder, IdRule),
    /// Ids from the right, the last one first, each with the literal before it.
    right: Box<[Step]>,
}

/// An id whose length can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    placeholder: Placeholder,
    edge: Edge,
    /// The literal towards the middle.
    literal: Box<[u8]>,
}

/// What tells the length of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edge {
    /// It always has so many bytes.
    Length(usize),
    /// Bytes that it does not hold, and of the literal how many stand between it and them.
    Before(Box<[u8]>, usize),
}

/// Two placeholders with a literal between them, any of which may be part of either id.
pub(super) struct Ambiguity {
    pub(super) placeholders: [Placeholder; 2],
    pub(super) literal: Box<[u8]>,
}

impl Reading {
    /// How names of a template are read; `None` if it has no placeholder.
    pub(super) fn of(parts: &[Part]) -> Result<Option<Self>, Ambiguity> {
        let ids: Vec<(usize, Placeholder, &IdRule)> = parts
            .iter()
            .enumerate()
            .filter_map(|(at, part)| match part {
                Part::Placeholder(placeholder, rule) => Some((at, *placeholder, rule)),
                Part::Literal(_) => None,
            })
            .collect();
        let Some(others) = ids.len().checked_sub(1) else { return Ok(None) };
        let literal = |at: usize| match &parts[at] {
            Part::Literal(literal) => literal.clone(),
            Part::Placeholder(..) => unreachable!("placeholders have a literal between them"),
        };
        let step = |edge: fn(&IdRule, &[u8]) -> Option<Edge>, placeholder, rule, literal: Box<[u8]>| {
            edge(rule, &literal).map(|edge| Step { placeholder, edge, literal })
        };
        let from_left = ids.iter().take(others).map_while(|(at, id, rule)| step(end, *id, rule, literal(at + 1)));
        let left: Box<[Step]> = from_left.collect();
        let from_right = ids.iter().skip(left.len() + 1).rev();
        let right: Box<[Step]> =
            from_right.map_while(|(at, id, rule)| step(begin, *id, rule, literal(at - 1))).collect();
        let (at, placeholder, rule) = ids[left.len()];
        if left.len() + right.len() < others {
            let next = ids[left.len() + 1].1;
            return Err(Ambiguity { placeholders: [placeholder, next], literal: literal(at + 1) });
        }
        Ok(Some(Self { left, middle: (placeholder, rule.clone()), right }))
    }

    /// Reads what stands between prefix and suffix of a name, and adds it to `bindings`. `None` if it does not fit; some ids
    /// may have been added then.
    pub(super) fn read<'n>(&self, mut rest: &'n [u8], bindings: &mut Bindings<'n>) -> Option<()> {
        for step in &self.left {
            let (id, behind) = step.first(rest)?;
            bindings.bind(step.placeholder, id);
            rest = behind;
        }
        for step in &self.right {
            let (before, id) = step.last(rest)?;
            bindings.bind(step.placeholder, id);
            rest = before;
        }
        let (placeholder, rule) = &self.middle;
        rule.allows(rest).then(|| bindings.bind(*placeholder, rest))
    }
}

impl Step {
    /// The id that the text begins with, and what stands behind its literal.
    fn first<'n>(&self, text: &'n [u8]) -> Option<(&'n [u8], &'n [u8])> {
        let length = match &self.edge {
            Edge::Length(length) => *length,
            Edge::Before(bytes, between) => find(text, bytes)?.checked_sub(*between)?,
        };
        let (id, rest) = text.split_at_checked(length)?;
        let rest = rest.strip_prefix(&*self.literal)?;
        (!id.is_empty()).then_some((id, rest))
    }

    /// What stands before the literal of the id that the text ends with, and the id.
    fn last<'n>(&self, text: &'n [u8]) -> Option<(&'n [u8], &'n [u8])> {
        let length = match &self.edge {
            Edge::Length(length) => *length,
            Edge::Before(bytes, between) => {
                let behind = text.len() - find_last(text, bytes)? - bytes.len();
                behind.checked_sub(*between)?
            }
        };
        let (rest, id) = text.split_at_checked(text.len().checked_sub(length)?)?;
        let rest = rest.strip_suffix(&*self.literal)?;
        (!id.is_empty()).then_some((rest, id))
    }
}

/// What tells where an id ends that stands before a literal.
fn end(rule: &IdRule, literal: &[u8]) -> Option<Edge> {
    match rule {
        IdRule::Length(length) => Some(Edge::Length(*length)),
        IdRule::Without(bytes) => {
            // They must not come about by the id's last bytes and the literal's first ones either.
            let may_begin_before = (1..bytes.len()).any(|length| literal.starts_with(&bytes[length..]));
            let between = find(literal, bytes).filter(|_| !may_begin_before)?;
            Some(Edge::Before(bytes.clone(), between))
        }
        IdRule::Unsaid | IdRule::Any => None,
    }
}

/// What tells where an id begins that stands behind a literal.
fn begin(rule: &IdRule, literal: &[u8]) -> Option<Edge> {
    match rule {
        IdRule::Length(length) => Some(Edge::Length(*length)),
        IdRule::Without(bytes) => {
            let may_end_behind = (1..bytes.len()).any(|length| literal.ends_with(&bytes[..length]));
            let last = find_last(literal, bytes).filter(|_| !may_end_behind)?;
            Some(Edge::Before(bytes.clone(), literal.len() - last - bytes.len()))
        }
        IdRule::Unsaid | IdRule::Any => None,
    }
}
