//! Following what clients write: in transactions, behind pauses, in blocking commands, and unseen.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::{easyshare, ghosts, left};
use crate::{
    ask::follow,
    fake::{Answer, World},
    known::wants::Events,
    layout::Layout,
    tracker::ANYBODY,
};

/// A logout removes so many traces.
fn removes(world: &World, user: &str, traces: i64) {
    assert_eq!(world.run(&format!("SESSION.LOGOUT {user}")), Answer::Integer(traces), "left: {}", left(world));
}

/// The same with and without a server that tells clients apart.
fn on_both(test: impl Fn(&World)) {
    for knows_clients in [true, false] {
        let world = easyshare(&[]);
        world.fake.knows_clients.set(knows_clients);
        test(&world);
    }
}

/// How many keys are unread, queued or held back.
fn held(world: &World) -> usize {
    world.module.session().with(|state| state.tracker.size().0)
}

#[test]
fn what_was_written_just_now_is_read_before_a_logout() {
    on_both(|world| {
        world.run("SET typing:den:ann 1");
        world.run("SET source 1");
        world.run("RENAME source typing:attic:ann");
        removes(world, "ann", 2);
        assert_eq!(held(world), 0);
    });
}

#[test]
fn a_slice_reads_what_was_written_and_many_keys_are_read_at_once() {
    let world = easyshare(&[]);
    for number in 0..31 {
        world.run(&format!("SET typing:den:u{number} 1"));
    }
    assert!(!world.module.take_soon(), "few wait for the next slice");
    world.run("SET typing:den:u31 1");
    assert!(world.module.take_soon(), "many are wanted to be read soon");
    world.settle();
    assert_eq!(held(&world), 0);
    removes(&world, "u7", 1);
}

#[test]
fn what_is_queued_is_read_once_it_is_executed() {
    on_both(|world| {
        let other = world.connect();
        world.run_as(other, "MULTI");
        world.run_as(other, "SET typing:den:ann 1");
        world.run_as(other, "SADD active_users ann");
        world.settle();
        world.cron();
        world.settle();
        removes(world, "ann", 0);
        world.run_as(other, "EXEC");
        removes(world, "ann", 2);
        world.settle();
        assert_eq!(held(world), 0);
    });
}

#[test]
fn a_logout_within_a_transaction_sees_what_stands_before_it() {
    on_both(|world| {
        let other = world.connect();
        for line in
            ["MULTI", "SET typing:den:ann 1", "SESSION.LOGOUT ann", "SET typing:attic:ann 1", "SESSION.LOGOUT ann"]
        {
            world.run_as(other, line);
        }
        let [ok, one] = [Answer::Status("OK"), Answer::Integer(1)];
        assert_eq!(world.run_as(other, "EXEC"), Answer::Array(vec![ok.clone(), one.clone(), ok, one]));
    });
}

#[test]
fn what_is_dropped_is_held_no_longer() {
    on_both(|world| {
        let other = world.connect();
        for end in ["DISCARD", "EXEC"] {
            world.run_as(other, "MULTI");
            world.run_as(other, "SET typing:den:ann 1");
            // A command that the server refuses, so that nothing is executed.
            world.run_as(other, "NONSENSE typing:attic:ann");
            world.run_as(other, end);
            // Where clients look alike, the count is looked into now and then.
            world.cron();
            world.settle();
            assert_eq!(held(world), 0, "{end}");
            removes(world, "ann", 0);
        }
    });
}

#[test]
fn what_a_client_had_queued_that_is_gone_is_forgotten() {
    let world = easyshare(&[]);
    let other = world.connect();
    world.run_as(other, "MULTI");
    world.run_as(other, "SET typing:den:ann 1");
    world.settle();
    assert!(held(&world) > 0);
    world.disconnect(other);
    world.cron();
    assert_eq!(held(&world), 0);
}

#[test]
fn a_transaction_that_the_server_refused_is_not_held_without_an_end() {
    let world = easyshare(&[]);
    let other = world.connect();
    world.run_as(other, "MULTI");
    let long = "x".repeat(600);
    world.run_as(other, &format!("NONSENSE typing:{long}:ann"));
    for turn in 0..8 {
        world.run_as(other, &format!("SET typing:{long}{turn}:ann 1"));
        // Refused as a whole from now on: the server has a word for it.
        *world.fake.refuses.borrow_mut() = Some("MISCONF".to_owned());
        world.settle();
        world.cron();
        world.settle();
    }
    assert!(held(&world) <= 1, "{}", held(&world));
}

#[test]
fn a_client_that_waits_may_write_at_any_time_without_being_shown_again() {
    on_both(|world| {
        let other = world.connect();
        assert_eq!(world.run_as(other, "BLMOVE list typing:den:ann LEFT RIGHT 0"), Answer::Waits(None));
        for _ in 0..3 {
            world.settle();
            world.cron();
        }
        removes(world, "ann", 0);
        world.run("RPUSH list 1");
        removes(world, "ann", 1);
        world.live(2 * super::SECOND);
        assert_eq!(held(world), 0, "it does not wait any more");
    });
}

