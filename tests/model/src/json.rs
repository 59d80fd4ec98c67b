//! JSON text with the place of every value in it: RFC 8259 by recursive descent, and RFC 6901 pointers.

use std::ops::Range;

/// A value and where its text stands in the document.
#[derive(Clone, Debug)]
pub struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `true` or `false`.
    Word,
    /// A number: its text is its span.
    Number,
    /// Decoded; `None` where half a surrogate pair makes it no Unicode text.
    String(Option<String>),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// `None` where half a surrogate pair makes it no Unicode text.
    pub name: Option<String>,
    /// Where its name begins.
    pub start: usize,
    pub value: Node,
}

/// The document's value, or `None` when `text` is not JSON.
pub fn parse(text: &[u8]) -> Option<Node> {
    let text = str::from_utf8(text).ok()?;
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    let node = reader.value()?;
    reader.blanks();
    (reader.at == text.len()).then_some(node)
}

impl Node {
    /// The value that a JSON pointer leads to. Of several members of one name the last counts.
    pub fn pointer(&self, pointer: &str) -> Option<&Node> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |node, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.value {
                Value::Object(members) => {
                    members.iter().rfind(|member| member.name.as_ref() == Some(&token)).map(|member| &member.value)
                }
                Value::Array(items) => items.get(index(&token)?),
                _ => None,
            }
        })
    }

    /// Every value that a pointer leads to in which a step `*` is any element or member, in their order.
    pub fn each(&self, pointer: &str) -> Vec<&Node> {
        let Some((before, behind)) = split_at_star(pointer) else { return self.pointer(pointer).into_iter().collect() };
        let children: Vec<&Node> = match self.pointer(before).map(|node| &node.value) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(members)) => {
                let is_last = |at: usize| !members[at + 1..].iter().any(|later| later.name == members[at].name);
                (0..members.len()).filter(|at| is_last(*at)).map(|at| &members[at].value).collect()
            }
            _ => Vec::new(),
        };
        children.into_iter().flat_map(|child| child.each(behind)).collect()
    }

    /// The texts that a pointer leads to.
    pub fn texts(&self, pointer: &str, document: &[u8]) -> Vec<Vec<u8>> {
        self.each(pointer).into_iter().filter_map(|node| node.text(document)).collect()
    }

    /// A string's text or a number's, as bytes of `document`.
    pub fn text(&self, document: &[u8]) -> Option<Vec<u8>> {
        match &self.value {
            Value::String(text) => text.as_ref().map(|text| text.clone().into_bytes()),
            Value::Number => Some(document[self.span.clone()].to_vec()),
            _ => None,
        }
    }
}

/// What stands before and behind the first step `*`.
fn split_at_star(pointer: &str) -> Option<(&str, &str)> {
    let at = pointer.match_indices("/*").map(|(at, _)| at);
    let mut stars = at.filter(|at| pointer[at + 2..].is_empty() || pointer[at + 2..].starts_with('/'));
    stars.next().map(|at| (&pointer[..at], &pointer[at + 2..]))
}

/// An array index: digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let digits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit());
    (digits && (token == "0" || !token.starts_with('0'))).then(|| token.parse().ok())?
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b" \t\n\r".contains(&b)) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, word: &[u8]) -> Option<()> {
        let found = self.text[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    fn value(&mut self) -> Option<Node> {
        self.blanks();
        let start = self.at;
        let value = match self.peek()? {
            b'n' => self.take(b"null").map(|()| Value::Word)?,
            b't' => self.take(b"true").map(|()| Value::Word)?,
            b'f' => self.take(b"false").map(|()| Value::Word)?,
            b'"' => Value::String(self.string()?),
            b'[' => Value::Array(self.list(b'[', b']', Self::value)?),
            b'{' => Value::Object(self.list(b'{', b'}', Self::member)?),
            _ => self.number().map(|()| Value::Number)?,
        };
        Some(Node { span: start..self.at, value })
    }

    fn list<T>(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.take(&[open])?;
        let mut items = Vec::new();
        self.blanks();
        if self.take(&[close]).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            self.blanks();
            if self.take(&[close]).is_some() {
                return Some(items);
            }
            self.take(b",")?;
        }
    }

    fn member(&mut self) -> Option<Member> {
        self.blanks();
        let start = self.at;
        let name = self.string()?;
        self.blanks();
        self.take(b":")?;
        Some(Member { name, start, value: self.value()? })
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b"-");
        if self.take(b"0").is_none() {
            self.digits()?;
        }
        if self.take(b".").is_some() {
            self.digits()?;
        }
        if self.take(b"e").or_else(|| self.take(b"E")).is_some() {
            let _ = self.take(b"+").or_else(|| self.take(b"-"));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// A string; the inner `None` is one that is JSON but no Unicode text.
    #[expect(clippy::option_option, reason = "no JSON, JSON without text, and text are three things")]
    fn string(&mut self) -> Option<Option<String>> {
        self.take(b"\"")?;
        // As UTF-16, where half a surrogate pair has its place.
        let mut units: Vec<u16> = Vec::new();
        loop {
            let rest = str::from_utf8(&self.text[self.at..]).expect("never within a character");
            let c = rest.chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(String::from_utf16(&units).ok()),
                '\\' => units.push(self.escape()?),
                '\0'..'\x20' => return None,
                _ => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let letter = self.peek()?;
        self.at += 1;
        Some(u16::from(match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 4;
                return u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
            }
            _ => return None,
        }))
    }
}
