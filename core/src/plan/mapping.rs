//! The key that maps a user to sockets, and which sockets those are.

use super::{entries, value};
use crate::{
    json,
    layout::{Layout, MappedIds},
    ports::{Key, Keyspace, Kind},
    template::{Bindings, Placeholder},
};

/// What a user's mapping says.
#[derive(Debug)]
pub(super) struct Mapped<N> {
    /// The mapping, if there is one.
    pub(super) mapping: Option<Mapping<N>>,
    /// The sockets in it.
    pub(super) sockets: Vec<Vec<u8>>,
    /// Whether it is not known which sockets those are: another node of the cluster would know, or the value can be no mapping,
    /// or it holds what can be no socket's id.
    pub(super) is_unclear: bool,
}

/// The key that maps a user to sockets.
#[derive(Debug)]
pub(super) struct Mapping<N> {
    pub(super) name: N,
    pub(super) kind: Kind,
    /// How ids stand in it.
    pub(super) ids: MappedIds,
    /// Whether a sweep may take it.
    pub(super) is_swept: bool,
    /// Its value, if that is a document.
    pub(super) document: Vec<u8>,
}

/// The sockets in a user's mapping.
pub fn mapped_sockets<K: Keyspace>(space: &K, layout: &Layout, user: &[u8]) -> Vec<Vec<u8>> {
    read(space, layout, user).sockets
}

/// Reads the mapping of a user. Without one in the layout nothing is mapped, and what is not mapped is unclear in a cluster.
pub(super) fn read<K: Keyspace>(space: &K, layout: &Layout, user: &[u8]) -> Mapped<K::Name> {
    read_with(space, layout, user, |_| ())
}

/// The same, and shows the key to `also`, if there is one, before its value is read.
pub(super) fn read_with<K: Keyspace>(
    space: &K,
    layout: &Layout,
    user: &[u8],
    also: impl FnOnce(&K::Key<'_>),
) -> Mapped<K::Name> {
    let mut mapped = Mapped { mapping: None, sockets: Vec::new(), is_unclear: false };
    let Some(said) = layout.mapping() else {
        // Other nodes of a cluster may have the data of more sockets, and nothing here tells.
        mapped.is_unclear = layout.sockets.is_some() && space.is_cluster();
        return mapped;
    };
    let name = space.name(&said.key.render(&Bindings::user(user)));
    let Some(key) = space.open(&name) else {
        mapped.is_unclear = !space.serves(&name);
        return mapped;
    };
    also(&key);
    let kind = key.kind();
    let mut document = Vec::new();
    let (sockets, is_unclear) = match &said.ids {
        MappedIds::Values(form) => {
            let texts = match kind {
                Kind::String => vec![key.string().into_owned()],
                Kind::Stream | Kind::Other => Vec::new(),
                _ => key.members(),
            };
            let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
            let count = texts.len();
            let sockets: Vec<_> = match form {
                None => texts,
                Some(form) => {
                    let socket = |text: &Vec<u8>| {
                        form.solve(Placeholder::SOCKET, &Bindings::user(user), text).map(<[u8]>::to_vec)
                    };
                    texts.iter().filter_map(socket).collect()
                }
            };
            let are_missing = sockets.len() < count || matches!(kind, Kind::Stream | Kind::Other);
            (sockets, are_missing)
        }
        MappedIds::Elements(entries) => {
            document = value::string(&key).map(std::borrow::Cow::into_owned).unwrap_or_default();
            let (mut sockets, mut elements, mut arrays) = (Vec::new(), 0, 0);
            let read = entries::each_container(&document, entries, &mut |array| {
                arrays += 1;
                for element in json::items(&document, array).unwrap_or_default() {
                    elements += 1;
                    entries::each_text(entries, &element, &mut |text| sockets.push(text.as_bytes().to_vec()));
                }
            });
            let are_missing = read.is_err() || arrays == 0 || sockets.len() < elements;
            (sockets, are_missing)
        }
    };
    drop(key);
    let rule = layout.ids.rule(Placeholder::SOCKET);
    let count = sockets.len();
    mapped.sockets = sockets;
    mapped.sockets.retain(|socket| rule.allows(socket));
    mapped.is_unclear = is_unclear || mapped.sockets.len() < count;
    mapped.mapping = Some(Mapping { name, kind, ids: said.ids.clone(), is_swept: layout.sweeps_mapping(), document });
    mapped
}