#[test]
fn a_command_that_a_pause_holds_back_is_followed_until_it_has_run() {
    on_both(|world| {
        let (one, other) = (world.connect(), world.connect());
        world.run_as(other, "MULTI");
        world.run_as(other, "SET typing:attic:ann 1");
        world.fake.is_paused.set(true);
        assert_eq!(world.run_as(one, "SET typing:den:ann 1"), Answer::Waits(None));
        assert_eq!(world.run_as(other, "EXEC"), Answer::Waits(None));
        for _ in 0..3 {
            world.settle();
            world.cron();
        }
        removes_in_a_pause(world);
        world.resume();
        world.cron();
        // They count as free, and have not run yet.
        world.tick();
        world.take_turns();
        removes(world, "ann", 2);
        for _ in 0..3 {
            world.settle();
            world.cron();
        }
        assert_eq!(held(world), 0);
    });
}

/// While clients are paused a script may still call a logout, as the module sees it.
fn removes_in_a_pause(world: &World) {
    assert_eq!(world.fake.call("SESSION.LOGOUT ann"), Answer::Integer(0));
}

#[test]
fn where_clients_look_alike_an_exec_too_many_loses_nothing() {
    let world = easyshare(&[]);
    world.fake.knows_clients.set(false);
    let (one, other) = (world.connect(), world.connect());
    world.run_as(one, "MULTI");
    world.run_as(one, "SET typing:den:ann 1");
    assert!(world.run_as(other, "EXEC").is_error());
    world.settle();
    world.run_as(one, "SET typing:attic:ann 1");
    world.run_as(one, "EXEC");
    removes(&world, "ann", 2);
}

#[test]
fn where_clients_look_alike_an_end_of_no_transaction_hides_nothing() {
    for end in ["EXEC", "DISCARD"] {
        let world = easyshare(&[]);
        world.fake.knows_clients.set(false);
        let (one, other, third) = (world.connect(), world.connect(), world.connect());
        world.run_as(one, "MULTI");
        world.run_as(one, "SET typing:den:ann 1");
        assert!(world.run_as(other, end).is_error());
        // By the count, it is this one's transaction that is executed.
        world.run_as(third, "MULTI");
        world.settle();
        world.run_as(one, "SET typing:attic:ann 1");
        world.run_as(one, "EXEC");
        removes(&world, "ann", 2);
        world.run_as(third, "DISCARD");
        world.cron();
        world.settle();
        assert_eq!(held(&world), 0, "{end}");
    }
}

#[test]
fn where_clients_look_alike_the_list_is_not_asked_for_as_long_as_each_end_ends_something() {
    let world = easyshare(&[]);
    world.fake.knows_clients.set(false);
    let (one, other) = (world.connect(), world.connect());
    let transaction = |client| {
        world.run_as(client, "MULTI");
        world.run_as(client, "SET typing:den:ann 1");
        world.run_as(client, "EXEC");
        world.fake.pass(super::SECOND);
        world.settle();
    };
    // What was before that, nobody knows.
    transaction(one);
    let lists = Rc::new(Cell::new(0));
    let counted = lists.clone();
    world.fake.on(move |_, call| counted.set(counted.get() + u32::from(call == crate::fake::Call::Clients)));
    for client in [one, other, one] {
        transaction(client);
    }
    assert_eq!((lists.get(), held(&world)), (0, 0));
    assert!(world.run_as(other, "DISCARD").is_error());
    transaction(one);
    assert_eq!((lists.get(), held(&world)), (1, 0));
}

/// A world in which clients look alike and none has a transaction open, as is known by the server's statistics; two clients.
fn alike() -> (World, u64, u64) {
    let world = easyshare(&[]);
    world.fake.knows_clients.set(false);
    let (one, other) = (world.connect(), world.connect());
    world.run_as(one, "MULTI");
    world.run_as(one, "EXEC");
    world.cron();
    world.settle();
    (world, one, other)
}

/// What a client has queued is known when it is executed, after the count was looked into once more.
fn executed_later_it_removes_ann(world: &World, client: u64) {
    world.settle();
    world.fake.pass(Duration::from_millis(50));
    world.cron();
    world.settle();
    world.run_as(client, "EXEC");
    world.settle();
    removes(world, "ann", 1);
}

#[test]
fn where_clients_look_alike_much_that_is_queued_outlives_an_end_of_no_transaction() {
    let (world, one, other) = alike();
    world.run_as(one, "MULTI");
    world.run_as(one, "SET typing:den:ann 1");
    for n in 0..4200 {
        world.run_as(one, &format!("SET typing:r{n}:bob 1"));
    }
    assert!(world.run_as(other, "EXEC").is_error());
    world.cron();
    world.settle();
    world.run_as(one, "EXEC");
    world.settle();
    removes(&world, "ann", 1);
}

