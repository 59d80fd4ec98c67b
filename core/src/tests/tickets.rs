//! Clients that wait: each is answered exactly once, whatever comes in between. The module of the fake fails a test in which
//! a ticket is answered twice.

use super::{SECOND, ghosts};
use crate::{
    ask::load,
    error::Error,
    fake::{Answer, World},
    layout::Layout,
    reply::Ticket,
};

/// Three clients that wait for their sweeps, of which the first is under way.
fn three_wait() -> (World, Vec<Ticket>) {
    let world = World::on(ghosts(60), Layout::easyshare(), &[]);
    world.settle();
    world.fake.look_takes.set(std::time::Duration::from_micros(60));
    let tickets = ["SESSION.SWEEP DRYRUN", "SESSION.SWEEP", "SESSION.SWEEP LIMIT 1"].map(|line| {
        let Answer::Waits(Some(ticket)) = world.run(line) else { panic!("{line} waits") };
        ticket
    });
    for _ in 0..5 {
        world.tick();
    }
    assert_eq!(world.module.waiting(), 3, "they are under way");
    (world, tickets.into())
}

#[test]
fn each_client_that_waits_is_answered_once_whatever_comes_in_between() {
    type Between = (&'static str, fn(&World));
    let table: [Between; 7] = [
        ("nothing", |_| ()),
        ("a flush", |world| drop(world.run("FLUSHALL"))),
        ("a swap", |world| drop(world.run("SWAPDB 0 1"))),
        ("a load", World::reload),
        ("a defect", |world| {
            world.enter(load::recover);
        }),
        ("another role", |world| world.fake.is_replica.set(true)),
        ("refused writes", |world| *world.fake.refuses.borrow_mut() = Some("MISCONF".to_owned())),
    ];
    for (what, between) in table {
        let (world, tickets) = three_wait();
        between(&world);
        world.live(3 * SECOND);
        let mut answered: Vec<Ticket> = world.module.take_answers().into_iter().map(|(ticket, _)| ticket).collect();
        answered.sort_unstable();
        assert_eq!((answered, world.module.waiting()), (tickets, 0), "{what}");
        world.live(SECOND);
        assert!(world.module.take_answers().is_empty(), "{what}");
    }
}

/// On a node of a cluster, other keys than the one that the command names are not seen while it runs.
#[test]
fn who_wants_a_key_explained_in_a_cluster_waits_for_a_moment() {
    let fake = ghosts(1).string("user_socket:g0", "s1").elsewhere("socket_data:s1");
    let world = World::on(fake, Layout::easyshare(), &[]);
    let ask = || world.run("SESSION.EXPLAIN typing:den:g0");
    let tickets = [ask(), ask(), world.run("SESSION.EXPLAIN socket_data:s1")];
    assert!(tickets.iter().all(|answer| matches!(answer, Answer::Waits(Some(_)))), "{tickets:?}");
    world.settle();
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert_eq!((answers.len(), world.module.waiting()), (tickets.len(), 0));
    assert!(format!("{:?}", answers[0]).contains("the key") && answers[0] == answers[1], "{answers:?}");
    assert_eq!(answers[2], Answer::Error(Error::Elsewhere.to_string()));
    for line in ["MULTI", "SESSION.EXPLAIN typing:den:g0"] {
        world.run(line);
    }
    assert_eq!(world.run("EXEC"), Answer::Array(vec![Answer::Error(Error::OneSlot.to_string())]));
    // A defect ends one of them, and no other.
    #[cfg(feature = "faults")]
    {
        world.run("SET typing:den:fault-plan 1");
        world.run("SESSION.EXPLAIN typing:den:fault-plan");
        ask();
        world.settle();
        let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
        assert_eq!((answers.len(), world.module.waiting(), world.module.defects()), (2, 0, 1));
        assert_eq!(answers[0], Answer::Error(Error::Defect.to_string()));
    }
}

#[test]
fn no_two_clients_get_the_same_ticket() {
    let (_, mut tickets) = three_wait();
    tickets.dedup();
    assert_eq!(tickets.len(), 3);
}

/// A defect in the middle of a slice ends the sweep that was at work, and no other.
#[cfg(feature = "faults")]
#[test]
fn whoever_waits_for_a_sweep_that_meets_a_defect_is_told() {
    let world = World::on(ghosts(3).string("typing:den:fault-plan", "1"), Layout::easyshare(), &[]);
    world.settle();
    for _ in 0..2 {
        world.run("SESSION.SWEEP");
    }
    world.settle();
    let mut answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    answers.retain(|answer| *answer != Answer::Error(Error::Defect.to_string()));
    assert_eq!((answers.len(), world.module.waiting(), world.module.defects()), (1, 0, 1));
}

#[test]
fn after_a_defect_outside_of_a_slice_nobody_gives_up() {
    let (world, _) = three_wait();
    world.enter(load::recover);
    world.settle();
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert!(!answers.contains(&Answer::Error(Error::Defect.to_string())), "{answers:?}");
    assert_eq!(world.fake.names().len(), 0);
}

#[test]
fn a_sweep_within_a_transaction_or_script_is_done_at_once() {
    let world = World::on(ghosts(3), Layout::easyshare(), &[]);
    for line in ["MULTI", "SESSION.SWEEP LIMIT 1"] {
        world.run(line);
    }
    assert_eq!(world.run("EXEC"), Answer::Array(vec![Answer::Integer(1)]));
    let words = ["EVAL", "return redis.call(unpack(ARGV))", "0", "SESSION.SWEEP"];
    let script = words.map(|word| word.as_bytes().to_vec()).to_vec();
    assert_eq!(world.command(world.client, script), Answer::Integer(2));
    assert_eq!(world.module.waiting(), 0);
}
