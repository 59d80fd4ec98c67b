//! What it costs a server to come back.

use std::{fs, path::Path, thread, time::Duration};

use super::{Bench, grouped};
use crate::{
    Outcome,
    measure::{Costs, micros, turns},
    server::{Home, Server, is_ready},
    table::Row,
    world::World,
};

pub fn rdb(bench: &Bench) -> Outcome<Vec<Row>> {
    let keys = bench.size(1_000_000, 200_000);
    // Eight keys for each user.
    let world = World { others: keys / 2, ..World::of(keys / 16) };
    let source = Server::start(None)?;
    let mut client = source.client()?;
    world.write(&mut client, |_, _| {})?;
    client.call(&["SAVE"])?;
    let dump = source.home.0.join("dump.rdb");

    let mut loaded = [Costs::new(), Costs::new()];
    let mut ready = [Costs::new(), Costs::new()];
    for round in 0..bench.size(8, 4) {
        for place in turns(round, 2) {
            let figures = load(&dump, (place == 0).then_some(bench.module.as_path()))?;
            // The first of each meets a file that is not in the page cache, and programs that never ran.
            if round > 0 {
                loaded[place].push(vec![figures[0]]);
                ready[place].push(vec![figures[1]]);
            }
        }
    }
    let row = |what: &str, [ours, theirs]: &[Costs; 2]| {
        let note = format!("{:.0} ms against {:.0} ms", micros(ours) / 1000.0, micros(theirs) / 1000.0);
        let what = format!("loading an RDB of {} keys, half of them sessions, until {what}", grouped(world.keys()));
        Row::ratio(what, ours, theirs).target(1.2).note(note)
    };
    Ok(vec![row("it answers", &loaded), row("the index is ready", &ready)])
}

/// Nanoseconds of CPU until a server has loaded the file and answers, and until nothing is left to do.
fn load(dump: &Path, module: Option<&Path>) -> Outcome<[f64; 2]> {
    let home = Home::new()?;
    fs::hard_link(dump, home.0.join("dump.rdb"))?;
    let server = Server::spawn(module, home)?;
    let mut client = server.client()?;
    let loaded = server.cpu()?;
    while !is_ready(&mut client)? {
        thread::sleep(Duration::from_millis(20));
    }
    Ok([loaded as f64, server.cpu_at_rest()? as f64])
}
