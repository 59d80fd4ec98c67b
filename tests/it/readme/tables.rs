//! What is compared with the module.

use std::collections::BTreeSet;

use super::code;
use super::page::{page, section};
use super::transcripts::example_layout;
use crate::support::{Server, int, nil};

#[test]
fn the_built_in_layout_is_as_shown() {
    let shown = section("README.md", "A layout").layout().expect("a layout");
    assert_eq!(Server::start().must("SESSION.LAYOUT").as_text(), shown);
}

/// All that others have stays as if the user had never been there.
#[test]
fn the_example_layout_removes_all_of_a_user_and_nothing_else() {
    let server = Server::builder().layout(example_layout()).start();
    let call = |participants: &str| format!(r#"SET call:42 '{{"rate":1.50,"participants":[{participants}]}}'"#);
    let ben = r#"{"user":{"id":"ben"}, "muted":false}"#;
    server.script(&call(ben));
    server.script(
        "SADD user:{ben}:devices tablet
         HSET device:tablet user ben name Ben room lobby
         HSET device:ada user ben name ada room ada
         SET user:{adam}:presence online
         SADD room:lobby:present ben
         ZADD online:eu 1767225601 ben
         SET note:ada text",
    );
    let before = server.snapshot();
    server.script(&call(&format!(r#"{{"user":{{"id":"ada"}}}},{ben}"#)));
    server.script(
        "SADD user:{ada}:devices phone laptop
         HSET device:phone user ada name Ada room lobby
         HSET device:forgotten user ada
         HSET user:{ada}:push phone token-1 laptop token-2
         SET user:{ada}:presence online EX 600
         SET user:{ada}:typing:studio 1 EX 600
         SADD room:lobby:present ada
         SADD room:studio:present ada
         ZADD online:eu 1767225600 ada
         ZADD online:us 1767225600 ada",
    );
    let foretold = server.run("SESSION.INSPECT ada");
    assert_eq!((foretold.field("removed"), foretold.field("live")), (int(12), int(1)));
    assert_eq!(server.run("SESSION.LOGOUT ada"), int(12));
    before.assert_matches(&server.snapshot());
}

#[test]
fn the_table_of_options_is_what_the_module_takes() {
    let table = section("docs/operations.md", "Options").table();
    let names: Vec<_> = table.iter().map(|row| row[0]).collect();
    let log = Server::builder().module_args(&["no-such-option", "x"]).try_start().err().expect("it does not load");
    let (_, known) = log.split_once("known are ").expect("the log names the options");
    assert_eq!(known.lines().next().expect("a line").split(", ").collect::<Vec<_>>(), names);

    let server = Server::start();
    let listed = server.must("CONFIG GET session.*").pairs();
    let listed: BTreeSet<_> = listed.iter().map(|(name, value)| (name.as_text(), value.as_text())).collect();
    let at_run_time = table.iter().filter(|row| row[2] == "yes").map(|row| (format!("session.{}", row[0]), row[1]));
    let at_run_time: Vec<_> = at_run_time.collect();
    assert_eq!(listed, at_run_time.iter().map(|(name, default)| (&**name, *default)).collect());

    let source = code::all().split_whitespace().collect::<Vec<_>>().join(" ");
    for row in table {
        let &[name, default, at_run_time, meaning] = &*row else { panic!("four columns: {row:?}") };
        let can_be_set = !server.cmd(["CONFIG", "SET", &format!("session.{name}"), default]).is_error();
        assert_eq!(if can_be_set { "yes" } else { "no" }, at_run_time, "{name}");
        let option =
            format!(r#"name: "{name}", default: "{default}", at_run_time: {can_be_set}, meaning: "{meaning}""#);
        assert!(source.contains(&option), "the code has another {name}");
    }
}

#[test]
fn the_table_of_commands_is_what_the_module_has() {
    let server = Server::start();
    let known = server.must("COMMAND LIST FILTERBY MODULE session");
    let known: BTreeSet<_> = known.items().iter().map(|name| name.as_text().to_uppercase()).collect();
    let headings: BTreeSet<_> = page("docs/commands.md").sections.iter().map(|section| section.heading).collect();
    let mut listed = BTreeSet::new();
    for row in section("README.md", "Commands").table() {
        let name = row[0].split('`').nth(1).expect("the name is code").to_owned();
        assert!(headings.contains(&*name), "{name} has a section");
        let info = server.cmd(["COMMAND", "INFO", &name]);
        let flags = info.items()[0].items()[2].items().iter();
        let flags: BTreeSet<_> = flags.map(|flag| flag.as_text().to_owned()).collect();
        let noted = ["write", "readonly", "fast", "admin", "noscript"];
        let flags = noted.into_iter().filter(|flag| flags.contains(*flag)).collect::<Vec<_>>().join(", ");
        assert_eq!(row[2], flags, "{name}");
        listed.insert(name);
    }
    assert_eq!(listed, known);
}

#[test]
fn the_table_of_errors_is_what_commands_answer() {
    let section = section("docs/commands.md", "Errors");
    let shown: Vec<_> = section.blocks[0].lines.iter().filter_map(|line| line.strip_prefix("(error) ")).collect();
    let listed = section.column(0);
    let is_shown = |error: &&&str| !shown.iter().any(|line| line.starts_with(**error));
    assert_eq!(listed.iter().filter(is_shown).collect::<Vec<_>>(), Vec::<&&str>::new(), "listed and not shown");
    let is_listed = |line: &&&str| !listed.iter().any(|error| line.starts_with(error));
    assert_eq!(shown.iter().filter(is_listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "shown and not listed");
}

#[test]
fn the_table_of_info_fields_is_what_info_shows() {
    let server = Server::start();
    let info = server.cmd(["INFO", "session"]);
    let fields: Vec<_> = info.as_text().lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_eq!(section("docs/operations.md", "Watching it").column(0), fields);
}

#[test]
fn the_table_of_servers_is_what_the_tests_can_run_on() {
    let script = include_str!("../../../scripts/engines");
    let list = script.split_once("\nengines='").and_then(|(_, rest)| rest.split_once('\'')).expect("the list").0;
    let names: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(section("docs/operations.md", "Servers").column(0), names);
}

#[test]
fn the_table_of_renamed_commands_is_what_the_module_knows_by_name() {
    let rows = section("docs/operations.md", "Renamed commands").table();
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row[0].split("`, `").collect()).collect();
    let (required, others) = rows.split_first().expect("the table has rows");

    // Without any of these the module does not load, and it asks for no other.
    for command in required {
        let refusal = Server::builder().config(&format!("rename-command {command} ''")).try_start().err();
        assert!(refusal.is_some_and(|log| log.contains(&format!("has no command {command},"))), "{command}");
    }
    assert_eq!(*required, code::commands_that_it_asks_for());

    // Without the others it does. (Not every server has all of them.)
    let plain = Server::start();
    let is_known = |name: &&str| plain.cmd(["COMMAND", "INFO", name]).items()[0] != nil();
    let disabled = others.iter().flatten().copied().filter(is_known);
    let builder =
        disabled.fold(Server::builder(), |builder, name| builder.config(&format!("rename-command {name} ''")));
    drop(builder.start());

    let listed: Vec<&str> = rows.concat();
    let distinct: BTreeSet<_> = listed.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed.len(), distinct.len(), "each stands once");
    assert_eq!(distinct, code::commands_known_by_name());
}

#[test]
fn the_table_of_rooms_holds_every_module_of_the_crate() {
    let rooms = section("ARCHITECTURE.md", "The rooms").column(0);
    let rooms: BTreeSet<&str> = rooms.iter().flat_map(|cell| cell.split("`, `")).collect();
    assert_eq!(rooms, code::rooms().iter().map(|room| &**room).collect());
}

#[test]
fn the_rust_version_is_that_of_the_manifest() {
    let (_, version) = include_str!("../../../Cargo.toml").split_once("rust-version = \"").expect("it is there");
    let version = version.split('"').next().expect("it ends");
    assert!(page("CONTRIBUTING.md").text.contains(&format!("Rust {version} or newer")), "{version}");
}
