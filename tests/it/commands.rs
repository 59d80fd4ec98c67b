//! What the server knows and tells about the commands.

use crate::support::reply::{bulk, bulks, error, int};
use crate::support::{Reply, Server};

fn texts(reply: &Reply) -> Vec<String> {
    reply.items().iter().map(|item| item.as_text().to_owned()).collect()
}

/// The fields of COMMAND INFO: flags and tips.
fn flags_and_tips(server: &Server, name: &str) -> (Vec<String>, Vec<String>) {
    let reply = server.cmd(["COMMAND", "INFO", name]);
    let fields = reply.items()[0].items();
    (texts(&fields[2]), texts(&fields[7]))
}

/// The fields of COMMAND DOCS.
fn docs(server: &Server, name: &str) -> Reply {
    server.cmd(["COMMAND", "DOCS", name]).pairs().remove(0).1
}

#[test]
fn commands_have_the_flags_of_the_contract() {
    let server = Server::start();
    let flags = |name: &str| flags_and_tips(&server, name).0;
    assert!(flags("session.logout").contains(&"write".to_owned()));
    for name in ["session.inspect", "session.explain", "session.layout", "session.help"] {
        assert!(flags(name).contains(&"readonly".to_owned()), "{name}");
        assert!(!flags(name).contains(&"write".to_owned()), "{name}");
    }
    for name in ["session.logout", "session.inspect"] {
        for flag in ["noscript", "no_multi", "denyoom", "admin"] {
            assert!(!flags(name).contains(&flag.to_owned()), "{name} is {flag}");
        }
    }
}

#[test]
fn cluster_clients_are_not_told_to_ask_every_shard_because_one_call_reaches_all() {
    let server = Server::start();
    for name in ["session.logout", "session.inspect", "session.sweep"] {
        let (_, tips) = flags_and_tips(&server, name);
        assert!(tips.iter().all(|tip| !tip.contains("_policy:")), "{name}: {tips:?}");
    }
}

#[test]
fn commands_are_documented() {
    let server = Server::start();
    for name in ["session.logout", "session.inspect", "session.explain", "session.layout", "session.help"] {
        let docs = docs(&server, name);
        for field in ["summary", "complexity", "since"] {
            assert!(!docs.field(field).as_text().is_empty(), "{name} has no {field}");
        }
        assert_eq!(docs.field("group").as_text(), "module", "{name}");
    }
}

#[test]
fn arguments_are_documented() {
    let server = Server::start();
    let arguments = docs(&server, "session.logout").field("arguments");
    let tokens = arguments.items().iter().map(|argument| {
        let token = argument.pairs().into_iter().find(|(name, _)| name.as_text() == "token");
        token.map_or_else(String::new, |(_, token)| token.as_text().to_owned())
    });
    assert_eq!(tokens.collect::<Vec<_>>(), ["", "SOCKET", "WHERE", "REASON", "LOCAL", "WITHTRACES"]);
    for argument in &arguments.items()[1..] {
        let is_repeated = argument.field("token").as_text() == "WHERE";
        let flags: &[&str] = if is_repeated { &["optional", "multiple", "multiple_token"] } else { &["optional"] };
        assert_eq!(texts(&argument.field("flags")), flags, "{argument:?}");
    }
    assert_eq!(docs(&server, "session.inspect").field("arguments").items().len(), 2);
}

#[test]
fn help_names_every_command_in_lines_of_text() {
    let server = Server::start();
    let lines = texts(&server.run("SESSION.HELP"));
    assert!(lines[0].starts_with("SESSION"), "{lines:?}");
    for word in ["LOGOUT", "INSPECT", "LAYOUT", "HELP", "SOCKET", "REASON", "WITHTRACES"] {
        assert!(lines.iter().any(|line| line.contains(word)), "{word} is not in {lines:?}");
    }
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
}

