//! A layout in words: what the module makes of it, for somebody who writes one and has no server at hand. Pure.

use std::{collections::BTreeSet, fmt::Write};

use crate::{
    error::Error,
    layout::{By, Entries, Layout, LiveRule, Reach, Trace, What},
    template::{IdRule, Placeholder, Template},
    then::Then,
    watcher::Watcher,
};

/// What the module makes of a layout, in lines for people: the traces, the ids, which writes are watched, whether a sweep is
/// possible, and which access rules a caller needs. `source` is where the layout came from.
pub fn describe(source: &str, layout: &Layout) -> String {
    let mut text = format!("{}: layout '{}'\n", printable(source), printable(&layout.name));
    section(&mut text, "traces", traces(layout));
    section(&mut text, "ids", ids(layout));
    section(&mut text, "watched", watched(layout));
    section(&mut text, "sweep", [sweep(layout)]);
    section(&mut text, "access, to call SESSION.LOGOUT", access(layout));
    text
}

/// Why a layout is refused, as the module's log says it.
pub fn refusal(source: &str, error: impl std::fmt::Display) -> String {
    format!("layout {}: {error}\n", printable(source))
}

fn section(text: &mut String, heading: &str, lines: impl IntoIterator<Item = String>) {
    writeln!(text, "\n{heading}").expect("a string takes it");
    lines.into_iter().for_each(|line| writeln!(text, "  {line}").expect("a string takes it"));
}

/// A text without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Two lines for each trace: itself, and what it means.
fn traces(layout: &Layout) -> Vec<String> {
    let listed = layout.traces.iter().take_while(|trace| trace.is_removed());
    let numbered = layout.texts.iter().zip(listed).zip(1..);
    let two = |((line, trace), number): ((&String, &Trace), usize)| {
        [format!("{number} {}", printable(line)), format!("  {}", meaning_of(trace, layout.tells_live()))]
    };
    numbered.flat_map(two).collect()
}

fn meaning_of(trace: &Trace, tells_live: bool) -> String {
    let kind = match &trace.what {
        What::Key if trace.is_of_socket() => "a key of each socket of the user",
        What::Key => "a key of the user",
        What::Owned(_) if trace.is_of_socket() => "a key whose value names a socket of the user",
        What::Owned(_) => "a key whose value names the user",
        What::Members(_) if trace.is_of_socket() => "a member that names a socket of the user",
        What::Members(By::Name(form)) if !form.template.has(Placeholder::USER) => {
            "a member of a collection of the user"
        }
        What::Members(_) => "a member that names the user",
        What::Entries(entries) => meaning_of_entries(trace, entries),
        What::Mapping => "the mapping",
    };
    let found = match trace.reach {
        Reach::Direct => "found by the ids alone",
        Reach::ByName => "found by names in the index",
        Reach::ByValue => "found by values in the index",
    };
    if !tells_live {
        return format!("{kind}; {found}");
    }
    let swept = if trace.sweep { "a sweep takes it" } else { "no sweep takes it" };
    let evidence = if trace.is_evidence { "evidence of a session" } else { "no evidence of a session" };
    format!("{kind}; {found}; {swept}; {evidence}")
}

fn meaning_of_entries(trace: &Trace, entries: &Entries) -> &'static str {
    match (entries.is_object, trace.is_of_socket()) {
        (false, false) => "elements of an array that name the user",
        (false, true) => "elements of an array that name a socket of the user",
        (true, false) => "members of an object that name the user",
        (true, true) => "members of an object that name a socket of the user",
    }
}

/// What each placeholder may stand for.
fn ids(layout: &Layout) -> Vec<String> {
    let line = |id| {
        let rule = layout.ids.rule(id);
        let more = if *rule == IdRule::Unsaid { "; the layout says no more of it" } else { "" };
        format!("{{{}}} must {rule}{more}", layout.ids.name(id))
    };
    layout.ids.iter().map(line).collect()
}

/// What the names begin with whose writes the module looks at.
fn watched(layout: &Layout) -> Vec<String> {
    let watcher = Watcher::new(layout);
    let prefixes = watcher.prefixes();
    if prefixes.contains(&b""[..]) {
        return vec!["writes to every name: a template begins with a placeholder".to_owned()];
    }
    if watcher.is_idle() {
        return vec!["no write: every key is found by the ids alone".to_owned()];
    }
    let prefixes = prefixes.iter().map(|prefix| format!("  {}", prefix.escape_ascii()));
    [String::from("writes to names that begin with")].into_iter().chain(prefixes).collect()
}

