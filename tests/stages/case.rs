//! One case: a directory, read.

use std::fs;
use std::path::{Path, PathBuf};

use listmill_core::{Context, ListAddress, Timestamp};
use listmill_mail::token::unsubscribe_token;
use listmill_queue_format::{Entry, EntryId, Envelope, Facts, Hop, Queue};
use listmill_tests::view::MemoryView;
use serde::Deserialize;

use crate::site::Site;

/// What a case directory may hold.
const FILES: [&str; 7] =
    ["README.md", "message.eml", "message.raw", "envelope.toml", "store.toml", "context.toml", "expect.toml"];

/// A case, ready to be decided.
pub(crate) struct Case {
    /// `moderation/07-nonmember-held`.
    pub(crate) name: String,
    pub(crate) entry: Entry,
    pub(crate) view: MemoryView,
    pub(crate) cx: Context,
    pub(crate) site: Site,
    pub(crate) expect: Vec<toml::Table>,
}

/// `envelope.toml`: the entry, less the message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeFile {
    sender: String,
    recipients: Vec<String>,
    list: Option<String>,
    #[serde(default)]
    facts: Facts,
    #[serde(default)]
    trace: Vec<Hop>,
}

/// `context.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextFile {
    now: Timestamp,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    site: Site,
}

/// `expect.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectFile {
    #[serde(default)]
    disposition: Vec<toml::Table>,
}

/// `specs/cases`.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the crate `tests` lies in the workspace root").join("specs/cases")
}

/// The case directories of every stage, those below `private/` included, in order.
pub(crate) fn directories() -> Vec<PathBuf> {
    let stages = children(&root());
    let of = |stage: &PathBuf| {
        let (private, mut cases): (Vec<_>, Vec<_>) =
            children(stage).into_iter().partition(|path| path.ends_with("private"));
        cases.extend(private.iter().flat_map(|path| children(path)));
        cases
    };
    stages.iter().flat_map(of).collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{} cannot be listed: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a directory can be listed").path());
    let mut folders: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

impl Case {
    /// The case in this directory.
    pub(crate) fn load(folder: &Path) -> Result<Case, String> {
        let below = folder.strip_prefix(root()).map_err(|error| error.to_string())?;
        let name = below.to_string_lossy().replace('\\', "/");
        check_files(folder)?;
        let stage = name.split('/').next().unwrap_or_default();
        let queue: Queue = stage.parse().map_err(|error: listmill_queue_format::UnknownQueue| error.to_string())?;
        let context: ContextFile = toml_file(folder, "context.toml")?;
        let cx = Context { now: context.now, seed: context.seed };
        let view =
            MemoryView::from_toml(&text(folder, "store.toml")?).map_err(|error| format!("store.toml: {error}"))?;
        let entry = entry(folder, queue, context.now)?;
        let expect = toml_file::<ExpectFile>(folder, "expect.toml")?.disposition;
        Ok(Case { name, entry, view, cx, site: context.site, expect })
    }
}

fn check_files(folder: &Path) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let name = entry.map_err(|error| error.to_string())?.file_name();
        if !FILES.iter().any(|file| name == *file) {
            return Err(format!("{} is no file of a case", name.display()));
        }
    }
    let readme = fs::read_to_string(folder.join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let sentences = readme.split(['.', ':', '?']).filter(|part| !part.trim().is_empty()).count();
    if sentences == 0 { Err("README.md says nothing".to_owned()) } else { Ok(()) }
}

fn entry(folder: &Path, queue: Queue, now: Timestamp) -> Result<Entry, String> {
    let file: EnvelopeFile = toml_file(folder, "envelope.toml")?;
    let envelope = Envelope { sender: file.sender, recipients: file.recipients, ..Envelope::default() };
    let mut entry = Entry::arrived(EntryId::fresh(now, [7; 10]), now, envelope, message(folder)?.into());
    entry.queue = queue;
    entry.list = file.list;
    entry.facts = file.facts;
    entry.trace = file.trace;
    Ok(entry)
}

/// `message.raw` as it is; `message.eml` with CRLF, which is what a message has outside of the repository.
fn message(folder: &Path) -> Result<Vec<u8>, String> {
    if let Ok(raw) = fs::read(folder.join("message.raw")) {
        return Ok(raw);
    }
    let lines = fs::read(find(folder, "message.eml")?).map_err(|error| error.to_string())?;
    let mut message = Vec::with_capacity(lines.len() + 64);
    for byte in lines {
        if byte == b'\n' {
            message.push(b'\r');
        }
        message.push(byte);
    }
    Ok(message)
}

fn toml_file<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<T, String> {
    toml::from_str(&text(folder, name)?).map_err(|error| format!("{name}: {error}"))
}

/// The text of a file with its tokens put in.
fn text(folder: &Path, name: &str) -> Result<String, String> {
    let text = fs::read_to_string(find(folder, name)?).map_err(|error| format!("{name}: {error}"))?;
    with_tokens(&text).map_err(|error| format!("{name}: {error}"))
}

/// The file of the case; a case without one has that of its stage, or that of all cases.
fn find(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let root = root();
    let folders = folder.ancestors().take_while(|path| path.starts_with(&root));
    folders.map(|path| path.join(name)).find(|path| path.is_file()).ok_or_else(|| format!("there is no {name}"))
}

/// `{leave dev@lists.example.org bob@example.net}` becomes the unsubscribe token of that member of that list; `{LEAVE …}` the
/// same in upper case, as a mail system on the way may write it.
fn with_tokens(text: &str) -> Result<String, String> {
    let mut parts = text.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let words = part.split_once('}').map(|(words, rest)| (words.split(' ').collect::<Vec<_>>(), rest));
        whole += &match words {
            Some((words, rest)) if words[0] == "leave" => token(&words)? + rest,
            Some((words, rest)) if words[0] == "LEAVE" => token(&words)?.to_uppercase() + rest,
            _ => format!("{{{part}"),
        };
    }
    Ok(whole)
}

fn token(words: &[&str]) -> Result<String, String> {
    let [_, list, member] = words else { return Err("a token names a list and a member".to_owned()) };
    let list: ListAddress = list.parse().map_err(|error| format!("{error}"))?;
    let member = member.parse().map_err(|error| format!("{error}"))?;
    Ok(unsubscribe_token(&MemoryView::keys(), &list, &member))
}
