//! Servers of the benchmark's own: on loopback, a free port and a directory that goes with them.

use std::{
    env,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{Outcome, client::Client};

/// How many times a second a server does its chores unless told otherwise, and while it is made ready.
const CHORES: [&str; 2] = ["10", "500"];

/// The program to start.
pub fn program() -> String {
    env::var("REDIS_SESSION_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// The client program: the one beside the server that was named, if it is there.
pub fn cli() -> PathBuf {
    let server = PathBuf::from(program());
    let name = server.file_name().map(|name| name.to_string_lossy().replace("server", "cli")).unwrap_or_default();
    let beside = server.with_file_name(name);
    if beside != server && beside.is_file() { beside } else { "redis-cli".into() }
}

/// A directory that is removed at the end.
#[derive(Debug)]
pub struct Home(pub PathBuf);

impl Home {
    pub fn new() -> Outcome<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("redis-session-bench.{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server; it is killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    pub port: u16,
    pub home: Home,
}

impl Server {
    /// A server with the module at this path, or a plain one; answers when it is back.
    pub fn start(module: Option<&Path>) -> Outcome<Self> {
        let server = Self::spawn(module, &[], Home::new()?)?;
        server.client()?;
        Ok(server)
    }

    /// The same with the module and this layout.
    pub fn with_layout(module: &Path, layout: &str) -> Outcome<Self> {
        let home = Home::new()?;
        let file = home.0.join("layout.json");
        fs::write(&file, layout)?;
        let file = file.to_str().ok_or("the directory for temporary files has an odd name")?;
        let server = Self::spawn(Some(module), &["layout", file], home)?;
        server.client()?;
        Ok(server)
    }

    /// Starts a server, with options for the module, in a directory where it loads `dump.rdb` if there is one. It need not answer yet.
    pub fn spawn(module: Option<&Path>, options: &[&str], home: Home) -> Outcome<Self> {
        Self::spawn_with(module, options, home, &[])
    }

    /// The same with more options for the server.
    pub fn spawn_with(module: Option<&Path>, options: &[&str], home: Home, more: &[&str]) -> Outcome<Self> {
        // Somebody else may take the port first; then the server ends, and waiting for an answer fails.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = Command::new(program());
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
        command.args(["--enable-debug-command", "local", "--hz", CHORES[0]]);
        command.arg("--dir").arg(&home.0).arg("--logfile").arg(home.0.join("server.log"));
        command.args(more);
        if let Some(module) = module {
            command.arg("--loadmodule").arg(module).args(options);
        }
        let words = File::create(home.0.join("server.out"))?;
        let process = command.stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words).spawn();
        let process = process.map_err(|error| format!("{} does not start: {error}", program()))?;
        Ok(Self { process, port, home })
    }

    /// A new connection, as soon as the server answers.
    pub fn client(&self) -> Outcome<Client> {
        let deadline = Instant::now() + Duration::from_secs(300);
        let id = format!("process_id:{}\r", self.process.id());
        loop {
            let trouble = match Client::connect(self.port) {
                Err(error) => error.into(),
                Ok(mut client) => match client.call(&["INFO", "server"]) {
                    Err(error) => error,
                    // Loading: INFO answers, other commands do not.
                    Ok(info) if info.text().contains(&id) => match client.call(&["DBSIZE"]) {
                        Ok(_) => return Ok(client),
                        Err(error) => error,
                    },
                    Ok(_) => "another server has the port".into(),
                },
            };
            if self.state() == 'Z' || Instant::now() > deadline {
                let log = fs::read_to_string(self.home.0.join("server.log")).unwrap_or_default();
                let words = fs::read_to_string(self.home.0.join("server.out")).unwrap_or_default();
                return Err(format!("the server does not answer: {trouble}\n{words}{log}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the main thread does, as `/proc` has it: `R` runs or would like to, `S` sleeps, `Z` has ended.
    fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()).unwrap_or('Z')
    }

    /// Nanoseconds that all threads of the server have spent on a core so far, user and system; exact when they sleep.
    pub fn cpu(&self) -> Outcome<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(sum)
    }

    /// The same once the server has come to rest, so that what it puts off until after a reply is in it too.
    pub fn cpu_at_rest(&self) -> Outcome<u64> {
        let (mut before, mut quiet) = (self.cpu()?, 0);
        while quiet < 2 {
            thread::sleep(Duration::from_millis(2));
            let now = self.cpu()?;
            // Chores of an idle server take less than a tenth of the time. One that waits for the core is not at rest.
            quiet = if now - before < 200_000 && self.state() == 'S' { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(before)
    }

    /// Waits until the server has nothing left to do about the past: hash tables resized, the index built.
    pub fn settle(&self) -> Outcome<()> {
        let mut client = self.client()?;
        client.call(&["CONFIG", "SET", "hz", CHORES[1]])?;
        while client.call(&["DEBUG", "HTSTATS", "0"])?.text().contains("rehashing target") || !is_ready(&mut client)? {
            thread::sleep(Duration::from_millis(50));
        }
        client.call(&["CONFIG", "SET", "hz", CHORES[0]])?;
        thread::sleep(Duration::from_millis(100));
        self.cpu_at_rest()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether the index is built; a server without the module has none to build.
pub fn is_ready(client: &mut Client) -> Outcome<bool> {
    let info = client.call(&["INFO", "session"])?.text();
    Ok(!info.contains("session_index_state") || info.contains("session_index_state:ready"))
}
