//! `listmill demo`: the whole story on this machine, with the real program and nothing else.
//!
//! A site in a directory of its own, a list, members, a post by LMTP, the queues that it passes, its copies with their return
//! paths, a nonmember's post that is held, and let through by its moderator's mail. The relay is a maildir, so no mail leaves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use listmill_core::{Address, ListAddress};
use listmill_mail::message::Message;
use listmill_runner::config::Site;

use crate::commands::{explain, init, list, member};
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::output::line;
use crate::serve::Serving;
use crate::wiring;

/// The story takes seconds; this is when something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

const SITE: &str = r#"# The site of `listmill demo`.
[site]
domains = ["lists.example.org"]
admins = ["postmaster@example.org"]
host = "demo.example.org"

[inbound]
listen = ["lmtp://127.0.0.1:0"]

[auth]
# The mail server in front, which says in each message whose it is.
trusted_authserv_ids = ["mx.example.org"]

[outbound]
# No mail leaves: each copy becomes a file below copies/new.
relay = "maildir:copies"
"#;

const POST: &str = "From: Alice Ames <alice@example.net>\r\nTo: dev@lists.example.org\r\nSubject: The wheel turns\r\n\
Date: Sun, 22 Nov 2026 09:00:00 +0000\r\nMessage-ID: <first@example.net>\r\n\r\nThe first post. Bob, Carol: can you read me?\r\n";

const STRANGE: &str = "From: Mallory <mallory@example.com>\r\nTo: dev@lists.example.org\r\nSubject: May I?\r\n\
Date: Sun, 22 Nov 2026 09:01:00 +0000\r\nMessage-ID: <second@example.com>\r\n\r\nI am not on the list, but I have a question.\r\n";

/// What the moderator answers; the mail server in front has put its authentication result on top.
const APPROVAL: &str = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\r\n\
From: Olivia <olivia@example.org>\r\nTo: ADDRESS\r\nSubject: Re: May I?\r\nDate: Sun, 22 Nov 2026 09:02:00 +0000\r\n\
Message-ID: <third@example.org>\r\n\r\napprove\r\n";

pub(crate) fn run(dir: Option<PathBuf>) -> Outcome {
    let dir = dir.unwrap_or_else(|| std::env::temp_dir().join(format!("listmill-demo-{}", std::process::id())));
    let empty = fs::read_dir(&dir).map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        return Err(Failure::usage(format!("{} is not empty: name another directory with --dir", dir.display())));
    }
    let site = init::write(&dir, SITE)?;
    let runtime = wiring::runtime().map_err(|error| Failure::io("start the runtime", &error))?;
    let serving = Serving::start(&site, wiring::SERVED, &runtime)?;
    let told = story(&site, &dir, &serving);
    serving.stop();
    told?;
    line(format!(
        "\nEverything is in {}: look at copies/new, and run `listmill -c {}/listmill.toml status`.",
        dir.display(),
        dir.display()
    ))
}

fn story(site: &Site, dir: &Path, serving: &Serving) -> Outcome {
    // The runners own the store now: the office works through the control socket, as any second process would.
    let office = Office::of(site.clone())?;
    let dev: ListAddress = "dev@lists.example.org".parse().map_err(Failure::data)?;
    let address = |text: &str| text.parse::<Address>().map_err(Failure::data);

    line("1. A list and three members\n")?;
    let description = BTreeMap::from([("description".to_owned(), "Development of the mill".to_owned())]);
    list::create(&office, dev.clone(), vec![address("olivia@example.org")?], description)?;
    let members = ["alice@example.net", "bob@example.net", "carol@example.com"];
    let members = members.into_iter().map(address).collect::<Outcome<Vec<_>>>()?;
    office.commit("demo", member::additions(&office, &dev, members, "", &[])?)?;
    line(format!("   {dev}, owner olivia@example.org, members alice, bob, carol"))?;

    line("\n2. A member's post: what would happen (listmill explain), and then LMTP\n")?;
    explain::print(&explain::steps(&office, dev.address(), None, POST.as_bytes())?)?;
    line("")?;
    let listen = serving.listen.first().ok_or_else(|| Failure::unavailable("nothing is listening"))?;
    lmtp(listen, "alice@example.net", dev.as_str(), POST)?;

    line("\n3. Its copies: each recipient has a return path of their own, signed (VERP)\n")?;
    copies(dir, 3)?;

    line("\n4. A stranger's post is held\n")?;
    explain::print(&explain::steps(&office, dev.address(), None, STRANGE.as_bytes())?)?;
    line("")?;
    lmtp(listen, "mallory@example.com", dev.as_str(), STRANGE)?;
    let post = wait(|| Ok(office.store.held(&dev, None, 1)?.pop()), "the post to be held")?;
    line(format!(
        "   held as number {} on {dev}: {}",
        post.id,
        post.reasons.first().map_or("", |hit| hit.reason.as_str())
    ))?;

    line("\n5. ... its moderator gets a letter\n")?;
    let letter = wait(|| letter(dir, "olivia@example.org"), "the moderator's letter")?;
    let answer_to = field(&letter, "Reply-To").trim_matches(['<', '>']).to_owned();
    for name in ["From", "To", "Subject", "Reply-To"] {
        line(format!("   {name}: {}", field(&letter, name)))?;
    }

    line("\n6. ... and answers it: approve (or at the command line: listmill held accept)\n")?;
    lmtp(listen, "olivia@example.org", &answer_to, &APPROVAL.replace("ADDRESS", &answer_to))?;
    line("")?;
    copies(dir, 6)
}

