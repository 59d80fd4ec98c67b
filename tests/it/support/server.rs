//! A redis-server of the test's own: its directory, its port, its end.
//!
//! `REDIS_SESSION_SERVER` names the server's executable (else `redis-server` on the PATH; a wrapper must `exec` it) and
//! `REDIS_SESSION_MODULE` the module (else the one that Cargo built beside the test).

use super::{Client, Layout, Reply, Snapshot, bytes::quote};
use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, process, thread};

/// How long anything that a test waits for may take before the test fails. Far above what it takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many lines of the server's log a failing test shows.
const LOG_LINES: usize = 60;

/// Waits until `done`, asking again and again. `what` is what the test waits for, in words.
///
/// # Panics
/// When that has not come to pass after a minute.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a server is started with.
#[derive(Clone, Default)]
pub struct Builder {
    without_module: bool,
    module_args: Vec<String>,
    layout: Option<String>,
    config: Vec<String>,
}

impl Builder {
    /// Starts the server without the module (a replica or reader that does not have it, or a later MODULE LOAD).
    pub fn without_module(mut self) -> Self {
        self.without_module = true;
        self
    }

    /// Starts the server with the module, as it is by default.
    pub fn with_module(mut self) -> Self {
        self.without_module = false;
        self
    }

    /// Adds a module argument: an option's name and value.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.module_args.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Adds bare module arguments, whether they make sense or not.
    pub fn module_args(mut self, args: &[&str]) -> Self {
        self.module_args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Loads the layout `json` from a file `layout.json` in the server's directory.
    pub fn layout(mut self, json: impl Into<String>) -> Self {
        self.layout = Some(json.into());
        self
    }

    /// Adds a line of redis.conf.
    pub fn config(mut self, line: &str) -> Self {
        self.config.push(line.to_owned());
        self
    }

    /// Keeps an append-only file. It is written before each reply: only a flush to the disk would hold that up.
    pub fn append_only(self) -> Self {
        self.config("appendonly yes").config("appendfsync no").config("auto-aof-rewrite-percentage 0")
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// With the server's log when it does not start.
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|log| panic!("the server did not start; its log:\n{log}"))
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// The server's log when it ends instead.
    pub fn try_start(self) -> Result<Server, String> {
        let dir = new_directory();
        let started = launch(&self, &dir);
        if started.is_err() {
            let _ = fs::remove_dir_all(&dir);
        }
        let (child, port, bus_port) = started?;
        Ok(Server { builder: self, dir, child, port, bus_port, client: RefCell::default() })
    }

    /// Starts `nodes` servers as one cluster with the slots in equal parts, and waits until each says that all is well.
    pub fn start_cluster(self, nodes: u16) -> Vec<Server> {
        Self::join(self.start_for_cluster(nodes, 60_000))
    }

    /// Starts a cluster of `number` masters as [`start_cluster`](Self::start_cluster) does, and a replica for each: the masters, and
    /// their replicas in the same order. Waits until every node tells clients which is which.
    pub fn start_cluster_with_replicas(self, number: u16) -> (Vec<Server>, Vec<Server>) {
        // Until all is set up, nodes talk to each other more often. They name a replica to clients when it has got something.
        let builder = self.config("repl-ping-replica-period 1").config("cluster-replica-no-failover yes");
        let replicas = builder.clone().start_for_cluster(number, 2_000);
        let masters = Self::join(builder.start_for_cluster(number, 2_000));
        for (replica, master) in replicas.iter().zip(&masters) {
            replica.join_as_replica_of(master);
        }
        for node in masters.iter().chain(&replicas) {
            node.wait_for_cluster(2 * number);
            // First and last slot, the master, its replica.
            let tells = || node.must("CLUSTER SLOTS").items().iter().all(|range| range.items().len() == 4);
            wait_until("clients are told of the replicas", tells);
        }
        for node in masters.iter().chain(&replicas) {
            node.must("CONFIG SET cluster-node-timeout 60000");
        }
        (masters, replicas)
    }

    fn start_for_cluster(self, nodes: u16, timeout: u16) -> Vec<Server> {
        let builder = self.config("cluster-enabled yes").config(&format!("cluster-node-timeout {timeout}"));
        (0..nodes).map(|_| builder.clone().start()).collect()
    }

    /// Makes one cluster of servers that were started for it, as [`start_cluster`](Self::start_cluster) does.
    pub fn join(servers: Vec<Server>) -> Vec<Server> {
        let nodes = u16::try_from(servers.len()).expect("there are few");
        for (server, i) in servers.iter().zip(0u32..) {
            let [first, end] = [i, i + 1].map(|n| 16384 * n / u32::from(nodes));
            server.must(&format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1));
            // Masters with the same epoch raise theirs one by one when they hear of each other, and no vote holds meanwhile.
            server.must(&format!("CLUSTER SET-CONFIG-EPOCH {}", i + 1));
        }
        let knows_all = |server: &Server| {
            let known = server.must("CLUSTER NODES").as_text().to_owned();
            known.lines().count() == servers.len() && !known.contains("handshake")
        };
        wait_until("all have met", || {
            let has_met = |server: &&Server| server.port == servers[0].port || server.meets(&servers[0]);
            servers.iter().filter(has_met).filter(|server| knows_all(server)).count() == servers.len()
        });
        for server in &servers {
            server.wait_for_cluster(nodes);
        }
        servers
    }

