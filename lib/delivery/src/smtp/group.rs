//! A transaction whose commands leave together (RFC 2920), and the next one's behind its dot.
//!
//! ```text
//! we:    MAIL RCPT… DATA                message . MAIL RCPT… DATA            message . …
//! they:                  250 250… 354                             250 250 250… 354
//! ```
//!
//! So a transaction costs one round trip. DATA is the last command of its group (§3.1), and a message leaves only when every reply to its group has been
//! read and nothing stands behind them. The replies must be able to be what they are taken for: nobody is accepted by who has refused MAIL, and DATA alone
//! is answered by 354, which comes once in each group. So a host that drops a reply, says one too many, or changes their order is found out
//! before the dot leaves. Then nothing of the group is believed, its transaction begins anew on another connection, and the host is
//! asked in lock step ([`Believed`](super::believed::Believed)). The same when it does not answer what was sent ahead.

use std::fmt::Write;
use std::time::Duration;

use super::talk::{Break, Sent, SmtpRelay, about_us, not_sendable, told};
use crate::addresses::is_sendable;
use crate::{Broken, Outgoing, Reply};

/// The replies to a group, as far as they have come.
#[derive(Default)]
struct Group {
    mail: Option<Reply>,
    /// None for who waits for the final reply.
    rcpts: Vec<Option<Reply>>,
    data: u16,
    data_reply: Option<Reply>,
}

impl SmtpRelay {
    /// Appends MAIL, RCPT for each recipient, and DATA.
    pub(super) fn group(&self, outgoing: &Outgoing<'_>, commands: &mut String) {
        self.mail(outgoing, commands);
        for address in outgoing.recipients.iter().filter(|address| is_sendable(address)) {
            write!(commands, "RCPT TO:<{address}>\r\n").expect("a String takes all");
        }
        commands.push_str("DATA\r\n");
    }

    /// The transaction, whose commands may have been sent ahead, with the next one's behind its dot.
    pub(super) async fn transact_in_group(
        &mut self,
        outgoing: &Outgoing<'_>,
        next: Option<&Outgoing<'_>>,
    ) -> Result<Vec<Reply>, Broken> {
        let rode = std::mem::take(&mut self.ahead);
        if !rode {
            let mut commands = String::new();
            self.group(outgoing, &mut commands);
            if let Err(unsent) = self.pipe.send([commands.as_bytes(), b"", b""]).await {
                self.broken = true;
                let asked = unsent.sent > 0;
                return Err(Broken { reply: Break::from(unsent).reply, asked, again: false });
            }
        }
        let mut group = Group::default();
        let heard = self.hear_group(outgoing, &mut group).await;
        if let Some(reply) = group.mail.take_if(|mail| self.is_about_paths(outgoing, mail)) {
            return Err(Broken { reply, asked: true, again: true });
        }
        let broke = match heard {
            Ok(()) => match self.after_group(outgoing, &mut group, next).await {
                Ok(replies) => {
                    self.fresh = false;
                    return Ok(replies);
                }
                Err(broke) => broke,
            },
            Err(broke) => broke,
        };
        // A host that hangs up on a group may take the commands one by one; what rode is tried as the first of a connection. (One that hangs up
        // without a word on a connection that was kept has most likely waited long enough.)
        let hung_up = !rode && (group.mail.is_some() || self.fresh) && broke.reply.code == 0;
        if broke.out_of_step || broke.late || hung_up {
            self.believed.no_pipelining(&broke.reply);
        }
        match rode || broke.out_of_step || broke.late || hung_up {
            true => Err(Broken { reply: broke.reply, asked: true, again: true }),
            false if group.mail.is_none() => Err(Broken { reply: broke.reply, asked: true, again: false }),
            false => Ok(told(group.rcpts, outgoing, vec![broke.reply])),
        }
    }

    async fn hear_group(&mut self, outgoing: &Outgoing<'_>, group: &mut Group) -> Result<(), Break> {
        let limits = self.timeouts;
        let within = |limit: Duration| limit.min(limits.group);
        let mail = self.hear(within(limits.mail)).await?;
        let goes_on = mail.is_positive();
        if !goes_on && mail.code < 400 {
            return Err(self.out_of_step(&mail, "MAIL"));
        }
        group.mail = Some(mail);
        for address in outgoing.recipients {
            if !is_sendable(address) {
                group.rcpts.push(Some(not_sendable(address, "5.1.3")));
                continue;
            }
            let reply = self.hear(within(limits.rcpt)).await?;
            match reply.is_positive() {
                true if goes_on => group.rcpts.push(None),
                false if reply.code >= 400 => group.rcpts.push(Some(reply)),
                _ => return Err(self.out_of_step(&reply, "RCPT")),
            }
        }
        let data = self.hear(within(limits.data)).await?;
        if data.code != 354 && data.code < 400 {
            return Err(self.out_of_step(&data, "DATA"));
        }
        group.data = data.code;
        group.data_reply = Some(data);
        Ok(())
    }

    /// What is to be done when all of the group has been answered.
    async fn after_group(
        &mut self,
        outgoing: &Outgoing<'_>,
        group: &mut Group,
        next: Option<&Outgoing<'_>>,
    ) -> Result<Vec<Reply>, Break> {
        let refused = group.mail.clone().filter(|mail| !mail.is_positive());
        let waiting = group.rcpts.iter().filter(|reply| reply.is_none()).count();
        let is_refused = refused.is_some() || waiting == 0;
        if group.data == 354 && !is_refused {
            let next = next.filter(|next| self.refused_here(next).is_none());
            return match self.message(outgoing, waiting, next).await {
                Sent::Replies(finals) => Ok(told(std::mem::take(&mut group.rcpts), outgoing, finals)),
                Sent::Nothing(broke) => Err(broke),
            };
        }
        // RFC 2920 §3.1: who says 354 although there is nobody to whom it could go gets a dot and no message. In LMTP nobody would answer that
        // (RFC 2033 §4.2), so nothing more is said.
        let ended = match (group.data, &refused) {
            (354, _) if self.is_lmtp => {
                self.broken = true;
                Ok(())
            }
            (354, _) => self.ask(".\r\n", self.timeouts.dot).await.map(drop),
            (_, Some(_)) => Ok(()),
            _ => self.reset_in_step().await,
        };
        if let Err(broke) = ended
            && broke.out_of_step
        {
            return Err(broke);
        }
        if let Some(mail) = refused {
            return Ok(outgoing.all(&about_us(mail)));
        }
        Ok(told(std::mem::take(&mut group.rcpts), outgoing, group.data_reply.take().into_iter().collect()))
    }

    /// Ends a transaction without a message. Nobody refuses that: another reply than a 2xx is that to an earlier command.
    async fn reset_in_step(&mut self) -> Result<(), Break> {
        let reply = self.ask("RSET\r\n", self.timeouts.mail).await?;
        if reply.is_positive() { Ok(()) } else { Err(self.out_of_step(&reply, "RSET")) }
    }
}
