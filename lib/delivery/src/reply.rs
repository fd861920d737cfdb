//! What the next host says: a reply code, an enhanced status code, a text (RFC 5321 §4.2, RFC 2034).

/// The final reply about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Reply code (RFC 5321 §4.2); 0 where no reply came.
    pub code: u16,
    /// Enhanced status code (RFC 3463): the next host's, or `X.0.0` of the code's class.
    pub status: String,
    /// The text of the reply, its lines joined by a space; at most 1,000 characters, none of them a control character.
    pub text: String,
}

/// The characters of a reply's text that are kept.
const MAX_TEXT: usize = 1000;

impl Reply {
    /// Something that no next host said: a failure on our side of the conversation.
    pub fn none(status: &str, text: impl Into<String>) -> Reply {
        Reply { code: 0, status: status.to_owned(), text: text.into() }
    }

    /// The reply with this code and these lines of text.
    pub(crate) fn of(code: u16, lines: &[String]) -> Reply {
        let status = lines.first().and_then(|line| status(code, line)).map(str::to_owned);
        let mut text = String::new();
        for line in lines {
            // A server that sends an enhanced status code sends it on each line (RFC 2034 §4).
            let line = status.as_deref().and_then(|status| line.strip_prefix(status)).unwrap_or(line).trim();
            let room = MAX_TEXT.saturating_sub(text.chars().count());
            let space = if text.is_empty() || line.is_empty() { "" } else { " " };
            text.extend(space.chars().chain(line.chars()).take(room));
        }
        Reply { code, status: status.unwrap_or_else(|| format!("{}.0.0", code / 100)), text }
    }

    /// 2xx.
    pub(crate) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// The reply in one line, as for a log.
    pub(crate) fn in_one_line(&self) -> String {
        match self.code {
            0 => self.text.clone(),
            code => format!("{code} {} {}", self.status, self.text).trim_end().to_owned(),
        }
    }
}

/// The enhanced status code that a line begins with; its class must be the code's (RFC 2034 §4).
fn status(code: u16, line: &str) -> Option<&str> {
    let word = line.split(' ').next()?;
    let mut parts = word.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = class.parse() == Ok(code / 100) && class.len() == 1 && matches!(code / 100, 2 | 4 | 5);
    (fits && is_number(subject) && is_number(detail) && parts.next().is_none()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: u16, lines: &[&str]) -> (String, String) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let reply = Reply::of(code, &lines);
        (reply.status, reply.text)
    }

    #[test]
    fn the_enhanced_status_code_is_the_next_hosts_or_the_classs() {
        let both = |status: &str, text: &str| (status.to_owned(), text.to_owned());
        assert_eq!(told(550, &["5.1.1 no such user"]), both("5.1.1", "no such user"));
        assert_eq!(told(550, &["no such user"]), both("5.0.0", "no such user"));
        assert_eq!(told(550, &["4.1.1 disagrees"]), both("5.0.0", "4.1.1 disagrees"));
        assert_eq!(told(550, &["5.7.25 first", "5.7.25 second"]), both("5.7.25", "first second"));
        assert_eq!(told(250, &[""]), both("2.0.0", ""));
        assert_eq!(told(250, &[]), both("2.0.0", ""));
        assert_eq!(told(550, &["5.1.1.1 version"]), both("5.0.0", "5.1.1.1 version"));
        assert_eq!(told(550, &[&"x".repeat(5000)]).1.len(), MAX_TEXT);
    }
}
