//! The table that the benchmark prints.

use std::fmt;

use crate::measure::{Costs, Ratio};

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub figure: Figure,
    /// The figure should be no higher.
    pub target: Option<f64>,
    /// Absolute costs, and what one should know.
    pub note: String,
}

#[derive(Clone, Copy, Debug)]
pub enum Figure {
    Ratio(Ratio),
    Micros(f64),
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Self::Ratio(ratio) => ratio.median,
            Self::Micros(value) => value,
        }
    }
}

impl Row {
    pub fn new(what: impl Into<String>, figure: Figure) -> Self {
        Self { what: what.into(), figure, target: None, note: String::new() }
    }

    pub fn ratio(what: impl Into<String>, ours: &Costs, theirs: &Costs) -> Self {
        Self::new(what, Figure::Ratio(Ratio::of(ours, theirs)))
    }

    pub fn target(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// `None` without a target.
    pub fn is_met(&self) -> Option<bool> {
        // As the table shows it: two digits.
        self.target.map(|target| (self.figure.value() * 100.0).round() <= (target * 100.0).round())
    }

    fn cells(&self) -> [String; COLUMNS] {
        let (figure, range, total) = match self.figure {
            Figure::Ratio(Ratio { median, range: (low, high), total }) => {
                (format!("{median:.2}"), format!("{low:.2}-{high:.2}"), format!("{total:.2}"))
            }
            Figure::Micros(value) => (format!("{value:.1} us"), String::new(), String::new()),
        };
        let target = self.target.map(|target| format!("<= {target:.2}")).unwrap_or_default();
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        [self.what.clone(), figure, range, total, target, verdict.to_owned()]
    }
}

const COLUMNS: usize = 6;

/// What the columns mean, for people who read the table.
pub const LEGEND: &str = "\
figure: server CPU against server CPU (or memory or waits, where it says so), the median over all interleaved blocks.
range: the lowest and the highest median of one set of fresh servers. sum: the ratio over all blocks together. Lines without
a target are there to judge others by.";

/// All lines, aligned, each with its note behind it.
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "figure", "range", "sum", "target", ""].map(str::to_owned);
        let lines: Vec<[String; COLUMNS]> = std::iter::once(head).chain(self.0.iter().map(Row::cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
        let notes = std::iter::once("").chain(self.0.iter().map(|row| row.note.as_str()));
        for ([what, figure, range, total, target, verdict], note) in lines.iter().zip(notes) {
            let line = format!(
                "{what:<0$}  {figure:>1$}  {range:>2$}  {total:>3$}  {target:>4$}  {verdict:<5$}  {note}",
                widths[0], widths[1], widths[2], widths[3], widths[4], widths[5]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
