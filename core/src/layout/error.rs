//! Why a document is not a layout.

use std::fmt::{self, Write};

use serde_json::value::RawValue;

use crate::{announcement::AnnouncementError, json::PointerError, template::TemplateError, then::ThenError};

/// Why a document is not a layout. Its text is one sentence that says what to fix, after the trace it is about.
#[derive(Debug)]
pub struct LayoutError {
    /// The trace: its number, from 1, and its text.
    trace: Option<(usize, String)>,
    cause: Box<LayoutProblem>,
}

#[derive(Debug)]
pub(super) enum LayoutProblem {
    Json(serde_json::Error),
    Template(&'static str, TemplateError),
    Pointer(&'static str, PointerError),
    /// An announcement: its number, from 1, its text, and what is wrong with it.
    Announcement(usize, String, AnnouncementError),
    /// The same of what is written.
    Then(usize, String, ThenError),
    Other(String),
}

impl LayoutProblem {
    /// It is the trace of that number, from 0, that is wrong.
    pub(super) fn of_trace(self, at: usize, raw: &RawValue) -> LayoutError {
        LayoutError { trace: Some((at + 1, one_line(raw.get()))), cause: Box::new(self) }
    }
}

impl From<LayoutProblem> for LayoutError {
    fn from(cause: LayoutProblem) -> Self {
        Self { trace: None, cause: Box::new(cause) }
    }
}

/// A problem of which nothing else is to be said.
pub(super) fn other<T>(sentence: impl Into<String>) -> Result<T, LayoutProblem> {
    Err(LayoutProblem::Other(sentence.into()))
}

/// A part of the document as one line of a log.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It quotes the document, whose strings may hold newlines.
        let f = &mut Escaped(f);
        if let Some((number, text)) = &self.trace {
            write!(f, "trace {number} {text}: ")?;
        }
        match &*self.cause {
            LayoutProblem::Json(error) => write!(f, "{error}"),
            LayoutProblem::Template(field, error) => write!(f, "`{field}`: {error}"),
            LayoutProblem::Pointer(field, error) => write!(f, "`{field}`: {error}"),
            LayoutProblem::Announcement(number, text, error) => write!(f, "announce {number} {text}: {error}"),
            LayoutProblem::Then(number, text, error) => write!(f, "then {number} {text}: {error}"),
            LayoutProblem::Other(sentence) => f.write_str(sentence),
        }
    }
}

/// Writes control characters as escapes, so that what is written stays one line of a log.
struct Escaped<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}
