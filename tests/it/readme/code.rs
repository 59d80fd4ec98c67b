//! What the module's code says, wherever in it that is.

use std::collections::BTreeSet;
use std::fs;

use super::page::{files_below, root};

/// The crates of the module.
const CRATES: [&str; 2] = ["src", "core/src"];

/// All of it, without unit tests.
pub fn all() -> String {
    let folders = CRATES.iter().map(|folder| root().join(folder)).filter(|folder| folder.is_dir());
    let files = folders.flat_map(|folder| files_below(&folder));
    let code = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    code.map(|path| {
        let text = fs::read_to_string(path).expect("code is text");
        text.split("#[cfg(test)]\nmod tests {").next().expect("something is before").to_owned()
    })
    .collect()
}

/// The body of the one function of this name.
fn body(code: &str, name: &str) -> String {
    let head = format!("fn {name}(");
    let mut found = code.split(&*head).skip(1);
    let (Some(text), None) = (found.next(), found.next()) else { panic!("there is not one function {name}") };
    text.split_once("\n}\n").expect("it ends").0.to_owned()
}

/// The strings between `"` and `"` that follow `prefix`.
fn strings<'c>(code: &'c str, prefix: &str) -> Vec<&'c str> {
    code.split(prefix).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The commands without which the module does not load, in its order.
pub fn commands_that_it_asks_for() -> Vec<String> {
    strings(&body(&all(), "require_commands"), "c\"").into_iter().map(str::to_owned).collect()
}

/// The commands of the server that the module calls by name, and those that it tells apart by name when clients send them.
/// (Those whose effect it knows may have other names: then they may do anything.)
pub fn commands_known_by_name() -> BTreeSet<String> {
    let code = all();
    let words = ["option", "number", "pairs", "flag"].map(|kind| format!("Argument::{kind}(c\""));
    let without_words = words.iter().fold(code.clone(), |code, word| code.replace(word, "\""));
    let is_name = |name: &&str| name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
    let called = strings(&without_words, "c\"").into_iter().filter(is_name).map(str::to_owned);
    let told_apart = ["meaning", "may_wait"].map(|function| body(&code, function)).join("\n");
    let is_name = |name: &&str| name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let told_apart = told_apart.split('"').skip(1).step_by(2).filter(is_name).map(str::to_uppercase);
    called.chain(told_apart).collect()
}

/// The modules that the crates begin with.
pub fn rooms() -> BTreeSet<String> {
    let heads = CRATES.iter().filter_map(|folder| fs::read_to_string(root().join(folder).join("lib.rs")).ok());
    let lines = heads.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let names = lines.filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(&line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    });
    names.collect()
}
