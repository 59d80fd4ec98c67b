//! How long everybody else waits while one user with very many traces is logged out.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Bench, grouped};
use crate::{
    Outcome,
    client::{Client, Pipeline},
    machine,
    measure::{Costs, median, turns},
    rivals::{Module, Oracle, Rival},
    server::Server,
    table::Row,
    world::{User, World},
};

/// How long others are watched before a logout, and after it: work that was put off must not hold them up either.
const BEFORE: Duration = Duration::from_millis(50);
const AFTER: Duration = Duration::from_millis(700);

pub fn waits(bench: &Bench) -> Outcome<Vec<Row>> {
    // The other client has to run while the server does.
    machine::use_all_cores();
    let rows = measure(bench);
    machine::stay_on_one_core();
    rows
}

fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let traces = bench.size(100_000, 40_000);
    let world =
        World { users: bench.size(9, 4), sockets: 1, typing_in: traces - 8, others: 100_000, ..World::default() };
    let rivals: [&dyn Rival; 2] = [&Module, &Oracle];
    let mut servers = Vec::new();
    for rival in rivals {
        let server = Server::start(rival.needs_module().then_some(&bench.module))?;
        rival.prepare(&mut server.client()?)?;
        world.write(&mut server.client()?, |_, _| {})?;
        server.settle()?;
        servers.push(server);
    }
    let (mut longest, mut high) = ([const { Costs::new() }; 2], [const { Costs::new() }; 2]);
    for (round, user) in world.shuffled().into_iter().enumerate() {
        for place in turns(round, 2) {
            let waits = waits_during(rivals[place], &servers[place], user)?;
            longest[place].push(vec![waits[waits.len() - 1]]);
            high[place].push(vec![waits[waits.len() - 1 - waits.len() / 1000]]);
        }
    }
    let row = |what: String, [ours, theirs]: &[Costs; 2]| {
        let milliseconds = |waits: &Costs| median(waits.iter().flatten().copied()) / 1e6;
        // Whatever else the machine does can only make others wait longer.
        let least = |waits: &Costs| waits.iter().flatten().copied().fold(f64::MAX, f64::min) / 1e6;
        let note = format!(
            "waits of {:.2} ms against {:.2} ms, at best {:.2} and {:.2}",
            milliseconds(ours),
            milliseconds(theirs),
            least(ours),
            least(theirs)
        );
        Row::ratio(what, ours, theirs).note(note)
    };
    let what = format!("a user with {} traces: another client's longest wait", grouped(traces));
    Ok(vec![
        row(what, &longest).target(1.2),
        row("  the wait that one of a thousand of its commands exceeds".to_owned(), &high),
    ])
}

/// The waits of a client that does nothing but PING, in nanoseconds, sorted.
fn waits_during(rival: &dyn Rival, server: &Server, user: User) -> Outcome<Vec<f64>> {
    let (mut client, mut other) = (server.client()?, server.client()?);
    let (done, failed) = (AtomicBool::new(false), "the watching thread failed");
    let mut waits = thread::scope(|scope| {
        let watching = scope.spawn(|| ping(&mut other, &done).map_err(|error| error.to_string()));
        thread::sleep(BEFORE);
        let removed = rival.log_out(&mut client, user);
        thread::sleep(AFTER);
        done.store(true, Ordering::Relaxed);
        let waits = watching.join().map_err(|_| failed)??;
        match removed? {
            removed if removed == user.traces() => Ok(waits),
            removed => Err(format!("{} removed {removed} of {} traces", rival.name(), user.traces()).into()),
        }
    })
    .map_err(|error: Box<dyn std::error::Error>| error)?;
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

fn ping(client: &mut Client, done: &AtomicBool) -> Outcome<Vec<f64>> {
    let mut ping = Pipeline::default();
    ping.add(&["PING"]);
    let mut waits = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let asked = Instant::now();
        client.run(&ping)?;
        waits.push(asked.elapsed().as_nanos() as f64);
    }
    Ok(waits)
}
