//! One story for all stores: people log in, the module logs some of them out, and the store says who is still in.

use std::collections::{BTreeMap, BTreeSet};

use super::talk::Talk;
use crate::support::reply::{int, ok};
use crate::support::{Content, Reply, Server, Snapshot, quote, wait_until};

/// The story's end: what differs from what it should be, if anything does.
pub type Verdict = Result<(), String>;

// Users, of whom one's id is the beginning of the others'.
const ADA: &str = "7";
const BOB: &str = "70";
const EVE: &str = "77";

/// A store, and what is known of it.
pub struct Store {
    /// The program below `tests/stores`, and the words that it is started with.
    pub program: (&'static str, &'static [&'static str]),
    /// The layout's file below `layouts`, without its ending.
    pub layout: &'static str,
    /// The keys that each session has; `{}` is its id.
    pub session: &'static [&'static str],
    /// The keys in which the store lists a user's sessions; `{}` is the user. Without any, the store lists nothing.
    pub listing: &'static [&'static str],
    /// Sets that hold a member for each session, whose id is a part of it.
    pub shared: &'static [&'static str],
    /// Whether a request that began before a logout may write its session after it.
    pub writes_late: bool,
    /// Whether such a request lists its session again too, maybe after the fence. A sweep takes that away.
    pub lists_late: bool,
}

/// Tells the story with the layout `json`.
///
/// # Errors
/// What is not as it should be.
///
/// # Panics
/// When the server does not start with the layout, or the store's program fails.
pub fn tell(store: &Store, json: &str) -> Verdict {
    let server = Server::builder().layout(json).start();
    let talk = Talk::start(store.program.0, store.program.1, server.port());
    let mut scene = Scene { store, talk, server, sessions: BTreeMap::new(), over: String::new() };
    scene.begin()?;
    scene.all_devices()?;
    scene.one_device()?;
    scene.a_request_in_flight()?;
    scene.a_new_login()?;
    scene.sweeps()
}

/// Whether a session is there again after a request that was in flight during a logout, as long as no fence takes it away. The
/// module is loaded after the login.
///
/// # Panics
/// As [`tell`] does, and if the logout finds nothing.
pub fn writes_late(store: &Store, json: &str) -> bool {
    let server = Server::builder().without_module().layout(json).option("fence", "0").start();
    let mut talk = Talk::start(store.program.0, store.program.1, server.port());
    let answer = talk.ask(&format!("login {EVE}"));
    let session = answer.as_str().expect("a login brings a session");
    assert_eq!(server.load_module(), ok());
    talk.ask(&format!("begin {session}"));
    assert!(server.run(&format!("SESSION.LOGOUT {EVE}")).as_int() > 0, "{}", store.layout);
    talk.ask("end");
    server.cmd(["EXISTS".to_owned(), store.session[0].replace("{}", session)]) == int(1)
}

/// A server, and who should be in.
struct Scene<'a> {
    store: &'a Store,
    // Ends before the server does, which some programs could not bear.
    talk: Talk,
    server: Server,
    /// Every session that there ever was, with its user as long as somebody is in.
    sessions: BTreeMap<String, State>,
    /// Eve's session, which was logged out.
    over: String,
}

#[derive(Clone, PartialEq)]
enum State {
    In(&'static str),
    Visiting,
    Out,
}

impl Scene<'_> {
    fn begin(&mut self) -> Verdict {
        for user in [ADA, ADA, BOB, BOB, EVE] {
            self.log_in(&format!("login {user}"), user);
        }
        // Some stores keep nothing before the login.
        if let Some(visitor) = self.talk.ask("guest").as_str() {
            self.sessions.insert(visitor.to_owned(), State::Visiting);
        }
        self.is_as_should_be("after the logins")
    }

    fn all_devices(&mut self) -> Verdict {
        let devices = self.devices(ADA);
        let listing = names(self.store.listing, ADA);
        self.log_out(&["SESSION.LOGOUT", ADA], &devices, &listing, &[])?;
        self.is_as_should_be("after a logout")
    }

    fn one_device(&mut self) -> Verdict {
        let device = self.devices(BOB).remove(0);
        let listing = names(self.store.listing, BOB);
        self.log_out(&["SESSION.LOGOUT", BOB, "SOCKET", &device], std::slice::from_ref(&device), &[], &listing)?;
        self.is_as_should_be("after a logout of one device")
    }

    fn a_request_in_flight(&mut self) -> Verdict {
        let devices = self.devices(EVE);
        let listing = names(self.store.listing, EVE);
        self.talk.ask(&format!("begin {}", devices[0]));
        self.log_out(&["SESSION.LOGOUT", EVE], &devices, &listing, &[])?;
        self.talk.ask("end");
        // The fence takes away what was written, soon but not at once.
        for key in names(self.store.session, &devices[0]) {
            wait_until("the session is gone again", || self.server.cmd(["EXISTS", &key]) == int(0));
        }
        if self.store.lists_late {
            // The fence takes that away, too, if the session is listed before it is gone again.
            self.server.must("SESSION.SWEEP");
        }
        self.over.clone_from(&devices[0]);
        self.is_as_should_be("after a request that was in flight during a logout")
    }

    /// The browser that was logged out is good for a new session of the same user.
    fn a_new_login(&mut self) -> Verdict {
        self.log_in(&format!("login {EVE} {}", self.over), EVE);
        self.is_as_should_be("after a new login")
    }

