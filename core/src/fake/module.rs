//! What the module does around the core: it shows commands and events, and acts on what is wanted.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::{Bytes, Event, Fake};
use crate::{
    ask::{cascade, enforce, fence, follow, load},
    command::{Command, Explain, Help, Inspect, Logout, ShowLayout, Sweep},
    error::Error,
    known::wants::{Events, Wants},
    plan::MOST_MEMBERS,
    reply::{Reply, Ticket},
    session::{Ask, Session},
    tracker::ANYBODY,
    watcher::{self, Effect, Meaning, Suspect},
};

/// A module on a [`Fake`].
#[derive(Debug)]
pub struct Module {
    session: Session<Fake>,
    own: RefCell<Own>,
}

#[derive(Debug, Default)]
struct Own {
    watched: Events,
    wants_slice: bool,
    wants_soon: bool,
    /// Clients that wait.
    waiting: BTreeSet<Ticket>,
    answers: Vec<(Ticket, Result<Reply, Error>)>,
    /// Keys that appeared, for when the command is over.
    appeared: Vec<(usize, Bytes)>,
    defects: usize,
}

impl Module {
    pub(super) fn new(session: Session<Fake>) -> Self {
        Self { session, own: RefCell::default() }
    }

    /// The core's session.
    pub fn session(&self) -> &Session<Fake> {
        &self.session
    }

