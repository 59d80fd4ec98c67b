//! Python's pickle, protocols 0 to 5.
//!
//! A pickle is a program for a machine with a stack. The crate that runs it copies what is referred to over and over, so that
//! a few bytes can take all memory, and gives up at objects of most classes. Here `machine` runs it and fills a `heap`.
//! Nothing is imported or called. An object keeps what is put into it: items and state can be walked, of whatever class it
//! is. Of what functions return only one thing is known: what `_codecs.encode` makes of a string, for so protocols 0 to 2
//! write bytes.
//!
//! A pickle takes at most some dozen bytes of memory for each of its own. It is run without recursion, at any depth.

mod heap;
mod machine;
mod text;

use std::borrow::Cow;

use heap::{Heap, Id, Node, Spelling, What};

use super::{
    unreadable::Why,
    walk::{Name, Place, Tree},
};

/// What a pickle has built.
pub(super) struct Pickle<'d> {
    bytes: &'d [u8],
    heap: Heap,
    root: Id,
}

impl<'d> Pickle<'d> {
    /// Runs a pickle up to its end. What follows is left alone, as Python leaves it.
    pub(super) fn read(bytes: &'d [u8]) -> Result<Self, Why> {
        let (heap, root) = machine::run(bytes)?;
        Ok(Self { bytes, heap, root })
    }

    /// A part as a key, which is also the text that it is.
    fn name(&self, part: Id) -> Option<Name<'d>> {
        let Node::Text(spelling, begin, end) = self.heap.node(part) else { return None };
        let text = text::text(spelling, self.bytes.get(begin as usize..end as usize)?)?;
        Some(match spelling {
            Spelling::String | Spelling::Quoted | Spelling::Escaped => Name::String(text),
            Spelling::Bytes | Spelling::Latin1 | Spelling::EscapedLatin1 => Name::Bytes(text),
            Spelling::Decimal | Spelling::Unsigned | Spelling::Signed => Name::Integer(text),
        })
    }

    fn place(&self, key: Id) -> Place<'d> {
        self.name(key).map_or(Place::Nameless, Place::Member)
    }

    /// The dicts that an object's state is: one, or with attributes that the class names, a tuple of two.
    fn dicts(&self, state: Id) -> Vec<Id> {
        let chunk = self.heap.chunks(state).next().filter(|chunk| chunk.what == What::Elements);
        match chunk.map(|chunk| self.heap.items(chunk)) {
            Some(two @ [_, _]) => two.to_vec(),
            _ => vec![state],
        }
    }

    /// Visits the members of a holder. Returns how much was looked at.
    fn members(&self, holder: Id, each: &mut dyn FnMut(Place<'d>, Id)) -> usize {
        let chunks = self.heap.chunks(holder).filter(|chunk| chunk.what == What::Members);
        let looked_at = chunks.map(|chunk| {
            let items = self.heap.items(chunk);
            items.chunks_exact(2).for_each(|pair| each(self.place(pair[0]), pair[1]));
            items.len() + 1
        });
        looked_at.sum()
    }
}

impl<'d> Tree<'d> for Pickle<'d> {
    type Part = Id;

    fn root(&self) -> Id {
        self.root
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn text(&self, part: Id) -> Option<Cow<'d, [u8]>> {
        self.name(part).map(Name::into_text)
    }

    fn children(&self, part: Id, each: &mut dyn FnMut(Place<'d>, Id)) -> Result<usize, Why> {
        let (mut cost, mut index) = (1, 0);
        let mut state = None;
        for chunk in self.heap.chunks(part) {
            let items = self.heap.items(chunk);
            cost += items.len() + 1;
            match chunk.what {
                What::Members => items.chunks_exact(2).for_each(|pair| each(self.place(pair[0]), pair[1])),
                What::Elements => items.iter().for_each(|item| {
                    each(Place::Element(index), *item);
                    index += 1;
                }),
                What::Loose => items.iter().for_each(|item| each(Place::Nameless, *item)),
                // It is given once; if not, it is the last one that counts.
                What::State => state = items.first(),
            }
        }
        let dicts = state.map_or_else(Vec::new, |state| self.dicts(*state));
        Ok(cost + dicts.into_iter().map(|dict| self.members(dict, each)).sum::<usize>())
    }
}
