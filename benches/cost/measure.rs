//! Interleaved blocks and what is made of them.

use std::path::Path;

use crate::{
    Outcome,
    client::{Client, Pipeline},
    rivals::Rival,
    server::Server,
    world::{User, World},
};

/// Costs of one way, in nanoseconds of CPU for each operation: a figure for each block, a list for each set of servers.
pub type Costs = Vec<Vec<f64>>;

/// The value in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(below, above)
}

/// The median of all blocks, in microseconds.
pub fn micros(costs: &Costs) -> f64 {
    median(costs.iter().flatten().copied()) / 1000.0
}

/// Costs of two, block by block.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// The median over all blocks.
    pub median: f64,
    /// The lowest and the highest median of one set of servers. Two servers in the same state differ by some percent for
    /// as long as they live, by where their memory happens to be: more blocks do not help against that, only more servers.
    pub range: (f64, f64),
    /// The ratio of the sums: what happens in few blocks counts here, and so does what disturbed them.
    pub total: f64,
}

impl Ratio {
    pub fn of(ours: &Costs, theirs: &Costs) -> Self {
        let blocks = |(ours, theirs): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
        };
        let sets: Vec<Vec<f64>> = ours.iter().zip(theirs).map(blocks).collect();
        let medians: Vec<f64> = sets.iter().map(|set| median(set.iter().copied())).collect();
        let sum = |costs: &Costs| costs.iter().flatten().sum::<f64>();
        Self {
            median: median(sets.into_iter().flatten()),
            range: (medians.iter().copied().fold(f64::MAX, f64::min), medians.iter().copied().fold(0.0, f64::max)),
            total: sum(ours) / sum(theirs),
        }
    }
}

/// The order in which `count` servers have their turn in a round: each is first, last and next to each as often.
pub fn turns(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| {
        let turn = if round.is_multiple_of(2) { turn } else { count - 1 - turn };
        (turn + round / 2) % count
    })
}

/// A server whose CPU time is read block by block. Between two readings nothing that it does escapes: not what it puts
/// off until after a reply, nor what it does while others are measured.
#[derive(Debug)]
pub struct Meter {
    last: u64,
}

impl Meter {
    pub fn new(server: &Server) -> Outcome<Self> {
        Ok(Self { last: server.cpu_at_rest()? })
    }

    /// Ends a block of so many operations: nanoseconds of CPU for each of them.
    pub fn lap(&mut self, server: &Server, operations: usize) -> Outcome<f64> {
        let now = server.cpu_at_rest()?;
        let cost = (now - self.last) as f64 / operations as f64;
        self.last = now;
        Ok(cost)
    }
}

/// A way to log users out on a server of its own.
struct Contestant {
    rival: &'static dyn Rival,
    server: Server,
    client: Client,
    meter: Meter,
}

impl Contestant {
    fn new(rival: &'static dyn Rival, module: &Path, world: World) -> Outcome<Self> {
        let server = rival.start(module)?;
        let mut client = server.client()?;
        rival.prepare(&mut client)?;
        world.write(&mut client, |out, user| rival.remember(out, user))?;
        server.settle()?;
        let meter = Meter::new(&server)?;
        Ok(Self { rival, server, client, meter })
    }

    fn log_out(&mut self, users: &[User]) -> Outcome<f64> {
        let removed = self.rival.log_out_all(&mut self.client, users)?;
        let traces: usize = users.iter().map(|user| user.traces()).sum();
        if removed != traces {
            let name = self.rival.name();
            return Err(format!("{name} removed {removed} traces of users who had {traces}").into());
        }
        self.meter.lap(&self.server, users.len())
    }

    /// Writes users again who were logged out; nobody is charged for it.
    fn bring_back(&mut self, users: &[User]) -> Outcome<()> {
        let mut out = Pipeline::default();
        for user in users {
            user.write(&mut out);
            self.rival.remember(&mut out, *user);
        }
        self.client.pour(&out)?;
        self.meter.lap(&self.server, 1)?;
        Ok(())
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Sets of fresh servers.
    pub sets: usize,
    /// Logouts on each server.
    pub logouts: usize,
    /// Logouts in a block.
    pub block: usize,
    /// Whether the users of a block come back after it, so that the world stays as it is.
    pub come_back: bool,
}

/// Lets rivals log out the same users in worlds of their own, in blocks that alternate. One costs for each rival.
pub fn contest(rivals: &[(&'static dyn Rival, World)], module: &Path, effort: Effort) -> Outcome<Vec<Costs>> {
    let count = rivals.len();
    let mut costs = vec![Costs::new(); count];
    for set in 0..effort.sets {
        let mut contestants: Vec<Option<Contestant>> = rivals.iter().map(|_| None).collect();
        for place in turns(set, count) {
            let (rival, world) = rivals[place];
            contestants[place] = Some(Contestant::new(rival, module, world)?);
        }
        let mut contestants: Vec<Contestant> = contestants.into_iter().flatten().collect();
        for costs in &mut costs {
            costs.push(Vec::new());
        }
        let users: Vec<Vec<User>> = rivals.iter().map(|(_, world)| world.shuffled()).collect();
        for round in 0..effort.logouts / effort.block {
            for place in turns(round, count) {
                // Only those who come back have another turn.
                let from = round * effort.block % (users[place].len() + 1 - effort.block);
                let block = &users[place][from..from + effort.block];
                let cost = contestants[place].log_out(block)?;
                if effort.come_back {
                    contestants[place].bring_back(block)?;
                }
                // The first block meets cold caches, and code that never ran.
                if round > 0 {
                    costs[place][set].push(cost);
                }
            }
        }
    }
    Ok(costs)
}
