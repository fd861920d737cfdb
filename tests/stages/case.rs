//! One case: a directory, read, and its steps, decided one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use listmill_core::{Context, Disposition, MessageFile, StoreChange, Timestamp};
use listmill_queue_format::{Entry, EntryId, Envelope, Facts, Hop, Queue, Recipient, encode};
use listmill_tests::view::{MemoryView, Reading};
use serde::Deserialize;

use crate::expect::Expected;
use crate::files::{Files, root};
use crate::site::Site;

/// A case, ready to be decided.
pub(crate) struct Case {
    queue: Queue,
    files: Files,
    context: ContextFile,
    /// The store, as the steps so far have left it.
    pub(crate) view: MemoryView,
    /// The store as it was before each of them, the latest first.
    before: Vec<MemoryView>,
}

/// One entry, and when and where it is decided about.
pub(crate) struct Step {
    number: u32,
    pub(crate) entry: Entry,
    pub(crate) cx: Context,
    pub(crate) site: Site,
}

/// `envelope.toml`: the entry, less the message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeFile {
    sender: String,
    #[serde(default)]
    recipients: Vec<String>,
    list: Option<String>,
    #[serde(default)]
    facts: Facts,
    #[serde(default)]
    trace: Vec<Hop>,
    /// The distribution list.
    #[serde(default)]
    distribution: Vec<Recipient>,
    /// The file with the message; the empty text: an empty message.
    message: Option<String>,
}

/// `context.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextFile {
    now: Timestamp,
    #[serde(default)]
    seed: u64,
    /// Absent in a later step: that of the case.
    site: Option<Site>,
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
        let stage = below.iter().next().unwrap_or_default().to_string_lossy();
        let queue: Queue = stage.parse().map_err(|error: listmill_queue_format::UnknownQueue| error.to_string())?;
        let files = Files::of(folder);
        let context: ContextFile = files.toml("context.toml", &[])?;
        let message = |name: &str| files.message(name, &[]);
        let reading = Reading { now: context.now, message: &message };
        let view = MemoryView::read(&files.text("store.toml", &[])?, &reading)
            .map_err(|error| format!("store.toml: {error}"))?;
        Ok(Case { queue, files, context, view, before: Vec::new() })
    }

    /// Where tokens are taken from: the store as it is, or else as it was, so that a token can come once more.
    fn views(&self) -> Vec<&MemoryView> {
        std::iter::once(&self.view).chain(&self.before).collect()
    }

    /// The step of this number, counting from 1, if the case has it.
    pub(crate) fn step(&self, number: u32) -> Result<Option<Step>, String> {
        if number > 1 && !self.files.has_own(&format!("{number}-expect.toml")) {
            return Ok(None);
        }
        let later = format!("{number}-context.toml");
        let later: Option<ContextFile> =
            if number > 1 && self.files.has_own(&later) { Some(self.files.toml(&later, &[])?) } else { None };
        let context = later.as_ref().unwrap_or(&self.context);
        let site = context.site.clone().or_else(|| self.context.site.clone()).unwrap_or_default();
        let entry = self.entry(number, context.now)?;
        Ok(Some(Step { number, entry, cx: Context { now: context.now, seed: context.seed }, site }))
    }

    fn entry(&self, step: u32, now: Timestamp) -> Result<Entry, String> {
        let file: EnvelopeFile = self.files.toml(&self.files.in_step(step, "envelope.toml"), &self.views())?;
        let envelope = Envelope { sender: file.sender, recipients: file.recipients, ..Envelope::default() };
        let message = match file.message.as_deref() {
            Some("") => Vec::new(),
            Some(name) => self.files.message(name, &self.views())?,
            None => self.files.message(&self.message_name(step), &self.views())?,
        };
        let chance = u8::try_from(6 + step).map_err(|_| "a case has a few steps".to_owned())?;
        let mut entry = Entry::arrived(EntryId::fresh(now, [chance; 10]), now, envelope, message.into());
        entry.queue = self.queue;
        entry.list = file.list;
        entry.facts = file.facts;
        entry.trace = file.trace;
        entry.recipients = file.distribution;
        Ok(entry)
    }

    fn message_name(&self, step: u32) -> String {
        let names = [format!("{step}-message.raw"), format!("{step}-message.eml"), "message.raw".to_owned()];
        let own = names.into_iter().find(|name| self.files.has_own(name));
        own.unwrap_or_else(|| "message.eml".to_owned())
    }

    /// Does what was decided, as far as it changes the store, and gives what the case expected.
    pub(crate) fn finish(&mut self, step: &Step, decided: &[Disposition]) -> Result<Expected, String> {
        self.before.insert(0, self.view.clone());
        let changes = decided.iter().filter_map(|disposition| change(disposition, &step.entry));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        self.view
            .apply(&changes, step.cx.now)
            .map_err(|refusal| format!("the store refuses what was decided: {refusal}"))?;
        let name = if step.number > 1 { format!("{}-expect.toml", step.number) } else { "expect.toml".to_owned() };
        // A letter may hold the token of what was opened just now, or of what is closed with it.
        self.files.toml(&name, &self.views())
    }

    /// Every file of the case was of use.
    pub(crate) fn check_files(&self) -> Result<(), String> {
        self.files.check()
    }
}

/// What the shell commits for this disposition.
fn change(disposition: &Disposition, read: &Entry) -> Option<Result<StoreChange, String>> {
    match disposition {
        Disposition::Change(change) => Some(Ok(change.clone())),
        Disposition::Hold { post } => {
            let file = encode(read).map_err(|error| error.to_string());
            Some(file.map(|file| StoreChange::Hold { post: post.clone(), file: MessageFile(file) }))
        }
        _ => None,
    }
}
