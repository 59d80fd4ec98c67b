//! Random commands of every type by many clients beside a slow model of the contract, for as long as one likes.
//!
//! ```text
//! cargo bench --bench soak -- [--quick] [--commands N] [--worlds N] [--seed N] [--until-stdin-ends]
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `life.rs` | one world from its users to its end: rounds of writing and judging |
//! | `moves.rs` | what the crowd sends |
//! | `crowd.rs` | the connections, trusted, refused and waiting |
//! | `weather.rs` | what a server goes through meanwhile |
//! | `judge.rs`, `whole.rs` | the comparison with the model, in quiet and amid others' writes |
//! | `host.rs` | a server, and whether it has come to rest |
//! | `history.rs`, `score.rs` | the last commands, and the last line |
//!
//! The model, the snapshots and the clients are those of the tests; so are the ids, documents and most ways to write.
//!
//! A world ends after some thousand commands, with nothing left: no entry in the index, no memory. Its seed is all that
//! makes it, but for the server's own timing. Worlds of four layouts take turns, each layout on a server of its own.

// A program has no outside.
#![allow(unreachable_pub)]

#[path = "../../tests/it/support/mod.rs"]
mod support;

use redis_session_model::args;

#[path = "../../tests/it/property/commands.rs"]
mod commands;
#[path = "../../tests/it/property/documents.rs"]
mod documents;
#[path = "../../tests/it/property/pool.rs"]
mod pool;
#[path = "../../tests/it/property/values/mod.rs"]
mod values;

mod crowd;
mod history;
mod host;
mod judge;
mod life;
mod moves;
mod score;
mod weather;
mod whole;

use history::History;
use host::Host;
use life::Life;
use score::Score;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const USAGE: &str = include_str!("usage.txt");

/// How long `--quick` goes on, before the last world comes to rest.
const QUICK: Duration = Duration::from_secs(50);

/// How often it is said how far things are.
const NEWS: Duration = Duration::from_secs(30);

/// The layouts whose worlds take turns.
const LAYOUTS: [(&str, &str); 4] = [
    ("easyshare", include_str!("../../tests/layouts/easyshare.json")),
    ("workspace", include_str!("../../tests/layouts/workspace.json")),
    ("hashes", include_str!("../../tests/layouts/hashes.json")),
    ("nobody_live", include_str!("../../tests/layouts/nobody_live.json")),
];

/// Whether somebody has said that it is enough.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// What a call asks for.
struct Arguments {
    quick: bool,
    commands: Option<u64>,
    worlds: Option<u64>,
    seed: u64,
    until_stdin_ends: bool,
}

impl Arguments {
    /// None where help is asked for.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        // Few digits, as somebody may have to type them.
        let seed = fastrand::u64(..1_000_000_000);
        let mut arguments = Self { quick: false, commands: None, worlds: None, seed, until_stdin_ends: false };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value behind it"));
            let number = |text: String| text.parse().map_err(|_| format!("{word} takes a number, not {text}"));
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--commands" => arguments.commands = Some(number(value()?)?),
                "--worlds" => arguments.worlds = Some(number(value()?)?),
                "--seed" => arguments.seed = number(value()?)?,
                "--until-stdin-ends" => arguments.until_stdin_ends = true,
                "--help" | "-h" => return Ok(None),
                // What cargo bench says to every benchmark.
                "--bench" => {}
                _ => return Err(format!("unknown argument {word}\n\n{USAGE}")),
            }
        }
        Ok(Some(arguments))
    }
}

/// Servers by the number of their layout.
type Hosts = BTreeMap<usize, Host>;

/// Lives through worlds until it is over.
///
/// # Errors
/// What went wrong in which world, with how to see it again.
fn soak(arguments: &Arguments, score: &mut Score, hosts: &mut Hosts) -> Result<(), String> {
    let start = Instant::now();
    let is_over = |score: &Score| {
        STOPPED.load(Ordering::Relaxed)
            || arguments.quick && start.elapsed() > QUICK
            || arguments.commands.is_some_and(|limit| score.tally.sent >= limit)
    };
    let mut history = History::default();
    let mut news = Instant::now();
    for seed in arguments.seed.. {
        if is_over(score) || arguments.worlds == Some(score.lives) {
            break;
        }
        let number = usize::try_from(seed % LAYOUTS.len() as u64).expect("a small number");
        let (name, layout) = LAYOUTS[number];
        let host = hosts.entry(number).or_insert_with(|| Host::start(layout));
        let layout = host.layout.clone();
        history.clear();
        let life = AssertUnwindSafe(|| Life::new(host, &layout, seed, score, &mut history).run(seed, is_over));
        let result = catch_unwind(life).unwrap_or_else(|_| Err("a connection broke, or worse; see above".to_owned()));
        if let Err(problem) = result {
            return Err(report(name, seed, &problem, host, &history));
        }
        if news.elapsed() > NEWS {
            news = Instant::now();
            println!("{} commands, {} comparisons, no difference", score.tally.sent, score.comparisons());
        }
    }
    Ok(())
}

/// At the very end nothing may be left anywhere.
fn last_rest(hosts: &mut Hosts) -> Result<(), String> {
    let rest = |(number, host): (&usize, &mut Host)| {
        host.come_to_rest(false).map_err(|problem| format!("at the end, with layout {}: {problem}", LAYOUTS[*number].0))
    };
    hosts.iter_mut().try_for_each(rest)
}

/// What went wrong, and where to look.
fn report(layout: &str, seed: u64, problem: &str, host: &Host, history: &History) -> String {
    let path = env::temp_dir().join(format!("redis-session-soak-{seed}.log"));
    let text = format!("{problem}\n\n{}\n--- the server's log ---\n{}", history.lines(), host.server.log());
    let written = match fs::write(&path, text) {
        Ok(()) => format!("the commands before it, and the server's log: {}", path.display()),
        Err(problem) => format!("the commands before it could not be written: {problem}"),
    };
    format!(
        "the world of seed {seed} (layout {layout}) {problem}\n\n{written}\nagain: scripts/soak --seed {seed} --worlds 1"
    )
}

fn stop_when_stdin_ends() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        STOPPED.store(true, Ordering::Relaxed);
    });
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("soak: {problem}");
            return ExitCode::from(2);
        }
    };
    if arguments.until_stdin_ends {
        stop_when_stdin_ends();
    }
    println!("seed {}", arguments.seed);
    let (mut score, mut hosts) = (Score::default(), Hosts::new());
    let result = soak(&arguments, &mut score, &mut hosts).and_then(|()| last_rest(&mut hosts));
    for (number, host) in &hosts {
        let [start, latest] = [host.start, host.latest].map(|holding| holding.memory / 1024);
        println!(
            "{}: {start} KB at the start, {latest} KB at the end, {} index entries",
            LAYOUTS[*number].0, host.latest.entries
        );
    }
    if let Err(problem) = &result {
        println!("soak: {problem}");
    }
    println!("{score}, differences: {}", u8::from(result.is_err()));
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
