//! What it costs that the data of sockets is in another format than JSON.

use super::{Bench, logout::against, traffic};
use crate::{
    Outcome,
    format::Format,
    measure::{Effort, contest},
    rivals::{InFormat, Rival},
    table::Row,
    world::World,
};

const TARGET: f64 = 1.3;

pub fn formats(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut rows = logouts(bench)?;
    rows.extend(traffic::in_formats(bench, &[Format::MessagePack, Format::Pickle], TARGET)?);
    Ok(rows)
}

/// As the module comes: what others are told is read from the data too.
fn logouts(bench: &Bench) -> Outcome<Vec<Row>> {
    const JSON: InFormat = InFormat(Format::Json);
    const MESSAGE_PACK: InFormat = InFormat(Format::MessagePack);
    const PICKLE: InFormat = InFormat(Format::Pickle);
    let world = World::of(bench.size(40_000, 10_000));
    let rivals = [&MESSAGE_PACK as &dyn Rival, &PICKLE, &JSON, &JSON]
        .map(|rival| (rival, World { format: rival.format(), ..world }));
    let effort = Effort { sets: bench.size(5, 2), logouts: bench.size(12_000, 4_000), block: 100, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [message_pack, pickle, json, twin] = costs.as_slice() else { unreachable!("four rivals") };
    Ok(vec![
        against("a socket's data in MessagePack: a logout, piped, against JSON", message_pack, json).target(TARGET),
        against("a socket's data in pickle: a logout, piped, against JSON", pickle, json).target(TARGET),
        against("  JSON against itself: the noise", twin, json),
    ])
}
