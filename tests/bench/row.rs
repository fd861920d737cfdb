//! The table: a row for each target of the project, and what it takes to meet it.

use std::io::Write as _;
use std::time::Duration;

/// What the rows stand under.
const HEAD: &str = "\
| work | ours | the limit, in this run | of it | target | CPU per unit | peak memory | met |
| --- | --- | --- | --- | --- | --- | --- | --- |";

/// One row.
#[derive(Default)]
pub(crate) struct Row {
    /// What is done.
    pub(crate) work: String,
    /// What listmill did.
    pub(crate) ours: String,
    /// What it is held against, measured beside it.
    pub(crate) limit: String,
    /// Ours of the limit.
    pub(crate) ratio: Option<f64>,
    /// What it should be.
    pub(crate) target: String,
    /// CPU of listmill for each unit of the work.
    pub(crate) cpu: String,
    /// The most memory of listmill's process, in MB.
    pub(crate) peak: Option<f64>,
    /// It is. None: there is nothing to meet.
    pub(crate) met: Option<bool>,
}

/// What has been measured, printed row by row.
#[derive(Default)]
pub(crate) struct Table {
    begun: bool,
    met: usize,
    missed: Vec<String>,
    skipped: Vec<String>,
}

impl Table {
    /// One more row.
    pub(crate) fn row(&mut self, row: &Row) {
        if !std::mem::replace(&mut self.begun, true) {
            println!("{HEAD}");
        }
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let peak = row.peak.map_or(String::new(), |peak| format!("{peak:.1} MB"));
        let met = row.met.map_or("", |met| if met { "yes" } else { "**no**" });
        let Row { work, ours, limit, target, cpu, .. } = row;
        println!("| {work} | {ours} | {limit} | {ratio} | {target} | {cpu} | {peak} | {met} |");
        // Whoever looks on wants to see it now.
        std::io::stdout().flush().ok();
        match row.met {
            Some(true) => self.met += 1,
            Some(false) => self.missed.push(work.clone()),
            None => {}
        }
    }

    /// A row that cannot be measured here.
    pub(crate) fn skip(&mut self, work: &str, why: &str) {
        self.skipped.push(format!("{work}: {why}"));
        self.row(&Row { work: work.to_owned(), ours: format!("skipped: {why}"), ..Row::default() });
    }

    /// What is to be said of all of it.
    pub(crate) fn end(&self) {
        println!("\n{} targets met, {} missed, {} skipped.", self.met, self.missed.len(), self.skipped.len());
        self.missed.iter().for_each(|work| println!("* missed: {work}"));
        self.skipped.iter().for_each(|work| println!("* skipped: {work}"));
    }
}

/// How many in a second.
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// Microseconds for each of so many.
pub(crate) fn micros_each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}

/// A count for people: 12,345.
pub(crate) fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Octets for people, of so many KiB.
pub(crate) fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
