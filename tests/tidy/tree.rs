//! The workspace's own files: sources and documents, without what cargo or git put there.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the workspace.
pub(crate) struct SourceFile {
    /// Its path below the workspace root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl SourceFile {
    /// The numbered lines, counting from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// The file up to its `#[cfg(test)]` module, which stands at the end of a file by habit.
    pub(crate) fn without_tests(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        &self.text[..end]
    }
}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate `tests` lies in the workspace root").to_owned()
}

/// The text of one file of the workspace.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// Every file below `folder` whose name ends in one of `endings`, in order of path.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<SourceFile> {
    let mut found = Vec::new();
    walk(&root().join(folder), endings, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn walk(folder: &Path, endings: &[&str], found: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.expect("a directory of the workspace can be listed");
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().expect("the kind of a file can be asked for");
        if kind.is_dir() && !["target", "private"].contains(&name.as_str()) && !name.starts_with('.') {
            walk(&path, endings, found);
        } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            let shown =
                path.strip_prefix(root()).expect("it lies in the workspace").to_string_lossy().replace('\\', "/");
            // Vectors and cases may hold bytes that are not UTF-8; what is checked here are words.
            found.push(SourceFile {
                path: shown,
                text: String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            });
        }
    }
}

/// Every Rust file of the workspace.
pub(crate) fn rust_files() -> Vec<SourceFile> {
    ["queue-format", "lib", "runners", "tests"].into_iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

/// The names of the stage crates' directories: all of runners/ but the executable.
pub(crate) fn stages() -> Vec<String> {
    let listed = fs::read_dir(root().join("runners")).expect("runners/ can be listed");
    let names = listed.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != "listmill").collect();
    names.sort();
    names
}
