//! Who asks, and how sure that is.

use listmill_core::{Address, List, Trust};
use listmill_mail::aligned::{aligned, disowned};
use listmill_mail::author::{Authorship, author};
use listmill_mail::authres::authentication_results;
use listmill_mail::message::Message;

/// What speaks for it that the author wrote the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing: anybody may have written it.
    None,
    /// A trusted host vouches for the author's domain (RFC 8601).
    Aligned,
    /// The author has answered a mail that went to this address alone.
    Confirmed,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requester {
    /// The author's address.
    pub(crate) address: Address,
    /// The display name.
    pub(crate) name: String,
    /// How sure it is.
    pub(crate) proof: Proof,
    /// A trusted host says that it is somebody else; why.
    pub(crate) disowned: Option<String>,
}

impl Requester {
    /// Who wrote the message.
    ///
    /// # Errors
    /// Nobody can be named without doubt; why not.
    pub(crate) fn of(message: &Message<'_>, trusted_authserv_ids: &[String]) -> Result<Self, String> {
        let author = match author(message) {
            Authorship::Known(author) => author,
            Authorship::Doubt(doubt) => return Err(doubt),
        };
        let address: Address =
            author.address.parse().map_err(|error: listmill_core::AddressError| error.to_string())?;
        let results = authentication_results(message, trusted_authserv_ids);
        let proof = if aligned(&results, &address).is_ok() { Proof::Aligned } else { Proof::None };
        Ok(Requester { address, name: author.name, proof, disowned: disowned(&results) })
    }

    /// Who has confirmed a request.
    pub(crate) fn confirmed(address: Address, name: String) -> Self {
        Requester { address, name, proof: Proof::Confirmed, disowned: None }
    }

    /// Nobody asks: the clock rings, an operator decides. The list stands for them.
    pub(crate) fn nobody(list: &List) -> Self {
        Requester::confirmed(list.address.address().clone(), String::new())
    }

    /// It is certain enough to act for this person.
    pub(crate) fn is_proven(&self) -> bool {
        self.proof != Proof::None
    }

    /// Whose word a letter to them follows.
    pub(crate) fn trust(&self) -> Trust {
        if self.is_proven() { Trust::Known } else { Trust::Stranger }
    }
}
