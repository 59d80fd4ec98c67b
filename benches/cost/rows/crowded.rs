//! The cost of one logout in a fuller server.

use super::{Bench, grouped, logout::against};
use crate::{
    Outcome,
    measure::{Effort, contest},
    rivals::{Module, Oracle, Rival},
    table::Row,
    world::World,
};

/// The module in both worlds, and the oracle in both: its growth is what fuller tables and colder caches cost anybody.
fn compare(bench: &Bench, what: &str, [full, empty]: [World; 2], effort: Effort, target: f64) -> Outcome<Vec<Row>> {
    let rivals = [(&Module as &dyn Rival, full), (&Module, empty), (&Oracle, full), (&Oracle, empty)];
    let costs = contest(&rivals, &bench.module, effort)?;
    let [module, module_before, oracle, oracle_before] = costs.as_slice() else { unreachable!("four servers") };
    Ok(vec![
        against(what, module, module_before).target(target),
        against("  the oracle's own growth there", oracle, oracle_before),
    ])
}

pub fn growth(bench: &Bench) -> Outcome<Vec<Row>> {
    let users = bench.size(400_000, 60_000);
    let what = format!("{} users and as many other keys, against {}", grouped(users), grouped(users / 10));
    let effort = Effort { sets: bench.size(2, 1), logouts: bench.size(10_000, 2_000), block: 100, come_back: false };
    compare(bench, &what, [World::of(users), World::of(users / 10)], effort, 1.6)
}

pub fn crowd(bench: &Bench) -> Outcome<Vec<Row>> {
    let (world, crowd) = (World::of(bench.size(40_000, 10_000)), bench.size(100_000, 40_000));
    let many = grouped(crowd);
    let what = format!("{many} other typing keys and sockets, {} other rooms, against none", grouped(crowd / 10));
    let effort = Effort { sets: bench.size(4, 2), logouts: bench.size(8_000, 2_000), block: 100, come_back: false };
    compare(bench, &what, [World { crowd, ..world }, world], effort, 1.2)
}
