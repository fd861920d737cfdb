//! Authentication-Results (RFC 8601): what a trusted host says about who sent a message.

use std::iter::Peekable;

use listmill_queue_format::AuthenticationResult;

use crate::message::{Field, Message, unfold};

/// A field that a mail server writes is never longer.
const MAX_OCTETS: usize = 65_536;

/// A chain of mail servers that we trust never says more: what is beyond is not recorded with the entry.
const MAX_RESULTS: usize = 100;

/// Received fields above one that is believed: our own, and that of the host which passed the message to us.
const MAX_RECEIVED: usize = 2;

/// The results that hosts in `trusted` (authserv-ids, letters in either case) wrote into this message, in order.
///
/// RFC 8601 §5: where a field stands says who can have written it. The host in front of us writes its own above its
/// Received field or directly below; what stands below a Received field that was there before may come from anybody. So a
/// field counts only with at most two Received fields above it, the topmost of which is our own. Each host speaks once
/// about each method: what another field of the same host says about it further down is not heard, for several milters
/// write a field each, and none of them repeats another.
///
/// A field whose authserv-id is not in `trusted`, or that is not written as RFC 8601 §2.2 says, counts for nothing (nor
/// one with white space in front of its colon, which border hosts that delete fields may not know); so does, within a
/// field, a result that is not. Words that are no `ptype.property` (`action=none`, which some servers write) are passed
/// over.
pub fn authentication_results(message: &Message<'_>, trusted: &[String]) -> Vec<AuthenticationResult> {
    let mut found: Vec<AuthenticationResult> = Vec::new();
    let mut received = 0;
    for field in message.fields() {
        received += usize::from(field.name.eq_ignore_ascii_case("Received"));
        if received > MAX_RECEIVED || found.len() == MAX_RESULTS {
            break;
        }
        let mut more = believed(message, field, trusted).unwrap_or_default();
        more.retain(|one| {
            !found.iter().any(|above| above.authserv_id == one.authserv_id && above.method == one.method)
        });
        found.extend(more);
        found.truncate(MAX_RESULTS);
    }
    found
}

/// What this field says; none when it is another one, or not to be believed.
fn believed(message: &Message<'_>, field: &Field<'_>, trusted: &[String]) -> Option<Vec<AuthenticationResult>> {
    let is_one = field.name.eq_ignore_ascii_case("Authentication-Results");
    let colon = message.bytes().get(field.range.start + field.name.len());
    let value = message.value(field);
    if !is_one || colon != Some(&b':') || value.len() > MAX_OCTETS || std::str::from_utf8(value).is_err() {
        return None;
    }
    results(&unfold(value), trusted)
}

/// The results of one unfolded value; none when it is not to be believed, or not to be understood.
fn results(value: &str, trusted: &[String]) -> Option<Vec<AuthenticationResult>> {
    let tokens = tokens(value)?;
    let mut sections = tokens.split(|token| *token == Token::Special(';'));
    let authserv_id = match sections.next()? {
        [Token::Word(id) | Token::Quoted(id)] => id,
        // RFC 8601 §2.2: another version than 1 is another format.
        [Token::Word(id) | Token::Quoted(id), Token::Word(version)] if version == "1" => id,
        _ => return None,
    };
    if !trusted.iter().any(|known| known.eq_ignore_ascii_case(authserv_id)) {
        return None;
    }
    Some(sections.filter_map(|section| result(authserv_id, section)).collect())
}

/// `method[/version]=result [reason=…] [ptype.property=value]…`; none for `none` and for what is not of this form.
fn result(authserv_id: &str, section: &[Token]) -> Option<AuthenticationResult> {
    let mut tokens = section.iter().peekable();
    let method = word(&mut tokens)?;
    if tokens.next_if_eq(&&Token::Special('/')).is_some() && word(&mut tokens)? != "1" {
        return None; // RFC 8601 §2.2: a version of the method that we do not know
    }
    tokens.next_if_eq(&&Token::Special('='))?;
    let mut found = AuthenticationResult {
        authserv_id: authserv_id.to_ascii_lowercase(),
        method: method.to_ascii_lowercase(),
        result: word(&mut tokens)?.to_ascii_lowercase(),
        properties: Default::default(),
        other: Default::default(),
    };
    while tokens.peek().is_some() {
        let (name, value) = property(&mut tokens)?;
        match name.split_once('.') {
            // The first counts: a second one of the same name is nothing that RFC 8601 knows.
            Some(_) if !found.properties.contains_key(&name) => {
                found.properties.insert(name, value.into());
            }
            None if name == "reason" => {
                found.other.insert(name, value.into());
            }
            _ => {}
        }
    }
    Some(found)
}

