//! A server for the soak, and whether it has come to rest: nothing held, nothing known, nothing wrong.

use super::commands::Args;
use super::crowd::{PASSWORD, Who};
use super::moves::{Abilities, RUN_ALL};
use crate::args;
use crate::support::snapshot::SCRIPT;
use crate::support::{Client, Content, Layout, Server, Snapshot, wait_until};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

/// How many databases there are; random commands go to the first three.
pub const DATABASES: u32 = 4;

/// Streams that the module writes when it is told to. They are no traces.
pub const STREAMS: [&str; 2] = ["soak:events", "soak:io"];

/// A server at rest may hold this much more than when it had just started: the sizes of hash tables and buffers that
/// only grow, cached scripts, statistics of commands. A leak of ten bytes for each command is far above.
const SLACK: i64 = 1 << 20;

/// The same for what the module says that its index takes.
const INDEX_SLACK: i64 = 64 << 10;

/// Places that the index may still hold of keys that went one by one. It learns of them when somebody asks for the user,
/// or by a walk that takes minutes; users who are in no world's list, as careless writers make them, are never asked for.
const NOT_YET_MET: Holding = Holding { memory: 0, entries: 1_000, index: 512 << 10 };

/// How long a server may take to come to rest.
const REST: Duration = Duration::from_secs(20);

/// A server, and what the soak asks it by.
pub struct Host {
    pub server: Server,
    pub layout: Layout,
    pub abilities: Abilities,
    /// All that is called in a transaction sees one time, as from 7.2 on.
    pub has_one_time: bool,
    /// May do anything, in RESP2, and never has a transaction open.
    pub control: Client,
    /// As it was before the first command.
    pub start: Holding,
    /// As it was when it last came to rest.
    pub latest: Holding,
    /// What of the log has been read.
    log_read: u64,
}

/// What a server and its module hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// All memory, in bytes.
    pub memory: i64,
    /// What the module's index holds.
    pub entries: i64,
    /// How many bytes that takes.
    pub index: i64,
}

impl Host {
    /// Starts a server with a layout.
    pub fn start(layout: &str) -> Self {
        let builder = Server::builder().layout(layout).option("fence", "0").config(&format!("databases {DATABASES}"));
        let server = builder.start();
        server.must(&format!("CONFIG SET requirepass \"{PASSWORD}\""));
        // What each login leaves in memory is not the module's.
        server.must("CONFIG SET slowlog-max-len 0 acllog-max-len 0");
        let mut control = server.client();
        control.cmd(["AUTH", PASSWORD]);
        for user in Who::USERS {
            control.must(user);
        }
        let library = format!(
            "#!lua name=soak\n{RUN_ALL}\nredis.register_function('run_all', function(keys, args) run_all(args) end)"
        );
        assert!(!control.cmd(["FUNCTION", "LOAD", &library]).is_error(), "the function is loaded");
        let abilities = Abilities::of(&server);
        let has_one_time = server.has_command("WAITAOF");
        let layout = Layout::parse(layout);
        let mut host = Self {
            server,
            layout,
            abilities,
            has_one_time,
            control,
            start: Holding::default(),
            latest: Holding::default(),
            log_read: 0,
        };
        // What is said while a module is loaded is of no interest here.
        host.new_log();
        host.start = host.holding();
        host.latest = host.start;
        host
    }

    /// A new connection that may do anything.
    pub fn client(&self) -> Client {
        let mut client = self.server.client();
        client.cmd(["AUTH", PASSWORD]);
        client
    }

    /// Everything in all databases but what the module tells others.
    pub fn snapshot(&mut self) -> Snapshot {
        without_streams(Snapshot::take(&mut self.control))
    }

    /// The same at one instant, where the module may be cleaning up by itself.
    pub fn snapshot_at_once(&mut self) -> Snapshot {
        let script = format!("{SCRIPT} return snapshot({DATABASES})");
        without_streams(Snapshot::of_script(&self.control.cmd(["EVAL", &script, "0"])))
    }

    /// Whether something of it may end before it is looked at once more.
    pub fn ends_soon(&self, snapshot: &Snapshot) -> bool {
        let soon = 0..=self.server.now() + 1000;
        snapshot.databases.values().flat_map(|keys| keys.values()).any(|entry| soon.contains(&entry.expires_at))
    }

