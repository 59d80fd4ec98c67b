//! What clusters of Valkey 9 can besides: numbered databases, and slots that move as a whole.

use crate::support::cluster::{
    assert_gone, client_in, everything, id, log_in, log_in_to, node, storm, users, wait_until_calm,
};
use crate::support::{Builder, Server, Snapshot, int, wait_until};

/// Whether the server that is tested has these.
fn has_them() -> bool {
    let server = Server::builder().without_module().start();
    !server.run("CONFIG GET cluster-databases").items().is_empty()
}

fn builder() -> Builder {
    Server::builder().option("fence", "0").config("cluster-databases 4")
}

fn three() -> Vec<Server> {
    let nodes = Builder::join((0..3).map(|_| node(&builder(), 60_000)).collect());
    wait_until_calm(&nodes.iter().collect::<Vec<_>>());
    nodes
}

#[test]
fn a_call_is_about_the_selected_database_of_all_nodes() {
    if !has_them() {
        return;
    }
    let nodes = three();
    let masters: Vec<&Server> = nodes.iter().collect();
    let (bystanders, ghosts) = (users("b", 30), users("u", 30));
    for database in [0, 1] {
        log_in_to(&nodes, database, &[], &bystanders);
    }
    log_in_to(&nodes, 3, &[], &bystanders);
    let without = everything(&masters);
    log_in_to(&nodes, 3, &bystanders, &ghosts);
    for (number, ghost) in ghosts.iter().enumerate() {
        let mut client = client_in(&nodes[number % 3], 3);
        assert_eq!(client.cmd(["SESSION.INSPECT", ghost]).field("removed"), int(8));
        assert_eq!(client.cmd(["SESSION.LOGOUT", ghost]), int(8));
        assert_eq!(client.cmd(["SESSION.LOGOUT", ghost]), int(0));
    }
    without.assert_matches(&everything(&masters));
    // Whose sockets are gone is swept there, and nowhere else.
    for database in [1, 3] {
        for node in &nodes {
            let mut client = client_in(node, database);
            for user in &bystanders {
                let deleted = client.cmd(["DEL", &format!("socket_data:s-{user}")]);
                assert!(deleted.is_error() || deleted == int(1), "{deleted:?}");
            }
        }
    }
    let before = everything(&masters);
    let mut swept = client_in(&nodes[1], 3);
    let count = swept.must("SESSION.SWEEP").as_int();
    assert!(count > 0 && swept.must("SESSION.SWEEP") == int(0), "{count}");
    let after = everything(&masters);
    for database in [0, 1] {
        let only = |snapshot: &Snapshot| Snapshot::default().with_database(database, snapshot.database(database));
        only(&before).assert_matches(&only(&after));
    }
}

