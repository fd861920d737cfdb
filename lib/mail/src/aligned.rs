//! Do the results of trusted hosts (RFC 8601) speak for the author?
//!
//! A host says "this domain signed it" or "this domain sent it". Only when that domain is the author's does it say
//! something about the author: anybody may sign with a domain of their own. What counts is what DMARC would ask for, in
//! one direction: the domain that a host speaks for is the author's, or one that the author's stands below.
//!
//! It is the word of a domain, not of a person: it holds as far as the domain keeps its people apart.

use std::collections::BTreeMap;

use listmill_core::Address;
use listmill_queue_format::AuthenticationResult;

/// Where each method says whose word it is, the stricter place first.
const SPEAKERS: &[(&str, &[&str])] = &[("dkim", &["header.d", "header.i"]), ("spf", &["smtp.mailfrom"])];

/// Why the results speak for the author's domain, in one line.
///
/// They do by `dmarc=pass` for that domain itself, or by `dkim=pass` or `spf=pass` for it or for one above it that has at
/// least two labels.
///
/// # Errors
/// Why they do not: nothing in them does, some host says `dmarc=fail`, or one host says the contrary of another.
pub fn aligned(results: &[AuthenticationResult], author: &Address) -> Result<String, String> {
    if let Some(why) = disowned_by(results, &["dmarc"]) {
        return Err(why);
    }
    let dmarc = results.iter().find(|one| {
        said(one, "dmarc", "pass") && property(one, "header.from").and_then(domain).as_deref() == Some(author.domain())
    });
    let mut good = dmarc.map(|one| format!("{} says dmarc=pass for {}", one.authserv_id, author.domain()));
    for (method, speakers) in SPEAKERS {
        let found = by_method(results, method, speakers, author)?;
        good = good.or(found);
    }
    good.ok_or_else(|| format!("no trusted host says that it is from {}", author.domain()))
}

/// Why the author's domain says that the message is not theirs: SPF or DMARC failed, by the word of some trusted host.
pub fn disowned(results: &[AuthenticationResult]) -> Option<String> {
    disowned_by(results, &["spf", "dmarc"])
}

/// The first `fail` of one of these methods.
pub fn failed<'r>(results: &'r [AuthenticationResult], methods: &[&str]) -> Option<&'r AuthenticationResult> {
    results.iter().find(|one| methods.iter().any(|method| said(one, method, "fail")))
}

fn disowned_by(results: &[AuthenticationResult], methods: &[&str]) -> Option<String> {
    failed(results, methods).map(|one| format!("{} says {}=fail", one.authserv_id, one.method))
}

/// What one method says for the author, by the word of whoever says it first; an error when hosts contradict each other.
///
/// A message has several signatures, and a host that finds one of them good has found the author's domain: for one host
/// any `pass` outweighs its `fail`s.
fn by_method(
    results: &[AuthenticationResult],
    method: &str,
    speakers: &[&str],
    author: &Address,
) -> Result<Option<String>, String> {
    let mut hosts: BTreeMap<&str, bool> = BTreeMap::new();
    let mut good = None;
    for one in results {
        let speaker = speakers.iter().find_map(|name| property(one, name)).and_then(domain);
        let Some(speaker) = speaker.filter(|domain| speaks_for(domain, author.domain())) else { continue };
        if said(one, method, "pass") {
            hosts.insert(&one.authserv_id, true);
            good.get_or_insert_with(|| format!("{} says {method}=pass for {speaker}", one.authserv_id));
        } else if ["fail", "softfail", "permerror", "policy"].iter().any(|bad| said(one, method, bad)) {
            hosts.entry(&one.authserv_id).or_insert(false);
        }
    }
    let (pass, fail): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|(_, passed)| *passed);
    match (pass.first(), fail.first()) {
        (Some((one, _)), Some((other, _))) => Err(format!("{one} and {other} contradict each other about {method}")),
        _ => Ok(good),
    }
}

fn said(one: &AuthenticationResult, method: &str, result: &str) -> bool {
    one.method.eq_ignore_ascii_case(method) && one.result.eq_ignore_ascii_case(result)
}

fn property<'r>(one: &'r AuthenticationResult, name: &str) -> Option<&'r str> {
    one.properties.get(name)?.as_str()
}

/// `speaker` is `author`, or stands above it and is no top-level domain.
fn speaks_for(speaker: &str, author: &str) -> bool {
    speaker == author || speaker.contains('.') && author.strip_suffix(speaker).is_some_and(|below| below.ends_with('.'))
}

