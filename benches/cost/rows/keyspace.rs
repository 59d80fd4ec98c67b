//! The cost of one logout in servers of several sizes: the points of the picture.

use super::{Bench, grouped};
use crate::{
    Outcome,
    measure::{Effort, contest, micros},
    picture::Curve,
    rivals::{Application, Function, Module, Oracle, Rival},
    world::World,
};

/// Keys for each user: eight of its own, and one that has nothing to do with sessions.
const KEYS: usize = 9;

pub fn curves(bench: &Bench) -> Outcome<Vec<Curve>> {
    let rivals: [&'static dyn Rival; 4] = [&Application, &Function, &Oracle, &Module];
    let mut curves: Vec<Curve> = rivals.iter().map(|rival| Curve::new(rival.name())).collect();
    let sizes: &[usize] = if bench.quick { &[1_000, 10_000, 100_000] } else { &[1_000, 10_000, 100_000, 1_000_000] };
    for &keys in sizes {
        let world = World::of(keys / KEYS);
        eprintln!("measuring: {} keys", grouped(world.keys()));
        let costs = [&slow(bench, world)?[..], &fast(bench, world, &rivals[1..])?].concat();
        for (curve, cost) in curves.iter_mut().zip(costs) {
            curve.points.push((world.keys() as f64, cost));
        }
    }
    Ok(curves)
}

fn fast(bench: &Bench, world: World, rivals: &[&'static dyn Rival]) -> Outcome<Vec<f64>> {
    let rivals: Vec<_> = rivals.iter().map(|rival| (*rival, world)).collect();
    let effort = Effort { sets: bench.size(3, 2), logouts: bench.size(4_000, 1_500), block: 100, come_back: true };
    Ok(contest(&rivals, &bench.module, effort)?.iter().map(micros).collect())
}

/// On its own: whoever came next would find the caches cold.
fn slow(bench: &Bench, world: World) -> Outcome<Vec<f64>> {
    // It goes through all keys, which makes few logouts enough.
    let block = (20_000 / world.users).clamp(1, 10);
    let effort = Effort { sets: 1, logouts: 4 * block, block, come_back: true };
    Ok(contest(&[(&Application, world)], &bench.module, effort)?.iter().map(micros).collect())
}