/// `ptype.property=value` or `reason=value`; the value may be an address of which the local part is quoted.
fn property<'t>(tokens: &mut Peekable<impl Iterator<Item = &'t Token>>) -> Option<(String, String)> {
    let mut name = word(tokens)?.to_ascii_lowercase();
    // White space and comments may stand around the dot.
    while tokens
        .peek()
        .is_some_and(|next| matches!(next, Token::Word(next) if name.ends_with('.') || next.starts_with('.')))
    {
        name.push_str(&word(tokens)?.to_ascii_lowercase());
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return None;
    }
    tokens.next_if_eq(&&Token::Special('='))?;
    let mut value = match tokens.next()? {
        Token::Word(text) | Token::Quoted(text) => text.clone(),
        Token::Special('@') => format!("@{}", word(tokens)?),
        Token::Special(_) => return None,
    };
    if tokens.next_if_eq(&&Token::Special('@')).is_some() {
        value = format!("{value}@{}", word(tokens)?);
    }
    Some((name, value))
}

fn word<'t>(tokens: &mut Peekable<impl Iterator<Item = &'t Token>>) -> Option<&'t str> {
    match tokens.next()? {
        Token::Word(word) => Some(word),
        Token::Quoted(_) | Token::Special(_) => None,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Special(char),
}

/// The value without white space and comments; none when a quotation or a comment is not closed, or when it has what
/// cannot be in a header field. A `=` ends a word only once in a property: what follows it, up to white space, is a value.
fn tokens(value: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {}
            '(' => comment(&mut chars)?,
            '"' => tokens.push(Token::Quoted(quoted(&mut chars)?)),
            ';' | '=' | '@' | '/' => tokens.push(Token::Special(c)),
            c if c.is_control() => return None,
            c => {
                let value = tokens.last() == Some(&Token::Special('='));
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|next| in_word(*next, value)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

/// RFC 2045 §5.1 token, and in a value also what addresses, selectors and Base64 have.
fn in_word(c: char, value: bool) -> bool {
    !c.is_control() && !" \t();\"@".contains(c) && (value || !"=/".contains(c))
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            c if c.is_control() => return None,
            c => text.push(c),
        }
    }
}

