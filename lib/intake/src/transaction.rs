//! One mail transaction (RFC 5321 §3.3): who sends, who receives, and what each recipient is answered.

use std::collections::HashMap;
use std::sync::Arc;

use listmill_queue_format::{Client, Envelope};

use crate::command::Mail;
use crate::reply::Reply;
use crate::service::{Service, Share};
use crate::{Answer, Arrival, Replies};

/// A transaction that MAIL has begun.
#[derive(Debug)]
pub(crate) struct Transaction {
    mail: Mail,
    /// Each recipient once.
    recipients: Vec<Recipient>,
    /// Which of them each accepted RCPT named: a client that names one twice gets two replies and one message.
    accepted: Vec<usize>,
    by_address: HashMap<String, usize>,
}

#[derive(Debug)]
struct Recipient {
    address: String,
    max_size: u64,
}

/// A message that has been read.
pub(crate) struct Arrived {
    /// The message; empty when it was not kept.
    pub(crate) message: Vec<u8>,
    /// Its size, kept or not.
    pub(crate) size: u64,
    /// Its end was read; a message far too large is given up before.
    pub(crate) ended: bool,
    /// What is to be answered, whatever the recipient.
    pub(crate) refusal: Option<Reply>,
    /// Its share of the memory.
    pub(crate) share: Option<Share>,
}

impl Transaction {
    pub(crate) fn new(mail: Mail) -> Self {
        Transaction { mail, recipients: Vec::new(), accepted: Vec::new(), by_address: HashMap::new() }
    }

    /// What MAIL said.
    pub(crate) fn mail(&self) -> &Mail {
        &self.mail
    }

    /// How many RCPT commands were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// Takes the address once more when it has been accepted before.
    pub(crate) fn repeat(&mut self, address: &str) -> bool {
        let known = self.by_address.get(&address.to_lowercase()).copied();
        self.accepted.extend(known);
        known.is_some()
    }

    /// Takes a new recipient.
    pub(crate) fn add(&mut self, address: String, max_size: u64) {
        self.by_address.insert(address.to_lowercase(), self.recipients.len());
        self.accepted.push(self.recipients.len());
        self.recipients.push(Recipient { address, max_size });
    }

    /// The largest message that is worth keeping.
    pub(crate) fn max_size(&self, replies: Replies) -> u64 {
        let sizes = self.recipients.iter().map(|recipient| recipient.max_size);
        match replies {
            Replies::Each => sizes.max(),
            // All or nothing: the strictest recipient decides.
            Replies::Together => sizes.min(),
        }
        .unwrap_or(0)
    }

    /// Puts the message to the reception and returns the replies: one for each accepted RCPT in its order (RFC 2033
    /// §4.2), or a single one.
    pub(crate) async fn finish(
        self,
        service: &Service,
        client: Client,
        arrived: Arrived,
        replies: Replies,
    ) -> Vec<Reply> {
        let mut outcomes = self.refusals(&arrived, replies);
        let open: Vec<usize> = (0..outcomes.len()).filter(|index| outcomes[*index].is_none()).collect();
        if !open.is_empty() {
            let envelope = self.envelope(&open, client.clone());
            for (index, outcome) in open.into_iter().zip(store(service, envelope, arrived, replies).await) {
                outcomes[index] = Some(outcome);
            }
        }
        // An answer that the reception did not give is a failure of ours, never a success.
        let outcomes: Vec<Reply> =
            outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(Reply::unavailable)).collect();
        self.log(&client, &outcomes);
        match replies {
            Replies::Each => self.accepted.iter().map(|index| outcomes[*index].clone()).collect(),
            Replies::Together => vec![one_reply(&outcomes)],
        }
    }

    /// What each recipient is answered without asking anybody.
    fn refusals(&self, arrived: &Arrived, replies: Replies) -> Vec<Option<Reply>> {
        let together = (replies == Replies::Together).then(|| self.max_size(replies));
        let refusal = |recipient: &Recipient| {
            let limit = together.unwrap_or(recipient.max_size);
            if arrived.size > limit { Some(Reply::too_large(limit)) } else { arrived.refusal.clone() }
        };
        self.recipients.iter().map(refusal).collect()
    }

    fn envelope(&self, recipients: &[usize], client: Client) -> Envelope {
        Envelope {
            sender: self.mail.sender.clone(),
            recipients: recipients.iter().map(|index| self.recipients[*index].address.clone()).collect(),
            smtputf8: self.mail.smtputf8,
            body: self.mail.body,
            client: Some(client),
            ..Envelope::default()
        }
    }

    /// Whatever is refused is logged with its reason, whoever else reads the reply.
    fn log(&self, client: &Client, outcomes: &[Reply]) {
        for (recipient, reply) in self.recipients.iter().zip(outcomes) {
            tracing::info!(
                client = client.address,
                envelope_sender = self.mail.sender.as_str(),
                envelope_recipient = recipient.address.as_str(),
                %reply,
                "a message came in"
            );
        }
    }
}

/// One reply for each recipient of the envelope, or fewer when the reception gave fewer answers.
async fn store(service: &Service, envelope: Envelope, arrived: Arrived, replies: Replies) -> Vec<Reply> {
    let Arrived { message, share, .. } = arrived;
    let arrival = Arrival { envelope, message: Arc::from(message), replies };
    service.desk.store(arrival, share).await.into_iter().map(answer).collect()
}

fn answer(answer: Answer) -> Reply {
    match answer {
        Answer::Stored(id) => Reply::new(250, "2.0.0", &format!("stored as {id}")),
        Answer::Refused { code, status, text } => Reply::refusal(code, &status, &text),
        Answer::Later { text } => Reply::new(452, "4.3.1", &text),
    }
}

/// The one thing that an SMTP client can be told: success only when it is everybody's, and otherwise rather "again"
/// than "never". Either way nobody's copy is lost without a word.
fn one_reply(outcomes: &[Reply]) -> Reply {
    let worst = outcomes.iter().min_by_key(|reply| match reply.code() / 100 {
        4 => 0,
        5 => 1,
        _ => 2,
    });
    worst.cloned().unwrap_or_else(Reply::unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reply_for_all_is_a_success_only_when_all_are() {
        let stored = Reply::new(250, "2.0.0", "stored");
        let never = Reply::new(554, "5.4.6", "no");
        let later = Reply::new(452, "4.3.1", "later");
        let code = |outcomes: &[&Reply]| one_reply(&outcomes.iter().copied().cloned().collect::<Vec<_>>()).code();
        assert_eq!(code(&[&stored, &stored]), 250);
        assert_eq!(code(&[&stored, &never]), 554);
        assert_eq!(code(&[&stored, &never, &later]), 452);
        assert_eq!(code(&[]), 451);
    }
}
