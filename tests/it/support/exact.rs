//! A logout held against the model, and small worlds to log out of.

use super::bytes::quote;
use super::model::plan::{Plan, flat};
use super::model::sweep::{stale, sweep};
use super::reply::int;
use super::{Client, Model, Server, Snapshot};

/// The traces that [`log_in`] leaves.
pub const TRACES: i64 = 10;

/// Everything that an easyshare application keeps of `user`, on `socket` and in `room`: ten traces, one of each kind
/// of the built-in layout. The room's document and `active_users` hold others too.
pub fn log_in(client: &mut Client, user: &str, socket: &str, room: &str) {
    client.script(&format!(
        r#"
        SET user_socket:{user} {socket}
        SET user_activity:{user} 1700000000000 EX 3600
        SET activity:{user} '{{"at":1.50}}'
        HSET user_session:{user} started 1 page /home
        SET user_presence:{user} online EX 600
        SET user_status:{user} busy
        SET typing:{room}:{user} 1 EX 500
        SET socket_data:{socket} '{{"userId":"{user}","userName":"Name of {user}","roomId":"{room}"}}' EX 7200
        SADD active_users {user}
        "#
    ));
    let other = |name: &str| format!(r#"{{"userId":"{name}","rank":1.50}}"#);
    let key = format!("room:{room}");
    let document =
        format!(r#"{{"id":"{room}","participants":[{}, {}],"big":12345678901234567890}}"#, other("host"), other(user));
    client.cmd(["SET", &key, &document, "EX", "9000"]);
}

/// All keys of the client's database, sorted.
pub fn keys(client: &mut Client) -> Vec<String> {
    let mut keys: Vec<_> = client.must("KEYS *").byte_items();
    keys.sort();
    keys.into_iter().map(|key| String::from_utf8_lossy(&key).into_owned()).collect()
}

/// Logs `user` out in database 0 and returns how many traces that removed. INSPECT before, the reply, the keyspace
/// after it and a second logout must all be as the model has them.
///
/// # Panics
/// When anything differs.
pub fn log_out_exactly(server: &Server, user: impl AsRef<[u8]>) -> i64 {
    let user = user.as_ref();
    log_out_in(server, 0, user, &[], |model| model.logout(user))
}

/// Like [`log_out_exactly`], in database `number`.
pub fn log_out_exactly_in(server: &Server, number: u32, user: impl AsRef<[u8]>) -> i64 {
    let user = user.as_ref();
    log_out_in(server, number, user, &[], |model| model.logout(user))
}

/// Like [`log_out_exactly`], for one socket of the user.
pub fn log_out_socket_exactly(server: &Server, user: impl AsRef<[u8]>, socket: impl AsRef<[u8]>) -> i64 {
    let (user, socket) = (user.as_ref(), socket.as_ref());
    log_out_in(server, 0, user, &[b"SOCKET", socket], |model| model.logout_socket(user, socket))
}

/// Sweeps database 0 and returns how many users that cleaned up. A dry run before, the reply, the keyspace after it and
/// a second sweep must all be as the model has them.
///
/// # Panics
/// When anything differs.
pub fn sweep_exactly(server: &Server) -> i64 {
    sweep_exactly_in(server, 0)
}

/// Like [`sweep_exactly`], in database `number`.
pub fn sweep_exactly_in(server: &Server, number: u32) -> i64 {
    let mut client = server.client();
    client.must(&format!("SELECT {number}"));
    let before = Snapshot::take(&mut client);
    let (layout, database) = (server.layout(), before.database(number));
    let swept = sweep(&layout, &database).expect("few users, and it does not matter who is swept first");
    let readable = |user: &Vec<u8>| String::from_utf8_lossy(user).into_owned();
    let users: Vec<_> = stale(&layout, &database).iter().take(20).map(readable).collect();
    assert_eq!(client.run("SESSION.SWEEP DRYRUN"), int(swept.users), "SESSION.SWEEP DRYRUN (left); stale: {users:?}");
    before.assert_matches(&Snapshot::take(&mut client));
    assert_eq!(client.run("SESSION.SWEEP"), int(swept.users), "SESSION.SWEEP (left); stale: {users:?}");
    let after = before.with_database(number, swept.keys);
    after.assert_matches(&Snapshot::take(&mut client));
    assert_eq!(client.run("SESSION.SWEEP"), int(0), "a second sweep finds nobody");
    after.assert_matches(&Snapshot::take(&mut client));
    swept.users
}

fn log_out_in(server: &Server, number: u32, user: &[u8], options: &[&[u8]], plan: impl Fn(&Model) -> Plan) -> i64 {
    let mut client = server.client();
    client.must(&format!("SELECT {number}"));
    let before = Snapshot::take(&mut client);
    let (layout, database) = (server.layout(), before.database(number));
    let model = Model::new(&layout, &database);
    let foretold = client.cmd([b"SESSION.INSPECT", user]);
    assert_eq!(
        foretold,
        flat(model.logout(user).inspect_map()),
        "SESSION.INSPECT {} (left) and the model",
        quote(user)
    );
    let plan = plan(&model);
    let call = [&[b"SESSION.LOGOUT", user], options].concat();
    let reply = client.cmd([&call[..], &[b"WITHTRACES"]].concat());
    assert_eq!(reply, flat(plan.map()), "SESSION.LOGOUT {} (left) and the model", quote(user));
    before.clone().with_database(number, model.after(&plan)).assert_matches(&Snapshot::take(&mut client));
    assert_eq!(client.cmd(call), int(0), "a second logout finds nothing");
    plan.removed()
}