/// Begins to move slots from one node to another, which is not done before [`end_to_move`].
fn begin_to_move(from: &Server, to: &Server, slots: (u16, u16)) {
    from.must("DEBUG SLOTMIGRATION PREVENT-PAUSE 1");
    from.must(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {} {} NODE {}", slots.0, slots.1, id(to)));
    wait_until("all keys are there", || state(from) == "waiting-to-pause");
}

fn end_to_move(from: &Server, to: &Server) {
    from.must("DEBUG SLOTMIGRATION PREVENT-PAUSE 0");
    wait_until("the slots have moved", || [from, to].iter().all(|node| state(node) == "success"));
}

/// What a node says of its newest migration.
fn state(node: &Server) -> String {
    let migrations = node.must("CLUSTER GETSLOTMIGRATIONS");
    migrations.items().first().map(|newest| newest.field("state").as_text().to_owned()).unwrap_or_default()
}

/// Most slots of the first of three nodes. (With none left it would become a replica.)
const OF_FIRST: (u16, u16) = (0, 5000);

/// How many traces of a user a node finds by itself.
fn here(node: &Server, user: &str) -> i64 {
    node.must(&format!("SESSION.INSPECT {user} LOCAL")).field("removed").as_int()
}

#[test]
fn keys_that_are_not_shown_yet_are_not_read_not_counted_and_not_removed_and_known_when_they_are_shown() {
    if !has_them() {
        return;
    }
    let nodes = three();
    let masters: Vec<&Server> = nodes.iter().collect();
    let (stayers, leavers) = (users("b", 50), users("u", 50));
    log_in(&nodes, &[], &stayers);
    let expected = everything(&masters);
    log_in(&nodes, &stayers, &leavers);
    let counts = |user: &String| [here(&nodes[0], user), here(&nodes[1], user), here(&nodes[2], user)];
    let before: Vec<[i64; 3]> = leavers.iter().map(counts).collect();
    let entries = nodes[1].info("session")["session_index_entries"].clone();
    begin_to_move(&nodes[0], &nodes[1], OF_FIRST);
    assert_eq!(leavers.iter().map(counts).collect::<Vec<_>>(), before);
    assert_eq!(nodes[1].info("session")["session_index_entries"], entries);
    // Some are logged out of all, some where their keys are not shown, and some not at all.
    for (user, [first, second, third]) in leavers.iter().zip(&before).take(40) {
        if user.ends_with(['0', '2', '4', '6', '8']) {
            assert_eq!(nodes[1].cmd(["SESSION.LOGOUT", user]), int(first + second + third));
        } else {
            assert_eq!(nodes[1].cmd(["SESSION.LOGOUT", user, "LOCAL"]), int(*second));
        }
    }
    let left: Vec<[i64; 3]> = leavers.iter().map(counts).collect();
    end_to_move(&nodes[0], &nodes[1]);
    for (user, [first, second, third]) in leavers.iter().zip(left) {
        assert_eq!(counts(user), [counts(user)[0], first + second - counts(user)[0], third], "{user}");
        assert_eq!(nodes[2].cmd(["SESSION.LOGOUT", user]), int(first + second + third), "{user}");
        assert_eq!(nodes[0].cmd(["SESSION.LOGOUT", user]), int(0), "{user}");
    }
    expected.assert_matches(&everything(&masters));
    assert!(nodes.iter().all(|node| !node.log().contains("please report")));
}

#[test]
fn who_is_stale_by_keys_that_have_arrived_is_swept() {
    if !has_them() {
        return;
    }
    let nodes = three();
    let key = |number: usize| format!("typing:{{g{number}}}:{{g{number}}}");
    let mut on_first = 0;
    for number in 0..60 {
        let set = ["SET", &key(number), "1"];
        on_first += usize::from(!nodes[0].cmd(set).is_error());
        nodes[1..].iter().for_each(|node| drop(node.cmd(set)));
    }
    begin_to_move(&nodes[0], &nodes[1], OF_FIRST);
    assert_eq!(nodes[1].must("SESSION.SWEEP DRYRUN LOCAL"), nodes[1].must("DBSIZE"), "of those that are shown");
    end_to_move(&nodes[0], &nodes[1]);
    assert!(on_first > 0);
    // Nobody is judged as long as keys may be on their way.
    let mut swept = 0;
    wait_until("all are swept", || {
        swept += nodes[2].must("SESSION.SWEEP").as_int();
        swept >= 60
    });
    assert_eq!(swept, 60);
}

#[test]
fn slots_move_as_a_whole_under_logouts_and_sweeps() {
    if !has_them() {
        return;
    }
    let nodes = three();
    let masters: Vec<&Server> = nodes.iter().collect();
    let (stayers, leavers) = (users("b", 200), users("u", 2000));
    log_in(&nodes, &[], &stayers);
    let expected = everything(&masters);
    log_in(&nodes, &stayers, &leavers);
    let ports: Vec<u16> = nodes.iter().map(Server::port).collect();
    let outcome = storm(&ports, &leavers, 5, || {
        for turn in 0..6 {
            let (from, to) = if turn % 2 == 0 { (&nodes[0], &nodes[1]) } else { (&nodes[1], &nodes[0]) };
            from.must(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {} {} NODE {}", OF_FIRST.0, OF_FIRST.1, id(to)));
            wait_until("the slots have moved", || [from, to].iter().all(|node| state(node) == "success"));
            let _ = nodes[2].run("SESSION.SWEEP");
        }
    });
    assert_gone(&outcome, leavers.len(), &masters, &expected);
}
