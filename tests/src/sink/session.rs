//! One conversation.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::script::{Answer, Asked, Security, Step};
use super::server::{Received, Shared};

/// Either kind of stream.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Session<'a> {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    shared: &'a Shared,
    number: usize,
    transactions: usize,
    encrypted: bool,
    logged_in: bool,
    mail: Option<(String, Vec<String>)>,
    recipients: Vec<String>,
    /// MAIL or an RCPT was refused: what was sent behind it in the same group is not out of order (RFC 2920 §3.1).
    refused: bool,
    /// Something had been sent behind the last dot when it was read.
    rides: bool,
}

/// Serves one client until either side ends it.
pub(super) async fn serve(socket: TcpStream, number: usize, shared: &Shared) {
    // What the client sees of an error is that the connection is closed, and that is what happens.
    let _ = try_serve(socket, number, shared).await;
}

async fn try_serve(socket: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut session = Session {
        stream: Box::new(socket),
        buffer: Vec::new(),
        shared,
        number,
        transactions: 0,
        encrypted: false,
        logged_in: false,
        mail: None,
        recipients: Vec::new(),
        refused: false,
        rides: false,
    };
    if let Security::Implicit(identity) = &shared.script.security {
        let acceptor = identity.acceptor.clone();
        session.stream = Box::new(acceptor.accept(session.stream).await?);
        session.encrypted = true;
    }
    session.answer(Step::Greeting, "", "220 sink.example.org ready").await?;
    loop {
        let line = session.line().await?;
        shared.command(&line);
        session.command(&line).await?;
    }
}

