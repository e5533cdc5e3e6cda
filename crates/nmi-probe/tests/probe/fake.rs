//! Servers that say what a test wants said.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How a server treats one connection: it gets the request's path.
type Behaviour = Arc<dyn Fn(&str, &mut TcpStream) + Send + Sync>;

/// A server on a loopback address that keeps the requests it got.
pub struct FakeServer {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    behaviour: Arc<Mutex<Behaviour>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Treats each connection as `behaviour` says, and then closes it.
    pub fn behaving(host: &str, behaviour: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(format!("{host}:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Arc::new(behaviour)));
        let stopped = Arc::new(AtomicBool::new(false));
        let thread = {
            let (requests, behaviour, stopped) = (requests.clone(), behaviour.clone(), stopped.clone());
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    serve(stream.unwrap(), &requests, &behaviour);
                }
            })
        };
        Self { address, requests, behaviour, stopped, thread: Some(thread) }
    }

    /// Answers every request with these bytes, and closes the connection.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::behaving("127.0.0.1", move |_, stream| say(stream, &bytes))
    }

    /// From the next request on, answers with these bytes.
    pub fn now_say(&self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        *self.behaviour.lock().unwrap() = Arc::new(move |_, stream| say(stream, &bytes));
    }

    /// The requests so far, each the whole head.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The first lines of the requests so far.
    pub fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect()
    }

    /// Returns once `count` more requests have come.
    pub fn await_more(&self, count: usize) {
        self.await_total(self.requests().len() + count);
    }

    /// Returns once `count` requests have come in all.
    pub fn await_total(&self, count: usize) {
        let start = Instant::now();
        while self.requests().len() < count {
            assert!(start.elapsed() < Duration::from_secs(20), "{count} requests have not come");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the server up from accepting.
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<String>>, behaviour: &Mutex<Behaviour>) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while !request.ends_with("\r\n\r\n") {
        if !matches!(reader.read_line(&mut request), Ok(1..)) {
            return;
        }
    }
    let path = request.split(' ').nth(1).unwrap().to_owned();
    // Taken before the request is counted: who waits for it may then change the behaviour.
    let behaviour = behaviour.lock().unwrap().clone();
    requests.lock().unwrap().push(request);
    behaviour(&path, &mut stream);
}

/// Writes, if the peer still listens.
pub fn say(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// Writes `bytes` one at a time and then over again, until the peer hangs up.
pub fn drip(stream: &mut TcpStream, first: &[u8], again: &[u8]) {
    for byte in first.iter().chain(again.iter().cycle()) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Says nothing until the peer hangs up.
pub fn be_silent(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

/// An answer as Go's net/http gives it.
pub fn answer(status: u16, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Reason\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The answer of NMI's health endpoint with this body.
pub fn healthz(body: &str) -> String {
    answer(200, "text/plain; charset=utf-8", body)
}

/// A refusal by NMI: Go's `http.Error` with status 400.
pub fn refusal(message: &str) -> String {
    answer(400, "text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff", &format!("{message}\n"))
}
