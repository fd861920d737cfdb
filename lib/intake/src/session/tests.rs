//! The dialogue over streams that arrive exactly as a test says, under a clock that the test owns.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Condvar, Mutex};
use std::task::{Context, Poll};

use listmill_queue_format::{EntryId, Envelope};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::{Answer, Limits, Reception};

/// Knows `dev@` and `ops@lists.example.org`, and stores what it is given. `gate@` waits until the test opens the gate.
#[derive(Default)]
struct Recorder {
    stored: Mutex<Vec<(Envelope, Vec<u8>)>>,
    gate: (Mutex<bool>, Condvar),
    waiting: tokio::sync::Notify,
    /// Octets that the disk has no room for.
    taken: std::sync::atomic::AtomicU64,
}

impl Recorder {
    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    fn stored(&self) -> Vec<(Envelope, Vec<u8>)> {
        self.stored.lock().unwrap().clone()
    }
}

impl Reception for Recorder {
    fn recipient(&self, address: &str) -> Verdict {
        match address {
            "dev@lists.example.org" | "gate@lists.example.org" => Verdict::Accept { max_size: 0 },
            "ops@lists.example.org" => Verdict::Accept { max_size: 100 },
            "broken@lists.example.org" => panic!("a reception may be broken"),
            _ => Verdict::Unknown,
        }
    }

    fn accept(&self, envelope: Envelope, message: Arc<[u8]>, _: Replies) -> Vec<Answer> {
        if envelope.recipients.iter().any(|address| address.starts_with("gate@")) {
            self.waiting.notify_one();
            let _open = self.gate.1.wait_while(self.gate.0.lock().unwrap(), |open| !*open).unwrap();
        }
        let id = EntryId::fresh(jiff::Timestamp::UNIX_EPOCH, [0; 10]);
        let answers = envelope.recipients.iter().map(|_| Answer::Stored(id)).collect();
        self.stored.lock().unwrap().push((envelope, message.to_vec()));
        answers
    }

    fn max_message_size(&self) -> u64 {
        1_000_000
    }

    fn has_room(&self, octets: u64) -> bool {
        octets + self.taken.load(std::sync::atomic::Ordering::SeqCst) <= 1_000_000
    }
}

/// A client whose octets arrive in these pieces and no others; it reads whatever it is sent.
struct Pieces {
    input: VecDeque<Vec<u8>>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if let Some(mut piece) = self.input.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.input.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<std::io::Result<usize>> {
        self.output.lock().unwrap().extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Everything that one scripted client is told, and what was stored.
async fn play(protocol: Protocol, pieces: &[&[u8]]) -> (String, Vec<(Envelope, Vec<u8>)>) {
    let reception = Arc::new(Recorder::default());
    let service = Arc::new(Service::new("mx.example.org".into(), Arc::clone(&reception) as _, Limits::default()));
    let output = Arc::new(Mutex::new(Vec::new()));
    let input = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect();
    let stream = Pieces { input, output: Arc::clone(&output) };
    let (_stop, stopping) = watch::channel(None);
    Session::new(Box::new(stream), stopping, service, protocol, "192.0.2.1".into()).serve().await;
    let output = String::from_utf8(output.lock().unwrap().clone()).unwrap();
    (output, reception.stored())
}

/// The codes of a transcript: "250 2.1.0" for each reply, its last line.
fn codes(transcript: &str) -> Vec<String> {
    let last = transcript.lines().filter(|line| line.as_bytes()[3] == b' ');
    last.map(|line| {
        let mut words = line.split(' ');
        let code = words.next().unwrap();
        match words.next().filter(|word| word.contains('.') && word.starts_with(&code[..1]) && word.len() < 10) {
            Some(status) => format!("{code} {status}"),
            None => code.to_owned(),
        }
    })
    .collect()
}

/// Two messages, everything pipelined, with dots, an unknown recipient and one that is named twice.
const DIALOGUE: &[u8] = b"LHLO client.example.net\r\n\
    MAIL FROM:<bob@example.net> BODY=8BITMIME\r\n\
    RCPT TO:<dev@lists.example.org>\r\nRCPT TO:<nobody@lists.example.org>\r\n\
    RCPT TO:<ops@lists.example.org>\r\nRCPT TO:<Dev@lists.example.org>\r\nDATA\r\n\
    Subject: one\r\n\r\n..\r\n.x\r\nQUIT\r\n.\r\n\
    MAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n.\r\nQUIT\r\n";
const CODES: [&str; 15] = [
    "220",
    "250",
    "250 2.1.0",
    "250 2.1.5",
    "550 5.1.1",
    "250 2.1.5",
    "250 2.1.5",
    "354",
    "250 2.0.0",
    "250 2.0.0",
    "250 2.0.0",
    "250 2.1.0",
    "250 2.1.5",
    "354",
    "250 2.0.0",
];

#[tokio::test]
async fn a_dialogue_goes_the_same_way_wherever_it_is_cut() {
    let (whole, stored) = play(Protocol::Lmtp, &[DIALOGUE]).await;
    let mut expected = CODES.map(str::to_owned).to_vec();
    expected.push("221 2.0.0".into());
    assert_eq!(codes(&whole), expected);
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].1, b"Subject: one\r\n\r\n.\r\nx\r\nQUIT\r\n");
    assert_eq!(stored[0].0.recipients, ["dev@lists.example.org", "ops@lists.example.org"], "nobody twice");
    assert_eq!(stored[0].0.body, listmill_queue_format::BodyKind::EightBitMime);
    assert_eq!((stored[1].0.sender.as_str(), stored[1].1.as_slice()), ("", &b""[..]));
    for cut in 1..DIALOGUE.len() {
        let cut_up = play(Protocol::Lmtp, &[&DIALOGUE[..cut], &DIALOGUE[cut..]]).await;
        assert_eq!((&cut_up.0, &cut_up.1), (&whole, &stored), "cut at {cut}");
    }
    let octets: Vec<&[u8]> = DIALOGUE.chunks(1).collect();
    assert_eq!(play(Protocol::Lmtp, &octets).await, (whole, stored));
}

