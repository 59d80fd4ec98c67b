//! A sweep while others write session keys: how long it takes, and how long a bystander waits.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Bench, grouped, sweep::gets_while};
use crate::{
    Outcome,
    client::{Client, Pipeline},
    machine,
    server::Server,
    table::{Figure, Row},
    world::World,
};

/// Session keys written in each millisecond, by two clients together.
const WRITES: usize = 120;

/// How long the bystander is watched while nothing is swept.
const UNSWEPT: Duration = Duration::from_secs(2);

pub fn sweep(bench: &Bench) -> Outcome<Vec<Row>> {
    // Three other clients have to run while the server does.
    machine::use_all_cores();
    let rows = measure(bench);
    machine::stay_on_one_core();
    rows
}

fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let server = Server::start(Some(&bench.module))?;
    let mut client = server.client()?;
    let world = World::of(bench.size(100_000, 20_000));
    world.write(&mut client, |_, _| {})?;
    let ghosts = 2_000;
    let mut out = Pipeline::default();
    for n in 0..ghosts {
        out.add(&["SADD", "active_users", &format!("ghost{n}")]);
        out.add(&["SET", &format!("user_socket:ghost{n}"), "gone"]);
    }
    client.pour(&out)?;
    server.settle()?;
    let mut bystander = server.client()?;
    let (before, during, took, load) = while_others_write(&server, world, || {
        let (cpu, began) = (server.cpu()?, Instant::now());
        let before = gets_while(&mut bystander, || {
            thread::sleep(UNSWEPT);
            Ok(())
        })?;
        let load = (server.cpu()? - cpu) as f64 / 1000.0 / began.elapsed().as_micros() as f64;
        let began = Instant::now();
        let during = gets_while(&mut bystander, || {
            let swept = client.call(&["SESSION.SWEEP"])?.to_string();
            if swept == format!("Integer({ghosts})") { Ok(()) } else { Err(format!("a sweep says {swept}").into()) }
        })?;
        Ok((before, during, began.elapsed(), load))
    })?;
    let high = |waits: &[f64]| waits[waits.len() - 1 - waits.len() / 1000] / 1000.0;
    let what = format!(
        "a sweep of {} users while others write {} session keys a second",
        grouped(ghosts),
        grouped(1000 * WRITES)
    );
    Ok(vec![
        Row::new(what, Figure::Micros(took.as_micros() as f64))
            .target(2_000_000.0)
            .note(format!("the server was busy {:.0} % of the time before", load * 100.0)),
        Row::new("  p99.9 of another client's GET meanwhile", Figure::Micros(high(&during)))
            .target(high(&before) + 2000.0)
            .note(format!("{:.1} us under that load without a sweep", high(&before))),
    ])
}

/// Runs `work` while two clients write the data of more sockets, over and over, as fast as is said.
fn while_others_write<R>(server: &Server, world: World, work: impl FnOnce() -> Outcome<R>) -> Outcome<R> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2).map(|n| (n, server.client())).collect();
        for (n, client) in writers {
            let (is_over, mut client) = (&is_over, client?);
            scope.spawn(move || write_until(n, world, is_over, &mut client));
        }
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

/// An error ends the writing, and with it the load that the row shows.
fn write_until(number: usize, world: World, is_over: &AtomicBool, client: &mut Client) {
    let mut turn = 0;
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut out = Pipeline::default();
        for n in 0..WRITES / 2 {
            let user = (turn * WRITES / 2 + n) % 10_000;
            // Another socket of somebody who is live.
            let value = format!(r#"{{"userId":"{}","roomId":"r{}"}}"#, world.user(user).id(), user % 50);
            out.add(&["SET", &format!("socket_data:b{number}-{user}"), &value, "EX", "86400"]);
        }
        turn += 1;
        if client.run(&out).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(1).saturating_sub(began.elapsed()));
    }
}
