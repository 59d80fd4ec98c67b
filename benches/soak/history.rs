//! The last commands that were sent, for whoever has to find out what went wrong.

use super::commands::Args;
use crate::support::bytes::join;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Up to this many commands are remembered.
const LENGTH: usize = 20_000;

/// Words longer than this are remembered in part.
const WORD: usize = 2_000;

/// The last commands, each with who sent it.
#[derive(Default)]
pub struct History(VecDeque<(String, Args)>);

impl History {
    /// Remembers what `who` sends.
    pub fn note(&mut self, who: &str, commands: &[Args]) {
        for command in commands {
            if self.0.len() == LENGTH {
                self.0.pop_front();
            }
            self.0.push_back((who.to_owned(), command.iter().map(|word| shortened(word)).collect()));
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The commands, the oldest first, a line for each.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (who, command) in &self.0 {
            writeln!(lines, "{who}> {}", join(command)).expect("writing to a String cannot fail");
        }
        lines
    }
}

fn shortened(word: &[u8]) -> Vec<u8> {
    match word.get(..WORD) {
        Some(part) => [part, format!("...({} bytes)", word.len()).as_bytes()].concat(),
        None => word.to_vec(),
    }
}
