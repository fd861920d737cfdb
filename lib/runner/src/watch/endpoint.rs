//! Where metrics and health can be fetched.
//!
//! Several processes of one host have the same site file: whoever gets the port answers for all of them, and the others try again each second, so that another
//! answers when that one is gone. That is how a dead process is seen from outside.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::HostReport;
use super::http::{Answer, Request, read, write};

/// Tells how the host fares; may take some seconds, and is called on a thread where that is allowed.
pub type Reporter = Arc<dyn Fn() -> HostReport + Send + Sync>;

/// How long somebody else may have the port before it is tried again, and the pause after a connection that could not be taken.
const AGAIN: Duration = Duration::from_secs(1);
/// Connections at once; one more waits in the system's queue.
const CONNECTIONS: usize = 8;
/// How long a client may take to ask, and again to read the answer.
const CLIENT: Duration = Duration::from_secs(5);
/// How long it may take to find out.
const ANSWER: Duration = Duration::from_secs(8);

/// Answers on this socket as long as it is there.
#[derive(Debug)]
pub struct Endpoint {
    address: Arc<OnceLock<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    /// Listens at `listen`, now or as soon as that is free; `address` is set then.
    pub fn start(
        listen: SocketAddr,
        address: Arc<OnceLock<SocketAddr>>,
        report: Reporter,
        runtime: &Handle,
    ) -> Endpoint {
        let task = runtime.spawn(answer(listen, Arc::clone(&address), report));
        Endpoint { address, task }
    }

    /// Where it listens, with the port that the system chose; none while somebody else has it.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.get().copied()
    }
}

async fn answer(listen: SocketAddr, address: Arc<OnceLock<SocketAddr>>, report: Reporter) {
    let listener = bind(listen).await;
    if let Ok(bound) = listener.local_addr() {
        tracing::info!("metrics and health at http://{bound}/metrics and /health");
        // It is set once, here.
        let _ = address.set(bound);
    }
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let report = Arc::clone(&report);
                tokio::spawn(async move {
                    serve(stream, report).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!("a connection for metrics could not be taken: {error}");
                sleep(AGAIN).await;
            }
        }
    }
}

async fn bind(listen: SocketAddr) -> TcpListener {
    let mut is_told = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) if is_told => tracing::debug!("metrics cannot listen on {listen}: {error}"),
            Err(error) => tracing::info!(
                "metrics cannot listen on {listen} now: {error}; tried again each second, and needless while another process of this site answers there"
            ),
        }
        is_told = true;
        sleep(AGAIN).await;
    }
}

/// One request, one answer, and the end. A client that is too slow is cut off.
async fn serve(mut stream: TcpStream, report: Reporter) {
    let Ok(request) = timeout(CLIENT, read(&mut stream)).await else { return };
    let answer = match request {
        Ok(None) => return,
        Ok(Some(request)) => told(&request, report).await,
        Err(refusal) => refusal,
    };
    // A client that has gone needs no answer.
    let _ = timeout(CLIENT, write(&mut stream, &answer)).await;
}

async fn told(request: &Request, report: Reporter) -> Answer {
    let page: fn(&HostReport) -> Answer = match request.path.as_str() {
        "/metrics" => |report| Answer::metrics(report.metrics()),
        "/health" => |report| Answer::health(report.reasons.is_empty(), report.health()),
        _ => return Answer::nothing(404, "there are /metrics and /health\n"),
    };
    let told = tokio::task::spawn_blocking(move || page(&report()));
    let answer = match timeout(ANSWER, told).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Answer::nothing(503, "a software fault: see the log\n"),
        Err(_) => Answer::nothing(503, "it takes too long to find out\n"),
    };
    if request.is_head { answer.without_body() } else { answer }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::Sights;
    use super::super::report::tests::process;
    use super::*;

    fn start(runtime: &Handle, listen: SocketAddr, wrong: &[&str]) -> Endpoint {
        let wrong: Vec<String> = wrong.iter().map(|reason| (*reason).to_owned()).collect();
        let report = move || {
            let sights = Sights { wrong: wrong.clone(), ..Sights::default() };
            HostReport::new(vec![process(&[])], Vec::new(), sights, BTreeSet::new(), BTreeSet::new())
        };
        Endpoint::start(listen, Arc::default(), Arc::new(report), runtime)
    }

    async fn address(endpoint: &Endpoint) -> SocketAddr {
        loop {
            match endpoint.address() {
                Some(address) => return address,
                None => tokio::task::yield_now().await,
            }
        }
    }

    async fn asked(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_answers_what_it_knows_and_refuses_the_rest() {
        let endpoint = start(&Handle::current(), "127.0.0.1:0".parse().unwrap(), &["outbound is dead"]);
        let address = address(&endpoint).await;
        for (request, answer) in [
            ("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 503 "),
            ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "),
            ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
            ("POST /health HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
            ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
            ("GET /health SPDY/3\r\n\r\n", "HTTP/1.1 400 "),
        ] {
            let told = asked(address, request).await;
            assert!(told.starts_with(answer), "{request}: {told}");
        }
        assert!(asked(address, "GET /health HTTP/1.1\r\n\r\n").await.ends_with("\r\n\r\noutbound is dead\n"));
        assert!(asked(address, "HEAD /health HTTP/1.1\r\n\r\n").await.ends_with("\r\n\r\n"));
        let long = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(20_000));
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have closed before it has read everything.
        let _ = stream.write_all(long.as_bytes()).await;
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told).await;
        assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&told));
    }

    #[tokio::test]
    async fn whoever_comes_second_takes_over() {
        let first = start(&Handle::current(), "127.0.0.1:0".parse().unwrap(), &[]);
        let at = address(&first).await;
        let second = start(&Handle::current(), at, &["the second"]);
        assert!(asked(at, "GET /health HTTP/1.1\r\n\r\n").await.ends_with("ok\n"));
        drop(first);
        address(&second).await;
        assert!(asked(at, "GET /health HTTP/1.1\r\n\r\n").await.ends_with("the second\n"));
    }
}
