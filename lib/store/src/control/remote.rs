//! The other processes' side.

use std::borrow::Cow::Borrowed;
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use listmill_core::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Commit, CommitError, Committed, Decision, HeldId,
    HeldPost, List, ListAddress, Member, MessageFile, Request, RequestKind, Role, SigningKeys, Spent, StoreView,
    Timestamp, Trust, Unavailable,
};
use listmill_queue_format::{EntryId, Queue};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::protocol::{self, Answer, Question};
use super::server::Draining;
use crate::transfer::{BackupError, is_last};
use crate::{Store, StoreFigures};

/// An owner that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store that another process owns.
///
/// A lost connection is made anew once for each question, so the owner may restart between two. To repeat a batch is harmless:
/// its id tells the owner.
#[derive(Debug)]
pub struct RemoteStore {
    socket: PathBuf,
    /// How long it may take to answer.
    patience: Duration,
    /// Connections that nobody uses at the moment; each thread that asks has its own.
    idle: Mutex<Vec<UnixStream>>,
}

impl RemoteStore {
    /// Connects to the process that owns the store.
    ///
    /// # Errors
    /// Nobody listens at `socket`.
    pub fn connect(socket: &Path) -> io::Result<RemoteStore> {
        RemoteStore::connect_within(PATIENCE, socket)
    }

    /// The same with an owner that must answer within this time.
    ///
    /// # Errors
    /// Nobody listens at `socket`.
    pub fn connect_within(patience: Duration, socket: &Path) -> io::Result<RemoteStore> {
        let store = RemoteStore { socket: socket.to_owned(), patience, idle: Mutex::default() };
        let connection = store.dial()?;
        store.idle().push(connection);
        Ok(store)
    }

    /// What the owner says of itself: the answer of its [`Attendant`](super::Attendant).
    ///
    /// # Errors
    /// The owner does not answer.
    pub fn status(&self) -> Result<serde_json::Value, Unavailable> {
        self.view(&Question::Status)
    }

    /// Tells the process to let the runner of this queue finish and stop; to be asked until it has. Says how far it is.
    ///
    /// # Errors
    /// The process does not answer, or does not do that.
    pub fn drain(&self, runner: Queue) -> Result<Draining, Unavailable> {
        self.view(&Question::Drain { runner })
    }

    /// Has the owner write a backup, and passes it on to `to`. Whether it is whole says [`Backup::check`](crate::transfer::Backup::check).
    ///
    /// # Errors
    /// The owner does not answer, or has no store of its own; or `to` cannot be written.
    pub fn back_up(&self, to: &mut dyn Write) -> Result<(), BackupError> {
        let away = |error: io::Error| BackupError::Store(self.away(&error));
        let connection = self.dial().map_err(away)?;
        protocol::write_line(&mut &connection, &Question::Backup).map_err(away)?;
        let mut lines = BufReader::with_capacity(1 << 20, &connection);
        loop {
            let line = protocol::read_line(&mut lines).map_err(away)?;
            let line = line.ok_or_else(|| away(io::ErrorKind::UnexpectedEof.into()))?;
            match protocol::parse(&line) {
                Ok(Answer::<IgnoredAny>::Unavailable(reason)) => {
                    return Err(BackupError::Store(Unavailable { reason }));
                }
                Ok(Answer::NotUnderstood(what)) => {
                    return Err(BackupError::Store(Unavailable { reason: other_release(&what).to_string() }));
                }
                _ => to.write_all(&line).map_err(BackupError::Write)?,
            }
            if is_last(&line) {
                return to.flush().map_err(BackupError::Write);
            }
        }
    }

    fn away(&self, error: &io::Error) -> Unavailable {
        let socket = self.socket.display();
        Unavailable { reason: format!("the process that owns it does not answer at {socket}: {error}") }
    }

    fn view<T: DeserializeOwned>(&self, question: &Question<'_>) -> Result<T, Unavailable> {
        self.ask(question).map_err(|error| match error {
            CommitError::Unavailable(reason) => Unavailable { reason },
            CommitError::Refused(refusal) => Unavailable { reason: refusal.to_string() },
        })
    }

    fn ask<T: DeserializeOwned>(&self, question: &Question<'_>) -> Result<T, CommitError> {
        let line = self.exchange(question).map_err(|error| CommitError::Unavailable(self.away(&error).reason))?;
        match protocol::parse(&line) {
            Ok(Answer::Done(value)) => Ok(value),
            Ok(Answer::Refused(refusal)) => Err(CommitError::Refused(refusal)),
            Ok(Answer::Unavailable(reason)) => Err(CommitError::Unavailable(reason)),
            Ok(Answer::NotUnderstood(what)) => Err(other_release(&what)),
            Err(error) => Err(other_release(&error)),
        }
    }

