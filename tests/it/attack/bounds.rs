//! Ids, reasons and the layout's file have bounds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::reply::{bulk, bulks};
use crate::support::{Reply, Server, TRACES, error, int, log_in};

const LONGEST_ID: usize = 64 * 1024;
const LONGEST_REASON: usize = 4 * 1024;
const LARGEST_LAYOUT: usize = 16 * 1024 * 1024;

#[test]
fn what_is_longer_than_its_bound_is_refused_and_nothing_changes() {
    let server = Server::start();
    let id = "i".repeat(LONGEST_ID + 1);
    // So that there is something to be removed.
    for name in ["ann", &id] {
        log_in(&mut server.client(), name, &format!("socket-{}", name.len()), "den");
    }
    let before = server.snapshot();
    let user = error("ERR user id must not be longer than 65536 bytes");
    let socket = error("ERR socket id must not be longer than 65536 bytes");
    let reason = error("ERR reason must not be longer than 4096 bytes");
    let [text, long] = [LONGEST_REASON + 1, 50_000_000].map(|length| "r".repeat(length));
    let table: [(&[&str], &Reply); 7] = [
        (&["SESSION.LOGOUT", &id], &user),
        (&["SESSION.LOGOUT", &id, "WITHTRACES"], &user),
        (&["SESSION.INSPECT", &id], &user),
        (&["SESSION.LOGOUT", "ann", "SOCKET", &id], &socket),
        (&["SESSION.LOGOUT", "ann", "REASON", &text], &reason),
        (&["SESSION.LOGOUT", "ann", "REASON", &long], &reason),
        (&["SESSION.LOGOUT", "ann", "REASON", &text, "SOCKET", "s1", "WITHTRACES"], &reason),
    ];
    for (call, refusal) in table {
        assert_eq!(server.cmd(call), *refusal, "{} ... of {} bytes", call[0], call[call.len() - 1].len());
    }
    before.assert_matches(&server.snapshot());
}

#[test]
fn what_is_as_long_as_its_bound_is_taken() {
    let server = Server::builder().option("stream", "audit").start();
    let [user, socket] = ["u", "s"].map(|byte| byte.repeat(LONGEST_ID));
    let reason = "r".repeat(LONGEST_REASON);
    log_in(&mut server.client(), &user, &socket, "den");
    let shown = server.cmd(["SESSION.INSPECT", &user]);
    assert_eq!((shown.field("user"), shown.field("sockets")), (bulk(&*user), bulks([&*socket])));
    assert_eq!(server.cmd(["SESSION.LOGOUT", &user, "SOCKET", &socket, "REASON", &reason]), int(TRACES));
    let entries = server.must("XRANGE audit - +");
    let event = entries.items()[0].items()[1].items()[1].as_text().to_owned();
    assert!(
        event.contains(&format!(r#""sockets":["{socket}"]"#)) && event.contains(&format!(r#""reason":"{reason}""#))
    );
}

/// A directory that is gone when this is.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("redis-session-bounds-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a temporary directory can be made");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The server does not start with this layout, and neither does a running one load it; both say why and go on.
fn is_refused(path: &str, why: &str) {
    let line = format!("redis-session does not load: layout {path}: {why}");
    let log = Server::builder().option("layout", path).try_start().err().expect("it is refused");
    assert!(log.contains(&line), "{log}");
    let server = Server::builder().without_module().option("layout", path).start();
    assert!(server.load_module().is_error());
    assert!(server.log().contains(&line));
    server.must("PING");
}

#[test]
fn a_layout_that_is_no_regular_file_is_refused() {
    let directory = Directory::new("kinds");
    let pipe = directory.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is everywhere").success());
    let link = directory.path("link");
    std::os::unix::fs::symlink("/dev/zero", &link).expect("a link can be made");
    for path in [&*pipe, "/dev/zero", &link, &directory.path("")] {
        is_refused(path, "it must be a regular file");
    }
}

/// A layout of exactly so many bytes.
fn write_layout(path: &str, size: usize) {
    let text = r#"{"name":"large","traces":[{"key":"seen:{userId}"}]}"#;
    fs::write(path, text).expect("it can be written");
    let blanks = " ".repeat(size - text.len());
    let mut file = File::options().append(true).open(path).expect("it is there");
    std::io::Write::write_all(&mut file, blanks.as_bytes()).expect("it can be written");
}

#[test]
fn a_layout_of_more_than_16_mb_is_refused_and_one_of_16_mb_is_not() {
    let directory = Directory::new("size");
    let path = directory.path("layout.json");
    write_layout(&path, LARGEST_LAYOUT + 1);
    is_refused(&path, "it must not be larger than 16777216 bytes (16 MB)");
    write_layout(&path, LARGEST_LAYOUT);
    let server = Server::builder().option("layout", &path).start();
    server.must("SET seen:ann 1");
    assert_eq!(server.run("SESSION.LOGOUT ann"), int(1));
    assert!(Path::new(&path).exists());
}
