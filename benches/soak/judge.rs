//! One command of the module, held against the model: its reply, and every key of every database after it.

use super::commands::Args;
use crate::args;
use crate::support::bytes::{join, quote};
use crate::support::model::plan::flat;
use crate::support::model::sweep;
use crate::support::{Layout, Model, Reply, Snapshot, int};
use fastrand::Rng;

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Inspect,
    Logout,
    Sweep,
    /// A sweep that only counts.
    DryRun,
}

/// A command of the module, in a database.
#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub user: Vec<u8>,
    pub socket: Option<Vec<u8>>,
    pub with_traces: bool,
    pub database: u32,
}

/// What the model says of a call; none where it depends on what the model does not know.
pub type Foretold = Option<(Reply, Snapshot)>;

impl Call {
    /// A call about one of these users and sockets.
    pub fn draw(rng: &mut Rng, layout: &Layout, users: &[Vec<u8>], sockets: &[Vec<u8>]) -> Self {
        let kind = match rng.u32(0..10) {
            0 | 1 => Kind::Inspect,
            2 | 3 if layout.sockets.is_some() => rng.choice([Kind::Sweep, Kind::Sweep, Kind::DryRun]).expect("some"),
            _ => Kind::Logout,
        };
        Self {
            kind,
            user: rng.choice(users).expect("some").clone(),
            socket: (kind == Kind::Logout && rng.u32(0..3) == 0).then(|| rng.choice(sockets).expect("some").clone()),
            with_traces: rng.bool(),
            database: rng.choice([0, 0, 0, 0, 1, 2]).expect("some"),
        }
    }

    /// The command.
    pub fn args(&self) -> Args {
        match self.kind {
            Kind::Inspect => args!["SESSION.INSPECT", self.user],
            Kind::Sweep => args!["SESSION.SWEEP"],
            Kind::DryRun => args!["SESSION.SWEEP", "DRYRUN"],
            Kind::Logout => {
                let mut args = args!["SESSION.LOGOUT", self.user];
                if let Some(socket) = &self.socket {
                    args.extend(args!["SOCKET", socket]);
                }
                if self.with_traces {
                    args.extend(args!["WITHTRACES"]);
                }
                args
            }
        }
    }

    /// What the module says if the layout allows no such user or socket.
    pub fn refusal(&self, layout: &Layout) -> Option<Reply> {
        let ids = &layout.ids;
        let of_user = || ids.refusal("user id", "userId", &self.user);
        let of_socket = || ids.refusal("socket id", "socketId", self.socket.as_ref()?);
        let refusal = match self.kind {
            Kind::Inspect => of_user(),
            Kind::Logout => of_user().or_else(of_socket),
            Kind::Sweep | Kind::DryRun => None,
        };
        refusal.map(Reply::Error)
    }

    /// The reply and all keys afterwards, as the model has them.
    pub fn foretell(&self, layout: &Layout, before: &Snapshot) -> Foretold {
        if let Some(refusal) = self.refusal(layout) {
            return Some((refusal, before.clone()));
        }
        let keys = before.database(self.database);
        let model = Model::new(layout, &keys);
        let (reply, keys) = match self.kind {
            Kind::Inspect => return Some((flat(model.logout(&self.user).inspect_map()), before.clone())),
            Kind::DryRun => return Some((int(count(sweep::stale(layout, &keys).len())), before.clone())),
            Kind::Sweep => {
                let swept = sweep::sweep(layout, &keys)?;
                (int(swept.users), swept.keys)
            }
            Kind::Logout => {
                let plan = match &self.socket {
                    Some(socket) => model.logout_socket(&self.user, socket),
                    None => model.logout(&self.user),
                };
                let reply = if self.with_traces { flat(plan.map()) } else { int(plan.removed()) };
                (reply, model.after(&plan))
            }
        };
        Some((reply, before.clone().with_database(self.database, keys)))
    }

    /// Holds what came of the call against the model.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn compare(&self, layout: &Layout, before: &Snapshot, reply: &Reply, after: &Snapshot) -> Result<bool, String> {
        let Some((foretold, then)) = self.foretell(layout, before) else { return Ok(false) };
        self.same_reply(&foretold, reply)?;
        self.same_keys(&then, after)?;
        Ok(true)
    }

    /// Fails unless the keyspace is as it should be.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn same_keys(&self, expected: &Snapshot, actual: &Snapshot) -> Result<(), String> {
        let differences = expected.differences(actual);
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!("after {} the keys differ:\n{}", self.words(), differences.join("\n")))
    }

    fn same_reply(&self, expected: &Reply, actual: &Reply) -> Result<(), String> {
        let actual = as_resp2(actual);
        if *expected == actual {
            return Ok(());
        }
        Err(format!("{} answered\n    expected: {expected:?}\n    actual:   {actual:?}", self.words()))
    }

    /// The command as a person reads it.
    pub fn words(&self) -> String {
        format!("{} (user {}, database {})", join(&self.args()), quote(&self.user), self.database)
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("a small number")
}

/// A map as RESP2 has it, which is how the model says it.
fn as_resp2(reply: &Reply) -> Reply {
    match reply {
        Reply::Map(pairs) => flat(pairs.clone()),
        other => other.clone(),
    }
}