    /// Sends a question and reads its answer, over a new connection where an idle one turns out to be dead.
    fn exchange(&self, question: &Question<'_>) -> io::Result<Vec<u8>> {
        let idle = self.idle().pop();
        if let Some(connection) = idle {
            match self.exchange_over(connection, question) {
                Err(error) if !is_timeout(&error) => {}
                answered => return answered,
            }
            // Those that lie beside a dead one are as old.
            self.idle().clear();
        }
        self.exchange_over(self.dial()?, question)
    }

    fn exchange_over(&self, connection: UnixStream, question: &Question<'_>) -> io::Result<Vec<u8>> {
        let sent = protocol::write_line(&mut &connection, question);
        // Who was turned away finds the reason to be read, though nobody reads what it wrote.
        match protocol::read_line(&mut BufReader::new(&connection)) {
            Ok(Some(line)) => {
                if sent.is_ok() {
                    self.idle().push(connection);
                }
                Ok(line)
            }
            Ok(None) => Err(sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(error),
        }
    }

    fn dial(&self) -> io::Result<UnixStream> {
        let connection = UnixStream::connect(&self.socket)?;
        connection.set_read_timeout(Some(self.patience))?;
        connection.set_write_timeout(Some(self.patience))?;
        Ok(connection)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<UnixStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn other_release(what: &str) -> CommitError {
    CommitError::Unavailable(format!(
        "the process that owns it and this one do not understand each other ({what}): is one of them an older release? Restart it"
    ))
}

impl StoreView for RemoteStore {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        self.view(&Question::List { list: Borrowed(list) })
    }

    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        self.view(&Question::Lists { after: after.map(Borrowed), limit })
    }

    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        self.view(&Question::Member { list: Borrowed(list), address: Borrowed(address) })
    }

    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        self.view(&Question::Roster { list: Borrowed(list), after: after.map(Borrowed), limit })
    }

    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        self.view(&Question::MemberCount { list: Borrowed(list) })
    }

    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        self.view(&Question::Staff { list: Borrowed(list), role: Borrowed(role.name()) })
    }

    fn held(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.view(&Question::Held { list: Borrowed(list), after, limit })
    }

    fn held_entry(&self, list: &ListAddress, id: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        self.view(&Question::HeldEntry { list: Borrowed(list), id })
    }

    fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        self.view(&Question::HeldByEntry { list: Borrowed(list), entry })
    }

    fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.view(&Question::Lapsed { at, limit })
    }

    fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable> {
        self.view(&Question::Decision { list: Borrowed(list), id })
    }

    fn decisions(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<Decision>, Unavailable> {
        self.view(&Question::Decisions { list: Borrowed(list), after, limit })
    }

    fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        self.view(&Question::Request { list: Borrowed(list), kind, address: Borrowed(address) })
    }

    fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        self.view(&Question::RequestByHandle { list: Borrowed(list), handle: Borrowed(handle) })
    }

    fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable> {
        self.view(&Question::Spent { address: Borrowed(address), trust, at })
    }

    fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        self.view(&Question::Bounces { list: Borrowed(list), address: Borrowed(address) })
    }

    fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        self.view(&Question::BouncesDue { at, limit })
    }

    fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable> {
        self.view(&Question::BounceTally { list: Borrowed(list), name: Borrowed(name) })
    }

    fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable> {
        self.view(&Question::BounceTallies { list: Borrowed(list), after: after.map(Borrowed), limit })
    }

    fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable> {
        self.view(&Question::Banned { list: Borrowed(list), address: Borrowed(address) })
    }

    fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        self.view(&Question::Bans { scope: Borrowed(scope) })
    }

    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        self.view(&Question::SigningKeys)
    }

    fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        self.view(&Question::Audit { after, limit })
    }
}

impl Store for RemoteStore {
    fn commit(&self, commit: &Commit) -> Result<Committed, CommitError> {
        self.ask(&Question::Commit { commit: Borrowed(commit) })
    }

    fn applied(&self, id: EntryId) -> Result<Option<Vec<MessageFile>>, Unavailable> {
        self.view(&Question::Applied { id })
    }

    fn outbox_done(&self, id: EntryId) -> Result<(), Unavailable> {
        self.view(&Question::OutboxDone { id })
    }

    fn outbox(&self, limit: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        self.view(&Question::Outbox { limit })
    }

    fn figures(&self) -> Result<StoreFigures, Unavailable> {
        self.view(&Question::Figures)
    }
}
