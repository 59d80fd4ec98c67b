//! Programs that the pages show are files of `tests/clients`, which `tests/it/clients` runs.

use std::fs;

use super::page::{files_below, in_repository, page, pages, root};

/// The languages of programs, and what ends the names of their files.
const PROGRAMS: [(&str, &str); 4] = [("js", "mjs"), ("python", "py"), ("php", "php"), ("rust", "rs")];

/// The files that a page shows, in its order.
fn shown(path: &str) -> Vec<String> {
    let files = files_below(&root().join("tests/clients"));
    let blocks = page(path).sections.iter().flat_map(|section| &section.blocks);
    let programs = blocks.filter_map(|block| {
        let (_, ending) = PROGRAMS.iter().find(|(language, _)| *language == block.language)?;
        let is_it = |file: &&std::path::PathBuf| {
            file.extension().is_some_and(|end| end == *ending)
                && fs::read_to_string(file).is_ok_and(|text| text.trim_end() == block.text())
        };
        let file = files.iter().find(is_it);
        Some(in_repository(file.unwrap_or_else(|| panic!("{}: no program of tests/clients is this", block.place()))))
    });
    programs.collect()
}

#[test]
fn programs_that_are_shown_are_those_that_are_tested() {
    for page in pages().iter().filter(|page| page.path != "docs/clients.md") {
        assert_eq!(shown(&page.path), Vec::<String>::new(), "programs are shown in docs/clients.md");
    }
    let is_shown = |file: &String| file.contains("/single.") || file.contains("/cluster.");
    let all = files_below(&root().join("tests/clients")).into_iter().map(|file| in_repository(&file)).filter(is_shown);
    let (mut shown, mut all) = (shown("docs/clients.md"), all.collect::<Vec<_>>());
    shown.sort();
    all.sort();
    assert_eq!(shown, all, "what docs/clients.md shows (left) and what there is");
}
