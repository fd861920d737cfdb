//! Return paths of which each names its recipient (VERP) and proves that we wrote it.
//!
//! `dev-bounces+bob=example.net.TAG@lists.example.org`: the recipient, then a tag of 24 base32 digits that holds the day,
//! a short form of the post's id and 80 bits of a keyed digest over list, recipient and both. So a bounce that somebody
//! made up blames nobody, and one that is taken up again later can be told by its day. A probe has a return path of the same
//! form whose digest is made for that purpose, so that neither ever passes for the other.
//!
//! Where a post leaves in transactions of many recipients, they share `dev-bounces+TAG@lists.example.org`, whose tag is over list, day and post,
//! and the next host makes `dev-bounces+TAG+bob=example.net@lists.example.org` of it for each of them (Postfix calls that XVERP). So such a path
//! proves that we sent the post, and not that this recipient failed: whoever has a copy can write another address behind the tag
//! (`specs/decisions/0053`).
//!
//! In the recipient's local part every octet but letters, digits, `.`, `-`, `+` and `_` is written `=XX`; the tag is what
//! stands behind the last `.`, the domain what stands behind the last `=` before it. The whole is ASCII, whatever the
//! address is. With a list name of up to 10 characters and a recipient of up to 20 the local part keeps within the 64
//! octets of RFC 5321 §4.5.3.1.1; longer ones go beyond, which is what every VERP does, and mail systems take it.

use data_encoding::{BASE32_NOPAD, Encoding};
use listmill_core::{Address, ListAddress, SigningKeys, Timestamp, Word};
use listmill_queue_format::EntryId;

use crate::escape::Escape;
use crate::mac::{self, Purpose};

const ESCAPE: Escape = Escape { mark: '=', at: "=" };
const SAID_OCTETS: usize = 5;
const MAC_OCTETS: usize = 10;
const BASE32: Encoding = BASE32_NOPAD;

/// RFC 5321 §4.5.3.1.3, less the angle brackets.
const MAX_PATH: usize = 254;
/// The fact of an entry whose copies are all the same: the path that they share, `facts.shared_path`.
pub const SHARED_PATH: &str = "shared_path";
/// What the next host writes between a shared path and the recipient, and for the recipient's `@`: both are among those that Postfix takes.
pub const DELIMITERS: &str = "+=";
/// The digits of a tag.
const TAG: usize = 24;

/// What a return path of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerpClaim {
    /// To whom the copy went.
    pub recipient: Address,
    /// The day on which it was sent, in days since 1970.
    pub day: u16,
    /// What was sent is a probe, and no post.
    pub is_probe: bool,
    /// The tag is that of a shared path: the post is proved, and the recipient is what somebody wrote behind it.
    pub is_shared: bool,
    post: [u8; 3],
}

impl VerpClaim {
    /// The copy was one of this post's.
    pub fn is_of(&self, post: EntryId) -> bool {
        self.post == short(post)
    }

    /// A name for the post, the same for each of its copies that left on one day: `20261122-0a0b0c`.
    pub fn post_name(&self) -> String {
        let day = Timestamp::from_second(i64::from(self.day) * 86_400).unwrap_or_default();
        let [a, b, c] = self.post;
        format!("{}-{a:02x}{b:02x}{c:02x}", day.strftime("%Y%m%d"))
    }

    /// How many days have passed since the copy was sent; 0 for one from the future.
    pub fn age_days(&self, now: Timestamp) -> u16 {
        day(now).saturating_sub(self.day)
    }
}

/// The envelope sender of the copy of `post` that goes to `recipient` on the day of `at`.
///
/// For a recipient of some 200 octets it would be no path any more (RFC 5321 §4.5.3.1.3): then it is the list's plain
/// bounce address, and a bounce must be read to know whom it blames.
pub fn return_path(
    keys: &SigningKeys,
    list: &ListAddress,
    recipient: &Address,
    post: EntryId,
    at: Timestamp,
) -> String {
    signed_path(keys, list, recipient, (Purpose::ReturnPath, post), at)
}

/// The envelope sender that all copies of `post` share at a next host that makes one for each recipient of it.
pub fn shared_path(keys: &SigningKeys, list: &ListAddress, post: EntryId, at: Timestamp) -> String {
    let said = said(post, at);
    let mac = mac::sign(keys, Purpose::SharedPath, &[list.as_str().as_bytes(), &said]);
    list.with_word(Word::Bounces, &tag(said, mac))
}

