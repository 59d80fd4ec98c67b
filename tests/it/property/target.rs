//! What the steps of a case run on: a real server with the module, or the core on a host in memory.

use super::commands::Args;
use super::step::CLIENTS;
use crate::args;
use crate::support::snapshot::Snapshot;
use crate::support::{Client, Layout, Reply, Server, int, wait_until};

/// Something that takes commands of [`CLIENTS`] clients, the module's among them.
pub trait Target {
    /// Sends a command and returns the answer.
    fn cmd(&mut self, client: usize, args: Args) -> Reply;

    /// Sends commands all at once.
    fn pipeline(&mut self, client: usize, commands: Vec<Args>) -> Vec<Reply> {
        commands.into_iter().map(|args| self.cmd(client, args)).collect()
    }

    /// Sends a command that may block, by a client of its own.
    fn block(&mut self, args: &Args);

    /// Lets a key expire, if it is there.
    fn expire(&mut self, key: &[u8]);

    /// Loads all data anew.
    fn reload(&mut self);

    /// The first client speaks RESP2 or RESP3 from now on.
    fn speak(&mut self, protocol: u8);

    /// The database that the first client works in.
    fn selected(&mut self) -> u32;

    /// Everything that there is.
    fn snapshot(&mut self) -> Snapshot;

    /// The events since the last time.
    fn told(&mut self) -> Vec<serde_json::Value>;
}

/// A fresh server.
pub struct RealServer {
    server: Server,
    clients: Vec<Client>,
    observer: Client,
    /// Hears events.
    listener: Client,
    blocked: Vec<Client>,
}

impl RealServer {
    /// Starts it, with a layout.
    pub fn start(layout: &Layout, _: u64) -> Box<dyn Target> {
        let server = Server::builder().layout(layout.json.clone()).option("fence", "0").start();
        // Expired keys stay in memory until somebody looks at them.
        server.must("DEBUG SET-ACTIVE-EXPIRE 0");
        let clients = (0..CLIENTS).map(|_| server.client()).collect();
        let (observer, mut listener) = (server.client(), server.client());
        listener.must("SUBSCRIBE session:events");
        Box::new(Self { server, clients, observer, listener, blocked: Vec::new() })
    }
}

impl Target for RealServer {
    fn cmd(&mut self, client: usize, args: Args) -> Reply {
        self.clients[client].cmd(args)
    }

    fn pipeline(&mut self, client: usize, commands: Vec<Args>) -> Vec<Reply> {
        self.clients[client].pipeline(commands)
    }

    /// Waits until the server has it.
    fn block(&mut self, args: &Args) {
        let mut client = self.server.client();
        let id = client.id();
        let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
        client.send(args);
        wait_until("the server has taken the blocking command", || {
            let line = self.observer.must(&format!("CLIENT LIST ID {id}"));
            line.as_text().contains(&format!("cmd={name}"))
        });
        self.blocked.push(client);
    }

    fn expire(&mut self, key: &[u8]) {
        if self.cmd(0, args!["PEXPIRE", key, "1"]) == int(1) {
            self.server.wait_for_time(self.server.now() + 1);
        }
    }

    fn reload(&mut self) {
        self.observer.must("DEBUG RELOAD");
    }

    fn speak(&mut self, protocol: u8) {
        self.clients[0].must(&format!("HELLO {protocol}"));
    }

    fn selected(&mut self) -> u32 {
        let id = self.clients[0].id();
        let line = self.observer.must(&format!("CLIENT LIST ID {id}"));
        let field = line.as_text().split(' ').find_map(|field| field.strip_prefix("db=")).expect("CLIENT LIST has db");
        field.parse().expect("a number")
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot::take(&mut self.observer)
    }

    fn told(&mut self) -> Vec<serde_json::Value> {
        self.observer.cmd(args!["PUBLISH", "session:events", "null"]);
        let mut message = || self.listener.read().items()[2].as_bytes().to_vec();
        let event = || serde_json::from_slice::<serde_json::Value>(&message()).expect("an event is JSON");
        std::iter::repeat_with(event).take_while(|event| !event.is_null()).collect()
    }
}