    fn redis_conf(&self, dir: &Path, port: u16, bus_port: u16) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {port}"),
            format!("cluster-port {bus_port}"),
            format!("dir {}", quote(dir.as_os_str().as_encoded_bytes())),
            "logfile server.log".to_owned(),
            "save \"\"".to_owned(),
            "enable-debug-command yes".to_owned(),
            "enable-module-command yes".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        lines.extend(self.config.iter().cloned());
        if !self.without_module {
            let args: Vec<_> = self.load_args(dir).iter().map(quote).collect();
            lines.push(format!("loadmodule {}", args.join(" ")));
        }
        lines.join("\n") + "\n"
    }

    /// The module's path and arguments, as for `loadmodule` and MODULE LOAD.
    fn load_args(&self, dir: &Path) -> Vec<String> {
        let mut args = vec![module_path().to_str().expect("the module's path is UTF-8").to_owned()];
        if let Some(json) = &self.layout {
            let file = dir.join("layout.json");
            fs::write(&file, json).expect("the layout file can be written");
            args.extend(["layout".to_owned(), file.to_str().expect("UTF-8").to_owned()]);
        }
        args.extend(self.module_args.iter().cloned());
        args
    }
}

/// How a server ends.
#[derive(Clone, Copy)]
pub enum Stop {
    /// SHUTDOWN NOSAVE: only what the append-only file holds comes back.
    NoSave,
    /// SHUTDOWN SAVE: an RDB file is written.
    Save,
    /// SIGKILL.
    Kill,
}

/// A running server. It ends, and its directory goes, when this is dropped; a failing test shows its log.
pub struct Server {
    builder: Builder,
    dir: PathBuf,
    child: Child,
    port: u16,
    bus_port: u16,
    client: RefCell<Option<Client>>,
}

