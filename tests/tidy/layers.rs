//! Who may import whom: every manifest against `specs/layers.toml`.
//!
//! Why: the whole design rests on stages that cannot reach a socket, a file, the clock or each other. Cargo enforces what the
//! manifests say; this check says what the manifests may say. It also keeps each outside library behind one border.
//!
//! To see it fail on the real tree:
//! `cargo add -p listmill-moderation tokio && cargo test -p listmill-tests --test tidy every_manifest; git checkout runners/moderation Cargo.lock`
//! (or `cargo add -p listmill-moderation listmill-auth` for a stage that imports a stage). The last two tests here do the same on a copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::{none_of, tree};

#[derive(Deserialize)]
struct Rules {
    layer: Vec<Layer>,
    pure: Pure,
    outside: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Layer {
    name: String,
    crates: Vec<String>,
    may_import: Vec<String>,
    pure: bool,
}

#[derive(Deserialize)]
struct Pure {
    unreachable: BTreeSet<String>,
}

impl Rules {
    fn of_the_workspace() -> Self {
        toml::from_str(&tree::text("specs/layers.toml")).expect("specs/layers.toml has its form")
    }

    fn layer_of(&self, name: &str) -> Option<&Layer> {
        self.layer.iter().find(|layer| layer.crates.iter().any(|known| known == name))
    }
}

/// What the check looks at.
#[derive(Default, Clone)]
struct Graph {
    /// Our crates, each with what its manifest names.
    ours: BTreeMap<String, Vec<Dependency>>,
    /// Every package, with the packages that its build needs (not those of its tests).
    needs: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone)]
struct Dependency {
    name: String,
    for_tests: bool,
}

impl Graph {
    /// The graph of the workspace in `folder`, for this machine's platform.
    fn read(folder: &Path) -> Self {
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(folder).output().expect("cargo can be run");
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
        let metadata = run(&cargo, &["metadata", "--format-version=1", "--offline", "--no-deps"]);
        // Not `cargo metadata`, which counts optional dependencies that no feature of this build asks for.
        let tree = ["tree", "--offline", "--workspace", "--edges=normal,build", "--prefix=depth", "--format= {p}"];
        Graph { ours: ours(&serde_json::from_str(&metadata).unwrap()), needs: needs(&run(&cargo, &tree)) }
    }

    /// Everything that the build of `name` needs, each with the package that brings it.
    fn reach(&self, name: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![name.to_owned()];
        while let Some(from) = open.pop() {
            for to in self.needs.get(&from).into_iter().flatten() {
                if !found.contains_key(to) {
                    found.insert(to.clone(), from.clone());
                    open.push(to.clone());
                }
            }
        }
        found
    }
}

/// What the manifests of the workspace name.
fn ours(metadata: &Value) -> BTreeMap<String, Vec<Dependency>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]).into_iter().map(|package| {
        let named = list(&package["dependencies"])
            .into_iter()
            .map(|dependency| Dependency { name: word(&dependency["name"]), for_tests: dependency["kind"] == "dev" });
        (word(&package["name"]), named.collect())
    });
    packages.collect()
}

/// Who needs whom, by a tree with the depth before each package: `2 tokio v1.54.0`. What a package needs stands below its first mention.
fn needs(tree: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (mut needs, mut above) = (BTreeMap::<String, BTreeSet<String>>::new(), Vec::<String>::new());
    for line in tree.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(depth), Some(name)) = (words.next().and_then(|word| word.parse().ok()), words.next()) else {
            continue;
        };
        above.truncate(depth);
        // Two versions of one package are one name here: either would be wrong.
        needs.entry(name.to_owned()).or_default();
        if let Some(parent) = above.last() {
            needs.entry(parent.clone()).or_default().insert(name.to_owned());
        }
        above.push(name.to_owned());
    }
    needs
}

/// Every way in which the graph breaks the rules.
fn findings(rules: &Rules, graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for name in rules.layer.iter().flat_map(|layer| &layer.crates) {
        if !graph.ours.contains_key(name) {
            found.push(format!("specs/layers.toml names {name}, and there is no such crate"));
        }
    }
    for (name, dependencies) in &graph.ours {
        let Some(layer) = rules.layer_of(name) else {
            found.push(format!("{name} stands in no layer of specs/layers.toml"));
            continue;
        };
        for dependency in dependencies {
            found.extend(named(rules, graph, layer, name, dependency));
        }
        if layer.pure {
            let reach = graph.reach(name);
            let wrong = reach.iter().filter(|(to, _)| rules.pure.unreachable.contains(*to));
            found
                .extend(wrong.map(|(to, from)| {
                    format!("{name} is pure (layer {}) and reaches {to} through {from}", layer.name)
                }));
        }
    }
    found
}

