//! Socket.IO recovers a connection whose network dropped, and asks nobody whether the user may still come in. So a logout has to
//! take what the adapter remembers of it.

use super::story::{Verdict, same};
use super::talk::Talk;
use crate::gallery::{each_trace_elsewhere, layout};
use crate::support::reply::int;
use crate::support::{Server, exact};

/// Three clients of a user and one of another; one stays connected, and the others' networks drop before the logout.
fn recover(json: &str) -> Verdict {
    let server = Server::builder().layout(json).option("socketio", "streams").start();
    let mut talk = Talk::start("socketio/store.mjs", &[], server.port());
    let [phone, laptop, tablet, others] = ["7", "7", "7", "70"].map(|user| {
        let id = talk.ask(&format!("enter {user}"));
        id.as_str().expect("a client has an id").to_owned()
    });
    for dropped in [&phone, &laptop, &others] {
        talk.ask(&format!("drop {dropped}"));
    }
    // Of the user two dropped clients, one that is connected, and the permission.
    same("SESSION.LOGOUT", &server.run("SESSION.LOGOUT 7"), &int(4))?;
    talk.ask(&format!("gone {tablet}"));
    for (id, expected) in [(phone, "refused"), (laptop, "refused"), (tablet, "refused"), (others.clone(), "recovered")]
    {
        same(&format!("back {id}"), &talk.ask(&format!("back {id}")), &expected.into())?;
    }
    // The adapter's stream is there, and what is of the other user.
    let expected = ["allowed:70".to_owned(), "socket.io".to_owned(), format!("socket:{others}")];
    same("keys", &exact::keys(&mut server.client()), &expected.to_vec())
}

#[test]
fn socketio_recovers_nobody_who_was_logged_out() {
    let json = layout("socketio-recovery");
    assert_eq!(recover(&json), Ok(()));
    for (trace, wrong) in each_trace_elsewhere(&json) {
        assert!(recover(&wrong).is_err(), "nobody misses the trace {trace}");
    }
}