    /// Lets the core work for a call of the server, and does what it wants then. `None` if a defect on purpose was caught;
    /// any other panic fails the test.
    pub fn enter<R>(&self, fake: &Fake, work: impl FnOnce(Ask<'_, Fake>) -> R) -> Option<R> {
        let all = || {
            let result = work(self.session.ask(fake));
            self.do_what_is_wanted(fake);
            result
        };
        match catch_unwind(AssertUnwindSafe(all)) {
            Ok(result) => Some(result),
            Err(panic) if panic.downcast_ref::<String>().is_some_and(|text| text.contains("on purpose")) => {
                self.own.borrow_mut().defects += 1;
                load::recover(self.session.ask(fake));
                self.do_what_is_wanted(fake);
                None
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    fn do_what_is_wanted(&self, fake: &Fake) {
        let Some(Wants { slice, soon, alarm: _, events, answers }) = self.session.take_wants() else { return };
        let tells_changes = {
            let mut own = self.own.borrow_mut();
            own.wants_slice |= slice;
            own.wants_soon |= soon;
            let mut new = events.without(own.watched);
            if !fake.lets_write_soon.get() {
                new = new.without(Events::NEW_KEYS);
            }
            own.watched.add(new);
            for (ticket, answer) in answers {
                assert!(own.waiting.remove(&ticket), "{ticket:?} is answered twice, or waits for nothing");
                own.answers.push((ticket, answer));
            }
            new.has(Events::CHANGES)
        };
        if tells_changes {
            follow::changes_are_told(self.session.ask(fake));
        }
    }

    /// Whether a slice of work is wanted. Asking takes it.
    pub fn take_slice(&self) -> bool {
        std::mem::take(&mut self.own.borrow_mut().wants_slice)
    }

    /// Whether something is to be done soon. Asking takes it.
    pub fn take_soon(&self) -> bool {
        std::mem::take(&mut self.own.borrow_mut().wants_soon)
    }

    /// What clients that waited got since the last time.
    pub fn take_answers(&self) -> Vec<(Ticket, Result<Reply, Error>)> {
        std::mem::take(&mut self.own.borrow_mut().answers)
    }

    /// How many clients wait.
    pub fn waiting(&self) -> usize {
        self.own.borrow().waiting.len()
    }

    /// The events that are watched.
    pub fn watched(&self) -> Events {
        self.own.borrow().watched
    }

    /// How many defects on purpose were caught.
    pub fn defects(&self) -> usize {
        self.own.borrow().defects
    }

    /// A command of the module's own; `None` if it is none.
    pub(super) fn run(&self, fake: &Fake, command: &[Bytes]) -> Option<Result<Reply, Error>> {
        let run = match &*command[0].to_ascii_lowercase() {
            b"session.logout" => Logout::run,
            b"session.inspect" => Inspect::run,
            b"session.explain" => Explain::run,
            b"session.sweep" => Sweep::run,
            b"session.layout" => ShowLayout::run,
            b"session.help" => Help::run,
            _ => return None,
        };
        let arguments: Vec<&[u8]> = command[1..].iter().map(|argument| &**argument).collect();
        let result = self.enter(fake, |ask| run(ask, &arguments)).unwrap_or(Err(Error::Defect));
        if let Ok(Reply::Later(ticket)) = result {
            self.own.borrow_mut().waiting.insert(ticket);
        }
        Some(result)
    }

    /// Something became of a key.
    pub(super) fn on_event(&self, fake: &Fake, event: Event, name: &[u8]) {
        let watched = self.watched();
        match event {
            Event::Expired if watched.has(Events::EXPIRIES) => self.enter(fake, |ask| cascade::key_ended(ask, name)),
            Event::Evicted if watched.has(Events::EVICTIONS) => self.enter(fake, |ask| cascade::key_ended(ask, name)),
            Event::New if watched.has(Events::NEW_KEYS) => self.enter(fake, |ask| {
                let database = fake.selected.get();
                if !fake.is_replica.get() && fence::may_stop(ask, database, name) {
                    self.own.borrow_mut().appeared.push((database, name.to_vec()));
                }
            }),
            Event::Changed if watched.has(Events::CHANGES) => self.enter(fake, |ask| {
                if ask.state(|state| state.watcher.cares_for(name)) {
                    follow::changed(ask, name.to_vec());
                }
            }),
            _ => None,
        };
    }

    /// A command is over: what appeared may be removed now.
    pub(super) fn after_command(&self, fake: &Fake) {
        let appeared = std::mem::take(&mut self.own.borrow_mut().appeared);
        for (database, name) in appeared {
            fake.within(database, || self.enter(fake, |ask| enforce::enforce_now(ask, &name)));
        }
    }

    /// The module calls its own command, to see whether the server takes a write.
    pub(super) fn on_question(&self, fake: &Fake) {
        let answer = self.enter(fake, |ask| Sweep::run(ask, &[]));
        assert_eq!(answer, Some(Ok(Reply::Integer(0))), "the question itself does nothing");
    }

    /// A command is about to run, or to be queued: what the command filter does.
    pub(super) fn on_command(&self, fake: &Fake, client: u64, command: &[Bytes]) {
        let client = if fake.knows_clients.get() { client } else { ANYBODY };
        self.enter(fake, |ask| match watcher::meaning(&command[0]) {
            Meaning::Begin => follow::begins(ask, client),
            Meaning::Execute => follow::executes(ask, client),
            Meaning::Reset if client == ANYBODY => {}
            Meaning::Discard | Meaning::Reset => follow::discards(ask, client),
            Meaning::Anything => {
                if command.get(1).is_some_and(|argument| watcher::populates(argument)) {
                    follow::suspect_populating(ask, client);
                }
            }
            Meaning::Ordinary => suspect(ask, client, command),
        });
    }
}

fn suspect(ask: Ask<'_, Fake>, client: u64, command: &[Bytes]) {
    let watcher = ask.state(|state| state.watcher.clone());
    let effect = watcher::effect(&command[0]);
    let is_of_interest = |at: &usize| match effect {
        Effect::Nothing => false,
        Effect::Takes => watcher.is_vital(&command[*at]),
        Effect::Adds(_) | Effect::Anything => true,
    };
    let cared_for = (1..command.len()).filter(|at| watcher.cares_for(&command[*at]));
    let keys: Vec<usize> = cared_for.filter(is_of_interest).collect();
    let Some(first) = keys.first() else { return };
    let suspect = |key: usize, member: Option<usize>| Suspect {
        key: command[key].clone(),
        member: member.map(|at| command[at].clone()),
    };
    let may_wait = watcher::may_wait(&command[0]);
    let members = match effect {
        Effect::Adds(members) if *first == 1 && watcher.is_collection(&command[1]) => {
            Some(members.positions(command.len(), |at| &command[at]).collect::<Vec<_>>())
        }
        _ => None,
    };
    let suspects: Vec<_> = match members.filter(|members| members.len() <= MOST_MEMBERS) {
        Some(members) => {
            let others = keys.iter().filter(|at| **at != 1).map(|at| suspect(*at, None));
            members.into_iter().map(|member| suspect(1, Some(member))).chain(others).collect()
        }
        None => keys.iter().map(|at| suspect(*at, None)).collect(),
    };
    follow::suspect(ask, client, suspects.into_iter(), may_wait);
}
