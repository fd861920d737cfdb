//! The lines of a text/html part, as a reader sees them.

use mail_parser::decoders::html::add_html_token;

use super::line::Line;
use super::tags::{Token, Tokens};
use super::words::{Whose, whose};

/// Octets of the longest name of a character.
const MAX_ENTITY: usize = 40;

/// Elements before and behind which a line ends.
const BLOCKS: [&str; 40] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "tr",
    "ul",
];

/// The lines of this HTML up to where it says that somebody else wrote what follows; each in a `<blockquote>` is quoted.
///
/// Time and memory are in proportion to the HTML, however it is nested.
pub(super) fn lines(html: &str) -> Vec<Line> {
    let mut reader = Reader::default();
    for token in Tokens::new(html) {
        match token {
            Token::Text(text) => reader.text(text),
            Token::Open { name, attributes } => reader.open(name, &attributes),
            Token::Close(name) => reader.close(name),
        }
        if reader.ended {
            break;
        }
    }
    reader.end_line(false);
    reader.lines
}

#[derive(Debug, Default)]
struct Reader<'a> {
    lines: Vec<Line>,
    line: String,
    /// White space was read and not written.
    space: bool,
    head: bool,
    blockquotes: usize,
    pres: usize,
    /// The element in which we are that the author did not write, and how often its name is open in it.
    foreign: Option<(Whose, &'a str, usize)>,
    /// The author wrote a line.
    wrote: bool,
    ended: bool,
}

impl<'a> Reader<'a> {
    fn open(&mut self, name: &'a str, attributes: &[(&str, &str)]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is_block(name) {
            self.end_line(false);
            self.head = is("head");
        }
        match &mut self.foreign {
            Some((_, outer, open)) if is(outer) => *open += 1,
            Some(_) => {}
            None => self.begin_foreign(name, attributes),
        }
        if is("br") {
            self.end_line(true);
        } else if is("hr") {
            self.end_line(false);
            self.ended |= self.wrote && self.depth() == 0;
        } else if is("td") || is("th") {
            self.space = true;
        } else if is("blockquote") {
            self.blockquotes += 1;
        } else if is("pre") {
            self.pres += 1;
        }
    }

    fn close(&mut self, name: &str) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is_block(name) {
            self.end_line(false);
            self.head = false;
        }
        if is("blockquote") {
            self.blockquotes = self.blockquotes.saturating_sub(1);
        } else if is("pre") {
            self.pres = self.pres.saturating_sub(1);
        }
        if let Some((_, outer, open)) = &mut self.foreign
            && is(outer)
        {
            *open -= 1;
            if *open == 0 {
                self.end_line(false);
                self.foreign = None;
            }
        }
    }

    /// The element is one that the author did not write.
    fn begin_foreign(&mut self, name: &'a str, attributes: &[(&str, &str)]) {
        // A name of an element without content: it is never closed.
        if ["br", "hr", "img", "meta", "link", "input", "base", "area", "wbr"]
            .iter()
            .any(|v| name.eq_ignore_ascii_case(v))
        {
            return;
        }
        let said = attributes.iter().find_map(|(attribute, value)| {
            let style = attribute.eq_ignore_ascii_case("style").then(|| styled(value)).flatten();
            style.or_else(|| whose(attribute, value))
        });
        match said {
            Some(Whose::Below) if self.depth() == 0 => {
                self.end_line(false);
                self.ended = true;
            }
            Some(Whose::Below) | None => {}
            Some(whose) => {
                self.end_line(false);
                self.foreign = Some((whose, name, 1));
            }
        }
    }

    fn depth(&self) -> usize {
        self.blockquotes + usize::from(matches!(self.foreign, Some((Whose::Quoted, ..))))
    }

    fn text(&mut self, text: &str) {
        if self.head || matches!(self.foreign, Some((Whose::Dropped, ..))) {
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            self.characters(&rest[..at]);
            let (entity, after) = entity(&rest[at..]);
            self.characters(&entity);
            rest = after;
        }
        self.characters(rest);
    }

    fn characters(&mut self, text: &str) {
        for c in text.chars() {
            if self.pres > 0 && c == '\n' {
                self.end_line(true);
            } else if self.pres == 0 && c.is_ascii_whitespace() {
                self.space = true;
            } else {
                if self.space && !self.line.is_empty() {
                    self.line.push(' ');
                }
                self.space = false;
                self.line.push(c);
            }
        }
    }

    /// Ends the line, when something stands there or `forced`.
    fn end_line(&mut self, forced: bool) {
        let line = std::mem::take(&mut self.line);
        self.space = false;
        if forced || !line.is_empty() {
            let line = Line::new(self.depth(), &line);
            self.wrote |= line.depth == 0 && !line.is_blank();
            self.lines.push(line);
        }
    }
}

