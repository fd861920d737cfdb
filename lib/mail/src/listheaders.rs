//! The header section of a post on its way to the list: RFC 2369 and RFC 2919 fields, and the owner's settings.
//!
//! The promise: as long as the owner has set no prefix, footer or `reply_to`, the body and every field that a DKIM
//! signature of the author covers leave byte for byte as they came, in their order, so the signature survives (RFC 6377
//! §5.7). What we add goes on top.
//!
//! * Fields of RFC 2369 and RFC 2919 that another list or the author put there go, and ours come (RFC 2919 §5: one
//!   List-Id). One that a signature covers stays, below ours: readers take the first, and a signature that breaks costs the
//!   author more than a second List-Id costs a reader. A signer counts instances from the bottom (RFC 6376 §5.4.2), so ours
//!   above does not disturb it.
//! * A signer may also name a field that is *not* there, so that nobody can add it. Where that is List-Id, our adding it
//!   breaks that signature. We add it all the same: without it members cannot tell the list's mail, and RFC 2369 and RFC 2919
//!   ask for it of every list. Body and present fields still stay as they were.
//! * X-BeenThere, the mark of each list that a post has passed, stays, and ours goes above it: two lists that are members of
//!   each other each take the other's List-Id away, and know their own posts by nothing else ([`crate::loops`]).
//! * Return-Path goes (RFC 5321 §4.4: only the last host writes it). Bcc goes even where it is signed, and so does a
//!   moderator's password (Approved): both were never meant for the members.
//! * Requests for receipts go unless signed (RFC 8098 §2.1: a list would multiply the answers).
//! * A Message-ID or Date that is missing is added (RFC 5322 §3.6); Sender and all else are left alone.

use listmill_core::settings::{Copies, ReplyTo};
use listmill_core::{Address, List, SigningKeys, Timestamp, Word};
use listmill_queue_format::EntryId;

use crate::decoration;
use crate::edit::Edit;
use crate::field::NewField;
use crate::loops::mark;
use crate::message::Message;
use crate::signed::signed_names;
use crate::token::unsubscribe_token;

/// The longest address that can be written to (RFC 5321 §4.5.3.1.3, less the angle brackets).
const MAX_PATH: usize = 254;

/// These go, whoever signed them.
const NEVER: [&str; 6] = ["Return-Path", "Bcc", "Approved", "Approve", "X-Approved", "X-Approve"];

/// Fields that only a list manager adds (RFC 2369, RFC 2919, RFC 8058).
pub(crate) const LIST_FIELDS: [&str; 8] = [
    "List-Id",
    "List-Post",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Owner",
    "List-Archive",
];

/// These go unless they are signed, as another list's fields do: what ours replace, and requests for receipts.
const UNLESS_SIGNED: [&str; 4] =
    ["Precedence", "Disposition-Notification-To", "Disposition-Notification-Options", "Return-Receipt-To"];

/// A post that is to be distributed.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The message as it came.
    pub message: &'a [u8],
    /// The list that distributes it.
    pub list: &'a List,
    /// Its entry; a Message-ID that is missing is made from it.
    pub id: EntryId,
    /// When it arrived; a Date that is missing says this.
    pub arrived: Timestamp,
    /// The footer as it is to be read, its variables filled in; empty for none.
    pub footer: &'a str,
}

/// The fields of RFC 2369 and RFC 2919 that every copy of a list's mail has, List-Id on top. `List-Unsubscribe` is not
/// among them: each recipient has their own, see [`unsubscribe_field`], unless all copies are the same.
pub fn list_headers(list: &List) -> Vec<NewField> {
    let address = &list.address;
    let mailto = |name: &str, to: &str| NewField::plain(name, &format!("<mailto:{to}>"));
    vec![
        NewField::phrase("List-Id", &list.settings.description, &address.list_id()),
        mailto("List-Post", address.as_str()),
        mailto("List-Help", &format!("{}?subject=help", address.with_word(Word::Request, ""))),
        mailto("List-Subscribe", &address.with_word(Word::Join, "")),
        mailto("List-Owner", &address.with_word(Word::Owner, "")),
    ]
}

