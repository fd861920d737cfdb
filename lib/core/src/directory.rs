//! The directory: which lists there are and how large a post they take, for a host that has no store.
//!
//! The side that has the store publishes it whenever that changes, and reception works from the last one that it saw. It holds nothing of
//! rosters, and nothing secret: whatever is in it, an SMTP client can find out by asking.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Serialize};

use crate::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, List, ListAddress,
    Member, MessageFile, NoStore, Request, RequestKind, Role, Settings, SigningKeys, Spent, StoreView, Timestamp,
    Trust, Unavailable,
};
use listmill_queue_format::EntryId;

/// The form's name, and the version that this release writes. A reader takes any minor version of its major one.
const FORMAT: (&str, u32) = ("listmill-directory", 1);
/// Lists of one page when a directory is made from a store.
const PAGE: usize = 500;

/// Which lists there are, and what reception must know of each.
///
/// As a [`StoreView`] it answers [`list`](StoreView::list) and [`lists`](StoreView::lists), with every setting but those of [`Intake`] at its
/// built-in value; whoever asks for more is told [`Unavailable`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Directory {
    lists: BTreeMap<ListAddress, Intake>,
}

/// What reception must know of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Octets of the largest post; 0: only the site's limit holds.
    #[serde(default)]
    pub max_message_size: u64,
}

/// The JSON form: `{"format":"listmill-directory/1","lists":[{"address":"dev@lists.example.org","max_message_size":0}]}`. Unknown fields are
/// ignored, so that a newer release may say more to its like.
#[derive(Serialize, Deserialize)]
struct Form {
    format: String,
    lists: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    address: ListAddress,
    #[serde(flatten)]
    intake: Intake,
}

/// The bytes are no directory that this release can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a directory of lists: {0}")]
pub struct DirectoryError(String);

impl Directory {
    /// The directory of all lists of a store.
    ///
    /// # Errors
    /// [`Unavailable`] when the view cannot be read now.
    pub fn of(view: &dyn StoreView) -> Result<Directory, Unavailable> {
        let mut lists = BTreeMap::new();
        let mut after: Option<ListAddress> = None;
        loop {
            let page = view.lists(after.as_ref(), PAGE)?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|list| list.address.clone());
            lists.extend(page.into_iter().map(line));
            if is_last {
                return Ok(Directory { lists });
            }
        }
    }

    /// The JSON form; the same lists give the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        let (name, version) = FORMAT;
        let lists = self.lists.iter().map(|(address, intake)| Line { address: address.clone(), intake: *intake });
        let form = Form { format: format!("{name}/{version}"), lists: lists.collect() };
        serde_json::to_vec(&form).expect("text and numbers have a form in JSON")
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// It is not JSON, another thing, or of a newer major version.
    pub fn from_json(bytes: &[u8]) -> Result<Directory, DirectoryError> {
        let wrong = |error: serde_json::Error| DirectoryError(error.to_string());
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        // The head first: what follows may have another shape in another version.
        let Head { format } = serde_json::from_slice(bytes).map_err(wrong)?;
        let (name, version) = FORMAT;
        let major = format.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')?.split('.').next());
        if major.and_then(|major| major.parse().ok()) != Some(version) {
            return Err(DirectoryError(format!("it says {format:?}, this release reads {name}/{version}")));
        }
        let form: Form = serde_json::from_slice(bytes).map_err(wrong)?;
        Ok(Directory { lists: form.lists.into_iter().map(|line| (line.address, line.intake)).collect() })
    }

    /// How many lists there are.
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// There are no lists.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    fn entry(address: &ListAddress, intake: Intake) -> List {
        List {
            address: address.clone(),
            created: Timestamp::UNIX_EPOCH,
            own: BTreeMap::new(),
            settings: Settings { max_message_size: intake.max_message_size, ..Settings::default() },
        }
    }
}

fn line(list: List) -> (ListAddress, Intake) {
    (list.address, Intake { max_message_size: list.settings.max_message_size })
}

impl FromIterator<List> for Directory {
    fn from_iter<I: IntoIterator<Item = List>>(lists: I) -> Self {
        Directory { lists: lists.into_iter().map(line).collect() }
    }
}

fn none<T>() -> Result<T, Unavailable> {
    Err(NoStore.unavailable())
}

