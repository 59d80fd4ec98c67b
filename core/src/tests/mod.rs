//! The core on a fake host: what it promises while others write, time passes, and the host calls back.

mod cascade;
mod cluster;
mod cluster_again;
mod cluster_moves;
mod cluster_sweeps;
mod fence;
mod loading;
mod priorities;
mod reentrancy;
mod sweeping;
mod tickets;
mod tracking;

use std::time::Duration;

use crate::{
    fake::{Answer, Fake, World},
    layout::Layout,
};

const SECOND: Duration = Duration::from_secs(1);

/// A server of the built-in layout.
fn easyshare(arguments: &[&str]) -> World {
    World::new(Layout::easyshare(), arguments)
}

/// A live user: mapping, data of the socket, membership, and a key that only the index finds.
fn log_in(world: &World, user: &str, socket: &str) {
    world.run(&format!("SET user_socket:{user} {socket}"));
    world.run(&format!(r#"SET socket_data:{socket} {{"userId":"{user}"}}"#));
    world.run(&format!("SADD active_users {user}"));
    world.run(&format!("SET typing:den:{user} 1"));
}

/// A server that holds stale users `g0` to `g<count - 1>`, with a key each, of which the module knows nothing yet.
fn ghosts(count: usize) -> Fake {
    (0..count).fold(Fake::default(), |fake, number| fake.string(&format!("typing:den:g{number}"), "1"))
}

/// All keys, as one line.
fn left(world: &World) -> String {
    world.fake.names().join(" ")
}

/// Sends a sweep that waits, lets it end, and returns what came of it.
fn sweep(world: &World, options: &str) -> Answer {
    let Answer::Waits(Some(ticket)) = world.run(&format!("SESSION.SWEEP{options}")) else { panic!("a sweep waits") };
    world.settle();
    let mut answers = world.module.take_answers();
    assert_eq!((answers.len(), answers[0].0), (1, ticket));
    answers.remove(0).1.into()
}
