//! What is measured. Each measurement makes one line of the table or several.

mod busy;
mod cluster;
mod collection;
mod crowded;
mod hostile;
mod keyspace;
mod load;
mod logout;
mod memory;
mod sweep;
mod then;
mod traffic;
mod values;

pub use keyspace::curves;

use std::path::PathBuf;

use crate::{Outcome, table::Row};

/// What all measurements need to know.
#[derive(Debug)]
pub struct Bench {
    pub module: PathBuf,
    pub quick: bool,
}

impl Bench {
    /// A size for the full run, and one for the quick one.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// A number for people: 100,000.
pub fn grouped(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1000), number % 1000) }
}

/// Something to measure.
#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    pub name: &'static str,
    pub what: &'static str,
    pub run: fn(&Bench) -> Outcome<Vec<Row>>,
}

/// All measurements, in the order of the table.
pub const MEASUREMENTS: &[Measurement] = &[
    Measurement { name: "logout", what: "a user with nine traces, all ways", run: logout::nine_traces },
    Measurement { name: "rooms", what: "a user with 20 typing rooms and 2 sockets", run: logout::rooms },
    Measurement { name: "document", what: "a user in a room document of 50 participants", run: logout::document },
    Measurement { name: "telling", what: "a logout that others are told of", run: logout::telling },
    Measurement { name: "default", what: "a logout as the module comes, piped", run: logout::by_default },
    Measurement { name: "then", what: "a logout with three commands more", run: then::three_commands },
    Measurement { name: "values", what: "logouts and SETs of data that is no JSON", run: values::formats },
    Measurement { name: "collection", what: "a user in a hash of 100,000 values", run: collection::hash },
    Measurement { name: "growth", what: "a logout among ten times as many users and keys", run: crowded::growth },
    Measurement { name: "crowd", what: "a logout among many typing keys, sockets and rooms", run: crowded::crowd },
    Measurement { name: "application", what: "the application's own way, in a small world", run: logout::application },
    Measurement { name: "outside", what: "SET and GET of keys outside the layout", run: traffic::outside },
    Measurement { name: "inside", what: "SET of the layout's own socket_data keys", run: traffic::inside },
    Measurement { name: "used", what: "SET and GET of other keys after very many logouts", run: traffic::used },
    Measurement { name: "memory", what: "used_memory with the index and without", run: memory::used_memory },
    Measurement { name: "load", what: "loading an RDB", run: load::rdb },
    Measurement { name: "sweep", what: "what a swept user costs", run: sweep::per_user },
    Measurement { name: "swept", what: "how long others wait during a sweep", run: sweep::waits },
    Measurement { name: "unswept", what: "a sweep with nothing stale", run: sweep::nothing_stale },
    Measurement { name: "busy", what: "a sweep while others write session keys", run: busy::sweep },
    Measurement { name: "cascade", what: "how soon a user is gone whose data expired", run: sweep::cascade },
    Measurement { name: "cluster", what: "a logout in a cluster of three masters", run: cluster::logouts },
    Measurement { name: "hostile", what: "how long others wait while a huge user is logged out", run: hostile::waits },
];
