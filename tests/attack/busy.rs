//! A sweep ends under any load, and so does the reading of what is written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::args;
use crate::support::{Client, Server, int, log_out_exactly, wait_until};

/// Runs `work` while clients write documents, each of which takes longer to read than to write.
fn while_others_write(server: &Server, work: impl FnOnce()) {
    let document = || format!(r#"{{"participants":[{}0]}}"#, r#"{"name":"nobody's"},"#.repeat(2500));
    let (port, is_over) = (server.port(), AtomicBool::new(false));
    thread::scope(|scope| {
        for n in 0..3 {
            let (is_over, document) = (&is_over, document());
            scope.spawn(move || {
                let mut client = Client::connect(port).expect("the server takes connections");
                while !is_over.load(Ordering::Relaxed) {
                    client
                        .pipeline((0..50).map(|k| args!["SET", format!("room:{n}-{k}"), document]).collect::<Vec<_>>());
                }
            });
        }
        // Nobody else ends the threads if this panics.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&is_over);
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
    while_others_write(&server, || {
        // A sweep that is let starve does not answer before the connection's patience is over.
        assert_eq!(server.run("SESSION.SWEEP"), int(ghosts));
    });
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
