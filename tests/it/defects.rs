//! A defect of the module does not take the server down, and leaves nothing half done. Needs the feature `faults`, by
//! which a user id makes a phase panic.

use crate::args;
use crate::support::{Server, TRACES, error, int, keys, log_in, log_out_exactly, ok, wait_until};

const DEFECT: &str =
    "ERR internal error in redis-session, caught before it reached the server; the server's log says what to report";

fn defects(server: &Server) -> String {
    server.info("session")["session_defects"].clone()
}

#[test]
fn before_the_first_change_it_is_an_error_and_changes_nothing() {
    let server = Server::start();
    for (times, phase) in [(1, "plan"), (2, "apply")] {
        let user = format!("fault-{phase}");
        log_in(&mut server.client(), &user, phase, "den");
        let before = server.snapshot();
        assert_eq!(server.cmd(["SESSION.LOGOUT", &user]), error(DEFECT), "{phase}");
        before.assert_matches(&server.snapshot());
        assert_eq!(defects(&server), times.to_string());
        assert!(server.log().contains(&format!("a defect on purpose at {phase}")), "{}", server.log());
    }
    assert!(
        server.log().contains("was caught in session.logout, and the index is built anew. Please report this line")
    );
}

#[test]
fn after_the_last_change_all_of_it_is_done() {
    let server = Server::start();
    log_in(&mut server.client(), "fault-applied", "s1", "den");
    log_in(&mut server.client(), "ann", "s2", "den");
    assert_eq!(server.cmd(["SESSION.LOGOUT", "fault-applied"]), error(DEFECT));
    assert_eq!(log_out_exactly(&server, "fault-applied"), 0);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn while_watching_a_command_the_command_runs_and_the_index_is_built_anew() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(server.cmd(["SET", "typing:fault-watch:ann", "1"]), ok());
    assert_eq!(server.cmd(["SET", "typing:den:ann", "1"]), ok());
    wait_until("the index is ready", || server.info("session")["session_index_state"] == "ready");
    assert_eq!(defects(&server), "1");
    // The key of the room `fault-watch` is there.
    assert_eq!(log_out_exactly(&server, "ann"), TRACES + 1);
}

#[test]
fn between_commands_it_is_logged_and_work_goes_on() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(server.cmd(["SET", "typing:fault-read:ann", "1"]), ok());
    wait_until("the defect is caught", || defects(&server) != "0");
    assert!(server.log().contains("was caught in work between commands"), "{}", server.log());
    server.cmd(["DEL", "typing:fault-read:ann"]);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn in_a_sweep_the_caller_gets_the_error_and_the_server_lives_on() {
    for phase in ["plan", "apply", "applied"] {
        let server = Server::start();
        let user = format!("fault-{phase}");
        let mut client = server.client();
        client.cmd(["SET", &format!("user_socket:{user}"), "s1"]);
        client.cmd(["SET", &format!("user_status:{user}"), "1"]);
        let before = server.snapshot();
        assert_eq!(client.run("SESSION.SWEEP"), error(DEFECT), "{phase}");
        wait_until("no sweep is under way", || server.info("session")["session_sweeps_running"] == "0");
        assert!(defects(&server).parse::<u32>().expect("a number") > 0);
        if phase == "applied" {
            assert_eq!(server.run("DBSIZE"), int(0));
        } else {
            before.assert_matches(&server.snapshot());
        }
        assert_eq!(client.cmd(["EVAL", "return redis.call('DBSIZE')", "0"]), server.run("DBSIZE"));
        client.cmd(["DEL", &format!("user_socket:{user}")]);
        log_in(&mut client, "ann", "s2", "den");
        client.must("SADD active_users ghost");
        assert_eq!(client.run("SESSION.SWEEP"), int(1), "{phase}");
        assert_eq!(log_out_exactly(&server, "ann"), TRACES);
    }
}

#[test]
fn in_a_sweep_that_nobody_waits_for_it_is_caught_and_the_next_one_is_right() {
    for option in ["session.sweep-interval 1", "session.expire-cascade yes"] {
        let server = Server::start();
        let mut client = server.client();
        client.must("CONFIG SET session.grace 0");
        for (user, socket) in [("fault-plan", "s1"), ("ann", "s2"), ("bob", "s3")] {
            client.cmd(["SET", &format!("user_socket:{user}"), socket]);
            let data = format!(r#"{{"userId":"{user}"}}"#);
            client.cmd(["SET", &format!("socket_data:{socket}"), &data]);
        }
        client.must(&format!("CONFIG SET {option}"));
        client.must("PEXPIRE socket_data:s1 300");
        wait_until("a defect is caught", || defects(&server) != "0");
        client.cmd(["DEL", "user_socket:fault-plan", "socket_data:s1"]);
        client.must("PEXPIRE socket_data:s2 10");
        wait_until("ann is gone", || client.run("EXISTS user_socket:ann") == int(0));
        assert_eq!(client.run("EXISTS user_socket:bob"), int(1));
        assert_eq!(client.run("PING"), crate::support::status("PONG"));
    }
}

#[test]
fn a_user_over_whom_a_defect_showed_does_not_keep_others_from_being_swept() {
    let server = Server::start();
    let mut client = server.client();
    client.must("SET user_socket:fault-plan s1");
    for number in 0..50 {
        client.must(&format!("SET user_socket:ghost{number} t{number}"));
    }
    assert_eq!(client.run("SESSION.SWEEP"), error(DEFECT));
    client.must("SESSION.SWEEP");
    assert_eq!(keys(&mut client), ["user_socket:fault-plan"]);
    // Whoever asks for that user is told of the defect still.
    assert_eq!(client.run("SESSION.LOGOUT fault-plan"), error(DEFECT));
}

#[test]
fn a_client_stays_in_its_database() {
    let server = Server::start();
    let mut client = server.client();
    client.must("SELECT 3");
    client.must("SET mine 1");
    client.pipeline([args!["SET", "typing:fault-read:ann", "1"], args!["SESSION.LOGOUT", "ann"]]);
    assert_eq!(client.run("GET mine"), crate::support::bulk("1"));
}
