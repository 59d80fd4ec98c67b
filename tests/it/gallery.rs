//! The layouts of `layouts/`, each with what its library writes. Those of the stores that `stores` asks are here too: they must
//! load, and stand in the table of `layouts/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::reply::int;
use crate::support::{Server, Snapshot};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("layouts")
}

/// The text of a layout of the gallery.
pub fn layout(name: &str) -> String {
    let file = folder().join(format!("{name}.json"));
    fs::read_to_string(&file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()))
}

/// The layout, once for each of its traces, with that trace looked for in the wrong place: the trace's name, and the layout's text.
pub fn each_trace_elsewhere(json: &str) -> Vec<(String, String)> {
    let quoted = |name: &str| serde_json::Value::from(name).to_string();
    let layout: serde_json::Value = serde_json::from_str(json).expect("a layout is JSON");
    let traces = layout["traces"].as_array().expect("a layout has traces").iter();
    let name = |trace: &serde_json::Value| {
        let name = ["key", "members", "entries"].iter().find_map(|kind| trace[*kind].as_str());
        name.expect("a trace has a name").to_owned()
    };
    // In `sockets` too, without which some layouts would not load.
    let elsewhere = |name: &str| json.replace(&quoted(name), &quoted(&format!("elsewhere:{name}")));
    traces.map(name).map(|name| (name.clone(), elsewhere(&name))).collect()
}

/// A server with a layout of the gallery.
fn server(name: &str) -> Server {
    Server::builder().layout(layout(name)).start()
}

/// The names of all files in the folder, without `.json`.
fn layouts() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).expect("the gallery can be read");
    let names = files.map(|file| file.expect("so can its entries").file_name().into_string().expect("names are UTF-8"));
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
}

/// Runs the lines of `world`, and then `call`, which must answer how many users or traces it removed. What the lines that
/// begin with `-` have written must be gone then, and nothing else.
fn takes(layout: &str, call: &str, removed: i64, world: &str) {
    let server = server(layout);
    let lines = world.lines().map(str::trim).filter(|line| !line.is_empty());
    let (gone, left): (Vec<_>, Vec<_>) = lines.clone().partition(|line| line.starts_with("- "));
    assert!(!gone.is_empty() && !left.is_empty(), "{layout}: somebody goes and somebody stays");
    for line in lines {
        server.must(line.trim_start_matches("- "));
    }
    assert_eq!(server.run(call), int(removed), "{layout}: {call}");
    let found = Snapshot::take(&mut server.client());
    server.must("FLUSHALL");
    server.script(&left.join("\n"));
    Snapshot::take(&mut server.client()).assert_matches(&found);
}

/// Logs the user out, whose traces begin with `-`. The world holds something for each trace of the layout: with one of them
/// looked for in the wrong place, less is removed.
fn logs_out(name: &str, user: &str, world: &str) {
    let call = format!("SESSION.LOGOUT {user}");
    let traces = world.lines().filter(|line| line.trim_start().starts_with("- ")).count();
    let traces = i64::try_from(traces).expect("few");
    takes(name, &call, traces, world);
    for (trace, json) in each_trace_elsewhere(&layout(name)) {
        let server = Server::builder().layout(json).start();
        server.script(&world.replace("- ", ""));
        assert!(server.run(&call).as_int() < traces, "{name}: nobody misses the trace {trace}");
    }
}

#[test]
fn each_layout_loads_and_has_the_name_of_its_file() {
    for name in layouts() {
        let layout = server(&name).run("SESSION.LAYOUT");
        let layout: serde_json::Value = serde_json::from_str(layout.as_text()).expect("the layout is JSON");
        assert_eq!(layout["name"], *name);
    }
}

#[test]
fn each_layout_stands_in_the_table() {
    let page = fs::read_to_string(folder().join("README.md")).expect("the gallery has a page");
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| [")?.split_once(".json]")).map(|(name, _)| name.to_owned());
    assert_eq!(rows.collect::<BTreeSet<_>>(), layouts());
}

#[test]
fn koa_session() {
    logs_out(
        "koa-session",
        "7",
        r#"
        - SET koa:sess:2f2d9a93-0082-4d65-bc25-79959a1ab6cc '{"userId":7,"_expire":1795964721861,"_maxAge":86400000}'
        SET koa:sess:0a1b2c3d-0082-4d65-bc25-79959a1ab6cc '{"userId":70,"_expire":1795964721861,"_maxAge":86400000}'
        "#,
    );
}

#[test]
fn starsessions() {
    logs_out(
        "starsessions",
        "ada",
        r#"
        - SET starsessions.e1e1d77a928cfadb5e1460eecdb605e2 '{"user_id": "ada", "__metadata__": {"lifetime": 60, "created": 1795878291.2}}'
        SET starsessions.0123456789abcdef0123456789abcdef '{"user_id": "ad", "__metadata__": {"lifetime": 60, "created": 1795878291.2}}'
        "#,
    );
}