/// The domain in a value that is an address or a domain alone: lower case, A-labels (RFC 5890), without the dot of the root.
///
/// None when a letter that is not ASCII becomes one that is: what looks like `example.net` to one host is something else
/// to another.
fn domain(value: &str) -> Option<String> {
    let written = value.rsplit_once('@').map_or(value, |(_, domain)| domain);
    let written = written.strip_suffix('.').unwrap_or(written);
    let address: Address = format!("x@{written}").parse().ok()?;
    let labels = || written.split('.').zip(address.domain().split('.'));
    let same = written.split('.').count() == address.domain().split('.').count();
    (same && labels().all(|(written, read)| written.is_ascii() || read.starts_with("xn--")))
        .then(|| address.domain().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authres::authentication_results;
    use crate::message::Message;

    /// What hosts wrote, as in the header; one field for each piece between `|`.
    fn results(fields: &str) -> Vec<AuthenticationResult> {
        let message: String =
            fields.split('|').map(|one| format!("Authentication-Results: {}\r\n", one.trim())).collect();
        let trusted = ["mx.example.org".to_owned(), "relay.example.org".to_owned()];
        authentication_results(&Message::parse(format!("{message}\r\n").as_bytes()), &trusted)
    }

    /// Author, what hosts wrote (behind `mx.example.org; `), and the beginning of why.
    type Row = (&'static str, &'static str, Result<&'static str, &'static str>);

    const NOBODY: Result<&str, &str> = Err("no trusted host says");
    const FAIL: Result<&str, &str> = Err("mx.example.org says dmarc=fail");
    const CONTRARY: Result<&str, &str> = Err("mx.example.org and relay.example.org contradict each other about");
    const BOB: &str = "bob@example.net";

    const TABLE: &[Row] = &[
        // DMARC: the author's domain itself.
        (BOB, "dmarc=pass header.from=example.net", Ok("mx.example.org says dmarc=pass for example.net")),
        (BOB, "dmarc=pass header.from=Example.NET", Ok("mx.example.org says dmarc=pass")),
        (BOB, "dmarc=pass header.from=example.net.", Ok("mx.example.org says dmarc=pass")),
        (BOB, "dmarc=pass header.from=bob@example.net", Ok("mx.example.org says dmarc=pass")),
        (BOB, "dmarc=pass", NOBODY),
        (BOB, "dmarc=pass header.from=evilexample.net", NOBODY),
        (BOB, "dmarc=pass header.from=example.net.evil.example.com", NOBODY),
        (BOB, "dmarc=pass header.from=\"example.net@evil.example.com\"", NOBODY),
        ("bob@sub.example.net", "dmarc=pass header.from=example.net", NOBODY),
        (BOB, "dmarc=bestguesspass header.from=example.net", NOBODY),
        (BOB, "dmarc=none header.from=example.net", NOBODY),
        // DKIM: the author's domain, or one above it.
        (BOB, "dkim=pass header.d=example.net", Ok("mx.example.org says dkim=pass for example.net")),
        (BOB, "dkim=pass header.i=@example.net", Ok("mx.example.org says dkim=pass for example.net")),
        (BOB, "dkim=pass header.i=bob@EXAMPLE.net", Ok("mx.example.org says dkim=pass")),
        ("bob@a.b.example.net", "dkim=pass header.d=example.net", Ok("mx.example.org says dkim=pass for example.net")),
        (
            "bob@a.b.example.net",
            "dkim=pass header.d=B.example.net",
            Ok("mx.example.org says dkim=pass for b.example.net"),
        ),
        (BOB, "dkim=pass header.d=sub.example.net", NOBODY),
        (BOB, "dkim=pass header.d=net", NOBODY),
        (BOB, "dkim=pass header.d=net.", NOBODY),
        (BOB, "dkim=pass header.d=.net", NOBODY),
        (BOB, "dkim=pass header.d=.", NOBODY),
        (BOB, "dkim=pass header.d=example.net..", NOBODY),
        ("bob@intranet", "dkim=pass header.d=intranet", Ok("mx.example.org says dkim=pass for intranet")),
        ("bob@evilexample.net", "dkim=pass header.d=example.net", NOBODY),
        (BOB, "dkim=pass header.d=evilexample.net", NOBODY),
        (BOB, "dkim=pass header.d=example.net.evil.example.com", NOBODY),
        (BOB, "dkim=pass header.d=evil.example.com header.i=@example.net", NOBODY),
        (BOB, "dkim=pass header.i=example.net@evil.example.com", NOBODY),
        (BOB, "dkim=pass header.s=example.net", NOBODY),
        (BOB, "dkim=fail header.d=example.net", NOBODY),
        (BOB, "dkim=fail header.d=example.net; dkim=pass header.d=example.net", Ok("mx.example.org says dkim=pass")),
        (BOB, "dkim=pass header.d=evil.example.com; dkim=fail header.d=example.net", NOBODY),
        // SPF: the envelope sender's domain.
        (BOB, "spf=pass smtp.mailfrom=bounces@example.net", Ok("mx.example.org says spf=pass for example.net")),
        (BOB, "spf=pass smtp.mailfrom=example.net", Ok("mx.example.org says spf=pass")),
        ("bob@sub.example.net", "spf=pass smtp.mailfrom=example.net", Ok("mx.example.org says spf=pass")),
        (BOB, "spf=pass smtp.mailfrom=SRS0=a=b=example.net=bob@evil.example.com", NOBODY),
        (BOB, "spf=pass smtp.mailfrom=\"x@example.net\"@evil.example.com", NOBODY),
        (BOB, "spf=pass smtp.helo=example.net", NOBODY),
        (BOB, "spf=softfail smtp.mailfrom=example.net", NOBODY),
        (BOB, "spf=neutral smtp.mailfrom=example.net", NOBODY),
        // Domains in other scripts.
        ("bob@b\u{fc}cher.example", "dkim=pass header.d=xn--bcher-kva.example", Ok("mx.example.org says dkim=pass")),
        ("bob@xn--bcher-kva.example", "dkim=pass header.d=B\u{dc}CHER.example", Ok("mx.example.org says dkim=pass")),
        (BOB, "dkim=pass header.d=ex\u{430}mple.net", NOBODY),
        (BOB, "dkim=pass header.d=\u{ff45}xample.net", NOBODY),
        (BOB, "dkim=pass header.d=example\u{3002}net", NOBODY),
        (BOB, "dkim=pass header.d=xn--exmple-4nf.net", NOBODY),
        ("bob@ex\u{430}mple.net", "dkim=pass header.d=example.net", NOBODY),
        // Nothing outweighs a failure of DMARC, and hosts must agree.
        (BOB, "dmarc=fail header.from=example.net; dkim=pass header.d=example.net", FAIL),
        (BOB, "dmarc=pass header.from=example.net; dmarc=fail header.from=example.net", FAIL),
        (BOB, "dmarc=fail", FAIL),
        (BOB, "dmarc=fail header.from=evil.example.com", FAIL),
        (
            BOB,
            "dkim=pass header.d=example.net | relay.example.org; dmarc=fail",
            Err("relay.example.org says dmarc=fail"),
        ),
        (BOB, "dkim=pass header.d=example.net | relay.example.org; dkim=fail header.d=example.net", CONTRARY),
        (
            BOB,
            "spf=fail smtp.mailfrom=example.net | relay.example.org; spf=pass smtp.mailfrom=example.net",
            Err("relay.example.org and mx.example.org contradict each other about spf"),
        ),
        (
            BOB,
            "dmarc=pass header.from=example.net; spf=pass smtp.mailfrom=example.net | relay.example.org; spf=softfail smtp.mailfrom=example.net",
            CONTRARY,
        ),
        (
            BOB,
            "dkim=pass header.d=example.net | relay.example.org; dkim=pass header.d=example.net",
            Ok("mx.example.org says dkim=pass"),
        ),
        (
            BOB,
            "dkim=pass header.d=example.net | relay.example.org; dkim=temperror header.d=example.net",
            Ok("mx.example.org says dkim=pass"),
        ),
        (
            BOB,
            "dkim=pass header.d=example.net | relay.example.org; dkim=fail header.d=lists.example.com",
            Ok("mx.example.org says dkim=pass"),
        ),
        (
            BOB,
            "dkim=pass header.d=example.net; spf=fail smtp.mailfrom=forwarder.example.com",
            Ok("mx.example.org says dkim=pass"),
        ),
        // Nothing said.
        (BOB, "none", NOBODY),
        (BOB, "auth=pass smtp.auth=bob@example.net", NOBODY),
        (BOB, "arc=pass header.d=example.net", NOBODY),
        (BOB, "dkim=pass header.d=", NOBODY),
        (BOB, "spf=pass | evil.example.com; dkim=pass header.d=example.net", NOBODY),
    ];

    #[test]
    fn who_speaks_for_the_author() {
        assert!(TABLE.len() >= 30);
        for (author, written, expected) in TABLE {
            let found = aligned(&results(&format!("mx.example.org; {written}")), &author.parse().unwrap());
            let (why, begins) = match (&found, expected) {
                (Ok(why), Ok(begins)) | (Err(why), Err(begins)) => (why, begins),
                _ => panic!("{author} by {written:?}: {found:?}"),
            };
            assert!(why.starts_with(begins) && !why.contains('\n'), "{author} by {written:?}: {why}");
        }
        assert!(aligned(&[], &BOB.parse().unwrap()).is_err());
    }

    #[test]
    fn who_disowns_it() {
        let of = |written: &str| disowned(&results(&format!("mx.example.org; {written}")));
        assert_eq!(of("dmarc=pass; spf=fail").as_deref(), Some("mx.example.org says spf=fail"));
        assert_eq!(of("SPF=none; DMARC=Fail").as_deref(), Some("mx.example.org says dmarc=fail"));
        assert_eq!(of("none | relay.example.org; dmarc=fail").as_deref(), Some("relay.example.org says dmarc=fail"));
        for written in ["none", "dkim=fail", "spf=softfail", "spf=neutral; dmarc=none", "dmarc=temperror", "arc=fail"] {
            assert_eq!(of(written), None, "{written}");
        }
    }
}
