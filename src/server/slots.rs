//! Which keys a command is shown on a node of a cluster.
//!
//! Since they keep a table for each hash slot (Redis 7.4, Valkey 8), servers look every key up in the slot that the client's
//! command named, whichever key is asked for. A command in a transaction that names a key is shown the keys of that slot
//! alone, and all others seem not to exist; so is one that another module calls. In a script it is the slot of the last
//! command, or all.
//!
//! No interface tells in which slot a server looks. But two keys of different slots that are both there, at one moment, can
//! only be seen by somebody who is shown all: that is the proof. Where the keys come from does not matter to it.

use std::ptr::NonNull;

use redis_module::raw;
use redis_session_core::ports::{Clients, Host, Keyspace, View};

use super::{
    call::{Call, CallArgument},
    handle::{Name, Server, api},
};
/// How many hash slots there are.
const SLOTS: u16 = 16_384;

/// About how many keys are met in one go.
const MANY: &[u8] = b"100";

/// A slot is given up after this many keys that are not there: they have expired, or are not shown.
const FEW: &[u8] = b"3";

/// This many keys of other slots that are not there are enough to give up altogether.
const MOST_MISSED: usize = 256;

/// The keys that were looked at.
#[derive(Debug, Default)]
struct Sample {
    /// The slot of those that are there.
    slot: Option<u16>,
    /// How many are not there.
    missed: usize,
}

impl Server {
    /// Whether the server is a node of a cluster that is down. It may still show keys (`cluster-allow-reads-when-down`), and
    /// removes none.
    pub(super) fn sees_its_cluster_down(&self) -> bool {
        let info = || Call::new(c"CLUSTER").with(CallArgument::Bytes(b"INFO")).run(self).map(|reply| reply.text());
        // Right after it was taken out of its cluster a node knows of no slot, and has not drawn the conclusion yet.
        let knows_no_slot =
            |text: &[u8]| text.split(|byte| *byte == b'\n').any(|line| line == b"cluster_slots_assigned:0\r");
        self.is_cluster() && info().is_ok_and(|text| text.starts_with(b"cluster_state:fail") || knows_no_slot(&text))
    }

