//! One mailbox, read strictly (RFC 5322 §3.4): what is not plainly one mailbox is refused with a reason.
//!
//! Of the obsolete syntax only dots in an unquoted display name are taken: everything else that §4.4 still allows is
//! read in two ways by the readers that are out there, and such a difference is how a message is given a false author.

use crate::rfc2047;

/// A mailbox: its display name, decoded, and its address as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// The one mailbox that this unfolded value is, or why it is not one.
pub(crate) fn mailbox(value: &str) -> Result<Mailbox, String> {
    let tokens = tokens(value)?;
    let tokens = trim(&tokens);
    if tokens.is_empty() {
        return Err("it is empty".to_owned());
    }
    let Some(open) = tokens.iter().position(|token| *token == Token::Special('<')) else {
        let address = address(trim_comments(tokens))?;
        return Ok(Mailbox { name: comments(tokens), address });
    };
    let close = tokens.iter().position(|token| *token == Token::Special('>'));
    let close = close.filter(|close| *close > open).ok_or("an angle bracket is not closed")?;
    let phrase = display_name(&tokens[..open])?;
    if !trim_comments(&tokens[close + 1..]).is_empty() {
        return Err(format!("{} stands behind the address", first_odd(&tokens[close + 1..])));
    }
    let address = address(trim(&tokens[open + 1..close]))?;
    let name = if phrase.is_empty() { comments(tokens) } else { phrase };
    Ok(Mailbox { name, address })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'v> {
    /// Letters, digits and the like, and whatever is not ASCII (RFC 6532 §3.2).
    Word(&'v str),
    /// A quoted string: as it is written with its quotes, and what it says.
    Quoted(&'v str, String),
    /// What a comment says.
    Comment(String),
    Special(char),
    Space,
}

fn tokens(value: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ' ' | '\t' => (Token::Space, rest.len() - rest.trim_start_matches([' ', '\t']).len()),
            '"' => {
                let (text, length) = enclosed(rest, None, '"').ok_or("a quotation is not closed")?;
                (Token::Quoted(&rest[..length], text), length)
            }
            '(' => {
                let (text, length) = enclosed(rest, Some('('), ')').ok_or("a comment is not closed")?;
                (Token::Comment(text), length)
            }
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            c if c.is_control() || c.is_whitespace() => return Err("it has a control character".to_owned()),
            c => (Token::Special(c), c.len_utf8()),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// RFC 5322 §3.2.3 atext, and RFC 6532 §3.2.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

/// What stands between the first character and the `close` that belongs to it, and how many octets the whole takes.
fn enclosed(text: &str, open: Option<char>, close: char) -> Option<(String, usize)> {
    let mut said = String::new();
    let mut depth = 1_usize;
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == close {
            depth -= 1;
            if depth == 0 {
                return Some((said, at + c.len_utf8()));
            }
        } else if Some(c) == open {
            depth += 1;
        }
        said.push(if c == '\\' { chars.next()?.1 } else { c });
    }
    None
}

/// Words, quotations and dots: the display name.
fn display_name(tokens: &[Token<'_>]) -> Result<String, String> {
    let mut name = String::new();
    let mut words = String::new();
    for token in tokens {
        match token {
            Token::Word(word) => words.push_str(word),
            Token::Special('.') => words.push('.'),
            Token::Space => words.push(' '),
            Token::Comment(_) => {}
            Token::Quoted(_, text) => {
                name.push_str(&rfc2047::decode_inner(&words));
                words.clear();
                name.push_str(text);
            }
            Token::Special(_) => return Err(odd(token)),
        }
    }
    name.push_str(&rfc2047::decode_inner(&words));
    Ok(crate::field::clean(&name).into_owned())
}

/// An addr-spec without white space or comments in it.
fn address(tokens: &[Token<'_>]) -> Result<String, String> {
    let ats = tokens.iter().filter(|token| **token == Token::Special('@')).count();
    if let Some(token) =
        tokens.iter().find(|token| !matches!(token, Token::Word(_) | Token::Quoted(..) | Token::Special('@' | '.')))
    {
        return Err(odd(token));
    }
    let at = match (ats, tokens.iter().position(|token| *token == Token::Special('@'))) {
        (1, Some(at)) => at,
        (0, _) => return Err("it has no address".to_owned()),
        _ => return Err("an address has two @".to_owned()),
    };
    let (local, domain) = (&tokens[..at], &tokens[at + 1..]);
    let local = match local {
        [Token::Quoted(raw, _)] => (*raw).to_owned(),
        _ => dotted(local).ok_or("the local part of the address is not one")?,
    };
    let domain = dotted(domain).ok_or("the domain of the address is not one")?;
    if local.contains("=?") || domain.contains("=?") {
        return Err("an encoded word stands in the address".to_owned()); // RFC 2047 §5
    }
    check_domain(&domain)?;
    Ok(format!("{local}@{domain}"))
}

/// Words with single dots between them.
fn dotted(tokens: &[Token<'_>]) -> Option<String> {
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        match (index % 2, token) {
            (0, Token::Word(word)) => text.push_str(word),
            (1, Token::Special('.')) => text.push('.'),
            _ => return None,
        }
    }
    (tokens.len() % 2 == 1).then_some(text)
}

/// A reader that knows international names maps some characters to others (UTS 46), one that does not sees another
/// domain: only letters and digits that stay what they are can be relied upon.
fn check_domain(domain: &str) -> Result<(), String> {
    let stays = |c: char| match c {
        '\u{2100}'..='\u{214f}' | '\u{2460}'..='\u{24ff}' | '\u{3200}'..='\u{33ff}' => false,
        '\u{f900}'..='\u{ffff}' | '\u{1d400}'..='\u{1d7ff}' | '\u{1f100}'..='\u{1f1ff}' => false,
        c => c.is_ascii() || c.is_alphanumeric(),
    };
    if domain.chars().all(stays) {
        Ok(())
    } else {
        Err("the domain has a character that is read in two ways".to_owned())
    }
}

fn trim<'t, 'v>(tokens: &'t [Token<'v>]) -> &'t [Token<'v>] {
    trim_where(tokens, |token| *token == Token::Space)
}

fn trim_comments<'t, 'v>(tokens: &'t [Token<'v>]) -> &'t [Token<'v>] {
    trim_where(tokens, |token| matches!(token, Token::Space | Token::Comment(_)))
}

