//! Which commands may change what the index knows. Pure, but for names that are remembered as they are met: see [`Unseen`].
//!
//! The module sees every command before it runs, and nothing of it afterwards: watching keyspace events would make each
//! write of the server slower. So a command is not understood, only suspected: one that names a key that
//! the index cares for, in any argument, may have changed it, unless the command is known to be harmless. What is
//! suspected is read again once the command has run. A suspicion too many costs a look; one too few would cost
//! exactness, so new commands, and commands of other modules, are suspected by themselves.

mod begins;
mod effect;
mod unseen;

use std::collections::BTreeSet;

use crate::{
    layout::{Layout, What},
    template::{Head, Template},
};

use begins::Begins;
use effect::{POPULATE, UNLOAD};

pub use effect::{Effect, Meaning, Members, effect, may_wait, meaning, populates, unloads};
pub use unseen::Unseen;

/// What a command may have changed: a key, or one member that it may have put into a collection. `K` is a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Suspect<K> {
    /// The key.
    pub key: K,
    /// The member, if nothing else of the key has changed.
    pub member: Option<K>,
}

/// Recognises names of keys that the index cares for.
#[derive(Debug)]
pub struct Watcher {
    keys: Box<[Watched]>,
    /// How those names begin, those of traces that are unseen, and words that matter.
    begins: Begins,
    /// The first eight bytes of those names; words are compared as a whole.
    heads: Box<[Head]>,
    /// Traces that are found without the index, of which no key was seen.
    unseen: Unseen,
}

/// Keys of one template.
#[derive(Debug)]
struct Watched {
    template: Template,
    /// They are collections of members alone.
    is_collection: bool,
    /// Whether a user is live follows from them, so it matters too if something is taken from them.
    is_vital: bool,
}

impl Watcher {
    /// What a layout needs to have watched.
    pub fn new(layout: &Layout) -> Self {
        let vital = layout
            .sockets
            .iter()
            .flat_map(|sockets| sockets.of.iter().map(|mapping| &mapping.key).chain([&sockets.data]));
        let vital: Vec<&Template> = vital.collect();
        let traces = layout.watched.iter().map(|number| &layout.traces[*number]);
        let traces = traces.map(|trace| (&trace.key, matches!(trace.what, What::Members(_))));
        // The index finds these by their names, but the fence has to hear of them.
        let of_sockets = layout.traces.iter().filter(|trace| trace.is_of_socket() && matches!(trace.what, What::Key));
        let named = of_sockets.map(|trace| &trace.key).chain(vital.iter().copied());
        let mut keys: Vec<Watched> = Vec::new();
        for (template, is_collection) in traces.chain(named.map(|template| (template, false))) {
            if let Some(known) = keys.iter_mut().find(|known| known.template == *template) {
                known.is_collection &= is_collection;
            } else {
                let is_vital = vital.contains(&template);
                keys.push(Watched { template: template.clone(), is_collection, is_vital });
            }
        }
        // Where nothing is watched, nothing is seen.
        let unseen = if keys.is_empty() { Unseen::none() } else { Unseen::new(layout) };
        let names = keys.iter().map(|key| key.template.prefix()).chain(unseen.prefixes());
        let names: BTreeSet<&[u8]> = names.collect();
        let heads = names.iter().map(|name| Head::of(name)).collect();
        let mut begins = Begins::none();
        // Words stand in any case: capital and small letters have one place.
        names.into_iter().chain([POPULATE, UNLOAD]).for_each(|name| begins.add(name));
        Self { keys: keys.into(), begins, heads, unseen }
    }

    /// Whether an argument may begin as those do that [`Self::may_matter`]: a quick test, which nearly every one fails. Panics
    /// never.
    #[inline]
    pub fn may_begin(&self, argument: &[u8]) -> bool {
        self.begins.meet(argument) && self.is_like_one(argument)
    }

    fn is_like_one(&self, argument: &[u8]) -> bool {
        let head = Head::of(argument);
        self.heads.iter().any(|known| known.begins(head)) || populates(argument) || unloads(argument)
    }

    /// Whether a command with this argument has to be looked at. Of every name that a key may have from now on this has to be
    /// asked, or [`Self::cares_for`]: see [`Unseen`].
    pub fn may_matter(&self, argument: &[u8]) -> bool {
        if !self.may_begin(argument) {
            return false;
        }
        let head = Head::of(argument);
        self.unseen.meet(argument, head);
        self.keys.iter().any(|key| key.template.head().begins(head)) || populates(argument) || unloads(argument)
    }

