//! While the server refuses writes, nothing of the module's own deletes anything, and nothing is forgotten meanwhile.

use std::fs;

use crate::{
    args,
    support::{Server, error, int, log_in, ok, wait_until},
};

const WAITS: &str = "; sweeps, the cascade and the fence wait until it takes them";
const GOES_ON: &str = "the server takes writes again; sweeps, the cascade and the fence go on";

/// A reason for which a server refuses writes.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// Too few replicas.
    Replicas,
    /// The last save failed.
    Save,
}

impl Cause {
    const ALL: [Self; 2] = [Self::Replicas, Self::Save];

    /// From now on writes are refused.
    fn begin(self, server: &Server) {
        self.begin_after(server, "PING");
    }

    /// This is the last command before writes are refused; nobody comes in between.
    fn begin_after(self, server: &Server, last: &str) {
        let refuse = match self {
            Self::Replicas => "min-replicas-to-write 1",
            Self::Save => {
                // Nothing is saved in the place of a directory.
                fs::create_dir(server.dir().join("dump.rdb")).expect("a directory can be made");
                server.script("CONFIG SET stop-writes-on-bgsave-error no\nCONFIG SET save '3600 1'");
                save(server, "err");
                "stop-writes-on-bgsave-error yes"
            }
        };
        server.script(&format!("MULTI\n{last}\nCONFIG SET {refuse}\nEXEC"));
        self.assert_refused(server, "SET x 1");
    }

    fn end(self, server: &Server) {
        match self {
            Self::Replicas => assert_eq!(server.run("CONFIG SET min-replicas-to-write 0"), ok()),
            Self::Save => {
                fs::remove_dir(server.dir().join("dump.rdb")).expect("a directory can be removed");
                save(server, "ok");
            }
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Replicas => "NOREPLICAS ",
            Self::Save => "MISCONF ",
        }
    }

    fn assert_refused(self, server: &Server, command: &str) {
        let reply = format!("{:?}", server.run(command));
        assert!(reply.starts_with(&format!("(error) {}", self.code())), "{command}: {reply}");
    }
}

/// Saves, with this result.
fn save(server: &Server, result: &str) {
    server.must("BGSAVE");
    wait_until("the save is over", || {
        let info = server.info("persistence");
        info["rdb_bgsave_in_progress"] == "0" && info["rdb_last_bgsave_status"] == result
    });
}

fn count(server: &Server, line: &str) -> usize {
    server.log().matches(line).count()
}

/// Work waits: the server's log says so once, with the reason, and nothing changes.
fn assert_waiting(server: &Server, cause: Cause, before: usize) {
    wait_until("the log says that it waits", || count(server, WAITS) > before);
    let unchanged = server.snapshot();
    server.wait_for_time(server.now() + 400);
    unchanged.assert_matches(&server.snapshot());
    assert_eq!((count(server, WAITS), count(server, GOES_ON)), (before + 1, before));
    let line = server.log().lines().rfind(|line| line.contains(WAITS)).unwrap_or_default().to_owned();
    assert!(line.contains(&format!("the server refuses writes ({}", cause.code())), "{line}");
}

fn assert_goes_on(server: &Server, before: usize) {
    wait_until("the log says that it goes on", || count(server, GOES_ON) == before + 1);
    assert_eq!(count(server, WAITS), before + 1);
}

fn sweeps_by_the_timer(server: &Server) {
    for (before, cause) in Cause::ALL.into_iter().enumerate() {
        cause.begin(server);
        server.script("CONFIG SET session.grace 0\nCONFIG SET session.sweep-interval 1");
        assert_waiting(server, cause, before);
        assert_eq!(server.run("SCARD active_users"), int(4));
        cause.assert_refused(server, "SESSION.LOGOUT ann");
        cause.assert_refused(server, "SESSION.SWEEP");
        cause.end(server);
        wait_until("the users are gone", || server.run("EXISTS active_users") == int(0));
        assert_goes_on(server, before);
        server.script("CONFIG SET session.sweep-interval 0\nSADD active_users a b c d");
    }
}

