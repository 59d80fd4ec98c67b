//! What the pages point at is there.

use std::path::{Component, Path, PathBuf};

use super::page::{Page, anchor, files_below, in_repository, page, pages, root};

/// Folders whose files are named by their path.
const FOLDERS: [&str; 7] = ["src/", "tests/", "scripts/", "benches/", "fuzz/", "docs/", "examples/"];

/// Where a link of the page leads to in the repository.
fn target(from: &Page, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in Path::new(&from.path).parent().expect("a page is in a folder").join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {link} leaves the repository", from.path),
            part => path.push(part),
        }
    }
    path
}

/// The links of a page, without those to other hosts.
fn links(page: &Page) -> Vec<&'static str> {
    let prose = page.sections.iter().flat_map(|section| &section.prose);
    let links = prose.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    links.filter(|link| !link.starts_with("https://")).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for from in pages() {
        for link in links(from) {
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let path = if file.is_empty() { PathBuf::from(&from.path) } else { target(from, file) };
            let has = |heading: &str| {
                let to = pages().iter().find(|page| Path::new(&page.path) == path);
                to.is_some_and(|page| page.sections.iter().any(|section| anchor(section.heading) == heading))
            };
            if !root().join(&path).exists() || heading.is_some_and(|heading| !has(heading)) {
                broken.push(format!("{}: {link}", from.path));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn links_stand_where_they_are_followed() {
    for page in pages() {
        for line in page.sections.iter().flat_map(|section| &section.prose) {
            let is_definition = line.starts_with('[') && line.contains("]: ");
            assert!(
                !is_definition && !line.contains("<a "),
                "{}: say where the link leads in place: {line}",
                page.path
            );
            assert!(!line.ends_with("]("), "{}: a link is on one line: {line}", page.path);
        }
    }
}

#[test]
fn files_that_are_named_are_there() {
    let mut missing = Vec::new();
    for page in pages() {
        let prose = page.sections.iter().flat_map(|section| &section.prose);
        let named = prose.flat_map(|line| line.split('`').skip(1).step_by(2));
        let commands = page.sections.iter().flat_map(|section| &section.blocks).flat_map(|block| &block.lines);
        let words = named.chain(commands.copied()).filter_map(|text| text.split_whitespace().next());
        for word in words.map(|word| word.trim_start_matches("./")) {
            let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '{']);
            if is_path && !word.contains("NAME") && !root().join(word).exists() {
                missing.push(format!("{}: {word}", page.path));
            }
        }
    }
    assert!(missing.is_empty(), "these are not there:\n{}", missing.join("\n"));
}

/// A page that nobody is led to is not read, and a picture that no page shows is not seen.
#[test]
fn all_of_docs_is_linked_to() {
    let linked: Vec<PathBuf> = pages()
        .iter()
        .flat_map(|from| links(from).into_iter().map(|link| target(from, link.split('#').next().unwrap_or_default())))
        .collect();
    for path in ["docs", "examples/easyshare/pictures"].iter().flat_map(|folder| files_below(&root().join(folder))) {
        assert!(linked.contains(&PathBuf::from(in_repository(&path))), "no page links to {}", path.display());
    }
    for at in ["SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        assert!(linked.contains(&PathBuf::from(&page(at).path)), "no page links to {at}");
    }
}
