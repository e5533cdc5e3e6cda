//! One HTTP request and its answer, over one connection, by a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::deadline::Deadline;
use crate::response::{Malformed, Response, Rules, STRICT};

/// Why a request got no answer that can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection came about; the kind says why.
    NotConnected(ErrorKind),
    /// No connection came about before the deadline.
    NoConnectionInTime,
    /// The connection broke; the kind says how.
    Broken(ErrorKind),
    /// The answer was not whole at the deadline.
    NoAnswerInTime,
    /// The answer is not usable HTTP.
    Malformed(Malformed),
}

impl Failure {
    /// The failure as a phrase that names the peer's `address`.
    pub(crate) fn describe(self, address: SocketAddr) -> String {
        match self {
            Self::NotConnected(kind @ ErrorKind::ConnectionRefused) => {
                format!("nothing listens at {address} ({kind})")
            }
            Self::NotConnected(kind) => format!("cannot connect to {address} ({kind})"),
            Self::NoConnectionInTime => format!("no connection to {address} in time"),
            Self::Broken(kind) => format!("the connection to {address} broke ({kind})"),
            Self::NoAnswerInTime => format!("no whole answer from {address} in time"),
            Self::Malformed(what) => format!("{address} answers in bad HTTP: {what}"),
        }
    }

    fn connecting(error: &io::Error) -> Self {
        if timed_out(error) { Self::NoConnectionInTime } else { Self::NotConnected(error.kind()) }
    }

    fn talking(error: &io::Error) -> Self {
        if timed_out(error) { Self::NoAnswerInTime } else { Self::Broken(error.kind()) }
    }
}

/// A socket timeout is `WouldBlock` on Linux, `TimedOut` elsewhere and when the kernel gives a peer up.
fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sends `GET path` to `address` and returns the answer, whatever its status. Redirects are not followed,
/// and no more is read than [`STRICT`] says.
///
/// # Errors
/// [`Failure`] when there is no connection or no whole, well-formed answer by `deadline`.
pub fn get(address: SocketAddr, path: &str, deadline: Deadline) -> Result<Response, Failure> {
    exchange(address, request(address, path, "").as_bytes(), STRICT, deadline)
}

/// Sends the bytes of a request to `address` and returns the answer, read by `rules`.
///
/// # Errors
/// [`Failure`] when there is no connection or no whole, well-formed answer by `deadline`.
pub fn exchange(
    address: SocketAddr,
    request: &[u8],
    rules: Rules,
    deadline: Deadline,
) -> Result<Response, Failure> {
    let mut stream = connect(address, deadline)?;
    send(&mut stream, request, deadline)?;
    receive(&mut stream, rules, deadline)
}

/// Connects to `address`.
///
/// # Errors
/// [`Failure`] when there is no connection by `deadline`.
pub fn connect(address: SocketAddr, deadline: Deadline) -> Result<TcpStream, Failure> {
    let time = deadline.left().ok_or(Failure::NoConnectionInTime)?;
    TcpStream::connect_timeout(&address, time).map_err(|error| Failure::connecting(&error))
}

/// The bytes of a request to NMI or IMDS, with `more` header lines, each ended by CRLF. HTTP/1.1, since
/// proxies of service meshes refuse 1.0; and of itself no `Metadata` header, without which IMDS hands out
/// nothing.
pub fn request(address: SocketAddr, path: &str, more: &str) -> String {
    let host = match address {
        SocketAddr::V4(v4) if v4.port() == 80 => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.port() == 80 => format!("[{}]", v6.ip()),
        other => other.to_string(),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: nmi-probe/{version}\r\n{more}Connection: close\r\n\r\n"
    )
}

/// Sends all of `bytes`.
///
/// # Errors
/// [`Failure`] when they are not sent by `deadline`.
pub fn send(stream: &mut TcpStream, mut bytes: &[u8], deadline: Deadline) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let time = deadline.left().ok_or(Failure::NoAnswerInTime)?;
        let written = stream.set_write_timeout(Some(time)).and_then(|()| stream.write(bytes));
        match written {
            Ok(0) => return Err(Failure::Broken(ErrorKind::WriteZero)),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::talking(&error)),
        }
    }
    Ok(())
}

/// Receives as many bytes as there are, into `room`, and returns their number: 0 when the peer has closed
/// the connection.
///
/// # Errors
/// [`Failure`] when none come by `deadline`.
pub fn receive_some(stream: &mut TcpStream, room: &mut [u8], deadline: Deadline) -> Result<usize, Failure> {
    loop {
        let time = deadline.left().ok_or(Failure::NoAnswerInTime)?;
        match stream.set_read_timeout(Some(time)).and_then(|()| stream.read(room)) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::talking(&error)),
        }
    }
}

fn receive(stream: &mut TcpStream, rules: Rules, deadline: Deadline) -> Result<Response, Failure> {
    let mut buffer = vec![0; rules.limit];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(Failure::Malformed(Malformed::TooLong(rules.limit)));
        }
        let count = receive_some(stream, room, deadline)?;
        filled += count;
        let ended = count == 0;
        let received = buffer.get(..filled).unwrap_or_default();
        match Response::read(received, ended, rules).map_err(Failure::Malformed)? {
            Some(response) => return Ok(response),
            None if ended => return Err(Failure::Malformed(Malformed::CutShort)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(address: &str) -> Option<String> {
        let request = request(address.parse().ok()?, "/healthz", "");
        request.lines().find_map(|line| line.strip_prefix("Host: ")).map(str::to_owned)
    }

    #[test]
    fn the_host_header_has_brackets_for_ipv6_and_no_port_80() {
        assert_eq!(host_of("10.0.0.4:8085").as_deref(), Some("10.0.0.4:8085"));
        assert_eq!(host_of("[fd00::4]:8085").as_deref(), Some("[fd00::4]:8085"));
        assert_eq!(host_of("169.254.169.254:80").as_deref(), Some("169.254.169.254"));
        assert_eq!(host_of("[fd00::4]:80").as_deref(), Some("[fd00::4]"));
    }

    #[test]
    fn a_request_asks_to_close_and_carries_no_metadata_header() {
        let request = request(SocketAddr::from(([10, 0, 0, 4], 8085)), "/healthz", "");
        assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n"), "{request}");
        assert!(!request.to_ascii_lowercase().contains("metadata"), "{request}");
    }
}