#[test]
fn the_timers_sweep_waits() {
    let server = Server::start();
    server.must("SADD active_users a b c d");
    sweeps_by_the_timer(&server);
}

#[test]
fn the_timers_sweep_waits_in_a_cluster() {
    let nodes = Server::builder().start_cluster(1);
    nodes[0].must("SADD active_users a b c d");
    sweeps_by_the_timer(&nodes[0]);
}

#[test]
fn the_cascade_waits() {
    let server = Server::start();
    server.script("CONFIG SET session.grace 0\nCONFIG SET session.expire-cascade yes");
    for (before, cause) in Cause::ALL.into_iter().enumerate() {
        let socket = format!("s{before}");
        let traces = format!("EXISTS user_status:ann socket_data:{socket}");
        log_in(&mut server.client(), "ann", &socket, "den");
        log_in(&mut server.client(), "bob", "bobs", "den");
        // It is known until when each is live.
        server.must("SESSION.SWEEP DRYRUN");
        cause.begin_after(&server, "PEXPIRE user_socket:ann 500");
        wait_until("the mapping is gone", || server.run("EXISTS user_socket:ann") == int(0));
        assert_waiting(&server, cause, before);
        assert_eq!(server.run(&traces), int(2));
        cause.end(&server);
        wait_until("ann is cleaned up", || server.run(&traces) == int(0));
        assert_goes_on(&server, before);
        assert_eq!(server.run("EXISTS user_status:bob socket_data:bobs"), int(2));
    }
}

#[test]
fn the_fence_waits() {
    let server = Server::start();
    for (before, cause) in Cause::ALL.into_iter().enumerate() {
        let data = format!("socket_data:s{before}");
        log_in(&mut server.client(), "ann", &format!("s{before}"), "den");
        server.must("SESSION.LOGOUT ann");
        cause.begin_after(&server, &format!(r#"SET {data} '{{"userId":"ann"}}'"#));
        assert_waiting(&server, cause, before);
        assert_eq!(server.cmd(["EXISTS", &data]), int(1));
        cause.end(&server);
        wait_until("it is removed", || server.cmd(["EXISTS", &data]) == int(0));
        assert_goes_on(&server, before);
    }
    assert_eq!(server.info("session")["session_fence_removed_keys"], "2");
}

#[test]
fn a_sweep_that_is_under_way_ends_with_what_the_server_says() {
    const GHOSTS: i64 = 3000;
    let server = Server::start();
    server.must("CONFIG SET session.slice-us 50");
    let mut client = server.client();
    client.pipeline((0..GHOSTS).map(|n| args!["SADD", "active_users", format!("u{n}")]));
    client.send(["SESSION.SWEEP"]);
    wait_until("some are gone", || server.run("SCARD active_users").as_int() < GHOSTS);
    server.must("CONFIG SET min-replicas-to-write 1");
    assert_eq!(client.read(), error("NOREPLICAS Not enough good replicas to write."));
    let left = server.run("SCARD active_users").as_int();
    assert!(left > 0);
    server.wait_for_time(server.now() + 200);
    assert_eq!(server.run("SCARD active_users"), int(left));
    server.must("CONFIG SET min-replicas-to-write 0");
    assert_eq!(client.run("SESSION.SWEEP"), int(left));
}

#[test]
fn to_ask_leaves_no_trace() {
    let master = Server::builder().append_only().start();
    let replica = Server::start();
    replica.replica_of(&master);
    master.must("SADD active_users a b c d");
    let before = master.snapshot();
    assert_eq!(master.run("SESSION.SWEEP DRYRUN"), int(4));
    before.assert_matches(&master.snapshot());
    assert_eq!(master.run("SESSION.SWEEP"), int(4));
    replica.catch_up_with(&master);
    master.snapshot().assert_matches(&replica.snapshot());
    let (commands, _) = crate::support::aof_commands(&master, 0);
    let swept = commands.iter().any(|command| command[0].to_ascii_uppercase().starts_with(b"SESSION."));
    assert!(!swept, "{commands:?}");
}