fn comment(chars: &mut impl Iterator<Item = char>) -> Option<()> {
    let mut depth = 1_usize;
    while depth > 0 {
        match chars.next()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => drop(chars.next()?),
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each result as `method=result{property=value,…}`, all in one line.
    fn shown(results: &[AuthenticationResult]) -> String {
        let one = |result: &AuthenticationResult| {
            let properties =
                result.properties.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
            let properties = properties.collect::<Vec<_>>().join(",");
            let properties = if properties.is_empty() { properties } else { format!("{{{properties}}}") };
            format!("{}={}{properties}", result.method, result.result)
        };
        results.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    const TABLE: &[(&str, &str)] = &[
        // As servers write them.
        ("mx.example.org; dkim=pass header.d=example.net", "dkim=pass{header.d=example.net}"),
        (
            "mx.example.org;\r\n\tdkim=pass header.d=example.net header.s=s1 header.b=\"aB+/3=\";\r\n\tspf=pass smtp.mailfrom=bob@example.net",
            "dkim=pass{header.d=example.net,header.s=s1,header.b=aB+/3=} spf=pass{smtp.mailfrom=bob@example.net}",
        ),
        (
            "mx.example.org; dkim=pass header.i=@example.net header.b=aB+/3=",
            "dkim=pass{header.i=@example.net,header.b=aB+/3=}",
        ),
        ("mx.example.org; spf=softfail smtp.mailfrom=example.net", "spf=softfail{smtp.mailfrom=example.net}"),
        (
            "mx.example.org; dmarc=fail (p=reject dis=none) header.from=example.net",
            "dmarc=fail{header.from=example.net}",
        ),
        ("mx.example.org; dkim=fail reason=\"bad; signature\" header.d=example.net", "dkim=fail{header.d=example.net}"),
        ("mx.example.org; arc=pass (i=2 spf=pass (nested) dkim=pass)", "arc=pass"),
        ("mx.example.org; dmarc=pass action=none header.from=example.net", "dmarc=pass{header.from=example.net}"),
        ("mx.example.org; iprev=pass policy.iprev=192.0.2.1", "iprev=pass{policy.iprev=192.0.2.1}"),
        ("mx.example.org; auth=pass (cram-md5) smtp.auth=bob@example.net", "auth=pass{smtp.auth=bob@example.net}"),
        (
            "mx.example.org; spf=pass smtp.mailfrom=\"a;dkim=pass\"@example.net",
            "spf=pass{smtp.mailfrom=a;dkim=pass@example.net}",
        ),
        (
            "mx.example.org; dkim=neutral header.d=a.example ; dkim=pass header.d=b.example;",
            "dkim=neutral{header.d=a.example} dkim=pass{header.d=b.example}",
        ),
        // Who says so.
        ("MX.Example.ORG; spf=pass", "spf=pass"),
        ("\"mx.example.org\"; spf=pass", "spf=pass"),
        ("mx.example.org 1; spf=pass", "spf=pass"),
        ("mx.example.org (our own) 1 (version); spf=pass", "spf=pass"),
        ("(mx.evil.example) mx.example.org; spf=pass", "spf=pass"),
        ("mx.example.org 2; spf=pass", ""),
        ("mx.example.org 1 1; spf=pass", ""),
        ("mx.evil.example; spf=pass", ""),
        ("mx.example.org.evil.example; spf=pass", ""),
        ("evil.mx.example.org; spf=pass", ""),
        ("mx.example.org evil.example; spf=pass", ""),
        ("(mx.example.org) ; spf=pass", ""),
        ("mx.example.org@evil.example; spf=pass", ""),
        ("spf=pass", ""),
        ("", ""),
        (";", ""),
        // What it says.
        ("mx.example.org; none", ""),
        ("mx.example.org;none", ""),
        ("mx.example.org", ""),
        ("mx.example.org;", ""),
        ("mx.example.org; SPF=Pass SMTP.MailFrom=Example.NET", "spf=pass{smtp.mailfrom=Example.NET}"),
        ("mx.example.org; dkim/1=pass", "dkim=pass"),
        ("mx.example.org; dkim / 1 = pass", "dkim=pass"),
        ("mx.example.org; dkim/2=pass; spf=pass", "spf=pass"),
        (
            "mx.example.org; dkim (RFC 6376) = (really) pass (1024-bit) header (c) . (c) d (c) = (c) example.net",
            "dkim=pass{header.d=example.net}",
        ),
        ("mx.example.org; dkim = pass header.d = example.net", "dkim=pass{header.d=example.net}"),
        ("mx.example.org; dkim=pass header.d=a.example header.d=b.example", "dkim=pass{header.d=a.example}"),
        ("mx.example.org; dkim; spf=pass", "spf=pass"),
        ("mx.example.org; dkim=; spf=pass", "spf=pass"),
        ("mx.example.org; =pass; spf=pass", "spf=pass"),
        ("mx.example.org; dkim=pass header.d=; spf=pass", "spf=pass"),
        ("mx.example.org; dkim=pass spurious; spf=pass", "spf=pass"),
        ("mx.example.org; dkim=pass header..d=x; spf=pass", "spf=pass"),
        ("mx.example.org; dkim=pass \"header.d\"=x; spf=pass", "spf=pass"),
        ("mx.example.org; dkim=\"pass\"", ""),
        // What is not closed hides what follows.
        ("mx.example.org; spf=pass (never closed; dkim=pass", ""),
        ("mx.example.org; spf=pass smtp.mailfrom=\"never closed; dkim=pass", ""),
        ("mx.example.org; spf=pass (a \\) b; dkim=pass", ""),
        ("mx.example.org; spf=pass (; dkim=pass header.d=bank.example ;)", "spf=pass"),
        ("mx.example.org; spf=pass\0; dkim=pass", ""),
    ];

    #[test]
    fn one_field_in_its_many_forms() {
        let trusted = ["mx.example.org".to_owned()];
        assert!(TABLE.len() >= 40);
        for (value, expected) in TABLE {
            let message = format!("Authentication-Results: {value}\r\nFrom: bob@example.net\r\n\r\n");
            let found = authentication_results(&Message::parse(message.as_bytes()), &trusted);
            assert_eq!(shown(&found), *expected, "{value:?}");
            assert!(found.iter().all(|result| result.authserv_id == "mx.example.org"));
        }
    }

    #[test]
    fn several_fields_count_in_their_order_and_only_trusted_ones() {
        let message =
            b"Authentication-Results: mx2.example.org; arc=pass\r\nAuthentication-Results: evil.example; dkim=pass\r\n\
            AUTHENTICATION-RESULTS: mx.example.org; spf=fail reason=\"not permitted\"\r\n\r\n";
        let message = Message::parse(message);
        let trusted = ["MX.example.org".to_owned(), "mx2.example.org".to_owned()];
        let found = authentication_results(&message, &trusted);
        assert_eq!(shown(&found), "arc=pass spf=fail");
        assert_eq!(found[1].other["reason"], "not permitted");
        assert!(authentication_results(&message, &[]).is_empty(), "nobody is trusted unless the site says so");
    }

    #[test]
    fn where_a_field_stands_says_whether_it_is_believed() {
        let says = |what: &str| format!("Authentication-Results: mx.example.org; {what}\r\n");
        let received = "Received: from a\r\n\tby b; Sun, 22 Nov 2026 09:30:00 +0000\r\n";
        let [top, above, below, forged] = ["a=pass", "spf=pass", "dkim=pass", "dmarc=pass"].map(says);
        let twice = format!("{}{}", says("dkim=fail; dkim=pass"), says("dkim=pass header.d=evil.example; arc=pass"));
        let other = "Authentication-Results: mx2.example.org; dkim=pass\r\n";
        let spaced = says("dmarc=pass").replace(':', " :");
        for (header, expected) in [
            (format!("{top}{received}{above}{received}{below}{received}{forged}"), "a=pass spf=pass dkim=pass"),
            (format!("{received}{received}{below}Subject: x\r\n{above}"), "dkim=pass spf=pass"),
            (format!("{received}{received}X-Y: z\r\n{received}{forged}"), ""),
            (format!("{received}{received}{}{forged}", received.to_uppercase()), ""),
            (format!("{received}{forged}"), "dmarc=pass"),
            // Of one host, the topmost field that names a method.
            (twice.clone(), "dkim=fail dkim=pass arc=pass"),
            (format!("{}{other}", says("dkim=fail")), "dkim=fail dkim=pass"),
            (spaced, ""),
        ] {
            let trusted = ["mx.example.org".to_owned(), "mx2.example.org".to_owned()];
            let found = authentication_results(&Message::parse(format!("{header}\r\n").as_bytes()), &trusted);
            assert_eq!(shown(&found), expected, "{header}");
        }
    }

    #[test]
    fn what_is_recorded_is_bounded() {
        let message: String =
            (0..1000).map(|at| format!("Authentication-Results: mx.example.org; a{at}=b; c{at}=d\r\n")).collect();
        let found = authentication_results(&Message::parse(message.as_bytes()), &["mx.example.org".to_owned()]);
        assert_eq!(found.len(), MAX_RESULTS);
    }

    #[test]
    fn bombs_say_nothing() {
        for piece in ["(", "\"", "a=b;", ";", "mx.example.org; ", "\\", "a.b=c "] {
            let message = format!("Authentication-Results: {}\r\n\r\n", piece.repeat(200_000));
            assert!(
                authentication_results(&Message::parse(message.as_bytes()), &["mx.example.org".to_owned()]).is_empty()
            );
        }
    }
}
