//! README.md is true: what it shows is run, and its tables are compared with the module.
//!
//! Each section has a server of its own. A JSON block with `traces` is that server's layout and a `conf` block its
//! configuration. A `redis-cli` block is a connection, and a line `$ redis-cli ...` in it begins another one; every reply
//! has to be what redis-cli prints, where milliseconds since 1970 stand for any. A `log` block is the end of the module's lines in the server's log (where a number of
//! microseconds stands for any), and an `aof` block the end of the append-only file.

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use support::server::redis_cli;
use support::{Builder, Server, aof_commands, int, split};

const README: &str = include_str!("../README.md");

/// The languages of blocks; of these, nothing is run of `sh` and `text`.
const LANGUAGES: [&str; 7] = ["redis-cli", "json", "conf", "log", "aof", "sh", "text"];

/// Where the README says that a layout lies.
const LAYOUT_FILE: &str = "/etc/redis/session-layout.json";

// --- the page -----------------------------------------------------------------------------------------------------------

/// A fenced block: its language, its text, and the number of its first line.
struct Block {
    language: &'static str,
    lines: Vec<&'static str>,
    at: usize,
}

impl Block {
    fn text(&self) -> String {
        self.lines.join("\n")
    }

    fn is_layout(&self) -> bool {
        let document = || serde_json::from_str(&self.text()).unwrap_or_else(|e| panic!("README.md:{}: {e}", self.at));
        self.language == "json" && serde_json::Value::get(&document(), "traces").is_some()
    }
}

/// A heading and what stands below it, up to the next one.
#[derive(Default)]
struct Section {
    heading: &'static str,
    blocks: Vec<Block>,
    /// The lines outside of blocks.
    prose: Vec<&'static str>,
}

