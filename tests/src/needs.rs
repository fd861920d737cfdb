//! What some tests need beside Rust: programs of the distribution, a Python module, a right. Where one is missing the test is skipped by name,
//! or fails, when `LISTMILL_TESTS_REQUIRE=1` says that nothing may be skipped (`.ci/run` does, after it has installed the packages).
#![expect(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "looks for programs, and what must be there and is not is the end of the test"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs that a test may ask for, and the package of Debian and Ubuntu that brings each. `.ci/run` installs the packages.
pub const PROGRAMS: [(&str, &str); 9] = [
    ("python3", "python3"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("postgres", "postgresql"),
    ("postfix", "postfix"),
    ("systemd-analyze", "systemd"),
    ("ip", "iproute2"),
    ("strace", "strace"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mount", "mount"),
];

/// The Python modules that a test may ask for, and their packages.
pub const MODULES: [(&str, &str); 1] = [("pika", "python3-pika")];

/// Where the program is: in `PATH`, or where Debian puts what only administrators and services call. None: the test ends, after a line that names it.
pub fn needs(program: &str) -> Option<PathBuf> {
    let package = package(&PROGRAMS, program);
    let found = places(program).into_iter().map(|place| place.join(program)).find(|path| path.is_file());
    if found.is_none() {
        lacking(&format!("{program} is not on this machine (the package {package} brings it)"));
    }
    found
}

/// A Python interpreter that can import this module. None: the test ends, after a line that names it.
pub fn needs_python_with(module: &str) -> Option<PathBuf> {
    let package = package(&MODULES, module);
    // The distribution's own interpreter is the one that its packages are for; another may come before it in PATH.
    let imports = |python: &PathBuf| {
        let mut command = Command::new(python);
        let silent = command.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    };
    let found = [PathBuf::from("python3"), PathBuf::from("/usr/bin/python3")].into_iter().find(imports);
    if found.is_none() {
        lacking(&format!("no python3 here has the module {module} (the package {package} brings it)"));
    }
    found
}

/// Whether the tests run as root, who may do `what`. Not so: the test ends, after a line that says it.
pub fn needs_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        lacking(&format!("only root may {what}"));
    }
    root
}

/// Something else is missing. Says so; fails where nothing may be skipped.
pub fn lacking(what: &str) {
    assert!(!required(), "{what}, and LISTMILL_TESTS_REQUIRE=1 lets no test be skipped");
    skipped(what);
}

/// A line that is seen also when the test passes: what the harness captures is what the macros print.
pub fn skipped(what: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {what}");
}

fn required() -> bool {
    std::env::var_os("LISTMILL_TESTS_REQUIRE").is_some_and(|value| !value.is_empty() && value != "0")
}

fn package<'a>(table: &[(&str, &'a str)], name: &str) -> &'a str {
    let row = table.iter().find(|row| row.0 == name);
    row.unwrap_or_else(|| panic!("tests/src/needs.rs does not say which package brings {name}")).1
}

/// The directories in which `program` may be, in order.
fn places(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = Vec::new();
    if program == "postgres" {
        // Debian keeps each major version apart, and what stands in PATH may be a wrapper: initdb and pg_ctl lie beside the real one.
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        places = versions.map(|version| version.path().join("bin")).collect();
        places.sort_by_key(|place| std::cmp::Reverse(major(place)));
    }
    places.extend(std::env::split_paths(&path));
    places.extend(["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/lib/rabbitmq/bin"].map(PathBuf::from));
    places
}

fn major(bin: &Path) -> u32 {
    let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_it_is() {
        assert!(places("sh").iter().any(|place| place.join("sh").is_file()));
        assert!(places("postgres").contains(&PathBuf::from("/usr/sbin")));
        assert!(major(Path::new("/usr/lib/postgresql/15/bin")) > major(Path::new("/usr/lib/postgresql/9.6/bin")));
    }

    #[test]
    #[should_panic(expected = "which package brings")]
    fn what_no_package_is_known_for_is_not_asked_for() {
        let _ = needs("no-such-program");
    }
}
