//! Sweeps: who is stale, for how long, and what may come in between.

use std::time::Duration;

use super::{SECOND, easyshare, ghosts, left, log_in, sweep};
use crate::{
    fake::{Answer, Call, World},
    layout::Layout,
};

#[test]
fn stale_users_are_cleaned_up_and_live_ones_stay() {
    let world = easyshare(&[]);
    log_in(&world, "ann", "s1");
    log_in(&world, "bob", "s2");
    world.run("SET user_status:bob busy");
    world.run("SET user_status:cid busy");
    world.run("DEL socket_data:s2");
    assert_eq!(sweep(&world, " DRYRUN"), Answer::Integer(1));
    assert!(left(&world).contains("typing:den:bob"));
    assert_eq!(sweep(&world, ""), Answer::Integer(1));
    assert_eq!(left(&world), "active_users socket_data:s1 typing:den:ann user_socket:ann user_status:cid");
    assert_eq!(sweep(&world, ""), Answer::Integer(0));
    world.run("DEL user_socket:ann");
    assert_eq!(sweep(&world, ""), Answer::Integer(1), "the mapping was one of two keys that made ann live");
    assert_eq!(left(&world), "user_status:cid");
}

/// Marks count in eighths of a second: nobody is taken for stale longer than that is so.
#[test]
fn grace_is_kept_to_the_eighth_of_a_second() {
    for (written, passed, is_swept) in [(0, 9999, false), (0, 10_000, true), (60, 10_124, false), (60, 10_125, true)] {
        let world = easyshare(&[]);
        world.fake.pass(Duration::from_millis(written));
        world.run("SET typing:den:bob 1");
        world.settle();
        world.fake.pass(Duration::from_millis(passed - written));
        assert_eq!(sweep(&world, " GRACE 10"), Answer::Integer(is_swept.into()), "{written} {passed}");
        assert_eq!(left(&world).is_empty(), is_swept);
    }
}

#[test]
fn grace_begins_when_the_last_key_ends_that_made_somebody_live() {
    let world = easyshare(&[]);
    log_in(&world, "ann", "s1");
    world.run("EXPIRE socket_data:s1 20");
    world.run("EXPIRE user_socket:ann 30");
    assert_eq!(sweep(&world, " GRACE 10"), Answer::Integer(0));
    for (passes, is_swept) in [(20, false), (9, false), (2, true)] {
        world.fake.pass(passes * SECOND);
        assert_eq!(sweep(&world, " GRACE 10"), Answer::Integer(is_swept.into()), "{passes}");
    }
}

/// A collection that is too large to be read at each change is read by the sweep, perhaps long after it was written.
#[test]
fn grace_begins_when_a_sweep_finds_somebody_in_a_large_collection() {
    let world = easyshare(&[]);
    let ghosts: Vec<String> = (0..300).map(|number| format!("ghost{number}")).collect();
    world.run(&format!("SADD active_users {}", ghosts.join(" ")));
    world.settle();
    world.fake.pass(60 * SECOND);
    for (passes, swept) in [(0, 0), (9, 0), (2, 300)] {
        world.fake.pass(passes * SECOND);
        assert_eq!(sweep(&world, " GRACE 10"), Answer::Integer(swept), "{passes}");
    }
    assert_eq!(left(&world), "");
}

#[test]
fn grace_begins_with_the_logout_of_the_part_that_was_live() {
    let layout = r#"{
        "name": "unmapped", "separator": ":",
        "traces": [{ "key": "sess:{socketId}", "owner": "/user" }, { "members": "online", "member": "{userId}" }],
        "sockets": { "data": "sess:{socketId}" }
    }"#;
    let world = World::new(Layout::parse(layout).expect("a layout"), &[]);
    world.run(r#"SET sess:s1 {"user":"ann"}"#);
    world.run("SADD online ann");
    world.settle();
    world.fake.pass(60 * SECOND);
    assert_eq!(world.run("SESSION.LOGOUT ann WHERE socketId s1"), Answer::Integer(1));
    for (passes, swept) in [(0, 0), (9, 0), (2, 1)] {
        world.fake.pass(passes * SECOND);
        assert_eq!(sweep(&world, " GRACE 10"), Answer::Integer(swept), "{passes}");
    }
}

