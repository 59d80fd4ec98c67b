//! The house stands as ARCHITECTURE.md draws it: no circle among the files of the core, and imports run one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Which files import which, by the names of their modules.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The modules below a folder, with their code: without comments and unit tests.
fn modules(folder: &str) -> BTreeMap<String, String> {
    fn walk(folder: &Path, name: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("a folder of code") {
            let path = entry.expect("it can be read").path();
            let stem = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            let inner = if name.is_empty() { stem.clone() } else { format!("{name}::{stem}") };
            if path.is_dir() {
                walk(&path, &inner, found);
            } else if path.extension().is_some_and(|end| end == "rs") && stem != "lib" && stem != "tests" {
                let text = fs::read_to_string(&path).expect("code is text");
                let code = text.split("#[cfg(test)]\nmod tests {").next().expect("something is before");
                let without = |line: &str| line.split("//").next().expect("something is before").trim().to_owned();
                let code = code.lines().map(without).collect::<Vec<_>>().join("\n");
                found.insert(if stem == "mod" { name.to_owned() } else { inner }, code);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "", &mut found);
    found
}

/// The paths of a tree of imports such as `a::{b, c::{d, e}}`.
fn paths(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inner = rest.rsplit_once('}').expect("braces are closed").0;
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in inner.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is one").push(letter);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(part)).map(|path| format!("{}{path}", head.trim())).collect()
}

/// The trees of a module's imports.
fn used(code: &str) -> impl Iterator<Item = &str> {
    let begins = |rest: &&str| rest.starts_with("use ") || rest.starts_with("pub use ");
    let trees = code.match_indices('\n').map(|(at, _)| &code[at + 1..]).chain([code]).filter(begins);
    trees.filter_map(|rest| rest.split_once("use ")?.1.split(';').next())
}

/// What each module's paths name: in `use`, and elsewhere from `crate` or `super` on.
fn imports(modules: &BTreeMap<String, String>) -> Imports {
    let mut found = Imports::new();
    for (name, code) in modules {
        let named = used(code).flat_map(paths).chain(
            code.split_whitespace()
                .map(|word| word.trim_start_matches(|letter: char| !letter.is_alphabetic()).to_owned()),
        );
        let is_path = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
        for path in named {
            let path = path.split(|letter| !is_path(letter)).next().expect("something is before");
            let Some(target) = resolve(name, path) else { continue };
            let longest = (1..=target.len()).rev().map(|length| target[..length].join("::"));
            let module = longest.into_iter().find(|module| modules.contains_key(module));
            found.entry(name.clone()).or_default().extend(module.filter(|module| module != name));
        }
    }
    found
}

/// A path from the crate's root on. `None` if it does not begin with `crate` or `super`.
fn resolve(module: &str, path: &str) -> Option<Vec<String>> {
    let mut words: Vec<&str> = path.split("::").collect();
    let mut from: Vec<&str> = Vec::new();
    match words[0] {
        "crate" => drop(words.remove(0)),
        "super" => {
            from = module.split("::").collect();
            while words.first() == Some(&"super") {
                words.remove(0);
                from.pop();
            }
        }
        _ => return None,
    }
    Some(from.into_iter().chain(words).map(str::to_owned).collect())
}

/// A way from a module back to itself, if there is one.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn follow(imports: &Imports, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let last = way.last().expect("it begins somewhere").clone();
        for next in imports.get(&last).into_iter().flatten().filter(|next| !done.contains(*next)).collect::<Vec<_>>() {
            let is_circle = way.contains(next);
            way.push(next.clone());
            if is_circle || follow(imports, way, done) {
                return true;
            }
            way.pop();
        }
        done.insert(last);
        false
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        follow(imports, &mut way, &mut done).then_some(way)
    })
}

#[test]
fn no_circle_is_among_the_files_of_the_core() {
    let imports = imports(&modules("core/src"));
    assert!(imports["ask::read"].contains("ask::follow") && imports["session"].contains("known::state"), "{imports:?}");
    assert_eq!(circle(&imports), None);
}

#[test]
fn imports_of_the_core_run_one_way() {
    let imports = imports(&modules("core/src"));
    let room = |module: &str| module.split("::").next().expect("a name").to_owned();
    let rules: [(&str, &[&str]); 5] = [
        ("known", &["ask", "work", "session", "command", "info"]),
        ("tracker", &["known", "ask", "work", "session", "ports"]),
        ("plan", &["known", "ask", "work", "session", "tracker"]),
        ("index", &["known", "ask", "work", "session", "ports", "plan", "layout"]),
        ("ask", &["work", "command", "info"]),
    ];
    for (module, targets) in &imports {
        for (_, forbidden) in rules.iter().filter(|(of, _)| *of == room(module)) {
            let wrong: Vec<_> = targets.iter().filter(|target| forbidden.contains(&&*room(target))).collect();
            assert!(wrong.is_empty(), "{module} imports {wrong:?}");
        }
    }
}

#[test]
fn handles_on_the_server_know_of_the_core_no_more_than_its_ports() {
    let modules = modules("src");
    for (name, code) in modules.iter().filter(|(name, _)| name.starts_with("server")) {
        let paths = used(code).flat_map(paths);
        for path in paths.filter_map(|path| path.strip_prefix("redis_session_core::").map(str::to_owned)) {
            let is_fine = ["ports", "journal::Level", "reply::Reply"].iter().any(|room| path.starts_with(room));
            assert!(is_fine, "{name} imports {path} of the core");
        }
        assert!(!code.contains("crate::callbacks") && !code.contains("crate::module"), "{name} imports who uses it");
    }
}

#[test]
fn a_circle_is_found() {
    let code = |code: &str| code.to_owned();
    let modules = BTreeMap::from([
        (code("a"), code("use crate::{b::{c, D}, e};")),
        (code("b"), code("")),
        (code("b::c"), code("use super::super::e;")),
        (code("e"), code("fn f() { crate::a::g() }")),
    ]);
    let found = imports(&modules);
    assert_eq!(found["a"], BTreeSet::from(["b", "b::c", "e"].map(str::to_owned)));
    assert_eq!(circle(&found), Some(["a", "b::c", "e", "a"].map(str::to_owned).to_vec()));
}
