//! One connection to a server: what is sent goes out in one write, replies are read to the last byte.

use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
};

use crate::Outcome;

/// A reply, as RESP2 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Integer(i64),
    Text(Vec<u8>),
    Error(String),
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of the reply, or nothing if it is another kind.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        }
    }

    /// The number that the reply is.
    pub fn try_into_number(self) -> Outcome<i64> {
        match self {
            Self::Integer(number) => Ok(number),
            other => Err(format!("{other} is no number").into()),
        }
    }

    /// The first error in the reply, at any depth.
    fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            Self::Array(items) => items.iter().find_map(Self::error),
            _ => None,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str(&self.text()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Commands packed for one write.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    pub bytes: Vec<u8>,
    pub commands: usize,
}

impl Pipeline {
    pub fn add(&mut self, command: &[&str]) -> &mut Self {
        self.add_long(command, &[] as &[&str])
    }

    /// A command of a head and a long tail.
    pub fn add_long(&mut self, head: &[&str], tail: &[impl AsRef<[u8]>]) -> &mut Self {
        let tail = tail.iter().map(AsRef::as_ref);
        self.bytes.extend_from_slice(format!("*{}\r\n", head.len() + tail.len()).as_bytes());
        for argument in head.iter().map(|word| word.as_bytes()).chain(tail) {
            self.bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            self.bytes.extend_from_slice(argument);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.commands += 1;
        self
    }

    /// A command with arguments that need not be text.
    pub fn add_bytes(&mut self, command: &[&[u8]]) -> &mut Self {
        self.add_long(&[], command)
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.commands = 0;
    }
}

/// A blocking client.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    read: usize,
}

impl Client {
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new(), read: 0 })
    }

    /// Sends one command and waits for its reply; an error reply is an error.
    pub fn call(&mut self, command: &[&str]) -> Outcome<Reply> {
        let mut replies = self.run(Pipeline::default().add(command))?;
        Ok(replies.remove(0))
    }

    /// Sends all commands in one write and waits for all replies; an error among them is an error.
    pub fn run(&mut self, pipeline: &Pipeline) -> Outcome<Vec<Reply>> {
        self.send(pipeline)?;
        self.receive(pipeline)
    }

    /// Sends all commands in one write, and waits for nothing.
    pub fn send(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        Ok(self.stream.write_all(&pipeline.bytes)?)
    }

    /// Waits for the replies to what was sent; an error among them is an error.
    pub fn receive(&mut self, pipeline: &Pipeline) -> Outcome<Vec<Reply>> {
        let replies = (0..pipeline.commands).map(|_| self.reply()).collect::<io::Result<Vec<_>>>()?;
        match replies.iter().find_map(Reply::error) {
            Some(error) => Err(format!("the server answered: {error}").into()),
            None => Ok(replies),
        }
    }

    /// Sends all commands while it reads the replies, so that neither side's buffers fill up.
    pub fn pour(&mut self, pipeline: &Pipeline) -> Outcome<()> {
        let mut writer = self.stream.try_clone()?;
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || writer.write_all(&pipeline.bytes));
            for _ in 0..pipeline.commands {
                let reply = self.reply()?;
                if let Some(error) = reply.error() {
                    return Err(format!("the server answered: {error}").into());
                }
            }
            Ok(writing.join().map_err(|_| "the writing thread failed")??)
        })
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let rest = line.get(1..).unwrap_or_default();
        let number = || rest.parse::<i64>().map_err(|_| io::Error::other(format!("not a reply: {line}")));
        Ok(match line.as_bytes().first() {
            Some(b'+') => Reply::Text(rest.as_bytes().to_vec()),
            Some(b'-') => Reply::Error(rest.to_owned()),
            Some(b':') => Reply::Integer(number()?),
            Some(b'$') => match usize::try_from(number()?) {
                Ok(length) => Reply::Text(self.bulk(length)?),
                Err(_) => Reply::Nil,
            },
            Some(b'*') => match usize::try_from(number()?) {
                Ok(length) => Reply::Array((0..length).map(|_| self.reply()).collect::<io::Result<_>>()?),
                Err(_) => Reply::Nil,
            },
            _ => return Err(io::Error::other(format!("not a reply: {line}"))),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            let unread = &self.buffer[self.read..];
            if let Some(end) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&unread[..end]).into_owned();
                self.read += end + 2;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn bulk(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < self.read + length + 2 {
            self.fill()?;
        }
        let text = self.buffer[self.read..self.read + length].to_vec();
        self.read += length + 2;
        Ok(text)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.read);
        self.read = 0;
        let old = self.buffer.len();
        self.buffer.resize(old + 65_536, 0);
        let count = self.stream.read(&mut self.buffer[old..])?;
        self.buffer.truncate(old + count);
        if count == 0 { Err(io::Error::other("the server closed the connection")) } else { Ok(()) }
    }
}
