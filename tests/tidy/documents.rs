//! What the documents point at is there.
//!
//! Why: a page that sends its reader to a file which was renamed last month has lost the reader. Paths of this workspace in backticks and relative
//! links are looked up; a path with a placeholder (`<stage>`, `NN-name`, `*`) is not.

use std::path::Path;

use crate::{none_of, tree};

const FOLDERS: [&str; 7] = ["queue-format/", "lib/", "runners/", "tests/", "specs/", "dist/", ".ci/"];

/// What a page points at: from the root in backticks, from the page's folder in links.
fn targets(page: &tree::SourceFile) -> Vec<String> {
    let quoted =
        page.text.split('`').skip(1).step_by(2).filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)));
    let quoted = quoted.filter(|text| !text.contains(['*', '<', ' ', '{', '…', '\n']) && !text.contains("NN"));
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let linked = page.text.split("](").skip(1).filter_map(|text| text.split_once(')')).map(|(to, _)| to);
    let linked = linked.filter(|to| !to.contains("://") && !to.starts_with(['#', '<']) && !to.starts_with("mailto:"));
    let linked = linked.map(|to| folder.join(to.split('#').next().unwrap_or(to)).to_string_lossy().into_owned());
    quoted.map(str::to_owned).chain(linked).collect()
}

#[test]
fn every_path_in_a_document_leads_somewhere() {
    let mut pages: Vec<_> =
        ["specs", "queue-format", "dist"].into_iter().flat_map(|folder| tree::files(folder, &[".md"])).collect();
    pages.extend(
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].into_iter().flat_map(|page| tree::files(".", &[page])),
    );
    pages.retain(|page| !page.path.starts_with("specs/cases/"));
    let mut found = Vec::new();
    for page in &pages {
        let dead = targets(page).into_iter().filter(|path| !tree::root().join(path).exists());
        found.extend(dead.map(|path| format!("{}: {path} is not there", page.path)));
    }
    none_of(found);
}

#[test]
fn paths_and_links_are_found() {
    let page = tree::SourceFile {
        path: "specs/x.md".into(),
        text: "See `lib/core` and `lib/*/src`, [y](y.md#part), [z](https://example.org), `cargo`.".into(),
    };
    assert_eq!(targets(&page), ["lib/core", "specs/y.md"]);
}