/// Where no data says whose a socket is, it may be that of several users.
#[test]
fn a_logout_makes_stale_whoever_was_live_by_the_same_socket() {
    let layout = r#"{
        "name": "opaque", "separator": ":",
        "traces": [{ "key": "map:{userId}" }, { "key": "data:{socketId}" }, { "key": "in:{roomId}:{userId}" }],
        "sockets": { "of": "map:{userId}", "data": "data:{socketId}" }
    }"#;
    let world = World::new(Layout::parse(layout).expect("a layout"), &[]);
    for user in ["ann", "bob"] {
        world.run(&format!("SET map:{user} s1"));
        world.run(&format!("SET in:den:{user} 1"));
    }
    world.run("SET data:s1 x");
    assert_eq!(sweep(&world, ""), Answer::Integer(0));
    assert_eq!(world.run("SESSION.LOGOUT ann"), Answer::Integer(3));
    assert_eq!(left(&world), "in:den:bob map:bob");
    assert_eq!(sweep(&world, ""), Answer::Integer(1));
    assert_eq!(left(&world), "");
}

#[test]
fn limits_are_kept() {
    let world = World::on(ghosts(9), Layout::easyshare(), &[]);
    assert_eq!(sweep(&world, " DRYRUN LIMIT 4"), Answer::Integer(4));
    assert_eq!(world.fake.names().len(), 9);
    assert_eq!((sweep(&world, " LIMIT 4"), world.fake.names().len()), (Answer::Integer(4), 5));
    assert_eq!((sweep(&world, " LIMIT 0"), world.fake.names().len()), (Answer::Integer(0), 5));
    assert_eq!((sweep(&world, ""), world.fake.names().len()), (Answer::Integer(5), 0));
}

