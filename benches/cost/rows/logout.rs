//! The cost of one logout.

use super::Bench;
use crate::{
    Outcome,
    measure::{Costs, Effort, contest, micros},
    rivals::{Application, Default, Function, Halves, Module, Nothing, Oracle, Piped, Rival, Unlink},
    table::{Figure, Row},
    world::World,
};

/// Logouts in a block.
const BLOCK: usize = 100;

pub(super) fn against(what: &str, ours: &Costs, theirs: &Costs) -> Row {
    Row::ratio(what, ours, theirs).note(format!("{:.1} us against {:.1} us", micros(ours), micros(theirs)))
}

pub fn nine_traces(bench: &Bench) -> Outcome<Vec<Row>> {
    let world = World::of(bench.size(40_000, 10_000));
    let rivals = [&Module as &dyn Rival, &Oracle, &Function, &Oracle, &Nothing, &Halves, &Unlink];
    let rivals = rivals.map(|rival| (rival, world));
    let effort = Effort { sets: bench.size(5, 3), logouts: bench.size(12_000, 4_000), block: BLOCK, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [module, oracle, function, twin, nothing, halves, unlink] = costs.as_slice() else {
        unreachable!("seven rivals")
    };
    let own = |costs: &Costs| -> Costs {
        let idle = micros(nothing) * 1000.0;
        costs.iter().map(|set| set.iter().map(|cost| cost - idle).collect()).collect()
    };
    Ok(vec![
        against("a logout of 9 traces, against the oracle", module, oracle).target(1.0),
        against("a logout of 9 traces, against the indexed Function", module, function).target(0.5),
        against("  the first without the round trip itself", &own(module), &own(oracle)),
        against("  the second without the round trip itself", &own(module), &own(function)),
        against("  the oracle against itself: the noise", twin, oracle),
        against("  the floor: UNLINK and SREM without MULTI, against the oracle", halves, oracle),
        against("  the floor: UNLINK of the keys alone, against the oracle", unlink, oracle),
        Row::new("  a round trip that does nothing (PING)", Figure::Micros(micros(nothing))),
    ])
}

pub fn rooms(bench: &Bench) -> Outcome<Vec<Row>> {
    let world = World { sockets: 2, typing_in: 20, ..World::of(bench.size(20_000, 5_000)) };
    let rivals = [&Module as &dyn Rival, &Oracle, &Halves, &Unlink].map(|rival| (rival, world));
    let effort = Effort { sets: bench.size(5, 2), logouts: bench.size(6_000, 2_000), block: BLOCK, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [module, oracle, halves, unlink] = costs.as_slice() else { unreachable!("four rivals") };
    Ok(vec![
        against("20 typing rooms and 2 sockets, against the oracle", module, oracle).target(1.0),
        against("  the floor: UNLINK and SREM without MULTI, against the oracle", halves, oracle),
        against("  the floor: UNLINK of the keys alone, against the oracle", unlink, oracle),
    ])
}

pub fn document(bench: &Bench) -> Outcome<Vec<Row>> {
    let world = World { documents: true, ..World::of(bench.size(40_000, 10_000)) };
    let rivals = [&Module as &dyn Rival, &Function].map(|rival| (rival, world));
    // A tenth of all users at most, so that rooms stay full.
    let effort = Effort { sets: bench.size(5, 2), logouts: bench.size(4_000, 1_000), block: BLOCK, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [module, function] = costs.as_slice() else { unreachable!("two rivals") };
    let what = "9 traces and a place in a document of 50, against the Function with cjson";
    Ok(vec![against(what, module, function).target(0.5)])
}

/// What a logout costs as the module comes, with a fence and a channel where nobody listens, against one that does neither.
pub fn by_default(bench: &Bench) -> Outcome<Vec<Row>> {
    const PIPED_BARE: Piped = Piped(&[("session.channel", ""), ("session.fence", "0")]);
    let world = World::of(bench.size(40_000, 10_000));
    let rivals = [&PIPED_BARE as &dyn Rival, &Piped(&[]), &Module, &Default(&[])].map(|rival| (rival, world));
    let effort = Effort { sets: bench.size(5, 3), logouts: bench.size(12_000, 4_000), block: BLOCK, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [piped_bare, piped, bare, default] = costs.as_slice() else { unreachable!("four rivals") };
    Ok(vec![
        against("a logout by default, piped, against one without fence and channel", piped, piped_bare).target(1.15),
        against("  the same by round trips", default, bare),
    ])
}

/// What it costs to fence sockets off and to tell others, when nobody listens.
pub fn telling(bench: &Bench) -> Outcome<Vec<Row>> {
    const FENCED: Default = Default(&[("session.channel", "")]);
    const CHANNEL: Default = Default(&[]);
    const CLASSIC: Default = Default(&[("session.socketio", "classic")]);
    const STREAM: Default = Default(&[("session.stream", "audit")]);
    let world = World::of(bench.size(40_000, 10_000));
    let rivals = [&Module as &dyn Rival, &FENCED, &CHANNEL, &CLASSIC, &STREAM].map(|rival| (rival, world));
    let effort = Effort { sets: bench.size(5, 3), logouts: bench.size(12_000, 4_000), block: BLOCK, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [bare, fenced, channel, classic, stream] = costs.as_slice() else { unreachable!("five rivals") };
    Ok(vec![
        against("a logout with session.fence on, against one with it off", fenced, bare),
        against("  and told on session.channel, which is the default, against not told", channel, fenced),
        against("  and told to Socket.IO (classic): two announcements, a disconnect", classic, channel),
        against("  and kept in session.stream", stream, channel),
    ])
}

/// Far from the others' blocks: it takes so long that whoever came next would find the caches cold.
pub fn application(bench: &Bench) -> Outcome<Vec<Row>> {
    let world = World::of(bench.size(2_000, 500));
    let cost = |rival: &'static dyn Rival, logouts, block| -> Outcome<f64> {
        let effort = Effort { sets: bench.size(3, 2), logouts, block, come_back: false };
        Ok(micros(&contest(&[(rival, world)], &bench.module, effort)?[0]))
    };
    let application = cost(&Application, bench.size(60, 30), 10)?;
    let module = cost(&Module, world.users, BLOCK)?;
    let what = format!("the application's own way, {} users only: it is slow", world.users);
    let note = format!("{:.0} times the module's {module:.1} us there", application / module);
    Ok(vec![Row::new(what, Figure::Micros(application)).note(note)])
}