    /// A sweep takes nobody who is in. It takes what is left of a user whose last session has ended without a word.
    fn sweeps(&mut self) -> Verdict {
        self.sweep(0)?;
        self.is_as_should_be("after a sweep")?;
        for device in self.devices(BOB) {
            self.server.cmd(["DEL".to_owned(), self.store.session[0].replace("{}", &device)]);
            self.sessions.insert(device, State::Out);
        }
        let leaves_something = !self.store.listing.is_empty() || self.store.session.len() > 1;
        self.sweep(i64::from(leaves_something))?;
        self.is_as_should_be("after a sweep of a ghost")
    }

    fn sweep(&mut self, users: i64) -> Verdict {
        same("SESSION.SWEEP", &self.server.run("SESSION.SWEEP"), &int(users))
    }

    fn log_in(&mut self, line: &str, user: &'static str) {
        let answer = self.talk.ask(line);
        let session = answer.as_str().expect("a login brings a session").to_owned();
        let before = self.sessions.insert(session, State::In(user));
        assert!(before.is_none(), "a session's id comes twice");
    }

    /// The sessions that the user is in by.
    fn devices(&self, user: &str) -> Vec<String> {
        let is_in = |state: &State| matches!(state, State::In(name) if *name == user);
        self.sessions.iter().filter(|(_, state)| is_in(state)).map(|(session, _)| session.clone()).collect()
    }

    /// Runs `command`, which must remove what is of the sessions `gone` and the keys `listing`, change the keys `changed`
    /// and those that all users share, and nothing else.
    fn log_out(&mut self, command: &[&str], gone: &[String], listing: &[String], changed: &[String]) -> Verdict {
        let before = Snapshot::take(&mut self.server.client());
        let reply = self.server.cmd([command, &["WITHTRACES"]].concat());
        let after = Snapshot::take(&mut self.server.client());
        let what = command.join(" ");
        let of_sessions = gone.iter().flat_map(|session| names(self.store.session, session));
        let expected: BTreeSet<String> = of_sessions.chain(listing.iter().cloned()).collect();
        if reply.is_error() {
            return Err(format!("{what}: {reply:?}"));
        }
        same(&format!("{what}: keys"), &texts(&reply.field("keys")), &expected)?;
        same(&format!("{what}: sockets"), &texts(&reply.field("sockets")), &gone.iter().cloned().collect())?;
        let shared = self.store.shared.iter().map(|&key| key.to_owned());
        let expected = expected.into_iter().chain(changed.iter().cloned()).chain(shared).collect();
        same(&format!("{what}: what differs"), &differing(&before, &after), &expected)?;
        for key in self.store.shared {
            let left = members(&before, key).into_iter().filter(|member| !gone.iter().any(|id| member.contains(id)));
            same(&format!("{what}: {key}"), &members(&after, key), &left.collect())?;
        }
        same(&format!("{what}: again"), &self.server.cmd(command), &int(0))?;
        self.sessions.extend(gone.iter().map(|session| (session.clone(), State::Out)));
        Ok(())
    }

    /// The store knows who is in and who is not, it lists what there is, and there are no keys but those of sessions.
    fn is_as_should_be(&mut self, when: &str) -> Verdict {
        for (session, state) in self.sessions.clone() {
            let expected = if let State::In(user) = state { user.into() } else { serde_json::Value::Null };
            same(&format!("{when}: who {session}"), &self.talk.ask(&format!("who {session}")), &expected)?;
        }
        if !self.store.listing.is_empty() {
            for user in [ADA, BOB, EVE] {
                let listed = self.talk.ask(&format!("list {user}"));
                same(&format!("{when}: list {user}"), &listed_ids(&listed), &self.devices(user).into_iter().collect())?;
            }
        }
        same(&format!("{when}: keys"), &texts(&self.server.run("KEYS *")), &self.keys())
    }

    /// The names of all keys that there should be.
    fn keys(&self) -> BTreeSet<String> {
        let live = self.sessions.iter().filter(|(_, state)| **state != State::Out);
        let sessions = live.flat_map(|(session, _)| names(self.store.session, session));
        let users: Vec<_> = [ADA, BOB, EVE].into_iter().filter(|user| !self.devices(user).is_empty()).collect();
        let shared = if users.is_empty() { &[] } else { self.store.shared };
        let listings = users.into_iter().flat_map(|user| names(self.store.listing, user));
        let shared = shared.iter().map(|&key| key.to_owned());
        sessions.chain(listings).chain(shared).collect()
    }
}

fn names(templates: &[&str], id: &str) -> Vec<String> {
    templates.iter().map(|template| template.replace("{}", id)).collect()
}

fn texts(reply: &Reply) -> BTreeSet<String> {
    reply.byte_items().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

fn listed_ids(answer: &serde_json::Value) -> BTreeSet<String> {
    let ids = answer.as_array().expect("a store lists in an array").iter();
    ids.map(|id| id.as_str().expect("ids are strings").to_owned()).collect()
}

/// The keys of database 0 that came, went or changed.
fn differing(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let (before, after) = (before.database(0), after.database(0));
    let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
    keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
}

/// The members of a set.
fn members(snapshot: &Snapshot, key: &str) -> BTreeSet<String> {
    match snapshot.database(0).get(key.as_bytes()).map(|entry| &entry.content) {
        Some(Content::Set(members)) => members.iter().map(quote).collect(),
        _ => BTreeSet::new(),
    }
}

/// What is found must be what is expected.
///
/// # Errors
/// When it is not.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, and should be {expected:?}")) }
}
