//! Data that is replaced as a whole: loaded, emptied, swapped.

use super::{SECOND, easyshare, ghosts, left, log_in, sweep};
use crate::{
    ask::load,
    fake::{Answer, World},
    known::state::Build,
    layout::Layout,
};

fn is_ready(world: &World, database: usize) -> bool {
    world.module.session().with(move |state| matches!(state.databases[database].build, Build::Ready))
}

/// How many places are known in a database.
fn known(world: &World, database: usize) -> usize {
    world.module.session().with(move |state| state.databases[database].index.len())
}

#[test]
fn what_is_loaded_is_known_without_a_walk() {
    let world = easyshare(&[]);
    log_in(&world, "ann", "s1");
    world.run("SELECT 2");
    world.run("SET typing:den:bob 1");
    world.reload();
    assert!((0..4).all(|database| is_ready(&world, database)));
    assert!(known(&world, 0) > 0 && known(&world, 2) > 0);
    assert_eq!(world.run("SESSION.LOGOUT bob"), Answer::Integer(1));
    assert_eq!(world.fake.call("SESSION.LOGOUT ann"), Answer::Integer(4));
}

/// Of many keys some are noted while others are loaded.
#[test]
fn grace_begins_anew_with_what_is_loaded() {
    for is_slow in [false, true] {
        let world = World::on(ghosts(40), Layout::easyshare(), &[]);
        world.fake.pass(SECOND);
        world.run("SET typing:den:bob 1");
        world.settle();
        world.fake.pass(60 * SECOND);
        if is_slow {
            world.run("FLUSHALL");
            world.enter(load::loading_begins);
            world.fake.pass(60 * SECOND);
            world.fake.call("SET typing:den:bob 1");
            world.enter(|ask| load::loaded(ask, b"typing:den:bob"));
            world.enter(load::loading_ends);
        } else {
            world.reload();
        }
        let count = if is_slow { 1 } else { 41 };
        for (passes, swept) in [(0, 0), (9, 0), (2, count)] {
            world.fake.pass(passes * SECOND);
            assert_eq!(sweep(&world, " GRACE 10"), Answer::Integer(swept), "{is_slow} {passes}");
        }
    }
}

#[test]
fn keys_that_were_there_before_a_load_are_found_all_the_same() {
    let world = World::on(ghosts(3), Layout::easyshare(), &[]);
    world.settle();
    world.enter(load::loading_begins);
    world.fake.call("SET typing:attic:ann 1");
    world.enter(|ask| load::loaded(ask, b"typing:attic:ann"));
    world.enter(load::loading_ends);
    assert_eq!(world.run("SESSION.LOGOUT g1"), Answer::Integer(1));
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(1));
}

#[test]
fn a_server_that_empties_its_data_after_loading_began_loses_nothing() {
    let world = World::on(ghosts(3), Layout::easyshare(), &[]);
    world.settle();
    world.enter(load::loading_begins);
    world.run("FLUSHALL");
    world.fake.call("SET typing:attic:ann 1");
    world.enter(|ask| load::loaded(ask, b"typing:attic:ann"));
    world.enter(load::loading_ends);
    assert_eq!(
        (world.run("SESSION.LOGOUT g1"), world.run("SESSION.LOGOUT ann")),
        (Answer::Integer(0), Answer::Integer(1))
    );
}

#[test]
fn what_was_emptied_is_forgotten_and_the_rest_is_not() {
    let world = easyshare(&[]);
    for database in [0, 1] {
        world.run(&format!("SELECT {database}"));
        world.run("SET typing:den:ann 1");
    }
    world.settle();
    world.run("FLUSHDB");
    assert_eq!((known(&world, 0) > 0, known(&world, 1), is_ready(&world, 1)), (true, 0, true));
    world.run("SET typing:attic:ann 1");
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(1));
    assert_eq!(world.fake.call("SESSION.LOGOUT ann"), Answer::Integer(1));
    world.run("SET typing:den:ann 1");
    world.settle();
    world.run("FLUSHALL");
    assert_eq!((known(&world, 0), known(&world, 1)), (0, 0));
}

#[test]
fn what_is_known_moves_with_databases_that_change_places() {
    let world = easyshare(&[]);
    log_in(&world, "ann", "s1");
    world.settle();
    world.run("SWAPDB 0 1");
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(0));
    world.run("SELECT 1");
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(4));
}

#[test]
fn a_sweep_begins_again_when_its_database_was_replaced() {
    let world = World::on(ghosts(60), Layout::easyshare(), &[]);
    world.settle();
    world.fake.look_takes.set(std::time::Duration::from_micros(60));
    world.run("SELECT 1");
    world.run("SET typing:den:ann 1");
    world.run("SELECT 0");
    world.settle();
    world.run("SESSION.SWEEP DRYRUN");
    for _ in 0..40 {
        world.tick();
    }
    let found = world.module.session().with(|state| state.sweeping.jobs.front().map(|job| job.found));
    assert!(found.is_some_and(|found| found > 1), "it is under way: {found:?}");
    world.run("SWAPDB 0 1");
    world.settle();
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert_eq!(answers, [Answer::Integer(1)], "of the one that is in the database now");
}

#[test]
fn after_a_defect_everything_is_known_again() {
    let world = easyshare(&[]);
    log_in(&world, "ann", "s1");
    world.settle();
    world.enter(load::recover);
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(4));
    world.run("SET typing:den:bob 1");
    world.enter(load::recover);
    assert_eq!((sweep(&world, ""), left(&world).as_str()), (Answer::Integer(1), ""));
}