#[tokio::test]
async fn a_connection_that_breaks_anywhere_stores_whole_messages_only() {
    let ends: Vec<usize> =
        DIALOGUE.windows(5).enumerate().filter(|(_, five)| five == b"\r\n.\r\n").map(|(at, _)| at + 5).collect();
    for cut in 0..DIALOGUE.len() {
        let (transcript, stored) = play(Protocol::Lmtp, &[&DIALOGUE[..cut]]).await;
        assert_eq!(stored.len(), ends.iter().filter(|end| **end <= cut).count(), "broken at {cut}");
        let told = codes(&transcript);
        assert_eq!(told, CODES[..told.len()], "broken at {cut}");
    }
}

#[tokio::test]
async fn a_reception_that_panics_is_a_failure_that_passes() {
    let (transcript, _) = play(
        Protocol::Smtp,
        &[b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<broken@lists.example.org>\r\nRCPT TO:<dev@lists.example.org>\r\nQUIT\r\n"],
    )
    .await;
    assert_eq!(codes(&transcript), ["220", "250", "250 2.1.0", "451 4.3.0", "250 2.1.5", "221 2.0.0"]);
}

#[tokio::test]
async fn a_line_without_end_is_read_in_bounded_memory_and_refused_once() {
    let long = vec![b'x'; 1 << 20];
    let (transcript, _) = play(Protocol::Smtp, &[&long, b"\r\nNOOP\r\nNOOP\nQUIT\r\n"]).await;
    assert_eq!(codes(&transcript), ["220", "500 5.5.2", "250 2.0.0", "500 5.5.2", "221 2.0.0"]);
}

/// A client that a test drives by hand.
struct Driven {
    client: DuplexStream,
    session: JoinHandle<()>,
    reception: Arc<Recorder>,
    stop: watch::Sender<Option<Instant>>,
}

impl Driven {
    fn new(limits: Limits) -> Self {
        let reception = Arc::new(Recorder::default());
        let service = Arc::new(Service::new("mx.example.org".into(), Arc::clone(&reception) as _, limits));
        Driven::at(&service, reception)
    }

    fn at(service: &Arc<Service>, reception: Arc<Recorder>) -> Self {
        let (client, server) = duplex(1 << 10);
        let (stop, stopping) = watch::channel(None);
        let session = Session::new(Box::new(server), stopping, Arc::clone(service), Protocol::Lmtp, "192.0.2.1".into());
        Driven { client, session: tokio::spawn(session.serve()), reception, stop }
    }

    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until that many replies have come.
    async fn replies(&mut self, count: usize) -> Vec<String> {
        let mut text = Vec::new();
        loop {
            let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
            let codes = codes(std::str::from_utf8(&text[..whole]).unwrap());
            if codes.len() >= count {
                return codes;
            }
            assert_ne!(self.client.read_buf(&mut text).await.unwrap(), 0, "closed after {codes:?}");
        }
    }

    /// Reads until the session has ended.
    async fn rest(&mut self) -> Vec<String> {
        let mut text = String::new();
        self.client.read_to_string(&mut text).await.unwrap();
        (&mut self.session).await.unwrap();
        codes(&text)
    }

    async fn until_data(&mut self) {
        self.send("LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").await;
        assert_eq!(self.replies(5).await[4], "354");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_so_after_five_minutes() {
    let begun = Instant::now();
    let mut driven = Driven::new(Limits::default());
    driven.send("LHLO c\r\nMAIL FRO").await;
    assert_eq!(driven.rest().await, ["220", "250", "421 4.4.2"]);
    assert!((Duration::from_secs(300)..Duration::from_secs(310)).contains(&begun.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_an_octet_now_and_then_gets_no_more_time_for_its_line() {
    let begun = Instant::now();
    let mut driven = Driven::new(Limits::default());
    while driven.client.write_all(b"x").await.is_ok() && begun.elapsed() < Duration::from_secs(3_000) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(driven.rest().await, ["220", "421 4.4.2"]);
    assert!(begun.elapsed() < Duration::from_secs(320), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_in_is_given_up() {
    let begun = Instant::now();
    let mut driven = Driven::new(Limits::default());
    driven.until_data().await;
    while driven.client.write_all(b"x\r\n").await.is_ok() && begun.elapsed() < Duration::from_secs(3_000) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(driven.rest().await, ["421 4.4.2"]);
    assert!(begun.elapsed() < Duration::from_secs(320), "{:?}", begun.elapsed());
    assert!(driven.reception.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_busy_without_a_message_runs_out_of_time() {
    let mut driven = Driven::new(Limits { idle_commands: usize::MAX, ..Limits::default() });
    let begun = Instant::now();
    while driven.client.write_all(b"NOOP\r\n").await.is_ok() && begun.elapsed() < Duration::from_secs(10_000) {
        let mut replies = [0; 64];
        let _ = driven.client.read(&mut replies).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    driven.rest().await;
    assert!((3_600..3_700).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_dropped() {
    let mut driven = Driven::new(Limits { idle_commands: usize::MAX, ..Limits::default() });
    let begun = Instant::now();
    while driven.client.write_all(b"HELP\r\n").await.is_ok() {}
    (&mut driven.session).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(120), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_of_use_is_stopped() {
    let mut driven = Driven::new(Limits { idle_commands: 3, ..Limits::default() });
    driven.send("NOOP\r\nRSET\r\nVRFY x\r\nHELP\r\nNOOP\r\n").await;
    assert_eq!(driven.rest().await.last().unwrap(), "421 4.7.0");
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_memory_and_then_is_put_off() {
    let limits = Limits { memory: 1_000_000, ..Limits::default() };
    let reception = Arc::new(Recorder::default());
    let service = Arc::new(Service::new("mx.example.org".into(), Arc::clone(&reception) as _, limits));
    let mut first = Driven::at(&service, Arc::clone(&reception));
    first.send("LHLO c\r\nMAIL FROM:<> SIZE=1000000\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").await;
    assert_eq!(first.replies(5).await[4], "354");
    let begun = Instant::now();
    let mut second = Driven::at(&service, Arc::clone(&reception));
    second.send("LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").await;
    assert_eq!(second.replies(5).await[4], "452 4.3.1");
    assert_eq!(begun.elapsed().as_secs(), 30);
    // The memory comes back with the first message, and the transaction is still there.
    first.send("x\r\n.\r\n").await;
    assert_eq!(first.replies(1).await, ["250 2.0.0"]);
    second.send("DATA\r\n").await;
    assert_eq!(second.replies(1).await, ["354"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_for_which_there_is_no_room_is_put_off_before_it_is_sent() {
    let reception = Arc::new(Recorder::default());
    let service = Arc::new(Service::new("mx.example.org".into(), Arc::clone(&reception) as _, Limits::default()));
    let mut driven = Driven::at(&service, Arc::clone(&reception));
    let taken = |octets| reception.taken.store(octets, std::sync::atomic::Ordering::SeqCst);
    taken(600_000);
    driven
        .send("LHLO c\r\nMAIL FROM:<> SIZE=500000\r\nMAIL FROM:<> SIZE=9000000\r\nMAIL FROM:<> SIZE=300000\r\n")
        .await;
    assert_eq!(driven.replies(5).await[2..], ["452 4.3.1", "552 5.3.4", "250 2.1.0"]);
    driven.send("RCPT TO:<dev@lists.example.org>\r\n").await;
    assert_eq!(driven.replies(1).await, ["250 2.1.5"]);
    taken(900_000);
    driven.send("DATA\r\n").await;
    assert_eq!(driven.replies(1).await, ["452 4.3.1"]);
    // There is room again, and the transaction is still there.
    taken(0);
    driven.send("DATA\r\nx\r\n.\r\n").await;
    assert_eq!(driven.replies(2).await, ["354", "250 2.0.0"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_outgrows_the_memory_is_read_and_put_off() {
    let limits = Limits { memory: 1_000_000, ..Limits::default() };
    let reception = Arc::new(Recorder::default());
    let service = Arc::new(Service::new("mx.example.org".into(), Arc::clone(&reception) as _, limits));
    let mut first = Driven::at(&service, Arc::clone(&reception));
    first.send("LHLO c\r\nMAIL FROM:<> SIZE=900000\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n").await;
    assert_eq!(first.replies(5).await[4], "354");
    let mut second = Driven::at(&service, Arc::clone(&reception));
    second.until_data().await;
    for _ in 0..20_000 {
        second.send("0123456789\r\n").await;
    }
    second.send(".\r\n").await;
    assert_eq!(second.replies(1).await, ["452 4.3.1"]);
    assert!(reception.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_endless_message_ends_the_connection() {
    let mut driven = Driven::new(Limits { dropped: 100_000, ..Limits::default() });
    driven.until_data().await;
    let mut sent = 0_u64;
    while driven.client.write_all(&[b'x'; 1_000]).await.is_ok() && sent < 10_000_000 {
        sent += 1_000;
    }
    assert!(sent < 3_000_000, "{sent}");
    assert_eq!(driven.rest().await, ["552 5.3.4"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_idle_session_at_once() {
    let mut driven = Driven::new(Limits::default());
    driven.send("LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\n").await;
    driven.replies(4).await;
    let begun = Instant::now();
    driven.stop.send_replace(Some(begun));
    assert_eq!(driven.replies(1).await, ["421 4.3.2"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_a_message_end_within_its_time() {
    let mut driven = Driven::new(Limits::default());
    driven.until_data().await;
    driven.stop.send_replace(Some(Instant::now()));
    tokio::time::sleep(Duration::from_secs(7)).await;
    driven.send("x\r\n.\r\nMAIL FROM:<>\r\n").await;
    assert_eq!(driven.rest().await, ["250 2.0.0", "421 4.3.2"]);
    assert_eq!(driven.reception.stored().len(), 1);

    let mut driven = Driven::new(Limits::default());
    driven.until_data().await;
    let begun = Instant::now();
    driven.stop.send_replace(Some(begun));
    while driven.client.write_all(b"x\r\n").await.is_ok() && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(driven.rest().await, ["421 4.3.2"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nothing_is_said_before_it_is_stored() {
    let mut driven = Driven::new(Limits::default());
    driven.send("LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<gate@lists.example.org>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n").await;
    assert_eq!(driven.replies(5).await[4], "354");
    driven.reception.waiting.notified().await;
    let early = tokio::time::timeout(Duration::ZERO, driven.client.read_u8()).await;
    assert!(early.is_err(), "{early:?} before it was stored");
    driven.reception.open();
    assert_eq!(driven.replies(2).await, ["250 2.0.0", "250 2.0.0"]);
    assert_eq!(driven.reception.stored().len(), 1);
}
