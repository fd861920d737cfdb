//! Whether the author of a message may be told what became of it (RFC 3834 §2, §4).

use std::fmt;

use listmill_core::{Address, Trust};
use listmill_mail::aligned::{aligned, disowned};
use listmill_mail::automatic::automatic;
use listmill_mail::message::Message;
use listmill_mail::sender::{person, unmarked};
use listmill_queue_format::Entry;

/// An author who may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The author.
    pub address: Address,
    /// Where the letter is delivered: the author's address, with the marks of its own host (BATV), which may take no answer without
    /// them. Never an address at another host, which whoever forged the author could have written there.
    pub recipient: String,
    /// Whose word it is that the author wrote.
    pub trust: Trust,
}

/// Why an author is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Nobody can be named.
    NoAuthor,
    /// No person has sent it; how that is known.
    Automatic(String),
    /// The envelope sender is somebody else; one of the two may be forged.
    OtherSender,
    /// A trusted host says that the author may be forged; what it says.
    Disowned(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::NoAuthor => f.write_str("the author is in doubt"),
            Silence::Automatic(why) => write!(f, "it is automatic mail: {why}"),
            Silence::OtherSender => f.write_str("the envelope sender is not the author"),
            Silence::Disowned(why) => write!(f, "{why}: the author may be forged"),
        }
    }
}

/// The author of the message that `entry` carries, as the stages before have named them, if a letter may answer them.
///
/// # Errors
/// Why it would be backscatter.
pub fn author_of(entry: &Entry, message: &Message<'_>) -> Result<Reader, Silence> {
    let sender = &entry.envelope.sender;
    let named = entry.facts.author.as_ref().and_then(|author| author.address.parse::<Address>().ok());
    let address = named.ok_or(Silence::NoAuthor)?;
    if let Some(why) = automatic(message, sender) {
        return Err(Silence::Automatic(why)); // RFC 3834 §2
    }
    // RFC 3834 §4: a response goes to the envelope sender.
    if person(sender).parse::<Address>().ok().as_ref() != Some(&address) {
        return Err(Silence::OtherSender);
    }
    if let Some(why) = disowned(&entry.facts.authentication) {
        return Err(Silence::Disowned(why));
    }
    let known = aligned(&entry.facts.authentication, &address).is_ok();
    let trust = if known { Trust::Known } else { Trust::Stranger };
    let recipient = recipient_of(&address, sender).map_or_else(|| address.to_string(), str::to_owned);
    Ok(Reader { address, recipient, trust })
}

/// The envelope sender, where it is the address itself with the one mark of a host that takes no answer without it (BATV). Never
/// another form: what a forwarder may have rewritten, somebody may have made up to be written to.
pub fn recipient_of<'a>(address: &Address, sender: &'a str) -> Option<&'a str> {
    let plain: Address = unmarked(sender)?.parse().ok()?;
    (plain == *address).then_some(sender)
}

#[cfg(test)]
mod tests {
    use listmill_core::Timestamp;
    use listmill_queue_format::{AuthenticationResult, Author, EntryId, Envelope};

    use super::*;

    const POST: &str = "From: bob@example.net\r\nSubject: x\r\n\r\nx\r\n";

    fn told(sender: &str, header: &str, author: &str, results: &[(&str, &str)]) -> Result<Reader, Silence> {
        let now = Timestamp::UNIX_EPOCH;
        let bytes = format!("{header}{POST}").into_bytes();
        let envelope = Envelope { sender: sender.to_owned(), ..Envelope::default() };
        let mut entry = Entry::arrived(EntryId::fresh(now, [1; 10]), now, envelope, bytes.into());
        entry.facts.author =
            Some(Author { address: author.to_owned(), name: String::new(), other: Default::default() });
        let result = |(method, result): &(&str, &str)| AuthenticationResult {
            authserv_id: "mx.example.org".to_owned(),
            method: (*method).to_owned(),
            result: (*result).to_owned(),
            properties: [("header.d".to_owned(), "example.net".into())].into_iter().collect(),
            other: Default::default(),
        };
        entry.facts.authentication = results.iter().map(result).collect();
        author_of(&entry, &Message::parse(&entry.message))
    }

    #[test]
    fn an_author_who_sent_it_is_told() {
        let bob = "bob@example.net";
        let reader = told("BOB@example.net", "", bob, &[]).unwrap();
        assert_eq!((reader.address.as_str(), reader.trust), (bob, Trust::Stranger));
        assert_eq!(told(bob, "", bob, &[("dkim", "pass")]).unwrap().trust, Trust::Known);
        let marked = told("prvs=1234567890=bob@example.net", "", bob, &[]).unwrap();
        assert_eq!((marked.address.as_str(), marked.recipient.as_str()), (bob, "prvs=1234567890=bob@example.net"));
        let forwarded = told("SRS0=abcd=XY=example.net=bob@forwarder.example.com", "", bob, &[]).unwrap();
        assert_eq!((forwarded.address.as_str(), forwarded.recipient.as_str()), (bob, bob));
    }

    #[test]
    fn nobody_is_told_who_may_not_have_written() {
        let bob = "bob@example.net";
        assert_eq!(told("eve@example.com", "", bob, &[]), Err(Silence::OtherSender));
        assert_eq!(told(bob, "", "nobody", &[]), Err(Silence::NoAuthor));
        for silent in [
            told("", "", bob, &[]),
            told(bob, "Auto-Submitted: auto-replied\r\n", bob, &[]),
            told(bob, "List-Id: <x.example.com>\r\n", bob, &[]),
        ] {
            assert!(matches!(silent, Err(Silence::Automatic(_))), "{silent:?}");
        }
        for method in ["spf", "dmarc"] {
            let silent = told(bob, "", bob, &[("dkim", "pass"), (method, "fail")]);
            assert!(matches!(silent, Err(Silence::Disowned(_))), "{silent:?}");
        }
    }
}