fn is_block(name: &str) -> bool {
    BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block))
}

/// What the style of an element says of who wrote it.
fn styled(style: &str) -> Option<Whose> {
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    // Outlook draws this line above the header block of what it quotes.
    if style.contains("border:none;border-top:solid") {
        return Some(Whose::Below);
    }
    (style.contains("display:none") || style.contains("mso-hide:all")).then_some(Whose::Dropped)
}

/// The character that `text`, which begins with `&`, names there, and what stands behind it.
fn entity(text: &str) -> (String, &str) {
    let end = text.bytes().take(MAX_ENTITY).skip(1).position(|byte| !byte.is_ascii_alphanumeric() && byte != b'#');
    let mut character = String::new();
    match end.map(|end| end + 1) {
        Some(end) if text.as_bytes()[end] == b';' => {
            add_html_token(&mut character, &text.as_bytes()[..=end], false);
            (character, &text[end + 1..])
        }
        _ => ("&".to_owned(), &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line, with a `>` for each time that it is quoted.
    fn shown(html: &str) -> Vec<String> {
        lines(html).into_iter().map(|line| format!("{}{}", ">".repeat(line.depth), line.text)).collect()
    }

    #[test]
    fn lines_end_where_a_reader_sees_them_end() {
        for (html, expected) in [
            ("a 1<br>d 2", &["a 1", "d 2"][..]),
            ("<div>a 1</div><div><br></div><div>d 2<br></div>x", &["a 1", "", "d 2", "x"]),
            ("<p>a\n  1 </p>\n<p> d&nbsp;2</p>", &["a 1", "d 2"]),
            ("<b>a</b> 1<span> 3</span>-<i>5</i>", &["a 1 3-5"]),
            ("<ul><li>a 1<li>d 2</ul>", &["a 1", "d 2"]),
            ("<table><tr><td>a</td><td>1</td></tr><tr><td>d</td></tr></table>", &["a 1", "d"]),
            ("<pre>a 1\r\n d 2\n</pre>x  y", &["a 1", " d 2", "x y"]),
            ("&lt;a&gt; &amp; &#228;&#xe4; &auml; &nope; & &amp &a;", &["<a> & ää ä &nope; & &amp &a;"]),
            ("<head><title>t</title>x<style>s</style></head><body>a</body>", &["a"]),
            ("<head>x<body>a", &["a"]),
            ("<span style='display: none'>x</span>a", &["a"]),
        ] {
            assert_eq!(shown(html), expected, "{html}");
        }
    }

    #[test]
    fn what_others_wrote_is_known() {
        for (html, expected) in [
            ("a<blockquote>b<blockquote>c</blockquote>d</blockquote>e", &["a", ">b", ">>c", ">d", "e"][..]),
            ("a<BLOCKQUOTE type=cite>b</div></p>c", &["a", ">b", ">c"]),
            ("a</blockquote>b", &["a", "b"]),
            ("&gt; a<div>&gt;&gt;b</div>", &[">a", ">>b"]),
            ("a<div class='x gmail_attr'>b<div>c</div>d</div>e", &["a", ">b", ">c", ">d", "e"]),
            ("a<div class=gmail_signature>b<div>c</div>d</div>e", &["a", "e"]),
            ("a<div id=divRplyFwdMsg>b</div>c", &["a"]),
            ("a<div style='border:none;border-top:solid #E1E1E1 1.0pt'>b</div>c", &["a"]),
            ("a<hr>b", &["a"]),
            ("<p></p><hr>b", &["b"]),
            ("<blockquote>a<hr><div id=appendonsend></div>b</blockquote>c<hr>d", &[">a", ">b", "c"]),
        ] {
            assert_eq!(shown(html), expected, "{html}");
        }
    }
}
