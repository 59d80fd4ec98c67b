//! The lines in the server's log: how many, at which level, and with ids that cannot break a line. Pure.

use std::time::{Duration, Instant};

/// The most lines in a second.
pub const LINES_PER_SECOND: u32 = 100;

/// A level of the server's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Everything.
    Debug,
    /// Much.
    Verbose,
    /// What a server in production logs by default.
    #[default]
    Notice,
    /// What should not be missed.
    Warning,
}

impl Level {
    /// All levels.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Verbose, Self::Notice, Self::Warning];

    /// The names that the server and `session.log-level` have for them, in the same order.
    pub const NAMES: [&'static std::ffi::CStr; 4] = [c"debug", c"verbose", c"notice", c"warning"];

    /// The level's name.
    pub fn name(self) -> &'static std::ffi::CStr {
        Self::NAMES[self as usize]
    }
}

/// Counts lines, second by second.
#[derive(Debug, Default)]
pub struct Journal {
    second: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Journal {
    /// Asks to write `lines` that belong together. All of them are written or none.
    pub fn admits(&mut self, now: Instant, lines: u32) -> bool {
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.written) = (Some(now), 0);
        }
        let admits = self.written + lines <= LINES_PER_SECOND;
        if admits {
            self.written += lines;
        } else {
            self.left_out += u64::from(lines);
        }
        admits
    }

    /// How many lines were left out in a second that is over; asking counts them off.
    pub fn take_left_out(&mut self, now: Instant) -> Option<u64> {
        let is_over = self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1));
        if self.left_out == 0 || !is_over {
            return None;
        }
        Some(std::mem::take(&mut self.left_out))
    }
}

/// An id as it may stand in a log: printable ASCII, anything else escaped, and never too long for a line.
pub fn printable(id: &[u8]) -> String {
    const LONGEST: usize = 128;
    if id.len() <= LONGEST {
        return id.escape_ascii().to_string();
    }
    format!("{}... ({} bytes)", id[..LONGEST].escape_ascii(), id.len())
}

/// An id as the value of a field such as `user=`, or as one of several that commas part: as [`printable`], and a blank or comma
/// in it is escaped too.
pub fn field(id: &[u8]) -> String {
    printable(id).replace(' ', r"\x20").replace(',', r"\x2c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_the_limit_are_counted_and_reported_once() {
        let mut journal = Journal::default();
        let start = Instant::now();
        assert_eq!((0..40).filter(|_| journal.admits(start, 3)).count(), 33);
        assert_eq!(journal.take_left_out(start), None, "the second is not over");
        let later = start + Duration::from_secs(1);
        assert_eq!(journal.take_left_out(later), Some(21));
        assert_eq!(journal.take_left_out(later), None);
        assert!(journal.admits(later, 3));
    }

    #[test]
    fn an_id_cannot_break_a_line() {
        assert_eq!(printable(b"u1"), "u1");
        assert_eq!(printable(b"a\nb\0\xff\""), r#"a\nb\x00\xff\""#);
        assert!(printable(&[b'x'; 1000]).ends_with("... (1000 bytes)"));
        assert_eq!(field(b"u1"), "u1");
        assert_eq!(field(br"a, b\x2c"), r"a\x2c\x20b\\x2c");
        assert!(!field(&[b','; 1000]).contains([',', ' ']));
    }
}