/// What is wrong with one dependency that a manifest names.
fn named(rules: &Rules, graph: &Graph, layer: &Layer, name: &str, dependency: &Dependency) -> Option<String> {
    let to = &dependency.name;
    if graph.ours.contains_key(to) {
        let of = rules.layer_of(to).map_or("none", |layer| layer.name.as_str());
        let allowed = layer.may_import.iter().any(|may| may == of);
        return (!allowed).then(|| format!("{name} (layer {}) imports {to} (layer {of})", layer.name));
    }
    let owners = rules.outside.get(to)?;
    let free = dependency.for_tests || layer.name == "T" || owners.contains(&name.to_owned());
    (!free).then(|| format!("{name} names {to}, which only {} may", owners.join(", ")))
}

#[test]
fn every_manifest_keeps_to_the_layers() {
    none_of(findings(&Rules::of_the_workspace(), &Graph::read(&tree::root())));
}

#[test]
fn the_architecture_page_names_every_crate_and_its_layer() {
    let page = tree::text("specs/architecture.md");
    let crates = Rules::of_the_workspace().layer.into_iter().flat_map(|layer| layer.crates);
    none_of(
        crates.filter(|name| !page.contains(&format!("`{name}`"))).map(|name| format!("{name} is not in it")).collect(),
    );
}

#[test]
fn a_stage_that_names_tokio_is_found() {
    let mut graph = Graph::read(&tree::root());
    graph.ours.get_mut("listmill-moderation").unwrap().push(Dependency { name: "tokio".into(), for_tests: false });
    graph.needs.get_mut("listmill-moderation").unwrap().insert("tokio".into());
    let found = findings(&Rules::of_the_workspace(), &graph).join("\n");
    assert!(found.contains("listmill-moderation names tokio"), "{found}");
    assert!(
        found.contains("listmill-moderation is pure (layer 3) and reaches tokio through listmill-moderation"),
        "{found}"
    );
}

#[test]
fn a_stage_that_reaches_tokio_through_a_library_is_found() {
    let mut graph = Graph::read(&tree::root());
    graph.needs.get_mut("mail-parser").unwrap().insert("tokio".into());
    let found = findings(&Rules::of_the_workspace(), &graph).join("\n");
    assert!(found.contains("listmill-moderation is pure (layer 3) and reaches tokio through mail-parser"), "{found}");
}

#[test]
fn a_stage_that_imports_a_stage_or_an_effects_crate_is_found() {
    for (to, layer) in [("listmill-auth", "3"), ("listmill-queue", "4"), ("listmill-runner", "5")] {
        let mut graph = Graph::read(&tree::root());
        graph.ours.get_mut("listmill-moderation").unwrap().push(Dependency { name: to.into(), for_tests: false });
        let found = findings(&Rules::of_the_workspace(), &graph).join("\n");
        assert!(found.contains(&format!("listmill-moderation (layer 3) imports {to} (layer {layer})")), "{found}");
    }
}

/// The workspace's real manifests in a new directory, with an empty source for each target.
fn copy_of_the_manifests() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in tree::files(".", &["Cargo.toml", "Cargo.lock"]) {
        let path = copy.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.text).unwrap();
    }
    for file in tree::rust_files() {
        let path = copy.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    copy
}

fn findings_with(added: &str) -> String {
    let copy = copy_of_the_manifests();
    let manifest = copy.path().join("runners/moderation/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("[dependencies]\n", &format!("[dependencies]\n{added}.workspace = true\n"), 1))
        .unwrap();
    findings(&Rules::of_the_workspace(), &Graph::read(copy.path())).join("\n")
}

#[test]
fn the_real_manifest_of_a_stage_with_tokio_fails() {
    assert_eq!(findings_with("thiserror"), "", "an ordinary library is no finding");
    let found = findings_with("tokio");
    assert!(found.contains("listmill-moderation names tokio"), "{found}");
    assert!(found.contains("listmill-moderation is pure (layer 3) and reaches mio through tokio"), "{found}");
}

#[test]
fn the_real_manifest_of_a_stage_that_imports_a_stage_fails() {
    let found = findings_with("listmill-auth");
    assert!(found.contains("listmill-moderation (layer 3) imports listmill-auth (layer 3)"), "{found}");
}
