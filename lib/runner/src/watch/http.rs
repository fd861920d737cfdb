//! As much of HTTP/1.1 as a probe needs (RFC 9112): one request without a body, one answer, the end of the connection.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Octets of the longest request.
const LONGEST: usize = 8 << 10;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The path without a query.
    pub(super) path: String,
    /// Only the head of the answer is wanted.
    pub(super) is_head: bool,
}

/// What it is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    code: u16,
    content_type: &'static str,
    length: usize,
    body: String,
}

impl Answer {
    /// The metrics.
    pub(super) fn metrics(page: String) -> Answer {
        Answer { content_type: "text/plain; version=0.0.4; charset=utf-8", ..Answer::text(200, page) }
    }

    /// 200 or 503.
    pub(super) fn health(is_well: bool, reasons: String) -> Answer {
        Answer::text(if is_well { 200 } else { 503 }, reasons)
    }

    /// Why there is nothing.
    pub(super) fn nothing(code: u16, why: &str) -> Answer {
        Answer::text(code, why.to_owned())
    }

    fn text(code: u16, body: String) -> Answer {
        Answer { code, content_type: "text/plain; charset=utf-8", length: body.len(), body }
    }

    /// The head alone, as if the body followed (RFC 9110 §9.3.2).
    pub(super) fn without_body(self) -> Answer {
        Answer { body: String::new(), ..self }
    }

    fn phrase(&self) -> &'static str {
        match self.code {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        }
    }
}

/// Reads a request; none when the client has gone. An error is the answer to what cannot be answered otherwise.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Request>, Answer> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > LONGEST {
            return Err(Answer::nothing(431, "the request is too long\n"));
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(length) => head.extend_from_slice(&part[..length]),
        }
    }
    request(&head).map(Some)
}

fn request(head: &[u8]) -> Result<Request, Answer> {
    let bad = || Answer::nothing(400, "this is no request of HTTP/1.1\n");
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| bad())?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad());
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Err(bad());
    }
    let path = target.split('?').next().unwrap_or_default().to_owned();
    match method {
        "GET" => Ok(Request { path, is_head: false }),
        "HEAD" => Ok(Request { path, is_head: true }),
        _ => Err(Answer::nothing(405, "there is only GET\n")),
    }
}

/// Writes the answer, and ends the connection.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> std::io::Result<()> {
    let allow = if answer.code == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        answer.code,
        answer.phrase(),
        answer.content_type,
        answer.length
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.body.as_bytes()).await?;
    stream.shutdown().await
}
