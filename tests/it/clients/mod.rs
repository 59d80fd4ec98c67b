//! Clients of several languages, as applications use them: on a single server, and on a cluster of three masters with replicas. Their
//! programs lie in `tests/clients`, and `docs/clients.md` shows them. What a program prints stands in its comments, behind `=>`.

mod cluster;
mod single;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::Server;
use crate::support::foreign::{MISSING, command};

/// A client, by its programs.
struct Client {
    /// Their folder below `tests/clients`.
    folder: &'static str,
    /// What ends their names.
    ending: &'static str,
    /// How this client shows that an error begins with `PARTIAL`.
    partial: &'static str,
    /// Whether a call goes to any master, and not to one that the program or the user's id chooses.
    goes_anywhere: bool,
    /// What becomes of a call when the chosen master is down.
    if_down: IfDown,
}

enum IfDown {
    Waits,
    /// Gets this error, in which `PORT` is the master's.
    Fails(&'static str),
    GoesElsewhere,
    /// Goes elsewhere, if there is a node that answers before its own time is over.
    TriesElsewhere,
}

const PLAIN: Client =
    Client { folder: "", ending: "", partial: "PARTIAL ", goes_anywhere: false, if_down: IfDown::GoesElsewhere };
const NODE_REDIS: Client = Client { folder: "node-redis", ending: "mjs", if_down: IfDown::Waits, ..PLAIN };
const IOREDIS: Client = Client { folder: "ioredis", ending: "mjs", goes_anywhere: true, ..PLAIN };
const GLIDE: Client =
    Client { folder: "glide", ending: "mjs", partial: "PARTIAL: ", if_down: IfDown::TriesElsewhere, ..PLAIN };
const REDIS_PY: Client = Client {
    folder: "redis-py",
    ending: "py",
    if_down: IfDown::Fails("Error 111 connecting to 127.0.0.1:PORT. Connection refused."),
    ..PLAIN
};
const REDIS_PY_ASYNCIO: Client = Client {
    folder: "redis-py-asyncio",
    if_down: IfDown::Fails("Error 111 connecting to 127.0.0.1:PORT. Connect call failed ('127.0.0.1', PORT)."),
    ..REDIS_PY
};
const PHP: Client = Client {
    folder: "php",
    ending: "php",
    if_down: IfDown::Fails("Unable to send command to the specified node"),
    ..PLAIN
};
const REDIS_RS: Client = Client {
    folder: "redis-rs/src/bin",
    ending: "rs",
    partial: "\"PARTIAL\": ",
    if_down: IfDown::Fails("Connection refused (os error 111)"),
    ..PLAIN
};

impl Client {
    fn file(&self, program: &str) -> String {
        format!("clients/{}/{program}.{}", self.folder, self.ending)
    }

    /// The lines that a program prints when it is told where `server` is.
    fn run(&self, program: &str, server: &Server) -> Vec<String> {
        let mut command = command(&self.file(program));
        command.arg(format!("redis://127.0.0.1:{}", server.port()));
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect(MISSING);
        let printed = String::from_utf8(output.stdout).expect("it prints text");
        assert!(output.status.success(), "{}: {}\n{printed}", self.file(program), output.status);
        printed.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Runs a program, which must print what stands in it.
    fn does_as_it_says(&self, program: &str, server: &Server) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(self.file(program));
        let text = fs::read_to_string(file).expect("a program is there");
        let says: Vec<_> = text.lines().filter_map(said).collect();
        assert!(!says.is_empty(), "{}: says nothing", self.file(program));
        assert_eq!(self.run(program, server), says, "what {} prints (left) and says", self.file(program));
    }
}

/// What a line of a program says that it prints.
fn said(line: &str) -> Option<&str> {
    let comment = line.split_once("// => ").or_else(|| line.split_once("# => "));
    comment.map(|(_, printed)| printed)
}
