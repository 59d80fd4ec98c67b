//! A sweep ends under any load, and so does the reading of what is written. (How soon is for the benchmark to say: `busy`.)

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::args;
use crate::support::{Client, Server, int, log_out_exactly, wait_until};

/// Says that it is over when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` while others send commands, each of which may have changed a document: to read it again takes longer than to
/// send the command.
fn while_others_write(server: &Server, work: impl FnOnce()) {
    let document = format!(r#"{{"participants":[{}0]}}"#, r#"{"name":"nobody's"},"#.repeat(500));
    for n in 0..100 {
        server.cmd(["SET", &format!("room:{n}"), &document]);
    }
    let (port, is_over) = (server.port(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            let is_over = &is_over;
            scope.spawn(move || {
                let mut client = Client::connect(port).expect("the server takes connections");
                while !is_over.load(Ordering::Relaxed) {
                    client
                        .pipeline((0..100).map(|n| args!["PERSIST", format!("room:{}", n % 100)]).collect::<Vec<_>>());
                }
            });
        }
        // Nobody else ends the threads if this panics.
        let _end = End(&is_over);
        wait_until("they are at it", || server.info("commandstats").contains_key("cmdstat_persist"));
        work();
    });
}

#[test]
fn a_sweep_ends_while_more_is_written_than_a_slice_reads() {
    let server = Server::start();
    let ghosts = 40;
    for n in 0..ghosts {
        server.must(&format!("SADD active_users ghost{n}"));
    }
    while_others_write(&server, || assert_eq!(server.run("SESSION.SWEEP"), int(ghosts)));
    assert_eq!(server.run("EXISTS active_users"), int(0));
}

#[test]
fn the_timer_sweeps_and_the_cascade_cleans_up_meanwhile() {
    let builder = Server::builder().option("sweep-interval", "1").option("grace", "0").option("expire-cascade", "yes");
    let server = builder.start();
    let data = r#"SET socket_data:s1 '{"userId":"ann"}' PX 500"#;
    server.script(&format!("SET user_socket:ann s1\nSET user_status:ann busy\n{data}\nSET typing:den:ghost 1"));
    while_others_write(&server, || {
        wait_until("the ghost is swept", || server.run("EXISTS typing:den:ghost") == int(0));
        wait_until("ann is cleaned up", || server.run("EXISTS user_status:ann") == int(0));
    });
    server.must(r#"SET room:den '{"participants":[{"userId":"ann"}]}'"#);
    assert_eq!(log_out_exactly(&server, "ann"), 1);
}
