//! What the fake itself promises, where a test on it would otherwise prove nothing.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::{Answer, Call, Cursor, Fake, World};
use crate::{
    layout::Layout,
    ports::{Clients, Host, Keyspace, Store},
};

#[test]
fn what_has_expired_is_gone_for_readers_and_lies_in_memory() {
    let fake = Fake::default().string("a", "1").string("b", "2").expire("a");
    assert_eq!((fake.names(), fake.size()), (vec!["b".to_owned()], 2));
    fake.is_replica.set(true);
    assert!(fake.open(&b"a".to_vec()).is_none());
    assert_eq!((fake.unlink(&[&b"a".to_vec()]), fake.size()), (0, 2), "a replica leaves that to its master");
    fake.is_replica.set(false);
    assert!(fake.open(&b"a".to_vec()).is_none());
    assert_eq!(fake.size(), 1, "a master deletes it when it comes across it");
}

#[test]
fn a_walk_meets_what_stays_once_at_least_while_others_come_and_go() {
    let mut fake = Fake::default();
    for number in 0..20 {
        fake = fake.string(&format!("k{number:02}"), "");
    }
    let (cursor, mut names) = (Cursor::default(), Vec::new());
    let mut steps = 0;
    while fake.walk(&cursor, &|name| name != b"k07", &mut names) {
        steps += 1;
        fake.unlink(&[&format!("k{:02}", 2 * steps).into_bytes()]);
    }
    let met = |number: usize| names.contains(&format!("k{number:02}").into_bytes());
    assert!((1..20).step_by(2).all(|number| met(number) == (number != 7)), "{names:?}");
    assert_eq!(steps, 4, "four keys at a step");
}

#[test]
fn a_hook_is_called_at_every_call_and_not_from_within_itself() {
    let (fake, calls) = (Fake::default().string("a", "1"), Rc::new(Cell::new(0)));
    let counted = calls.clone();
    fake.on(move |fake, call| {
        counted.set(counted.get() + 1);
        assert_eq!(call, Call::Select(1));
        fake.select(2);
    });
    assert!(fake.select(1) && !fake.select(4));
    assert_eq!((calls.get(), fake.database()), (1, 1));
}

#[test]
fn clients_queue_wait_and_are_held_back() {
    let world = World::new(Layout::easyshare(), &[]);
    let (one, other) = (world.connect(), world.connect());
    let listed = |id: u64| world.fake.clients().into_iter().find(|client| client.id == id).expect("it is connected");
    assert_eq!(world.run_as(one, "MULTI"), Answer::Status("OK"));
    assert_eq!(world.run_as(one, "SET a 1"), Answer::Status("QUEUED"));
    assert_eq!((listed(one).queued, world.fake.names().len()), (Some(1), 0));
    assert_eq!(world.run_as(one, "EXEC"), Answer::Array(vec![Answer::Status("OK")]));
    assert_eq!(world.run_as(other, "BLMOVE x y LEFT RIGHT 0"), Answer::Waits(None));
    assert!(listed(other).is_blocked && world.fake.blocked_clients() == Some(1));
    world.run("RPUSH x 1");
    assert_eq!((world.fake.names(), listed(other).is_blocked), (vec!["a".to_owned(), "y".to_owned()], false));
    world.fake.is_paused.set(true);
    assert_eq!((world.run_as(one, "SET b 1"), world.run("GET b")), (Answer::Waits(None), Answer::Nil));
    world.resume();
    assert_eq!((listed(one).is_blocked, world.run("GET b")), (false, Answer::Nil));
    world.take_turns();
    assert_eq!(world.run("GET b"), Answer::Bytes(b"1".to_vec()));
    *world.fake.refuses.borrow_mut() = Some("MISCONF".to_owned());
    world.run_as(one, "MULTI");
    assert!(world.run_as(one, "SET c 1").is_error() && world.run_as(one, "EXEC").is_error());
}

#[test]
fn time_passes_when_the_test_says_so() {
    let fake = Fake::default();
    let (now, instant) = (fake.now(), fake.instant());
    fake.pass(Duration::from_millis(1500));
    assert_eq!((fake.now() - now, fake.instant() - instant), (1500, Duration::from_millis(1500)));
    fake.look_takes.set(Duration::from_micros(7));
    let looks = (fake.instant(), fake.instant());
    assert_eq!(looks.1 - looks.0, Duration::from_micros(7));
}
