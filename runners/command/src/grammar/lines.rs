//! The commands of a message: its subject, then the lines that its author wrote.

use listmill_core::ListAddress;
use listmill_mail::message::Message;
use listmill_mail::prefixes::without_prefixes;
use listmill_mail::reply::written;

use super::table::{Command, Fault, command_of};
use crate::ask::Ask;

/// Octets of a subject; what is longer is no command.
const MAX_SUBJECT: usize = 1000;

/// Lines that are looked at.
pub(crate) const MAX_LINES: usize = 25;

/// Commands that are carried out.
pub(crate) const MAX_COMMANDS: usize = 20;

/// After so many lines in a row that are no commands, it is a letter.
const MAX_FAULTS: usize = 3;

/// One line, read.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// A command.
    Ask(Ask),
    /// A keyword, and behind it what says nothing to us.
    Usage(String, &'static Command),
    /// None that we know.
    Unknown(String),
    /// What follows is not read.
    Rest,
}

/// The commands of a message to this list. None at all: the message is empty, or an answer that says nothing.
pub(crate) fn lines(message: &Message<'_>, list: &ListAddress) -> Vec<Line> {
    let written = written(message);
    let subject = message.subject();
    let subject = without_prefixes(&subject);
    let subject = if subject.len() > MAX_SUBJECT { "" } else { subject };
    let body: Vec<&str> = written.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let mut commands = Reader { list, lines: Vec::new(), asks: 0, faults: 0 };
    let first = command_of(subject, Some(list));
    let in_body = || {
        let mut read = body.iter().take(MAX_LINES).map(|line| command_of(line, Some(list)));
        read.find(|read| !matches!(read, Err(Fault::Unknown | Fault::Usage(_)))).is_some_and(|read| read.is_ok())
    };
    let counts = match first {
        // Who writes "stop" and nothing else wants something.
        Err(Fault::End) => false,
        Ok(_) => true,
        // Of an answer, the subject is ours.
        Err(_) => !subject.is_empty() && !written.answers && !in_body(),
    };
    if counts {
        commands.take(subject);
    }
    commands.body(&body);
    if commands.lines.is_empty() && !written.answers {
        return vec![Line::Ask(Ask::Help(None))];
    }
    commands.lines
}

struct Reader<'a> {
    list: &'a ListAddress,
    lines: Vec<Line>,
    asks: usize,
    faults: usize,
}

impl Reader<'_> {
    fn body(&mut self, body: &[&str]) {
        for (at, line) in body.iter().enumerate() {
            // RFC 3676 §4.3: a signature.
            if *line == "--" {
                return;
            }
            if at == MAX_LINES || self.asks == MAX_COMMANDS || self.faults == MAX_FAULTS {
                self.lines.push(Line::Rest);
                return;
            }
            if self.take(line) {
                return;
            }
        }
    }

    /// Reads one line; true when it is the last one.
    fn take(&mut self, line: &str) -> bool {
        let read = match command_of(line, Some(self.list)) {
            Ok(ask) => Line::Ask(ask),
            Err(Fault::Usage(command)) => Line::Usage(line.to_owned(), command),
            Err(Fault::Unknown) => Line::Unknown(line.to_owned()),
            Err(Fault::End) => return true,
        };
        let is_ask = matches!(read, Line::Ask(_));
        self.asks += usize::from(is_ask);
        self.faults = if is_ask { 0 } else { self.faults + 1 };
        self.lines.push(read);
        false
    }
}
