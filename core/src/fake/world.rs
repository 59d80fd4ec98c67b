//! A fake with a module on it, as a running server.

use std::{rc::Rc, time::Duration};

use super::{
    Answer, Bytes, Fake, Module,
    clients::{Client, Wait},
    commands,
};
use crate::{
    ask::{follow, load},
    config::Options,
    layout::Layout,
    ports::{Host, Keyspace},
    session::{Ask, Session},
    work,
};

/// A script's client is no real one: nobody finds it among the clients.
const SCRIPT: u64 = 1 << 40;

/// More slices than any test needs: whoever wants more goes on without an end.
const MOST_SLICES: usize = 100_000;

/// A server with the module. It carries out commands, and lets the module work between them when the test says so.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub fake: Rc<Fake>,
    /// The module.
    pub module: Rc<Module>,
    /// A client that is connected from the beginning on.
    pub client: u64,
}

impl World {
    /// A server of a layout, with module arguments, and with clients that are there already.
    ///
    /// # Panics
    /// If the arguments are none.
    pub fn on(fake: Fake, layout: Layout, arguments: &[&str]) -> Self {
        let options = Options::parse(arguments.iter().map(|argument| argument.as_bytes())).expect("options");
        let session = Session::new(layout, fake.databases(), options, fake.now(), fake.instant());
        let module = Rc::new(Module::new(session));
        *fake.module.borrow_mut() = Some(module.clone());
        let client = fake.connections.add();
        let world = Self { fake: Rc::new(fake), module, client };
        world.enter(follow::learn_of_clients);
        world
    }

    /// The same server with a module that has just been loaded, and has seen nothing of what clients sent before.
    ///
    /// # Panics
    /// If the arguments are none.
    #[must_use]
    pub fn loaded_again(self, layout: Layout, arguments: &[&str]) -> Self {
        let fake = Rc::into_inner(self.fake).expect("nobody else has the server");
        let client = self.client;
        *fake.module.borrow_mut() = None;
        let mut world = Self::on(fake, layout, arguments);
        let surplus = std::mem::replace(&mut world.client, client);
        world.disconnect(surplus);
        world
    }

    /// An empty server.
    pub fn new(layout: Layout, arguments: &[&str]) -> Self {
        Self::on(Fake::default(), layout, arguments)
    }

