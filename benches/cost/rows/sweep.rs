//! Sweeps and the cascade: what they cost, and how long others wait.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Bench, grouped, logout::against};
use crate::{
    Outcome,
    client::{Client, Pipeline},
    machine,
    measure::{Costs, Meter, median},
    server::Server,
    table::{Figure, Row},
    world::{User, World},
};

/// How long a client is watched that meets an idle server.
const IDLE: Duration = Duration::from_secs(2);

/// Users whose sockets' data is there and whose sockets' data is gone: every other one.
fn half_stale(bench: &Bench, users: usize) -> Outcome<(Server, Vec<User>)> {
    let server = Server::start(Some(&bench.module))?;
    let mut client = server.client()?;
    let world = World { users, sockets: 1, ..World::default() };
    world.write(&mut client, |_, _| {})?;
    let stale: Vec<User> = world.shuffled().into_iter().filter(|user| user.number.is_multiple_of(2)).collect();
    let mut out = Pipeline::default();
    for user in &stale {
        out.add(&["UNLINK", &format!("socket_data:{}", user.socket(0))]);
    }
    client.pour(&out)?;
    server.settle()?;
    Ok((server, stale))
}

/// Sweeps, and has to find so many stale users.
pub(super) fn swept(client: &mut Client, users: usize) -> Outcome<()> {
    let text = client.call(&["SESSION.SWEEP"])?.to_string();
    if text == format!("Integer({users})") { Ok(()) } else { Err(format!("a sweep says {text}, not {users}").into()) }
}

pub fn waits(bench: &Bench) -> Outcome<Vec<Row>> {
    // The other client has to run while the server does.
    machine::use_all_cores();
    let rows = measure_waits(bench);
    machine::stay_on_one_core();
    rows
}

fn measure_waits(bench: &Bench) -> Outcome<Vec<Row>> {
    let users = bench.size(150_000, 30_000);
    let (server, stale) = half_stale(bench, users)?;
    let mut other = server.client()?;
    let idle = gets_while(&mut other, || {
        thread::sleep(IDLE);
        Ok(())
    })?;
    let began = Instant::now();
    let busy = gets_while(&mut other, || swept(&mut server.client()?, stale.len()))?;
    let took = began.elapsed().as_secs_f64();
    let high = |waits: &[f64]| waits[waits.len() - 1 - waits.len() / 1000] / 1000.0;
    let worst = |waits: &[f64]| waits[waits.len() - 1] / 1000.0;
    let what = format!("{} keys, {} users, half of them swept", grouped(users * 7), grouped(users));
    Ok(vec![
        Row::new(format!("{what}: p99.9 of another client's GET"), Figure::Micros(high(&busy)))
            .target(high(&idle) + 2000.0)
            .note(format!("{:.1} us when idle, {} GETs in {took:.1} s", high(&idle), grouped(busy.len()))),
        Row::new("  the longest of them", Figure::Micros(worst(&busy)))
            .target(20_000.0)
            .note(format!("{:.1} us when idle", worst(&idle))),
    ])
}

