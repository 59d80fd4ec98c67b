//! A cluster under change: masters with their replicas, many users all over it, and clients that log them out meanwhile.

use super::server::{redis_cli, wait_until};
use super::snapshot::{Entry, Keys};
use super::{Builder, Client, Reply, Server, Snapshot, int};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many rooms users are in.
const ROOMS: usize = 40;

/// How many traces [`log_in`] leaves of a user.
pub const TRACES_OF_EACH: i64 = 8;

/// The hash slot of a key, which is not in braces (CRC16, as the cluster specification has it).
pub fn slot(key: &[u8]) -> u16 {
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
    key.iter().fold(0_u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, step)) % 16384
}

/// A server that may become a node, with this many milliseconds until another one counts as failing.
pub fn node(builder: &Builder, node_timeout: u32) -> Server {
    let builder = builder.clone().config("cluster-enabled yes");
    builder.config(&format!("cluster-node-timeout {node_timeout}")).config("cluster-replica-validity-factor 0").start()
}

/// Makes one server after the other a replica of one master after the other, in a cluster that is formed.
pub fn give_replicas(masters: &[Server], replicas: &[Server]) {
    for (replica, master) in replicas.iter().zip(masters) {
        replica.join_as_replica_of(master);
    }
    let all: Vec<&Server> = masters.iter().chain(replicas).collect();
    wait_until_calm(&all);
    // Whoever logged in until the replicas had all data may have done so for them at that moment, and is left alone by logouts that come as
    // late as messages may.
    let late = Duration::from_millis(1500);
    thread::sleep(late);
}

/// Has a replica take its master's place, by `CLUSTER FAILOVER` with this word, in a cluster of these nodes.
///
/// It may ask for votes once: if it does not get them, its next attempt is four node timeouts later, whatever it is told until then. It
/// gets none for an older epoch than a voter knows, nor for slots that its master took in a newer one. So all agree before it is told.
pub fn take_over(replica: &Server, how: &str, all: &[&Server]) {
    wait_until("all agree on epochs", || all.iter().all(|node| epochs(node) == epochs(replica)));
    replica.must(&format!("CLUSTER FAILOVER {how}"));
    wait_until("it is promoted", || replica.info("replication")["role"] == "master");
}

/// The newest epoch that a node knows of, and that of each node's slots.
fn epochs(node: &Server) -> (String, BTreeMap<String, String>) {
    let info = node.must("CLUSTER INFO").as_text().to_owned();
    let current = info.lines().find(|line| line.starts_with("cluster_current_epoch:")).expect("a node knows an epoch");
    let nodes = node.must("CLUSTER NODES").as_text().to_owned();
    let fields = nodes.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    (current.to_owned(), fields.map(|line| (line[0].to_owned(), line[6].to_owned())).collect())
}

/// A node's name in the cluster.
pub fn id(node: &Server) -> String {
    node.must("CLUSTER MYID").as_text().to_owned()
}

/// Waits until calls reach everybody, from everywhere.
pub fn wait_until_calm(nodes: &[&Server]) {
    let is_up = |node: &&Server| node.must("CLUSTER INFO").as_text().contains("cluster_state:ok");
    wait_until("the cluster is up", || nodes.iter().all(is_up));
    let hears = |node: &&Server| !node.run("SESSION.INSPECT nobody").is_error();
    wait_until("all hear each other", || nodes.iter().all(hears));
}

