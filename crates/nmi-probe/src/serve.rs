//! Checks for the whole Pod, again and again, and answers over HTTP how it stands.
//!
//! One thread asks; a fixed number of threads answer, one connection at a time each. So no more than that
//! many connections are open at once: others wait in the kernel's queue, and no peer can make the process
//! grow.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::board::{Board, Matter};
use crate::deadline::Deadline;
use crate::guard::Guard;
use crate::http;
use crate::original::{self, Original};

/// How many connections are answered at once.
pub const CONNECTIONS: usize = 16;

/// Enough for a request, an answer, and a wrapped probe; glibc asks for 128 KiB at least on some machines.
const STACK: usize = 128 * 1024;

/// The longest head of a request.
const HEAD: usize = 4096;

/// How long a client may take to say what it wants, and again to take the answer.
const CLIENT: Duration = Duration::from_secs(2);

/// The pause after a connection could not be accepted, as for want of memory.
const PAUSE: Duration = Duration::from_millis(100);

/// What is served, and how often it is looked at.
#[derive(Debug)]
pub struct Service {
    /// What is asked.
    pub guard: Guard,
    /// The pause between the end of one attempt and the start of the next.
    pub interval: Duration,
    /// The longest that one attempt may take.
    pub attempt: Duration,
    /// The probes that were wrapped.
    pub probes: Vec<Probe>,
}

/// A wrapped probe, asked when its name is asked for.
#[derive(Debug)]
pub struct Probe {
    /// Its name: `CONTAINER/readiness` or `CONTAINER/liveness`.
    pub name: String,
    /// Which answer has to be good before it is asked.
    pub matter: Matter,
    /// What it asks.
    pub original: Original,
    /// The longest it may take.
    pub timeout: Duration,
}

/// Listens on all addresses, of both versions of IP where the machine has both.
///
/// # Errors
/// What the kernel says: the port is taken.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        // Taken is taken: by version 4 alone it might seem free, and half the Pod's addresses be deaf.
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        }
        bound => bound,
    }
}

/// Serves on `listener` for good. `changed` is told the first state and every change of it, in a line for
/// people.
///
/// # Errors
/// What the kernel says when there can be no more threads; once all are there it does not return.
pub fn serve(service: &Service, listener: &TcpListener, mut changed: impl FnMut(&str)) -> io::Result<()> {
    let board = Board::new((service.interval + service.attempt) * 2);
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            let answering = thread::Builder::new().stack_size(STACK);
            answering.spawn_scoped(scope, || answer_all(service, &board, listener))?;
        }
        let mut last = None;
        loop {
            let answers = service.guard.ask(Deadline::after(service.attempt));
            let state = match &answers.ready {
                Ok(()) => "guarded".to_owned(),
                Err(unguarded) => format!("not guarded: {unguarded}"),
            };
            board.post(answers);
            if last.as_ref() != Some(&state) {
                changed(&state);
                last = Some(state);
            }
            thread::sleep(service.interval);
        }
    })
}

fn answer_all(service: &Service, board: &Board, listener: &TcpListener) {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => answer(service, board, &mut stream),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Answers one request. A client that does not ask in time, or in HTTP, gets no answer.
fn answer(service: &Service, board: &Board, stream: &mut TcpStream) {
    let Some(head) = receive_head(stream, Deadline::after(CLIENT)) else { return };
    let (status, line) = match requested(&head).map(|path| reply(service, board, path)) {
        Some(Some(Ok(words))) => ("200 OK", words),
        Some(Some(Err(words))) => ("503 Service Unavailable", words),
        _ => (
            "404 Not Found",
            "there are /ready, /live and /probe/CONTAINER/readiness or /liveness".to_owned(),
        ),
    };
    let length = line.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{line}\n"
    );
    // A client that has gone needs no answer.
    let _ = http::send(stream, answer.as_bytes(), Deadline::after(CLIENT));
}

/// The head of a request up to its empty line, or `None` if it does not come in time or is too long.
fn receive_head(stream: &mut TcpStream, deadline: Deadline) -> Option<Vec<u8>> {
    let mut buffer = [0; HEAD];
    let mut filled = 0;
    loop {
        let count = http::receive_some(stream, buffer.get_mut(filled..)?, deadline).ok()?;
        filled += count;
        let head = buffer.get(..filled)?;
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Some(head.to_vec());
        }
        // Also when the buffer is full.
        if count == 0 {
            return None;
        }
    }
}

/// The path that a head asks for by `GET`, without its query.
fn requested(head: &[u8]) -> Option<&str> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = str::from_utf8(line).ok()?.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) => target.split('?').next(),
        _ => None,
    }
}

/// What there is to say at `path`, good or bad; `None` where there is nothing.
fn reply(service: &Service, board: &Board, path: &str) -> Option<Result<String, String>> {
    let guarded = |matter| board.read(matter).map(|()| "guarded".to_owned());
    match path {
        "/ready" => return Some(guarded(Matter::Ready)),
        "/live" => return Some(guarded(Matter::Live)),
        _ => {}
    }
    let name = path.strip_prefix("/probe/")?;
    let probe = service.probes.iter().find(|probe| probe.name == name)?;
    let asked = guarded(probe.matter).and_then(|_guarded| {
        let asked = probe.original.ask(Deadline::after(probe.timeout));
        asked.map(|words| original::passed(&words)).map_err(|words| original::failed(&words))
    });
    Some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_http_1_asks_for_a_path() {
        assert_eq!(requested(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n"), Some("/ready"));
        assert_eq!(requested(b"GET /ready?a=b HTTP/1.0\r\n\r\n"), Some("/ready"));
        for head in [
            &b"POST /ready HTTP/1.1\r\n\r\n"[..],
            b"HEAD /ready HTTP/1.1\r\n\r\n",
            b"GET /ready\r\n\r\n",
            b"GET  /ready HTTP/1.1\r\n\r\n",
            b"GET /ready HTTP/2\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"\r\n\r\n",
        ] {
            assert_eq!(requested(head), None, "{:?}", String::from_utf8_lossy(head));
        }
    }
}
