//! The fence: the data of a socket that was logged out stays away.

use super::{SECOND, easyshare, left, log_in};
use crate::fake::World;

/// Ann was logged out, and bob is live by another socket. With and without a server that lets the module write as soon as
/// a command is over.
fn on_both(test: impl Fn(&World)) {
    for lets_write_soon in [true, false] {
        let world = easyshare(&[]);
        world.fake.lets_write_soon.set(lets_write_soon);
        log_in(&world, "ann", "s1");
        world.run("SESSION.LOGOUT ann");
        test(&world);
    }
}

const ANNS: &str = r#"SET socket_data:s1 {"userId":"ann"}"#;

fn come_to_rest(world: &World) {
    world.settle();
    world.cron();
    world.settle();
}

#[test]
fn data_that_is_written_again_is_removed() {
    on_both(|world| {
        world.run(ANNS);
        if world.fake.lets_write_soon.get() {
            assert_eq!(left(world), "", "as soon as the command is over");
        }
        come_to_rest(world);
        assert_eq!(left(world), "");
        assert_eq!(world.module.session().with(|state| state.sweeping.report.fenced), 1);
    });
}

#[test]
fn what_a_transaction_writes_is_removed_when_it_is_over() {
    on_both(|world| {
        let other = world.connect();
        for line in ["MULTI", ANNS, "SET other 1", "EXEC"] {
            world.run_as(other, line);
        }
        come_to_rest(world);
        assert_eq!(left(world), "other");
    });
}

#[test]
fn data_of_others_and_of_other_sockets_stays() {
    on_both(|world| {
        world.run(r#"SET socket_data:s1 {"userId":"bob"}"#);
        world.run(r#"SET socket_data:s2 {"userId":"ann"}"#);
        world.run("SELECT 1");
        world.run(ANNS);
        come_to_rest(world);
        assert_eq!(left(world), "socket_data:s1 socket_data:s2");
        assert_eq!(world.fake.snapshot(1).len(), 1, "it was logged out in another database");
    });
}

#[test]
fn it_lasts_as_long_as_the_option_says() {
    on_both(|world| {
        world.fake.pass(59 * SECOND);
        world.run(ANNS);
        come_to_rest(world);
        assert_eq!(left(world), "");
        world.fake.pass(SECOND);
        world.run(ANNS);
        come_to_rest(world);
        assert_eq!(left(world), "socket_data:s1");
    });
}

#[test]
fn it_waits_while_writes_are_refused() {
    on_both(|world| {
        let client = world.connect();
        world.run_as(client, "BLMOVE list socket_data:s1 LEFT RIGHT 0");
        world.run(r#"SET tmp {"userId":"ann"}"#);
        *world.fake.refuses.borrow_mut() = Some("MISCONF".to_owned());
        // What a master sends is not refused.
        world.fake.call("RENAME tmp socket_data:s1");
        world.after_command();
        come_to_rest(world);
        assert_eq!(left(world), "socket_data:s1");
        *world.fake.refuses.borrow_mut() = None;
        come_to_rest(world);
        come_to_rest(world);
        assert_eq!(left(world), "");
    });
}

#[test]
fn a_replica_leaves_it_to_its_master() {
    on_both(|world| {
        world.fake.is_replica.set(true);
        world.run(ANNS);
        come_to_rest(world);
        assert_eq!(left(world), "socket_data:s1");
    });
}
