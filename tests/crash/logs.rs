//! Whatever becomes of an entry, each line about it says which entry, and which message.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::sync::{Arc, Once};

use listmill_core::{Disposition, StoreChange, Timestamp, Unavailable};
use listmill_queue_format::{Entry, Queue};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::prelude::*;

use crate::breaking::{Fate, Hazard};
use crate::fake::{Fake, add_bob, bob, dev, forward, hold};
use crate::mill::{Mill, carry_one, entry, hazardous};

thread_local! {
    /// What this thread wants to hear of: tests do not hear each other.
    static LEVEL: Cell<LevelFilter> = const { Cell::new(LevelFilter::OFF) };
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// To be called before anything is logged: whoever logs before anybody listens may never be heard.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The form of the program's `--log-format json`.
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| Lines);
        let wanted = dynamic_filter_fn(|metadata, _| *metadata.level() <= LEVEL.get());
        tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    });
}

/// The lines of this level and above that `run` writes.
fn lines_of(level: LevelFilter, run: impl FnOnce()) -> Vec<Value> {
    LEVEL.set(level);
    run();
    LEVEL.set(LevelFilter::OFF);
    let bytes = LINES.take();
    let parsed = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    parsed.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Lets a stage decide about an entry while nothing goes wrong but this; the lines about it.
fn told(level: LevelFilter, hazard: &Arc<Hazard>, stage: &Fake) -> (Entry, Vec<Value>) {
    let mill = Mill::new();
    let safe = mill.start();
    let entry = entry(Queue::Moderation);
    safe.queues.put(std::slice::from_ref(&entry)).unwrap();
    let shell = hazardous(&safe, hazard);
    let lines = lines_of(level, || drop(carry_one(&shell, stage)));
    let about = |line: &Value| line["target"].as_str().unwrap().starts_with("listmill_runner");
    (entry, lines.into_iter().filter(about).collect())
}

fn assert_names(entry: &Entry, line: &Value) {
    let span = &line["span"];
    assert_eq!(span["entry"], entry.id.to_string(), "{line}");
    assert_eq!(span["message_id"], format!("{}@example.net", entry.id), "{line}");
    assert_eq!((&span["runner"], &span["list"]), (&"moderation".into(), &"dev@lists.example.org".into()), "{line}");
}

#[test]
fn each_line_about_an_entry_names_it_and_its_message() {
    let wrong = || StoreChange::RemoveMember { list: dev(), address: bob() };
    let away = || Unavailable { reason: "away".to_owned() };
    let cases: [(&str, &str, Fake); 8] = [
        ("INFO", "forward to pending: a test", Fake::deciding(|entry| vec![forward(entry, 0, Queue::Pending)])),
        ("INFO", "hold: ", Fake::new(|entry, _, cx| Ok(vec![hold(entry, cx)]))),
        ("INFO", "discard: so", Fake::deciding(|_| vec![Disposition::Discard { reason: "so".to_owned() }])),
        ("INFO", "defer until", {
            Fake::deciding(|_| vec![Disposition::Defer { until: Timestamp::now(), reason: "so".to_owned() }])
        }),
        ("WARN", "put off: the store cannot be read now: away", Fake::new(move |_, _, _| Err(away()))),
        ("ERROR", "shunted: the stage decided nothing", Fake::deciding(|_| Vec::new())),
        ("ERROR", "shunted: ", Fake::deciding(|entry| panic!("what is that, in {}?", entry.id))),
        ("ERROR", "shunted: the store refused", Fake::deciding(move |_| vec![Disposition::Change(wrong())])),
    ];
    for (level, says, stage) in cases {
        let (entry, lines) = told(LevelFilter::TRACE, &Hazard::new(Fate::Panics, 9), &stage);
        let last = lines.last().unwrap_or_else(|| panic!("nothing is said of {says}"));
        assert_eq!(last["level"], level, "{last}");
        assert!(last["message"].as_str().unwrap().starts_with(says), "{last}");
        lines.iter().for_each(|line| assert_names(&entry, line));
        assert_eq!(lines.len(), if says.contains("refused") { 9 } else { 1 }, "{lines:?}");
    }
}

#[test]
fn what_goes_wrong_is_told_with_its_entry_however_little_is_logged() {
    let stage = || Fake::deciding(|entry| vec![Disposition::Change(add_bob()), forward(entry, 0, Queue::Pending)]);
    for (at, level, says) in [
        (0, LevelFilter::WARN, "put off: a test says so"),
        (1, LevelFilter::WARN, "put off: "),
        (2, LevelFilter::WARN, "put off: the store cannot be read now: a test says so"),
        (3, LevelFilter::ERROR, "the queue failed: "),
    ] {
        let (entry, lines) = told(level, &Hazard::new(Fate::FailsBefore, at), &stage());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0]["message"].as_str().unwrap().starts_with(says), "{}", lines[0]);
        assert_names(&entry, &lines[0]);
    }
}
