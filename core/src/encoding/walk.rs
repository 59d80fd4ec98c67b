//! Following pointers through a value that is read, whatever its format.
//!
//! As a rule all pointers are followed at once, so that each part is looked at once for each level. A value that refers to its
//! own parts may lead to the same one over and over: what is looked at is counted, and compared with what a value of its size
//! without references can come to.

use std::{borrow::Cow, collections::HashMap};

use super::{bounds::DEEPEST, unreadable::Why};
use crate::json::{self, AT_ONCE, Pointer, Step};

/// A value that was read: it is sound, and its parts are at hand.
pub(super) trait Tree<'d> {
    /// A part of the value.
    type Part: Copy;

    /// The whole value.
    fn root(&self) -> Self::Part;

    /// How many bytes the value has.
    fn size(&self) -> usize;

    /// The text that a part is, if it is one.
    fn text(&self, part: Self::Part) -> Option<Cow<'d, [u8]>>;

    /// Calls `each` for what is in a container, in the order in which it stands; for nothing if it is none. Returns what
    /// that took: at most the number of bytes that the container has, where no reference is followed.
    fn children(&self, part: Self::Part, each: &mut dyn FnMut(Place<'d>, Self::Part)) -> Result<usize, Why>;
}

/// Where a part stands in its container.
#[derive(Debug)]
pub(super) enum Place<'d> {
    /// An element of an array, by its index from 0.
    Element(usize),
    /// A member.
    Member(Name<'d>),
    /// A member with a key that no step can name. Only `*` leads there.
    Nameless,
}

/// The key of a member. Keys of different kinds are different, even if the same step leads to both.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Name<'d> {
    String(Cow<'d, [u8]>),
    Bytes(Cow<'d, [u8]>),
    Integer(Cow<'d, [u8]>),
    Symbol(&'d [u8]),
    /// A property of an object of PHP, with the class before its last NUL if it is private.
    Property(Cow<'d, [u8]>),
}

impl<'d> Name<'d> {
    /// The text that it is as a value.
    pub(super) fn into_text(self) -> Cow<'d, [u8]> {
        match self {
            Self::String(text) | Self::Bytes(text) | Self::Integer(text) | Self::Property(text) => text,
            Self::Symbol(text) => Cow::Borrowed(text),
        }
    }

    fn is(&self, step: &str) -> bool {
        let name = match self {
            Self::String(name) | Self::Bytes(name) | Self::Integer(name) => name,
            Self::Symbol(name) => *name,
            Self::Property(name) => memchr::memrchr(0, name).map_or(&**name, |nul| &name[nul + 1..]),
        };
        name == step.as_bytes()
    }
}

/// Calls `found(n, text)` for every text that pointer `n` leads to.
///
/// # Errors
/// [`Why::TooManyReferences`].
pub(super) fn walk<'d, T: Tree<'d>>(
    tree: &T,
    pointers: &[Option<&Pointer>],
    found: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), Why> {
    if let [one] = pointers {
        return walk_at_once(tree, [*one], found);
    }
    for (first, pointers) in (0..).step_by(AT_ONCE).zip(pointers.chunks(AT_ONCE)) {
        let mut all = [None; AT_ONCE];
        all[..pointers.len()].copy_from_slice(pointers);
        walk_at_once(tree, all, &mut |n, text| found(first + n, text))?;
    }
    Ok(())
}

fn walk_at_once<'d, T: Tree<'d>, const N: usize>(
    tree: &T,
    pointers: [Option<&Pointer>; N],
    found: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), Why> {
    let steps = pointers.map(|pointer| pointer.map(Pointer::steps));
    // No value is nested deeper, but for one that is inside itself.
    let steps = steps.map(|steps| steps.filter(|steps| steps.len() <= DEEPEST));
    let longest = steps.iter().flatten().map(|steps| steps.len()).max().unwrap_or_default();
    // Each level is looked at once, and each text is told once for each pointer.
    let sound = tree.size().saturating_mul(longest + steps.iter().flatten().count());
    Walk { tree, found, left: sound.saturating_mul(MOST_REPEATED).saturating_add(SLACK) }.follow(tree.root(), steps)
}

/// How many times its own size a value may seem to have by its references.
const MOST_REPEATED: usize = 4;

/// What a small value may take on top.
const SLACK: usize = 4096;

/// What is still to be followed of each pointer, from one part on.
type Steps<'s, const N: usize> = [Option<&'s [Step]>; N];

struct Walk<'w, T> {
    tree: &'w T,
    found: &'w mut dyn FnMut(usize, &[u8]),
    /// How much may still be looked at, in bytes.
    left: usize,
}

impl<'d, T: Tree<'d>> Walk<'_, T> {
    fn follow<const N: usize>(&mut self, part: T::Part, steps: Steps<'_, N>) -> Result<(), Why> {
        for (n, _) in steps.iter().enumerate().filter(|(_, steps)| **steps == Some(&[])) {
            let Some(text) = self.tree.text(part) else { break };
            self.spend(text.len() + 1)?;
            (self.found)(n, &text);
        }
        let ahead = steps.map(Option::unwrap_or_default);
        if ahead == [&[][..]; N] {
            return Ok(());
        }
        let mut chosen = Chosen::new(ahead);
        let cost = self.tree.children(part, &mut |place, child| chosen.look_at(place, child))?;
        self.spend(cost)?;
        chosen.for_each(|part, steps| self.follow(part, steps))
    }

    fn spend(&mut self, cost: usize) -> Result<(), Why> {
        self.left = self.left.checked_sub(cost).ok_or(Why::TooManyReferences)?;
        Ok(())
    }
}

/// The children of one part that pointers lead to. They are known when all were seen, for the last one of a name counts.
struct Chosen<'s, 'd, P, const N: usize> {
    /// What is to be followed of each pointer; of some nothing.
    ahead: [&'s [Step]; N],
    /// The index that a name stands for in an array.
    indexes: [Option<usize>; N],
    /// For a step that names: the child and its number.
    named: [Option<(usize, P)>; N],
    /// For steps `*`: each child, but for those whose name comes again.
    all: Vec<Option<P>>,
    names: HashMap<Name<'d>, usize>,
    seen: usize,
}

impl<'s, 'd, P: Copy, const N: usize> Chosen<'s, 'd, P, N> {
    fn new(ahead: [&'s [Step]; N]) -> Self {
        let index = |steps: &[Step]| steps.first().and_then(Step::name).and_then(json::array_index);
        let (all, names) = Default::default();
        Self { ahead, indexes: ahead.map(index), named: [None; N], all, names, seen: 0 }
    }

    fn has_any(&self) -> bool {
        self.ahead.iter().any(|steps| steps.first() == Some(&Step::Any))
    }

    fn look_at(&mut self, place: Place<'d>, child: P) {
        for n in 0..N {
            let is_meant = match (&place, self.ahead[n].first().and_then(Step::name)) {
                (Place::Element(at), Some(_)) => self.indexes[n] == Some(*at),
                (Place::Member(name), Some(step)) => name.is(step),
                _ => false,
            };
            if is_meant {
                self.named[n] = Some((self.seen, child));
            }
        }
        if self.has_any() {
            let earlier = if let Place::Member(name) = place { self.names.insert(name, self.seen) } else { None };
            if let Some(earlier) = earlier {
                self.all[earlier] = None;
            }
            self.all.push(Some(child));
        }
        self.seen += 1;
    }

    /// The children in the order in which they stand, with what is to be followed from there.
    fn for_each(&self, mut follow: impl FnMut(P, Steps<'s, N>) -> Result<(), Why>) -> Result<(), Why> {
        let mut numbers: Vec<usize> = self.named.iter().flatten().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if self.has_any() {
            return (0..self.seen).try_for_each(|number| self.follow_one(number, &mut follow));
        }
        numbers.into_iter().try_for_each(|number| self.follow_one(number, &mut follow))
    }

    fn follow_one(
        &self,
        number: usize,
        follow: &mut impl FnMut(P, Steps<'s, N>) -> Result<(), Why>,
    ) -> Result<(), Why> {
        let any = self.all.get(number).copied().flatten();
        let mut child = None;
        let mut rest = [None; N];
        for ((rest, ahead), named) in rest.iter_mut().zip(self.ahead).zip(self.named) {
            let Some((step, behind)) = ahead.split_first() else { continue };
            let named = named.filter(|(at, _)| *at == number).map(|(_, child)| child);
            let meant = if *step == Step::Any { any } else { named };
            *rest = meant.map(|_| behind);
            child = child.or(meant);
        }
        child.map_or(Ok(()), |child| follow(child, rest))
    }
}
