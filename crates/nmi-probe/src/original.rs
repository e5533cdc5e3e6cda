//! The probe that was wrapped, asked as the kubelet would ask it.
//!
//! The rules are those of pkg/probe of Kubernetes: a status from 200 to 399 is success; redirects are
//! followed to the same host only, and any other is success as it is; a connection is enough for TCP.

use std::net::{IpAddr, SocketAddr};

use crate::asked::RequestPath;
use crate::deadline::Deadline;
use crate::grpc;
use crate::http;
use crate::misuse::Misuse;
use crate::redirect::{self, Next};
use crate::response::ORIGINAL;
use crate::target::{Header, Kind, Target};

/// What a probe that passed got, or why it failed: one phrase that names the address.
pub type Outcome = Result<String, String>;

/// The line for a guarded Pod whose wrapped probe passed, with what it got.
pub fn passed(words: &str) -> String {
    format!("guarded, and the original probe passed: {words}")
}

/// The line for a guarded Pod whose wrapped probe failed, and why.
pub fn failed(words: &str) -> String {
    format!("guarded, but the original probe failed: {words}")
}

/// The most requests that one probe makes (`RedirectChecker`).
const REQUESTS: usize = 10;

/// A wrapped probe with the address it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    address: SocketAddr,
    kind: Kind,
}

impl Original {
    /// The probe for `target` in a Pod with the address `own`.
    ///
    /// # Errors
    /// [`Misuse::NoPodIp`] when the address is needed and not known.
    pub fn new(target: &Target, own: Option<IpAddr>) -> Result<Self, Misuse> {
        let address = target.address(own).ok_or(Misuse::NoPodIp)?;
        Ok(Self { address, kind: target.kind.clone() })
    }

    /// Asks. Takes no longer than to `deadline`, whatever the peer does.
    ///
    /// # Errors
    /// Why the probe failed.
    pub fn ask(&self, deadline: Deadline) -> Outcome {
        let address = self.address;
        match &self.kind {
            Kind::Http { path, headers } => ask_http(address, path, headers, deadline),
            Kind::Tcp => match http::connect(address, deadline) {
                Ok(_connection) => Ok(format!("{address} takes connections")),
                Err(failure) => Err(failure.describe(address)),
            },
            Kind::Grpc { service } => match grpc::check(address, service, deadline) {
                Ok(()) => Ok(format!("{address} is serving")),
                Err(fault) => Err(fault.describe(address)),
            },
        }
    }
}

fn ask_http(first: SocketAddr, path: &RequestPath, headers: &[Header], deadline: Deadline) -> Outcome {
    let mut address = first;
    let mut path = path.clone();
    let mut host = headers.iter().find(|header| header.is("host")).map(|header| header.value.as_str());
    for _ in 0..REQUESTS {
        let request = request(address, &path, host, headers);
        let answer = http::exchange(address, request.as_bytes(), ORIGINAL, deadline);
        let answer = answer.map_err(|failure| failure.describe(address))?;
        let status = answer.status;
        let location = answer.header("location").filter(|_| redirect::is_redirect(status));
        match location.map(|location| redirect::next(address, &path, location)) {
            Some(Next::Follow { address: next, path: to, relative }) => {
                host = host.filter(|_| relative);
                (address, path) = (next, to);
            }
            Some(Next::Stay) => {
                return Ok(format!("{address} answers with status {status}, a redirect not followed"));
            }
            None if (200..400).contains(&status) => {
                return Ok(format!("{address} answers with status {status}"));
            }
            None => return Err(format!("{address} answers with status {status}")),
        }
    }
    Err(format!("{first} redirects more than {} times", REQUESTS - 1))
}

/// The bytes of a request as the kubelet sends it: `Host` with the port even if that is 80; `User-Agent` and
/// `Accept` unless given, and left out where they are given empty (pkg/probe/http/request.go).
fn request(address: SocketAddr, path: &RequestPath, host: Option<&str>, headers: &[Header]) -> String {
    let own_host = address.to_string();
    let host = host.filter(|host| !host.is_empty()).unwrap_or(&own_host);
    let mut request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n", path.as_str());
    for (name, value) in [("User-Agent", "kube-probe/nmi-guard"), ("Accept", "*/*")] {
        if !headers.iter().any(|header| header.is(name)) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for header in headers.iter().filter(|header| is_sent(header)) {
        request.push_str(&format!("{}: {}\r\n", header.name, header.value));
    }
    request.push_str("Connection: close\r\n\r\n");
    request
}

/// Go's client sends neither a second `Host` nor headers that would announce a body.
fn is_sent(header: &Header) -> bool {
    let never = ["host", "connection", "content-length", "transfer-encoding", "trailer"];
    let only_with_value = ["user-agent", "accept"];
    let is_one_of = |names: &[&str]| names.iter().any(|name| header.is(name));
    let is_removed = header.value.is_empty() && is_one_of(&only_with_value);
    !is_removed && !is_one_of(&never)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sent(address: &str, headers: &[&str]) -> Vec<String> {
        let headers: Vec<_> = headers.iter().map(|header| Header::parse(header).unwrap()).collect();
        let host = headers.iter().find(|header| header.is("host")).map(|header| header.value.as_str());
        let path = RequestPath::parse("/a?b").unwrap();
        let request = request(address.parse().unwrap(), &path, host, &headers);
        request.strip_suffix("\r\n\r\n").unwrap().split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_request_is_the_kubelets() {
        let plain = ["GET /a?b HTTP/1.1", "Host: 10.0.0.4:80", "User-Agent: kube-probe/nmi-guard"];
        assert_eq!(sent("10.0.0.4:80", &[]), [&plain[..], &["Accept: */*", "Connection: close"]].concat());
        assert_eq!(sent("[::1]:80", &[]).get(1).unwrap(), "Host: [::1]:80");
    }

    #[test]
    fn headers_given_replace_the_defaults_and_empty_ones_remove_them() {
        let given = sent(
            "10.0.0.4:80",
            &["host: a.example", "user-agent:me", "ACCEPT:", "X:", "X:1", "Content-Length:5"],
        );
        let expected =
            ["GET /a?b HTTP/1.1", "Host: a.example", "user-agent: me", "X: ", "X: 1", "Connection: close"];
        assert_eq!(given, expected);
        assert_eq!(sent("10.0.0.4:80", &["Host:"]).get(1).unwrap(), "Host: 10.0.0.4:80");
    }
}
