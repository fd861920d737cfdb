//! `listmill init`: a commented site file, and the directories that it names.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use listmill_runner::config::{DEFAULT_SITE_FILE, Site};

use crate::failure::{Failure, Outcome};
use crate::{backends, output};

pub(crate) fn run(dir: &Path) -> Outcome {
    write(dir, DEFAULT_SITE_FILE)?;
    output::line(format!("wrote {}", dir.join("listmill.toml").display()))?;
    output::line(
        "next: set [site] domains, admins and [outbound] relay in it, then `listmill check`, then `listmill run`",
    )
}

/// Writes a site file into `dir` and makes the directories that it names. A file that is there is never written over.
pub(crate) fn write(dir: &Path, text: &str) -> Outcome<Site> {
    fs::create_dir_all(dir).map_err(|error| Failure::io(format!("make {}", dir.display()), &error))?;
    let path = dir.join("listmill.toml");
    // It may come to hold the smarthost's password.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
    let mut file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::data(format!("{} is there already; it was left as it is", path.display()))
        }
        _ => Failure::io(format!("write {}", path.display()), &error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| Failure::io(format!("write {}", path.display()), &error))?;
    let site = Site::load(&path, None)?;
    for dir in
        [Some(site.data.as_path()), Some(site.queue.spool.as_path()), backends::store_dir(&site)].into_iter().flatten()
    {
        make_private(dir).map_err(|error| Failure::io(format!("make {}", dir.display()), &error))?;
    }
    Ok(site)
}

/// Makes a directory where there is none: posts and rosters are nobody else's business.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