impl Server {
    /// What to start a server with: at first the module, its defaults, and nothing that persists.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A server with the module and the built-in layout.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A new connection, speaking RESP2.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the server takes connections")
    }

    /// The connection that the server's own helpers use.
    pub fn default_client(&self) -> RefMut<'_, Client> {
        RefMut::map(self.client.borrow_mut(), |client| client.get_or_insert_with(|| self.client()))
    }

    /// Runs a command line (quoting as in redis-cli) on the default connection.
    pub fn run(&self, line: &str) -> Reply {
        self.default_client().run(line)
    }

    /// Like [`run`](Self::run), for a command that must not answer with an error.
    pub fn must(&self, line: &str) -> Reply {
        self.default_client().must(line)
    }

    /// Runs one command of bytes on the default connection.
    pub fn cmd<T: AsRef<[u8]>>(&self, args: impl IntoIterator<Item = T>) -> Reply {
        self.default_client().cmd(args)
    }

    /// Runs command lines on the default connection; none may answer with an error.
    pub fn script(&self, script: &str) {
        self.default_client().script(script);
    }

    /// The layout that the module works with.
    pub fn layout(&self) -> Layout {
        Layout::parse(self.builder.layout.as_deref().unwrap_or(include_str!("../../layouts/easyshare.json")))
    }

    /// Everything that the server holds.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&mut self.client())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the cluster bus.
    pub fn bus_port(&self) -> u16 {
        self.bus_port
    }

    /// The server's working directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The fields of an INFO section.
    pub fn info(&self, section: &str) -> BTreeMap<String, String> {
        let reply = self.cmd(["INFO", section]);
        let fields = reply.as_text().lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Does this server know the command? (Not every engine has every command.)
    pub fn has_command(&self, name: &str) -> bool {
        self.cmd(["COMMAND", "INFO", name]).items().iter().any(|entry| *entry != Reply::Nil)
    }

    /// All that the server has logged so far.
    pub fn log(&self) -> String {
        read_log(&self.dir)
    }

    /// Loads the module into the running server, with the builder's layout and arguments.
    pub fn load_module(&self) -> Reply {
        let args = self.builder.load_args(&self.dir);
        self.cmd(["MODULE".to_owned(), "LOAD".to_owned()].into_iter().chain(args))
    }

    /// Ends the server as `stop` says and starts it again in the same directory, on another port.
    pub fn restart(&mut self, stop: Stop) {
        self.restart_with(stop, |builder| builder);
    }

    /// Like [`restart`](Self::restart), with what `change` makes of the builder.
    pub fn restart_with(&mut self, stop: Stop, change: impl FnOnce(Builder) -> Builder) {
        self.stop(stop);
        self.builder = change(self.builder.clone());
        self.start_again();
    }

    /// Starts a server again that was stopped, in the same directory, on another port.
    pub fn start_again(&mut self) {
        let started = launch(&self.builder, &self.dir);
        (self.child, self.port, self.bus_port) =
            started.unwrap_or_else(|log| panic!("the server did not start again; its log:\n{log}"));
    }

    /// Ends the server as `stop` says.
    pub fn stop(&mut self, stop: Stop) {
        let mut client = self.client.take().unwrap_or_else(|| self.client());
        match stop {
            Stop::NoSave => client.send(["SHUTDOWN", "NOSAVE"]),
            Stop::Save => client.send(["SHUTDOWN", "SAVE"]),
            Stop::Kill => self.child.kill().expect("a server can be killed"),
        }
        wait_until("the server ends", || self.child.try_wait().expect("the server is a child").is_some());
    }

    /// Makes this server a replica of `master` and waits until it holds the same data.
    pub fn replica_of(&self, master: &Server) {
        self.must(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        self.follow(master);
    }

    /// Makes this node one of `master`'s cluster and its replica, and waits until it holds the same data.
    pub fn join_as_replica_of(&self, master: &Server) {
        let replicate = format!("CLUSTER REPLICATE {}", master.must("CLUSTER MYID").as_text());
        wait_until("it knows its master", || self.meets(master) && !self.run(&replicate).is_error());
        self.follow(master);
    }

    /// Meets a node of a cluster, once more if a busy machine let the time for that pass: nodes do not try again.
    fn meets(&self, other: &Server) -> bool {
        let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", other.port, other.bus_port);
        let address = format!("127.0.0.1:{}@", other.port);
        self.must("CLUSTER NODES").as_text().contains(&address) || !self.run(&meet).is_error()
    }

    fn follow(&self, master: &Server) {
        wait_until("the replica is connected", || self.info("replication")["master_link_status"] == "up");
        self.catch_up_with(master);
    }

    /// Waits until this replica has applied all that `master` has sent.
    pub fn catch_up_with(&self, master: &Server) {
        let offset = |server: &Server| server.info("replication")["master_repl_offset"].clone();
        wait_until("the replica has caught up", || offset(self) == offset(master));
    }

    /// Waits until this node knows `nodes` nodes that serve all slots together.
    pub fn wait_for_cluster(&self, nodes: u16) {
        let known = format!("cluster_known_nodes:{nodes}\r\n");
        wait_until("the cluster is formed", || {
            let info = self.must("CLUSTER INFO").as_text().to_owned();
            info.contains("cluster_state:ok") && info.contains(&known)
        });
        // Until they have met, nodes drop what others send them.
        wait_until("the nodes are connected", || {
            let nodes = self.must("CLUSTER NODES").as_text().to_owned();
            !nodes.contains("handshake") && !nodes.contains("disconnected")
        });
    }

    /// Waits until the server's clock is past `moment` (milliseconds since 1970).
    pub fn wait_for_time(&self, moment: i64) {
        wait_until("the server's clock moves on", || self.now() > moment);
    }

    /// The server's clock in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        let number = |reply: &Reply| reply.as_text().parse::<i64>().expect("TIME answers numbers");
        match self.must("TIME").items() {
            [seconds, micros] => number(seconds) * 1000 + number(micros) / 1000,
            other => panic!("TIME answered {other:?}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(LOG_LINES);
            let tail: Vec<_> = log.lines().skip(from).collect();
            eprintln!("--- the server's log ---\n{}\n---", tail.join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Starts a server in `dir` on free ports and waits until it answers, or gives its log.
fn launch(builder: &Builder, dir: &Path) -> Result<(Child, u16, u16), String> {
    loop {
        let (port, bus_port) = free_ports();
        let before = read_log(dir).len();
        let mut child = spawn(builder, dir, port, bus_port);
        if wait_for_answer(&mut child, port) {
            return Ok((child, port, bus_port));
        }
        let log = read_log(dir).split_off(before);
        // Somebody else took the port since it was found free.
        if !log.contains("Address already in use") {
            return Err(log);
        }
    }
}

fn spawn(builder: &Builder, dir: &Path, port: u16, bus_port: u16) -> Child {
    let conf = dir.join("redis.conf");
    fs::write(&conf, builder.redis_conf(dir, port, bus_port)).expect("redis.conf can be written");
    let output = File::options().append(true).create(true).open(dir.join("output.log")).expect("a log can be written");
    let program = env::var_os("REDIS_SESSION_SERVER").unwrap_or_else(|| "redis-server".into());
    let errors = output.try_clone().expect("a file handle can be doubled");
    let mut command = Command::new(&program);
    command.arg(conf).stdin(Stdio::null()).stdout(output).stderr(errors);
    command.spawn().unwrap_or_else(|problem| panic!("cannot start {}: {problem}", program.display()))
}

/// Waits until the server `child` answers on `port` with data loaded; false when it has ended instead.
fn wait_for_answer(child: &mut Child, port: u16) -> bool {
    let mut ended = false;
    wait_until("the server answers", || {
        ended = child.try_wait().expect("the server is a child").is_some();
        ended || answers(child.id(), port)
    });
    !ended
}

/// Does the process `pid`, and nobody else, answer on `port`, and is it done with loading?
fn answers(pid: u32, port: u16) -> bool {
    let Ok(mut client) = Client::connect(port) else { return false };
    if client.try_send(["INFO"]).is_err() {
        return false;
    }
    let Ok(Reply::Bulk(info)) = client.try_read() else { return false };
    let info = String::from_utf8_lossy(&info).into_owned();
    info.contains(&format!("process_id:{pid}\r\n")) && info.contains("\r\nloading:0\r\n")
}

/// Two ports that nobody listened on a moment ago, neither of them Redis's own.
fn free_ports() -> (u16, u16) {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let sockets = [listen(), listen()];
    let [port, bus_port] = sockets.map(|socket| socket.local_addr().expect("it is bound").port());
    assert!(port != 6379 && bus_port != 6379, "6379 is not for tests");
    (port, bus_port)
}

fn new_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("redis-session-test-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let dir = env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a temporary directory can be made");
    dir
}

fn read_log(dir: &Path) -> String {
    let read = |name| String::from_utf8_lossy(&fs::read(dir.join(name)).unwrap_or_default()).into_owned();
    read("server.log") + &read("output.log")
}

/// The module: from `REDIS_SESSION_MODULE`, else beside this test, else a directory up.
pub fn module_path() -> PathBuf {
    if let Some(path) = env::var_os("REDIS_SESSION_MODULE") {
        return path.into();
    }
    let test = env::current_exe().expect("a test knows its own path");
    let candidates = test.ancestors().skip(1).take(2).map(|dir| dir.join("libredis_session.so"));
    candidates.into_iter().find(|path| path.is_file()).expect("Cargo has built libredis_session.so beside the tests")
}

/// The redis-cli beside the server, else the one on the PATH.
pub fn redis_cli() -> PathBuf {
    let server = env::var_os("REDIS_SESSION_SERVER").map(PathBuf::from).unwrap_or_default();
    let beside = server.with_file_name("redis-cli");
    if server.components().count() > 1 && beside.is_file() { beside } else { "redis-cli".into() }
}
