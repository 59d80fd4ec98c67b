//! Random users and random ways to leave traces, and logouts and sweeps in between: the keyspace and every reply are compared,
//! byte for byte, with a slow model of the contract.
//!
//! The same cases run on real servers and, many more of them, on the core with a host in memory.
//!
//! `REDIS_SESSION_CASES` sets how many cases each test runs on real servers and `REDIS_SESSION_CASES_IN_MEMORY` in memory,
//! `REDIS_SESSION_SEED` runs the one case of that seed: a failing case prints its seed and the fewest steps that still fail.

mod alike;
mod commands;
mod documents;
mod in_memory;
mod pool;
mod scenario;
mod step;
mod target;
mod values;

use crate::support::Layout;
use in_memory::InMemory;
use std::{
    env, panic,
    time::{Duration, Instant},
};
use target::{RealServer, Target};

/// Starts what a case runs on, with a layout and the case's seed.
type Start = fn(&Layout, u64) -> Box<dyn Target>;

/// Cases for each test when nothing else is said: together about a minute on two cores, most of it in clients and servers.
const CASES: u64 = 100;

/// The same in memory: together about five seconds on two cores, most of it in the model. `.ci/run` asks for more.
const CASES_IN_MEMORY: u64 = 100;

/// How many times a failing case is run again to find a shorter one.
const SHORTENINGS: usize = 300;

/// For how long at most: a server that says nothing takes a minute each time.
const SHORTENING_TIME: Duration = Duration::from_secs(180);

fn number_from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Runs random cases over `layout` on real servers.
fn check(layout: &str) {
    check_on(RealServer::start, layout, number_from_env("REDIS_SESSION_CASES").unwrap_or(CASES));
}

/// The same in memory.
fn check_in_memory(layout: &str) {
    let cases = number_from_env("REDIS_SESSION_CASES_IN_MEMORY").unwrap_or(CASES_IN_MEMORY);
    check_on(InMemory::start, layout, cases);
}

fn check_on(start: Start, layout: &str, cases: u64) {
    let layout = Layout::parse(layout);
    let seeds = match number_from_env("REDIS_SESSION_SEED") {
        Some(seed) => vec![seed],
        None => (0..cases).map(|_| fastrand::u64(..)).collect(),
    };
    for seed in seeds {
        let steps = scenario::generate(&layout, seed);
        let run = |steps: &[step::Step]| run(&layout, || start(&layout, seed), steps);
        if let Err(problem) = run(&steps) {
            let (steps, problem) = shorten(&run, steps, problem);
            let lines: Vec<_> = steps.iter().map(|step| format!("    {step}")).collect();
            panic!("REDIS_SESSION_SEED={seed} fails; the fewest steps found:\n{}\n{problem}", lines.join("\n"));
        }
    }
}

/// Runs the steps. What is not as it should be, a crash of the server among it, is told in words.
fn run(layout: &Layout, start: impl Fn() -> Box<dyn Target>, steps: &[step::Step]) -> Result<(), String> {
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| step::run(layout, start(), steps)));
    result.unwrap_or_else(|_| Err("a panic, or a connection that broke; what was said then stands above".to_owned()))
}

/// Leaves out steps as long as the rest still fails: half of them at a time, then smaller parts, then single ones.
fn shorten(
    run: &dyn Fn(&[step::Step]) -> Result<(), String>,
    mut steps: Vec<step::Step>,
    mut problem: String,
) -> (Vec<step::Step>, String) {
    let mut part = steps.len() / 2;
    let mut runs = 0;
    let end_of_time = Instant::now() + SHORTENING_TIME;
    while part > 0 {
        let mut start = 0;
        while start < steps.len() && runs < SHORTENINGS && Instant::now() < end_of_time {
            let end = steps.len().min(start + part);
            let fewer = [&steps[..start], &steps[end..]].concat();
            runs += 1;
            match run(&fewer) {
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

#[test]
fn in_memory_a_logout_in_an_easyshare_world_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/easyshare.json"));
}

#[test]
fn in_memory_a_logout_by_a_layout_of_every_kind_of_trace_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/workspace.json"));
}

#[test]
fn in_memory_a_logout_where_sessions_are_hashes_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/hashes.json"));
}

#[test]
fn in_memory_a_logout_by_a_layout_without_sockets_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/nobody_live.json"));
}

#[test]
fn a_logout_where_sockets_are_known_by_their_data_alone_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/unmapped.json"));
}

#[test]
fn in_memory_a_logout_where_sockets_are_known_by_their_data_alone_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/unmapped.json"));
}

#[test]
fn a_logout_where_sessions_are_opaque_and_their_ids_stand_in_another_form_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/opaque.json"));
}

#[test]
fn in_memory_a_logout_where_sessions_are_opaque_and_their_ids_stand_in_another_form_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/opaque.json"));
}

#[test]
fn a_logout_where_sockets_stand_in_a_document_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/listed.json"));
}

#[test]
fn in_memory_a_logout_where_sockets_stand_in_a_document_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/listed.json"));
}

#[test]
fn a_logout_where_values_name_users_in_any_form_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/owners.json"));
}

#[test]
fn in_memory_a_logout_where_values_name_users_in_any_form_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/owners.json"));
}

#[test]
fn a_logout_where_members_are_found_by_value_and_form_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/members.json"));
}

#[test]
fn in_memory_a_logout_where_members_are_found_by_value_and_form_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/members.json"));
}

#[test]
fn a_logout_where_documents_hold_users_in_any_place_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/entries.json"));
}

#[test]
fn in_memory_a_logout_where_documents_hold_users_in_any_place_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/entries.json"));
}

#[test]
fn a_logout_where_values_are_in_other_formats_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/encoded.json"));
}

#[test]
fn in_memory_a_logout_where_values_are_in_other_formats_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/encoded.json"));
}

#[test]
fn a_logout_where_values_are_objects_of_python_and_ruby_removes_exactly_the_users_traces() {
    check(include_str!("../../layouts/objects.json"));
}

#[test]
fn in_memory_a_logout_where_values_are_objects_of_python_and_ruby_removes_exactly_the_users_traces() {
    check_in_memory(include_str!("../../layouts/objects.json"));
}
