//! The steps of a case as literal commands, so that any of them can be left out, and the check behind each logout.

use super::commands::Args;
use super::target::Target;
use crate::args;
use crate::support::bytes::{join, quote};
use crate::support::model::plan::{Plan, flat};
use crate::support::model::sweep;
use crate::support::model::template::Bindings;
use crate::support::snapshot::Snapshot;
use crate::support::{Layout, Model, Reply, array, int, ok, queued};
use std::fmt;

/// How many clients write. The first of them logs users out, and never has a transaction of its own open.
pub const CLIENTS: usize = 3;

/// One step of a case.
#[derive(Clone)]
pub enum Step {
    /// A command of one of the clients; any answer will do.
    Run(usize, Args),
    /// A command that may block: it gets a connection of its own, and is served whenever that may be.
    Block(Args),
    /// DUMP of the first key, RESTORE as the second with this TTL.
    Restore(Vec<u8>, Vec<u8>, &'static str),
    /// Lets a key expire, but keeps it in memory.
    Expire(Vec<u8>),
    /// DEBUG RELOAD.
    Reload,
    /// The first client speaks RESP2 or RESP3 from now on.
    Protocol(u8),
    /// SESSION.INSPECT changes nothing and tells the plan.
    Inspect(Vec<u8>),
    /// SESSION.LOGOUT, compared with the model.
    Logout(Logout),
    /// SESSION.SWEEP, compared with the model; first a dry run.
    Sweep(Inside),
}

/// How a logout is called.
#[derive(Clone)]
pub struct Logout {
    pub user: Vec<u8>,
    pub socket: Option<Vec<u8>>,
    /// A placeholder and its value, if only a part is logged out. Then `socket` is none.
    pub part: Option<(String, Vec<u8>)>,
    pub reason: bool,
    pub with_traces: bool,
    pub inside: Inside,
}

/// Where a logout is called from.
#[derive(Clone, Copy, PartialEq)]
pub enum Inside {
    Nothing,
    Multi,
    Script,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "",
            Self::Multi => " (inside MULTI, twice)",
            Self::Script => " (by a script)",
        })
    }
}

impl Logout {
    fn args(&self) -> Args {
        let mut args = args!["SESSION.LOGOUT", self.user];
        if self.with_traces {
            args.extend(args!["withtraces"]);
        }
        if let Some(socket) = &self.socket {
            args.extend(args!["SOCKET", socket]);
        }
        if let Some((name, value)) = &self.part {
            args.extend(args!["Where", name, value]);
        }
        if self.reason {
            args.extend(args!["Reason", "because\r\n"]);
        }
        args
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(client, args) => write!(f, "{client}> {}", join(args)),
            Self::Block(args) => write!(f, "*> {}", join(args)),
            Self::Restore(from, to, ttl) => write!(f, "0> RESTORE {} {ttl} <DUMP of {}>", quote(to), quote(from)),
            Self::Expire(key) => write!(f, "0> PEXPIRE {} 1, and wait (in memory perhaps after a sweep)", quote(key)),
            Self::Reload => f.write_str("0> DEBUG RELOAD"),
            Self::Protocol(version) => write!(f, "0> HELLO {version}"),
            Self::Inspect(user) => write!(f, "0> SESSION.INSPECT {}", quote(user)),
            Self::Logout(logout) => write!(f, "0> {}{}", join(&logout.args()), logout.inside),
            Self::Sweep(inside) => write!(f, "0> SESSION.SWEEP{inside}, DRYRUN before"),
        }
    }
}

/// Runs the steps.
///
/// # Errors
/// What was not as the model has it, in words.
pub fn run(layout: &Layout, target: Box<dyn Target>, steps: &[Step]) -> Result<(), String> {
    let mut world = World { layout, target, protocol: 2 };
    steps.iter().try_for_each(|step| world.step(step).map_err(|problem| format!("at {step}\n{problem}")))
}

struct World<'a> {
    layout: &'a Layout,
    target: Box<dyn Target>,
    protocol: u8,
}