/// Whether a sweep is possible, and if not, why.
fn sweep(layout: &Layout) -> String {
    if let Some(unsaid) = &layout.unsaid {
        return format!("not possible: {}", printable(&unsaid.to_string()));
    }
    if !layout.tells_live() {
        let why = Error::NoSockets.to_string();
        return format!("not possible: {}", why.trim_start_matches("ERR "));
    }
    "possible".to_owned()
}

/// The commands that let somebody log any user out, or inspect any.
fn access(layout: &Layout) -> Vec<String> {
    // The mapping is among the traces: `SOCKET` takes the socket out of it.
    let removed = layout.traces.iter().map(|trace| &trace.key);
    let data = layout.sockets.iter().map(|sockets| &sockets.data);
    let consulted = data.chain(layout.live.iter().map(LiveRule::key));
    let then: Vec<Vec<u8>> = layout.then.iter().flat_map(Then::key_patterns).collect();
    let written = patterns(removed.clone().map(Template::acl_pattern).chain(then));
    let read = patterns(removed.chain(consulted).map(Template::acl_pattern));
    let mut lines = vec![acl_setuser("+session.logout", "~", &written)];
    let more: Vec<Vec<u8>> = read.iter().filter(|pattern| !written.contains(pattern)).cloned().collect();
    if !more.is_empty() {
        lines.push("and, if it is called WITHTRACES:".to_owned());
        lines.push(acl_setuser("+session.logout", "%R~", &more));
    }
    lines.push("and, to call SESSION.INSPECT:".to_owned());
    lines.push(acl_setuser("+session.inspect", "%R~", &read));
    lines
}

/// A command for `redis-cli` that lets the user `app` call a command for these keys; `kind` says for what.
fn acl_setuser(command: &str, kind: &str, patterns: &[Vec<u8>]) -> String {
    let rules = patterns.iter().map(|pattern| word(&[kind.as_bytes(), pattern].concat()));
    let words = ["ACL", "SETUSER", "app", command].map(str::to_owned);
    words.into_iter().chain(rules).collect::<Vec<_>>().join(" ")
}

/// The patterns of these names, each once, in order. One that takes every name makes the others needless, and the server
/// refuses them beside it.
fn patterns(patterns: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let patterns: BTreeSet<Vec<u8>> = patterns.collect();
    if patterns.contains(&everything()[0]) { everything() } else { patterns.into_iter().collect() }
}

/// The pattern of every name.
fn everything() -> Vec<Vec<u8>> {
    vec![b"*".to_vec()]
}

