//! Programs below `tests/stores` that are asked line by line, and what they need to run.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// What may be missing where a program does not answer.
const MISSING: &str = "Node.js, npm, Python with venv, and PHP with its extension for Redis are needed: \
    scripts/setup.sh installs them, as does `apt-get install nodejs npm python3-venv php-cli php-redis`";

/// How long a program may run, in seconds: far longer than any story takes. One that hangs ends then, and the test with it.
const LONGEST: &str = "300";

/// A store's program that runs. It ends when this is dropped.
pub struct Talk {
    child: Child,
    /// Nothing more is asked when this is closed.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Talk {
    /// Starts `program`, a file below `tests/stores`, for the server on `port`. Its other words come after the port.
    pub fn start(program: &str, words: &[&str], port: u16) -> Self {
        let mut command = Command::new("timeout");
        command.arg(LONGEST).arg(interpreter(program));
        command.arg(folder().join(program)).arg(port.to_string()).args(words);
        command.env_remove("REDISCLI_AUTH").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("`timeout` is a part of every system");
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, questions, answers }
    }

    /// Sends a line and reads the line of JSON that answers it.
    ///
    /// # Panics
    /// When the program ends instead; what it says of that is in the test's output.
    pub fn ask(&mut self, line: &str) -> Value {
        // One that has ended does not answer either.
        let _ = writeln!(self.questions.as_mut().expect("it is open"), "{line}");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the program answers in text");
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{line}: no JSON in {answer:?}. {MISSING}"))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

/// What runs the program, with all that it imports.
fn interpreter(program: &str) -> OsString {
    match Path::new(program).extension().and_then(|end| end.to_str()) {
        Some("py") => python().into(),
        Some("mjs") => {
            install_for_node();
            "node".into()
        }
        Some("php") => "php".into(),
        _ => panic!("{program}: nothing is known that runs this"),
    }
}

/// The Python of an environment that holds what `requirements.txt` names.
fn python() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let install = || {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/stores/python");
        let (wanted, installed) = (folder().join("requirements.txt"), home.join("requirements.txt"));
        let read = |file: &Path| fs::read(file).unwrap_or_default();
        if read(&installed) != read(&wanted) {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
            run(Command::new(home.join("bin/python")).args(pip).arg(&wanted));
            // Last, so that an installation that failed is begun anew.
            fs::copy(&wanted, &installed).expect("the environment can be written");
        }
        home.join("bin/python")
    };
    INSTALLED.get_or_init(install).clone()
}

/// Makes sure that the packages are there that `package-lock.json` names.
fn install_for_node() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let modified = |name: &str| folder().join(name).metadata().and_then(|file| file.modified()).ok();
        let installed = modified("node_modules/.package-lock.json");
        if installed.is_none() || installed < modified("package-lock.json") {
            run(Command::new("npm").args(["ci", "--silent"]).current_dir(folder()));
        }
    });
}

fn run(command: &mut Command) {
    let output = command.output().expect(MISSING);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
