//! The long faults, in pieces, and what they came to.
//!
//! ```text
//! cargo run -p listmill-tests --bin faults -- kills 600     go on with the sweep of kills for 600 seconds
//! cargo run -p listmill-tests --bin faults -- blows 100   kill everything at 100 random moments under load
//! cargo run -p listmill-tests --bin faults -- cuts 100      cut the power 100 times (root, loop devices)
//! cargo run -p listmill-tests --bin faults -- soak 30       seven processes for 30 minutes, killed at random
//! cargo run -p listmill-tests --bin faults -- table         what all kills so far came to
//! cargo run -p listmill-tests --bin faults -- join          the ledgers of all runs so far, joined
//! ```
//!
//! `LISTMILL_FAULTS_DIR` is where they keep what was done (else `target/faults`), `LISTMILL_TESTS_PROGRAM` a program that is built already.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that tells")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use listmill_tests::faults::disk::Disk;
use listmill_tests::faults::mill::Mill;
use listmill_tests::faults::soak::soak;
use listmill_tests::faults::storm::{Blow, blows, cuts};
use listmill_tests::faults::{sweep, table};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let place = sweep::place();
    let good = match (words.as_slice(), words.get(1).and_then(|word| number(word))) {
        (["kills", _], Some(seconds)) => {
            let books = sweep::go_on(&place, Duration::from_secs(seconds));
            print!("{books}");
            books.lost() + books.doubled_in_store() + books.phantom() == 0
        }
        (["blows", _], Some(times)) => storm(times, None),
        (["cuts", _], Some(times)) => Disk::new(512).is_some_and(|disk| storm(times, Some(&disk))),
        (["soak", _], Some(minutes)) => soaked(&place, minutes),
        (["table"], _) => {
            print!("{}", table::kills_in(&place));
            true
        }
        (["join"], _) => {
            print!("{}", table::all_runs(&place));
            true
        }
        _ => {
            eprintln!("faults kills SECONDS | blows TIMES | cuts TIMES | soak MINUTES | table | join");
            return ExitCode::from(64);
        }
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Pieces of this many blows, each with a site of its own.
const PIECE: u32 = 50;

/// Everything killed, or, on a disk, the power cut.
fn storm(times: u64, disk: Option<&Disk>) -> bool {
    let (place, moment) = (sweep::place(), Duration::from_millis(600));
    let mut good = true;
    let mut begun = 0;
    while begun < times {
        let run = sweep::new_run(&place);
        let parent = disk.map_or_else(sweep::memory, Disk::mounted);
        let mut mill = Mill::new(&parent, &run, 1_000);
        let piece = u32::try_from(times - begun).unwrap_or(PIECE).min(PIECE);
        let struck = match disk {
            None => blows(&mut mill, Blow::Kill, piece, moment, &place).map(drop),
            Some(disk) => cuts(&mut mill, disk, piece, &place).map(drop),
        };
        let books = mill.close_books();
        print!("{books}");
        good &= struck.is_ok() && books.lost() + books.doubled_in_store() + books.phantom() == 0;
        begun += u64::from(piece);
        println!("{begun} of {times}");
    }
    good
}

fn soaked(place: &Path, minutes: u64) -> bool {
    match soak(place, Duration::from_secs(60 * minutes)) {
        Err(why) => {
            eprintln!("{why}");
            false
        }
        Ok(soaked) => {
            println!("{}{} kills, drained in {:.1} s", soaked.books, soaked.kills, soaked.drained.as_secs_f64());
            soaked
                .memory
                .iter()
                .for_each(|(runner, (before, after))| println!("{runner}: {before} KiB, then {after} KiB"));
            soaked.books.lost() + soaked.books.doubled_in_store() + soaked.books.phantom() == 0
        }
    }
}
