//! `check --then=grpc://...`, against a server made by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::fake::{FakeServer, refusal};
use crate::process::{Outcome, probe, run};

const SETTINGS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const HEADERS: &[u8] = &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
const SERVING: &[u8] = &[0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, 2];
const TRAILERS: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
const RESET: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];

/// A frame as a server reads it: kind, flags, stream, payload.
type Frame = (u8, u8, u32, Vec<u8>);

fn read_frame(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], head[4], u32::from_be_bytes(head[5..].try_into().unwrap()), payload))
}

/// Takes one call, says `bytes` when it is whole, and returns all frames that came.
struct Server {
    address: SocketAddr,
    thread: JoinHandle<Vec<Frame>>,
}

impl Server {
    fn saying(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).unwrap();
            assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            let mut frames: Vec<Frame> = Vec::new();
            // The call ends with its data.
            while frames.last().is_none_or(|(kind, ..)| *kind != 0) {
                frames.push(read_frame(&mut stream).unwrap());
            }
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while let Some(frame) = read_frame(&mut stream) {
                frames.push(frame);
            }
            frames
        });
        Self { address, thread }
    }
}

fn check(address: SocketAddr, service: &str, timeout: &str) -> Outcome {
    let nmi = FakeServer::saying(refusal("Invalid request"));
    let line = format!("check --verify=interception --timeout={timeout} --then=grpc://{address}/{service}");
    run(probe(&line, &[("NMI_GUARD_METADATA_ADDRESS", &nmi.address.to_string())]))
}

/// What comes of an answer, the address taken out.
fn said(parts: &[&[u8]]) -> (Option<i32>, String) {
    let server = Server::saying(parts.concat());
    let outcome = check(server.address, "", "20s");
    server.thread.join().unwrap();
    (outcome.code, outcome.stdout.replace(&server.address.to_string(), "ADDRESS"))
}

#[track_caller]
fn assert_failed(parts: &[&[u8]], words: &str) {
    let line = format!("guarded, but the original probe failed: ADDRESS {words}\n");
    assert_eq!(said(parts), (Some(1), line));
}

#[test]
fn serving_passes() {
    let passed = (Some(0), "guarded, and the original probe passed: ADDRESS is serving\n".to_owned());
    assert_eq!(said(&[SETTINGS, HEADERS, SERVING, TRAILERS]), passed);
    let cut = [&[0, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0][..], &[0, 0, 3, 0, 1, 0, 0, 0, 1, 2, 8, 1]].concat();
    assert_eq!(said(&[SETTINGS, PING, HEADERS, &cut]), passed);
}

#[test]
fn the_call_is_whole_and_settings_and_pings_are_acknowledged() {
    let server = Server::saying([SETTINGS, PING, HEADERS, SERVING].concat());
    let outcome = check(server.address, "my.Service", "20s");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let frames = server.thread.join().unwrap();
    let kinds: Vec<_> = frames.iter().map(|(kind, flags, stream, _)| (*kind, *flags, *stream)).collect();
    assert_eq!(kinds, [(4, 0, 0), (1, 4, 1), (0, 1, 1), (4, 1, 0), (6, 1, 0)]);
    let text = String::from_utf8_lossy(&frames[1].3).into_owned();
    for part in
        ["POST", "/grpc.health.v1.Health/Check", "application/grpc", "trailers", &server.address.to_string()]
    {
        assert!(text.contains(part), "{part} is not in {text:?}");
    }
    assert_eq!(frames[2].3, [&[0, 0, 0, 0, 12, 0x0a, 10][..], b"my.Service"].concat());
    assert_eq!(frames[4].3, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn any_other_answer_fails_and_says_why() {
    let refused = "refuses the health check: it has no health service, or not this service";
    let early = "closes the connection before the health check is answered";
    assert_failed(&[SETTINGS, HEADERS, NOT_SERVING], "has health status NOT_SERVING (2), not SERVING");
    assert_failed(&[SETTINGS, TRAILERS], refused);
    assert_failed(&[SETTINGS, RESET], "resets the health check (HTTP/2 error 7)");
    assert_failed(&[SETTINGS, GOAWAY], "closes the connection (HTTP/2 error 11)");
    assert_failed(&[SETTINGS, HEADERS], early);
    assert_failed(&[], early);
    assert_failed(&[SETTINGS, HEADERS, &SERVING[..12]], early);
    assert_failed(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak HTTP/2");
    assert_failed(&[SETTINGS, &[0xff; 64]], "answers the health check with over 32768 bytes");
    assert_failed(&[SETTINGS, &SETTINGS.repeat(10_000)], "answers the health check with over 32768 bytes");
}

#[test]
fn a_server_that_says_nothing_cannot_stretch_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let outcome = check(address, "", "300ms");
    let words = format!("guarded, but the original probe failed: no whole answer from {address} in time\n");
    assert_eq!((outcome.code, outcome.stdout), (Some(1), words));
    assert!(outcome.time < Duration::from_secs(15));
}
