//! Random users and random ways to leave traces, and logouts and sweeps in between: the keyspace and every reply are compared,
//! byte for byte, with a slow model of the contract.
//!
//! `REDIS_SESSION_CASES` sets how many cases each test runs, `REDIS_SESSION_SEED` runs the one case of that seed: a
//! failing case prints its seed and the fewest steps that still fail.

mod commands;
mod documents;
mod pool;
mod scenario;
mod step;

use crate::support::Layout;
use std::{env, panic};

/// Cases for each test when nothing else is said: together half a minute with a debug build on two cores.
const CASES: u64 = 100;

/// How many times a failing case is run again to find a shorter one.
const SHORTENINGS: usize = 300;

fn number_from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Runs random cases over `layout`.
fn check(layout: &str) {
    let layout = Layout::parse(layout);
    let seeds = match number_from_env("REDIS_SESSION_SEED") {
        Some(seed) => vec![seed],
        None => (0..number_from_env("REDIS_SESSION_CASES").unwrap_or(CASES)).map(|_| fastrand::u64(..)).collect(),
    };
    for seed in seeds {
        let steps = scenario::generate(&layout, seed);
        if let Err(problem) = run(&layout, &steps) {
            let (steps, problem) = shorten(&layout, steps, problem);
            let lines: Vec<_> = steps.iter().map(|step| format!("    {step}")).collect();
            panic!("REDIS_SESSION_SEED={seed} fails; the fewest steps found:\n{}\n{problem}", lines.join("\n"));
        }
    }
}

/// Runs the steps. What is not as it should be, a crash of the server among it, is told in words.
fn run(layout: &Layout, steps: &[step::Step]) -> Result<(), String> {
    let result = panic::catch_unwind(|| step::run(layout, steps));
    result.unwrap_or_else(|_| Err("the connection to the server broke; what was said then stands above".to_owned()))
}

/// Leaves out steps as long as the rest still fails: half of them at a time, then smaller parts, then single ones.
fn shorten(layout: &Layout, mut steps: Vec<step::Step>, mut problem: String) -> (Vec<step::Step>, String) {
    let mut part = steps.len() / 2;
    let mut runs = 0;
    while part > 0 {
        let mut start = 0;
        while start < steps.len() && runs < SHORTENINGS {
            let end = steps.len().min(start + part);
            let fewer = [&steps[..start], &steps[end..]].concat();
            runs += 1;
            match run(layout, &fewer) {
                Err(still) => (steps, problem) = (fewer, still),
                Ok(()) => start = end,
            }
        }
        part /= 2;
    }
    (steps, problem)
}

#[test]
fn a_logout_in_an_easyshare_world_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/easyshare.json"));
}

#[test]
fn a_logout_by_a_layout_of_every_kind_of_trace_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/workspace.json"));
}

#[test]
fn a_logout_where_sessions_are_hashes_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/hashes.json"));
}

#[test]
fn a_logout_by_a_layout_without_sockets_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/nobody_live.json"));
}
