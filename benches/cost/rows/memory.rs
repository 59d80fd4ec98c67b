//! What the index holds in memory.

use super::{Bench, grouped};
use crate::{
    Outcome,
    client::Client,
    measure::{Costs, median},
    server::Server,
    table::Row,
    world::World,
};

/// The world grows by an eighth from one reading to the next, and doubles in six: tables grow in steps.
const READINGS: usize = 7;

pub fn used_memory(bench: &Bench) -> Outcome<Vec<Row>> {
    let users = bench.size(50_000, 10_000);
    let bare = World::of(users);
    Ok(vec![
        compare(bench, bare, "used_memory", Some(1.15))?,
        compare(bench, World { documents: true, ..bare }, "  the same with documents of 50 participants", None)?,
    ])
}

/// The same world in a server with the module and in one without.
fn compare(bench: &Bench, first: World, what: &str, target: Option<f64>) -> Outcome<Row> {
    let (with, without) = (Server::start(Some(&bench.module))?, Server::start(None)?);
    // Each size counts as a set of its own, which makes the range that of the sizes.
    let (mut ours, mut theirs) = (Costs::new(), Costs::new());
    let (mut before, mut world) = (World::default(), first);
    for _ in 0..READINGS {
        for (server, readings) in [(&with, &mut ours), (&without, &mut theirs)] {
            before.grow(world, &mut server.client()?, |_, _| {})?;
            server.settle()?;
            readings.push(vec![reading(&mut server.client()?)?]);
        }
        before = world;
        let users = world.users + world.users / 8;
        world = World { users, others: users, ..world };
    }
    let what = format!("{what}, {} to {} users", grouped(first.users), grouped(before.users));
    let megabytes = |readings: &Costs| median(readings.iter().flatten().copied()) / 1024.0 / 1024.0;
    let row = Row::ratio(what, &ours, &theirs);
    let row = row.note(format!("{:.1} MB against {:.1} MB; range: of the sizes", megabytes(&ours), megabytes(&theirs)));
    Ok(Row { target, ..row })
}

fn reading(client: &mut Client) -> Outcome<f64> {
    let info = client.call(&["INFO", "memory"])?.text();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.ok_or("INFO has no used_memory")?.parse()?)
}
