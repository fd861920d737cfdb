//! What the next host offers: the lines of its reply to EHLO (RFC 5321 §4.1.1.1).

/// The extensions that we make use of. lettre knows some of them and not their case-insensitive spelling (RFC 5321 §2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// PIPELINING (RFC 2920).
    pub(crate) pipelining: bool,
    /// SIZE (RFC 1870).
    pub(crate) size: bool,
    /// 8BITMIME (RFC 6152).
    pub(crate) eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub(crate) smtputf8: bool,
    /// STARTTLS (RFC 3207).
    pub(crate) starttls: bool,
    /// CHUNKING (RFC 3030), of which no use is made.
    pub(crate) chunking: bool,
    /// XVERP, which is Postfix's: a return path for each recipient.
    pub(crate) xverp: bool,
    /// AUTH PLAIN (RFC 4616).
    pub(crate) auth_plain: bool,
    /// AUTH LOGIN, which never became a standard and is all that some relays offer.
    pub(crate) auth_login: bool,
}

impl Offers {
    /// What these lines offer; the first one is the host's name.
    pub(crate) fn of(lines: &[String]) -> Offers {
        let mut offers = Offers::default();
        for line in lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // "AUTH=PLAIN" is how drafts of RFC 2554 had it.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("PIPELINING") => offers.pipelining = true,
                Some("SIZE") => offers.size = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("STARTTLS") => offers.starttls = true,
                Some("CHUNKING") => offers.chunking = true,
                Some("XVERP") => offers.xverp = true,
                Some("AUTH") => {
                    let mechanisms: Vec<&str> = words.collect();
                    offers.auth_plain |= mechanisms.contains(&"PLAIN");
                    offers.auth_login |= mechanisms.contains(&"LOGIN");
                }
                _ => {}
            }
        }
        offers
    }

    /// The names of what is offered, for people.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let all = [
            (self.pipelining, "PIPELINING"),
            (self.size, "SIZE"),
            (self.eight_bit, "8BITMIME"),
            (self.smtputf8, "SMTPUTF8"),
            (self.chunking, "CHUNKING"),
            (self.xverp, "XVERP"),
        ];
        all.into_iter().filter_map(|(offered, name)| offered.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_read_in_any_case() {
        let lines = ["8BITMIME", "size 1000", "SmtpUtf8", "AUTH CRAM-MD5 LOGIN", "AUTH=PLAIN"].map(str::to_owned);
        let offers = Offers::of(&lines);
        assert!(offers.size && offers.smtputf8 && offers.auth_login && offers.auth_plain);
        assert!(!offers.eight_bit, "the first line is a name");
        assert!(!offers.starttls);
        assert_eq!(offers.names(), ["SIZE", "SMTPUTF8"]);
        let lines = ["mx.example.org", "XVERP", "chunking", "PIPELINING"].map(str::to_owned);
        assert_eq!(Offers::of(&lines).names(), ["PIPELINING", "CHUNKING", "XVERP"]);
    }
}
