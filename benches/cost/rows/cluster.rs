//! What a logout costs in a cluster of three masters, against a client that calls all of them itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::Bench;
use crate::{
    Outcome,
    client::{Client, Pipeline},
    measure::{Costs, Meter, Ratio, median, turns},
    server::{Home, Server},
    table::{Figure, Row},
    world::{User, World},
};

/// How many slots a cluster has.
const SLOTS: usize = 16384;

/// How many masters.
const MASTERS: usize = 3;

/// Logouts in a block.
const BLOCK: usize = 50;

/// Who asks all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The client, all at the same time, each for its own part.
    Client,
    /// The node that is called.
    Plain,
    /// The same, of one socket, which is the user's last.
    Socket,
    /// The same, of somebody of whom there is nothing.
    Nobody,
}

const WAYS: [Way; 4] = [Way::Client, Way::Plain, Way::Socket, Way::Nobody];

/// Three masters that know each other.
struct Cluster {
    servers: Vec<Server>,
    clients: Vec<Client>,
    meters: Vec<Meter>,
}

impl Cluster {
    fn new(bench: &Bench) -> Outcome<Self> {
        // What is compared are the nodes: others are told of nothing.
        let options = ["fence", "0", "channel", ""];
        let start = |_| -> Outcome<Server> {
            let more = ["--cluster-enabled", "yes"];
            Server::spawn_with(Some(&bench.module), &options, Home::new()?, &more)
        };
        let servers: Vec<Server> = (0..MASTERS).map(start).collect::<Outcome<_>>()?;
        let mut clients = servers.iter().map(Server::client).collect::<Outcome<Vec<_>>>()?;
        for (number, client) in clients.iter_mut().enumerate() {
            let (first, end) = (number * SLOTS / MASTERS, (number + 1) * SLOTS / MASTERS);
            client.call(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(end - 1).to_string()])?;
            for other in &servers[..number] {
                client.call(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()])?;
            }
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while !clients.iter_mut().all(|client| client.call(&["SESSION.INSPECT", "nobody"]).is_ok() && knows_all(client))
        {
            if Instant::now() > deadline {
                return Err("the nodes of the cluster do not come to know each other".into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        let meters = servers.iter().map(Meter::new).collect::<Outcome<_>>()?;
        Ok(Self { servers, clients, meters })
    }

    /// Writes users, each key to the node that serves it. Nobody is charged for it.
    fn write(&mut self, users: &[User]) -> Outcome<()> {
        let mut out: Vec<Pipeline> = (0..MASTERS).map(|_| Pipeline::default()).collect();
        for user in users {
            user.each_command(&mut |command| {
                out[node_of(command[1])].add_bytes(command);
            });
        }
        for (client, out) in self.clients.iter_mut().zip(&out) {
            client.run(out)?;
        }
        self.lap(1).map(drop)
    }

    /// Nanoseconds of CPU on all nodes, for each of so many operations.
    fn lap(&mut self, operations: usize) -> Outcome<f64> {
        let laps = self.meters.iter_mut().zip(&self.servers).map(|(meter, server)| meter.lap(server, operations));
        laps.sum()
    }

    /// Logs users out one after another: how long each took, in nanoseconds, and the CPU time for each.
    fn log_out(&mut self, way: Way, users: &[User]) -> Outcome<(Vec<f64>, f64)> {
        let mut took = Vec::new();
        for user in users {
            let began = Instant::now();
            let removed = self.log_one_out(way, *user)?;
            took.push(began.elapsed().as_nanos() as f64);
            let expected = if way == Way::Nobody { 0 } else { i64::try_from(user.traces())? };
            if removed != expected {
                return Err(format!("{way:?} removed {removed} traces of a user who had {expected}").into());
            }
        }
        Ok((took, self.lap(users.len())?))
    }

    fn log_one_out(&mut self, way: Way, user: User) -> Outcome<i64> {
        let (id, socket) = (user.id(), user.socket(0));
        let node = &mut self.clients[user.number % MASTERS];
        let reply = match way {
            Way::Client => return self.log_out_by_itself(&id),
            Way::Plain => node.call(&["SESSION.LOGOUT", &id])?,
            Way::Nobody => node.call(&["SESSION.LOGOUT", "nobody"])?,
            Way::Socket => node.call(&["SESSION.LOGOUT", &id, "SOCKET", &socket])?,
        };
        reply.try_into_number()
    }

    /// To all nodes at the same time, and the replies are added.
    fn log_out_by_itself(&mut self, id: &str) -> Outcome<i64> {
        let mut command = Pipeline::default();
        command.add(&["SESSION.LOGOUT", id, "LOCAL"]);
        for client in &mut self.clients {
            client.send(&command)?;
        }
        let replies = self.clients.iter_mut().map(|client| client.receive(&command)?.remove(0).try_into_number());
        replies.sum()
    }
}

fn knows_all(client: &mut Client) -> bool {
    let info = client.call(&["CLUSTER", "INFO"]).map(|info| info.text()).unwrap_or_default();
    info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{MASTERS}"))
}

/// Which node serves a key.
fn node_of(key: &[u8]) -> usize {
    (0..MASTERS).rfind(|node| slot(key) >= node * SLOTS / MASTERS).unwrap_or_default()
}

/// The slot of a key without a hash tag: CRC16 as the cluster specification has it (XMODEM: polynomial 0x1021, from 0).
fn slot(key: &[u8]) -> usize {
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    let crc = key.iter().fold(0_u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, step));
    usize::from(crc) % SLOTS
}

pub fn logouts(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, world) = (bench.size(40, 8), World::of(BLOCK * WAYS.len()));
    let mut cluster = Cluster::new(bench)?;
    let users: Vec<User> = (0..world.users).map(|number| world.user(number)).collect();
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); WAYS.len()];
    let mut costs: Vec<Costs> = vec![vec![Vec::new()]; WAYS.len()];
    for round in 0..rounds {
        cluster.write(&users)?;
        for turn in turns(round, WAYS.len()) {
            let (times, cost) = cluster.log_out(WAYS[turn], &users[turn * BLOCK..(turn + 1) * BLOCK])?;
            took[turn].extend(times);
            costs[turn][0].push(cost);
        }
        // Those of whom nobody was asked.
        let nobody = WAYS.iter().position(|way| *way == Way::Nobody).unwrap_or_default();
        cluster.log_out(Way::Plain, &users[nobody * BLOCK..(nobody + 1) * BLOCK])?;
    }
    let mut rows = Vec::new();
    for (at, (name, target)) in
        [("a plain logout", true), ("a logout of the last socket", false), ("a logout of nobody", false)]
            .into_iter()
            .enumerate()
    {
        let (ours, theirs) = (&took[at + 1], &took[0]);
        let medians = (median(ours.iter().copied()), median(theirs.iter().copied()));
        let mut latency = ours.clone();
        latency.sort_by(f64::total_cmp);
        let late = latency[latency.len() * 99 / 100];
        let row = Row::new(
            format!("{name} in a cluster: median latency against a client that calls all"),
            Figure::Ratio(Ratio::of(&vec![vec![medians.0]], &vec![vec![medians.1]])),
        )
        .note(format!(
            "{:.0} us, p99 {:.0} us; the client {:.0} us",
            medians.0 / 1e3,
            late / 1e3,
            medians.1 / 1e3
        ));
        rows.push(if target { row.target(2.0) } else { row });
        let row = Row::ratio("  the same: CPU time of all nodes", &costs[at + 1], &costs[0]);
        rows.push(if target { row.target(1.5) } else { row });
    }
    Ok(rows)
}
