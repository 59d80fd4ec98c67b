//! How long the server is held by the logout of a user who is one of very many in a hash.

use super::{Bench, grouped};
use crate::{
    Outcome,
    client::{Client, Pipeline},
    measure::{Costs, Meter, micros, turns},
    rivals::{Piped, Rival},
    server::Server,
    table::{Figure, Row},
    world::{User, World},
};

/// Each value names its user, and a heartbeat says of each that it is live: a sweep takes nobody.
const LAYOUT: &str = r#"{ "name": "registry", "separator": ":",
    "traces": [{ "members": "sessions", "owner": "/userId" }],
    "live": [{ "key": "heartbeat:{userId}" }] }"#;

/// Values in the hash, one of each user.
const VALUES: usize = 100_000;

/// Logouts in a block of a hash that the index knows. Of another a single one takes longer than such a block.
const BLOCK: usize = 100;

/// A server whose hash was written in some way.
struct Registry {
    server: Server,
    client: Client,
    meter: Meter,
}

impl Registry {
    /// Writes the hash field by field at `key`, and renames it if that is not where the layout has it.
    fn start(bench: &Bench, key: &str, users: &[User]) -> Outcome<Self> {
        let server = Server::with_layout(&bench.module, LAYOUT)?;
        let mut client = server.client()?;
        for users in users.chunks(20_000) {
            let mut out = Pipeline::default();
            for user in users {
                out.add_bytes(&[b"HSET", key.as_bytes(), user.socket(0).as_bytes(), &user.socket_data(0)]);
                out.add(&["SET", &format!("heartbeat:{}", user.id()), "1"]);
            }
            client.pour(&out)?;
        }
        if key != "sessions" {
            client.call(&["RENAME", key, "sessions"])?;
        }
        server.settle()?;
        let meter = Meter::new(&server)?;
        Ok(Self { server, client, meter })
    }

    /// What one of these logouts costs, in nanoseconds. Each removes one field.
    fn log_out(&mut self, users: &[User]) -> Outcome<f64> {
        let removed = Piped(&[]).log_out_all(&mut self.client, users)?;
        if removed != users.len() {
            return Err(format!("{removed} fields of {} users were removed", users.len()).into());
        }
        self.meter.lap(&self.server, users.len())
    }

    /// What it costs to send the whole hash to a client.
    fn send_all(&mut self) -> Outcome<f64> {
        self.client.call(&["HVALS", "sessions"])?;
        self.meter.lap(&self.server, 1)
    }

    /// Has a sweep read the hash; it takes nobody.
    fn sweep(&mut self) -> Outcome<()> {
        super::sweep::swept(&mut self.client, 0)?;
        self.server.settle()?;
        self.meter.lap(&self.server, 1)?;
        Ok(())
    }
}

pub fn hash(bench: &Bench) -> Outcome<Vec<Row>> {
    let users = World { users: VALUES, sockets: 1, ..World::default() }.shuffled();
    let (first, rest) = users.split_at(bench.size(20, 8));
    let (mut unknown, mut sent) = (Costs::new(), Costs::new());
    let mut known = [const { Costs::new() }; 2];
    for _ in 0..bench.size(3, 1) {
        let mut renamed = Registry::start(bench, "elsewhere", &users)?;
        // Before the others' blocks, not between them: whoever comes next finds the caches cold.
        unknown.push(first.chunks(1).map(|user| renamed.log_out(user)).collect::<Outcome<_>>()?);
        sent.push(first.iter().map(|_| renamed.send_all()).collect::<Outcome<_>>()?);
        renamed.sweep()?;
        let mut registries = [renamed, Registry::start(bench, "sessions", &users)?];
        let mut costs = [const { Vec::new() }; 2];
        for (round, block) in rest.chunks(BLOCK).take(bench.size(40, 20)).enumerate() {
            for place in turns(round, 2) {
                let cost = registries[place].log_out(block)?;
                // The first block meets cold caches, and code that never ran.
                if round > 0 {
                    costs[place].push(cost);
                }
            }
        }
        for (known, costs) in known.iter_mut().zip(costs) {
            known.push(costs);
        }
    }
    let row = |what: String, costs: &Costs| Row::new(what, Figure::Micros(micros(costs)));
    let what =
        format!("one of {} values in a hash: a logout, piped, when the hash is new to the index", grouped(VALUES));
    let [swept, written] = known;
    Ok(vec![
        row(what, &unknown).note("renamed, or there before the module: read as a whole each time"),
        row("  to compare: the server sends all values to a client (HVALS)".to_owned(), &sent),
        row("  after a sweep has read it".to_owned(), &swept),
        row("  written field by field".to_owned(), &written),
    ])
}
