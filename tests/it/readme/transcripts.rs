//! What is run: a server for each section, and what the section says of it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::page::{Block, Section, pages, section};
use crate::support::server::redis_cli;
use crate::support::{Builder, Server, aof_commands, bytes, split};

/// Where the pages say that a layout lies.
const LAYOUT_FILE: &str = "/etc/redis/session-layout.json";

impl Section {
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

/// The module arguments in `line`, with the example's layout in the place of the page's file.
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

/// The second layout that is shown.
pub fn example_layout() -> String {
    let example = section("docs/layouts.md", "Example: a chat service with several devices");
    example.layout().expect("the example is a layout")
}

/// A command of a transcript, and what it prints.
struct Step {
    command: &'static str,
    printed: Vec<&'static str>,
    place: String,
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
        let place = format!("{}:{at}", block.page);
        if let Some(options) = line.strip_prefix("$ redis-cli") {
            sessions.push(Session { options: options.split_whitespace().collect(), steps: Vec::new() });
            continue;
        }
        let steps = &mut sessions.last_mut().expect("there is one").steps;
        let prompt = if in_transaction { "127.0.0.1:6379(TX)> " } else { "127.0.0.1:6379> " };
        if let Some(command) = line.strip_prefix(prompt) {
            in_transaction = command == "MULTI" || in_transaction && command != "EXEC";
            steps.push(Step { command, printed: Vec::new(), place });
        } else {
            assert!(!line.starts_with("127.0.0.1:"), "{place}: the prompt must be '{prompt}'");
            steps.last_mut().unwrap_or_else(|| panic!("{place}: no prompt")).printed.push(line);
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

/// Runs a connection. The error says at which command the page is wrong.
fn replay(server: &Server, session: &Session) -> Result<(), String> {
    let printed = without_moments(&print(server, session));
    let mut rest: Vec<&str> = printed.lines().map(str::trim_end).collect();
    for Step { command, printed, place } in &session.steps {
        let expected = printed.iter().map(|line| without_moments(line.trim_end()));
        if rest.len() < printed.len() || !expected.eq(rest[..printed.len()].iter().copied()) {
            return Err(format!("{place}: {command}\nredis-cli prints from there on\n{}\n", rest.join("\n")));
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

/// The module's lines in a log, as the pages show them.
fn module_lines(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.find("<session>").map(|at| &line[at..]));
    lines.map(|line| without_time(&with_file_of_pages(line))).collect()
}

fn with_file_of_pages(line: &str) -> String {
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
    Err(format!("{}: the log says\n{}\n", block.place(), found.join("\n")))
}

fn compare_appended(block: &Block, server: &Server) -> Result<(), String> {
    let expected: Vec<_> = block.lines.iter().map(|line| split(line)).collect();
    let (found, _) = aof_commands(server, 0);
    if found.ends_with(&expected) {
        return Ok(());
    }
    let found = found.iter().map(|command| bytes::join(command)).collect::<Vec<_>>();
    Err(format!("{}: the file holds\n{}\n", block.place(), found.join("\n")))
}

fn run(block: &Block, server: &Server) -> Result<(), String> {
    match block.language {
        "redis-cli" => transcript(block).iter().try_for_each(|session| replay(server, session)),
        "log" => compare_log(block, &server.log()),
        "aof" => compare_appended(block, server),
        "json" if block.is_layout() => {
            let in_use = server.must("SESSION.LAYOUT");
            if in_use.as_text() == block.text() { Ok(()) } else { Err(format!("{}: not in use", block.place())) }
        }
        _ => Ok(()),
    }
}

/// Where the server does not start, the section shows why, and nothing that would need it.
fn explained(section: &Section, log: &str) -> Result<(), String> {
    let is_shown = |language| section.blocks.iter().find(|block| block.language == language);
    match (is_shown("log"), is_shown("redis-cli").or(is_shown("aof"))) {
        (Some(says_why), None) => compare_log(says_why, log),
        (_, unrun) => Err(format!("{}: no server to run it\n{log}", unrun.unwrap_or(&section.blocks[0]).place())),
    }
}

#[test]
fn what_the_pages_show_is_so() {
    let mut problems = Vec::new();
    for section in pages().iter().flat_map(|page| &page.sections) {
        let Some(builder) = section.server() else { continue };
        match builder.try_start() {
            Ok(server) => problems.extend(section.blocks.iter().filter_map(|block| run(block, &server).err())),
            Err(log) => problems.extend(explained(section, &log).err()),
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
