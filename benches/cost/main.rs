//! What the module costs, measured against honest rivals: server CPU around real command streams, in interleaved blocks.
//!
//! ```text
//! cargo bench --bench cost -- [--quick] [--only NAME]... [--list] [--module PATH] [--picture]
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `rivals.rs`, `lua/` | the ways to log a user out that are compared |
//! | `world.rs`, `format.rs`, `layouts.rs` | the data, how it is written, where the module is told to look for it |
//! | `measure.rs` | blocks, medians, ranges |
//! | `rows/` | what is measured, one file for each kind |
//! | `server.rs`, `client.rs`, `machine.rs` | servers and their CPU time, a client, the machine |
//! | `table.rs`, `picture.rs` | the result |

// Figures are rounded for people; no count here comes near what an f64 holds exactly.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
// A program has no outside.
#![allow(unreachable_pub)]

mod client;
mod format;
mod layouts;
mod machine;
mod measure;
mod picture;
mod rivals;
mod rows;
mod server;
mod table;
mod world;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use machine::Machine;
use rows::{Bench, MEASUREMENTS};
use table::{LEGEND, Table};

/// Errors end the benchmark; nobody tells them apart.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = include_str!("usage.txt");

/// Where the picture goes; cargo runs a benchmark in the package's directory.
const PICTURE: &str = "docs/cost.svg";

/// What a call asks for.
#[derive(Debug, Default, PartialEq, Eq)]
enum Wanted {
    #[default]
    Table,
    Picture,
    List,
    Help,
}

#[derive(Debug, Default)]
struct Arguments {
    wanted: Wanted,
    quick: bool,
    only: Vec<String>,
    module: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value behind it"));
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--list" => arguments.wanted = Wanted::List,
                "--picture" => arguments.wanted = Wanted::Picture,
                "--help" | "-h" => arguments.wanted = Wanted::Help,
                "--only" => arguments.only.push(value()?),
                "--module" => arguments.module = Some(value()?.into()),
                // What cargo bench says to every benchmark.
                "--bench" => {}
                _ => return Err(format!("unknown argument {word}\n\n{USAGE}").into()),
            }
        }
        let unknown = arguments.only.iter().find(|name| MEASUREMENTS.iter().all(|known| known.name != **name));
        match unknown {
            Some(name) => Err(format!("no measurement is called {name}; --list names them").into()),
            None => Ok(arguments),
        }
    }

    fn module(&self) -> Outcome<PathBuf> {
        let named = self.module.clone().or_else(|| env::var_os("REDIS_SESSION_MODULE").map(PathBuf::from));
        let path = match named {
            Some(path) => path,
            None => env::current_exe()?.with_file_name("libredis_session.so"),
        };
        path.canonicalize().map_err(|error| format!("no module at {}: {error}", path.display()).into())
    }
}

fn run() -> Outcome<()> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    match arguments.wanted {
        Wanted::Help => {
            print!("{USAGE}");
            return Ok(());
        }
        Wanted::List => {
            for measurement in MEASUREMENTS {
                println!("{:<12} {}", measurement.name, measurement.what);
            }
            return Ok(());
        }
        Wanted::Table | Wanted::Picture => {}
    }
    let bench = Bench { module: arguments.module()?, quick: arguments.quick };
    let machine = Machine::watch();
    if !machine::stay_on_one_core() {
        eprintln!("no taskset: servers and client move between cores, which makes the figures less certain");
    }
    if arguments.wanted == Wanted::Picture {
        draw(&bench)?;
    } else {
        measure(&bench, &arguments.only)?;
    }
    if bench.quick {
        println!("Quick: smaller worlds and fewer blocks than a full run.");
    }
    println!("{}", machine.noise());
    Ok(())
}

fn measure(bench: &Bench, only: &[String]) -> Outcome<()> {
    let mut rows = Vec::new();
    for measurement in MEASUREMENTS {
        if only.is_empty() || only.iter().any(|name| name == measurement.name) {
            eprintln!("measuring: {}", measurement.what);
            rows.extend((measurement.run)(bench)?);
        }
    }
    println!("{}\n", Machine::words());
    println!("{}", Table(&rows));
    println!("{LEGEND}");
    Ok(())
}

fn draw(bench: &Bench) -> Outcome<()> {
    let curves = rows::curves(bench)?;
    if let Some(folder) = Path::new(PICTURE).parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(PICTURE, picture::svg(&curves, &Machine::words()))?;
    println!("{}\n", Machine::words());
    for curve in &curves {
        println!("{curve}");
    }
    println!("\n{PICTURE} is drawn.");
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}
