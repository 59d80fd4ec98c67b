//! The picture: the cost of one logout against the size of the keyspace, both axes logarithmic.

use std::fmt::{self, Write};

use crate::rows::grouped;

/// What one way costs.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: &'static str,
    /// Keys in the server, and microseconds of server CPU for a logout.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    pub fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points =
            self.points.iter().map(|(keys, cost)| format!("{} at {}", duration(*cost), grouped(*keys as usize)));
        write!(f, "{}: {} keys", self.name, points.collect::<Vec<_>>().join(", "))
    }
}

const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 430.0;
/// The plot within the picture; on its right is room for the names of the curves.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 66.0;
const BOTTOM: f64 = 370.0;
/// Names of curves stand at least this far apart.
const APART: f64 = 18.0;

/// Colours that can be told apart by all eyes, on white and on near black; each curve has its own marker and dash as well.
const STYLE: &str = "
text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #57606a; }
.title { font-size: 16px; font-weight: 600; fill: #1f2328; }
.grid { stroke: #8c959f; stroke-opacity: .3; }
.axis { stroke: #8c959f; }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.name { font-weight: 600; }
.c0 { stroke: #b35900; } .m0 { fill: #b35900; }
.c1 { stroke: #8250df; } .m1 { fill: #8250df; }
.c2 { stroke: #57606a; } .m2 { fill: #57606a; }
.c3 { stroke: #0969da; } .m3 { fill: #0969da; }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1; }
.title { fill: #f0f6fc; }
.c0 { stroke: #f0883e; } .m0 { fill: #f0883e; }
.c1 { stroke: #b98cff; } .m1 { fill: #b98cff; }
.c2 { stroke: #9198a1; } .m2 { fill: #9198a1; }
.c3 { stroke: #4493f8; } .m3 { fill: #4493f8; }
}
";

const DASHES: [&str; 4] = ["", "7 4", "2 4", ""];

/// A logarithmic axis: values between `low` and `high` lie between two places.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::MAX, f64::min);
        let high = values.fold(f64::MIN, f64::max);
        // Round numbers: 1, 2 or 5 times a power of ten.
        let round = |power: i32| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power));
        let numbers = || (-3..12).flat_map(round);
        Self {
            low: numbers().filter(|number| *number <= low).fold(1e-3, f64::max),
            high: numbers().filter(|number| *number >= high * 0.99).fold(1e12, f64::min),
            from,
            to,
        }
    }

    fn place(self, value: f64) -> f64 {
        self.from + (value / self.low).ln() / (self.high / self.low).ln() * (self.to - self.from)
    }

    /// The powers of ten.
    fn ticks(self) -> impl Iterator<Item = f64> {
        (-3..12).map(|power| 10_f64.powi(power)).filter(move |value| (self.low..=self.high).contains(value))
    }
}

fn duration(micros: f64) -> String {
    let (value, unit) = match micros {
        ..1e3 => (micros, "µs"),
        1e3..1e6 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    if value < 99.5 && value.fract() > 0.05 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A marker of a shape of its own around a point.
fn marker(curve: usize, x: f64, y: f64) -> String {
    match curve {
        0 => format!(r#"<path class="m0" d="M{:.1} {:.1}h9l-4.5 -9z"/>"#, x - 4.5, y + 4.0),
        1 => format!(r#"<rect class="m1" x="{:.1}" y="{:.1}" width="8" height="8"/>"#, x - 4.0, y - 4.0),
        2 => format!(r#"<path class="m2" d="M{:.1} {:.1}l5 5l-5 5l-5 -5z"/>"#, x, y - 5.0),
        _ => format!(r#"<circle class="m3" cx="{x:.1}" cy="{y:.1}" r="4.5"/>"#),
    }
}

/// Where the names of curves go: beside their ends, pushed apart where those are close.
fn label_places(ends: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by(|&a, &b| ends[a].total_cmp(&ends[b]));
    let mut places = ends.to_vec();
    for (upper, lower) in order.iter().zip(order.iter().skip(1)) {
        places[*lower] = places[*lower].max(places[*upper] + APART);
    }
    // What went past the bottom comes back up.
    let mut limit = BOTTOM;
    for &curve in order.iter().rev() {
        places[curve] = places[curve].min(limit);
        limit = places[curve] - APART;
    }
    places
}

/// The whole picture; the machine's words stand below it.
pub fn svg(curves: &[Curve], machine: &str) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, curves, machine);
    out
}

fn write(out: &mut String, curves: &[Curve], machine: &str) -> fmt::Result {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let x = Axis::over(points().map(|point| point.0), LEFT, RIGHT);
    let y = Axis::over(points().map(|point| point.1), BOTTOM, TOP);
    let told: Vec<String> = curves.iter().map(Curve::to_string).collect();

    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title desc">"#
    )?;
    writeln!(out, r#"<title id="title">Cost of one logout against the number of keys in the server</title>"#)?;
    writeln!(out, r#"<desc id="desc">Server CPU for one logout. {}.</desc>"#, escaped(&told.join("; ")))?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(
        out,
        r#"<text class="title" x="{LEFT}" y="26">Server CPU for one logout, by number of keys in the server</text>"#
    )?;
    writeln!(out, r#"<text x="{LEFT}" y="46">a user with 9 traces; both axes logarithmic; lower is better</text>"#)?;
    for value in y.ticks() {
        let place = y.place(value);
        writeln!(out, r#"<path class="grid" d="M{LEFT} {place:.1}H{RIGHT}"/>"#)?;
        writeln!(
            out,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            place + 4.5,
            duration(value)
        )?;
    }
    for value in x.ticks() {
        let place = x.place(value);
        writeln!(out, r#"<path class="grid" d="M{place:.1} {TOP}V{BOTTOM}"/>"#)?;
        let keys = grouped(value.round() as usize);
        writeln!(out, r#"<text x="{place:.1}" y="{:.1}" text-anchor="middle">{keys}</text>"#, BOTTOM + 20.0)?;
    }
    writeln!(out, r#"<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>"#)?;

    let ends: Vec<f64> = curves.iter().map(|curve| curve.points.last().map_or(TOP, |point| y.place(point.1))).collect();
    for (number, (curve, label)) in curves.iter().zip(label_places(&ends)).enumerate() {
        let spots: Vec<(f64, f64)> = curve.points.iter().map(|(keys, cost)| (x.place(*keys), y.place(*cost))).collect();
        let line: Vec<String> = spots.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dash = DASHES[number % DASHES.len()];
        writeln!(
            out,
            r#"<polyline class="curve c{number}" stroke-dasharray="{}" points="{}"/>"#,
            if dash.is_empty() { "none" } else { dash },
            line.join(" ")
        )?;
        for (x, y) in spots {
            writeln!(out, "{}", marker(number, x, y))?;
        }
        let cost = curve.points.last().map(|point| duration(point.1)).unwrap_or_default();
        writeln!(
            out,
            r#"<text class="name m{number}" x="{:.1}" y="{:.1}">{} {cost}</text>"#,
            RIGHT + 12.0,
            label + 4.5,
            escaped(curve.name)
        )?;
    }
    writeln!(out, r#"<text x="{LEFT}" y="{:.1}">{}</text>"#, HEIGHT - 12.0, escaped(machine))?;
    writeln!(out, "</svg>")
}
