//! The units of dist/systemd: right in systemd's eyes, and sandboxed.

use std::path::{Path, PathBuf};
use std::process::Command;

use listmill_tests::needs::needs;
use listmill_tests::program::{listmill, workspace};

/// What `systemd-analyze security` may say at most; 10 is a service without any fence.
const EXPOSURE: f64 = 1.5;

/// The unit with the program as it is built here, for systemd looks whether it is there.
fn unit(dir: &Path, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(workspace().join("dist/systemd").join(name)).unwrap();
    assert!(text.contains("ExecStart=/usr/bin/listmill -c /etc/listmill/listmill.toml "));
    let path = dir.join(name);
    std::fs::write(&path, text.replace("/usr/bin/listmill", &listmill().to_string_lossy())).unwrap();
    path
}

fn analyze(systemd_analyze: &Path, arguments: &[&str], unit: &Path) -> String {
    let output = Command::new(systemd_analyze).args(arguments).arg(unit).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} {}: {told}", unit.display());
    told
}

#[test]
fn the_units_are_right_and_sandboxed() {
    let Some(systemd_analyze) = needs("systemd-analyze") else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["listmill.service", "listmill@.service"] {
        let unit = unit(dir.path(), name);
        let told = analyze(&systemd_analyze, &["verify", "--man=no"], &unit);
        assert_eq!(told, "", "{name}");
        let told = analyze(&systemd_analyze, &["security", "--offline=true", "--no-pager"], &unit);
        let figure = told.rsplit("Overall exposure level for").next().and_then(|rest| rest.split_whitespace().nth(1));
        let figure: f64 = figure.expect("a figure").parse().unwrap();
        assert!(figure <= EXPOSURE, "{name}: {told}");
        println!("{name}: exposure level {figure} of 10");
    }
}

/// The arguments of ExecStart are those that the program takes.
#[test]
fn the_units_start_what_the_program_understands() {
    for (name, host) in [("listmill.service", None), ("listmill@.service", Some("%i"))] {
        let text = std::fs::read_to_string(workspace().join("dist/systemd").join(name)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/listmill ")).unwrap();
        assert_eq!(line.contains("--host"), host.is_some());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("listmill.toml");
        std::fs::write(&file, "[hosts]\nmx1 = [\"inbound\"]\n").unwrap();
        let line = line.replace("%i", "mx1").replace("/etc/listmill/listmill.toml", &file.to_string_lossy());
        let output = Command::new(listmill()).args(line.split(' ')).arg("--help").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
