//! Joining and leaving by an address alone, with what people of mlmmj and ezmlm write behind the word: `dev-subscribe-nomail@`,
//! `dev-subscribe-joe=example.net@`.

use listmill_core::Address;

use crate::ask::{Ask, Joining};

/// What `dev-join…@` asks for.
///
/// # Errors
/// The detail says nothing to us.
pub(crate) fn join_by_address(detail: &str) -> Result<Ask, String> {
    let (mode, who) = split(detail);
    let mut joining = Joining::default();
    match mode.to_ascii_lowercase().as_str() {
        "" => (),
        "nomail" => joining.nomail = true,
        "digest" | "both" => joining.digest = Some("mime".to_owned()),
        _ => return Err(detail.to_owned()),
    }
    if !who.is_empty() {
        joining.address = Some(address(who).ok_or_else(|| detail.to_owned())?);
    }
    Ok(Ask::Join(joining))
}

/// What `dev-leave…@` asks for. Behind the word may stand a token that is worth nothing (any more): whoever writes there wants to
/// leave.
///
/// # Errors
/// None in this version.
pub(crate) fn leave_by_address(detail: &str) -> Result<Ask, String> {
    let (_, who) = split(detail);
    Ok(Ask::Leave { address: address(who), everywhere: false })
}

/// The mode, and the address with `=` for `@`; each may be empty.
fn split(detail: &str) -> (&str, &str) {
    if !detail.contains('=') {
        return (detail, "");
    }
    let modes = ["nomail", "digest", "both"];
    let split = detail.split_once(['-', '+']);
    let split = split.filter(|(mode, _)| modes.iter().any(|known| known.eq_ignore_ascii_case(mode)));
    split.unwrap_or(("", detail))
}

fn address(who: &str) -> Option<Address> {
    let (local, domain) = who.rsplit_once('=')?;
    format!("{local}@{domain}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_of_other_managers() {
        let join = |detail: &str| join_by_address(detail).map_or_else(|_| "-".to_owned(), |ask| ask.to_string());
        for (detail, expected) in [
            ("", "join"),
            ("nomail", "join nomail"),
            ("Digest", "join digest=mime"),
            ("both", "join digest=mime"),
            ("joe=example.net", "join address=joe@example.net"),
            ("joe-nomail=example.net", "join address=joe-nomail@example.net"),
            ("nomail-joe=example.net", "join nomail address=joe@example.net"),
            ("nomail+joe=x=example.net", "join nomail address=joe=x@example.net"),
            ("digest-joe=example.net", "join digest=mime address=joe@example.net"),
            ("allow", "-"),
            ("joe=", "-"),
            ("=example.net", "-"),
        ] {
            assert_eq!(join(detail), expected, "{detail}");
        }
        let leave = |detail: &str| leave_by_address(detail).unwrap().to_string();
        assert_eq!(leave(""), "leave");
        assert_eq!(leave("joe=example.net"), "leave address=joe@example.net");
        assert_eq!(leave("digest"), "leave");
        assert_eq!(leave("bob__example.net.abcdefg"), "leave");
    }
}
