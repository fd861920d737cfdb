//! `.ci/run` installs what tests may ask the machine for.
//!
//! Why: a test that is skipped wherever it runs is a test that nobody has.

use listmill_tests::needs::{MODULES, PROGRAMS};

use crate::{none_of, tree};

#[test]
fn what_a_test_may_need_is_installed_before_all_tests_run() {
    let script = tree::text(".ci/run");
    let listed = script.lines().find_map(|line| line.strip_prefix("packages=(")?.strip_suffix(')'));
    let listed: Vec<&str> = listed.expect(".ci/run lists its packages in one line").split(' ').collect();
    let needed: Vec<&str> = PROGRAMS.iter().chain(&MODULES).map(|(_, package)| *package).collect();
    let absent = needed.iter().filter(|package| !listed.contains(package));
    let mut found: Vec<String> = absent.map(|package| format!("{package} is needed, and not installed")).collect();
    found.extend(
        listed
            .iter()
            .filter(|package| !needed.contains(package))
            .map(|package| format!("{package} is installed, and no test may ask for it")),
    );
    none_of(found);
}