/// What the next host makes of a shared path for this recipient. None where it would be no path, or not plain enough to come back as it left: such a
/// recipient needs a return path of ours.
pub fn shared_path_of(shared: &str, recipient: &str) -> Option<String> {
    let (local, host) = shared.rsplit_once('@')?;
    let (user, domain) = recipient.rsplit_once('@')?;
    let is_plain = |text: &str, marks: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
    };
    let path = format!("{local}+{user}={domain}@{host}");
    (is_plain(user, b".-+_=") && is_plain(domain, b".-") && path.len() <= MAX_PATH).then_some(path)
}

/// The envelope sender of the probe that is sent to `recipient` as the entry `probe`.
pub fn probe_path(
    keys: &SigningKeys,
    list: &ListAddress,
    recipient: &Address,
    probe: EntryId,
    at: Timestamp,
) -> String {
    signed_path(keys, list, recipient, (Purpose::Probe, probe), at)
}

fn signed_path(
    keys: &SigningKeys,
    list: &ListAddress,
    recipient: &Address,
    (purpose, what): (Purpose, EntryId),
    at: Timestamp,
) -> String {
    let said = said(what, at);
    let tag = tag(said, mac::sign(keys, purpose, &fields(list, &recipient.key(), &said)));
    let recipient = ESCAPE.write(recipient.local(), recipient.domain());
    let path = list.with_word(Word::Bounces, &format!("{recipient}.{tag}"));
    if path.len() <= MAX_PATH { path } else { list.with_word(Word::Bounces, "") }
}

/// What the detail of a `bounces` address says; none when it is not one that we wrote for this list.
///
/// Letters may have changed case on their way. Whether it is too old is the caller's question.
pub fn read(keys: &SigningKeys, list: &ListAddress, detail: &str) -> Option<VerpClaim> {
    read_own(keys, list, detail).or_else(|| read_shared(keys, list, detail))
}

fn read_own(keys: &SigningKeys, list: &ListAddress, detail: &str) -> Option<VerpClaim> {
    let (recipient, tag) = detail.rsplit_once('.')?;
    let recipient: Address = ESCAPE.read(recipient)?.parse().ok()?;
    let (said, mac) = parts(tag)?;
    let is_for = |purpose| mac::verify(keys, purpose, &fields(list, &recipient.key(), &said), &mac);
    let is_probe = !is_for(Purpose::ReturnPath);
    if is_probe && !is_for(Purpose::Probe) {
        return None;
    }
    Some(claim(recipient, said, is_probe, false))
}

/// What the next host has made of a shared path.
fn read_shared(keys: &SigningKeys, list: &ListAddress, detail: &str) -> Option<VerpClaim> {
    let (tag, recipient) = detail.split_once('+')?;
    if tag.len() != TAG {
        return None;
    }
    let (said, mac) = parts(tag)?;
    if !mac::verify(keys, Purpose::SharedPath, &[list.as_str().as_bytes(), &said], &mac) {
        return None;
    }
    let (user, domain) = recipient.rsplit_once('=')?;
    let recipient = format!("{user}@{domain}");
    // Anything else is not of a next host's making.
    shared_path_of(list.as_str(), &recipient)?;
    Some(claim(recipient.parse().ok()?, said, false, true))
}

fn claim(recipient: Address, [d0, d1, a, b, c]: [u8; SAID_OCTETS], is_probe: bool, is_shared: bool) -> VerpClaim {
    VerpClaim { recipient, day: u16::from_be_bytes([d0, d1]), is_probe, is_shared, post: [a, b, c] }
}

/// What a tag says: day, and post or probe.
fn said(what: EntryId, at: Timestamp) -> [u8; SAID_OCTETS] {
    let ([d0, d1], [a, b, c]) = (day(at).to_be_bytes(), short(what));
    [d0, d1, a, b, c]
}

fn tag(said: [u8; SAID_OCTETS], mac: [u8; MAC_OCTETS]) -> String {
    BASE32.encode(&[said.as_slice(), &mac].concat()).to_ascii_lowercase()
}

/// What a tag says, and the digest that is to prove it.
fn parts(tag: &str) -> Option<([u8; SAID_OCTETS], [u8; MAC_OCTETS])> {
    let tag = BASE32.decode(tag.to_ascii_uppercase().as_bytes()).ok()?;
    let (said, mac) = tag.split_at_checked(SAID_OCTETS)?;
    Some((said.try_into().ok()?, mac.try_into().ok()?))
}

fn fields<'a>(list: &'a ListAddress, recipient: &'a str, said: &'a [u8]) -> [&'a [u8]; 3] {
    [list.as_str().as_bytes(), recipient.as_bytes(), said]
}

fn day(at: Timestamp) -> u16 {
    u16::try_from(at.as_second().div_euclid(86_400).max(0)).unwrap_or(u16::MAX)
}

