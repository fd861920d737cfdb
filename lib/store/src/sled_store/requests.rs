//! Unconfirmed requests.
//!
//! One request of a kind is open for a person on a list. Its handle leads to it; where another open request of the list has the same
//! handle, which chance may bring about, the later one is refused: two requests under one handle would be one too many.

use listmill_core::{Address, ListAddress, Refusal, Request, RequestKind};
use listmill_queue_format::EntryId;

use super::apply::Application;
use super::engine::Fault;
use super::keys;
use super::maps::{self, get_json, put_json};

impl Application<'_, '_> {
    pub(super) fn open_request(&mut self, request: &Request, instead: Option<EntryId>) -> Result<(), Fault> {
        let list = &request.list;
        let key = keys::of_request(request);
        let old = self.need_opened(list, request.kind, &request.address, instead)?;
        let namesake = maps::handles(list).get(self.draft, request.handle.as_bytes())?;
        if namesake.is_some_and(|other| other != key) {
            return Err(changed(list, request.kind, &request.address));
        }
        if let Some(old) = old {
            self.drop_request(&old)?;
        }
        put_json(self.draft, &maps::requests(list), &key, request)?;
        maps::handles(list).insert(self.draft, request.handle.as_bytes(), &key)?;
        maps::times_of_requests().insert(self.draft, &keys::timed(request.expires, list, &key), &[])?;
        self.count(list, |counters| counters.requests += 1)
    }

    pub(super) fn close_request(
        &mut self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
        opened: EntryId,
    ) -> Result<(), Fault> {
        let request = self.need_opened(list, kind, address, Some(opened))?;
        request.map_or(Ok(()), |request| self.drop_request(&request))
    }

    /// A request goes, with all that leads to it.
    pub(super) fn drop_request(&mut self, request: &Request) -> Result<(), Fault> {
        let (list, key) = (&request.list, keys::of_request(request));
        maps::requests(list).remove(self.draft, &key)?;
        maps::handles(list).remove(self.draft, request.handle.as_bytes())?;
        maps::times_of_requests().remove(self.draft, &keys::timed(request.expires, list, &key))?;
        self.count(list, |counters| counters.requests = counters.requests.saturating_sub(1))
    }

    /// The request that is open, which must be the one that this entry opened; none: there must be none.
    fn need_opened(
        &mut self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
        opened: Option<EntryId>,
    ) -> Result<Option<Request>, Fault> {
        self.need_list(list)?;
        let found: Option<Request> = get_json(self.draft, &maps::requests(list), &keys::request(kind, address))?;
        if found.as_ref().map(|found| found.opened) == opened { Ok(found) } else { Err(changed(list, kind, address)) }
    }
}

fn changed(list: &ListAddress, kind: RequestKind, address: &Address) -> Fault {
    Refusal::RequestChanged { list: list.clone(), kind, address: address.clone() }.into()
}
