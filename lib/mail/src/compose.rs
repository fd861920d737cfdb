//! Mail of our own: notices (RFC 3834).
//!
//! mail-builder writes the fields and encodes the text; what it would ask the clock and the host name for is made here.

use listmill_core::{Address, List, Timestamp};
use listmill_queue_format::EntryId;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::mime::MimePart;

use crate::attached;
use crate::field::{NewField, clean};
use crate::message::Message;

/// RFC 3834 §3.1.5 puts the subject of what is answered into ours; nobody makes us carry a long one.
const MAX_SUBJECT: usize = 250;

/// A Message-ID that anybody would thread by is never longer.
const MAX_ID: usize = 250;

/// How many of the ids in References are kept, the newest ones (RFC 5322 §3.6.4 sets no limit).
const MAX_REFERENCES: usize = 20;

/// What the Auto-Submitted field says (RFC 3834 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoSubmitted {
    /// It answers a message.
    Replied,
    /// It answers nothing.
    Generated,
}

impl AutoSubmitted {
    fn keyword(self) -> &'static str {
        match self {
            AutoSubmitted::Replied => "auto-replied",
            AutoSubmitted::Generated => "auto-generated",
        }
    }
}

/// How long the text of a notice may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// For anybody, who may not have asked for it: 8 KiB. A notice is never a means to send much to somebody.
    Stranger,
    /// For a person whom the list knows and who asked, or who is in charge of it: 64 KiB.
    Known,
}

impl Room {
    fn octets(self) -> usize {
        match self {
            Room::Stranger => 8 * 1024,
            Room::Known => 64 * 1024,
        }
    }
}

/// A message of our own. Its envelope sender is the caller's to set: the null reverse-path (RFC 3834 §3.3).
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The display name of the author; may be empty.
    pub from_name: &'a str,
    /// The address of the author: the list's owners, or the site's postmaster.
    pub from: &'a str,
    /// Whom it is for.
    pub to: &'a Address,
    /// Where an answer goes, when that is not the author. What is no address is left out.
    pub reply_to: Option<&'a str>,
    /// The subject.
    pub subject: &'a str,
    /// The text.
    pub text: &'a str,
    /// How much of the text there is room for.
    pub room: Room,
    /// A message that the text is about: it goes along as it is, or, when it is over 128 KiB or its lines are not such as
    /// RFC 5322 asks for, by its header fields.
    pub attached: Option<&'a [u8]>,
    /// The list it is about, if any.
    pub list: Option<&'a List>,
    /// The message that it answers, if any.
    pub in_reply_to: Option<&'a Message<'a>>,
    /// Its entry; the Message-ID is made from it.
    pub id: EntryId,
    /// Its date.
    pub now: Timestamp,
    /// Why it is sent.
    pub auto: AutoSubmitted,
}

impl Notice<'_> {
    /// The message: complete (RFC 5322 §3.6), its lines ended by CRLF, the same each time.
    ///
    /// Subject and text are cut where they are longer than a notice may be.
    pub fn build(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.header().iter().flat_map(|field| field.as_bytes()).copied().collect();
        let mut text = Vec::new();
        MimePart::new("text/plain", cut(&lines(self.text), self.room.octets())).write_part(&mut text);
        match self.attached {
            Some(message) => bytes.extend(attached::mixed(&text, message)),
            None => bytes.extend(text),
        }
        bytes
    }

    /// Every field but those that describe the body.
    fn header(&self) -> Vec<NewField> {
        let domain = self.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let mut fields = Vec::new();
        if let Some(list) = self.list {
            // RFC 2919 §3: on mail about the list, too.
            fields.push(NewField::phrase("List-Id", &list.settings.description, &list.address.list_id()));
        }
        fields.push(NewField::phrase("From", self.from_name, self.from));
        fields.push(NewField::phrase("To", "", self.to.as_str()));
        if let Some(reply_to) = self.reply_to.and_then(|text| text.parse::<Address>().ok()) {
            fields.push(NewField::phrase("Reply-To", "", reply_to.as_str()));
        }
        fields.push(NewField::text("Subject", &cut(&clean(self.subject), MAX_SUBJECT)));
        fields.push(NewField::built("Date", &Date::new(self.now.as_second())));
        fields.push(NewField::built("Message-ID", &MessageId::new(format!("{}@{}", self.id, clean(domain)))));
        fields.push(NewField::plain("Auto-Submitted", self.auto.keyword()));
        if let Some((answered, references)) = self.in_reply_to.and_then(thread) {
            fields.push(NewField::built("In-Reply-To", &MessageId::new(answered)));
            fields.push(NewField::built("References", &MessageId { id: references }));
        }
        fields.push(NewField::plain("MIME-Version", "1.0"));
        fields
    }
}

