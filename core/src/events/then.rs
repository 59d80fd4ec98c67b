//! What the layout has written at a logout: which commands those are for this one.

use super::Departure;
use crate::{
    announcement::Values,
    layout::Layout,
    plan::{KeyTrace, LeftOut, Unfit, Write},
    ports::Keyspace,
    then::{Each, Then},
};

/// The commands that follow a logout which deletes the keys `going`, and the keys that can't be written to: those are left out, the logout itself is never lost
/// over them.
pub fn writes<K: Keyspace>(
    space: &K,
    layout: &Layout,
    going: &[KeyTrace<K::Name>],
    departure: &Departure<'_>,
) -> (Vec<Write<K::Name>>, Vec<LeftOut>) {
    let (mut writes, mut left_out) = (Vec::new(), Vec::new());
    let now = departure.at.to_string();
    let mut write = |then: &Then, values: &Values<'_>| match ready(space, layout, going, then, values) {
        Ok(write) => writes.push(write),
        Err(unfit) => left_out.push(unfit),
    };
    for then in &layout.then {
        match then.each {
            Each::User if departure.is_whole() => write(then, &departure.values(b"", &now)),
            Each::User => {}
            Each::Socket => {
                for socket in &departure.sockets {
                    write(then, &Values { socket, ..departure.values(b"", &now) });
                }
            }
            Each::Room => departure.rooms.iter().for_each(|room| write(then, &departure.values(room, &now))),
        }
    }
    (writes, left_out)
}

/// A command with its arguments, unless one of its keys can't be written to.
fn ready<K: Keyspace>(
    space: &K,
    layout: &Layout,
    going: &[KeyTrace<K::Name>],
    then: &Then,
    values: &Values<'_>,
) -> Result<Write<K::Name>, LeftOut> {
    let arguments = then.arguments(values);
    let mut keys = Vec::new();
    for (key, _) in arguments.iter().filter(|(_, is_key)| *is_key) {
        let name = space.name(key);
        let goes = || going.iter().any(|going| going.name.as_ref() == &**key);
        let why = if layout.is_trace(key) || goes() {
            Some(Unfit::Trace)
        } else if !space.serves(&name) {
            Some(Unfit::Elsewhere)
        } else {
            space.open(&name).filter(|found| !then.fits(found, &arguments)).map(|_| Unfit::Mistyped)
        };
        if let Some(why) = why {
            return Err(LeftOut { key: key.clone(), why, events: 1 });
        }
        keys.push(name);
    }
    let arguments = arguments.into_iter().map(|(argument, _)| argument).collect();
    Ok(Write { name: then.command.name, arguments, keys, access: then.access() })
}
