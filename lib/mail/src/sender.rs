//! Who an envelope sender is, behind the marks that hosts on the way write into it.
//!
//! Two kinds are read. A host that wants to know its own mail again when it bounces marks the local part (BATV,
//! draft-levine-smtp-batv, and what the trade made of it):
//!
//! * `prvs=1234567890=bob@example.net`, and in the first drafts `prvs=bob/12345678@example.net`
//! * `msprvs1=TAG=bob@example.net`, `btv1==TAG==bob@example.net`
//!
//! A host that forwards puts its own domain there and keeps what was (SRS, read as libsrs2 reads it):
//!
//! * `SRS0=HASH=DAY=example.net=bob@forwarder.example.com`; behind `SRS0` also `+` or `-`
//! * `SRS1=HASH=forwarder.example.com==HASH=DAY=example.net=bob@second.example.com`
//!
//! Only the host that wrote a mark can tell whether it is genuine. So what is inside is a claim, as every envelope sender
//! is. [`person`] looks through all of it: enough to find whom a ban is about, never a proof of who writes, and no way to
//! reach that person, for many hosts give `SRS0+…` to whoever has the mailbox `SRS0`. [`unmarked`] is for who writes to
//! such an address: it takes off one mark of the host of the mailbox itself.

use std::borrow::Cow;

use listmill_core::Address;

/// A forwarder that forwards what another forwarded, of what a host has marked; nobody wraps more.
const MAX_LAYERS: usize = 4;

/// Four times what a path may be (RFC 5321 §4.5.3.1.3): what is longer is not taken apart.
const MAX_OCTETS: usize = 1024;

/// The person's own address, when `envelope_sender` is one of these forms with an address in it; otherwise it is left as
/// it is. Letters may be in either case, and local parts quoted.
pub fn person(envelope_sender: &str) -> Cow<'_, str> {
    if envelope_sender.len() > MAX_OCTETS {
        return Cow::Borrowed(envelope_sender);
    }
    let mut person = Cow::Borrowed(envelope_sender);
    for _ in 0..MAX_LAYERS {
        match inside(&person) {
            Some(address) => person = Cow::Owned(address),
            None => break,
        }
    }
    person
}

/// The mailbox behind one BATV mark, at the same host: what `prvs=KDDDSSSSSS=`, `btv1==TAG==` and `msprvs1=TAG=` mark.
///
/// None when it is not marked so. One mark and no more is taken off, and no SRS, which names another host. Strict where
/// [`person`] is generous: the tag of `prvs` is as the draft says (the number of a key, three digits of a day, six
/// of a hash), and no tag has a character that hosts part subaddresses with, but for `-` and `_` in that of `msprvs1`,
/// which is base64.
pub fn unmarked(sender: &str) -> Option<String> {
    let (local, domain) = sender.rsplit_once('@').filter(|_| sender.len() <= MAX_OCTETS)?;
    let (good, core): (bool, &str) = if let Some(rest) = strip(local, "prvs=") {
        let (tag, core) = rest.split_once('=')?;
        let (digits, hash) = tag.split_at_checked(4).filter(|_| tag.len() == 10)?;
        let hash = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hash && digits.bytes().all(|byte| byte.is_ascii_digit()), core)
    } else if let Some(rest) = strip(local, "btv1==") {
        let (tag, core) = rest.split_once("==")?;
        (is_tag(tag, |byte| byte.is_ascii_hexdigit()), core)
    } else {
        let (tag, core) = strip(local, "msprvs1=")?.split_once('=')?;
        (is_tag(tag, |byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), core)
    };
    let address = format!("{core}@{domain}");
    (good && address.parse::<Address>().is_ok()).then_some(address)
}

fn is_tag(tag: &str, is_good: impl Fn(u8) -> bool) -> bool {
    (1..=32).contains(&tag.len()) && tag.bytes().all(is_good)
}

/// What one layer wraps.
fn inside(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let local = unquoted(local);
    if let Some(core) = batv(&local) {
        return written(core, domain);
    }
    let (core, domain) = match strip(&local, "SRS0") {
        Some(rest) => srs0(rest)?,
        // The first forwarder's domain is passed over, as it passes mail on to whom its own part names.
        None => srs0(strip(&local, "SRS1").and_then(separated)?.split_once('=')?.1.split_once('=')?.1)?,
    };
    written(core, domain)
}

/// The local part that a host has marked.
fn batv(local: &str) -> Option<&str> {
    let tag = |text: &str| (6..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let long_tag = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/_-".contains(&byte))
    };
    if let Some(rest) = strip(local, "prvs=") {
        return match rest.split_once('=') {
            Some((found, core)) if tag(found) => Some(core),
            _ => rest.rsplit_once('/').filter(|(_, found)| tag(found)).map(|(core, _)| core),
        };
    }
    let (found, core) = match strip(local, "msprvs1=") {
        Some(rest) => rest.split_once('=')?,
        None => strip(local, "btv1==")?.split_once("==")?,
    };
    long_tag(found).then_some(core)
}

