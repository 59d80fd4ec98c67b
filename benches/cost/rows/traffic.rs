//! What everybody else's commands cost with the module in the server.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

use super::Bench;
use crate::{
    Outcome,
    client::{Client, Pipeline},
    measure::{Costs, Meter, micros, turns},
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

    fn send(self, server: &Server, client: &mut Client, commands: &[Vec<String>]) -> Outcome<()> {
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
    let output = Command::new(server::cli())
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

/// Makes the command for a number that was never used before, or for one of a block before.
type Make = fn(usize) -> Vec<String>;

/// A stream of commands to measure.
struct Stream {
    what: &'static str,
    make: Make,
    /// Whether it goes over the numbers of the stream before it once more.
    again: bool,
}

/// Three servers in the same state: one with the module, a plain one, and its twin.
struct Trio {
    servers: Vec<(Server, Client)>,
}

impl Trio {
    fn start(bench: &Bench, world: World, set: usize) -> Outcome<Self> {
        let mut servers = [None, None, None];
        for place in turns(set, 3) {
            let server = Server::start((place == 0).then_some(&bench.module))?;
            let mut client = server.client()?;
            world.write(&mut client, |_, _| {})?;
            server.settle()?;
            servers[place] = Some((server, client));
        }
        Ok(Self { servers: servers.into_iter().flatten().collect() })
    }

    /// Adds to `costs`, for each stream and each server, a figure for each block. New numbers begin at `next`.
    fn measure(
        &mut self,
        road: Road,
        streams: &[Stream],
        mut next: usize,
        blocks: usize,
        costs: &mut [[Costs; 3]],
    ) -> Outcome<()> {
        let mut meters = self.servers.iter().map(|(server, _)| Meter::new(server)).collect::<Outcome<Vec<_>>>()?;
        for costs in costs.iter_mut().flatten() {
            costs.push(Vec::new());
        }
        for round in 0..blocks {
            for (stream, costs) in streams.iter().zip(costs.iter_mut()) {
                let begin = if stream.again { next - BLOCK } else { next };
                next = begin + BLOCK;
                let commands: Vec<_> = (begin..next).map(stream.make).collect();
                for place in turns(round, 3) {
                    let (server, client) = &mut self.servers[place];
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

fn rows(bench: &Bench, streams: &[Stream], target: f64) -> Outcome<Vec<Row>> {
    let mut costs = vec![vec![[const { Costs::new() }; 3]; streams.len()]; Road::ALL.len()];
    for set in 0..bench.size(4, 2) {
        let mut trio = Trio::start(bench, World::of(bench.size(40_000, 10_000)), set)?;
        for (number, (road, costs)) in Road::ALL.into_iter().zip(&mut costs).enumerate() {
            // Past the world and what the other way has written.
            let first = 1_000_000 * (number + 1);
            trio.measure(road, streams, first, bench.size(20, 10), costs)?;
        }
    }
    let mut rows = Vec::new();
    for (road, costs) in Road::ALL.into_iter().zip(&costs) {
        for (stream, [module, plain, _]) in streams.iter().zip(costs) {
            let note = format!("{:.0} ns against {:.0} ns", micros(module) * 1000.0, micros(plain) * 1000.0);
            rows.push(Row::ratio(format!("{}, {}", stream.what, road.name()), module, plain).target(target).note(note));
        }
    }
    let all = |place: usize| costs.iter().flatten().flat_map(|costs| costs[place].clone()).collect();
    rows.push(Row::ratio("  a plain server against another: the noise", &all(2), &all(1)));
    Ok(rows)
}

fn words(words: [&str; 3]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

pub fn outside(bench: &Bench) -> Outcome<Vec<Row>> {
    let set: Make = |number| words(["SET", &other_key(number), &other_value(number)]);
    let get: Make = |number| vec!["GET".to_owned(), other_key(number)];
    let streams = [
        Stream { what: "SET of new keys outside the layout", make: set, again: false },
        Stream { what: "SET of existing keys outside the layout", make: set, again: true },
        Stream { what: "GET of keys outside the layout", make: get, again: true },
    ];
    rows(bench, &streams, 1.05)
}

pub fn inside(bench: &Bench) -> Outcome<Vec<Row>> {
    // Each socket belongs to a user of its own, as when users come.
    let set: Make = |number| {
        let user = User { number, sockets: 1, typing_in: 0, in_document: false };
        words(["SET", &format!("socket_data:{}", user.socket(0)), &user.socket_data(0)])
    };
    let streams = [
        Stream { what: "SET of new socket_data keys", make: set, again: false },
        Stream { what: "SET of existing socket_data keys", make: set, again: true },
    ];
    rows(bench, &streams, 2.0)
}