/// The first letter to this person.
fn letter(dir: &Path, to: &str) -> Outcome<Option<String>> {
    let found = delivered(dir).into_iter().find(|text| field(text, "Delivered-To") == to);
    Ok(found)
}

/// A header field of a message, unfolded; empty when it is not there.
fn field(text: &str, name: &str) -> String {
    let message = Message::parse(text.as_bytes());
    message.text(name).unwrap_or_default()
}

/// Everything that was delivered, the oldest first.
fn delivered(dir: &Path) -> Vec<String> {
    let new = dir.join("copies").join("new");
    let mut files: Vec<_> = fs::read_dir(&new).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort_by_key(|file| fs::metadata(file).and_then(|meta| meta.modified()).ok());
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

/// One message by LMTP (RFC 2033), the dialogue shown.
fn lmtp(listen: &str, sender: &str, recipient: &str, message: &str) -> Outcome {
    let address = listen.trim_start_matches("lmtp://");
    let failed = |error| Failure::io("speak LMTP", &error);
    let stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut replies = BufReader::new(stream.try_clone().map_err(failed)?);
    let mut stream = stream;
    let mut reply = || -> Outcome<String> {
        loop {
            let mut text = String::new();
            replies.read_line(&mut text).map_err(failed)?;
            // A line of a reply that goes on has a hyphen behind the code (RFC 5321 §4.2.1).
            if text.as_bytes().get(3) != Some(&b'-') {
                return Ok(text.trim_end().to_owned());
            }
        }
    };
    line(format!("   < {}", reply()?))?;
    let dialogue = [
        "LHLO mx.example.org".to_owned(),
        format!("MAIL FROM:<{sender}>"),
        format!("RCPT TO:<{recipient}>"),
        "DATA".to_owned(),
    ];
    for command in dialogue {
        stream.write_all(format!("{command}\r\n").as_bytes()).map_err(failed)?;
        line(format!("   > {command}"))?;
        line(format!("   < {}", reply()?))?;
    }
    stream.write_all(format!("{message}.\r\n").as_bytes()).map_err(failed)?;
    line("   > ... the message ...")?;
    let stored = reply()?;
    line(format!("   < {stored}"))?;
    stream.write_all(b"QUIT\r\n").map_err(failed)?;
    if stored.starts_with("250") {
        Ok(())
    } else {
        Err(Failure::unavailable(format!("the post was not taken: {stored}")))
    }
}

/// Waits until there are `count` copies of posts, and shows the last three.
fn copies(dir: &Path, count: usize) -> Outcome {
    let ready = || {
        let mut copies = delivered(dir);
        copies.retain(|text| field(text, "Return-Path").contains("-bounces+"));
        Ok((copies.len() >= count).then_some(copies))
    };
    for copy in wait(ready, &format!("{count} copies"))?.iter().skip(count - 3) {
        line(format!("   Return-Path: {}", field(copy, "Return-Path")))?;
        line(format!("     Delivered-To: {}   Subject: {}", field(copy, "Delivered-To"), field(copy, "Subject")))?;
    }
    Ok(())
}

fn wait<T>(mut ready: impl FnMut() -> Outcome<Option<T>>, what: &str) -> Outcome<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = ready()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::unavailable(format!(
        "waited {} s for {what} in vain: this is a fault in listmill",
        PATIENCE.as_secs()
    )))
}
