//! What everybody else's commands cost with the module in the server.

use std::{
    fs::{self, File},
    process::{self, Stdio},
};

use super::{Bench, grouped};
use crate::{
    Outcome,
    client::{Client, Pipeline},
    format::Format,
    measure::{Costs, Meter, micros, turns},
    rivals::{Default, Halves, InFormat, Nothing, Piped, Rival},
    server::{self, Server},
    table::Row,
    world::{User, World, other_key, other_value},
};

/// Commands that are on their way at the same time.
const DEEP: usize = 16;

/// Commands in a block.
const BLOCK: usize = 6_000;

/// How commands reach the server.
#[derive(Clone, Copy, Debug)]
enum Road {
    Pipelined,
    Pipe,
}

impl Road {
    const ALL: [Self; 2] = [Self::Pipelined, Self::Pipe];

    fn name(self) -> &'static str {
        match self {
            Self::Pipelined => "16 deep",
            Self::Pipe => "redis-cli --pipe",
        }
    }

    fn send(self, server: &Server, client: &mut Client, commands: &[Command]) -> Outcome<()> {
        let mut out = Pipeline::default();
        let chunks = match self {
            Self::Pipelined => commands.chunks(DEEP),
            Self::Pipe => commands.chunks(commands.len()),
        };
        for chunk in chunks {
            out.clear();
            for command in chunk {
                out.add_long(&[], command);
            }
            match self {
                Self::Pipelined => {
                    client.run(&out)?;
                }
                Self::Pipe => pipe(server, &out)?,
            }
        }
        Ok(())
    }
}

fn pipe(server: &Server, commands: &Pipeline) -> Outcome<()> {
    let path = server.home.0.join("commands");
    fs::write(&path, &commands.bytes)?;
    let output = process::Command::new(server::cli())
        .args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "--pipe"])
        .stdin(Stdio::from(File::open(&path)?))
        .output()
        .map_err(|error| format!("redis-cli does not start: {error}"))?;
    let words = String::from_utf8_lossy(&output.stdout);
    if words.contains(&format!("errors: 0, replies: {}", commands.commands)) {
        Ok(())
    } else {
        Err(format!("redis-cli --pipe: {words}{}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// A command's arguments.
type Command = Vec<Vec<u8>>;

/// Makes the command for a number that was never used before, or for one of a block before, with a socket's data in this
/// format.
type Make = fn(usize, Format) -> Command;

/// A stream of commands to measure.
struct Stream {
    what: &'static str,
    make: Make,
    /// Whether it goes over the numbers of the stream before it once more.
    again: bool,
}

/// Servers in the same state, each used in its rival's way.
struct Group<'a> {
    rivals: &'a [&'a dyn Rival],
    servers: Vec<(Server, Client)>,
}

impl<'a> Group<'a> {
    /// Before they are measured, everybody is logged out and comes back so many times.
    fn start(bench: &Bench, rivals: &'a [&'a dyn Rival], world: World, times: usize, set: usize) -> Outcome<Self> {
        let mut servers: Vec<_> = rivals.iter().map(|_| None).collect();
        for place in turns(set, rivals.len()) {
            let rival = rivals[place];
            let world = World { format: rival.format(), ..world };
            let server = rival.start(&bench.module)?;
            let mut client = server.client()?;
            rival.prepare(&mut client)?;
            world.write(&mut client, |_, _| {})?;
            server.settle()?;
            for _ in 0..times {
                for users in world.shuffled().chunks(100) {
                    rival.log_out_all(&mut client, users)?;
                }
                World { others: 0, ..world }.write(&mut client, |_, _| {})?;
            }
            server.settle()?;
            servers[place] = Some((server, client));
        }
        Ok(Self { rivals, servers: servers.into_iter().flatten().collect() })
    }

    /// Adds to `costs`, for each stream and each server, a figure for each block. New numbers begin at `next`.
    fn measure(
        &mut self,
        road: Road,
        streams: &[Stream],
        mut next: usize,
        blocks: usize,
        costs: &mut [Vec<Costs>],
    ) -> Outcome<()> {
        let mut meters = self.servers.iter().map(|(server, _)| Meter::new(server)).collect::<Outcome<Vec<_>>>()?;
        for costs in costs.iter_mut().flatten() {
            costs.push(Vec::new());
        }
        for round in 0..blocks {
            for (stream, costs) in streams.iter().zip(costs.iter_mut()) {
                let begin = if stream.again { next - BLOCK } else { next };
                next = begin + BLOCK;
                for place in turns(round, self.servers.len()) {
                    let (server, client) = &mut self.servers[place];
                    let format = self.rivals[place].format();
                    let commands: Vec<_> = (begin..next).map(|number| (stream.make)(number, format)).collect();
                    road.send(server, client, &commands)?;
                    let cost = meters[place].lap(server, BLOCK)?;
                    // The first block meets cold caches, and code that never ran.
                    if round > 0 {
                        costs[place].last_mut().expect("pushed above").push(cost);
                    }
                }
            }
        }
        Ok(())
    }
}

/// How many users there are.
fn users(bench: &Bench) -> usize {
    bench.size(40_000, 10_000)
}

