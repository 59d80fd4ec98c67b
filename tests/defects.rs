//! A defect of the module does not take the server down, and leaves nothing half done. Needs the feature `faults`, by
//! which a user id makes a phase panic.

mod support;

use support::{Server, TRACES, error, int, log_in, log_out_exactly, ok, wait_until};

const DEFECT: &str =
    "ERR internal error in redis-session, caught before it reached the server; the server's log says what to report";

fn defects(server: &Server) -> String {
    server.info("session")["session_defects"].clone()
}

#[test]
fn before_the_first_change_it_is_an_error_and_changes_nothing() {
    let server = Server::start();
    for (times, phase) in [(1, "plan"), (2, "apply")] {
        let user = format!("fault:{phase}");
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
    log_in(&mut server.client(), "fault:applied", "s1", "den");
    log_in(&mut server.client(), "ann", "s2", "den");
    assert_eq!(server.cmd(["SESSION.LOGOUT", "fault:applied"]), error(DEFECT));
    assert_eq!(log_out_exactly(&server, "fault:applied"), 0);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn while_watching_a_command_the_command_runs_and_the_index_is_built_anew() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(server.cmd(["SET", "typing:fault:watch:ann", "1"]), ok());
    assert_eq!(server.cmd(["SET", "typing:den:ann", "1"]), ok());
    wait_until("the index is ready", || server.info("session")["session_index_state"] == "ready");
    assert_eq!(defects(&server), "1");
    // The key with the odd room is there: `fault` is the room, and the user is `watch:ann`.
    assert_eq!(server.cmd(["SESSION.LOGOUT", "watch:ann"]), int(1));
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn between_commands_it_is_logged_and_work_goes_on() {
    let server = Server::start();
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(server.cmd(["SET", "typing:fault:read:ann", "1"]), ok());
    wait_until("the defect is caught", || defects(&server) != "0");
    assert!(server.log().contains("was caught in work between commands"), "{}", server.log());
    server.cmd(["DEL", "typing:fault:read:ann"]);
    assert_eq!(log_out_exactly(&server, "ann"), TRACES);
}

#[test]
fn a_client_stays_in_its_database() {
    let server = Server::start();
    let mut client = server.client();
    client.must("SELECT 3");
    client.must("SET mine 1");
    client.pipeline([args!["SET", "typing:fault:read:ann", "1"], args!["SESSION.LOGOUT", "ann"]]);
    assert_eq!(client.run("GET mine"), support::bulk("1"));
}
