//! The fake as the core's host.

use std::{ffi::CStr, rc::Rc, sync::Mutex, time::Instant};

use super::{Bytes, Call, Entry, Fake, Value, text};
use crate::{
    journal::Level,
    ports::{Access, Clients, ConnectedClient, Host, Keyspace, Kind, May, NodeId, Peer, Permissions, Store, View},
};

/// Where a walk is: the last name or member that it met.
#[derive(Debug, Default)]
pub struct Cursor(Mutex<Option<Bytes>>);

impl Cursor {
    /// Takes up to `count` of sorted `items` that were not met. `false` in the end.
    fn step<'i>(&self, items: impl Iterator<Item = &'i Bytes>, count: usize, meet: &mut dyn FnMut(&'i Bytes)) -> bool {
        let mut last = self.0.lock().expect("no step panics");
        let is_met = |item: &&Bytes| last.as_ref().is_some_and(|last| *item <= last);
        let mut rest = items.skip_while(is_met).peekable();
        let met: Vec<&Bytes> = rest.by_ref().take(count).collect();
        let goes_on = rest.peek().is_some();
        if let Some(item) = met.last() {
            *last = Some((*item).clone());
        }
        met.into_iter().for_each(meet);
        goes_on
    }
}

/// What a caller may do: everything that is not forbidden.
#[derive(Clone, Debug)]
pub struct Caller(Vec<(Bytes, Access)>);

impl Permissions for Caller {
    type Name = Bytes;

    fn permit(&self, asks: &dyn Fn(May<'_, Bytes>) -> bool) -> bool {
        asks(&|name, access| !self.0.contains(&(name.clone(), access)))
    }
}

/// A caller who will be asked about later.
#[derive(Debug)]
pub struct Summons;

impl Keyspace for Fake {
    type Name = Bytes;
    type Key<'a> = Entry;

    fn name(&self, bytes: &[u8]) -> Bytes {
        bytes.to_vec()
    }

    fn open<'a>(&'a self, name: &'a Bytes) -> Option<Entry> {
        self.call_back(Call::Open(name));
        self.get(name)
    }

    fn fields_expire(&self) -> bool {
        true
    }

    fn now(&self) -> u64 {
        self.time()
    }

    fn is_cluster(&self) -> bool {
        !self.elsewhere.borrow().is_empty()
    }

    fn serves(&self, name: &Bytes) -> bool {
        !self.elsewhere.borrow().contains(name)
    }

    fn contains(&self, name: &Bytes, kind: Kind, member: &[u8]) -> bool {
        let Some(entry) = self.get(name) else { return false };
        assert_eq!(entry.value.kind(), kind, "the key was opened before");
        entry.value.has(member)
    }
}

impl Store for Fake {
    fn unlink(&self, names: &[&Bytes]) -> u64 {
        let gone: Vec<String> =
            names.iter().filter(|name| self.get(name).is_some() && self.delete(name)).map(|name| text(name)).collect();
        if !gone.is_empty() {
            self.commands.borrow_mut().push(format!("UNLINK {}", gone.join(" ")));
        }
        self.call_back(Call::Unlink);
        gone.len() as u64
    }

    fn remove_members(&self, name: &Bytes, kind: Kind, members: &[&[u8]]) -> u64 {
        let Some(Entry { mut value, expires_at }) = self.get(name) else { return 0 };
        assert_eq!(value.kind(), kind, "the key was opened before");
        let left = Rc::make_mut(&mut value);
        let gone: Vec<String> =
            members.iter().filter(|member| left.remove(member)).map(|member| text(member)).collect();
        if !gone.is_empty() {
            self.put(name, left.clone(), expires_at);
            self.commands.borrow_mut().push(format!("{kind:?} {} less {}", text(name), gone.join(" ")));
        }
        self.call_back(Call::Remove(name));
        gone.len() as u64
    }

    fn replace(&self, name: &Bytes, value: &[u8]) -> bool {
        let expires_at = self.get(name).and_then(|entry| entry.expires_at);
        self.put(name, Value::String(value.to_vec()), expires_at);
        self.commands.borrow_mut().push(format!("SET {} {}", text(name), text(value)));
        self.call_back(Call::Replace(name));
        true
    }

    fn write(&self, command: &'static CStr, arguments: &[&[u8]]) {
        let line = [command.to_bytes()].into_iter().chain(arguments.iter().copied()).map(<[u8]>::to_vec);
        let line: Vec<Bytes> = line.collect();
        let shown: Vec<String> = line.iter().map(|word| text(word)).collect();
        assert!(!super::commands::execute(self, &line).is_error(), "{shown:?}");
        self.commands.borrow_mut().push(shown.join(" "));
    }
}

impl Clients for Fake {
    fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    fn knows_clients(&self) -> bool {
        self.knows_clients.get()
    }

    fn clients(&self) -> Vec<ConnectedClient> {
        self.call_back(Call::Clients);
        self.connections.list()
    }

    fn clients_among(&self, ids: &[u64]) -> Option<Vec<ConnectedClient>> {
        self.call_back(Call::Clients);
        let all = self.connections.list().into_iter();
        (!self.is_silent.get()).then(|| all.filter(|client| ids.contains(&client.id)).collect())
    }

