//! What lets a member take back in one reply what was done: a request with its token, as for any confirmation.

use listmill_core::{Address, Request, RequestKind, StoreChange, Timestamp, Unavailable, Word};
use listmill_mail::token::{confirm_token, handle};

use crate::session::Session;

/// The way back.
pub(crate) struct WayBack {
    /// Where a plain reply goes.
    pub(crate) confirm: String,
    /// The token.
    pub(crate) token: String,
}

impl Session<'_> {
    /// Opens the request with which `address` has this command carried out until `expires`; one that is open for the same keeps its token.
    pub(crate) fn way_back(
        &mut self,
        (kind, command): (RequestKind, &str),
        address: &Address,
        expires: Timestamp,
    ) -> Result<WayBack, Unavailable> {
        let list = &self.list.address;
        let keys = self.view.signing_keys()?;
        let before = self.view.request(list, kind, address)?;
        let same = before.as_ref().filter(|open| open.expires > self.cx.now && open.commands == [command]);
        let opened = same.map_or(self.entry.id, |same| same.opened);
        let token = confirm_token(&keys, list, kind.name(), address, opened);
        let request = Request {
            list: list.clone(),
            kind,
            address: address.clone(),
            opened,
            handle: handle(&token).unwrap_or_default(),
            commands: vec![command.to_owned()],
            by: None,
            mailed: self.cx.now,
            expires: same.map_or(expires, |same| same.expires.max(expires)),
        };
        let confirm = list.with_word(Word::Confirm, &token);
        self.change(StoreChange::OpenRequest { request, instead: before.map(|before| before.opened) });
        Ok(WayBack { confirm, token })
    }

    /// A request that has lost its purpose is closed, if it is open.
    pub(crate) fn close(&mut self, kind: RequestKind, address: &Address) -> Result<(), Unavailable> {
        let list = &self.list.address;
        if let Some(Request { opened, .. }) = self.view.request(list, kind, address)? {
            let (list, address, outcome) = (list.clone(), address.clone(), "cancelled".to_owned());
            self.change(StoreChange::CloseRequest { list, kind, address, opened, outcome });
        }
        Ok(())
    }
}