/// A word as `redis-cli` reads it: in quotation marks if it is not plain.
fn word(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'".contains(byte)) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let quoted = bytes.iter().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("\"{}\"", quoted.collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> String {
        describe("x", &Layout::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    #[test]
    fn the_built_in_layout_is_described_trace_by_trace() {
        assert_eq!(describe("easyshare", &Layout::easyshare()), EASYSHARE);
    }

    #[test]
    fn the_page_on_layouts_shows_what_is_said_of_its_example() {
        let page = include_str!("../../docs/layouts.md");
        let (_, section) = page.split_once("\n## Check a layout without a server\n").expect("the section");
        let block = |language: &str| {
            let (_, rest) = section.split_once(&format!("\n```{language}\n")).expect("a block");
            rest.split_once("\n```").expect("it ends").0
        };
        let layout = Layout::parse(block("json")).expect("a layout");
        assert_eq!(describe("session-layout.json", &layout).trim_end(), block("text"));
    }

    #[test]
    fn a_refusal_is_one_line_with_the_source() {
        let text = r#"{ "name": "x", "traces": [ { "key": "a:{userId}" },
            { "key":
              "b" } ] }"#;
        let error = Layout::parse(text).unwrap_err();
        let expected = "layout a\\nb.json: trace 2 { \"key\": \"b\" }: `key` must hold {userId} or {socketId}, or `owner` must say \
                        where the value names the user\n";
        assert_eq!(refusal("a\nb.json", error), expected);
    }

    #[test]
    fn what_is_watched_may_be_nothing_or_everything() {
        let direct = r#"{"name":"x","traces":[{"key":"a:{userId}"}]}"#;
        assert!(described(direct).contains("\nwatched\n  no write: every key is found by the ids alone\n"));
        let any = r#"{"name":"x","separator":"/","traces":[{"key":"{tenant}/{userId}"}]}"#;
        assert!(described(any).contains("\nwatched\n  writes to every name: a template begins with a placeholder\n"));
    }

    #[test]
    fn why_no_sweep_is_possible_is_said() {
        let no_sockets = described(r#"{"name":"x","traces":[{"key":"a:{userId}"}]}"#);
        assert!(
            no_sockets.contains("\nsweep\n  not possible: the layout has no `sockets` and no `live`"),
            "{no_sockets}"
        );
        assert!(no_sockets.contains("\n    a key of the user; found by the ids alone\n"), "{no_sockets}");
        let unsaid = described(
            r#"{"name":"x","traces":[{"key":"a:{userId}"}],"sockets":{"of":"a:{userId}","data":"b:{socketId}"}}"#,
        );
        let because = "not possible: the layout does not say what {userId} may hold";
        assert!(unsaid.contains(because) && unsaid.contains("{userId} must not be empty; the layout says no more"));
    }

    #[test]
    fn rules_for_access_can_be_pasted() {
        let table = [
            (
                r#"{"name":"x","traces":[{"key":"t:{userId}"}],"sockets":{"of":"m:{userId}","data":"d:{socketId}"}}"#,
                "ACL SETUSER app +session.logout ~m:* ~t:*
                 and, if it is called WITHTRACES:
                 ACL SETUSER app +session.logout %R~d:*
                 and, to call SESSION.INSPECT:
                 ACL SETUSER app +session.inspect %R~d:* %R~m:* %R~t:*",
            ),
            (
                r#"{"name":"x","traces":[{"key":"{userId}"},{"key":"a:{userId}"}],"live":[{"key":"l:{userId}"}]}"#,
                "ACL SETUSER app +session.logout ~*
                 and, to call SESSION.INSPECT:
                 ACL SETUSER app +session.inspect %R~*",
            ),
            (
                r#"{"name":"x","traces":[{"key":"a*\"b\\\\{userId}"},{"key":"é d:{userId}"}]}"#,
                r#"ACL SETUSER app +session.logout "~a\\*\"b\\\\*" "~\xc3\xa9?d:*"
                 and, to call SESSION.INSPECT:
                 ACL SETUSER app +session.inspect "%R~a\\*\"b\\\\*" "%R~\xc3\xa9?d:*""#,
            ),
        ];
        for (text, expected) in table {
            let expected: Vec<&str> = expected.lines().map(str::trim).collect();
            assert_eq!(access(&Layout::parse(text).unwrap()), expected, "{text}");
        }
    }

    const EASYSHARE: &str = r#"easyshare: layout 'easyshare'

traces
  1 { "key": "user_socket:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; evidence of a session
  2 { "key": "user_activity:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  3 { "key": "activity:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  4 { "key": "cache:activity:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  5 { "key": "user_session:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  6 { "key": "cache:user_session:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  7 { "key": "user_presence:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  8 { "key": "cache:user_presence:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  9 { "key": "user_status:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  10 { "key": "cache:user_status:{userId}" }
    a key of the user; found by the ids alone; a sweep takes it; no evidence of a session
  11 { "key": "typing:{roomId}:{userId}" }
    a key of the user; found by names in the index; a sweep takes it; evidence of a session
  12 { "key": "cache:typing:{roomId}:{userId}" }
    a key of the user; found by names in the index; a sweep takes it; evidence of a session
  13 { "key": "socket_data:{socketId}", "owner": "/userId" }
    a key whose value names the user; found by values in the index; a sweep takes it; evidence of a session
  14 { "members": "active_users", "member": "{userId}" }
    a member that names the user; found by the ids alone; a sweep takes it; evidence of a session
  15 { "entries": "room:{roomId}", "array": "/participants", "owner": "/userId", "sweep": false }
    elements of an array that name the user; found by values in the index; no sweep takes it; no evidence of a session
  16 { "key": "sio:session:{sessionId}", "owner": { "pointer": "/sid", "is": "{socketId}" }, "encoding": ["base64", "msgpack"] }
    a key whose value names a socket of the user; found by values in the index; a sweep takes it; no evidence of a session

ids
  {userId} must not hold ':'
  {socketId} must not hold ':'
  {roomId} must not hold ':'
  {sessionId} must not hold ':'

watched
  writes to names that begin with
    active_users
    cache:typing:
    room:
    sio:session:
    socket_data:
    typing:
    user_socket:

sweep
  possible

access, to call SESSION.LOGOUT
  ACL SETUSER app +session.logout ~active_users ~activity:* ~cache:activity:* ~cache:typing:*:* ~cache:user_presence:* ~cache:user_session:* ~cache:user_status:* ~room:* ~sio:session:* ~socket_data:* ~typing:*:* ~user_activity:* ~user_presence:* ~user_session:* ~user_socket:* ~user_status:*
  and, to call SESSION.INSPECT:
  ACL SETUSER app +session.inspect %R~active_users %R~activity:* %R~cache:activity:* %R~cache:typing:*:* %R~cache:user_presence:* %R~cache:user_session:* %R~cache:user_status:* %R~room:* %R~sio:session:* %R~socket_data:* %R~typing:*:* %R~user_activity:* %R~user_presence:* %R~user_session:* %R~user_socket:* %R~user_status:*
"#;
}
