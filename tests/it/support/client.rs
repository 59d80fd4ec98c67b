//! One connection to a server. Nothing is retried, nothing is hidden: a broken connection fails the test.

use super::snapshot::Connection;
use super::{Reply, bytes};
use redis::{Parser, pack_command};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A server that does not answer for so long has hung; no test waits for this in passing.
const SILENCE: Duration = Duration::from_secs(60);

/// A connection that sends commands and reads replies, byte for byte.
pub struct Client {
    stream: TcpStream,
    parser: Parser,
}

impl Connection for Client {
    fn must(&mut self, line: &str) -> Reply {
        Self::must(self, line)
    }

    fn pipeline(&mut self, commands: Vec<Vec<Vec<u8>>>) -> Vec<Reply> {
        Self::pipeline(self, commands)
    }
}

impl Client {
    /// Connects to a server on loopback, speaking RESP2.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(port: u16) -> std::io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, SILENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        Ok(Self { stream, parser: Parser::new() })
    }

    /// Changes the connection to RESP3.
    pub fn resp3(mut self) -> Self {
        self.must("HELLO 3");
        self
    }

    /// Sends the command line `line` (quoting as in redis-cli) and returns the reply.
    pub fn run(&mut self, line: &str) -> Reply {
        self.cmd(bytes::split(line))
    }

    /// Like [`run`](Self::run), for a command that must not answer with an error.
    pub fn must(&mut self, line: &str) -> Reply {
        let reply = self.run(line);
        assert!(!reply.is_error(), "{line}\nanswered {reply:?}");
        reply
    }

    /// Runs command lines, one on each line of `script`; empty ones are skipped and none may answer with an error.
    pub fn script(&mut self, script: &str) {
        let lines: Vec<_> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let replies = self.pipeline(lines.iter().map(|line| bytes::split(line)));
        for (line, reply) in lines.iter().zip(replies) {
            assert!(!reply.is_error(), "{line}\nanswered {reply:?}");
        }
    }

    /// Sends one command and returns its reply.
    pub fn cmd<T: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = T>) -> Reply {
        self.send(args);
        self.read()
    }

    /// Sends one command without waiting for the reply.
    pub fn send<T: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = T>) {
        self.try_send(args).expect("the server takes a command");
    }

    /// Sends one command, or says why that is impossible.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn try_send<T: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = T>) -> std::io::Result<()> {
        let args: Vec<Vec<u8>> = args.into_iter().map(|arg| arg.as_ref().to_vec()).collect();
        self.stream.write_all(&pack_command(&args))
    }

    /// Sends commands in one write without waiting for replies, or says why that is impossible. The server takes all of
    /// them in even when it does not run them yet.
    ///
    /// # Errors
    /// When the connection is closed.
    pub fn try_send_all(&mut self, commands: &[Vec<Vec<u8>>]) -> std::io::Result<()> {
        let packed: Vec<u8> = commands.iter().flat_map(|args| pack_command(args)).collect();
        self.stream.write_all(&packed)
    }

    /// Whether the server has said something, or has closed the connection, since all earlier replies were read.
    pub fn has_reply(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket can be asked without waiting");
        let found = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket can be waited for");
        !found.is_err_and(|problem| problem.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Reads the next reply (or RESP3 push).
    pub fn read(&mut self) -> Reply {
        self.try_read().unwrap_or_else(|problem| panic!("no reply from the server: {problem}"))
    }

    /// Reads the next reply, or says why there is none.
    ///
    /// # Errors
    /// When the server closed the connection or has not answered for long.
    pub fn try_read(&mut self) -> redis::RedisResult<Reply> {
        self.parser.parse_value(&mut self.stream).map(Reply::from)
    }

    /// Sends all commands, then reads as many replies. Commands go out in portions, so that neither side blocks.
    pub fn pipeline(&mut self, commands: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Vec<Reply> {
        let commands: Vec<_> = commands.into_iter().collect();
        let mut replies = Vec::with_capacity(commands.len());
        for portion in commands.chunks(500) {
            let packed: Vec<u8> = portion.iter().flat_map(|args| pack_command(args)).collect();
            self.stream.write_all(&packed).expect("the server takes commands");
            replies.extend(portion.iter().map(|_| self.read()));
        }
        replies
    }

    /// The connection's id, as in CLIENT LIST.
    pub fn id(&mut self) -> i64 {
        self.run("CLIENT ID").as_int()
    }
}
