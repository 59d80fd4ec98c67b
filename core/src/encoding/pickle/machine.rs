//! The machine that a pickle is a program for. It builds nodes; it imports nothing and calls nothing.

use super::{
    super::{bytes::Reader, unreadable::Why},
    heap::{ENCODE, Heap, Id, NOTHING, Node, Spelling, What, number},
};

/// Runs a pickle: what it has built, and which node it is.
///
/// # Errors
/// Bytes that no pickler writes.
pub(super) fn run(bytes: &[u8]) -> Result<(Heap, Id), Why> {
    u32::try_from(bytes.len()).map_err(|_| Why::TooLarge)?;
    let (heap, reader) = (Heap::new(), Reader::new(bytes, 0));
    let mut machine = Machine { reader, heap, stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    loop {
        match machine.reader.byte()? {
            b'.' => return machine.pop().map(|root| (machine.heap, root)),
            code => machine.step(code)?,
        }
    }
}

struct Machine<'d> {
    reader: Reader<'d>,
    heap: Heap,
    stack: Vec<Id>,
    /// How many nodes were on the stack at each mark.
    marks: Vec<u32>,
    /// Nodes by their numbers in the memo.
    memo: Vec<Option<Id>>,
}

/// What stands there, but not where it can.
const OUT_OF_PLACE: Why = Why::Malformed("a step finds nothing that it could work on");