#[test]
fn every_command_of_the_module_is_in_help() {
    let server = Server::start();
    let lines = texts(&server.run("SESSION.HELP"));
    let names = texts(&server.run("COMMAND LIST FILTERBY MODULE session"));
    for name in names {
        let word = name.strip_prefix("session.").expect("the module's prefix").to_uppercase();
        assert!(lines.iter().any(|line| line.starts_with(&word)), "{word} is not in {lines:?}");
    }
}

#[test]
fn wrong_arity_is_worded_as_the_server_does() {
    let server = Server::start();
    let calls = [
        ("SESSION.LOGOUT", "session.logout"),
        ("SESSION.INSPECT", "session.inspect"),
        ("SESSION.EXPLAIN", "session.explain"),
        ("SESSION.EXPLAIN a b", "session.explain"),
        ("SESSION.LAYOUT x", "session.layout"),
        ("Session.Help x", "session.help"),
    ];
    for (call, name) in calls {
        let text = format!("ERR wrong number of arguments for '{name}' command");
        assert_eq!(server.run(call), error(&text), "{call}");
    }
}

#[test]
fn layout_and_help_may_be_called_anywhere() {
    let server = Server::start();
    for name in ["SESSION.LAYOUT", "SESSION.HELP"] {
        let plain = server.must(name);
        assert_eq!(server.cmd(["EVAL_RO", "return redis.call(ARGV[1])", "0", name]), plain);
        assert_eq!(server.client().resp3().must(name), plain);
        server.must("MULTI");
        server.must(name);
        assert_eq!(server.must("EXEC").items(), [plain]);
    }
}

#[test]
fn commands_have_no_key_arguments() {
    let server = Server::start();
    for call in ["SESSION.LOGOUT ann SOCKET s1", "SESSION.INSPECT ann"] {
        let reply = server.run(&format!("COMMAND GETKEYS {call}"));
        assert!(reply.is_error(), "{call} has keys: {reply:?}");
    }
}

/// With this the server asks for permission, and clients of a cluster know which node to ask.
#[test]
fn the_server_knows_which_key_explain_reads() {
    let server = Server::start();
    assert_eq!(server.run("COMMAND GETKEYS SESSION.EXPLAIN typing:den:ann"), bulks(["typing:den:ann"]));
    let flags = server.run("COMMAND GETKEYSANDFLAGS SESSION.EXPLAIN a");
    let [key] = flags.items() else { panic!("one key: {flags:?}") };
    assert_eq!(
        (key.items()[0].clone(), texts(&key.items()[1])),
        (bulk("a"), vec!["RO".to_owned(), "access".to_owned()])
    );
    let info = server.run("COMMAND INFO session.explain");
    assert_eq!(info.items()[0].items()[3..6], [int(1), int(1), int(1)], "first, last and step");
    let arguments = docs(&server, "session.explain").field("arguments");
    assert_eq!(arguments.items()[0].field("type").as_text(), "key");
    assert_eq!(arguments.items()[0].field("key_spec_index"), int(0));
    server.script("ACL SETUSER writer on nopass +@all %W~*\nACL SETUSER reader on nopass +@all %R~*");
    assert_eq!(server.run("ACL DRYRUN reader SESSION.EXPLAIN a"), server.run("ACL DRYRUN reader GET a"));
    assert_eq!(server.run("ACL DRYRUN writer SESSION.EXPLAIN a"), server.run("ACL DRYRUN writer GET a"));
}

#[test]
fn an_option_that_cannot_have_a_value_keeps_the_one_it_has() {
    let server = Server::start();
    let before = server.must("CONFIG GET session.*");
    let not_utf8 = server.cmd([&b"CONFIG"[..], b"SET", b"session.channel", b"a\xffb"]);
    assert!(not_utf8.is_error(), "{not_utf8:?}");
    for wrong in ["fence -1", "slice-us 0", "expire-cascade maybe", "socketio-namespace chat", "log-level loud"] {
        let reply = server.run(&format!("CONFIG SET session.{wrong}"));
        assert!(reply.is_error(), "{wrong}: {reply:?}");
    }
    assert_eq!(server.must("CONFIG GET session.*"), before);
}
