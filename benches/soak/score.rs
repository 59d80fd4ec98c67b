//! What was done and compared, for the last line.

use super::crowd::Tally;
use super::judge::{Call, Kind};
use std::fmt;

/// Counts over a whole run.
#[derive(Default)]
pub struct Score {
    pub tally: Tally,
    /// How many worlds were lived through.
    pub lives: u64,
    /// Commands that only look: INSPECT, and sweeps that only count.
    pub looks: u64,
    pub logouts: u64,
    pub sweeps: u64,
    /// Of these, inside a transaction or script while others wrote.
    pub amid: u64,
    /// Of these, by somebody who was refused.
    pub refused: u64,
    /// What could not be judged: the order of a sweep mattered, or a transaction was refused for lack of memory.
    pub put_off: u64,
}

impl Score {
    /// Counts a comparison in which nothing differed.
    pub fn compared(&mut self, call: &Call) {
        match call.kind {
            Kind::Inspect | Kind::DryRun => self.looks += 1,
            Kind::Logout => self.logouts += 1,
            Kind::Sweep => self.sweeps += 1,
        }
    }

    /// How many comparisons there were.
    pub fn comparisons(&self) -> u64 {
        self.looks + self.logouts + self.sweeps
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, lives, looks, logouts, sweeps, amid, refused, put_off } = self;
        write!(
            f,
            "{} commands sent in {lives} worlds, {} of them refused, {} cut off; ",
            tally.sent, tally.refused, tally.lost
        )?;
        write!(f, "compared: {logouts} logouts, {sweeps} sweeps, {looks} that only look ")?;
        write!(f, "({amid} amid others' writes, {refused} by callers who were refused, {put_off} more not decided)")
    }
}