/// The waits of a client that does nothing but GET while `work` goes on, in nanoseconds, sorted.
pub fn gets_while(client: &mut Client, work: impl FnOnce() -> Outcome<()>) -> Outcome<Vec<f64>> {
    let done = AtomicBool::new(false);
    let mut waits = thread::scope(|scope| {
        let watching = scope.spawn(|| -> Result<Vec<f64>, String> {
            let mut get = Pipeline::default();
            get.add(&["GET", "settings:1"]);
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let asked = Instant::now();
                client.run(&get).map_err(|error| error.to_string())?;
                waits.push(asked.elapsed().as_nanos() as f64);
            }
            Ok(waits)
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let waits = watching.join().map_err(|_| "the watching thread failed")?;
        worked?;
        Outcome::Ok(waits?)
    })?;
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

pub fn per_user(bench: &Bench) -> Outcome<Vec<Row>> {
    let users = bench.size(100_000, 20_000);
    let (mut sweeps, mut logouts) = (Costs::new(), Costs::new());
    for _ in 0..bench.size(5, 2) {
        let ((ours, _), (theirs, stale)) = (half_stale(bench, users)?, half_stale(bench, users)?);
        let mut meter = Meter::new(&ours)?;
        swept(&mut ours.client()?, stale.len())?;
        sweeps.push(vec![meter.lap(&ours, stale.len())?]);
        let (mut meter, mut client) = (Meter::new(&theirs)?, theirs.client()?);
        for user in &stale {
            client.call(&["SESSION.LOGOUT", &user.id()])?;
        }
        logouts.push(vec![meter.lap(&theirs, stale.len())?]);
    }
    let what = format!("a swept user, of {} stale ones, against a logout of the same", grouped(users / 2));
    Ok(vec![against(&what, &sweeps, &logouts).target(1.2)])
}

pub fn nothing_stale(bench: &Bench) -> Outcome<Vec<Row>> {
    let users = bench.size(1_000_000, 100_000);
    let server = Server::start(Some(&bench.module))?;
    let mut client = server.client()?;
    let mut out = Pipeline::default();
    for number in 0..users {
        let user = User { number, sockets: 1, ..User::default() };
        let data = format!("socket_data:{}", user.socket(0));
        out.add_bytes(&[b"SET", data.as_bytes(), &user.socket_data(0), b"EX", b"86400"]);
        out.add(&["SET", &format!("user_socket:{}", user.id()), &user.socket(0), "EX", "86400"]);
        out.add(&["SADD", "active_users", &user.id()]);
        if out.commands >= 60_000 {
            client.pour(&out)?;
            out.clear();
        }
    }
    client.pour(&out)?;
    server.settle()?;
    let mut meter = Meter::new(&server)?;
    swept(&mut client, 0)?;
    let first = meter.lap(&server, 1)? / 1000.0;
    let mut later = Vec::new();
    for _ in 0..bench.size(9, 5) {
        swept(&mut client, 0)?;
        later.push(meter.lap(&server, 1)? / 1000.0);
    }
    let info = client.call(&["INFO", "session"])?.text();
    let longest = info.lines().find_map(|line| line.strip_prefix("session_last_sweep_longest_slice_usec:"));
    let longest = longest.unwrap_or("?").trim();
    let what = format!("a sweep with nothing stale among {} users", grouped(users));
    Ok(vec![
        Row::new(what, Figure::Micros(median(later))).target(50_000.0).note(format!("longest slice {longest} us")),
        Row::new("  the first one, which looks at everybody", Figure::Micros(first)),
    ])
}

pub fn cascade(bench: &Bench) -> Outcome<Vec<Row>> {
    let server = Server::start(Some(&bench.module))?;
    let mut client = server.client()?;
    for option in ["expire-cascade yes", "grace 0"] {
        let (name, value) = option.split_once(' ').unwrap_or_default();
        client.call(&["CONFIG", "SET", &format!("session.{name}"), value])?;
    }
    let world = World::of(bench.size(100_000, 20_000));
    world.write(&mut client, |_, _| {})?;
    server.settle()?;
    let mut latencies = Vec::new();
    for round in 0..bench.size(30, 10) {
        let (mapping, data) = (format!("user_socket:late{round}"), format!("socket_data:late{round}"));
        client.call(&["SET", &mapping, &format!("late{round}")])?;
        let value = format!(r#"{{"userId":"late{round}"}}"#);
        let life = Duration::from_millis(150 + round as u64 * 7);
        client.call(&["SET", &data, &value, "PX", &life.as_millis().to_string()])?;
        let ends = Instant::now() + life;
        while client.call(&["EXISTS", &mapping])?.to_string() != "Integer(0)" {
            thread::sleep(Duration::from_micros(500));
        }
        latencies.push(Instant::now().saturating_duration_since(ends).as_nanos() as f64 / 1000.0);
    }
    let worst = latencies.iter().copied().fold(0.0, f64::max);
    let what = format!("from the expiry of a data key until the user is gone, among {} users", grouped(world.users));
    let note = format!("the slowest of {}; median {:.0} us", latencies.len(), median(latencies));
    Ok(vec![Row::new(what, Figure::Micros(worst)).target(1_000_000.0).note(note)])
}