    /// The traces of which no key was seen.
    pub fn unseen(&self) -> &Unseen {
        &self.unseen
    }

    /// Whether the index cares for a key of this name.
    pub fn cares_for(&self, name: &[u8]) -> bool {
        self.may_matter(name) && self.watched(name).next().is_some()
    }

    /// Whether a key of this name is of interest for its members alone.
    pub fn is_collection(&self, name: &[u8]) -> bool {
        self.watched(name).all(|key| key.is_collection)
    }

    /// Whether somebody may cease to be live when a key of this name loses something.
    pub fn is_vital(&self, name: &[u8]) -> bool {
        self.watched(name).any(|key| key.is_vital)
    }

    fn watched(&self, name: &[u8]) -> impl Iterator<Item = &Watched> {
        self.keys.iter().filter(|key| key.template.matches(name).is_some())
    }

    /// What the names begin with that it cares for. An empty one begins every name.
    pub fn prefixes(&self) -> BTreeSet<&[u8]> {
        self.keys.iter().map(|key| key.template.prefix()).collect()
    }

    /// Whether there is anything to watch at all.
    pub fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_index_needs_are_cared_for() {
        let watcher = Watcher::new(&Layout::easyshare());
        for name in [
            "typing:r:u",
            "cache:typing:r:u",
            "socket_data:s",
            "room:r",
            "user_socket:u",
            "active_users",
            "sio:session:p",
        ] {
            assert!(watcher.cares_for(name.as_bytes()), "{name}");
        }
        for name in [
            "room:r:participants",
            "user_socket:u:prefs",
            "",
            "t",
            "typing:",
            "typing:r",
            "user_status:u",
            "active_users2",
            "socket_data",
            "rooms:1",
        ] {
            assert!(!watcher.cares_for(name.as_bytes()), "{name}");
        }
        for (argument, matters) in [
            ("typing:", true),
            ("Populate", true),
            ("pOPULATE", true),
            ("UNLOAD", true),
            ("unload", true),
            ("", false),
            ("user_status:u", false),
        ] {
            assert_eq!(watcher.may_matter(argument.as_bytes()), matters, "{argument}");
        }
        for argument in ["user_status:u", "cache:activity:u"] {
            assert!(watcher.may_begin(argument.as_bytes()), "{argument}, of which no key was seen");
        }
        for argument in ["user:1", "cache:page", "profile:1", "populat", ""] {
            assert!(!watcher.may_begin(argument.as_bytes()), "{argument}");
        }
        assert!(populates(b"POPULATE") && !populates(b"pop"));
        let direct = Layout::parse(r#"{"name":"x","traces":[{"key":"a:{userId}"}]}"#).unwrap();
        assert!(Watcher::new(&direct).is_idle());
        let any = Layout::parse(r#"{"name":"x","separator":"/","traces":[{"key":"{tenant}/{userId}"}]}"#).unwrap();
        assert!(Watcher::new(&any).cares_for(b"acme/u") && !Watcher::new(&any).cares_for(b"acme"));
    }

    #[test]
    fn what_is_cared_for_begins_with_one_of_the_prefixes() {
        let watcher = Watcher::new(&Layout::easyshare());
        let prefixes =
            ["active_users", "cache:typing:", "room:", "sio:session:", "socket_data:", "typing:", "user_socket:"];
        assert_eq!(watcher.prefixes(), prefixes.map(str::as_bytes).into());
    }

    #[test]
    fn a_watched_name_is_a_collection_vital_or_neither() {
        let watcher = Watcher::new(&Layout::easyshare());
        let table = [
            ("active_users", true, false),
            ("user_socket:u", false, true),
            ("socket_data:s", false, true),
            ("room:r", false, false),
        ];
        for (name, is_collection, is_vital) in table {
            let found = (watcher.is_collection(name.as_bytes()), watcher.is_vital(name.as_bytes()));
            assert_eq!(found, (is_collection, is_vital), "{name}");
        }
        // A key that is a trace as a whole too has to be looked at as a whole.
        let text = r#"{"name":"x","separator":":","traces":[{"key":"a:{userId}:{x}"},{"members":"a:{userId}:{x}","member":"{userId}"}]}"#;
        assert!(!Watcher::new(&Layout::parse(text).unwrap()).is_collection(b"a:u:1"));
    }
}