/// Local part and domain in what stands behind `SRS0`: a separator, hash, day, domain, and all the rest is the local part.
fn srs0(rest: &str) -> Option<(&str, &str)> {
    let mut parts = separated(rest)?.splitn(4, '=');
    let (hash, day, domain, local) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (!hash.is_empty() && !day.is_empty()).then_some((local, domain))
}

fn separated(rest: &str) -> Option<&str> {
    rest.strip_prefix(['=', '+', '-'])
}

fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The local part that a quoted one means (RFC 5321 §4.1.2).
fn unquoted(local: &str) -> Cow<'_, str> {
    let Some(content) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(local);
    };
    let mut chars = content.chars();
    let mut meant = String::with_capacity(content.len());
    while let Some(c) = chars.next() {
        meant.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(meant)
}

/// The address of this local part, quoted where it must be; none when it is no address.
fn written(local: &str, domain: &str) -> Option<String> {
    let plain = format!("{local}@{domain}");
    if plain.parse::<Address>().is_ok() {
        return Some(plain);
    }
    let quoted = format!("\"{}\"@{domain}", local.replace('\\', "\\\\").replace('"', "\\\""));
    (!local.is_empty() && quoted.parse::<Address>().is_ok()).then_some(quoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Envelope sender, and who it is.
    const TABLE: &[(&str, &str)] = &[
        // BATV.
        ("prvs=1234567890=bob@example.net", "bob@example.net"),
        ("prvs=15386d2d8=bob@example.net", "bob@example.net"),
        ("PRVS=12345ABCDE=Bob@Example.net", "Bob@Example.net"),
        ("prvs=1234567890=bob=x@example.net", "bob=x@example.net"),
        ("prvs=1234567890=a/b@example.net", "a/b@example.net"),
        ("prvs=bob/12345678@example.net", "bob@example.net"),
        ("prvs=bob=x/12345678@example.net", "bob=x@example.net"),
        ("msprvs1=17595Nqx2hQ_v=bounces-258181-1@example.net", "bounces-258181-1@example.net"),
        ("btv1==07892dfa58d==bob@example.net", "bob@example.net"),
        ("BTV1==0789==bob==x@example.net", "bob==x@example.net"),
        ("\"prvs=1234567890=bob\"@example.net", "bob@example.net"),
        ("\"prvs=1234567890=bob smith\"@example.net", "\"bob smith\"@example.net"),
        ("\"prvs\\=1234567890=bob\\\"s\"@example.net", "\"bob\\\"s\"@example.net"),
        // SRS.
        ("SRS0=HHH=TT=example.net=bob@forwarder.example.com", "bob@example.net"),
        ("srs0=hhh=tt=EXAMPLE.net=Bob@forwarder.example.com", "Bob@EXAMPLE.net"),
        ("SRS0+HHH=TT=example.net=bob@forwarder.example.com", "bob@example.net"),
        ("SRS0-H+/H=TT=example.net=bob@forwarder.example.com", "bob@example.net"),
        ("SRS0=HHH=TT=example.net=bob=x@forwarder.example.com", "bob=x@example.net"),
        ("SRS0=HHH=TT=example.net==bob@forwarder.example.com", "=bob@example.net"),
        ("\"SRS0=HHH=TT=example.net=bob smith\"@forwarder.example.com", "\"bob smith\"@example.net"),
        ("SRS1=HHH=forwarder.example.com==HHH=TT=example.net=bob@second.example.com", "bob@example.net"),
        ("SRS1+HHH=forwarder.example.com=+HHH=TT=example.net=bob@second.example.com", "bob@example.net"),
        ("SRS1=HHH=forwarder.example.com=-HHH=TT=example.net=bob=x@second.example.com", "bob=x@example.net"),
        // One in the other.
        ("SRS0=HHH=TT=example.net=prvs=1234567890=bob@forwarder.example.com", "bob@example.net"),
        ("prvs=1234567890=SRS0=HHH=TT=example.net=bob@forwarder.example.com", "bob@example.net"),
        ("SRS1=H=a.example.com==H=TT=example.net=prvs=1234567890=bob@b.example.com", "bob@example.net"),
        // Nothing of the kind.
        ("", ""),
        ("bob@example.net", "bob@example.net"),
        ("\"bob\"@example.net", "\"bob\"@example.net"),
        ("bob+prvs=1234567890=x@example.net", "bob+prvs=1234567890=x@example.net"),
        ("prvs@example.net", "prvs@example.net"),
        ("prvs=bob@example.net", "prvs=bob@example.net"),
        ("prvs=1234567890=@example.net", "prvs=1234567890=@example.net"),
        ("prvs=not-a-tag=bob@example.net", "prvs=not-a-tag=bob@example.net"),
        ("prvs=1234567890=bob", "prvs=1234567890=bob"),
        ("btv1=0789=bob@example.net", "btv1=0789=bob@example.net"),
        ("msprvs1==bob@example.net", "msprvs1==bob@example.net"),
        ("SRS0@example.net", "SRS0@example.net"),
        ("SRS0HHH=TT=example.net=bob@forwarder.example.com", "SRS0HHH=TT=example.net=bob@forwarder.example.com"),
        ("SRS0=HHH=TT=example.net@forwarder.example.com", "SRS0=HHH=TT=example.net@forwarder.example.com"),
        ("SRS0=HHH=TT==bob@forwarder.example.com", "SRS0=HHH=TT==bob@forwarder.example.com"),
        ("SRS0=HHH==example.net=bob@forwarder.example.com", "SRS0=HHH==example.net=bob@forwarder.example.com"),
        ("SRS0=HHH=TT=-.net=bob@forwarder.example.com", "SRS0=HHH=TT=-.net=bob@forwarder.example.com"),
        ("SRS1=HHH=TT=example.net=bob@second.example.com", "SRS1=HHH=TT=example.net=bob@second.example.com"),
        ("SRS2=HHH=TT=example.net=bob@forwarder.example.com", "SRS2=HHH=TT=example.net=bob@forwarder.example.com"),
        ("\u{e4}\u{e4}=1=bob@example.net", "\u{e4}\u{e4}=1=bob@example.net"),
    ];

    #[test]
    fn who_is_behind_the_marks() {
        for (written, expected) in TABLE {
            assert_eq!(person(written), *expected, "{written}");
        }
    }

    #[test]
    fn what_is_hostile_is_left_as_it_is() {
        let many = "=".repeat(100_000);
        for text in [
            many.clone(),
            format!("{many}@example.net"),
            format!("SRS0{many}@example.net"),
            format!("prvs={many}@example.net"),
        ] {
            assert!(matches!(person(&text), Cow::Borrowed(_)));
        }
        let nested = format!("{}bob@example.net", "prvs=1234567890=".repeat(10));
        assert_eq!(
            person(&nested),
            format!("{}bob@example.net", "prvs=1234567890=".repeat(6)),
            "four layers and no more"
        );
    }

    #[test]
    fn one_mark_is_taken_off() {
        for (written, expected) in [
            ("prvs=1234abcdef=bob@example.net", "bob@example.net"),
            ("PRVS=1234ABCDEF=Bob@Example.net", "Bob@Example.net"),
            ("prvs=1234abcdef=bob=x@example.net", "bob=x@example.net"),
            ("btv1==07892dfa58d==bob@example.net", "bob@example.net"),
            ("msprvs1=17595Nqx2hQ_v=bounces-258181-1@example.net", "bounces-258181-1@example.net"),
            // One layer only.
            ("prvs=1234abcdef=prvs=1234abcdef=bob@example.net", "prvs=1234abcdef=bob@example.net"),
            ("prvs=1234abcdef=SRS0=H=T=example.org=bob@example.net", "SRS0=H=T=example.org=bob@example.net"),
        ] {
            assert_eq!(unmarked(written).as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn what_is_not_marked_by_its_own_host_has_no_mark_to_take_off() {
        let long = format!("btv1=={}==bob@example.net", "0".repeat(2000));
        for written in [
            "",
            "bob",
            "bob@example.net",
            "SRS0+xx=yy=example.net=bob@example.net",
            "SRS0=HHH=TT=example.net=bob@example.net",
            "SRS1=H=a.example.com==H=TT=example.net=bob@example.net",
            "prvs=bob/12345678@example.net",
            "prvs=123456789=bob@example.net",
            "prvs=12345abcdef=bob@example.net",
            "prvs=a234abcdef=bob@example.net",
            "prvs=1234abcdeg=bob@example.net",
            "prvs=1234abcdef=@example.net",
            "prvs=1234abcdef=bob@",
            "prvs=\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}=bob@example.net",
            "prvs+1234abcdef=bob@example.net",
            "prvs=123+abcdef=bob@example.net",
            "\"prvs=1234abcdef=bob\"@example.net",
            "bob+prvs=1234abcdef=x@example.net",
            "btv1====bob@example.net",
            "btv1==x+y==bob@example.net",
            "btv1=0789=bob@example.net",
            "msprvs1==bob@example.net",
            "msprvs1=a+b=bob@example.net",
            &long,
        ] {
            assert_eq!(unmarked(written), None, "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_an_address_or_what_went_in(text in "(prvs=|SRS0=|SRS1=|btv1==|msprvs1=|\"|\\\\|[0-9a-f]{8}|=|/|example\\.net|@|bob|\\PC){0,12}") {
            let person = person(&text);
            prop_assert!(person == text || person.parse::<Address>().is_ok(), "{}", person);
        }

        #[test]
        fn every_address_comes_out_of_srs(address in crate::test_addresses::addresses()) {
            prop_assume!(!address.local().starts_with('"') && !address.local().contains('@'));
            let wrapped = format!("SRS0=HHH=TT={}={}@forwarder.example.com", address.domain(), address.local());
            prop_assert_eq!(person(&wrapped).parse::<Address>().unwrap(), address);
        }
    }
}