/// In-Reply-To and References of an answer (RFC 5322 §3.6.4); none when what is answered has no usable Message-ID.
fn thread<'x>(answered: &Message<'_>) -> Option<(String, Vec<std::borrow::Cow<'x, str>>)> {
    let usable = |id: &str| {
        !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
    };
    let id = answered.message_id();
    if !usable(&id) {
        return None;
    }
    let before = answered.raw("References").next().unwrap_or_default();
    let before = before.split_ascii_whitespace().rev().take(MAX_REFERENCES);
    let before = before.filter_map(|id| id.strip_prefix('<')?.strip_suffix('>')).filter(|id| usable(id));
    let mut references: Vec<_> = std::iter::once(id.clone()).chain(before.map(str::to_owned)).map(Into::into).collect();
    references.reverse();
    Some((id, references))
}

/// The text with every line ended by LF, and no control character in it but tabs.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// No more than `most` octets of `text`, with a mark where something is cut off.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{} …", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] = b"From: bob@example.net\r\nMessage-ID: <3@example.net>\r\nReferences: <1@example.net>\r\n <2@example.net> junk\r\n\r\nsecret body\r\n";

    fn list() -> List {
        List {
            address: "dev@lists.example.org".parse().unwrap(),
            created: Timestamp::UNIX_EPOCH,
            own: Default::default(),
            settings: Default::default(),
        }
    }

    fn bob() -> Address {
        "bob@example.net".parse().unwrap()
    }

    fn notice<'a>(to: &'a Address, list: &'a List, post: &'a Message<'a>) -> Notice<'a> {
        Notice {
            from_name: "",
            from: "dev-owner@lists.example.org",
            to,
            reply_to: None,
            subject: "Auto: hello",
            text: "line 1\nline 2\n",
            room: Room::Stranger,
            attached: None,
            list: Some(list),
            in_reply_to: Some(post),
            id: EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]),
            now: "2026-11-22T08:30:00Z".parse().unwrap(),
            auto: AutoSubmitted::Replied,
        }
    }

    fn built(notice: &Notice<'_>) -> String {
        let bytes = notice.build();
        assert_eq!(bytes, notice.build(), "the same each time");
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_notice_is_complete() {
        assert_eq!(
            built(&notice(&bob(), &list(), &Message::parse(POST))),
            "List-Id: <dev.lists.example.org>\r\n\
             From: <dev-owner@lists.example.org>\r\n\
             To: <bob@example.net>\r\n\
             Subject: Auto: hello\r\n\
             Date: Sun, 22 Nov 2026 08:30:00 +0000\r\n\
             Message-ID: <00000000-0000-7101-8101-010101010101@lists.example.org>\r\n\
             Auto-Submitted: auto-replied\r\n\
             In-Reply-To: <3@example.net>\r\n\
             References: <1@example.net> <2@example.net> <3@example.net>\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=\"utf-8\"\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\n\
             line 1\r\nline 2\r\n"
        );
    }

    #[test]
    fn what_is_composed_is_automatic_and_answers_nothing_unless_told() {
        let (bob, list, post) = (bob(), list(), Message::parse(POST));
        let plain = notice(&bob, &list, &post);
        let out = built(&Notice { in_reply_to: None, list: None, auto: AutoSubmitted::Generated, ..plain });
        let message = Message::parse(out.as_bytes());
        assert_eq!(message.text("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert!(!message.has("In-Reply-To") && !message.has("References") && !message.has("List-Id"));
        assert!(crate::automatic::automatic(&message, "dev-owner@lists.example.org").is_some());
    }

    #[test]
    fn no_value_begins_a_field_or_makes_a_long_line() {
        let hostile = "x\r\nBcc: all@example.net\r\n\r\nbody";
        let id = format!("From: a@example.net\r\nMessage-ID: <a>,<b\r\n {}>\r\n\r\n", "x".repeat(5000));
        let odd = Message::parse(id.as_bytes());
        let long = "wort ü ".repeat(10_000);
        let (bob, list) = (bob(), list());
        let plain = notice(&bob, &list, &odd);
        let out =
            built(&Notice { subject: hostile, from_name: hostile, text: hostile, reply_to: Some(hostile), ..plain });
        let many = built(&Notice { subject: &long, text: &long, reply_to: Some(&long), ..plain });
        let control = built(&Notice { text: "a\rb\n\rc\0\u{1b}[2J\u{85}d\r\n", ..plain });
        for out in [out, many, control] {
            let message = Message::parse(out.as_bytes());
            for name in ["From", "To", "Subject", "Date", "Message-ID"] {
                assert_eq!(message.named(name).count(), 1, "{name}");
            }
            assert!(!message.has("Bcc") && !message.has("Reply-To") && out.len() < 32_768);
            assert!(out.is_ascii() && out.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
            assert!(
                matches!(crate::author::author(&message), crate::author::Authorship::Known(author) if author.address == "dev-owner@lists.example.org")
            );
        }
    }

    #[test]
    fn an_answer_goes_where_it_is_told() {
        let (bob, list, post) = (bob(), list(), Message::parse(POST));
        let plain = notice(&bob, &list, &post);
        let reply_to = |address: &str| {
            let out = built(&Notice { reply_to: Some(address), ..plain });
            Message::parse(out.as_bytes()).raw("Reply-To").next()
        };
        let token = format!("dev-confirm+{}@lists.example.org", "a".repeat(26));
        assert_eq!(reply_to(&token), Some(format!("<{token}>")));
        for odd in [
            "",
            "x",
            "a@example.org, b@example.net",
            "a@example.org>,<b@example.net",
            "<a@example.org>",
            "a@example.org\r\nBcc: b@example.net",
        ] {
            assert_eq!(reply_to(odd), None, "{odd}");
        }
    }

    #[test]
    fn there_is_more_room_for_those_whom_the_list_knows() {
        let (bob, list, post) = (bob(), list(), Message::parse(POST));
        let text = "line\n".repeat(20_000);
        let length = |room: Room| built(&Notice { text: &text, room, ..notice(&bob, &list, &post) }).len();
        assert!((8_192..12_000).contains(&length(Room::Stranger)), "{}", length(Room::Stranger));
        assert!((65_536..82_000).contains(&length(Room::Known)), "{}", length(Room::Known));
    }

    #[test]
    fn a_message_goes_along() {
        let (bob, list, post) = (bob(), list(), Message::parse(POST));
        let out = built(&Notice { attached: Some(POST), text: "Gr\u{fc}\u{df}e\n", ..notice(&bob, &list, &post) });
        let (header, body) = out.split_once("\r\n\r\n").unwrap();
        let boundary = header.split('"').nth(1).unwrap();
        assert!(header.ends_with("Content-Transfer-Encoding: 7bit"), "{header}");
        assert_eq!(header.matches("\r\nContent-Type: multipart/mixed; boundary=").count(), 1);
        let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
        let [before, text, message, "--\r\n"] = parts[..] else { panic!("{parts:?}") };
        assert_eq!(before, "");
        assert!(text.starts_with("\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n"), "{text}");
        let (fields, content) = message.split_once("\r\n\r\n").unwrap();
        assert!(fields.starts_with("\r\nContent-Type: message/rfc822\r\n"), "{fields}");
        assert_eq!(content.strip_suffix("\r\n").unwrap().as_bytes(), POST, "byte for byte");
        let hostile = b"x\r\nBcc: all@example.net\r\n\r\nbody";
        let out = built(&Notice { attached: Some(hostile), ..notice(&bob, &list, &post) });
        assert!(!Message::parse(out.as_bytes()).has("Bcc"));
    }
}
