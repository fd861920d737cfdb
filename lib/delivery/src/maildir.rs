//! `maildir:DIR`: staging. Every copy becomes a file in `DIR/new`, and no mail leaves.
//!
//! A file is the message as it would have left, with `Return-Path:`, `X-Envelope-To:` and `Delivered-To:` in front of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::addresses::is_sendable;
use crate::content::without_transparency;
use crate::{Broken, Outgoing, Relay, Reply};

/// A maildir that takes transactions.
#[derive(Debug, Clone)]
pub(crate) struct MaildirRelay {
    dir: PathBuf,
    host: String,
}

/// Makes the names of one process distinct.
static COUNTER: AtomicU64 = AtomicU64::new(0);

impl MaildirRelay {
    /// The maildir in this directory; its folders are made when they are not there.
    pub(crate) fn open(dir: &Path, host: &str) -> io::Result<MaildirRelay> {
        for folder in ["tmp", "new", "cur"] {
            std::fs::create_dir_all(dir.join(folder))?;
        }
        Ok(MaildirRelay { dir: dir.to_owned(), host: host.replace(['/', ':'], "_") })
    }

    fn name(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        format!("{}.M{:06}P{}Q{count}.{}", now.as_secs(), now.subsec_micros(), std::process::id(), self.host)
    }

    /// In `tmp`, synced, renamed into `new`: a reader never sees half a file.
    fn store(&self, bytes: &[u8]) -> io::Result<()> {
        let name = self.name();
        let tmp = self.dir.join("tmp").join(&name);
        let mut file = File::create_new(&tmp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(tmp, self.dir.join("new").join(name))
    }

    fn store_all(&self, copies: Vec<Option<Vec<u8>>>) -> Vec<Reply> {
        let stored: Vec<io::Result<bool>> =
            copies.into_iter().map(|copy| copy.map_or(Ok(false), |bytes| self.store(&bytes).map(|()| true))).collect();
        let synced = File::open(self.dir.join("new")).and_then(|dir| dir.sync_all());
        let told = |one: io::Result<bool>| match (one, &synced) {
            (Ok(true), Ok(())) => Reply { code: 250, status: "2.0.0".to_owned(), text: "stored".to_owned() },
            (Ok(false), _) => Reply { code: 553, status: "5.1.3".to_owned(), text: "not an address".to_owned() },
            (Ok(true), Err(error)) => failed(&self.dir, error),
            (Err(error), _) => failed(&self.dir, &error),
        };
        stored.into_iter().map(told).collect()
    }
}

/// RFC 3463 §3.4, X.3.0: something about the mail system, ours.
fn failed(dir: &Path, error: &io::Error) -> Reply {
    Reply {
        code: 451,
        status: "4.3.0".to_owned(),
        text: format!("the maildir {} cannot be written: {error}", dir.display()),
    }
}

fn copy(outgoing: &Outgoing<'_>, address: &str) -> Option<Vec<u8>> {
    let path = outgoing.return_path;
    if !is_sendable(address) || !(path.is_empty() || is_sendable(path)) {
        return None;
    }
    let front = format!("Return-Path: <{path}>\r\nX-Envelope-To: {address}\r\nDelivered-To: {address}\r\n");
    Some([front.as_bytes(), &without_transparency(outgoing.prefix), &without_transparency(outgoing.message)].concat())
}

impl Relay for MaildirRelay {
    async fn transact(&mut self, outgoing: &Outgoing<'_>, _: Option<&Outgoing<'_>>) -> Result<Vec<Reply>, Broken> {
        let copies = outgoing.recipients.iter().map(|address| copy(outgoing, address)).collect();
        let maildir = self.clone();
        let stored = tokio::task::spawn_blocking(move || maildir.store_all(copies)).await;
        stored.map_err(|error| Broken { reply: Reply::none("4.3.0", error.to_string()), asked: true, again: false })
    }

    fn takes_ahead(&self) -> bool {
        false
    }

    fn makes_paths(&self) -> bool {
        false
    }

    fn is_ahead(&self) -> bool {
        false
    }

    fn is_broken(&self) -> bool {
        false
    }

    async fn quit(self) {}
}
