//! The host calls back in the middle of anything: another module sends a command from an event of its own. It must find a
//! state that is whole, and so must whoever goes on afterwards.

use std::{cell::Cell, collections::BTreeSet, rc::Rc};

use super::{SECOND, easyshare, ghosts, left, log_in, sweep};
use crate::{
    fake::{Answer, Call, World},
    layout::Layout,
};

/// Runs a case again and again: the other module sends `line` at the first call of the core's, at the second one, and so
/// on. Returns the kinds of calls at which it was sent.
fn at_each_call(line: &'static str, case: impl Fn(&World), prepare: impl Fn() -> World) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    for turn in 0.. {
        let world = prepare();
        let (calls, met) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
        let (counted, told) = (calls.clone(), met.clone());
        world.fake.on(move |fake, call| {
            if counted.replace(counted.get() + 1) == turn {
                told.set(Some(kind(call)));
                let answer = fake.call(line);
                assert!(!answer.is_error(), "{line}: {answer:?}");
            }
        });
        case(&world);
        let Some(kind) = met.get() else { return kinds };
        kinds.insert(kind);
    }
    unreachable!("each case comes to its end")
}

fn kind(call: Call<'_>) -> &'static str {
    match call {
        Call::Open(_) => "open",
        Call::Unlink => "unlink",
        Call::Remove(_) => "remove",
        Call::Replace(_) => "replace",
        Call::Send(_) => "send",
        Call::Log(_) => "log",
        Call::Select(_) => "select",
        Call::Walk => "walk",
        Call::Scan(_) => "scan",
        Call::Clients => "clients",
        Call::Writes => "writes",
    }
}

/// Ann and bob are live, in one room whose document names both.
fn two_users() -> World {
    let world = easyshare(&["stream", "events"]);
    log_in(&world, "ann", "s1");
    log_in(&world, "bob", "s2");
    world.run(r#"SET room:den {"participants":[{"userId":"ann"},{"userId":"bob"}]}"#);
    world.cron();
    world.settle();
    world
}

#[test]
fn a_logout_of_somebody_else_from_within_a_logout_leaves_nothing_of_either() {
    let kinds = at_each_call(
        "SESSION.LOGOUT bob",
        |world| {
            let Answer::Integer(removed) = world.run("SESSION.LOGOUT ann") else { panic!("it was not refused") };
            assert!((4..=5).contains(&removed), "{removed}");
            world.run("SESSION.LOGOUT bob");
            world.run("SESSION.LOGOUT ann");
            assert_eq!(left(world), "events room:den");
            world.settle();
        },
        two_users,
    );
    let expected = ["log", "open", "remove", "replace", "select", "send", "unlink"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_same_user_is_logged_out_once_even_from_within() {
    at_each_call(
        "SESSION.LOGOUT ann",
        |world| {
            world.run("SESSION.LOGOUT ann");
            assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(0));
            assert!(!left(world).contains("ann"), "{}", left(world));
            let removed = world.module.session().with(|state| state.metrics.removed.total());
            assert_eq!(removed, 4, "each trace counts once");
        },
        || {
            let world = easyshare(&[]);
            log_in(&world, "ann", "s1");
            world
        },
    );
}

#[test]
fn what_is_written_from_within_a_logout_is_found_by_the_next_one() {
    at_each_call(
        "SET typing:attic:ann 1",
        |world| {
            world.run("SESSION.LOGOUT ann");
            world.fake.on(|_, _| ());
            let expected = i64::from(left(world).contains("typing:attic:ann"));
            assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(expected));
            assert!(!left(world).contains("ann"));
        },
        two_users,
    );
}

#[test]
fn what_is_written_while_keys_are_read_or_walked_over_is_found() {
    let kinds = at_each_call(
        "RENAME typing:den:g1 typing:attic:ann",
        |world| {
            world.cron();
            world.settle();
            world.fake.on(|_, _| ());
            let renamed = i64::from(left(world).contains("ann"));
            assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(renamed));
            world.run("RENAME typing:den:g1 gone");
            world.run("DEL gone");
            assert_eq!(world.run("SESSION.LOGOUT g1"), Answer::Integer(0));
            world.run("SESSION.LOGOUT g2");
            assert_eq!(left(world), "typing:den:g0 typing:den:g3");
        },
        || {
            let world = World::on(ghosts(4), Layout::easyshare(), &[]);
            world.fake.step.set(1);
            world
        },
    );
    assert!(kinds.contains("walk") && kinds.contains("select"), "{kinds:?}");
}

#[test]
fn a_logout_while_the_index_is_built_is_exact() {
    for turn in 0..4 {
        let world = World::on(ghosts(4), Layout::easyshare(), &[]);
        world.fake.step.set(1);
        let steps = Rc::new(Cell::new(0));
        let counted = steps.clone();
        world.fake.on(move |fake, call| {
            if call == Call::Walk && counted.replace(counted.get() + 1) == turn {
                assert_eq!(fake.call("SESSION.LOGOUT g3"), Answer::Integer(1), "at step {turn}");
            }
        });
        world.cron();
        world.settle();
        assert!(steps.get() > turn, "the walk has so many steps");
        assert_eq!(left(&world), "typing:den:g0 typing:den:g1 typing:den:g2");
    }
}

#[test]
fn a_logout_from_within_a_sweep_leaves_nobody_behind() {
    let kinds = at_each_call(
        "SESSION.LOGOUT g2",
        |world| {
            let Answer::Integer(users @ 3..=4) = sweep(world, "") else { panic!("three or four were stale") };
            assert!(users >= 3);
            assert_eq!((sweep(world, ""), left(world).as_str()), (Answer::Integer(0), ""));
        },
        || World::on(ghosts(4), Layout::easyshare(), &[]),
    );
    assert!(kinds.contains("unlink") && kinds.contains("writes") && kinds.contains("log"), "{kinds:?}");
}

#[test]
fn a_second_sweep_that_begins_within_the_first_is_answered_too() {
    at_each_call(
        "SESSION.SWEEP",
        |world| {
            world.run("SESSION.SWEEP");
            world.settle();
            assert_eq!((left(world).as_str(), world.module.waiting()), ("", 0));
            let answers = world.module.take_answers();
            assert!(
                (1..=2).contains(&answers.len()) && answers.iter().all(|(_, answer)| answer.is_ok()),
                "{answers:?}"
            );
        },
        || World::on(ghosts(4), Layout::easyshare(), &[]),
    );
}

#[test]
fn whole_databases_may_be_replaced_from_within_a_slice() {
    at_each_call(
        "SESSION.LOGOUT ann",
        |world| {
            world.live(30 * SECOND);
            assert!(!left(world).contains("ann"), "{}", left(world));
            assert!(left(world).contains("user_socket:bob"));
        },
        || {
            let world = easyshare(&["expire-cascade", "yes", "grace", "1"]);
            log_in(&world, "ann", "s1");
            log_in(&world, "bob", "s2");
            world.run("EXPIRE socket_data:s1 1");
            world
        },
    );
}

#[test]
fn the_room_is_left_as_both_logouts_leave_it() {
    let world = two_users();
    world.fake.on(|fake, call| {
        if call == Call::Unlink {
            fake.call("SESSION.LOGOUT bob");
        }
    });
    world.run("SESSION.LOGOUT ann");
    world.fake.on(|_, _| ());
    world.run("SESSION.LOGOUT bob");
    assert_eq!(world.run("GET room:den"), Answer::Bytes(br#"{"participants":[]}"#.to_vec()));
}

#[test]
fn a_document_that_is_deleted_from_within_a_logout_does_not_come_back() {
    let world = two_users();
    world.fake.on(|fake, call| {
        if call == Call::Unlink {
            fake.call("DEL room:den");
        }
    });
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(4));
    assert!(!left(&world).contains("room:den"));
}