/// One that comes back in the middle of it, while it is under way.
#[test]
fn a_sweep_takes_slices_and_whoever_comes_back_meanwhile_stays() {
    let world = World::on(ghosts(200), Layout::easyshare(), &["slice-us", "500"]);
    world.settle();
    world.fake.look_takes.set(Duration::from_micros(20));
    world.run("SESSION.SWEEP");
    let mut slices = 0;
    while world.tick() {
        slices += 1;
        if world.fake.names().len() < 100 && !left(&world).contains("user_socket") {
            // All who are left come back, but one.
            let ghosts = world.fake.names();
            for (at, name) in ghosts.iter().enumerate().skip(1) {
                let user = name.strip_prefix("typing:den:").expect("a ghost");
                world.run(&format!("SET user_socket:{user} back{at}"));
                world.run(&format!(r#"SET socket_data:back{at} {{"userId":"{user}"}}"#));
            }
        }
    }
    let typing = world.fake.names().iter().filter(|name| name.starts_with("typing")).count();
    let mapped = world.fake.names().iter().filter(|name| name.starts_with("user_socket")).count();
    assert!(slices > 10, "{slices}");
    assert!(mapped > 10 && typing == mapped, "{typing} {mapped}");
    let (report, slices) = world.module.session().with(|state| {
        let report = state.sweeping.report.clone();
        (report.clone(), report.last_slices)
    });
    assert!(slices > 10 && report.last_users == 200 - mapped as u64, "{report:?}");
    // A slice ends at its deadline, but for the one user whom it was at work on.
    assert!(report.last_longest <= Duration::from_micros(500 + 200), "{report:?}");
}

#[test]
fn a_replica_sweeps_nobody() {
    let world = World::on(ghosts(50), Layout::easyshare(), &["sweep-interval", "1"]);
    world.settle();
    world.fake.look_takes.set(Duration::from_micros(100));
    world.run("SESSION.SWEEP");
    while world.fake.names().len() == 50 {
        assert!(world.tick(), "it ended without a beginning");
    }
    let before = world.fake.names().len();
    assert!(before > 0, "it is under way");
    world.fake.is_replica.set(true);
    world.live(3 * SECOND);
    assert_eq!(world.fake.names().len(), before);
    let answers = world.module.take_answers();
    let [(_, Err(crate::error::Error::Demoted))] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(world.module.session().with(|state| state.sweeping.jobs.len()), 0);
}

#[test]
fn a_clients_sweep_ends_when_writes_are_refused_and_the_servers_own_waits() {
    let world = World::on(ghosts(3), Layout::easyshare(), &["sweep-interval", "60", "grace", "0"]);
    world.settle();
    world.run("SESSION.SWEEP");
    *world.fake.refuses.borrow_mut() = Some("NOREPLICAS Not enough good replicas to write.".to_owned());
    world.settle();
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert_eq!(answers, [Answer::Error("NOREPLICAS Not enough good replicas to write.".to_owned())]);
    world.live(61 * SECOND);
    assert_eq!(world.fake.names().len(), 3);
    let told = |what: &str| world.fake.lines().iter().filter(|line| line.contains(what)).count();
    assert_eq!((told("refuses writes"), told("takes writes again")), (1, 0));
    *world.fake.refuses.borrow_mut() = None;
    world.live(SECOND);
    assert_eq!((left(&world).as_str(), told("takes writes again")), ("", 1));
}

#[test]
fn a_sweep_of_the_servers_own_that_is_refused_goes_on_where_it_was() {
    let world = World::on(ghosts(3), Layout::easyshare(), &["sweep-interval", "60", "grace", "0"]);
    world.live(59 * SECOND);
    *world.fake.refuses.borrow_mut() = Some("MISCONF".to_owned());
    world.live(2 * SECOND);
    assert_eq!(world.fake.names().len(), 3);
    *world.fake.refuses.borrow_mut() = None;
    world.live(2 * SECOND);
    assert_eq!(left(&world), "", "it does not begin again a minute later");
}

#[test]
fn the_server_sweeps_by_the_clock_with_the_grace_of_the_options() {
    let world = easyshare(&["sweep-interval", "60", "grace", "90"]);
    world.run("SELECT 1");
    world.run("SET typing:den:bob 1");
    world.live(61 * SECOND);
    assert_eq!(world.fake.snapshot(1).len(), 1, "stale for less than the grace");
    world.live(60 * SECOND);
    assert_eq!(world.fake.snapshot(1).len(), 0);
    assert_eq!(world.module.session().with(|state| state.sweeping.report.users), 1);
}

/// Collections that are too large to be read at every change are read by the sweep itself, piece by piece.
#[test]
fn large_collections_are_read_by_a_sweep() {
    let world = easyshare(&[]);
    world.run("SADD active_users seed");
    let members: Vec<String> = (0..600).map(|number| format!("g{number:03}")).collect();
    for part in members.chunks(300) {
        world.run(&format!("SUNIONSTORE active_users active_users {}", part[0]));
        world.run(&format!("SADD other {}", part.join(" ")));
    }
    world.run("SUNIONSTORE active_users active_users other");
    world.settle();
    world.fake.look_takes.set(Duration::from_micros(100));
    world.run("SESSION.SWEEP");
    world.tick();
    // Written in the middle of it, in a way that does not say what is new, before what was read already.
    world.run("SADD late a0 zz");
    world.run("SUNIONSTORE active_users active_users late");
    world.settle();
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert_eq!((answers, left(&world).as_str()), (vec![Answer::Integer(603)], "late other"));
}

/// Somebody writes it before each slice, in a way that does not say what is new.
#[test]
fn a_collection_that_is_written_all_the_time_does_not_keep_a_sweep_from_its_end() {
    let world = easyshare(&[]);
    let members: Vec<String> = (0..600).map(|number| format!("g{number:03}")).collect();
    world.run(&format!("SADD first {}", members[..300].join(" ")));
    world.run(&format!("SADD second {}", members[300..].join(" ")));
    world.run("SUNIONSTORE active_users first second");
    world.fake.look_takes.set(Duration::from_micros(100));
    world.run("SESSION.SWEEP DRYRUN");
    let mut ticks = 0;
    while world.module.session().with(|state| !state.sweeping.jobs.is_empty()) {
        world.run("SUNIONSTORE active_users first second");
        world.tick();
        ticks += 1;
        assert!(ticks < 10_000, "it has no end");
    }
    assert!(ticks > 3, "it takes slices");
    let answers: Vec<Answer> = world.module.take_answers().into_iter().map(|(_, answer)| answer.into()).collect();
    assert_eq!(answers, [Answer::Integer(600)]);
}

#[cfg(feature = "faults")]
#[test]
fn whoever_brings_a_defect_about_is_passed_over() {
    let world = World::on(
        ghosts(5).string("typing:den:fault-plan", "1").string("typing:den:fault-apply", "1"),
        Layout::easyshare(),
        &["sweep-interval", "60", "grace", "0"],
    );
    world.live(61 * SECOND);
    world.live(600 * SECOND);
    assert_eq!(left(&world), "typing:den:fault-apply typing:den:fault-plan");
    assert_eq!(world.module.defects(), 2, "each is met once");
    assert_eq!(sweep(&world, ""), Answer::Integer(0));
}

#[test]
fn somebody_who_returns_just_before_the_removal_is_looked_at_again_by_the_next_sweep() {
    let world = easyshare(&[]);
    world.run("SET typing:den:bob 1");
    // The line of the log comes last: bob types on, behind the removal.
    world.fake.on(|fake, call| {
        if call == Call::Unlink {
            fake.call("SET typing:attic:bob 1");
        }
    });
    assert_eq!(sweep(&world, ""), Answer::Integer(1));
    assert_eq!(left(&world), "typing:attic:bob");
    world.fake.on(|_, _| ());
    assert_eq!((sweep(&world, ""), left(&world).as_str()), (Answer::Integer(1), ""));
}