    /// Whether slots are on their way to this node, key by key: they stand in its own line, in brackets with an arrow.
    pub(super) fn sees_slots_arrive(&self) -> bool {
        let nodes = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"NODES")).run(self).map(|reply| reply.text());
        nodes.is_ok_and(|text| text.windows(3).any(|three| three == b"-<-"))
    }

    /// What the command in this context is shown, exactly: [`View::All`] and [`View::AllOfOneSlot`] are proven.
    ///
    /// It costs nothing to a command that a client sends by itself. In a transaction, a script, or called by another
    /// module it takes two calls of `SCAN` and a look at the keys that they give, some 50 us.
    pub(super) fn view_of(&self, databases: usize) -> View {
        // 7.0, which does not tell clients apart, has one table for all slots.
        if !self.is_cluster() || !self.knows_clients() || self.is_called_by_a_client() {
            return View::All;
        }
        let selected = self.database();
        let view = self.look_around(databases);
        self.select(selected);
        view
    }

    /// Leaves another database selected.
    fn look_around(&self, databases: usize) -> View {
        let used: Vec<usize> = (0..databases).filter(|number| self.select(*number) && self.size() > 0).collect();
        let mut sample = Sample::default();
        if used.iter().any(|number| self.select(*number) && self.meets_two_slots(&mut sample)) || self.is_alone() {
            return View::All;
        }
        if sample.missed > 0 {
            return View::Partial;
        }
        let is_in = |slot| move |number: &usize| self.select(*number) && self.count_in(slot) == Some(self.size());
        if used.is_empty() || sample.slot.is_some_and(|slot| used.iter().all(is_in(slot))) {
            return View::AllOfOneSlot;
        }
        let finds_another = |number: &usize| self.select(*number) && self.finds_another_slot(&mut sample);
        if used.iter().any(finds_another) { View::All } else { View::Partial }
    }

    /// Whether a client sent the command by itself. None that asks names a key, so the server has no slot to look in.
    fn is_called_by_a_client(&self) -> bool {
        let is_within = self.has_flag(raw::REDISMODULE_CTX_FLAGS_MULTI | raw::REDISMODULE_CTX_FLAGS_LUA);
        // The client of another module's call is not connected. To ask for the client would not tell: Valkey 9 knows those that execute.
        // SAFETY: the context is valid; the string returned is ours to free, or null.
        let name = || unsafe { api!(RedisModule_GetClientUserNameById(self.ctx(), self.client())) };
        !is_within && NonNull::new(name()).map(Name).is_some()
    }

    /// Whether the command is the only one of a transaction, which then names no key.
    fn is_alone(&self) -> bool {
        let id = self.client().to_string();
        let list = [&b"LIST"[..], b"ID", id.as_bytes()];
        let call = list.into_iter().fold(Call::new(c"CLIENT"), |call, word| call.with(CallArgument::Bytes(word)));
        let is_alone =
            || call.run(self).is_ok_and(|line| line.text().split(|byte| *byte == b' ').any(|f| f == b"multi=1"));
        !self.has_flag(raw::REDISMODULE_CTX_FLAGS_LUA) && is_alone()
    }

    /// Looks at some keys of the selected database. Servers that keep a table for each slot walk from slot to slot, and
    /// their cursors begin with the slot's number: so the second call shows keys behind the slot that the first one showed.
    /// Where a cursor means something else, it shows other keys.
    fn meets_two_slots(&self, sample: &mut Sample) -> bool {
        let is_proven = self.scan_from(0, sample);
        is_proven || sample.slot.is_some_and(|slot| self.scan_from(slot + 1, sample))
    }

    fn scan_from(&self, cursor: u16, sample: &mut Sample) -> bool {
        let cursor = cursor.to_string();
        let call = Call::new(c"SCAN").with(CallArgument::Bytes(cursor.as_bytes()));
        let reply = call.with(CallArgument::Bytes(b"COUNT")).with(CallArgument::Bytes(MANY)).run(self);
        // No key in it has expired.
        let names = reply.map(|reply| reply.texts_at(1)).unwrap_or_default();
        names.iter().any(|name| sample.add(self, &Name::new(name)))
    }

    /// Goes through the slots of the selected database for a key of another slot than the sample's.
    fn finds_another_slot(&self, sample: &mut Sample) -> bool {
        for slot in (0..SLOTS).filter(|slot| self.count_in(*slot).is_some_and(|count| count > 0)) {
            if sample.slot == Some(slot) {
                continue;
            }
            let number = slot.to_string();
            let call = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"GETKEYSINSLOT"));
            let reply = call.with(CallArgument::Bytes(number.as_bytes())).with(CallArgument::Bytes(FEW)).run(self);
            let names = reply.map(|reply| reply.texts()).unwrap_or_default();
            if names.iter().any(|name| sample.add(self, &Name::new(name))) {
                return true;
            }
            if sample.missed > MOST_MISSED {
                break;
            }
        }
        false
    }

    /// The keys of the selected database that lie in the slot.
    pub(super) fn names_in(&self, slot: u16) -> Vec<Name> {
        let (number, count) = (slot.to_string(), self.count_in(slot).unwrap_or_default().to_string());
        let words = [&b"GETKEYSINSLOT"[..], number.as_bytes(), count.as_bytes()];
        let reply = words.into_iter().map(CallArgument::Bytes).fold(Call::new(c"CLUSTER"), Call::with).run(self);
        reply.map(|reply| reply.texts()).unwrap_or_default().iter().map(|name| Name::new(name)).collect()
    }

    /// How many keys of the selected database lie in the slot, expired ones included.
    fn count_in(&self, slot: u16) -> Option<u64> {
        let number = slot.to_string();
        let call = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"COUNTKEYSINSLOT"));
        let reply = call.with(CallArgument::Bytes(number.as_bytes())).run(self).ok()?;
        u64::try_from(reply.integer()?).ok()
    }

    pub(super) fn slot(&self, name: &Name) -> Option<u16> {
        let call = Call::new(c"CLUSTER").with(CallArgument::Bytes(b"KEYSLOT")).with(CallArgument::Name(name));
        u16::try_from(call.run(self).ok()?.integer()?).ok()
    }
}

impl Sample {
    /// Adds a key; `true` if it and one before lie in different slots and are both there.
    fn add(&mut self, server: &Server, name: &Name) -> bool {
        if server.open(name).is_none() {
            self.missed += 1;
            return false;
        }
        let Some(slot) = server.slot(name) else { return false };
        *self.slot.get_or_insert(slot) != slot
    }
}