#[test]
fn aiohttp_session() {
    logs_out(
        "aiohttp-session",
        "ada",
        r#"
        - SET AIOHTTP_SESSION_0f0577aa78704d23913f6ecae0e5845b '{"created": 1795878323, "session": {"user_id": "ada"}}'
        SET AIOHTTP_SESSION_0123456789abcdef0123456789abcdef '{"created": 1795878323, "session": {"user_id": "ad"}}'
        "#,
    );
}

#[test]
fn authjs_with_its_adapter_for_upstash() {
    // Only the last session is listed.
    logs_out(
        "authjs-upstash",
        "7",
        r#"
        - SET user:session:5a01 '{"sessionToken":"5a01","userId":"7","expires":"2027-01-01T00:00:00.000Z"}'
        - SET user:session:5a02 '{"sessionToken":"5a02","userId":"7","expires":"2027-01-02T00:00:00.000Z"}'
        - SET user:session:by-user-id:7 user:session:5a02
        SET user:7 '{"id":"7","email":"ada@example.org","emailVerified":null}'
        SET user:email:ada@example.org 7
        SET user:account:by-user-id:7 user:account:github:99
        SET user:account:github:99 '{"provider":"github","providerAccountId":"99","userId":"7","id":"github:99"}'
        SET user:session:5a03 '{"sessionToken":"5a03","userId":"70","expires":"2027-01-02T00:00:00.000Z"}'
        SET user:session:by-user-id:70 user:session:5a03
        "#,
    );
}

#[test]
fn sessions_that_only_their_application_can_read() {
    logs_out(
        "opaque-sessions",
        "ada",
        r#"
        - SET scs:session:Q4rTnW2tFzXK "\x0f\xff\x81\x02\x01user_id\x03ben"
        - SET scs:session:Zk9fLw1sVbNm "\x0f\xff\x81\x02\x01user_id\x03ben"
        - SADD sessions:ada Q4rTnW2tFzXK Zk9fLw1sVbNm
        SET scs:session:P0oLkJhGfDsA "\x0f\xff\x81\x02\x01user_id\x03ada"
        SADD sessions:ben P0oLkJhGfDsA
        "#,
    );
}

#[test]
fn tokens_in_a_list() {
    let world = r#"
        - SET token:t1 '{"userId":"ada","device":"phone"}'
        - SET token:t2 '{"userId":"ada","device":"laptop"}'
        - SET token:forgotten '{"userId":"ada","device":"tablet"}'
        - SET tokens:ada '[{"token":"t1","expiresAt":1900000000},{"token":"t2","expiresAt":1900000000}]'
        SET token:t3 '{"userId":"ben","device":"phone"}'
        SET tokens:ben '[{"token":"t3","expiresAt":1900000000}]'
    "#;
    logs_out("token-list", "ada", world);
}

