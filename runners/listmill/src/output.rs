//! Standard output: tables for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// Writes a line; a reader that has gone (`| head`) ends the program quietly.
pub(crate) fn line(text: impl AsRef<str>) -> Outcome {
    bytes(format!("{}\n", text.as_ref()).as_bytes())
}

/// Writes bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Outcome {
    match io::stdout().lock().write_all(bytes) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::io("write to standard output", &error)),
    }
}

/// Writes one value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Outcome {
    line(serde_json::to_string_pretty(value).map_err(Failure::data)?)
}

/// Writes a table: a head, and rows of as many cells.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Outcome {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(printable(cell).chars().count());
        }
    }
    let form = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(cells.join("  ").trim_end())
    };
    form(&mut head.iter().map(|cell| (*cell).to_owned()))?;
    rows.iter().try_for_each(|row| form(&mut row.iter().map(|cell| printable(cell))))
}

/// What came from outside goes to a terminal without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// So many of something.
pub(crate) fn number(count: impl Display + PartialEq + From<u8>, one: &str, many: &str) -> String {
    let is_one = count == 1.into();
    format!("{count} {}", if is_one { one } else { many })
}

/// Octets for people.
pub(crate) fn octets(octets: u64) -> String {
    match octets {
        0..10_240 => format!("{octets} B"),
        10_240..10_485_760 => format!("{} KiB", octets >> 10),
        _ => format!("{} MiB", octets >> 20),
    }
}

/// Seconds for people.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
