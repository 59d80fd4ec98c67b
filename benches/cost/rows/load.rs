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

/// A layout of which no key is there. (It has to be one that is watched, or no key would be shown.)
const ABSENT: &str = r#"{"name":"absent","separator":":","traces":[{"key":"absent:{roomId}:{userId}"}]}"#;

pub fn rdb(bench: &Bench) -> Outcome<Vec<Row>> {
    let keys = bench.size(1_000_000, 200_000);
    // Eight keys for each user.
    let world = World { others: keys / 2, ..World::of(keys / 16) };
    let source = Server::start(None)?;
    let mut client = source.client()?;
    world.write(&mut client, |_, _| {})?;
    client.call(&["SAVE"])?;
    let dump = source.home.0.join("dump.rdb");

    let layout = source.home.0.join("layout.json");
    fs::write(&layout, ABSENT)?;
    let layout = layout.to_str().ok_or("the directory for temporary files has an odd name")?;

    let contestants: [(Option<&Path>, &[&str]); 3] =
        [(Some(&bench.module), &[]), (None, &[]), (Some(&bench.module), &["layout", layout])];
    let mut loaded = [const { Costs::new() }; 3];
    let mut ready = [const { Costs::new() }; 3];
    for round in 0..bench.size(10, 4) {
        for place in turns(round, contestants.len()) {
            let (module, options) = contestants[place];
            let figures = load(&dump, module, options)?;
            // The first of each meets a file that is not in the page cache, and programs that never ran.
            if round > 0 {
                loaded[place].push(vec![figures[0]]);
                ready[place].push(vec![figures[1]]);
            }
        }
    }
    let row = |what: &str, ours: &Costs, theirs: &Costs| {
        let note = format!("{:.0} ms against {:.0} ms", micros(ours) / 1000.0, micros(theirs) / 1000.0);
        Row::ratio(what, ours, theirs).note(note)
    };
    let what = format!("loading an RDB of {} keys, half of them sessions, until", grouped(world.keys()));
    Ok(vec![
        row(&format!("{what} it answers"), &loaded[0], &loaded[1]).target(1.2),
        row(&format!("{what} the index is ready"), &ready[0], &ready[1]).target(1.2),
        row("  the floor: every key is shown to the module, which cares for none of them", &ready[2], &ready[1]),
    ])
}

/// Nanoseconds of CPU until a server has loaded the file and answers, and until nothing is left to do.
fn load(dump: &Path, module: Option<&Path>, options: &[&str]) -> Outcome<[f64; 2]> {
    let home = Home::new()?;
    fs::hard_link(dump, home.0.join("dump.rdb"))?;
    let server = Server::spawn(module, options, home)?;
    let mut client = server.client()?;
    let loaded = server.cpu()?;
    while !is_ready(&mut client)? {
        thread::sleep(Duration::from_millis(20));
    }
    Ok([loaded as f64, server.cpu_at_rest()? as f64])
}
