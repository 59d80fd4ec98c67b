//! A host in memory, for tests: databases, a clock that the test moves, clients, and whatever else a server may answer.
//!
//! [`Fake`] is the host. It may call back: see [`Fake::on`]. A [`World`] is a fake with a module on it, and carries out
//! commands as a server does.

mod clients;
mod commands;
mod host;
mod module;
#[cfg(test)]
mod tests;
mod value;
mod world;

pub use clients::Answer;
pub use host::{Caller, Cursor, Summons};
pub use module::Module;
pub use value::{Entry, Value};
pub use world::World;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};

use clients::Connections;

use crate::ports::{Access, Kind, NodeId, Peer, View};

type Bytes = Vec<u8>;
type Keys = BTreeMap<Bytes, Entry>;

/// When the clock begins, in milliseconds since 1970.
const BEGINNING: u64 = 1_700_000_000_000;

/// The client of another module is no real one.
const ANOTHER_MODULE: u64 = 1 << 41;

/// A call of the core at which a server may call the module back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// A key is opened.
    Open(&'a [u8]),
    /// Keys are unlinked: now they are gone.
    Unlink,
    /// Members of a key were removed.
    Remove(&'a [u8]),
    /// A string was replaced.
    Replace(&'a [u8]),
    /// This command was called.
    Send(&'a str),
    /// This line was logged.
    Log(&'a str),
    /// A database was selected.
    Select(usize),
    /// A walk over keys took a step.
    Walk,
    /// A walk over members took a step.
    Scan(&'a [u8]),
    /// The list of clients was asked for.
    Clients,
    /// It was asked whether writes are taken.
    Writes,
}

/// What became of a key, as keyspace events tell it. The key's database is selected then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// There was no such key before.
    New,
    /// It was written.
    Changed,
    /// It expired, and is deleted now.
    Expired,
    /// It was evicted.
    Evicted,
}

type Hook = Rc<dyn Fn(&Fake, Call<'_>)>;

/// A server in memory.
pub struct Fake {
    databases: RefCell<Vec<Keys>>,
    selected: Cell<usize>,
    began: Instant,
    passed: Cell<Duration>,
    /// How long each look at the clock takes: so slices of work come to their end.
    pub look_takes: Cell<Duration>,
    /// Whether it follows a master: then it deletes nothing that has expired, and takes no writes.
    pub is_replica: Cell<bool>,
    /// Whether clients are paused.
    pub is_paused: Cell<bool>,
    /// Whether it says which client sends a command.
    pub knows_clients: Cell<bool>,
    /// Whether the module may write as soon as the command is over that an event is about.
    pub lets_write_soon: Cell<bool>,
    /// What it says when it refuses writes.
    pub refuses: RefCell<Option<String>>,
    /// Whether its cluster is down.
    pub is_cluster_down: Cell<bool>,
    /// Whether slots are on their way to it.
    pub receives_slots: Cell<bool>,
    /// What commands are shown.
    pub view: Cell<View>,
    /// What it says of `DEBUG`.
    pub debug_calls: RefCell<Option<String>>,
    /// How often `EXEC` and `DISCARD` failed.
    pub failed_ends: Cell<u64>,
    /// How many keys a step of a walk meets.
    pub step: Cell<usize>,
    /// Whether the list of clients cannot be had.
    pub is_silent: Cell<bool>,
    connections: Connections,
    is_in_transaction: Cell<bool>,
    is_in_script: Cell<bool>,
    forbidden: RefCell<Vec<(Bytes, Access)>>,
    elsewhere: RefCell<BTreeSet<Bytes>>,
    /// The other masters of its cluster.
    pub peers: RefCell<Vec<Peer>>,
    /// Whether nothing can be sent to them.
    pub is_cut_off: Cell<bool>,
    /// How often its connections were hurried.
    pub hurried: Cell<u32>,
    /// Its name in the cluster.
    pub id: Cell<NodeId>,
    /// What was sent to them.
    pub mail: RefCell<Vec<(NodeId, Bytes)>>,
    commands: RefCell<Vec<String>>,
    sent: RefCell<Vec<Vec<Bytes>>>,
    lines: RefCell<Vec<String>>,
    dumps: RefCell<Vec<Rc<Value>>>,
    hook: RefCell<Option<Hook>>,
    module: RefCell<Option<Rc<Module>>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("databases", &self.databases).finish_non_exhaustive()
    }
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            databases: RefCell::new(vec![Keys::new(); 4]),
            selected: Cell::new(0),
            began: Instant::now(),
            passed: Cell::default(),
            look_takes: Cell::default(),
            is_replica: Cell::default(),
            is_paused: Cell::default(),
            knows_clients: Cell::new(true),
            lets_write_soon: Cell::new(true),
            refuses: RefCell::default(),
            is_cluster_down: Cell::default(),
            receives_slots: Cell::default(),
            view: Cell::new(View::All),
            debug_calls: RefCell::default(),
            failed_ends: Cell::default(),
            step: Cell::new(4),
            is_silent: Cell::default(),
            connections: Connections::default(),
            is_in_transaction: Cell::default(),
            is_in_script: Cell::default(),
            forbidden: RefCell::default(),
            elsewhere: RefCell::default(),
            peers: RefCell::default(),
            is_cut_off: Cell::default(),
            hurried: Cell::default(),
            id: Cell::new([0; 40]),
            mail: RefCell::default(),
            commands: RefCell::default(),
            sent: RefCell::default(),
            lines: RefCell::default(),
            dumps: RefCell::default(),
            hook: RefCell::default(),
            module: RefCell::default(),
        }
    }
}

/// What tests prepare, and look at.
impl Fake {
    /// The same with one more key in the selected database, of which nobody is told.
    #[must_use]
    pub fn with(self, name: &str, value: Value) -> Self {
        let entry = Entry { value: Rc::new(value), expires_at: None };
        self.databases.borrow_mut()[self.selected.get()].insert(name.into(), entry);
        self
    }

    /// The same with one more string.
    #[must_use]
    pub fn string(self, name: &str, value: &str) -> Self {
        self.with(name, Value::String(value.into()))
    }

    /// The same with one more collection.
    #[must_use]
    pub fn collection(self, name: &str, kind: Kind, members: &[&str]) -> Self {
        self.with(name, Value::of(kind, members.iter().map(|member| member.as_bytes().to_vec())))
    }

    /// Lets the key's time to live pass; it stays in memory.
    #[must_use]
    pub fn expire(self, name: &str) -> Self {
        if let Some(entry) = self.databases.borrow_mut()[self.selected.get()].get_mut(name.as_bytes()) {
            entry.expires_at = Some(0);
        }
        self
    }

    /// Lets another node of the cluster serve the key.
    #[must_use]
    pub fn elsewhere(self, name: &str) -> Self {
        self.elsewhere.borrow_mut().insert(name.into());
        self.databases.borrow_mut()[self.selected.get()].remove(name.as_bytes());
        self
    }

    /// From now on another node of the cluster serves the key, which stays here.
    pub fn serve_elsewhere(&self, name: &str) {
        self.elsewhere.borrow_mut().insert(name.into());
    }

    /// From now on this node serves the key.
    pub fn serve_here(&self, name: &str) {
        self.elsewhere.borrow_mut().remove(name.as_bytes());
    }

    /// Forbids all callers something.
    #[must_use]
    pub fn forbid(self, name: &str, access: Access) -> Self {
        self.forbid_now(name, access);
        self
    }

    /// Forbids all callers something from now on.
    pub fn forbid_now(&self, name: &str, access: Access) {
        self.forbidden.borrow_mut().push((name.into(), access));
    }

    /// From now on `hook` is called at each call of the core's, unless it is called already.
    pub fn on(&self, hook: impl Fn(&Self, Call<'_>) + 'static) {
        *self.hook.borrow_mut() = Some(Rc::new(hook));
    }

    /// The commands of the core's that changed something, as text.
    pub fn commands(&self) -> Vec<String> {
        self.commands.borrow().clone()
    }

    /// The messages sent and entries written since the last time, as commands.
    pub fn take_sent(&self) -> Vec<Vec<Bytes>> {
        std::mem::take(&mut *self.sent.borrow_mut())
    }

    /// The lines that were logged.
    pub fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// The names of all keys in the selected database that have not expired.
    pub fn names(&self) -> Vec<String> {
        self.snapshot(self.selected.get()).keys().map(|name| text(name)).collect()
    }

    /// All keys of a database that have not expired.
    pub fn snapshot(&self, database: usize) -> BTreeMap<Bytes, Entry> {
        let databases = self.databases.borrow();
        let alive = databases[database].iter().filter(|(_, entry)| !self.is_over(entry));
        alive.map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.databases.borrow().len()
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
    }

    /// Deletes every key that has expired, as a server does in its own time.
    pub fn purge(&self) {
        for database in 0..self.databases() {
            let keys = self.databases.borrow()[database].clone();
            for name in keys.iter().filter(|(_, entry)| self.is_over(entry)).map(|(name, _)| name) {
                self.within(database, || self.drop_expired(name));
            }
        }
    }

    /// Evicts a key of the selected database.
    pub fn evict(&self, name: &[u8]) {
        if self.delete(name) {
            self.tell(Event::Evicted, name);
        }
    }
}

/// How the other files of the fake get at the keys of the selected database.
impl Fake {
    fn time(&self) -> u64 {
        BEGINNING + u64::try_from(self.passed.get().as_millis()).expect("tests do not take so long")
    }

    fn is_over(&self, entry: &Entry) -> bool {
        entry.expires_at.is_some_and(|end| end <= self.time())
    }

    /// Does something with another database selected.
    pub fn within<R>(&self, database: usize, work: impl FnOnce() -> R) -> R {
        let before = self.selected.replace(database);
        let result = work();
        self.selected.set(before);
        result
    }

    /// What there is under a name. A master deletes it if it has expired.
    fn get(&self, name: &[u8]) -> Option<Entry> {
        let entry = self.databases.borrow()[self.selected.get()].get(name).cloned()?;
        if !self.is_over(&entry) {
            return Some(entry);
        }
        self.drop_expired(name);
        None
    }

    fn drop_expired(&self, name: &[u8]) {
        if !self.is_replica.get() && self.delete(name) {
            self.tell(Event::Expired, name);
        }
    }

    /// Deletes a key, expired or not. Whether there was one.
    fn delete(&self, name: &[u8]) -> bool {
        self.databases.borrow_mut()[self.selected.get()].remove(name).is_some()
    }

    /// Puts a value under a name; what is empty is deleted instead.
    fn put(&self, name: &[u8], value: Value, expires_at: Option<u64>) {
        let is_nothing = value.is_nothing();
        let entry = Entry { value: Rc::new(value), expires_at };
        if is_nothing {
            self.delete(name);
        } else if self.databases.borrow_mut()[self.selected.get()].insert(name.to_vec(), entry).is_none() {
            self.tell(Event::New, name);
        }
        self.tell(Event::Changed, name);
    }

    fn call_back(&self, call: Call<'_>) {
        let hook = self.hook.borrow_mut().take();
        if let Some(hook) = hook {
            hook(self, call);
            let mut place = self.hook.borrow_mut();
            if place.is_none() {
                *place = Some(hook);
            }
        }
    }

    fn tell(&self, event: Event, name: &[u8]) {
        if let Some(module) = self.module() {
            module.on_event(self, event, name);
        }
    }

    fn module(&self) -> Option<Rc<Module>> {
        self.module.borrow().clone()
    }

    /// Another module calls a command, in database 0, whatever is under way: words with blanks between them. What the module
    /// has selected stays selected.
    ///
    /// # Panics
    /// If there is no module.
    pub fn call(&self, line: &str) -> Answer {
        let command: Vec<Bytes> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let module = self.module().expect("a module");
        self.within(0, || {
            module.on_command(self, ANOTHER_MODULE, &command);
            let own = module.run(self, &command).map(Answer::from);
            own.unwrap_or_else(|| commands::execute(self, &command))
        })
    }
}

/// Bytes as text; what is not printable is escaped.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