impl World<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Run(client, args) => drop(self.target.cmd(*client, args.clone())),
            Step::Block(args) => self.target.block(args),
            Step::Restore(from, to, ttl) => self.restore(from, to, ttl),
            Step::Expire(key) => self.target.expire(key),
            Step::Reload => self.target.reload(),
            Step::Protocol(version) => {
                self.target.speak(*version);
                self.protocol = *version;
            }
            Step::Inspect(user) => return self.inspect(user),
            Step::Logout(logout) => return self.log_out(logout),
            Step::Sweep(inside) => return self.sweep(*inside),
        }
        Ok(())
    }

    fn restore(&mut self, from: &[u8], to: &[u8], ttl: &str) {
        if let Reply::Bulk(dump) = self.target.cmd(0, args!["DUMP", from]) {
            self.target.cmd(0, args!["RESTORE", to, ttl, dump, "REPLACE"]);
        }
    }

    fn inspect(&mut self, user: &[u8]) -> Result<(), String> {
        let database = self.target.selected();
        let before = self.target.snapshot();
        if let Some(refusal) = self.layout.ids.refusal("user id", "userId", user) {
            expect("SESSION.INSPECT", &Reply::Error(refusal), &self.target.cmd(0, args!["SESSION.INSPECT", user]))?;
        } else {
            let plan = Model::new(self.layout, &before.database(database)).logout(user);
            self.expect_inspect(user, &plan)?;
        }
        expect_keys(&before, &self.target.snapshot())
    }

    fn expect_inspect(&mut self, user: &[u8], plan: &Plan) -> Result<(), String> {
        let expected = self.map_reply(plan.inspect_map());
        expect("SESSION.INSPECT", &expected, &self.target.cmd(0, args!["SESSION.INSPECT", user]))
    }

    fn map_reply(&self, map: Vec<(Reply, Reply)>) -> Reply {
        if self.protocol == 3 { Reply::Map(map) } else { flat(map) }
    }

    fn log_out(&mut self, logout: &Logout) -> Result<(), String> {
        let database = self.target.selected();
        let before = self.target.snapshot();
        let keys = before.database(database);
        if let Some(refusal) = self.refusal(logout) {
            expect("SESSION.LOGOUT", &Reply::Error(refusal), &self.target.cmd(0, logout.args()))?;
            return expect_keys(&before, &self.target.snapshot());
        }
        let model = Model::new(self.layout, &keys);
        let full = model.logout(&logout.user);
        let plan = match &logout.socket {
            Some(socket) => model.logout_socket(&logout.user, socket),
            None => match logout.part.clone() {
                Some(part) => model.logout_part(&logout.user, &Bindings::from([part])),
                None => full.clone(),
            },
        };
        self.expect_inspect(&logout.user, &full)?;
        // What names a device that goes may be all that names another one, which went on: then there is no other, and a second
        // call for it is a logout of the user.
        let left = model.after(&plan);
        let again =
            logout.socket.as_ref().map(|socket| Model::new(self.layout, &left).logout_socket(&logout.user, socket));
        let is_more = again.as_ref().is_some_and(|again| again.removed() > 0);
        let is_twice = logout.inside == Inside::Multi;
        let inside = if is_more && is_twice { Inside::Nothing } else { logout.inside };
        self.call(&Logout { inside, ..logout.clone() }, &plan)?;
        let expected = before.clone().with_database(database, left);
        let after = self.target.snapshot();
        expect_keys(&expected, &after)?;
        if let Some(again) = again.filter(|again| again.removed() > 0) {
            self.expect_told(logout, &plan)?;
            return self.log_out_again(logout, &again, &after);
        }
        expect("a second SESSION.LOGOUT", &int(0), &self.second_call(logout))?;
        self.expect_told(logout, &plan)?;
        let left = Model::new(self.layout, &after.database(database)).logout(&logout.user);
        self.expect_inspect(&logout.user, &left)?;
        expect_keys(&after, &self.target.snapshot())
    }

    /// Calls once more, where that finds more by the model: exactly that goes.
    fn log_out_again(&mut self, logout: &Logout, plan: &Plan, before: &Snapshot) -> Result<(), String> {
        let database = self.target.selected();
        let count = int(plan.removed());
        expect("a second SESSION.LOGOUT", &count, &self.second_call(logout))?;
        let left = Model::new(self.layout, &before.database(database)).after(plan);
        let rest = Model::new(self.layout, &left).logout(&logout.user);
        let after = before.clone().with_database(database, left);
        expect_keys(&after, &self.target.snapshot())?;
        self.expect_told(logout, plan)?;
        expect("a third SESSION.LOGOUT", &int(0), &self.second_call(logout))?;
        self.expect_inspect(&logout.user, &rest)?;
        expect_keys(&after, &self.target.snapshot())
    }

    /// What the logout is refused with, if an id is none by the layout.
    fn refusal(&self, logout: &Logout) -> Option<String> {
        let ids = &self.layout.ids;
        let of_user = ids.refusal("user id", "userId", &logout.user);
        let of_socket = || ids.refusal("socket id", "socketId", logout.socket.as_ref()?);
        let of_part = || logout.part.as_ref().and_then(|(name, value)| ids.refusal("value of WHERE", name, value));
        of_user.or_else(of_socket).or_else(of_part)
    }

    /// Since the last time one event must have been heard of what was removed, and none if that was nothing.
    fn expect_told(&mut self, logout: &Logout, plan: &Plan) -> Result<(), String> {
        let mut told = self.target.told();
        for event in told.iter_mut().filter_map(|event| event.as_object_mut()) {
            // Which name a user has and whether this was the last device, the model does not say.
            event.retain(|field, _| !["at", "userName", "scope"].contains(&&**field));
        }
        let text = |id: &Vec<u8>| String::from_utf8_lossy(id).into_owned();
        let expected = serde_json::json!({
            "event": "logout",
            "userId": text(&logout.user),
            "sockets": plan.sockets.iter().map(text).collect::<Vec<_>>(),
            "rooms": plan.rooms.iter().map(text).collect::<Vec<_>>(),
            "reason": if logout.reason { "because\r\n" } else { "logout" },
            "removed": plan.removed(),
        });
        let expected: Vec<_> = Some(expected).filter(|_| plan.removed() > 0).into_iter().collect();
        if told == expected {
            Ok(())
        } else {
            Err(format!("was told\n    expected: {expected:?}\n    actual:   {told:?}"))
        }
    }

    fn second_call(&mut self, logout: &Logout) -> Reply {
        self.target.cmd(0, Logout { with_traces: false, ..logout.clone() }.args())
    }

    /// Calls the logout as it wants to be called, and compares the answer with the plan's.
    fn call(&mut self, logout: &Logout, plan: &Plan) -> Result<(), String> {
        let map = |map| if self.protocol == 3 && logout.inside != Inside::Script { Reply::Map(map) } else { flat(map) };
        let expected = if logout.with_traces { map(plan.map()) } else { int(plan.removed()) };
        let again = Logout { with_traces: false, ..logout.clone() }.args();
        self.call_inside(logout.inside, logout.args(), &expected, again)
    }

    /// Calls a command and compares its answer. In a transaction it is called `again`, which finds nothing.
    fn call_inside(&mut self, inside: Inside, args: Args, expected: &Reply, again: Args) -> Result<(), String> {
        let name = String::from_utf8_lossy(&args[0]).into_owned();
        let target = &mut self.target;
        match inside {
            Inside::Nothing => expect(&name, expected, &target.cmd(0, args)),
            Inside::Script => {
                let script = args!["EVAL", "return redis.call(unpack(ARGV))", "0"];
                expect(&format!("{name} by a script"), expected, &target.cmd(0, [script, args].concat()))
            }
            Inside::Multi => {
                let commands = vec![args!["MULTI"], args, again, args!["EXEC"]];
                let answers = [ok(), queued(), queued(), array([expected.clone(), int(0)])];
                expect(&format!("{name} twice inside MULTI"), &array(answers), &array(target.pipeline(0, commands)))
            }
        }
    }

    fn sweep(&mut self, inside: Inside) -> Result<(), String> {
        if !self.layout.tells_live() {
            return Ok(());
        }
        let database = self.target.selected();
        let before = self.target.snapshot();
        let keys = before.database(database);
        let stale = sweep::stale(self.layout, &keys);
        let count = int(i64::try_from(stale.len()).expect("few"));
        let who = stale.iter().map(quote).collect::<Vec<_>>().join(" ");
        let dry = args!["SESSION.SWEEP", "DRYRUN"];
        let problem = |problem| format!("{problem}\n    stale: {who}");
        self.call_inside(Inside::Nothing, dry, &count, Vec::new()).map_err(problem)?;
        expect_keys(&before, &self.target.snapshot())?;
        if let Some(swept) = sweep::sweep(self.layout, &keys) {
            let args = args!["SESSION.SWEEP"];
            self.call_inside(inside, args.clone(), &int(swept.users), args).map_err(problem)?;
            let told = self.target.told().iter().filter(|event| event["reason"] == "sweep").count();
            if i64::try_from(told).expect("few") != swept.users + swept.sockets {
                let (users, sockets) = (swept.users, swept.sockets);
                return Err(problem(format!("{told} events were told of {users} users and {sockets} dead sockets")));
            }
            let expected = before.with_database(database, swept.keys);
            expect_keys(&expected, &self.target.snapshot())?;
        }
        // Who is swept may make somebody else stale, by a socket that both have.
        for _ in 0..10 {
            self.target.cmd(0, args!["SESSION.SWEEP"]);
        }
        // What these told is not known to the model.
        self.target.told();
        let left = self.target.snapshot();
        let stale = sweep::stale(self.layout, &left.database(database));
        let who = stale.iter().map(quote).collect::<Vec<_>>().join(" ");
        if stale.is_empty() { Ok(()) } else { Err(format!("after ten sweeps these are stale still: {who}")) }
    }
}

fn expect(what: &str, expected: &Reply, actual: &Reply) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    Err(format!("{what} answered\n    expected: {expected:?}\n    actual:   {actual:?}"))
}

fn expect_keys(expected: &Snapshot, actual: &Snapshot) -> Result<(), String> {
    let differences = expected.differences(actual);
    if differences.is_empty() { Ok(()) } else { Err(format!("the keyspace differs:\n{}", differences.join("\n"))) }
}
