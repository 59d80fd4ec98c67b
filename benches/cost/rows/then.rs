//! What a logout costs at which the layout has more written.

use super::{Bench, logout::against};
use crate::{
    Outcome,
    client::{Client, Pipeline, Reply},
    layouts,
    measure::{Effort, contest},
    rivals::{Module, Piped, Rival},
    table::Row,
    world::{User, World},
};

/// Who writes what is to be written at a logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Nobody,
    Module,
    /// In the same write as the logout, so that others may see it half done.
    Client,
}

/// The keys of what is written, for a user of this id.
fn keys(user: &str) -> [String; 3] {
    [format!("profile:{user}"), "logouts".to_owned(), "left".to_owned()]
}

/// Three commands of different kinds.
fn commands(user: &str) -> [Vec<String>; 3] {
    let [profile, count, list] = keys(user);
    let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect();
    [words(&["HSET", &profile, "status", "offline"]), words(&["INCR", &count]), words(&["RPUSH", &list, user])]
}

impl Writer {
    /// How many of the keys are there after a logout of somebody.
    fn try_out(client: &mut Client) -> Outcome<Reply> {
        client.call(&["SADD", "active_users", "somebody"])?;
        client.call(&["SESSION.LOGOUT", "somebody"])?;
        Ok(client.run(Pipeline::default().add_long(&["UNLINK"], &keys("somebody")))?.remove(0))
    }
}

impl Rival for Writer {
    fn name(&self) -> &'static str {
        match self {
            Self::Nobody => "nothing written",
            Self::Module => "then",
            Self::Client => "the client writes",
        }
    }

    fn needs_module(&self) -> bool {
        true
    }

    fn layout(&self) -> Option<String> {
        let commands = commands("{userId}");
        Some(layouts::with_then(if *self == Self::Module { &commands } else { &[] }))
    }

    fn prepare(&self, client: &mut Client) -> Outcome<()> {
        Module.prepare(client)?;
        let (written, wanted) = (Self::try_out(client)?, if *self == Self::Module { 3 } else { 0 });
        if written == Reply::Integer(wanted) {
            Ok(())
        } else {
            Err(format!("{}: {written} keys were written, not {wanted}", self.name()).into())
        }
    }

    /// The user's profile, which outlives the session.
    fn remember(&self, out: &mut Pipeline, user: User) {
        let [profile, ..] = keys(&user.id());
        out.add(&["HSET", &profile, "name", &format!("Participant {}", user.number), "status", "online"]);
    }

    fn log_out(&self, client: &mut Client, user: User) -> Outcome<usize> {
        self.log_out_all(client, &[user])
    }

    fn log_out_all(&self, client: &mut Client, users: &[User]) -> Outcome<usize> {
        if *self != Self::Client {
            return Piped(&[]).log_out_all(client, users);
        }
        let mut out = Pipeline::default();
        for user in users {
            let id = user.id();
            out.add(&["SESSION.LOGOUT", &id]);
            for command in commands(&id) {
                out.add_long(&[], &command);
            }
        }
        let replies = client.run(&out)?;
        let removed = replies.into_iter().step_by(4).map(|reply| match reply {
            Reply::Integer(removed) => Ok(usize::try_from(removed)?),
            other => Err(format!("a logout answered {other}").into()),
        });
        removed.sum()
    }
}

pub fn three_commands(bench: &Bench) -> Outcome<Vec<Row>> {
    let world = World::of(bench.size(40_000, 10_000));
    let rivals = [&Writer::Module as &dyn Rival, &Writer::Nobody, &Writer::Client].map(|rival| (rival, world));
    let effort = Effort { sets: bench.size(5, 3), logouts: bench.size(12_000, 4_000), block: 100, come_back: false };
    let costs = contest(&rivals, &bench.module, effort)?;
    let [module, nobody, client] = costs.as_slice() else { unreachable!("three rivals") };
    Ok(vec![
        against("then with HSET, INCR and RPUSH: a logout, piped, against one without", module, nobody).target(1.5),
        against("  the floor: the client sends the three behind the logout", client, nobody),
    ])
}
