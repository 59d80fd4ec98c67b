//! What a pickle's machine builds: nodes of a few bytes each, that refer to each other and to the pickle's own bytes.

/// A node, by its number.
pub(super) type Id = u32;

/// `None`, and whatever else has neither a text nor anything inside.
pub(super) const NOTHING: Id = 0;
/// The function `_codecs.encode`.
pub(super) const ENCODE: Id = 1;

/// A part of a value.
#[derive(Clone, Copy)]
pub(super) enum Node {
    Opaque,
    /// Where a text begins and ends in the pickle, and how it is written.
    Text(Spelling, u32, u32),
    /// A list, tuple, dict, set or object. It has the chunk of what was put into it last, if there is any.
    Holder(Option<u32>),
}

/// How a text is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Of a string, as it is.
    String,
    /// Of bytes, as they are.
    Bytes,
    /// Of a string of Python 2, with Python's escapes.
    Quoted,
    /// Of a string, in Latin 1 with escapes `\uxxxx` and `\Uxxxxxxxx`.
    Escaped,
    /// Of a string whose characters stand for the bytes of their numbers.
    Latin1,
    /// The same of one with escapes.
    EscapedLatin1,
    /// Of an integer in decimal.
    Decimal,
    /// Of an integer that is never negative, its smallest byte first.
    Unsigned,
    /// Of an integer in two's complement, its smallest byte first.
    Signed,
}

/// What was put into a holder in one go.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub(super) what: What,
    /// Which items.
    from: u32,
    to: u32,
    /// The chunk before it in the same holder.
    previous: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Keys, each with its value behind it.
    Members,
    /// Elements of a list or tuple.
    Elements,
    /// Elements of a set, which have no order.
    Loose,
    /// One node: the state of an object.
    State,
}

/// All nodes.
pub(super) struct Heap {
    nodes: Vec<Node>,
    items: Vec<Id>,
    chunks: Vec<Chunk>,
}

impl Heap {
    pub(super) fn new() -> Self {
        let nodes = vec![Node::Opaque; 2];
        Self { nodes, items: Vec::new(), chunks: Vec::new() }
    }

    pub(super) fn node(&self, id: Id) -> Node {
        self.nodes[id as usize]
    }

    pub(super) fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        number(self.nodes.len() - 1)
    }

    /// Puts items into a holder; whether it is one.
    pub(super) fn put(&mut self, id: Id, what: What, items: impl IntoIterator<Item = Id>) -> bool {
        let Node::Holder(previous) = self.node(id) else { return false };
        let from = number(self.items.len());
        self.items.extend(items);
        let to = number(self.items.len());
        if from < to {
            self.chunks.push(Chunk { what, from, to, previous });
            self.nodes[id as usize] = Node::Holder(Some(number(self.chunks.len() - 1)));
        }
        true
    }

    /// What was put into a node, in that order.
    pub(super) fn chunks(&self, id: Id) -> impl Iterator<Item = Chunk> + use<> {
        let Node::Holder(last) = self.node(id) else { return Vec::new().into_iter().rev() };
        let chunk = |number: u32| self.chunks[number as usize];
        let chunks = std::iter::successors(last.map(chunk), |later| later.previous.map(chunk));
        chunks.collect::<Vec<_>>().into_iter().rev()
    }

    pub(super) fn items(&self, chunk: Chunk) -> &[Id] {
        &self.items[chunk.from as usize..chunk.to as usize]
    }
}

/// A number or place as it is kept.
pub(super) fn number(number: usize) -> u32 {
    u32::try_from(number).expect("a pickle of so many bytes is not run")
}
