//! A sweep while others write session keys: how long it takes, and how long a bystander waits.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Bench, grouped,
    sweep::{gets_while, swept},
};
use crate::{
    Outcome,
    client::{Client, Pipeline},
    machine,
    server::Server,
    table::{Figure, Row},
    world::World,
};

/// How others write session keys meanwhile.
struct Load {
    what: &'static str,
    clients: usize,
    /// Keys in each pipeline of each client.
    keys: usize,
    /// How much time each pipeline is given; one that takes longer is followed by the next at once.
    pace: Duration,
    /// How long a sweep may take.
    target: Duration,
}

/// In the first the server has time left; in the second there is always more to read than a slice has time for.
const LOADS: [Load; 2] = [
    Load {
        what: "120,000 session keys a second",
        clients: 2,
        keys: 60,
        pace: Duration::from_millis(1),
        target: Duration::from_secs(2),
    },
    Load {
        what: "session keys as fast as four can",
        clients: 4,
        keys: 1000,
        pace: Duration::ZERO,
        target: Duration::from_secs(8),
    },
];

/// How many stale users there are among those who are live.
const STALE: usize = 2_000;

/// How long the bystander is watched while nothing is swept.
const UNSWEPT: Duration = Duration::from_secs(2);

pub fn sweep(bench: &Bench) -> Outcome<Vec<Row>> {
    // The other clients have to run while the server does.
    machine::use_all_cores();
    let rows = LOADS.iter().map(|load| measure(bench, load)).collect::<Outcome<Vec<_>>>();
    machine::stay_on_one_core();
    Ok(rows?.into_iter().flatten().collect())
}

fn measure(bench: &Bench, load: &Load) -> Outcome<[Row; 2]> {
    let server = Server::start(Some(&bench.module))?;
    let mut client = server.client()?;
    let world = World::of(bench.size(100_000, 20_000));
    world.write(&mut client, |_, _| {})?;
    server.settle()?;
    // The first sweep looks at everybody, which is not what is measured here.
    swept(&mut client, 0)?;
    let mut out = Pipeline::default();
    for n in 0..STALE {
        out.add(&["SADD", "active_users", &format!("stale{n}")]);
        out.add(&["SET", &format!("user_socket:stale{n}"), "gone"]);
    }
    client.pour(&out)?;
    let mut bystander = server.client()?;
    let (before, during, took, busy) = while_others_write(&server, world, load, || {
        let (cpu, began) = (server.cpu()?, Instant::now());
        let before = gets_while(&mut bystander, || {
            thread::sleep(UNSWEPT);
            Ok(())
        })?;
        let busy = (server.cpu()? - cpu) as f64 / 1000.0 / began.elapsed().as_micros() as f64;
        let began = Instant::now();
        let during = gets_while(&mut bystander, || swept(&mut client, STALE))?;
        Ok((before, during, began.elapsed(), busy))
    })?;
    let high = |waits: &[f64]| waits[waits.len() - 1 - waits.len() / 1000] / 1000.0;
    let what = format!("a sweep of {} users while others write {}", grouped(STALE), load.what);
    let wait = Row::new("  p99.9 of another client's GET meanwhile", Figure::Micros(high(&during)))
        .note(format!("{:.1} us under that load without a sweep", high(&before)));
    Ok([
        Row::new(what, Figure::Micros(took.as_micros() as f64))
            .target(load.target.as_micros() as f64)
            .note(format!("the server was busy {:.0} % of the time before", busy * 100.0)),
        // Without a pace a GET waits for pipelines of others, and a slice more or less is lost in that.
        if load.pace.is_zero() { wait } else { wait.target(high(&before) + 2000.0) },
    ])
}

/// Runs `work` while other clients write the data of more sockets, over and over.
fn while_others_write<R>(server: &Server, world: World, load: &Load, work: impl FnOnce() -> Outcome<R>) -> Outcome<R> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..load.clients).map(|n| (n, server.client())).collect();
        for (n, client) in writers {
            let (is_over, mut client) = (&is_over, client?);
            scope.spawn(move || write_until(n, world, load, is_over, &mut client));
        }
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

/// An error ends the writing, and with it the load that the row shows.
fn write_until(number: usize, world: World, load: &Load, is_over: &AtomicBool, client: &mut Client) {
    let mut turn = 0;
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut out = Pipeline::default();
        for n in 0..load.keys {
            let user = (turn * load.keys + n) % 10_000;
            // Another socket of somebody who is live.
            let value = format!(r#"{{"userId":"{}","roomId":"r{}"}}"#, world.user(user).id(), user % 50);
            out.add(&["SET", &format!("socket_data:b{number}-{user}"), &value, "EX", "86400"]);
        }
        turn += 1;
        if client.run(&out).is_err() {
            return;
        }
        thread::sleep(load.pace.saturating_sub(began.elapsed()));
    }
}
