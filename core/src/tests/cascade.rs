//! The expiry cascade: a session that ends by itself is cleaned up after the grace.

use super::{SECOND, easyshare, left, log_in};
use crate::fake::World;

const ON: [&str; 4] = ["expire-cascade", "yes", "grace", "5"];

/// Ann is live until ten seconds from now.
fn ends_in_ten_seconds(arguments: &[&str]) -> World {
    let world = easyshare(arguments);
    log_in(&world, "ann", "s1");
    world.run("EXPIRE socket_data:s1 10");
    world.live(SECOND);
    world
}

fn is_logged_out(world: &World) -> bool {
    !left(world).contains("ann")
}

#[test]
fn a_user_is_cleaned_up_when_the_grace_is_over_and_not_before() {
    let world = ends_in_ten_seconds(&ON);
    world.live(13 * SECOND);
    assert!(!is_logged_out(&world) && !left(&world).contains("socket_data"));
    world.live(2 * SECOND);
    assert!(is_logged_out(&world), "{}", left(&world));
    let sent = world.fake.take_sent();
    assert_eq!(sent.len(), 1);
    assert!(String::from_utf8_lossy(&sent[0][2]).contains(r#""reason":"expired""#), "{sent:?}");
}

#[test]
fn nobody_is_cleaned_up_where_the_cascade_is_off() {
    let world = ends_in_ten_seconds(&["grace", "5"]);
    world.live(60 * SECOND);
    assert!(!is_logged_out(&world));
}

#[test]
fn whoever_comes_back_within_the_grace_stays() {
    let world = ends_in_ten_seconds(&ON);
    world.live(12 * SECOND);
    world.run(r#"SET socket_data:s1 {"userId":"ann"}"#);
    world.live(60 * SECOND);
    assert!(!is_logged_out(&world));
    // The second end counts from when it comes.
    world.run("EXPIRE socket_data:s1 10");
    world.live(14 * SECOND);
    assert!(!is_logged_out(&world));
    world.live(2 * SECOND);
    assert!(is_logged_out(&world));
}

#[test]
fn whoever_came_back_and_left_otherwise_is_not_cleaned_up_for_the_first_end() {
    let world = ends_in_ten_seconds(&ON);
    world.live(10 * SECOND);
    world.run(r#"SET socket_data:s1 {"userId":"ann"}"#);
    world.live(SECOND);
    world.run("DEL socket_data:s1");
    world.live(60 * SECOND);
    assert!(!is_logged_out(&world));
}

#[test]
fn a_session_that_is_deleted_is_left_to_sweeps() {
    let world = ends_in_ten_seconds(&ON);
    world.run("DEL socket_data:s1");
    world.live(60 * SECOND);
    assert!(!is_logged_out(&world), "somebody deleted it on purpose, and will go on");
}

#[test]
fn a_key_that_is_evicted_ends_a_session_too() {
    let world = ends_in_ten_seconds(&ON);
    world.run("PERSIST socket_data:s1");
    world.live(SECOND);
    world.fake.evict(b"socket_data:s1");
    world.live(4 * SECOND);
    assert!(!is_logged_out(&world));
    world.live(2 * SECOND);
    assert!(is_logged_out(&world));
}

#[test]
fn a_replica_leaves_it_to_its_master() {
    let world = ends_in_ten_seconds(&ON);
    world.fake.is_replica.set(true);
    world.live(60 * SECOND);
    assert!(left(&world).contains("typing:den:ann"));
    world.fake.is_replica.set(false);
    world.live(20 * SECOND);
    assert!(is_logged_out(&world), "it became a master: {}", left(&world));
}

#[test]
fn it_waits_while_writes_are_refused() {
    let world = ends_in_ten_seconds(&ON);
    *world.fake.refuses.borrow_mut() = Some("MISCONF".to_owned());
    world.live(60 * SECOND);
    assert!(!is_logged_out(&world));
    *world.fake.refuses.borrow_mut() = None;
    world.live(SECOND);
    assert!(is_logged_out(&world));
}

#[test]
fn it_goes_on_after_a_defect_and_after_databases_changed_places() {
    let world = ends_in_ten_seconds(&ON);
    world.live(12 * SECOND);
    world.run("SWAPDB 0 1");
    world.enter(crate::ask::load::recover);
    world.live(10 * SECOND);
    assert_eq!(world.fake.snapshot(1).len(), 0);
}