    fn has_client(&self, client: u64) -> bool {
        self.connections.list().iter().any(|connected| connected.id == client)
    }

    fn blocked_clients(&self) -> Option<u64> {
        let blocked = self.connections.list().iter().filter(|client| client.is_blocked).count();
        (!self.is_silent.get()).then_some(blocked as u64)
    }

    fn debug_calls(&self) -> Option<String> {
        self.debug_calls.borrow().clone()
    }

    fn failed_ends(&self) -> String {
        self.failed_ends.get().to_string()
    }
}

impl Host for Fake {
    type Cursor = Cursor;
    type Caller = Caller;
    type Summons = Summons;

    fn database(&self) -> usize {
        self.selected.get()
    }

    fn select(&self, database: usize) -> bool {
        let exists = database < self.databases();
        if exists {
            self.selected.set(database);
            self.call_back(Call::Select(database));
            // Whoever called back leaves the database as it was.
            self.selected.set(database);
        }
        exists
    }

    fn size(&self) -> u64 {
        self.databases.borrow()[self.selected.get()].len() as u64
    }

    fn walk(&self, cursor: &Cursor, wanted: &dyn Fn(&[u8]) -> bool, names: &mut Vec<Bytes>) -> bool {
        let goes_on = {
            let databases = self.databases.borrow();
            let mut meet = |name: &Bytes| names.extend(Some(name.clone()).filter(|name| wanted(name)));
            cursor.step(databases[self.selected.get()].keys(), self.step.get(), &mut meet)
        };
        self.call_back(Call::Walk);
        goes_on
    }

    fn scan_members(&self, name: &Bytes, cursor: &Cursor, piece: usize, members: &mut Vec<Bytes>) -> bool {
        let Some(Entry { value, .. }) = self.get(name) else { return false };
        let all = value.members();
        let goes_on = if value.kind() == Kind::List {
            members.extend(all);
            false
        } else {
            cursor.step(all.iter(), piece, &mut |member| members.push(member.clone()))
        };
        self.call_back(Call::Scan(name));
        goes_on
    }

    fn caller(&self) -> Caller {
        Caller(self.forbidden.borrow().clone())
    }

    fn anybody(&self) -> Caller {
        Caller(Vec::new())
    }

    fn summons(&self) -> Option<Summons> {
        Some(Summons)
    }

    fn user(&self) -> Option<Bytes> {
        Some(b"default".to_vec())
    }

    fn knows_user(&self, user: &[u8]) -> bool {
        user == b"default"
    }

    fn summons_of(&self, _: &[u8], _: &[Bytes]) -> Summons {
        Summons
    }

    fn node_id(&self) -> NodeId {
        self.id.get()
    }

    fn peers(&self) -> Vec<Peer> {
        self.peers.borrow().clone()
    }

    fn hurry(&self) {
        self.hurried.set(self.hurried.get() + 1);
    }

    fn send_to(&self, node: &NodeId, message: &[u8]) -> bool {
        if self.is_cut_off.get() {
            return false;
        }
        self.mail.borrow_mut().push((*node, message.to_vec()));
        true
    }

    fn caller_of(&self, summons: Option<&Summons>) -> Caller {
        summons.map_or_else(|| self.anybody(), |_| self.caller())
    }

    fn lets_wait(&self) -> bool {
        !self.is_in_transaction.get() && !self.is_in_script.get()
    }

    fn is_in_transaction(&self) -> bool {
        self.is_in_transaction.get()
    }

    fn view(&self, _: usize) -> View {
        self.view.get()
    }

    fn is_in_a_cluster_that_is_down(&self) -> bool {
        self.is_cluster_down.get()
    }

    fn names_in_slot(&self, _: u16) -> Vec<Bytes> {
        self.databases.borrow()[self.selected.get()].keys().cloned().collect()
    }

    fn receives_slots(&self) -> bool {
        self.receives_slots.get()
    }

    fn is_replica(&self) -> bool {
        self.is_replica.get()
    }

    fn takes_writes(&self) -> Result<(), String> {
        if let Some(why) = self.refuses.borrow().clone() {
            return Err(why);
        }
        if let Some(module) = self.module() {
            module.on_question(self);
        }
        self.call_back(Call::Writes);
        Ok(())
    }

    fn send(&self, command: &'static CStr, arguments: &[&[u8]]) -> bool {
        let command = command.to_str().expect("commands are text");
        let line = [command.as_bytes()].into_iter().chain(arguments.iter().copied()).map(<[u8]>::to_vec);
        let line: Vec<Bytes> = line.collect();
        if !command.ends_with("PUBLISH") && super::commands::execute(self, &line).is_error() {
            return false;
        }
        self.sent.borrow_mut().push(line);
        self.call_back(Call::Send(command));
        true
    }

    fn log(&self, _: Level, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
        self.call_back(Call::Log(line));
    }

    fn instant(&self) -> Instant {
        self.pass(self.look_takes.get());
        self.began + self.passed.get()
    }
}
