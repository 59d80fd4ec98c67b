//! The core on a host in memory, in this process. How often the module gets a slice of work between two commands is random,
//! and so is whether the server tells clients apart.

use super::commands::Args;
use super::step::CLIENTS;
use super::target::Target;
use crate::args;
use crate::support::snapshot::{Content, Entry, Keys, Snapshot};
use crate::support::{Layout, Reply, array, bulk, int, nil, status};
use fastrand::Rng;
use redis_session_core::fake::{Answer, Entry as Stored, Value, World};
use redis_session_core::layout::Layout as Parsed;
use redis_session_core::ports::Clients;
use std::time::Duration;

/// More slices than a sweep of so few users takes.
const MOST_SLICES: usize = 10_000;

pub struct InMemory {
    world: World,
    clients: Vec<u64>,
    protocol: u8,
    rng: Rng,
}

impl InMemory {
    /// An empty host with a layout. By the same seed the same comes between commands.
    pub fn start(layout: &Layout, seed: u64) -> Box<dyn Target> {
        let parsed = Parsed::parse(&layout.json).unwrap_or_else(|error| panic!("{error}"));
        let world = World::new(parsed, &["fence", "0"]);
        let mut rng = Rng::with_seed(seed);
        world.fake.knows_clients.set(rng.bool());
        let clients = (0..CLIENTS).map(|_| world.connect()).collect();
        Box::new(Self { world, clients, protocol: 2, rng })
    }

    /// What happens between commands.
    fn come_between(&mut self) {
        match self.rng.u8(0..6) {
            0 => drop(self.world.tick()),
            1 => {
                self.world.cron();
                self.world.settle();
            }
            2 => self.world.fake.pass(Duration::from_millis(self.rng.u64(0..500))),
            _ => {}
        }
    }

    /// A client that waits for the module gets its answer after some slices of work.
    fn wait_for_answer(&mut self) -> Answer {
        for _ in 0..MOST_SLICES {
            if let Some((_, answer)) = self.world.module.take_answers().pop() {
                return answer.into();
            }
            if !self.world.tick() {
                self.world.cron();
            }
        }
        panic!("a client waits without an end");
    }

    fn reply(&self, client: usize, is_script: bool, answer: Answer) -> Reply {
        let has_maps = self.protocol == 3 && client == 0 && !is_script;
        let reply = |answer| self.reply(client, is_script, answer);
        match answer {
            Answer::Nil | Answer::Waits(_) => nil(),
            Answer::Integer(integer) => int(integer),
            Answer::Bytes(bytes) => bulk(bytes),
            Answer::Status(text) => status(text),
            Answer::Error(text) => Reply::Error(text),
            Answer::Array(items) => array(items.into_iter().map(reply)),
            Answer::Map(fields) if has_maps => {
                Reply::Map(fields.into_iter().map(|(name, value)| (bulk(name), reply(value))).collect())
            }
            Answer::Map(fields) => array(fields.into_iter().flat_map(|(name, value)| [bulk(name), reply(value)])),
        }
    }
}

impl Target for InMemory {
    fn cmd(&mut self, client: usize, args: Args) -> Reply {
        let is_script = args[0] == b"EVAL";
        let answer = match self.world.command(self.clients[client], args) {
            Answer::Waits(Some(_)) => self.wait_for_answer(),
            answer => answer,
        };
        self.come_between();
        self.reply(client, is_script, answer)
    }

    fn block(&mut self, args: &Args) {
        let client = self.world.connect();
        self.world.command(client, args.clone());
        self.come_between();
    }

    /// At once, or a while after a sweep has seen what there is.
    fn expire(&mut self, key: &[u8]) {
        let lasts = self.rng.choice([1, 100_000]).expect("some");
        if self.cmd(0, args!["PEXPIRE", key, lasts.to_string()]) == int(1) {
            if lasts > 1 {
                self.cmd(0, args!["SESSION.SWEEP", "DRYRUN"]);
            }
            self.world.fake.pass(Duration::from_millis(lasts + 1));
        }
    }

    fn reload(&mut self) {
        self.world.reload();
    }

    fn speak(&mut self, protocol: u8) {
        self.protocol = protocol;
    }

    fn selected(&mut self) -> u32 {
        let clients = self.world.fake.clients();
        let first = clients.iter().find(|client| client.id == self.clients[0]).expect("it is connected");
        u32::try_from(first.database).expect("few")
    }

    fn snapshot(&mut self) -> Snapshot {
        let keys = |number| self.world.fake.snapshot(number).into_iter().map(|(name, key)| (name, entry(&key)));
        let databases = (0..self.world.fake.databases()).map(|number| keys(number).collect::<Keys>());
        let databases = (0..).zip(databases).filter(|(_, keys)| !keys.is_empty()).collect();
        Snapshot { databases }
    }

    fn told(&mut self) -> Vec<serde_json::Value> {
        let sent = self.world.fake.take_sent();
        let events = sent.iter().filter(|command| command[0] == b"PUBLISH" && command[1] == b"session:events");
        events.map(|command| serde_json::from_slice(&command[2]).expect("an event is JSON")).collect()
    }
}

fn entry(stored: &Stored) -> Entry {
    let content = match &*stored.value {
        Value::String(bytes) => Content::String(bytes.clone()),
        Value::List(elements) => Content::List(elements.clone()),
        Value::Set(members) => Content::Set(members.clone()),
        Value::Hash(fields) => Content::Hash(fields.clone()),
        Value::SortedSet(members) => Content::SortedSet(
            members.iter().map(|(member, score)| (member.clone(), score.to_string().into())).collect(),
        ),
        Value::Stream(length) => Content::Other("stream".to_owned(), length.to_string().into()),
    };
    let expires_at = stored.expires_at.map_or(-1, |end| i64::try_from(end).unwrap_or(i64::MAX));
    Entry { content, expires_at, dump: None }
}