#[test]
fn where_clients_look_alike_a_pause_shows_a_discard_twice() {
    let (world, one, other) = alike();
    world.run_as(one, "MULTI");
    world.run_as(one, "SET typing:den:ann 1");
    world.run_as(other, "MULTI");
    // CLIENT PAUSE ALL: held back, shown once more when it is over.
    world.fake.is_paused.set(true);
    world.enter(|ask| follow::discards(ask, ANYBODY));
    world.fake.is_paused.set(false);
    world.run_as(other, "DISCARD");
    executed_later_it_removes_ann(&world, one);
}

#[test]
fn where_clients_look_alike_a_transaction_from_before_loading_outlives_an_end_of_none() {
    let world = easyshare(&[]);
    world.fake.knows_clients.set(false);
    let (one, other, third) = (world.connect(), world.connect(), world.connect());
    world.run_as(one, "MULTI");
    world.run_as(one, "SET typing:den:ann 1");
    // Another module in the place of the first one has seen none of it.
    let world = world.loaded_again(Layout::easyshare(), &[]);
    world.settle();
    removes(&world, "ann", 0);
    assert!(world.run_as(other, "EXEC").is_error());
    world.settle();
    world.run_as(third, "MULTI");
    world.run_as(one, "EXEC");
    removes(&world, "ann", 1);
}

#[test]
fn where_clients_look_alike_statistics_may_be_taken_back_later() {
    let (world, one, other) = alike();
    let third = world.connect();
    world.run_as(one, "MULTI");
    world.run_as(one, "SET typing:den:ann 1");
    world.run_as(third, "MULTI");
    assert!(world.run_as(other, "EXEC").is_error());
    for _ in 0..8 {
        world.fake.pass(Duration::from_millis(100));
        world.cron();
        world.settle();
    }
    world.fake.failed_ends.set(0);
    world.run_as(third, "DISCARD");
    executed_later_it_removes_ann(&world, one);
}

#[test]
fn where_clients_look_alike_and_cannot_be_followed_changes_are_watched() {
    let world = easyshare(&[]);
    world.fake.knows_clients.set(false);
    // To ask for the list takes so long that it is not asked for a second time.
    world.fake.on(|fake, call| {
        if call == crate::fake::Call::Clients {
            fake.pass(super::SECOND);
        }
    });
    let other = world.connect();
    assert!(world.run_as(other, "EXEC").is_error());
    // The one that is open is taken for the one that the stranger ends.
    world.run_as(world.client, "MULTI");
    world.run_as(other, "EXEC");
    world.run_as(world.client, "SET typing:den:ann 1");
    world.run_as(world.client, "EXEC");
    assert!(world.module.watched().has(Events::CHANGES));
    assert_eq!(world.fake.lines().iter().filter(|line| line.contains("watching keyspace events")).count(), 1);
    world.run_as(other, "MULTI");
    world.run_as(other, "SET typing:attic:ann 1");
    world.run_as(other, "EXEC");
    assert_eq!(world.run_as(other, "SESSION.LOGOUT ann"), Answer::Integer(2));
}

#[test]
fn keys_that_no_command_names_are_found() {
    on_both(|world| {
        world.run("SET typing:den:ann 1");
        world.settle();
        world.run("DEBUG POPULATE 3 typing:den");
        removes(world, "2", 1);
        let other = world.connect();
        world.run_as(other, "MULTI");
        world.run_as(other, "DEBUG POPULATE 3 typing:attic");
        world.settle();
        world.run_as(other, "EXEC");
        removes(world, "1", 2);
        removes(world, "ann", 1);
    });
}

#[test]
fn clients_who_began_before_the_module_was_loaded_may_write_anything() {
    let before = easyshare(&[]);
    before.run("MULTI");
    before.run("SET typing:den:ann 1");
    let blocked = before.connect();
    before.run_as(blocked, "BRPOPLPUSH list typing:attic:ann 0");
    // Another module in the place of the first one has seen none of it.
    let world = before.loaded_again(Layout::easyshare(), &[]);
    world.settle();
    world.cron();
    world.run("EXEC");
    assert_eq!(world.fake.call("SESSION.LOGOUT ann"), Answer::Integer(1));
    world.run("RPUSH list 1");
    assert_eq!(world.fake.call("SESSION.LOGOUT ann"), Answer::Integer(1));
    assert_eq!(left(&world), "");
}

#[test]
fn an_index_that_is_not_complete_is_completed_for_a_logout() {
    let world = World::on(ghosts(40), Layout::easyshare(), &[]);
    world.fake.look_takes.set(super::SECOND);
    world.run("GET a");
    world.cron();
    world.tick();
    world.run("RENAME typing:den:g39 typing:attic:ann");
    world.tick();
    removes(&world, "g17", 1);
    removes(&world, "ann", 1);
    removes(&world, "g39", 0);
}
