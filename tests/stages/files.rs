//! The files of a case: its own, those of its stage, those of all cases; with its tokens put in.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use listmill_tests::view::MemoryView;
use serde::de::DeserializeOwned;

use crate::tokens::with_tokens;

/// `specs/cases`.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate `tests` lies in the workspace root").join("specs/cases")
}

/// The files that one case is made of.
pub(crate) struct Files {
    folder: PathBuf,
    /// The names of those that were read.
    read: RefCell<BTreeSet<String>>,
}

impl Files {
    /// The files of the case in this directory.
    pub(crate) fn of(folder: &Path) -> Self {
        Files { folder: folder.to_owned(), read: RefCell::default() }
    }

    /// The case itself has this file.
    pub(crate) fn has_own(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
    }

    /// The name of the file that says this in this step: `2-message.eml`, or what the case says for all steps.
    pub(crate) fn in_step(&self, step: u32, name: &str) -> String {
        let own = format!("{step}-{name}");
        if step > 1 && self.has_own(&own) { own } else { name.to_owned() }
    }

    /// The bytes of a file. A case without it has that of its stage, or that of all cases. Line ends of what is not `raw` become CRLF, which
    /// is what a message has outside of the repository.
    pub(crate) fn message(&self, name: &str, views: &[&MemoryView]) -> Result<Vec<u8>, String> {
        let bytes = self.bytes(name, views)?;
        if name.ends_with(".raw") {
            return Ok(bytes);
        }
        let mut message = Vec::with_capacity(bytes.len() + 64);
        for byte in bytes {
            if byte == b'\n' {
                message.push(b'\r');
            }
            message.push(byte);
        }
        Ok(message)
    }

    /// A TOML file.
    pub(crate) fn toml<T: DeserializeOwned>(&self, name: &str, views: &[&MemoryView]) -> Result<T, String> {
        toml::from_str(&self.text(name, views)?).map_err(|error| format!("{name}: {error}"))
    }

    /// A text.
    pub(crate) fn text(&self, name: &str, views: &[&MemoryView]) -> Result<String, String> {
        String::from_utf8(self.bytes(name, views)?).map_err(|error| format!("{name}: {error}"))
    }

    fn bytes(&self, name: &str, views: &[&MemoryView]) -> Result<Vec<u8>, String> {
        let root = root();
        let folders = self.folder.ancestors().take_while(|path| path.starts_with(&root));
        let path = folders.map(|path| path.join(name)).find(|path| path.is_file());
        let path = path.ok_or_else(|| format!("there is no {name}"))?;
        self.read.borrow_mut().insert(name.to_owned());
        let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        with_tokens(&bytes, views).map_err(|error| format!("{name}: {error}"))
    }

    /// Every file of the case was read, and its README says something.
    ///
    /// # Errors
    /// The file that nobody has read.
    pub(crate) fn check(&self) -> Result<(), String> {
        for entry in fs::read_dir(&self.folder).map_err(|error| error.to_string())? {
            let name = entry.map_err(|error| error.to_string())?.file_name();
            let name = name.to_string_lossy();
            if name != "README.md" && !self.read.borrow().contains(&*name) {
                return Err(format!("{name} is no file of this case: nothing reads it"));
            }
        }
        let readme =
            fs::read_to_string(self.folder.join("README.md")).map_err(|error| format!("README.md: {error}"))?;
        if readme.trim().is_empty() { Err("README.md says nothing".to_owned()) } else { Ok(()) }
    }
}