/// The costs of each stream on each road and each of the rivals' servers, after everybody was logged out so many times.
fn costs(bench: &Bench, streams: &[Stream], rivals: &[&dyn Rival], times: usize) -> Outcome<Vec<Vec<Vec<Costs>>>> {
    let mut costs = vec![vec![vec![Costs::new(); rivals.len()]; streams.len()]; Road::ALL.len()];
    for set in 0..bench.size(4, 2) {
        let mut group = Group::start(bench, rivals, World::of(users(bench)), times, set)?;
        for (number, (road, costs)) in Road::ALL.into_iter().zip(&mut costs).enumerate() {
            // Past the world and what the other way has written.
            let first = 1_000_000 * (number + 1);
            group.measure(road, streams, first, bench.size(20, 10), costs)?;
        }
    }
    Ok(costs)
}

/// One row for each road and stream, of the server at `place` against the plain one, which is the last but one.
fn rows(streams: &[Stream], costs: &[Vec<Vec<Costs>>], place: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for (road, costs) in Road::ALL.into_iter().zip(costs) {
        for (stream, costs) in streams.iter().zip(costs) {
            let (module, plain) = (&costs[place], &costs[costs.len() - 2]);
            let note = format!("{:.0} ns against {:.0} ns", micros(module) * 1000.0, micros(plain) * 1000.0);
            rows.push(Row::ratio(format!("{}, {}", stream.what, road.name()), module, plain).note(note));
        }
    }
    rows
}

/// The last two servers are plain.
fn noise(costs: &[Vec<Vec<Costs>>]) -> Row {
    let all = |from_end: usize| {
        costs.iter().flatten().flat_map(|costs| costs[costs.len() - from_end].clone()).collect::<Costs>()
    };
    Row::ratio("  a plain server against another: the noise", &all(1), &all(2))
}

fn with_target(rows: Vec<Row>, target: f64) -> impl Iterator<Item = Row> {
    rows.into_iter().map(move |row| row.target(target))
}

/// Against plain servers that were just filled.
fn when_new(bench: &Bench, streams: &[Stream], target: f64) -> Outcome<Vec<Row>> {
    let costs = costs(bench, streams, &[&Default(&[]), &Nothing, &Nothing], 0)?;
    Ok(with_target(rows(streams, &costs, 0), target).chain([noise(&costs)]).collect())
}

const OUTSIDE: [Stream; 3] = [
    Stream { what: "SET of new keys outside the layout", make: set_other, again: false },
    Stream { what: "SET of existing keys outside the layout", make: set_other, again: true },
    Stream { what: "GET of keys outside the layout", make: get_other, again: true },
];

const OWN: [Stream; 2] = [
    Stream { what: "SET of new socket_data keys", make: set_data, again: false },
    Stream { what: "SET of existing socket_data keys", make: set_data, again: true },
];

fn set(key: String, value: Vec<u8>) -> Command {
    vec![b"SET".to_vec(), key.into_bytes(), value]
}

fn set_other(number: usize, _: Format) -> Command {
    set(other_key(number), other_value(number).into_bytes())
}

fn get_other(number: usize, _: Format) -> Command {
    vec![b"GET".to_vec(), other_key(number).into_bytes()]
}

/// Each socket belongs to a user of its own, as when users come.
fn set_data(number: usize, format: Format) -> Command {
    let user = User { number, sockets: 1, typing_in: 0, in_document: false, format };
    set(format!("socket_data:{}", user.socket(0)), user.socket_data(0))
}

pub fn outside(bench: &Bench) -> Outcome<Vec<Row>> {
    when_new(bench, &OUTSIDE, 1.05)
}

/// The same in servers that have been in use: everybody was logged out three times and came back, on the plain ones too.
pub fn used(bench: &Bench) -> Outcome<Vec<Row>> {
    const TIMES: usize = 3;
    const UNFENCED: Piped = Piped(&[("session.fence", "0")]);
    let costs = costs(bench, &OUTSIDE, &[&Piped(&[]), &UNFENCED, &Halves, &Halves], TIMES)?;
    let after = format!("after {} logouts: ", grouped(TIMES * users(bench)));
    let say = |what: String| move |row: Row| Row { what: format!("{what}{}", row.what), ..row };
    let fenced = with_target(rows(&OUTSIDE, &costs, 0), 1.05).map(say(after));
    let unfenced = rows(&OUTSIDE, &costs, 1).into_iter().map(say("  without the fence: ".to_owned()));
    Ok(fenced.chain(unfenced).chain([noise(&costs)]).collect())
}

pub fn inside(bench: &Bench) -> Outcome<Vec<Row>> {
    when_new(bench, &OWN, 2.0)
}

/// `SET` of the data of sockets in each of these formats, against the same in JSON.
pub(super) fn in_formats(bench: &Bench, formats: &[Format], target: f64) -> Outcome<Vec<Row>> {
    let others: Vec<InFormat> = formats.iter().copied().map(InFormat).collect();
    let json: &dyn Rival = &InFormat(Format::Json);
    let rivals: Vec<_> = others.iter().map(|other| other as &dyn Rival).chain([json, json]).collect();
    let costs = costs(bench, &OWN, &rivals, 0)?;
    let mut all = Vec::new();
    for (place, format) in formats.iter().enumerate() {
        let say = |row: Row| Row { what: format!("in {}, against JSON: {}", format.words(), row.what), ..row };
        all.extend(with_target(rows(&OWN, &costs, place), target).map(say));
    }
    all.push(Row { what: "  JSON against itself: the noise".to_owned(), ..noise(&costs) });
    Ok(all)
}