fn trim_where<'t, 'v>(mut tokens: &'t [Token<'v>], goes: impl Fn(&Token<'v>) -> bool) -> &'t [Token<'v>] {
    while let [first, rest @ ..] = tokens
        && goes(first)
    {
        tokens = rest;
    }
    while let [rest @ .., last] = tokens
        && goes(last)
    {
        tokens = rest;
    }
    tokens
}

/// What the comments say, decoded: where there is no display name, people put it there.
fn comments(tokens: &[Token<'_>]) -> String {
    let comments = tokens.iter().filter_map(|token| match token {
        Token::Comment(text) => Some(rfc2047::decode(text)),
        _ => None,
    });
    comments.collect::<Vec<_>>().join(" ")
}

fn first_odd(tokens: &[Token<'_>]) -> String {
    match trim_comments(tokens).first() {
        Some(Token::Special(',')) => "another address".to_owned(),
        Some(Token::Special(c)) => format!("{c:?}"),
        _ => "something else".to_owned(),
    }
}

fn odd(token: &Token<'_>) -> String {
    match token {
        Token::Special(',') => "it names more than one address".to_owned(),
        Token::Special(':' | ';') => "it is a group, or has a route".to_owned(),
        Token::Special('@') => "an address stands in the display name".to_owned(),
        Token::Special('<' | '>') => "angle brackets do not pair".to_owned(),
        Token::Special('[' | ']') => "it has square brackets that are not quoted".to_owned(),
        Token::Special(c) => format!("it has {c:?} where it cannot be"),
        Token::Space => "white space stands in the address".to_owned(),
        Token::Comment(_) => "a comment stands in the address".to_owned(),
        Token::Word(_) | Token::Quoted(..) => "it is not an address".to_owned(),
    }
}