    fn info(&mut self, section: &str, name: &str) -> i64 {
        let reply = self.control.must(&format!("INFO {section}"));
        let value = reply.as_text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("INFO {section} has no number {name}"))
    }

    /// What is held now.
    pub fn holding(&mut self) -> Holding {
        Holding {
            memory: self.info("memory", "used_memory"),
            entries: self.info("session", "session_index_entries"),
            index: self.info("session", "session_index_bytes"),
        }
    }

    /// Waits until no sweep of the module's own runs.
    pub fn wait_for_sweeps(&mut self) {
        wait_until("sweeps end", || self.info("session", "session_sweeps_running") == 0);
    }

    /// Removes all keys, in one of two ways, and waits until nothing is held any more. Only `control` is connected.
    ///
    /// # Errors
    /// What is left that should not be.
    pub fn come_to_rest(&mut self, key_by_key: bool) -> Result<(), String> {
        if key_by_key {
            self.unlink_all();
        } else {
            self.control.must("FLUSHALL SYNC");
        }
        self.control.must("SCRIPT FLUSH SYNC");
        self.control.must("CONFIG RESETSTAT");
        let end = Instant::now() + REST;
        loop {
            self.latest = self.holding();
            if self.is_at_rest(key_by_key) {
                return self.unharmed();
            }
            if Instant::now() > end {
                let way = if key_by_key { "all keys were removed" } else { "FLUSHALL" };
                let info = ["INFO session", "INFO memory", "CLIENT LIST"].map(|line| self.control.must(line));
                let info = info.map(|reply| reply.as_text().to_owned()).join("\n");
                let info = format!("{info}\n{:?}", self.control.must("MEMORY STATS"));
                return Err(format!(
                    "{way}, and the server does not come to rest: it started with {:?} and holds {:?} (allowed are {SLACK} \
                     bytes of memory more, {INDEX_SLACK} of the index)\n{info}",
                    self.start, self.latest
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_at_rest(&self, key_by_key: bool) -> bool {
        let late = if key_by_key { NOT_YET_MET } else { Holding::default() };
        self.latest.entries <= late.entries
            && self.latest.index <= self.start.index + INDEX_SLACK + late.index
            && self.latest.memory <= self.start.memory + SLACK
    }

    fn unlink_all(&mut self) {
        for database in 0..DATABASES {
            self.control.must(&format!("SELECT {database}"));
            let keys = self.control.must("KEYS *").byte_items();
            self.control.pipeline(keys.into_iter().map(|key| -> Args { args!["UNLINK", key] }));
        }
        self.control.must("SELECT 0");
        // Keys that have expired are not among those.
        self.control.must("DEBUG SET-ACTIVE-EXPIRE 1");
        let control = &mut self.control;
        wait_until("expired keys go", || {
            let is_empty = control.must("INFO keyspace").as_text().trim_end().lines().count() <= 1;
            is_empty || {
                control.must("FLUSHALL SYNC");
                false
            }
        });
    }

    /// Fails if the module says that something went wrong in it, by a counter or in the log.
    ///
    /// # Errors
    /// What it says.
    pub fn unharmed(&mut self) -> Result<(), String> {
        let defects = self.info("session", "session_defects");
        if defects != 0 {
            return Err(format!("session_defects is {defects}"));
        }
        let log = self.new_log();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains(" # ") && line.contains("<session>")).collect();
        if warnings.is_empty() { Ok(()) } else { Err(format!("the module warns:\n{}", warnings.join("\n"))) }
    }

    /// What the server has logged since the last time.
    fn new_log(&mut self) -> String {
        let mut file = File::open(self.server.dir().join("server.log")).expect("the server keeps a log");
        file.seek(SeekFrom::Start(self.log_read)).expect("a file has places");
        let mut bytes = Vec::new();
        self.log_read += file.read_to_end(&mut bytes).expect("the log can be read") as u64;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A snapshot without what the module tells others.
pub fn without_streams(mut snapshot: Snapshot) -> Snapshot {
    for keys in snapshot.databases.values_mut() {
        for stream in STREAMS {
            keys.remove(stream.as_bytes());
        }
    }
    snapshot.databases.retain(|_, keys| !keys.is_empty());
    snapshot
}

/// Whether there is a hash of which all fields have expired: it may go at any moment, whoever looks.
pub fn has_empty_hash(snapshot: &Snapshot) -> bool {
    let is_empty = |content: &Content| matches!(content, Content::Hash(fields) if fields.is_empty());
    snapshot.databases.values().flat_map(|keys| keys.values()).any(|entry| is_empty(&entry.content))
}
