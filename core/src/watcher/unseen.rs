//! Traces of which no key was ever seen: a logout need not name them.
//!
//! A layout often knows several forms of a name of which a server has one, as the built-in one knows an application's keys
//! with and without `cache:` before them. To delete a key that is not there costs nearly as much as one that is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    layout::{Layout, Reach, Trace, What},
    template::{Head, Template},
};

/// So many traces of a layout are told apart; of others it is taken for granted that they were seen.
const MOST: usize = 64;

/// Traces that are found by their names, of which no key was seen. A superset of those of which there are keys was seen: once a name
/// was met the trace is never unseen again, and names are met of which no key is made.
#[derive(Debug)]
pub struct Unseen {
    forms: Box<[UnseenForm]>,
    /// The traces that are unseen, a bit for each number. They change while the watcher is only looked at.
    left: AtomicU64,
}

/// What keys of a trace are called.
#[derive(Debug)]
struct UnseenForm {
    template: Template,
    /// The bit of the trace.
    bit: u64,
}

impl Unseen {
    /// No trace of the layout was seen.
    pub fn new(layout: &Layout) -> Self {
        let named = layout.traces.iter().filter(|trace| is_named(trace) && trace.number < MOST);
        let forms = named.map(|Trace { number, key, .. }| UnseenForm { template: key.clone(), bit: 1 << number });
        let forms: Box<[UnseenForm]> = forms.collect();
        let left = forms.iter().fold(0, |left, form| left | form.bit);
        Self { forms, left: AtomicU64::new(left) }
    }

    /// Every trace was seen, or may have been.
    pub fn none() -> Self {
        Self { forms: Box::default(), left: AtomicU64::new(0) }
    }

    /// What the names of what is unseen begin with.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &[u8]> {
        self.forms.iter().map(|form| form.template.prefix())
    }

    /// There may be a key of this name from now on.
    pub(super) fn meet(&self, name: &[u8], head: Head) {
        let left = self.left.load(Relaxed);
        for form in self.forms.iter().filter(|form| left & form.bit != 0 && form.template.head().begins(head)) {
            if form.is_like(name) {
                self.left.fetch_and(!form.bit, Relaxed);
            }
        }
    }

    /// Whether no key of this trace was ever seen.
    pub fn has(&self, trace: usize) -> bool {
        trace < MOST && self.left.load(Relaxed) >> trace & 1 != 0
    }
}

impl UnseenForm {
    /// Whether a name may be read by the template. Which ids the layout allows does not matter: a name too many does no harm.
    fn is_like(&self, name: &[u8]) -> bool {
        self.template.between(name).is_some()
    }
}

/// Whether a key is a trace by its name alone, which follows from the ids.
fn is_named(trace: &Trace) -> bool {
    trace.reach == Reach::Direct && matches!(trace.what, What::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(unseen: &Unseen) -> Vec<usize> {
        (0..MOST + 2).filter(|trace| unseen.has(*trace)).collect()
    }

    #[test]
    fn a_trace_is_unseen_until_a_name_like_it_is_met() {
        let text = r#"{"name":"x","separator":":","traces":[
            {"key":"a:{userId}"},{"key":"a:{userId}:b"},{"key":"c{userId}"},{"members":"d","member":"{userId}"}]}"#;
        let all = Unseen::new(&Layout::parse(text).unwrap());
        let meet = |name: &str| {
            all.meet(name.as_bytes(), Head::of(name.as_bytes()));
            unseen(&all)
        };
        assert_eq!(meet("d"), [0, 1, 2]);
        assert_eq!(meet("b:u"), [0, 1, 2]);
        assert_eq!(meet("c"), [0, 1], "a name too many does no harm");
        assert_eq!(meet("a:u"), [1]);
        assert_eq!(meet("a:u:b"), [0; 0]);
        assert_eq!(unseen(&Unseen::none()), [0; 0]);
    }

    #[test]
    fn of_more_traces_than_are_told_apart_the_others_were_seen() {
        let traces: Vec<_> = (0..MOST + 2).map(|number| format!(r#"{{"key":"{number}:{{userId}}"}}"#)).collect();
        let text = format!(r#"{{"name":"x","separator":":","traces":[{}]}}"#, traces.join(","));
        let all = Unseen::new(&Layout::parse(&text).unwrap());
        assert_eq!(unseen(&all).len(), MOST);
        let name = format!("{}:u", MOST - 1);
        all.meet(name.as_bytes(), Head::of(name.as_bytes()));
        assert_eq!(unseen(&all).len(), MOST - 1);
    }
}