impl StoreView for Directory {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        Ok(self.lists.get(list).map(|intake| Directory::entry(list, *intake)))
    }

    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        let from = after.map_or(Unbounded, Excluded);
        let page = self.lists.range::<ListAddress, _>((from, Unbounded)).take(limit);
        Ok(page.map(|(address, intake)| Directory::entry(address, *intake)).collect())
    }

    fn member(&self, _: &ListAddress, _: &Address) -> Result<Option<Member>, Unavailable> {
        none()
    }

    fn roster(&self, _: &ListAddress, _: Option<&Address>, _: usize) -> Result<Vec<Member>, Unavailable> {
        none()
    }

    fn member_count(&self, _: &ListAddress) -> Result<u64, Unavailable> {
        none()
    }

    fn staff(&self, _: &ListAddress, _: Role) -> Result<Vec<Member>, Unavailable> {
        none()
    }

    fn held(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<HeldPost>, Unavailable> {
        none()
    }

    fn held_entry(&self, _: &ListAddress, _: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        none()
    }

    fn held_by_entry(&self, _: &ListAddress, _: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        none()
    }

    fn lapsed(&self, _: Timestamp, _: usize) -> Result<Vec<HeldPost>, Unavailable> {
        none()
    }

    fn decision(&self, _: &ListAddress, _: HeldId) -> Result<Option<Decision>, Unavailable> {
        none()
    }

    fn decisions(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<Decision>, Unavailable> {
        none()
    }

    fn request(&self, _: &ListAddress, _: RequestKind, _: &Address) -> Result<Option<Request>, Unavailable> {
        none()
    }

    fn request_by_handle(&self, _: &ListAddress, _: &str) -> Result<Option<Request>, Unavailable> {
        none()
    }

    fn spent(&self, _: &Address, _: Trust, _: Timestamp) -> Result<Spent, Unavailable> {
        none()
    }

    fn bounces(&self, _: &ListAddress, _: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        none()
    }

    fn bounces_due(&self, _: Timestamp, _: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        none()
    }

    fn bounce_tally(&self, _: &ListAddress, _: &str) -> Result<Option<BounceTally>, Unavailable> {
        none()
    }

    fn bounce_tallies(&self, _: &ListAddress, _: Option<&str>, _: usize) -> Result<Vec<BounceTally>, Unavailable> {
        none()
    }

    fn banned(&self, _: &ListAddress, _: &Address) -> Result<Option<Ban>, Unavailable> {
        none()
    }

    fn bans(&self, _: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        none()
    }

    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        none()
    }

    fn audit(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(lists: &[(&str, u64)]) -> Directory {
        let line = |(address, size): &(&str, u64)| (address.parse().unwrap(), Intake { max_message_size: *size });
        Directory { lists: lists.iter().map(line).collect() }
    }

    #[test]
    fn it_knows_which_lists_there_are_and_nothing_of_their_people() {
        let directory = directory(&[("dev@lists.example.org", 500), ("ops@lists.example.org", 0)]);
        let dev: ListAddress = "dev@lists.example.org".parse().unwrap();
        assert_eq!(directory.list(&dev).unwrap().unwrap().settings.max_message_size, 500);
        assert_eq!(directory.list(&"no@lists.example.org".parse().unwrap()).unwrap(), None);
        assert_eq!(directory.lists(Some(&dev), 9).unwrap()[0].address.name(), "ops");
        assert!(directory.roster(&dev, None, 1).is_err() && directory.staff(&dev, Role::Owner).is_err());
        assert_eq!(Directory::of(&directory).unwrap(), directory);
    }

    #[test]
    fn its_form_is_json_with_a_version() {
        let directory = directory(&[("dev@lists.example.org", 500)]);
        let json = String::from_utf8(directory.to_json()).unwrap();
        let form =
            r#"{"format":"listmill-directory/1","lists":[{"address":"dev@lists.example.org","max_message_size":500}]}"#;
        assert_eq!(json, form);
        assert_eq!(Directory::from_json(form.as_bytes()).unwrap(), directory);
        let newer = r#"{"format":"listmill-directory/1.3","more":1,"lists":[{"address":"dev@lists.example.org","max_message_size":500,"x":2}]}"#;
        assert_eq!(Directory::from_json(newer.as_bytes()).unwrap(), directory);
    }

    #[test]
    fn what_is_no_directory_is_told_and_never_taken_for_an_empty_one() {
        for (bytes, part) in [
            ("", "EOF"),
            ("{}", "format"),
            (r#"{"format":"listmill-directory/2","lists":{}}"#, "reads listmill-directory/1"),
            (r#"{"format":"listmill/1","lists":[]}"#, "listmill/1"),
            (r#"{"format":"listmill-directory/1"}"#, "lists"),
            (r#"{"format":"listmill-directory/1","lists":[{"address":"no address"}]}"#, "no address"),
        ] {
            let error = Directory::from_json(bytes.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{bytes}: {error}");
        }
        for cut in 0..60 {
            assert!(Directory::from_json(&directory(&[("dev@lists.example.org", 5)]).to_json()[..cut]).is_err());
        }
    }
}