/// Has `redis-cli --cluster` do something. What it says, if that fails.
pub fn manage(words: &[&str]) -> Result<(), String> {
    let output = Command::new(redis_cli()).arg("--cluster").args(words).output().expect("redis-cli runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// A node's address.
pub fn address(node: &Server) -> String {
    format!("127.0.0.1:{}", node.port())
}

/// A client of a node, in a database.
pub fn client_in(node: &Server, database: u32) -> Client {
    let mut client = node.client();
    if database > 0 {
        client.must(&format!("SELECT {database}"));
    }
    client
}

/// Writes commands, each to the node that serves its key.
fn write(nodes: &[Server], database: u32, commands: &[Vec<String>]) {
    let mut clients: Vec<Client> = nodes.iter().map(|node| client_in(node, database)).collect();
    let serving = serving(nodes);
    for (at, client) in clients.iter_mut().enumerate() {
        let is_its = |command: &&Vec<String>| serving[usize::from(slot(command[1].as_bytes()))] == at;
        let bytes = |command: &Vec<String>| command.iter().map(|word| word.as_bytes().to_vec()).collect();
        let replies = client.pipeline(commands.iter().filter(is_its).map(bytes));
        assert!(replies.iter().all(|reply| !reply.is_error()), "{replies:?}");
    }
}

/// Which of these nodes serves each slot.
fn serving(nodes: &[Server]) -> Vec<usize> {
    let mut serving = vec![usize::MAX; 16384];
    for (at, node) in nodes.iter().enumerate() {
        let text = node.must("CLUSTER NODES").as_text().to_owned();
        let mine = text.lines().find(|line| line.contains("myself")).expect("a node knows itself");
        for range in mine.split(' ').skip(8).filter(|range| !range.starts_with('[')) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let [first, last] = [first, last].map(|slot| slot.parse::<usize>().expect("a slot"));
            serving[first..=last].fill(at);
        }
    }
    serving
}

/// The names of `count` users.
pub fn users(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

/// The keys that hold a trace of a user of [`log_in`].
pub fn keys_of(user: &str) -> Vec<String> {
    let room = room(user);
    let names = [
        format!("user_socket:{user}"),
        format!("user_status:{user}"),
        format!("user_session:{user}"),
        format!("typing:{room}:{user}"),
        format!("cache:typing:{room}:{user}"),
        format!("socket_data:s-{user}"),
        "active_users".to_owned(),
        format!("room:{room}"),
    ];
    names.into()
}

/// Logs users in, all over the cluster; the documents of rooms hold `before` them.
pub fn log_in(nodes: &[Server], before: &[String], users: &[String]) {
    log_in_to(nodes, 0, before, users);
}

/// The same in a database.
pub fn log_in_to(nodes: &[Server], database: u32, before: &[String], users: &[String]) {
    let mut commands = Vec::new();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    for user in users {
        let room = room(user);
        let data = format!(r#"{{"userId":"{user}","userName":"Name of {user}","roomId":"{room}"}}"#);
        commands.extend([
            words(&["SET", &format!("user_socket:{user}"), &format!("s-{user}")]),
            words(&["SET", &format!("user_status:{user}"), "busy", "PXAT", "4000000000000"]),
            words(&["HSET", &format!("user_session:{user}"), "page", "/home", "started", "1"]),
            words(&["SET", &format!("typing:{room}:{user}"), "1"]),
            words(&["SET", &format!("cache:typing:{room}:{user}"), "1"]),
            words(&["SET", &format!("socket_data:s-{user}"), &data, "PXAT", "4000000000000"]),
            words(&["SADD", "active_users", user]),
        ]);
    }
    for number in 0..ROOMS {
        let name = format!("r{number}");
        let inside = before.iter().chain(users).filter(|user| room(user) == name);
        let inside: Vec<String> = inside.map(|user| format!(r#"{{"userId":"{user}","rank":1.50}}"#)).collect();
        let document = format!(r#"{{"id":"{name}","participants":[{}],"big":12345678901234567890}}"#, inside.join(","));
        commands.push(words(&["SET", &format!("room:{name}"), &document, "PXAT", "4000000000000"]));
    }
    write(nodes, database, &commands);
}

/// The room that a user is in.
fn room(user: &str) -> String {
    format!("r{}", user.bytes().fold(0, |sum, byte| (sum * 31 + usize::from(byte)) % ROOMS))
}

/// Everything that these masters hold together. (`MIGRATE` of Redis lets a key expire some milliseconds later: so this is told in seconds.)
pub fn everything(masters: &[&Server]) -> Snapshot {
    let mut all: BTreeMap<u32, Keys> = BTreeMap::new();
    for master in masters {
        for (number, keys) in master.snapshot().databases {
            let in_seconds =
                |(name, entry): (Vec<u8>, Entry)| (name, Entry { expires_at: entry.expires_at / 1000, ..entry });
            all.entry(number).or_default().extend(keys.into_iter().map(in_seconds));
        }
    }
    Snapshot { databases: all }
}

/// No call takes longer than this: the nodes' time for each of what a call asks of them, and a generous margin.
const TOO_LONG: Duration = Duration::from_secs(10);

/// Everybody is gone who was to go, all calls came back, and nothing else has changed.
///
/// # Panics
/// If not.
pub fn assert_gone(outcome: &Outcome, count: usize, masters: &[&Server], expected: &Snapshot) {
    let promised = outcome.promised.len();
    eprintln!("{promised} of {count} promised, {:?}, the longest took {:?}", outcome.errors, outcome.longest);
    assert!(outcome.longest < TOO_LONG, "{:?}", outcome.longest);
    assert_eq!(promised + outcome.refused.len(), count);
    wait_until_calm(masters);
    // What is missing comes by itself, and what a new master had not heard of.
    let asks = |node: &&Server| node.info("session")["session_cluster_pending"] != "0";
    wait_until("nobody is asked again", || !masters.iter().any(asks));
    assert_eq!(outcome.settle(masters), 0, "users of whom a number was promised and something is left");
    expected.assert_matches(&everything(masters));
}

/// What came of a storm's logouts.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Users whose logout was answered with a number.
    pub promised: Vec<String>,
    /// Users whose logout was answered with an error, or not at all because the connection broke.
    pub refused: Vec<String>,
    /// How often each kind of error came.
    pub errors: BTreeMap<String, usize>,
    /// Of how many users something was removed by a call that was answered with a number.
    pub found: usize,
    /// The longest that a call took.
    pub longest: Duration,
}

impl Outcome {
    fn note(&mut self, user: &str, reply: Option<&Reply>, took: Duration) {
        self.longest = self.longest.max(took);
        let kind = match reply {
            Some(Reply::Int(number)) => {
                self.found += usize::from(*number > 0);
                return self.promised.push(user.to_owned());
            }
            Some(Reply::Error(text)) => text.split(' ').next().unwrap_or_default().to_owned(),
            Some(other) => panic!("a logout answers a number or an error, not {other:?}"),
            None => "no connection".to_owned(),
        };
        *self.errors.entry(kind).or_default() += 1;
        self.refused.push(user.to_owned());
    }

    /// Logs out again whoever is not known to be gone, until each call is answered with a number. Then everybody is logged out once
    /// more: how many had something left after a number was promised.
    ///
    /// # Panics
    /// If somebody cannot be logged out.
    fn settle(&self, masters: &[&Server]) -> usize {
        let ports: Vec<u16> = masters.iter().map(|master| master.port()).collect();
        let mut client = masters[0].client();
        // On a busy machine an answer may come late at any time.
        let mut again = |user: &String| {
            let mut reply = Reply::Nil;
            wait_until("a call is complete", || {
                reply = client.cmd(["SESSION.LOGOUT", user]);
                !reply.is_error()
            });
            reply.as_int() > 0
        };
        for user in &self.refused {
            again(user);
        }
        let all: Vec<String> = self.promised.iter().chain(&self.refused).cloned().collect();
        let second = storm(&ports, &all, 0, || {});
        second.found + second.refused.iter().filter(|user| again(user)).count()
    }
}

/// Logs these users out by several clients at once, each on one node after the other, while `change` happens. It begins when a
/// part of them is gone, as `change_at` says in percent.
pub fn storm(ports: &[u16], users: &[String], change_at: usize, change: impl FnOnce()) -> Outcome {
    const CLIENTS: usize = 4;
    let (next, outcome, begun) = (AtomicUsize::new(0), Mutex::new(Outcome::default()), AtomicBool::new(false));
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (next, outcome, begun) = (&next, &outcome, &begun);
            scope.spawn(move || {
                let mut clients: Vec<Option<Client>> = ports.iter().map(|_| None).collect();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(user) = users.get(at) else { return };
                    if at * 100 >= users.len() * change_at {
                        begun.store(true, Ordering::Relaxed);
                    }
                    let node = (at + number) % ports.len();
                    let began = Instant::now();
                    let reply = call(&mut clients[node], ports[node], &["SESSION.LOGOUT", user]);
                    outcome.lock().expect("no client panics").note(user, reply.as_ref(), began.elapsed());
                    // Nobody calls again and again without a pause.
                    if !matches!(reply, Some(Reply::Int(_))) {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
        while !begun.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(2));
        }
        change();
    });
    outcome.into_inner().expect("no client panicked")
}

/// Sends a command on a connection that is made when it is missing. `None` if there is no node, or it goes away.
fn call(client: &mut Option<Client>, port: u16, command: &[&str]) -> Option<Reply> {
    if client.is_none() {
        *client = Client::connect(port).ok();
    }
    let connected = client.as_mut()?;
    let reply = connected.try_send(command).ok().and_then(|()| connected.try_read().ok());
    if reply.is_none() {
        *client = None;
    }
    reply
}