impl Machine<'_> {
    /// One opcode. Which it is, is told by groups: marks and stack, memo, plain values, texts, containers, objects.
    fn step(&mut self, code: u8) -> Result<(), Why> {
        match code {
            b'(' => self.marks.push(number(self.stack.len())),
            b'0' if self.is_at_mark() => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.step_memo(code)?,
            b'N' | 0x88 | 0x89 | 0x97 => self.stack.push(NOTHING),
            b'G' => self.nothing(8)?,
            // What a program has numbered by itself.
            0x82 => self.nothing(1)?,
            0x83 => self.nothing(2)?,
            0x84 => self.nothing(4)?,
            b'F' | b'P' => {
                self.reader.until(b'\n')?;
                self.stack.push(NOTHING);
            }
            b'Q' => {
                self.pop()?;
                self.stack.push(NOTHING);
            }
            // The buffer on top may not be written to.
            0x98 => drop(self.top()?),
            b'I' | b'L' | b'S' | b'V' => self.step_line(code)?,
            b']' | b'}' | b')' | 0x8f | b'a' | b'e' | b's' | b'u' | 0x90 | b'l' | b't' | b'd' | 0x91 | 0x85..=0x87 => {
                self.step_container(code)?;
            }
            b'c' | 0x93 | b'R' | b'b' | b'i' | b'o' | 0x81 | 0x92 => self.step_object(code)?,
            _ => self.step_binary(code)?,
        }
        Ok(())
    }

    fn step_memo(&mut self, code: u8) -> Result<(), Why> {
        let at = match code {
            b'p' | b'g' => self.line_number()?,
            b'q' | b'h' => self.length(1)?,
            b'r' | b'j' => self.length(4)?,
            _ => self.memo.len(),
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let known = self.memo.get(at).copied().flatten();
            self.stack.push(known.ok_or(Why::Malformed("it refers to a part that is not there"))?);
            return Ok(());
        }
        // Picklers count from 0, so that a number beyond all bytes would only take memory.
        if at >= self.reader.at() {
            return Err(Why::Malformed("a number in the memo is too large"));
        }
        if at >= self.memo.len() {
            self.memo.resize(at + 1, None);
        }
        self.memo[at] = Some(self.top()?);
        Ok(())
    }

    /// A value in text, up to the end of its line.
    fn step_line(&mut self, code: u8) -> Result<(), Why> {
        let line = self.reader.until(b'\n')?;
        let end = self.reader.at() - 1;
        let begin = end - line.len();
        let digits = line.strip_suffix(b"L").filter(|_| code == b'L').unwrap_or(line);
        match (code, line) {
            (b'I', b"00" | b"01") => self.stack.push(NOTHING),
            (b'I' | b'L', _) => {
                let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
                if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
                    return Err(Why::Malformed("a number is none"));
                }
                self.text(Spelling::Decimal, begin, begin + digits.len());
            }
            (b'S', [first @ (b'\'' | b'"'), .., last]) if first == last => self.text(Spelling::Quoted, begin, end),
            (b'S', _) => return Err(Why::Malformed("a string has no quotes")),
            _ => self.text(Spelling::Escaped, begin, end),
        }
        Ok(())
    }

    /// A value of so many bytes, or behind a length.
    fn step_binary(&mut self, code: u8) -> Result<(), Why> {
        let (spelling, length) = match code {
            b'K' => (Spelling::Unsigned, 1),
            b'M' => (Spelling::Unsigned, 2),
            b'J' => (Spelling::Signed, 4),
            0x8a => (Spelling::Signed, self.length(1)?),
            0x8b => (Spelling::Signed, self.length(4)?),
            // The first of each is a string of Python 2.
            b'U' | 0x8c => (Spelling::String, self.length(1)?),
            b'T' | b'X' => (Spelling::String, self.length(4)?),
            0x8d => (Spelling::String, self.length(8)?),
            b'C' => (Spelling::Bytes, self.length(1)?),
            b'B' => (Spelling::Bytes, self.length(4)?),
            0x8e | 0x96 => (Spelling::Bytes, self.length(8)?),
            _ => return Err(Why::Malformed("a step is none of Python's")),
        };
        let begin = self.reader.at();
        self.reader.take(length)?;
        self.text(spelling, begin, begin + length);
        Ok(())
    }

    fn step_container(&mut self, code: u8) -> Result<(), Why> {
        match code {
            b']' | b'}' | b')' | 0x8f => self.hold(What::Elements, Vec::new()),
            b'l' | b't' => {
                let items = self.pop_to_mark()?;
                self.hold(What::Elements, items);
            }
            0x91 => {
                let items = self.pop_to_mark()?;
                self.hold(What::Loose, items);
            }
            b'd' => {
                let items = pairs(self.pop_to_mark()?)?;
                self.hold(What::Members, items);
            }
            0x85..=0x87 => {
                let items = self.pop_some(usize::from(code - 0x84))?;
                self.hold(What::Elements, items);
            }
            b'a' => {
                let items = self.pop_some(1)?;
                self.put(What::Elements, items)?;
            }
            b's' => {
                let items = self.pop_some(2)?;
                self.put(What::Members, items)?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.put(What::Elements, items)?;
            }
            b'u' => {
                let items = pairs(self.pop_to_mark()?)?;
                self.put(What::Members, items)?;
            }
            _ => {
                let items = self.pop_to_mark()?;
                self.put(What::Loose, items)?;
            }
        }
        Ok(())
    }

    fn step_object(&mut self, code: u8) -> Result<(), Why> {
        match code {
            b'c' => {
                let is_encode = (self.reader.until(b'\n')?, self.reader.until(b'\n')?) == (b"_codecs", b"encode");
                self.stack.push(if is_encode { ENCODE } else { NOTHING });
            }
            0x93 => {
                self.pop_some(2)?;
                self.stack.push(NOTHING);
            }
            b'R' => {
                let called = self.pop_some(2)?;
                let text = if called[0] == ENCODE { self.encoded(called[1]) } else { None };
                let made = self.heap.add(text.unwrap_or(Node::Holder(None)));
                self.stack.push(made);
            }
            b'b' => {
                let state = self.pop()?;
                // What is no holder has no state to look at, but may be given one: a text by a subclass of `str`.
                self.heap.put(self.top()?, What::State, [state]);
            }
            b'i' => {
                self.reader.until(b'\n')?;
                self.reader.until(b'\n')?;
                self.pop_to_mark()?;
                self.hold(What::Elements, Vec::new());
            }
            b'o' => {
                self.pop_to_mark()?;
                self.hold(What::Elements, Vec::new());
            }
            _ => {
                self.pop_some(if code == 0x81 { 2 } else { 3 })?;
                self.hold(What::Elements, Vec::new());
            }
        }
        Ok(())
    }

    /// The bytes that `_codecs.encode` makes of a string in Latin 1: so protocols 0 to 2 write bytes.
    fn encoded(&self, arguments: Id) -> Option<Node> {
        let chunk = self.heap.chunks(arguments).next()?;
        let [text, codec] = *self.heap.items(chunk) else { return None };
        let Node::Text(_, begin, end) = self.heap.node(codec) else { return None };
        if self.reader.part(begin as usize, end as usize) != b"latin1" {
            return None;
        }
        match self.heap.node(text) {
            Node::Text(Spelling::String, begin, end) => Some(Node::Text(Spelling::Latin1, begin, end)),
            Node::Text(Spelling::Escaped, begin, end) => Some(Node::Text(Spelling::EscapedLatin1, begin, end)),
            _ => None,
        }
    }

    // --- the stack ---------------------------------------------------------------------------------------------------------

    fn is_at_mark(&self) -> bool {
        self.marks.last().is_some_and(|mark| *mark as usize == self.stack.len())
    }

    fn top(&self) -> Result<Id, Why> {
        self.stack.last().copied().filter(|_| !self.is_at_mark()).ok_or(OUT_OF_PLACE)
    }

    fn pop(&mut self) -> Result<Id, Why> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// So many nodes, the lowest first. None of them is below a mark.
    fn pop_some(&mut self, count: usize) -> Result<Vec<Id>, Why> {
        let bottom = self.marks.last().map_or(0, |mark| *mark as usize);
        let from = self.stack.len().checked_sub(count).filter(|from| *from >= bottom).ok_or(OUT_OF_PLACE)?;
        Ok(self.stack.split_off(from))
    }

    /// All nodes above the last mark, and the mark.
    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Why> {
        let mark = self.marks.pop().ok_or(OUT_OF_PLACE)?;
        Ok(self.stack.split_off(mark as usize))
    }

    fn hold(&mut self, what: What, items: Vec<Id>) {
        let holder = self.heap.add(Node::Holder(None));
        self.heap.put(holder, what, items);
        self.stack.push(holder);
    }

    /// Puts items into the holder on top.
    fn put(&mut self, what: What, items: Vec<Id>) -> Result<(), Why> {
        let is_holder = self.heap.put(self.top()?, what, items);
        if is_holder { Ok(()) } else { Err(OUT_OF_PLACE) }
    }

    fn text(&mut self, spelling: Spelling, begin: usize, end: usize) {
        let text = self.heap.add(Node::Text(spelling, number(begin), number(end)));
        self.stack.push(text);
    }

    fn nothing(&mut self, length: usize) -> Result<(), Why> {
        self.skip(length)?;
        self.stack.push(NOTHING);
        Ok(())
    }

    fn skip(&mut self, length: usize) -> Result<(), Why> {
        self.reader.take(length).map(|_| ())
    }

    /// A number of so many bytes, the smallest first.
    fn length(&mut self, bytes: usize) -> Result<usize, Why> {
        let bytes = self.reader.take(bytes)?;
        let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|_| Why::ENDS)
    }

    fn line_number(&mut self) -> Result<usize, Why> {
        let line = std::str::from_utf8(self.reader.until(b'\n')?).ok();
        line.and_then(|line| line.parse().ok()).ok_or(Why::Malformed("a number is none"))
    }
}

fn pairs(items: Vec<Id>) -> Result<Vec<Id>, Why> {
    if items.len().is_multiple_of(2) { Ok(items) } else { Err(Why::Malformed("a key has no value")) }
}