/// The List-Unsubscribe field of one recipient's copy: a whole field without its CRLF.
pub fn unsubscribe_field(keys: &SigningKeys, list: &List, recipient: &Address) -> String {
    let mut leave = list.address.with_word(Word::Leave, &unsubscribe_token(keys, &list.address, recipient));
    if leave.len() > MAX_PATH {
        leave = list.address.with_word(Word::Leave, ""); // an owner reads it
    }
    NewField::plain("List-Unsubscribe", &format!("<mailto:{leave}>")).into_line()
}

/// The field that says whose copy a message is (RFC 9477 §3.2): what its signed return path says, where providers find it.
pub const FEEDBACK_ID: &str = "CFBL-Feedback-ID";

/// The fields by which a provider reports that the reader of this copy complains: whole fields without their CRLF. None where the list has not
/// asked for it, and where the return path is nobody's own.
pub fn feedback_fields(list: &List, return_path: &str) -> Vec<String> {
    if !list.settings.feedback_address {
        return Vec::new();
    }
    let bounces = list.address.with_word(Word::Bounces, "");
    let begin = bounces.split('@').next().unwrap_or_default();
    let detail = return_path.strip_prefix(begin).and_then(|rest| rest.strip_prefix('+')?.split('@').next());
    let Some(detail) = detail else { return Vec::new() };
    let address = format!("{}; report=arf", list.address.with_word(Word::Fbl, ""));
    vec![NewField::plain("CFBL-Address", &address).into_line(), NewField::plain(FEEDBACK_ID, detail).into_line()]
}

/// The message as the list sends it. The same post gives the same bytes.
pub fn distribute(post: &Post<'_>) -> Vec<u8> {
    let message = Message::parse(post.message);
    let settings = &post.list.settings;
    let signed = signed_names(&message);
    let among = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let mut edit = Edit::new(&message).remove_where(|field| {
        let replaced = among(&LIST_FIELDS, field.name) || among(&UNLESS_SIGNED, field.name);
        among(&NEVER, field.name) || (replaced && !signed.contains(&field.name.to_ascii_lowercase()))
    });
    edit = edit.prepend(supplied(post, &message));
    if settings.reply_to == ReplyTo::List {
        edit = edit.replace("Reply-To", NewField::plain("Reply-To", &format!("<{}>", post.list.address)));
    }
    edit = decoration::subject_prefix(edit, &message, &settings.subject_prefix);
    edit = decoration::footer(edit, &message, post.footer);
    let mut ours = list_headers(post.list);
    if settings.copies == Copies::Shared {
        let leave = post.list.address.with_word(Word::Leave, "");
        ours.push(NewField::plain("List-Unsubscribe", &format!("<mailto:{leave}>")));
    }
    ours.push(NewField::plain("Precedence", "list"));
    ours.push(mark(post.list.address.as_str()));
    edit.prepend(ours).finish()
}