fn ended() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Session<'_> {
    /// What the script wants to be done.
    fn ask(&self, step: Step, argument: &str) -> Answer {
        let asked = Asked { step, argument, before: 0, connection: self.number, transactions: self.transactions };
        self.shared.answer(asked)
    }

    /// Says what the script wants, else `usual`; true when it was a 2xx or 3xx.
    async fn answer(&mut self, step: Step, argument: &str, usual: &str) -> io::Result<bool> {
        let answer = self.ask(step, argument);
        let is_good = answer.is_good(usual);
        self.carry_out(answer, usual).await?;
        Ok(is_good)
    }

    async fn carry_out(&mut self, answer: Answer, usual: &str) -> io::Result<()> {
        match answer {
            Answer::Usual | Answer::CloseWithin(_) => self.say(usual).await,
            Answer::Say(line) => self.say(&line).await,
            Answer::SayAndClose(line) => {
                self.say(&line).await?;
                self.stream.shutdown().await?;
                Err(ended())
            }
            Answer::Raw(bytes) => {
                self.stream.write_all(&bytes).await?;
                self.stream.flush().await
            }
            Answer::InPieces(bytes) => {
                for byte in &bytes {
                    self.stream.write_all(&[*byte]).await?;
                    self.stream.flush().await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Answer::Close => Err(ended()),
            Answer::Stall => std::future::pending().await,
            Answer::Until(gate, line) => {
                gate.passed().await;
                self.say(&line).await
            }
        }
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// A command that breaks the protocol.
    async fn wrong(&mut self, reply: &str, what: String) -> io::Result<()> {
        self.shared.violation(&what);
        self.say(reply).await
    }

    /// A command that breaks the protocol, unless it came in one group with one that was refused.
    async fn misplaced(&mut self, reply: &str, what: &str) -> io::Result<()> {
        match self.refused && self.shared.script.offers("PIPELINING") {
            true => self.say(reply).await,
            false => self.wrong(reply, what.to_owned()).await,
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).await?;
        if count == 0 {
            return Err(ended());
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(())
    }

    /// The next line, without its CRLF.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                if line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
                    self.shared.violation("a bare CR or LF in a command");
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.fill().await?;
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<()> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let hello = if self.shared.script.lmtp { "LHLO" } else { "EHLO" };
        match verb.to_ascii_uppercase().as_str() {
            verb if verb == hello => self.hello(rest).await,
            "STARTTLS" => self.starttls().await,
            "AUTH" => self.auth(rest).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.forget();
                self.answer(Step::Reset, "", "250 2.0.0 forgotten").await.map(drop)
            }
            "NOOP" => self.say("250 2.0.0 nothing done").await,
            "QUIT" => {
                self.answer(Step::Quit, "", "221 2.0.0 bye").await?;
                Err(ended())
            }
            _ => self.wrong("500 5.5.1 what", format!("an unknown command: {line}")).await,
        }
    }

    async fn hello(&mut self, name: &str) -> io::Result<()> {
        self.forget();
        let script = &self.shared.script;
        let mut lines = vec!["sink.example.org".to_owned()];
        lines.extend(script.extensions.iter().cloned());
        if matches!(script.security, Security::StartTls(_)) && !self.encrypted {
            lines.push("STARTTLS".to_owned());
        }
        let last = lines.len() - 1;
        let lines: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' }))
            .collect();
        self.answer(Step::Hello, name, &lines.join("\r\n")).await.map(drop)
    }

    async fn starttls(&mut self) -> io::Result<()> {
        let Security::StartTls(identity) = &self.shared.script.security else {
            return self.wrong("502 5.5.1 no", "STARTTLS was not offered".to_owned()).await;
        };
        if !self.answer(Step::StartTls, "", "220 2.0.0 go").await? {
            return Ok(());
        }
        let acceptor = identity.acceptor.clone();
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.buffer.clear();
        self.stream = Box::new(acceptor.accept(plain).await?);
        self.encrypted = true;
        Ok(())
    }

    /// PLAIN with an initial response, or LOGIN.
    async fn auth(&mut self, rest: &str) -> io::Result<()> {
        if !self.encrypted {
            self.shared.violation("a password without TLS");
        }
        let decoded = |text: &str| data_encoding::BASE64.decode(text.as_bytes()).unwrap_or_default();
        let given = match rest.split_once(' ') {
            Some(("PLAIN", response)) => decoded(response),
            _ => {
                self.say("334 VXNlcm5hbWU6").await?;
                let user = self.line().await?;
                self.say("334 UGFzc3dvcmQ6").await?;
                let password = self.line().await?;
                [b"\0".as_slice(), &decoded(&user), b"\0", &decoded(&password)].concat()
            }
        };
        let wanted = self.shared.script.login.clone().unwrap_or_default();
        self.logged_in = given == format!("\0{}\0{}", wanted.0, wanted.1).into_bytes();
        let usual = if self.logged_in { "235 2.7.0 welcome" } else { "535 5.7.8 who are you" };
        self.answer(Step::Auth, "", usual).await.map(drop)
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        let Some((path, parameters)) = path(rest, "FROM:") else {
            return self.wrong("501 5.5.4 what", format!("not a MAIL command: {rest}")).await;
        };
        if self.mail.is_some() {
            return self.wrong("503 5.5.1 nested", "MAIL within a transaction".to_owned()).await;
        }
        for parameter in &parameters {
            let keyword = parameter.split('=').next().unwrap_or_default();
            let needs = if keyword == "BODY" { "8BITMIME" } else { keyword };
            if !self.shared.script.offers(needs) {
                return self.wrong("555 5.5.4 what", format!("{parameter} was not offered")).await;
            }
        }
        if !path.is_ascii() && !parameters.iter().any(|one| one == "SMTPUTF8") {
            return self.wrong("553 5.6.7 no", format!("{path} without SMTPUTF8")).await;
        }
        if self.shared.script.login.is_some() && !self.logged_in {
            return self.say("530 5.7.0 log in first").await;
        }
        if self.answer(Step::Mail, &path, "250 2.1.0 go on").await? {
            self.mail = Some((path, parameters));
        }
        self.refused = self.mail.is_none();
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        let Some((path, parameters)) = path(rest, "TO:") else {
            return self.wrong("501 5.5.4 what", format!("not an RCPT command: {rest}")).await;
        };
        if !parameters.is_empty() {
            self.shared.violation(&format!("RCPT with {parameters:?}"));
        }
        let utf8 = match &self.mail {
            None => return self.misplaced("503 5.5.1 MAIL first", "RCPT before MAIL").await,
            Some((_, parameters)) => parameters.iter().any(|one| one == "SMTPUTF8"),
        };
        if !path.is_ascii() && !utf8 {
            return self.wrong("553 5.6.7 no", format!("{path} without SMTPUTF8")).await;
        }
        if self.recipients.len() >= self.shared.script.most {
            return self.say("452 4.5.3 too many recipients").await;
        }
        if self.answer(Step::Rcpt, &path, "250 2.1.5 go on").await? {
            self.recipients.push(path);
        } else {
            self.refused = true;
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        let Some(first) = self.recipients.first().cloned() else { return self.data_for_nobody().await };
        let answer = self.ask(Step::Data, &first);
        if let Answer::CloseWithin(count) = answer {
            self.say("354 go on").await?;
            while self.buffer.len() < count {
                self.fill().await?;
            }
            return Err(ended());
        }
        let goes_on = answer.is_good("354");
        self.carry_out(answer, "354 go on").await?;
        if !goes_on {
            return Ok(());
        }
        let data = self.content().await?;
        self.transactions += 1;
        self.rides = !self.buffer.is_empty();
        if self.shared.script.forgetful {
            self.buffer.clear();
        }
        self.after_dot(&first, data).await
    }

    /// RFC 2920 §3.1: a server may say 354 all the same, and then gets a dot and no message.
    async fn data_for_nobody(&mut self) -> io::Result<()> {
        match self.ask(Step::Data, "") {
            Answer::Say(line) if self.refused && line.starts_with("354") => {
                self.say(&line).await?;
                if !self.content().await?.is_empty() {
                    self.shared.violation("a message for nobody");
                }
                self.forget();
                // RFC 2033 §4.2: a reply for each recipient, of whom there is none.
                if self.shared.script.lmtp { Ok(()) } else { self.say("554 5.5.1 nobody").await }
            }
            _ => self.misplaced("503 5.5.1 RCPT first", "DATA without a recipient").await,
        }
    }

    async fn after_dot(&mut self, first: &str, data: Vec<u8>) -> io::Result<()> {
        let Some((return_path, parameters)) = self.mail.take() else { return Ok(()) };
        let recipients = std::mem::take(&mut self.recipients);
        let clean = self.is_clean(&data, &parameters);
        let usual = if clean { "250 2.0.0 taken" } else { "554 5.6.0 bare CR or LF" };
        let copies = if self.shared.script.lmtp {
            recipients.into_iter().map(|one| vec![one]).collect()
        } else {
            vec![recipients]
        };
        for recipients in copies {
            let answer = self.ask(Step::Dot, if self.shared.script.lmtp { &recipients[0] } else { first });
            // Before the reply: a client that has read it finds the message here.
            self.shared.received(Received {
                return_path: return_path.clone(),
                parameters: parameters.clone(),
                recipients,
                data: data[..data.len().min(self.shared.script.keep)].to_vec(),
                acknowledged: answer.is_good(usual),
                connection: self.number,
                rides: self.rides,
                encrypted: self.encrypted,
            });
            self.carry_out(answer, usual).await?;
        }
        Ok(())
    }

    fn is_clean(&self, data: &[u8], parameters: &[String]) -> bool {
        let bare = data.iter().enumerate().any(|(at, byte)| match byte {
            b'\n' => at == 0 || data[at - 1] != b'\r',
            b'\r' => data.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        if bare {
            self.shared.violation("a bare CR or LF in a message");
        }
        let declared = parameters.iter().any(|one| one == "BODY=8BITMIME");
        if !data.is_ascii() && !declared && self.shared.script.offers("8BITMIME") {
            self.shared.violation("octets above 127 without BODY=8BITMIME");
        }
        !bare
    }

    /// The message: only CRLF.CRLF ends it (RFC 5321 §4.1.1.4).
    async fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            if self.buffer.starts_with(b".\r\n") {
                self.buffer.drain(..3);
                return Ok(Vec::new());
            }
            if let Some(at) = self.buffer[searched..].windows(5).position(|five| five == b"\r\n.\r\n") {
                let end = searched + at + 2;
                let data: Vec<u8> = self.buffer.drain(..end + 3).take(end).collect();
                return Ok(without_transparency(&data));
            }
            searched = self.buffer.len().saturating_sub(4);
            self.fill().await?;
        }
    }

    fn forget(&mut self) {
        self.mail = None;
        self.recipients.clear();
        self.refused = false;
    }
}

/// RFC 5321 §4.5.2.
fn without_transparency(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut at_start = true;
    for (at, byte) in data.iter().enumerate() {
        if !(at_start && *byte == b'.') {
            out.push(*byte);
        }
        at_start = *byte == b'\n' && at > 0 && data[at - 1] == b'\r';
    }
    out
}

/// `FROM:<path> PARAMETER …`
fn path(rest: &str, word: &str) -> Option<(String, Vec<String>)> {
    let rest = rest.strip_prefix(word)?.strip_prefix('<')?;
    let (path, parameters) = rest.rsplit_once('>')?;
    Some((path.to_owned(), parameters.split_whitespace().map(str::to_owned).collect()))
}