fn sections() -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut lines = README.lines().zip(1..);
    while let Some((line, at)) = lines.next() {
        let heading = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'));
        if let Some(heading) = heading {
            sections.push(Section { heading, ..Section::default() });
        }
        let section = sections.last_mut().expect("there is one");
        match line.strip_prefix("```") {
            Some(language) => {
                assert!(LANGUAGES.contains(&language), "README.md:{at}: nobody knows what to do with '{language}'");
                let lines = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```").collect();
                section.blocks.push(Block { language, lines, at: at + 1 });
            }
            None => section.prose.push(line),
        }
    }
    sections
}

fn section(heading: &str) -> Section {
    let found = sections().into_iter().find(|section| section.heading == heading);
    found.unwrap_or_else(|| panic!("README.md has no section '{heading}'"))
}

impl Section {
    /// The rows of the section's table, without its head; code spans lose their quotes.
    fn table(&self) -> Vec<Vec<&'static str>> {
        let rows = self.prose.iter().filter(|line| line.starts_with('|')).skip(2);
        rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()).collect()
    }

    /// One column of it.
    fn column(&self, number: usize) -> Vec<&'static str> {
        self.table().iter().map(|row| row[number]).collect()
    }

    fn layout(&self) -> Option<String> {
        self.blocks.iter().find(|block| block.is_layout()).map(Block::text)
    }

    /// The server of this section, if there is anything to run.
    fn server(&self) -> Option<Builder> {
        let is_run = |block: &Block| ["redis-cli", "conf", "log", "aof"].contains(&block.language) || block.is_layout();
        if !self.blocks.iter().any(is_run) {
            return None;
        }
        let mut builder = Server::builder().append_only();
        if let Some(layout) = self.layout() {
            builder = builder.layout(layout);
        }
        let configuration = self.blocks.iter().filter(|block| block.language == "conf");
        for line in configuration.flat_map(|block| &block.lines).filter(|line| !line.starts_with('#')) {
            builder = match line.strip_prefix("loadmodule ") {
                Some(module) => with_module(builder, module),
                None => builder.config(line),
            };
        }
        Some(builder)
    }
}

/// The module arguments in `line`, with the example's layout in the place of the README's file.
fn with_module(builder: Builder, line: &str) -> Builder {
    let words: Vec<&str> = line.split(' ').collect();
    assert!(words[0].ends_with("/libredis_session.so"), "{line}");
    let mut builder = builder;
    for option in words[1..].chunks(2) {
        builder = match option {
            ["layout", LAYOUT_FILE] => builder.layout(example_layout()),
            [name, value] => builder.option(name, value),
            _ => panic!("an option without a value: {line}"),
        };
    }
    builder
}

fn example_layout() -> String {
    section("Example: a chat service with several devices").layout().expect("the example is a layout")
}

// --- what is run --------------------------------------------------------------------------------------------------------

/// A command of a transcript, and what it prints.
struct Step {
    command: &'static str,
    printed: Vec<&'static str>,
    at: usize,
}

/// One run of redis-cli.
#[derive(Default)]
struct Session {
    options: Vec<&'static str>,
    steps: Vec<Step>,
}

fn transcript(block: &Block) -> Vec<Session> {
    let mut sessions = vec![Session::default()];
    let mut in_transaction = false;
    for (line, at) in block.lines.iter().zip(block.at..) {
        if let Some(options) = line.strip_prefix("$ redis-cli") {
            sessions.push(Session { options: options.split_whitespace().collect(), steps: Vec::new() });
            continue;
        }
        let steps = &mut sessions.last_mut().expect("there is one").steps;
        let prompt = if in_transaction { "127.0.0.1:6379(TX)> " } else { "127.0.0.1:6379> " };
        if let Some(command) = line.strip_prefix(prompt) {
            in_transaction = command == "MULTI" || in_transaction && command != "EXEC";
            steps.push(Step { command, printed: Vec::new(), at });
        } else {
            assert!(!line.starts_with("127.0.0.1:"), "README.md:{at}: the prompt must be '{prompt}'");
            steps.last_mut().unwrap_or_else(|| panic!("README.md:{at}: no prompt")).printed.push(line);
        }
    }
    sessions
}

/// What redis-cli prints for these commands, as it would at its prompt.
fn print(server: &Server, session: &Session) -> String {
    let mut command = Command::new(redis_cli());
    command.args(["-h", "127.0.0.1", "-p", &server.port().to_string(), "--no-raw"]).args(&session.options);
    command.env_remove("REDISCLI_AUTH").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("redis-cli is installed");
    let mut commands = session.steps.iter().map(|step| step.command).collect::<Vec<_>>().join("\n");
    commands.push('\n');
    child.stdin.take().expect("it is piped").write_all(commands.as_bytes()).expect("redis-cli takes commands");
    String::from_utf8(child.wait_with_output().expect("redis-cli ends").stdout).expect("it prints text")
}

/// Runs a connection. The error says at which command the README is wrong.
fn replay(server: &Server, session: &Session) -> Result<(), String> {
    let printed = without_moments(&print(server, session));
    let mut rest: Vec<&str> = printed.lines().map(str::trim_end).collect();
    for Step { command, printed, at } in &session.steps {
        let expected = printed.iter().map(|line| without_moments(line.trim_end()));
        if rest.len() < printed.len() || !expected.eq(rest[..printed.len()].iter().copied()) {
            return Err(format!("README.md:{at}: {command}\nredis-cli prints from there on\n{}\n", rest.join("\n")));
        }
        rest.drain(..printed.len());
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("redis-cli prints at the end also\n{}\n", rest.join("\n"))) }
}

/// Thirteen digits, as they have from 2001 to 2286, become as many `n`.
fn without_moments(text: &str) -> String {
    let of_digits = |c: char, d: char| c.is_ascii_digit() == d.is_ascii_digit();
    let chars: Vec<char> = text.chars().collect();
    let runs = chars.chunk_by(|c, d| of_digits(*c, *d)).map(|run| {
        let is_moment = run.len() == 13 && run[0].is_ascii_digit();
        if is_moment { "n".repeat(13) } else { run.iter().collect() }
    });
    runs.collect()
}

/// The module's lines in a log, as the README shows them.
fn module_lines(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.find("<session>").map(|at| &line[at..]));
    lines.map(|line| without_time(&with_file_of_readme(line))).collect()
}

fn with_file_of_readme(line: &str) -> String {
    let words = line
        .split(' ')
        .map(|word| if word.ends_with("/layout.json:") { format!("{LAYOUT_FILE}:") } else { word.into() });
    words.collect::<Vec<_>>().join(" ")
}

fn without_time(line: &str) -> String {
    line.split_once("usec=").map_or(line, |(before, _)| before).to_owned()
}

fn compare_log(block: &Block, log: &str) -> Result<(), String> {
    let (found, expected) = (module_lines(log), module_lines(&block.text()));
    if expected.len() == block.lines.len() && found.ends_with(&expected) {
        return Ok(());
    }
    Err(format!("README.md:{}: the log says\n{}\n", block.at, found.join("\n")))
}

fn compare_appended(block: &Block, server: &Server) -> Result<(), String> {
    let expected: Vec<_> = block.lines.iter().map(|line| split(line)).collect();
    let (found, _) = aof_commands(server, 0);
    if found.ends_with(&expected) {
        return Ok(());
    }
    let found = found.iter().map(|command| support::bytes::join(command)).collect::<Vec<_>>();
    Err(format!("README.md:{}: the file holds\n{}\n", block.at, found.join("\n")))
}

fn run(block: &Block, server: &Server) -> Result<(), String> {
    match block.language {
        "redis-cli" => transcript(block).iter().try_for_each(|session| replay(server, session)),
        "log" => compare_log(block, &server.log()),
        "aof" => compare_appended(block, server),
        "json" if block.is_layout() => {
            let in_use = server.must("SESSION.LAYOUT");
            if in_use.as_text() == block.text() { Ok(()) } else { Err(format!("README.md:{}: not in use", block.at)) }
        }
        _ => Ok(()),
    }
}

#[test]
fn what_the_readme_shows_is_so() {
    let mut problems = Vec::new();
    for section in sections() {
        let Some(builder) = section.server() else { continue };
        match builder.try_start() {
            Ok(server) => problems.extend(section.blocks.iter().filter_map(|block| run(block, &server).err())),
            Err(log) => {
                let says_why = section.blocks.iter().find(|block| block.language == "log");
                problems.extend(says_why.map_or(Err(log.clone()), |block| compare_log(block, &log)).err());
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

// --- what is compared ---------------------------------------------------------------------------------------------------

#[test]
fn the_built_in_layout_is_as_shown() {
    let shown = section("The built-in layout").layout().expect("a layout");
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
    let table = section("Options").table();
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

    let source = include_str!("../core/src/config.rs").split_whitespace().collect::<Vec<_>>().join(" ");
    for row in table {
        let &[name, default, at_run_time, meaning] = &*row else { panic!("four columns: {row:?}") };
        let can_be_set = !server.cmd(["CONFIG", "SET", &format!("session.{name}"), default]).is_error();
        assert_eq!(if can_be_set { "yes" } else { "no" }, at_run_time, "{name}");
        let option =
            format!(r#"name: "{name}", default: "{default}", at_run_time: {can_be_set}, meaning: "{meaning}""#);
        assert!(source.contains(&option), "core/src/config.rs has another {name}");
    }
}

#[test]
fn the_table_of_commands_is_what_the_module_has() {
    let server = Server::start();
    let known = server.must("COMMAND LIST FILTERBY MODULE session");
    let known: BTreeSet<_> = known.items().iter().map(|name| name.as_text().to_uppercase()).collect();
    let headings: BTreeSet<_> = sections().into_iter().map(|section| section.heading.to_owned()).collect();
    let mut listed = BTreeSet::new();
    for row in section("Commands").table() {
        let name = row[0].split('`').nth(1).expect("the name is code").to_owned();
        assert!(headings.contains(&name), "{name} has a section");
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
    let section = section("Errors");
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
    assert_eq!(section("Watching it").column(0), fields);
}

#[test]
fn the_table_of_servers_is_what_the_tests_can_run_on() {
    let script = include_str!("../scripts/engines");
    let list = script.split_once("\nengines='").and_then(|(_, rest)| rest.split_once('\'')).expect("the list").0;
    let names: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(section("Servers").column(0), names);
}

#[test]
fn the_commands_that_must_not_be_renamed_are_those_that_the_module_asks_for() {
    let prose = section("Limits").prose.join(" ");
    let item = prose.split("- ").find(|item| item.contains("must not be renamed away")).expect("the list");
    let named: Vec<&str> = item.split('`').skip(1).step_by(2).collect();
    // Without any of them the module does not load, and it asks for no other.
    for command in &named {
        let refusal = Server::builder().config(&format!("rename-command {command} ''")).try_start().err();
        assert!(refusal.is_some_and(|log| log.contains(&format!("has no command {command},"))), "{command}");
    }
    let code = include_str!("../src/callbacks/load.rs").split_once("fn require_commands").expect("the function").1;
    let code = code.split_once("\n}\n").expect("its end").0;
    let asked: Vec<&str> = code.split("c\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(named, asked);
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    let anchors: Vec<_> = sections().iter().map(|section| anchor(section.heading)).collect();
    for section in sections() {
        let prose = section.prose.join("\n");
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let leads = match link.strip_prefix('#') {
                Some(heading) => anchors.iter().any(|known| known == heading),
                None => link.starts_with("https://") || root.join(link).is_file(),
            };
            assert!(leads, "{link}");
        }
    }
    for script in README.split("./scripts/").skip(1) {
        let name: String = script.chars().take_while(|c| c.is_alphanumeric()).collect();
        assert!(root.join("scripts").join(&name).is_file(), "./scripts/{name}");
    }
}
