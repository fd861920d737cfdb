//! What was sent to the list by mistake: a command, as "unsubscribe", or an answer that still has the subject of a digest, which is
//! about none of the posts in it.
//!
//! Conservative, because a person who writes *about* leaving must not be held: a command is a whole line, and the mail has
//! next to nothing else that its author wrote.

use listmill_mail::text::first_text;

use crate::chain::Hit;
use crate::post::Post;

/// A larger message is no command, and is not decoded to find out.
const LARGEST: usize = 64 * 1024;

/// Lines of the author's own beside a plain command: "Please take me off. Thank you. Bob".
const MOST_LINES: usize = 5;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    if !post.settings.hold_administrivia || post.entry.message.len() > LARGEST {
        return None;
    }
    let list = post.list?.name();
    let subject = post.message.subject();
    if is_digests(&subject) {
        return Some(Hit::because(format!("the subject is that of a digest: {:?}", subject.trim())));
    }
    let text = first_text(post.message).unwrap_or_default();
    let own = own_lines(&text);
    let (line, place) = match (command(&subject, list), own.first().and_then(|line| command(line, list))) {
        (Some(kind), _) if fits(kind, &own, list) => (subject.as_str(), "the subject"),
        (_, Some(kind)) if fits(kind, &own, list) => (*own.first()?, "the text"),
        _ => return None,
    };
    Some(Hit::because(format!("{place} is a command: {:?}", line.trim())))
}

/// The subject that list managers give a digest, also in an answer: `Re: dev Digest, Vol 3, Issue 4`.
fn is_digests(subject: &str) -> bool {
    let subject = subject.trim().to_lowercase();
    let Some((_, behind)) = subject.split_once("digest, vol ") else { return false };
    let Some((volume, issue)) = behind.split_once(", issue ") else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(volume) && is_number(issue)
}

/// How sure a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// Hardly anything else: "unsubscribe".
    Plain,
    /// Also a word of ordinary mail: a subject "help" is most often a cry for it.
    Ambiguous,
}

/// The rest of the mail goes with a command: little text behind a plain one, nothing but commands behind an ambiguous one.
fn fits(kind: Command, own: &[&str], list: &str) -> bool {
    match kind {
        Command::Plain => own.len() <= MOST_LINES,
        Command::Ambiguous => own.iter().all(|line| command(line, list).is_some()),
    }
}

/// The lines that the author wrote: no quotations, nothing behind a signature mark or a forwarded message's head.
fn own_lines(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|line| *line != "-- " && !line.starts_with("-----") && !line.starts_with("_____"))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('>') && *line != "--")
        .filter(|line| !(line.ends_with(':') && line.contains("wrote")))
        .collect()
}

/// What this whole line commands, if anything.
fn command(line: &str, list: &str) -> Option<Command> {
    let line = line.trim().to_lowercase();
    let line = line.trim_end_matches(['.', '!', ' ']);
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = words.strip_prefix(&["please"]).unwrap_or(&words);
    let words = words.strip_suffix(&["please"]).unwrap_or(words);
    let argument = |word: &&str| word.contains('@') || *word == list || word.starts_with("digest") || *word == "me";
    match words {
        ["unsubscribe" | "signoff", "me", "from", "this" | "the", "list" | "mailing"]
        | ["unsubscribe" | "signoff", "me", "from", "this" | "the", "mailing", "list"] => Some(Command::Plain),
        ["subscribe" | "unsubscribe" | "signoff", rest @ ..] if rest.len() <= 2 && rest.iter().all(argument) => {
            Some(Command::Plain)
        }
        ["join" | "leave" | "signon", rest @ ..] if rest.len() <= 2 && rest.iter().all(argument) => {
            Some(Command::Ambiguous)
        }
        ["confirm", token] if is_token(token) => Some(Command::Plain),
        ["set", option, rest @ ..] if rest.len() <= 2 && is_option(option) => Some(Command::Ambiguous),
        ["help" | "who" | "end" | "lists" | "info"] => Some(Command::Ambiguous),
        ["who" | "info", rest] if argument(rest) => Some(Command::Ambiguous),
        _ => None,
    }
}

/// Long, and with a digit: a word of a language has none.
fn is_token(word: &str) -> bool {
    word.len() >= 8
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-=._".contains(&byte))
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// What other list managers' `set` commands set.
fn is_option(word: &str) -> bool {
    [
        "ack", "noack", "mail", "nomail", "postpone", "digest", "delivery", "repro", "norepro", "conceal", "vacation",
        "hide",
    ]
    .contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_whole_line() {
        for (line, kind) in [
            ("unsubscribe", Command::Plain),
            ("  Unsubscribe. ", Command::Plain),
            ("UNSUBSCRIBE dev", Command::Plain),
            ("unsubscribe dev bob@example.net", Command::Plain),
            ("please unsubscribe me", Command::Plain),
            ("Please unsubscribe me from this list!", Command::Plain),
            ("subscribe digest", Command::Plain),
            ("signoff dev", Command::Plain),
            ("confirm 8a7f3c91", Command::Plain),
            ("join", Command::Ambiguous),
            ("leave dev", Command::Ambiguous),
            ("help", Command::Ambiguous),
            ("set digest on", Command::Ambiguous),
            ("who", Command::Ambiguous),
        ] {
            assert_eq!(command(line, "dev"), Some(kind), "{line:?}");
        }
    }

    #[test]
    fn prose_is_no_command() {
        for line in [
            "",
            "please",
            "Unsubscribe link is broken",
            "How do I unsubscribe?",
            "unsubscribe from the event bus on shutdown",
            "Re: unsubscribe",
            "subscribe to this thread",
            "Leave it as it is",
            "leave requests for May",
            "Join us on Thursday",
            "Help with the build",
            "help!?",
            "set theory",
            "set up a mirror",
            "confirm tomorrow",
            "confirm receipt",
            "who is coming",
            "end of life",
        ] {
            assert_eq!(command(line, "dev"), None, "{line:?}");
        }
    }

    #[test]
    fn the_subject_of_a_digest_is_no_posts() {
        for subject in
            ["Re: dev Digest, Vol 3, Issue 4", "dev Digest, Vol 127, Issue 12", "AW: [dev] DEV DIGEST, VOL 3, ISSUE 4 "]
        {
            assert!(is_digests(subject), "{subject:?}");
        }
        for subject in [
            "",
            "Digest, Vol 3",
            "Which allocator? (was: dev Digest, Vol 3, Issue 4)",
            "dev Digest, Vol 3, Issue 4: which allocator?",
            "digest, vol x, issue y",
            "The digest, volume 3",
        ] {
            assert!(!is_digests(subject), "{subject:?}");
        }
    }

    #[test]
    fn a_cry_for_help_is_no_command() {
        assert!(!fits(Command::Ambiguous, &["I cannot build it on arm."], "dev"));
        assert!(fits(Command::Ambiguous, &["help", "end"], "dev"));
        assert!(fits(Command::Ambiguous, &[], "dev"));
    }

    #[test]
    fn a_long_mail_that_begins_with_the_word_is_no_command() {
        let text = "unsubscribe\nis what the bus calls it when a listener goes.\n1\n2\n3\n4\n";
        assert!(!fits(Command::Plain, &own_lines(text), "dev"));
    }

    #[test]
    fn quotations_and_signatures_are_not_the_authors_own() {
        let text = "unsubscribe\n\nOn Monday Bob wrote:\n> a\n> b\n> c\n> d\n> e\n-- \nBob\nExample Ltd\n1\n2\n3\n";
        assert_eq!(own_lines(text), ["unsubscribe"]);
    }
}
