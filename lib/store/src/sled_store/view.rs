//! What the engine can be asked.

use listmill_core::{
    Address, AuditRecord, Ban, BanScope, Decision, HeldId, HeldPost, ListAddress, Member, MessageFile, Request,
    RequestKind, Role, Roles, Spent, Timestamp, Trust, Unavailable,
};
use listmill_queue_format::EntryId;

use super::budget::spent_of;
use super::engine::Engine;
use super::keys;
use super::maps::{self, Counters, ListRecord, from_json, get_json};
use super::member_form;

/// How many items are looked at in one go where all are wanted.
pub(super) const PAGE: usize = 256;

impl Engine {
    pub(super) fn lists(
        &self,
        after: Option<&ListAddress>,
        limit: usize,
    ) -> Result<Vec<(ListAddress, ListRecord)>, Unavailable> {
        let after = after.map(|list| list.as_str().as_bytes());
        let page = self.read(|disk| maps::lists().page(&disk, after, limit))?;
        page.into_iter().map(|(key, value)| Ok((maps::key_list(&key)?, from_json(&value)?))).collect()
    }

    pub(super) fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        let key = address.key();
        let value = self.read(|disk| maps::roster(list).get(&disk, key.as_bytes()))?;
        value.map(|value| member_form::decode(key.as_bytes(), &value)).transpose()
    }

    pub(super) fn roster(
        &self,
        list: &ListAddress,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Member>, Unavailable> {
        let after = after.map(Address::key);
        let page = self.read(|disk| maps::roster(list).page(&disk, after.as_deref().map(str::as_bytes), limit))?;
        page.into_iter().map(|(key, value)| member_form::decode(&key, &value)).collect()
    }

    pub(super) fn counters(&self, list: &ListAddress) -> Result<Counters, Unavailable> {
        self.read(|disk| maps::counters_of(&disk, list))
    }

    pub(super) fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        self.read(|disk| {
            let mut found = Vec::new();
            maps::staff(list).each(&disk, |key, roles| {
                if staff_roles(roles)?.has(role) {
                    let member = maps::roster(list).get(&disk, key)?;
                    let member = member.ok_or_else(|| maps::damaged("staff", "it names nobody on the roster"))?;
                    found.push(member_form::decode(key, &member)?);
                }
                Ok(())
            })?;
            Ok(found)
        })
    }

    pub(super) fn held(
        &self,
        list: &ListAddress,
        after: Option<HeldId>,
        limit: usize,
    ) -> Result<Vec<HeldPost>, Unavailable> {
        let after = after.map(maps::number_key);
        let page = self.read(|disk| maps::held(list).page(&disk, after.as_ref().map(<[u8; 8]>::as_slice), limit))?;
        page.into_iter().map(|(_, value)| from_json(&value)).collect()
    }

    pub(super) fn held_entry(
        &self,
        list: &ListAddress,
        id: HeldId,
    ) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        let key = maps::number_key(id);
        let mut lost = None;
        // A file that is gone may have gone with its record, a moment ago: then the second look finds neither.
        for _ in 0..2 {
            let found = self.read(|disk| {
                let post: Option<HeldPost> = get_json(&disk, &maps::held(list), &key)?;
                post.map(|post| Ok((post, maps::held_files(list).get(&disk, &key)?))).transpose()
            })?;
            let Some((post, record)) = found else { return Ok(None) };
            match self.files.read_held(record.as_deref())? {
                Ok(file) => return Ok(Some((post, file))),
                Err(why) => lost = Some((post, why)),
            }
        }
        Ok(lost.map(|(post, why)| {
            tracing::warn!(%list, id, why, "the message file of a held post is lost");
            (post, MessageFile::LOST)
        }))
    }

    pub(super) fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.read(|disk| {
            let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
            while found.len() < limit {
                let most = PAGE.min(limit - found.len());
                let page = maps::times_of_held().page(&disk, after.as_deref(), most)?;
                let over: Vec<_> = page.iter().take_while(|(key, _)| keys::is_over(key, 0, at)).collect();
                for (key, _) in &over {
                    let (list, number) = keys::untimed(key)?;
                    match get_json::<HeldPost>(&disk, &maps::held(&list), &number) {
                        Ok(post) => found.extend(post.filter(|post| post.expires <= at)),
                        // It must not stop the others.
                        Err(error) => tracing::warn!(%list, %error, "a held post that has lapsed cannot be read"),
                    }
                }
                if over.len() < most {
                    break;
                }
                after = page.into_iter().next_back().map(|(key, _)| key);
            }
            Ok(found)
        })
    }

    pub(super) fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        self.read(|disk| {
            let next = maps::held_by_entry(list).page(&disk, Some(entry.as_bytes()), 1)?.pop();
            let number = next.as_ref().and_then(|(key, _)| key.strip_prefix(entry.as_bytes()));
            number.map_or(Ok(None), |number| get_json(&disk, &maps::held(list), number))
        })
    }

    pub(super) fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable> {
        self.read(|disk| get_json(&disk, &maps::decisions(list), &maps::number_key(id)))
    }

    pub(super) fn decisions(
        &self,
        list: &ListAddress,
        after: Option<HeldId>,
        limit: usize,
    ) -> Result<Vec<Decision>, Unavailable> {
        let after = after.map(maps::number_key);
        let page =
            self.read(|disk| maps::decisions(list).page(&disk, after.as_ref().map(<[u8; 8]>::as_slice), limit))?;
        page.into_iter().map(|(_, value)| from_json(&value)).collect()
    }

    pub(super) fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        self.read(|disk| get_json(&disk, &maps::requests(list), &keys::request(kind, address)))
    }

    pub(super) fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        self.read(|disk| {
            let key = maps::handles(list).get(&disk, handle.as_bytes())?;
            key.map_or(Ok(None), |key| get_json(&disk, &maps::requests(list), &key))
        })
    }

    pub(super) fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable> {
        self.read(|disk| spent_of(&disk, address, trust, at))
    }

    pub(super) fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable> {
        let keys = ban_keys(address);
        self.read(|disk| {
            for scope in [BanScope::List(list.clone()), BanScope::Site] {
                let bans = maps::bans(&scope);
                for key in &keys {
                    if let Some(ban) = get_json(&disk, &bans, key.as_bytes())? {
                        return Ok(Some(ban));
                    }
                }
            }
            Ok(None)
        })
    }

    pub(super) fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        let bans = self.read(|disk| maps::bans(scope).page(&disk, None, usize::MAX))?;
        bans.into_iter().map(|(_, value)| from_json(&value)).collect()
    }

    pub(super) fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        let after = after.map(maps::number_key);
        let page = self.read(|disk| maps::audit().page(&disk, after.as_ref().map(<[u8; 8]>::as_slice), limit))?;
        page.into_iter().map(|(key, value)| Ok((maps::key_number(&key)?, from_json(&value)?))).collect()
    }

    /// How many lists there are, and the sum of what is counted of each.
    pub(super) fn totals(&self) -> Result<(u64, Counters), Unavailable> {
        self.read(|disk| {
            let (mut lists, mut sum) = (0, Counters::default());
            maps::lists().each(&disk, |_, _| {
                lists += 1;
                Ok(())
            })?;
            maps::counters().each(&disk, |_, value| {
                let counters: Counters = from_json(value)?;
                sum.people += counters.people;
                sum.held += counters.held;
                sum.requests += counters.requests;
                Ok(())
            })?;
            Ok((lists, sum))
        })
    }

    /// How many batches have something in the outbox.
    pub(super) fn outbox_depth(&self) -> Result<u64, Unavailable> {
        let (mut batches, mut last, mut after) = (0, [0; 16], None::<Vec<u8>>);
        loop {
            let page = self.read(|disk| maps::outbox().page(&disk, after.as_deref(), PAGE))?;
            for (key, _) in &page {
                let id = *key.first_chunk().ok_or_else(|| maps::damaged("outbox", "its key is too short"))?;
                batches += u64::from(batches == 0 || id != last);
                last = id;
            }
            if page.len() < PAGE {
                return Ok(batches);
            }
            after = page.into_iter().next_back().map(|(key, _)| key);
        }
    }
}

/// The keys of every ban that would hit an address; an address has few domains above it.
fn ban_keys(address: &Address) -> Vec<String> {
    let mut keys = vec![address.key(), format!("@{}", address.domain())];
    let mut domain = Some(address.domain());
    while let Some(here) = domain {
        keys.push(format!("@.{here}"));
        domain = here.split_once('.').map(|(_, above)| above);
    }
    keys
}

fn staff_roles(text: &[u8]) -> Result<Roles, Unavailable> {
    let text = std::str::from_utf8(text).map_err(|error| maps::damaged("staff", &error.to_string()))?;
    text.parse().map_err(|error: String| maps::damaged("staff", &error))
}