/// The last octets of the id: they are chance or a digest, the first ones are the time.
fn short(post: EntryId) -> [u8; 3] {
    let &[.., a, b, c] = post.as_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_addresses::{addresses, keys, list};

    fn post(chance: u8) -> EntryId {
        EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10])
    }

    fn now() -> Timestamp {
        "2026-11-22T08:30:00Z".parse().unwrap()
    }

    fn detail(path: &str) -> &str {
        path.strip_prefix("dev-bounces+").unwrap().strip_suffix("@lists.example.org").unwrap()
    }

    #[test]
    fn the_form_that_is_promised() {
        let bob = "bob@example.net".parse().unwrap();
        let path = return_path(&keys(&[1]), &list(), &bob, post(1), now());
        let tag =
            path.strip_prefix("dev-bounces+bob=example.net.").unwrap().strip_suffix("@lists.example.org").unwrap();
        assert_eq!(tag.len(), 24);
        assert!(tag.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)), "{tag}");
        assert!(path.split('@').next().unwrap().len() <= 64, "RFC 5321 §4.5.3.1.1");
        assert!(path.parse::<Address>().is_ok());
    }

    #[test]
    fn a_claim_tells_recipient_post_and_age() {
        let bob: Address = "Bob@example.net".parse().unwrap();
        let path = return_path(&keys(&[1]), &list(), &bob, post(1), now());
        let claim = read(&keys(&[1]), &list(), detail(&path)).unwrap();
        assert_eq!(claim.recipient.as_str(), "Bob@example.net");
        assert!(claim.is_of(post(1)) && !claim.is_of(post(2)));
        let later: Timestamp = "2026-12-23T00:00:00Z".parse().unwrap();
        assert_eq!((claim.age_days(now()), claim.age_days(later), claim.age_days(Timestamp::UNIX_EPOCH)), (0, 31, 0));
        for lower in [detail(&path).to_lowercase(), detail(&path).to_uppercase()] {
            assert_eq!(read(&keys(&[1]), &list(), &lower).unwrap().recipient, bob, "letters may have changed case");
        }
    }

    #[test]
    fn a_probe_is_no_post() {
        let bob: Address = "bob@example.net".parse().unwrap();
        let (list, keys) = (list(), keys(&[1]));
        let [of_post, of_probe] = [return_path, probe_path].map(|path| path(&keys, &list, &bob, post(1), now()));
        assert_ne!(of_post, of_probe);
        let [of_post, of_probe] = [of_post, of_probe].map(|path| read(&keys, &list, detail(&path)).unwrap());
        assert_eq!((of_post.is_probe, of_probe.is_probe), (false, true));
        assert!(of_probe.is_of(post(1)) && of_probe.recipient == bob);
        assert_eq!(of_post.post_name(), "20261122-010101");
    }

    #[test]
    fn a_shared_path_proves_the_post_and_says_which_recipient() {
        let shared = shared_path(&keys(&[1]), &list(), post(1), now());
        assert_eq!(detail(&shared).len(), TAG);
        assert_eq!(read(&keys(&[1]), &list(), detail(&shared)), None, "nobody is named");
        for bob in ["Bob@example.net", "bob+x=y@mail.example.net", "b-o_b.x@example.net"] {
            let path = shared_path_of(&shared, bob).unwrap();
            for path in [path.clone(), path.to_lowercase(), path.to_uppercase().replace("DEV-BOUNCES", "dev-bounces")] {
                let path = path.replace("LISTS.EXAMPLE.ORG", "lists.example.org");
                let claim = read(&keys(&[1]), &list(), detail(&path)).unwrap();
                assert!(claim.is_shared && !claim.is_probe && claim.is_of(post(1)));
                assert_eq!(claim.recipient, bob.parse().unwrap());
                assert_eq!(claim.post_name(), "20261122-010101");
            }
            assert_eq!(read(&keys(&[2]), &list(), detail(&path)), None, "another site's");
            assert_eq!(read(&keys(&[1]), &"other@lists.example.org".parse().unwrap(), detail(&path)), None);
        }
        assert_eq!(
            shared_path_of("dev-bounces+tag@lists.example.org", "bob@example.net").as_deref(),
            Some("dev-bounces+tag+bob=example.net@lists.example.org"),
            "as Postfix writes it with XVERP=+="
        );
    }

    #[test]
    fn who_is_not_plain_has_no_shared_path() {
        let shared = shared_path(&keys(&[1]), &list(), post(1), now());
        let long = format!("{}@example.net", "a".repeat(250));
        for odd in [
            "\"a b\"@example.net",
            "j\u{fc}rgen@example.net",
            "a%b@example.net",
            "a!b@example.net",
            "bob@[192.0.2.1]",
            "bob",
            &long,
        ] {
            assert_eq!(shared_path_of(&shared, odd), None, "{odd}");
        }
        for made_up in ["a%b=example.net", "=example.net", "bob=", "bob", "bob@example.net", "bob=j\u{fc}.example"] {
            assert_eq!(read(&keys(&[1]), &list(), &format!("{}+{made_up}", detail(&shared))), None, "{made_up}");
        }
    }

    #[test]
    fn no_path_passes_for_one_of_another_kind() {
        let (list, keys, bob) = (list(), keys(&[1]), "bob@example.net".parse().unwrap());
        let shared = shared_path(&keys, &list, post(1), now());
        for own in [return_path, probe_path].map(|path| path(&keys, &list, &bob, post(1), now())) {
            let tag = detail(&own).rsplit_once('.').unwrap().1;
            assert_ne!(tag, detail(&shared));
            assert_eq!(read(&keys, &list, &format!("{tag}+bob=example.net")), None);
            assert_eq!(read(&keys, &list, &format!("bob=example.net.{}", detail(&shared))), None);
        }
    }

    #[test]
    fn a_recipient_that_is_too_long_gets_the_plain_address() {
        let long: Address =
            format!("{}@{}.example", "a".repeat(60), ["b".repeat(60), "c".repeat(60), "d".repeat(50)].join("."))
                .parse()
                .unwrap();
        assert_eq!(return_path(&keys(&[1]), &list(), &long, post(1), now()), "dev-bounces@lists.example.org");
    }

    #[test]
    fn each_key_of_the_site_verifies_and_no_other() {
        let bob = "bob@example.net".parse().unwrap();
        let path = return_path(&keys(&[1]), &list(), &bob, post(1), now());
        assert!(read(&keys(&[2, 1]), &list(), detail(&path)).is_some(), "an older key");
        assert!(read(&keys(&[2]), &list(), detail(&path)).is_none());
        assert!(read(&keys(&[1]), &"other@lists.example.org".parse().unwrap(), detail(&path)).is_none());
    }

    #[test]
    fn what_we_did_not_write_is_no_claim() {
        let bob = "bob@example.net".parse().unwrap();
        let path = return_path(&keys(&[1]), &list(), &bob, post(1), now());
        let good = detail(&path);
        for at in 0..good.len() {
            for other in [b'a', b'b', b'7', b'.', b'='] {
                let mut bad = good.as_bytes().to_vec();
                if bad[at].eq_ignore_ascii_case(&other) {
                    continue;
                }
                bad[at] = other;
                assert_eq!(read(&keys(&[1]), &list(), std::str::from_utf8(&bad).unwrap()), None, "octet {at}");
            }
            assert_eq!(read(&keys(&[1]), &list(), &good[..at]), None, "cut at {at}");
        }
        let tag = good.rsplit_once('.').unwrap().1;
        for bad in [
            "",
            ".",
            "=",
            tag,
            &format!(".{tag}"),
            &format!("=62ob=example.net.{tag}"),
            &format!("=+2ob=example.net.{tag}"),
            &format!("bob=zz=example.net.{tag}"),
            &format!("bob=\u{e4}=example.net.{tag}"),
            &format!("bob=example.net.{tag}a"),
            &format!("bob=example.net.{tag}======"),
            &format!("bob@example.net.{tag}"),
        ] {
            assert_eq!(read(&keys(&[1]), &list(), bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_address_comes_back(address in addresses(), chance in any::<u8>(), day in 0_i64..60_000) {
            let at = Timestamp::from_second(day * 86_400).unwrap();
            let path = return_path(&keys(&[1]), &list(), &address, post(chance), at);
            prop_assert!(path.is_ascii() && path.parse::<Address>().is_ok(), "{}", path);
            let claim = read(&keys(&[1]), &list(), detail(&path)).unwrap();
            prop_assert_eq!(claim.recipient.as_str(), address.as_str());
            prop_assert_eq!(i64::from(claim.day), day);
            prop_assert!(claim.is_of(post(chance)));
        }

        #[test]
        fn different_addresses_are_written_differently(one in addresses(), other in addresses()) {
            let write = |address: &Address| ESCAPE.write(address.local(), address.domain());
            prop_assert_eq!(write(&one) == write(&other), one.as_str() == other.as_str());
        }

        #[test]
        fn whatever_arrives_is_read(detail in "\\PC{0,80}") {
            prop_assert_eq!(read(&keys(&[1]), &list(), &detail), None);
        }
    }
}
