//! Programs below `tests/stores` that are asked line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::Value;

use crate::support::foreign::{MISSING, command};

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
        let mut command = command(&format!("stores/{program}"));
        command.arg(port.to_string()).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
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