    /// Lets the core work, as for a call of the server.
    pub fn enter<R>(&self, work: impl FnOnce(Ask<'_, Fake>) -> R) -> Option<R> {
        self.module.enter(&self.fake, work)
    }

    /// Connects one more client.
    pub fn connect(&self) -> u64 {
        self.fake.connections.add()
    }

    /// A client goes away, and with it what it has queued or waits for.
    pub fn disconnect(&self, client: u64) {
        self.fake.connections.remove(client);
    }

    /// The first client sends a command: words with blanks between them.
    pub fn run(&self, line: &str) -> Answer {
        self.run_as(self.client, line)
    }

    /// A client sends a command: words with blanks between them.
    pub fn run_as(&self, client: u64, line: &str) -> Answer {
        let words: Vec<Bytes> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.command(client, words)
    }

    /// A client sends a command.
    ///
    /// # Panics
    /// If the client waits.
    pub fn command(&self, client: u64, command: Vec<Bytes>) -> Answer {
        self.module.on_command(&self.fake, client, &command);
        let name = command[0].to_ascii_lowercase();
        let writes = name == b"exec" || commands::writes(&name);
        let is_held_back = self.fake.is_paused.get() && writes;
        self.fake.connections.with(client, |client| {
            assert!(client.wait.is_none(), "a client that waits sends nothing");
            client.command = name;
            if is_held_back {
                client.wait = Some(Wait::Pause(command.clone()));
            }
        });
        if is_held_back { Answer::Waits(None) } else { self.process(client, command) }
    }

    /// Ends a pause. The clients that were held back count as free from now on, and get their turn with
    /// [`World::take_turns`].
    pub fn resume(&self) {
        self.fake.is_paused.set(false);
        for client in self.fake.connections.ids() {
            self.fake.connections.with(client, |client| {
                if let Some(Wait::Pause(command)) = client.wait.take_if(|wait| matches!(wait, Wait::Pause(_))) {
                    client.wait = Some(Wait::Turn(command));
                }
            });
        }
    }

    /// The clients that a pause held back get their turn. A server that does not tell clients apart shows their commands
    /// once more.
    pub fn take_turns(&self) {
        for client in self.fake.connections.ids() {
            let wait =
                self.fake.connections.with(client, |client| client.wait.take_if(|wait| matches!(wait, Wait::Turn(_))));
            if let Some(Wait::Turn(command)) = wait {
                if !self.fake.knows_clients.get() {
                    self.module.on_command(&self.fake, client, &command);
                }
                self.process(client, command);
            }
        }
    }

    fn process(&self, id: u64, command: Vec<Bytes>) -> Answer {
        let fake = &self.fake;
        let name = command[0].to_ascii_lowercase();
        let Client { queue, is_void, database, .. } = fake.connections.with(id, |client| client.clone());
        let end = |client: &mut Client| (client.queue, client.is_void) = (None, false);
        match (&*name, queue) {
            (b"multi", None) if !self.is_refused(&name) => {
                fake.connections.with(id, |client| client.queue = Some(Vec::new()));
                Answer::Status("OK")
            }
            (b"multi", None) => Answer::Error("ERR refused".to_owned()),
            (b"exec" | b"discard", None) => {
                fake.failed_ends.set(fake.failed_ends.get() + 1);
                Answer::Error("ERR refused".to_owned())
            }
            (b"discard" | b"reset", Some(_)) => {
                fake.connections.with(id, end);
                Answer::Status("OK")
            }
            (b"exec", Some(queue)) => {
                fake.connections.with(id, end);
                if is_void {
                    fake.failed_ends.set(fake.failed_ends.get() + 1);
                    return Answer::Error("EXECABORT".to_owned());
                }
                fake.is_in_transaction.set(true);
                let answers = queue.into_iter().map(|command| self.call_for(id, &command)).collect();
                fake.is_in_transaction.set(false);
                self.after_command();
                Answer::Array(answers)
            }
            (_, Some(_)) if self.is_refused(&name) => {
                fake.connections.with(id, |client| client.is_void = true);
                Answer::Error("ERR refused".to_owned())
            }
            (_, Some(_)) => {
                fake.connections.with(id, |client| client.queue.as_mut().expect("it is open").push(command));
                Answer::Status("QUEUED")
            }
            (_, None) if self.is_refused(&name) => Answer::Error("ERR refused".to_owned()),
            (_, None) => {
                let answer = self.call_for(id, &command);
                // Those of the module wait in it.
                if answer == Answer::Waits(None) {
                    fake.connections.with(id, |client| client.wait = Some(Wait::Key(command)));
                }
                debug_assert!(database < fake.databases());
                self.after_command();
                answer
            }
        }
    }

    fn is_refused(&self, name: &[u8]) -> bool {
        !commands::exists(name) || (self.fake.refuses.borrow().is_some() && commands::writes(name))
    }

    fn call_for(&self, client: u64, command: &[Bytes]) -> Answer {
        let database = self.fake.connections.with(client, |client| client.database);
        self.fake.selected.set(database);
        let answer = self.call(command);
        let database = self.fake.selected.replace(0);
        // What the module calls leaves the client where it was.
        if command[0].eq_ignore_ascii_case(b"select") {
            self.fake.connections.with(client, |client| client.database = database);
        }
        answer
    }

    /// Carries a command out in the selected database.
    fn call(&self, command: &[Bytes]) -> Answer {
        if let Some(result) = self.module.run(&self.fake, command) {
            return result.into();
        }
        match &*command[0].to_ascii_lowercase() {
            b"eval" => self.eval(command),
            b"flushdb" => self.flush(Some(self.fake.selected.get())),
            b"flushall" => self.flush(None),
            b"swapdb" => self.swap(command),
            _ => commands::execute(&self.fake, command),
        }
    }

    /// A script that begins with `return` calls the one command that its arguments are, any other one those that follow, each
    /// behind the number of its words.
    fn eval(&self, command: &[Bytes]) -> Answer {
        let Some((script, words)) = command.get(1).zip(command.get(3..)) else {
            return Answer::Error("ERR syntax error".to_owned());
        };
        let database = self.fake.selected.get();
        self.fake.is_in_script.set(true);
        let call = |command: &[Bytes]| {
            self.module.on_command(&self.fake, SCRIPT, command);
            match self.call(command) {
                Answer::Waits(None) => Answer::Nil,
                answer => answer,
            }
        };
        let answer = if script.starts_with(b"return") {
            call(words)
        } else {
            let mut rest = words;
            while let Some((count, more)) = rest.split_first() {
                let count = str::from_utf8(count).ok().and_then(|count| count.parse().ok()).expect("a number of words");
                let (command, others) = more.split_at(count);
                call(command);
                rest = others;
            }
            Answer::Nil
        };
        self.fake.is_in_script.set(false);
        self.fake.selected.set(database);
        answer
    }

    fn flush(&self, database: Option<usize>) -> Answer {
        let affected = |number: &usize| database.is_none_or(|database| database == *number);
        for number in (0..self.fake.databases()).filter(affected) {
            self.fake.databases.borrow_mut()[number].clear();
        }
        self.enter(|ask| load::flushed(ask, database));
        Answer::Status("OK")
    }

    fn swap(&self, command: &[Bytes]) -> Answer {
        let number =
            |at: usize| str::from_utf8(command.get(at)?).ok()?.parse().ok().filter(|n| *n < self.fake.databases());
        let (Some(first), Some(second)) = (number(1), number(2)) else {
            return Answer::Error("ERR invalid DB index".to_owned());
        };
        self.fake.databases.borrow_mut().swap(first, second);
        self.enter(|ask| load::swapped(ask, first, second));
        Answer::Status("OK")
    }

    /// What a server does when a command is over.
    pub fn after_command(&self) {
        self.module.after_command(&self.fake);
        while self.fake.connections.ids().into_iter().any(|client| self.serve(client)) {
            self.module.after_command(&self.fake);
        }
    }

    /// Serves a client that waits for a key, if there is something. Nobody shows its command once more.
    fn serve(&self, id: u64) -> bool {
        let (wait, database) = self.fake.connections.with(id, |client| (client.wait.clone(), client.database));
        let Some(Wait::Key(command)) = wait else { return false };
        let answer = self.fake.within(database, || commands::execute(&self.fake, &command));
        let is_served = answer != Answer::Waits(None);
        if is_served {
            self.fake.connections.with(id, |client| client.wait = None);
        }
        is_served
    }

    /// Loads all data anew, as from a file: keys that have expired are not in it.
    pub fn reload(&self) {
        let keys: Vec<_> = (0..self.fake.databases()).map(|number| self.fake.snapshot(number)).collect();
        self.flush(None);
        self.enter(load::loading_begins);
        for (number, keys) in keys.into_iter().enumerate() {
            for (name, entry) in keys {
                self.fake.databases.borrow_mut()[number].insert(name.clone(), entry);
                self.fake.within(number, || self.load_key(&name));
            }
        }
        self.enter(load::loading_ends);
    }

    fn load_key(&self, name: &[u8]) {
        self.enter(|ask| {
            if ask.state(|state| state.watcher.cares_for(name)) {
                load::loaded(ask, name);
            }
        });
    }

    /// What a timer does a moment later: a slice of work, if one is wanted. Whether one was.
    pub fn tick(&self) -> bool {
        if self.module.take_soon() {
            self.enter(work::soon);
        }
        let is_wanted = self.module.take_slice();
        if is_wanted {
            self.enter(work::tick);
            self.fake.selected.set(0);
        }
        is_wanted
    }

    /// Slices of work, as long as one is wanted.
    ///
    /// # Panics
    /// If there is no end to it.
    pub fn settle(&self) {
        let slices = (0..MOST_SLICES).take_while(|_| self.tick()).count();
        assert!(slices < MOST_SLICES, "the module wants slices without an end");
    }

    /// What a server calls a few times a second.
    pub fn cron(&self) {
        self.enter(work::cron);
        self.fake.selected.set(0);
    }

    /// Time passes, and the server calls its cron, and the module works, all the while.
    pub fn live(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(100);
        let mut rest = time;
        while !rest.is_zero() {
            let step = rest.min(STEP);
            self.fake.pass(step);
            self.cron();
            self.settle();
            rest -= step;
        }
    }
}
