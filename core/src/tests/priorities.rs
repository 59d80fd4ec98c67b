//! What comes next: every kind of work goes on under any load, and nothing is judged by half of what is known.

use std::time::Duration;

use super::{SECOND, easyshare, ghosts, left, log_in};
use crate::{
    fake::{Answer, World},
    known::state::Build,
    layout::Layout,
};

const MICROSECOND: Duration = Duration::from_micros(1);

/// A server on which a look at the clock takes so long that every slice ends soon.
fn slow(world: World) -> World {
    world.fake.look_takes.set(50 * MICROSECOND);
    world
}

fn is_complete(world: &World) -> bool {
    world.module.session().with(|state| matches!(state.databases[0].build, Build::Ready))
}

#[test]
fn nobody_is_swept_before_everything_is_known() {
    // Ann's keys come last in the walk.
    let fake = (0..3000).fold(ghosts(10), |fake, number| fake.string(&format!("room:{number:04}"), "{}"));
    let fake = fake.string("user_socket:g9", "s1").string("socket_data:s1", r#"{"userId":"g9"}"#);
    let world = slow(World::on(fake, Layout::easyshare(), &[]));
    world.cron();
    world.run("SESSION.SWEEP");
    let mut waited = 0;
    while world.module.waiting() > 0 {
        let was_complete = is_complete(&world);
        let before = left(&world);
        assert!(world.tick(), "a slice is wanted as long as somebody waits");
        assert!(was_complete || left(&world) == before || is_complete(&world), "swept by half of what is known");
        waited += usize::from(!was_complete);
    }
    assert!(waited > 1, "the walk takes slices: {waited}");
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert_eq!(answers, [Answer::Integer(9)]);
}

/// Between any two slices come more writes than one slice reads.
#[test]
fn a_sweep_ends_while_others_write_without_an_end_and_what_they_write_is_read() {
    let world = slow(World::on(ghosts(40), Layout::easyshare(), &[]));
    world.settle();
    world.run("SESSION.SWEEP");
    let mut slices = 0;
    while world.module.waiting() > 0 {
        slices += 1;
        assert!(slices < 2000, "the sweep does not end");
        for number in 0..20 {
            world.run(&format!("SADD active_users live{number}"));
            world.run(&format!("SET user_socket:live{number} s{number}"));
            world.run(&format!(r#"SET socket_data:s{number} {{"userId":"live{number}"}}"#));
        }
        world.tick();
        let unread = world.module.session().with(|state| state.tracker.unread());
        assert!(unread <= 1024 + 64, "what is written is read: {unread}");
    }
    assert!(slices > 5, "{slices}");
    assert!(!left(&world).contains("typing:den:g") && left(&world).contains("user_socket:live19"));
}

#[test]
fn the_index_is_built_while_others_write_without_an_end() {
    let world = slow(World::on(ghosts(300), Layout::easyshare(), &[]));
    world.cron();
    let mut slices = 0;
    while !is_complete(&world) {
        slices += 1;
        assert!(slices < 1000, "it is never complete");
        (0..60).for_each(|number| drop(world.run(&format!("SET typing:attic:u{number} 1"))));
        world.tick();
    }
    assert!(slices > 2, "{slices}");
}

#[test]
fn sweeps_rest_while_clients_are_paused_and_go_on_afterwards() {
    let world = World::on(ghosts(5), Layout::easyshare(), &["sweep-interval", "1", "grace", "0"]);
    world.settle();
    world.fake.is_paused.set(true);
    world.live(5 * SECOND);
    assert_eq!(world.fake.names().len(), 5, "nobody writes while clients are paused");
    world.resume();
    world.take_turns();
    world.live(2 * SECOND);
    assert_eq!(left(&world), "");
}

#[test]
fn the_cascade_goes_on_while_a_sweep_is_under_way() {
    let fake = ghosts(0);
    let fake = (0..400).fold(fake, |fake, number| fake.string(&format!("typing:den:g{number:03}"), "1"));
    let world = World::on(fake, Layout::easyshare(), &["expire-cascade", "yes", "grace", "1"]);
    log_in(&world, "ann", "s1");
    world.run("EXPIRE socket_data:s1 2");
    world.live(SECOND);
    let world = slow(world);
    // Nobody is stale for so long: it looks at all of them, again and again.
    world.run("SESSION.SWEEP DRYRUN GRACE 10000");
    world.fake.pass(3 * SECOND);
    let mut slices = 0;
    while left(&world).contains("ann") {
        slices += 1;
        assert!(slices < 60, "it waits for the sweep's end");
        world.cron();
        world.tick();
    }
    assert_eq!(world.module.waiting(), 1, "the sweep is under way still");
}

#[test]
fn nothing_is_wanted_once_everything_is_done() {
    let world = easyshare(&["expire-cascade", "yes", "sweep-interval", "60"]);
    log_in(&world, "ann", "s1");
    world.live(SECOND);
    world.fake.pass(SECOND / 10);
    world.cron();
    assert!(!world.tick(), "a server at rest is not woken");
}

#[test]
fn places_of_a_crowd_are_looked_at_when_their_number_has_doubled() {
    let world = easyshare(&[]);
    for number in 0..64 {
        world.run(&format!("SET typing:r{number}:ann 1"));
        world.settle();
        world.run(&format!("DEL typing:r{number}:ann"));
    }
    let known = world.module.session().with(|state| state.databases[0].index.len());
    assert!(known <= 16, "places where nothing is any more are forgotten: {known}");
}
