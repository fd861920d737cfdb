//! Unconfirmed requests. One of a kind is open for a person on a list, and one has a handle.

use listmill_core::{Address, ListAddress, Refusal, Request, RequestKind};
use listmill_queue_format::EntryId;

use super::apply::Application;
use super::fault::Fault;
use super::session::{Params, change, json};
use super::sql;
use super::types::{Id, Moment, Text};

impl Application<'_> {
    pub(super) async fn open_request(&mut self, request: &Request, instead: Option<EntryId>) -> Result<(), Fault> {
        let Request { list, kind, address, .. } = request;
        let of = self.need_list(list).await?;
        if let Some(opened) = instead {
            self.drop_request(of, list, *kind, address, opened).await?;
        }
        let (key, handle) = (address.key(), Text::from(request.handle.as_str()));
        let (opened, expires) = (Id(request.opened), Moment(request.expires));
        let kind_name = kind.name();
        let record = json(request);
        let params: Params<'_> = &[&of, &kind_name, &key, &opened, &handle, &expires, &record];
        // None: there is one for this person, or another person's has the same handle.
        if change(self.sent, sql::OPEN_REQUEST, params).await? == 0 {
            Err(changed(list, *kind, address).into())
        } else {
            Ok(())
        }
    }

    pub(super) async fn close_request(
        &mut self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
        opened: EntryId,
    ) -> Result<(), Fault> {
        let of = self.need_list(list).await?;
        self.drop_request(of, list, kind, address, opened).await
    }

    async fn drop_request(
        &mut self,
        of: i64,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
        opened: EntryId,
    ) -> Result<(), Fault> {
        let gone = change(self.sent, sql::CLOSE_REQUEST, &[&of, &kind.name(), &address.key(), &Id(opened)]).await?;
        if gone == 0 { Err(changed(list, kind, address).into()) } else { Ok(()) }
    }
}

fn changed(list: &ListAddress, kind: RequestKind, address: &Address) -> Refusal {
    Refusal::RequestChanged { list: list.clone(), kind, address: address.clone() }
}
