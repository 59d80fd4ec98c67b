//! The module goes within a second, whatever is going on, and leaves nothing.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    args,
    support::{Client, Reply, Server, error, int, log_in, ok, server::module_path, wait_until},
};

const UNLOAD: &str = "MODULE UNLOAD session";

/// Lets the clients end, whatever becomes of the work.
struct Over<'a>(&'a AtomicBool);
impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Three clients send these commands without end while `work` goes on.
fn busy<R>(server: &Server, commands: &[Vec<Vec<u8>>], work: impl FnOnce() -> R) -> R {
    let (port, is_over) = (server.port(), AtomicBool::new(false));
    let send = || {
        let mut client = Client::connect(port).expect("the server takes connections");
        while !is_over.load(Ordering::Relaxed) {
            client.pipeline(commands.to_vec());
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(send);
        }
        let _over = Over(&is_over);
        work()
    })
}

/// Writes that the module reads again.
fn session_writes() -> Vec<Vec<Vec<u8>>> {
    let write = |n| args!["SET", format!("socket_data:{n}"), format!(r#"{{"userId":"u{n}","roomId":"den"}}"#)];
    (0..100).map(write).collect()
}

/// How many commands the server has run.
fn commands(server: &Server) -> u64 {
    server.info("stats")["total_commands_processed"].parse().expect("a number")
}

/// Waits until the clients have sent some more.
fn wait_for_load(server: &Server) {
    let before = commands(server);
    wait_until("the clients are busy", || commands(server) > before + 2000);
}

fn is_loaded(server: &Server) -> bool {
    server.has_command("SESSION.LOGOUT")
}

#[test]
fn it_goes_at_once_under_load() {
    let server = Server::start();
    busy(&server, &session_writes(), || {
        for _ in 0..5 {
            wait_for_load(&server);
            assert_eq!(server.run(UNLOAD), ok());
            assert!(!is_loaded(&server));
            wait_for_load(&server);
            assert_eq!(server.load_module(), ok());
        }
    });
    // It is as whole as before.
    server.must("FLUSHALL");
    log_in(&mut server.client(), "ann", "s1", "den");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(crate::support::TRACES));
}

#[test]
fn it_goes_at_once_while_clients_are_paused() {
    let server = Server::start();
    server.must("CLIENT PAUSE 100000 WRITE");
    let mut paused = server.client();
    paused.send(["SET", "socket_data:s1", r#"{"userId":"ann"}"#]);
    wait_until("it waits", || server.info("clients")["blocked_clients"] == "1");
    assert_eq!(server.run("module unload SESSION"), ok());
    assert!(!is_loaded(&server));
    server.must("CLIENT UNPAUSE");
    assert_eq!(paused.read(), ok());
}

#[test]
fn a_stranger_who_asks_for_it_all_the_time_keeps_nothing_from_going_on() {
    let server = Server::start();
    let mut admin = server.client();
    admin.pipeline((0..5000).map(|n| args!["SADD", "active_users", format!("h{n}")]));
    admin.must("CONFIG SET requirepass secret");
    let refused = error("NOAUTH Authentication required.");
    assert_eq!(server.client().run(UNLOAD), refused);
    busy(&server, &vec![args!["MODULE", "UNLOAD", "session"]; 100], || {
        assert_eq!(admin.run("SESSION.SWEEP"), int(5000));
        admin.must("CONFIG SET session.sweep-interval 1");
        admin.must("CONFIG SET session.grace 0");
        admin.must("SADD active_users h1 h2");
        wait_until("the timer sweeps", || admin.run("EXISTS active_users") == int(0));
        assert!(admin.run("SESSION.INSPECT h1").items().len() > 2, "it is still there");
    });
    busy(&server, &vec![args!["MODULE", "UNLOAD", "session"]; 100], || {
        let mut writer = server.client();
        writer.must("AUTH secret");
        let mut answer = Reply::Nil;
        wait_until("it goes all the same", || {
            writer.pipeline(session_writes());
            answer = admin.run(UNLOAD);
            !answer.is_error() || answer == error("ERR Error unloading module: no such module with that name")
        });
        assert_eq!(answer, ok());
    });
}

#[test]
fn nothing_of_it_stays() {
    let server = Server::start();
    let used = || server.info("memory")["used_memory"].parse::<i64>().expect("a number");
    let cycle = || {
        log_in(&mut server.default_client(), "ann", "s1", "den");
        server.script(
            "SESSION.INSPECT ann
             SESSION.LOGOUT ann
             SADD active_users bob
             SESSION.SWEEP
             CONFIG SET session.stream events
             CONFIG GET session.*
             INFO session
             FLUSHALL",
        );
        // Where the build has faults, a defect is caught.
        server.run("SESSION.LOGOUT fault-plan");
        wait_until("it goes", || server.run(UNLOAD) == ok());
        assert!(server.cmd(["MODULE", "LOAD", &module_path().to_string_lossy(), "layout", "/none"]).is_error());
        assert_eq!(server.load_module(), ok());
    };
    (0..10).for_each(|_| cycle());
    let before = used();
    (0..40).for_each(|_| cycle());
    wait_until("the server has its memory back", || used() < before + (40 << 11));
    wait_until("it goes", || server.run(UNLOAD) == ok());
    // Where the system tells what a process has mapped, none of it is the module.
    if let Ok(maps) = fs::read_to_string(format!("/proc/{}/maps", server.info("server")["process_id"])) {
        assert!(!maps.contains("libredis_session"), "{maps}");
    }
}
