//! HTML as a row of texts and tags, in one pass: as much of its syntax as decides where a text begins and ends.

/// A piece of HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text with its entities.
    Text(&'a str),
    /// `<name …>`
    Open { name: &'a str, attributes: Vec<(&'a str, &'a str)> },
    /// `</name>`
    Close(&'a str),
}

/// Elements whose content is no HTML and not shown.
const OPAQUE: [&str; 9] = ["style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"];

/// The pieces of this HTML, without comments, declarations and what is not shown. What is never closed goes to the end.
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(html: &'a str) -> Self {
        Tokens { rest: html }
    }

    /// A tag, when `rest` begins with one.
    fn tag(&mut self) -> Option<Token<'a>> {
        let inner = &self.rest[1..];
        let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
        let end = inner.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(inner.len());
        let (name, inner) = inner.split_at(end);
        let Some((attributes, rest)) = attributes(inner) else {
            self.rest = "";
            return None;
        };
        self.rest = rest;
        if closes {
            return Some(Token::Close(name));
        }
        if OPAQUE.iter().any(|opaque| name.eq_ignore_ascii_case(opaque)) {
            self.rest = behind_close(rest, name);
            return None;
        }
        Some(Token::Open { name, attributes })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.rest.is_empty() {
            if !begins_markup(self.rest) {
                // A `<` that begins nothing is text.
                let end =
                    self.rest.char_indices().skip(1).find(|(_, c)| *c == '<').map_or(self.rest.len(), |(at, _)| at);
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Token::Text(text));
            }
            if let Some(comment) = self.rest.strip_prefix("<!--") {
                self.rest = comment.strip_prefix('>').unwrap_or_else(|| behind(comment, "-->"));
            } else if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
                self.rest = behind(self.rest, ">");
            } else if let Some(tag) = self.tag() {
                return Some(tag);
            }
        }
        None
    }
}

/// `<` and what makes it more than a character.
fn begins_markup(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('<') else { return false };
    let name = inner.strip_prefix('/').unwrap_or(inner);
    inner.starts_with(['!', '?']) || name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The attributes of a tag, and what stands behind its `>`; none when it has no end.
fn attributes(mut rest: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Some((found, after));
        }
        let ends = |(_, c): &(usize, char)| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=');
        let (end, _) = rest.char_indices().skip(1).find(ends)?;
        let (name, after) = rest.split_at(end);
        let Some(value) = after.trim_ascii_start().strip_prefix('=') else {
            found.push((name, ""));
            rest = after;
            continue;
        };
        let value = value.trim_ascii_start();
        let (value, after) = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>')?),
        };
        found.push((name, value));
        rest = after;
    }
}

/// What stands behind the first `mark`; nothing when there is none.
fn behind<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or("", |(_, rest)| rest)
}

/// What stands behind `</name>`; nothing when there is none.
fn behind_close<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("</") {
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return behind(after, ">");
        }
        rest = after;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> String {
        let show = |token: Token<'_>| match token {
            Token::Text(text) => text.to_owned(),
            Token::Open { name, attributes } => {
                let attributes: String = attributes.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                format!("[{name}{attributes}]")
            }
            Token::Close(name) => format!("[/{name}]"),
        };
        Tokens::new(html).map(show).collect()
    }

    #[test]
    fn texts_and_tags() {
        for (html, expected) in [
            ("", ""),
            ("a < b <", "a < b <"),
            ("<3 <br/>x", "<3 [br]x"),
            ("a<b>c</b >d", "a[b]c[/b]d"),
            ("<a href=\"x>y\" B = 'z' c=d/e f>t", "[a href=x>y B=z c=d/e f=]t"),
            ("<div =x>t", "[div =x=]t"),
            ("a<!-- <b> -->c<!-->d<!doctype html>e<?xml?>f", "acdef"),
            ("a<![if !mso]>b<![endif]>c", "abc"),
            ("a<STYLE>p{}</p></style >b<script>'</'</script>c<title>t</title>d", "abcd"),
            // What is never closed goes to the end.
            ("a<b", "a"),
            ("a<b c=\"d>e", "a"),
            ("a<!-- b", "a"),
            ("a<style>b", "a"),
            ("ä<ü>ö</ü>", "ä<ü>ö</ü>"),
        ] {
            assert_eq!(shown(html), expected, "{html}");
        }
    }
}