#[test]
fn one_token_of_a_list() {
    let server = server("token-list");
    server.script(
        r#"
        SET token:t1 '{"userId":"ada"}'
        SET token:t2 '{"userId":"ada"}'
        SET tokens:ada '[{"token":"t1","expiresAt":1900000000},{"token":"t2","expiresAt":1900000000}]'
        "#,
    );
    assert_eq!(server.run("SESSION.LOGOUT ada SOCKET t1"), int(2));
    assert_eq!(server.run("GET tokens:ada").as_text(), r#"[{"token":"t2","expiresAt":1900000000}]"#);
    assert_eq!(server.run("EXISTS token:t1 token:t2"), int(1));
}

#[test]
fn presence_by_a_heartbeat() {
    let world = "
        - SET heartbeat:ada 1
        - SADD online ada
        - SADD room:1:present ada
        SADD online ben eve
        SADD room:1:present ben
        SET heartbeat:ben 1
    ";
    logs_out("presence-heartbeat", "ada", world);
    let world = "
        SET heartbeat:ada 1
        SADD online ada
        - SADD online ben
        - SADD room:1:present ben
    ";
    takes("presence-heartbeat", "SESSION.SWEEP", 1, world);
}

#[test]
fn presence_by_scores() {
    let world = "
        - ZADD presence 1700000000 ada
        - SADD room:1:present ada
        ZADD presence 1700000000 ben
        SADD room:1:present ben
    ";
    logs_out("presence-scores", "ada", world);
    let world = "
        - ZADD presence 1700000000 ada
        - SADD room:1:present ada
        ZADD presence 99999999999 ben
        SADD room:1:present ben
    ";
    takes("presence-scores", "SESSION.SWEEP", 1, world);
}

#[test]
fn laravel() {
    // Serialized by the session, and once more by the cache that it is in.
    let session = |user: &str| {
        let head = r#"a:3:{s:6:"_token";s:2:"t0";s:6:"_flash";a:2:{s:3:"old";a:0:{}s:3:"new";a:0:{}}"#;
        let inner = format!(r#"{head}s:50:"login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d";i:{user};}}"#);
        format!(r#"'s:{}:"{inner}";'"#, inner.len())
    };
    logs_out(
        "laravel",
        "7",
        &format!(
            "
            - SET laravel_database_laravel_cache_aDvC0pTR8zWxyk3mQn5sJ2hGfBv7uLeYtX1oKrNi {}
            SET laravel_database_laravel_cache_bDvC0pTR8zWxyk3mQn5sJ2hGfBv7uLeYtX1oKrNi {}
            SET laravel_database_laravel_cache_greeting '{}'
            ",
            session("7"),
            session("70"),
            r#"s:5:"hello";"#
        ),
    );
}

#[test]
fn rails_with_devise() {
    logs_out(
        "rails",
        "7",
        r#"
        - SET myapp:session:2::6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b "\x04\x08{\x09I\"\x10_csrf_token\x06:\x06ETI\"\x09abc=\x06;\x00TI\"\x19warden.user.user.key\x06;\x00T[\x07[\x06i\x0cI\"\"$2a$12$abcdefghijklmnopqrstuv\x06;\x00TI\"\x0fsession_id\x06;\x00TI\"\x06x\x06;\x00TI\"\x07at\x06;\x00TIu:\x09Time\x0d \x80\x11\x80\x00\x00\x00\x00\x07:\x0boffseti\x00:\x09zoneI\"\x08UTC\x06;\x00F"
        SET myapp:session:2::d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35 "\x04\x08{\x07I\"\x19warden.user.user.key\x06:\x06ET[\x07[\x06iKI\"\"$2a$12$abcdefghijklmnopqrstuv\x06;\x00T:\x08symi\x0c"
        "#,
    );
}

#[test]
fn tower_sessions() {
    logs_out(
        "tower-sessions",
        "7",
        r#"
        - SET 0go_Tu7gc8P2D-mOAQAAAA "\x93\xc4\x10\x00\x00\x00\x01\x8e\xe9\x0f\xf6\xc3s\xe0\xeeN?\x0a\xd2\x81\xa7user_id\x07\x99\xcd\x07\xeb\x0f\x08\x00\x00\x00\x00\x00\x00"
        SET 1go_Tu7gc8P2D-mOAQAAAA "\x93\xc4\x10\x00\x00\x00\x01\x8e\xe9\x0f\xf6\xc3s\xe0\xeeN?\x0a\xd3\x82\xa7user_id\xa3ada\xa4cart\x91\xa3tea\x99\xcd\x07\xeb\x0f\x08\x00\x00\x00\x00\x00\x00"
        SET a-counter-of-22-letters 7
        "#,
    );
}

#[test]
fn oidc_provider() {
    logs_out(
        "oidc-provider",
        "ada",
        r#"
        - SET oidc:Session:s1 '{"exp":1900000000,"accountId":"ada","uid":"u1","kind":"Session","jti":"s1"}'
        - SET oidc:uid:u1 s1
        - SET oidc:Grant:g1 '{"accountId":"ada","clientId":"app","kind":"Grant","jti":"g1"}'
        - SET oidc:AccessToken:a1 '{"accountId":"ada","grantId":"g1","kind":"AccessToken","jti":"a1"}'
        - HSET oidc:RefreshToken:r1 payload '{"accountId":"ada","grantId":"g1","kind":"RefreshToken","jti":"r1"}'
        - HSET oidc:AuthorizationCode:c1 payload '{"accountId":"ada","grantId":"g1","jti":"c1"}' consumed 1800000000
        - HSET oidc:DeviceCode:d1 payload '{"accountId":"ada","grantId":"g1","userCode":"WDJB-MJHT","jti":"d1"}'
        - HSET oidc:BackchannelAuthenticationRequest:b1 payload '{"accountId":"ada","grantId":"g1","jti":"b1"}'
        SET oidc:Session:s2 '{"exp":1900000000,"accountId":"ben","uid":"u2","kind":"Session","jti":"s2"}'
        SET oidc:uid:u2 s2
        HSET oidc:RefreshToken:r2 payload '{"accountId":"ben","grantId":"g2","kind":"RefreshToken","jti":"r2"}'
        RPUSH oidc:grant:g1 AuthorizationCode:c1 AccessToken:a1 RefreshToken:r1
        "#,
    );
}

#[test]
fn tokens_whose_value_is_the_user() {
    for user in ["ada", "007", "42", "0f0577aa-7870-4d23-913f-6ecae0e5845b"] {
        let world = format!(
            "
            - SET token:t1 {user}
            - SET token:t2 {user}
            SET token:t3 {user}0
            SET token:t4 7
            SET token:t5 '\"{user}\"'
            "
        );
        logs_out("plain-tokens", user, &world);
    }
}

#[test]
fn presence_in_hashes_by_connection() {
    let world = r#"
        - SET heartbeat:ada 1
        - HSET presence:news c1 '{"user":"ada","device":"phone"}'
        - HSET presence:news c2 '{"user":"ada","device":"laptop"}'
        - HSET presence:chat c1 '{"user":"ada","device":"phone"}'
        HSET presence:news c3 '{"user":"ben","device":"phone"}'
        HSET presence:chat ada '{"user":"ben","device":"phone"}'
        SET heartbeat:ben 1
    "#;
    logs_out("presence-hash", "ada", world);
    takes("presence-hash", "SESSION.SWEEP", 1, &world.replace("- SET heartbeat:ada 1", ""));
}
