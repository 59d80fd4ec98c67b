//! The pages: every Markdown file of the repository, taken apart into sections and blocks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The languages of blocks; of these, nothing is run of `sh` and `text`.
const LANGUAGES: [&str; 11] = ["redis-cli", "json", "conf", "log", "aof", "sh", "text", "js", "python", "php", "rust"];

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Markdown file.
pub struct Page {
    /// Where it is in the repository.
    pub path: String,
    pub text: &'static str,
    pub sections: Vec<Section>,
}

/// A heading and what stands below it, up to the next one.
pub struct Section {
    pub heading: &'static str,
    pub blocks: Vec<Block>,
    /// The lines outside of blocks.
    pub prose: Vec<&'static str>,
}

/// A fenced block: its language, its text, the page, and the number of its first line.
pub struct Block {
    pub language: &'static str,
    pub lines: Vec<&'static str>,
    pub page: String,
    pub at: usize,
}

/// All of them, in the root, in `docs` and anywhere else: a page that is new is tested from then on.
pub fn pages() -> &'static [Page] {
    static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
        let files = files_below(root()).into_iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
        files.map(|path| Page::read(&path)).collect()
    });
    &PAGES
}

/// The page at this place in the repository.
pub fn page(path: &str) -> &'static Page {
    pages().iter().find(|page| page.path == path).unwrap_or_else(|| panic!("there is no {path}"))
}

/// The section of a page.
pub fn section(path: &str, heading: &str) -> &'static Section {
    let found = page(path).sections.iter().find(|section| section.heading == heading);
    found.unwrap_or_else(|| panic!("{path} has no section '{heading}'"))
}

/// All files of the repository's own, sorted by name.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    const FOREIGN: [&str; 4] = ["target", "node_modules", "corpus", "artifacts"];
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    entries.retain(|path| !name(path).starts_with('.') && !FOREIGN.contains(&&*name(path)));
    entries.into_iter().flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The path as it is in the repository.
pub fn in_repository(path: &Path) -> String {
    path.strip_prefix(root()).expect("it is in the repository").display().to_string()
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a page is text").leak();
        let path = in_repository(path);
        let mut page = Self { path, text, sections: vec![Section::new("")] };
        let mut lines = page.text.lines().zip(1..);
        while let Some((line, at)) = lines.next() {
            let place = format!("{}:{at}", page.path);
            let heading = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'));
            if let Some(heading) = heading {
                let is_new = page.sections.iter().all(|section| anchor(section.heading) != anchor(heading));
                assert!(is_new, "{place}: the page has a heading '{heading}' already, so a link may lead to either");
                page.sections.push(Section::new(heading));
            }
            let section = page.sections.last_mut().expect("there is one");
            let Some(language) = line.strip_prefix("```") else {
                let fence = line.trim_start();
                assert!(!fence.starts_with("```") && !fence.starts_with("~~~"), "{place}: a block that nobody runs");
                section.prose.push(line);
                continue;
            };
            assert!(LANGUAGES.contains(&language), "{place}: nobody knows what to do with '{language}'");
            let mut block = Block { language, lines: Vec::new(), page: page.path.clone(), at: at + 1 };
            loop {
                match lines.next() {
                    Some(("```", _)) => break,
                    Some((line, _)) => block.lines.push(line),
                    None => panic!("{place}: the block has no end"),
                }
            }
            let shows_a_connection = block.lines.iter().any(|line| line.starts_with("127.0.0.1:6379"));
            assert!(!shows_a_connection || language == "redis-cli", "{place}: a transcript that nobody runs");
            section.blocks.push(block);
        }
        page
    }
}

/// What a link to a heading says.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

impl Section {
    fn new(heading: &'static str) -> Self {
        Self { heading, blocks: Vec::new(), prose: Vec::new() }
    }

    /// The rows of the section's table, without its head; code spans lose their quotes.
    pub fn table(&self) -> Vec<Vec<&'static str>> {
        let rows = self.prose.iter().filter(|line| line.starts_with('|')).skip(2);
        rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()).collect()
    }

    /// One column of it.
    pub fn column(&self, number: usize) -> Vec<&'static str> {
        self.table().iter().map(|row| row[number]).collect()
    }

    pub fn layout(&self) -> Option<String> {
        self.blocks.iter().find(|block| block.is_layout()).map(Block::text)
    }
}

impl Block {
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Where it is, for somebody who has to mend it.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.at)
    }

    pub fn is_layout(&self) -> bool {
        let document = || serde_json::from_str(&self.text()).unwrap_or_else(|e| panic!("{}: {e}", self.place()));
        self.language == "json" && serde_json::Value::get(&document(), "traces").is_some()
    }
}