/// What RFC 5322 §3.6 asks for and the message has not.
fn supplied(post: &Post<'_>, message: &Message<'_>) -> Vec<NewField> {
    let mut fields = Vec::new();
    if !message.has("Message-ID") {
        fields.push(NewField::plain("Message-ID", &format!("<{}@{}>", post.id, post.list.address.domain())));
    }
    if !message.has("Date") {
        fields.push(NewField::plain("Date", &post.arrived.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()));
    }
    fields
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::loops::looping;

    fn list(settings: &[(&str, &str)]) -> List {
        let mut list = List {
            address: "dev@lists.example.org".parse().unwrap(),
            created: Timestamp::UNIX_EPOCH,
            own: Default::default(),
            settings: Default::default(),
        };
        for (key, value) in settings {
            list.settings.set(key, value).unwrap();
        }
        list
    }

    fn sent(message: &str, settings: &[(&str, &str)]) -> String {
        let list = list(settings);
        let post = Post {
            message: message.as_bytes(),
            list: &list,
            id: EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]),
            arrived: "2026-11-22T08:30:00Z".parse().unwrap(),
            footer: "",
        };
        let out = distribute(&post);
        assert_eq!(out, distribute(&post));
        String::from_utf8(out).unwrap()
    }

    const OURS: &str = "List-Id: <dev.lists.example.org>\r\n\
        List-Post: <mailto:dev@lists.example.org>\r\n\
        List-Help: <mailto:dev-request@lists.example.org?subject=help>\r\n\
        List-Subscribe: <mailto:dev-join@lists.example.org>\r\n\
        List-Owner: <mailto:dev-owner@lists.example.org>\r\n\
        Precedence: list\r\n\
        X-BeenThere: dev@lists.example.org\r\n";

    const POST: &str = "Received: from x\r\n by y\r\nFrom: Bob <bob@example.net>\r\nSender:  <s@example.net>\r\n\
        Subject: \thi\r\nMessage-ID: <1@example.net>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\nbody \r\n\r\n";

    #[test]
    fn a_post_leaves_as_it_came_below_our_fields() {
        assert_eq!(sent(POST, &[]), format!("{OURS}{POST}"));
    }

    #[test]
    fn foreign_list_fields_and_what_was_not_meant_for_members_go() {
        let extra = "List-Id: <other.example.net>\r\nlist-unsubscribe: <mailto:x@example.net>\r\n\
            LIST-UNSUBSCRIBE-POST: List-Unsubscribe=One-Click\r\nList-Archive: <https://example.net/>\r\n\
            List-Help: a\r\nList-Subscribe: b\r\nList-Owner: c\r\nList-Post: NO\r\nPrecedence: bulk\r\n\
            Return-Path: <bob@example.net>\r\nBcc: secret@example.net\r\nApproved: password\r\n\
            Disposition-Notification-To: bob@example.net\r\nReturn-Receipt-To: bob@example.net\r\n";
        assert_eq!(sent(&format!("{extra}{POST}"), &[]), format!("{OURS}{POST}"));
    }

    #[test]
    fn the_marks_of_all_lists_that_a_post_has_passed_stay() {
        let marks = "X-BeenThere: news@lists.example.org\r\nX-BeenThere: other@example.net\r\n";
        assert_eq!(sent(&format!("{marks}{POST}"), &[]), format!("{OURS}{marks}{POST}"));
    }

    #[test]
    fn lists_that_are_members_of_each_other_know_their_posts_again() {
        let (dev, mut news) = (list(&[]), list(&[]));
        news.address = "news@lists.example.org".parse().unwrap();
        let by = |list: &List, message: &[u8]| {
            let (id, arrived) = (EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]), Timestamp::UNIX_EPOCH);
            distribute(&Post { message, list, id, arrived, footer: "" })
        };
        let once = by(&dev, POST.as_bytes());
        assert_eq!(looping(&Message::parse(&once), Some(&news.address), None), None);
        let twice = by(&news, &once);
        assert_eq!(Message::parse(&twice).named("List-Id").count(), 1, "the other list's");
        assert!(looping(&Message::parse(&twice), Some(&dev.address), None).is_some());
    }

    #[test]
    fn what_is_signed_stays_below_ours() {
        let signed = "DKIM-Signature: v=1; d=example.net;\r\n h=From:List-Id:List-Unsubscribe : bcc:\r\n Disposition-Notification-To:Precedence\r\n\
            List-Id: <other.example.net>\r\nList-Unsubscribe: <mailto:x@example.net>\r\n\
            Disposition-Notification-To: bob@example.net\r\nPrecedence: bulk\r\n";
        let unsigned = "List-Post: NO\r\nBcc: secret@example.net\r\n";
        assert_eq!(sent(&format!("{signed}{unsigned}{POST}"), &[]), format!("{OURS}{signed}{POST}"));
    }

    #[test]
    fn what_is_missing_is_supplied() {
        let out = sent("From: bob@example.net\r\n\r\nx", &[]);
        let supplied = "Message-ID: <00000000-0000-7101-8101-010101010101@lists.example.org>\r\n\
            Date: Sun, 22 Nov 2026 08:30:00 +0000\r\n";
        assert_eq!(out, format!("{OURS}{supplied}From: bob@example.net\r\n\r\nx"));
        assert_eq!(sent("no header at all\r\n", &[]), format!("{OURS}{supplied}\r\nno header at all\r\n"));
        assert_eq!(sent("", &[]), format!("{OURS}{supplied}"));
    }

    #[test]
    fn replies_are_led_to_the_list_only_where_that_is_set() {
        let reply = format!("Reply-To: bob@example.net\r\n{POST}");
        assert_eq!(sent(&reply, &[]), format!("{OURS}{reply}"));
        let ours = format!("{OURS}Reply-To: <dev@lists.example.org>\r\n{POST}");
        assert_eq!(sent(&reply, &[("reply_to", "list")]), ours);
        assert_eq!(sent(POST, &[("reply_to", "list")]), ours);
    }

    #[test]
    fn copies_that_are_all_the_same_name_the_plain_address_to_leave_by() {
        let out = sent(POST, &[("copies", "shared")]);
        let field = "List-Unsubscribe: <mailto:dev-leave@lists.example.org>\r\n";
        assert_eq!(out, format!("{}{POST}", OURS.replace("Precedence:", &format!("{field}Precedence:"))));
    }

    #[test]
    fn the_description_is_the_phrase_of_the_list_id() {
        for (description, field) in [
            ("Development", "List-Id: \"Development\" <dev.lists.example.org>"),
            ("Dev, \"the\" list", "List-Id: \"Dev, \\\"the\\\" list\" <dev.lists.example.org>"),
            ("Entwicklung für alle", "List-Id: =?utf-8?Q?Entwicklung_f=C3=BCr_alle?= <dev.lists.example.org>"),
        ] {
            let out = sent(POST, &[("description", description)]);
            let first = Message::parse(out.as_bytes());
            assert_eq!(first.raw("List-Id").next().unwrap(), field.strip_prefix("List-Id: ").unwrap(), "{out}");
        }
    }

    #[test]
    fn each_recipient_has_an_unsubscribe_field_that_names_them() {
        let keys = SigningKeys::new(vec![[1; 32]]).unwrap();
        let list = list(&[]);
        let bob: Address = "Bob+x@example.net".parse().unwrap();
        let field = unsubscribe_field(&keys, &list, &bob);
        let detail = field.split_once("<mailto:dev-leave+").unwrap().1.split_once("@lists.example.org>").unwrap().0;
        assert_eq!(crate::token::read_unsubscribe(&keys, &list.address, detail), Some(bob));
        assert!(!field.ends_with('\n'));
    }

    /// Lines of a header section, good and bad, in any order.
    fn soup() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just("From: bob@example.net\r\n"),
            Just("Subject: [dev] x\r\n"),
            Just("List-Id: <other.example.net>\r\n"),
            Just("DKIM-Signature: h=from:list-id;\r\n\tb=x\r\n"),
            Just("Received: x\r\n"),
            Just(" folded\r\n"),
            Just("bare: lf\n"),
            Just("no field\r\n"),
            Just("\r\n"),
            Just("\n"),
            Just("Content-Type: multipart/mixed; boundary=b\r\n"),
            Just("--b\r\n"),
            Just("--b--\r\n"),
            Just("x"),
        ];
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn the_body_and_what_is_signed_leave_as_they_came(text in soup()) {
            let (before, out) = (Message::parse(text.as_bytes()), sent(&text, &[]));
            let after = Message::parse(out.as_bytes());
            prop_assert_eq!(after.body(), before.body());
            prop_assert_eq!(after.fields().first().map(|field| field.name), Some("List-Id"));
            for name in ["From", "Subject", "DKIM-Signature", "Received", "bare"] {
                let all = |message: &Message<'_>| message.raw(name).collect::<Vec<_>>();
                prop_assert_eq!(all(&after), all(&before), "{}", name);
            }
            let kept = usize::from(before.has("DKIM-Signature")) * before.named("List-Id").count();
            prop_assert_eq!(after.named("List-Id").count(), 1 + kept);
        }

        #[test]
        fn whatever_the_owner_sets_it_is_a_message(text in soup(), footer in "[a-zü=\\.\n-]{0,30}") {
            let list = list(&[("subject_prefix", "[für]"), ("reply_to", "list"), ("description", "a, \"b\" ü")]);
            let post = Post { message: text.as_bytes(), list: &list, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]), arrived: Timestamp::UNIX_EPOCH, footer: &footer };
            let out = distribute(&post);
            let after = Message::parse(&out);
            prop_assert_eq!(after.fields().first().map(|field| field.name), Some("List-Id"));
            prop_assert!(after.subject().contains("[für]") || after.subject().contains("[dev]"));
            prop_assert_eq!(after.named("Reply-To").count(), 1);
            prop_assert!(after.header_range().end < after.body_range().start || after.body().is_empty());
        }
    }
}
