//! The office: administration on a store that `run` may own at this moment or not, and on the queues.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use listmill_core::{Commit, Committed, List, ListAddress, MessageFile, StoreChange};
use listmill_queue::QueueBackend;
use listmill_queue_format::{Entry, Timestamp, encode};
use listmill_runner::config::Site;
use listmill_runner::fresh_id;
use listmill_store::Store;

use crate::failure::{Failure, Outcome};
use crate::{backends, placement};

/// Everything that an administration command works with.
pub(crate) struct Office {
    pub(crate) site: Site,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queues: Arc<dyn QueueBackend>,
}

impl Office {
    /// Opens this site.
    pub(crate) fn of(site: Site) -> Outcome<Office> {
        placement::must_have_store(&site)?;
        // The queues first: they are refused to whom the site does not belong.
        let queues = backends::queues(&site)?;
        let store = backends::store(&site)?.store();
        Ok(Office { site, store, queues })
    }

    /// A list that must be there.
    pub(crate) fn list(&self, list: &ListAddress) -> Outcome<List> {
        self.store.list(list)?.ok_or_else(|| Failure::data(format!("there is no list {list}: see `listmill list ls`")))
    }

    /// Every list, page by page.
    pub(crate) fn each_list(&self, mut each: impl FnMut(List) -> Outcome) -> Outcome {
        let mut after: Option<ListAddress> = None;
        loop {
            let page = self.store.lists(after.as_ref(), 500)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.address.clone());
            page.into_iter().try_for_each(&mut each)?;
        }
    }

    /// Applies changes on the operator's word.
    pub(crate) fn commit(&self, why: &str, changes: Vec<StoreChange>) -> Outcome {
        self.commit_and_send(why, changes, &[])
    }

    /// Applies changes, then writes entries to their queues: the shell's order, so that a crash in between loses nothing.
    pub(crate) fn commit_and_send(&self, why: &str, changes: Vec<StoreChange>, outgoing: &[Entry]) -> Outcome {
        let files = outgoing.iter().map(|entry| encode(entry).map(MessageFile)).collect::<Result<_, _>>();
        let now = Timestamp::now();
        let commit = Commit {
            id: fresh_id(now),
            at: now,
            by: "operator".to_owned(),
            why: why.to_owned(),
            changes,
            outgoing: files.map_err(Failure::data)?,
        };
        match self.store.commit(&commit)? {
            Committed::Now => {}
            Committed::Before(_) => return Err(Failure::try_again("an id was drawn twice; run the command again")),
        }
        if !outgoing.is_empty() {
            self.queues.put(outgoing)?;
            self.store.outbox_done(commit.id)?;
        }
        Ok(())
    }
}

/// Refuses to work as somebody else than the site's user: what root leaves in a queue its runners cannot read.
pub(crate) fn own(site: &Site) -> Outcome {
    let Ok(meta) = std::fs::metadata(&site.data) else { return Ok(()) };
    let (owner, me) = (meta.uid(), rustix::process::geteuid().as_raw());
    if owner == me {
        return Ok(());
    }
    let data = site.data.display();
    Err(Failure::config(format!(
        "{data} belongs to user {owner}, and this is user {me}: run listmill as the user that it belongs to"
    )))
}
