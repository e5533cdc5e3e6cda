//! The probe that was wrapped, as the command line gives it.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use crate::asked::RequestPath;
use crate::flags::parse_port;

/// What [`Target::parse`] takes, in words.
pub const ALLOWED: &str =
    "http://HOST:PORT/PATH, tcp://HOST:PORT or grpc://HOST:PORT/SERVICE, HOST an IP address or empty";

/// What [`Header::parse`] takes, in words.
pub const HEADER_ALLOWED: &str =
    "NAME:VALUE, NAME of letters, digits and -, VALUE without control characters";

/// The longest name of a gRPC service taken; the request must fit into one frame of HTTP/2.
const LONGEST_SERVICE: usize = 4096;

/// Where and how a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The address; `None` is the Pod's own.
    pub host: Option<IpAddr>,
    /// The port.
    pub port: NonZeroU16,
    /// How it asks.
    pub kind: Kind,
}

/// How a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// By `GET`.
    Http {
        /// The path and the query.
        path: RequestPath,
        /// The headers given, in their order.
        headers: Vec<Header>,
    },
    /// By connecting.
    Tcp,
    /// By gRPC's health protocol, v1.
    Grpc {
        /// The service, empty for the server as a whole.
        service: String,
    },
}

impl Target {
    /// Reads `http://HOST:PORT/PATH?QUERY`, `tcp://HOST:PORT` or `grpc://HOST:PORT/SERVICE`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = authority.rsplit_once(':')?;
        let kind = match scheme {
            "http" => Kind::Http { path: parse_path(path)?, headers: Vec::new() },
            "tcp" if path.is_empty() => Kind::Tcp,
            "grpc" => Kind::Grpc { service: parse_service(path)? },
            _ => return None,
        };
        let host = if host.is_empty() { None } else { Some(parse_host(host)?) };
        Some(Self { host, port: parse_port(port)?, kind })
    }

    /// Where to connect to, in a Pod with the address `own`. `None` if that is needed and unknown.
    pub fn address(&self, own: Option<IpAddr>) -> Option<SocketAddr> {
        self.host.or(own).map(|host| SocketAddr::new(host, self.port.get()))
    }

    /// Adds a header, or says `false` where the kind has none.
    pub fn add_header(&mut self, header: Header) -> bool {
        match &mut self.kind {
            Kind::Http { headers, .. } => {
                headers.push(header);
                true
            }
            Kind::Tcp | Kind::Grpc { .. } => false,
        }
    }
}

/// An address of version 6 is in brackets, as in any URL.
fn parse_host(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

/// A URL without a path is one with the path `/`.
fn parse_path(text: &str) -> Option<RequestPath> {
    if text.starts_with('/') { RequestPath::parse(text) } else { RequestPath::parse(&format!("/{text}")) }
}

fn parse_service(path: &str) -> Option<String> {
    let service = path.strip_prefix('/').unwrap_or(path);
    let fit =
        service.len() <= LONGEST_SERVICE && !service.contains(char::is_control) && !path.starts_with('?');
    fit.then(|| service.to_owned())
}

/// A header for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name: an HTTP token (RFC 9110 section 5.6.2).
    pub name: String,
    /// The value, without surrounding blanks; may be empty.
    pub value: String,
}

impl Header {
    /// Reads `NAME:VALUE`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':')?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let fit = !name.is_empty() && name.bytes().all(is_token);
        // Go, and so the kubelet, sends values beyond ASCII as they are, but no control characters.
        let printable = !value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t');
        let header = || Self { name: name.to_owned(), value: value.trim_matches([' ', '\t']).to_owned() };
        (fit && printable).then(header)
    }

    /// Whether the name is `name`, without regard to case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn http(text: &str) -> String {
        let Kind::Http { path, .. } = Target::parse(text).unwrap().kind else { return String::new() };
        path.into_string()
    }

    #[test]
    fn the_three_kinds_are_read() {
        let target = Target::parse("http://10.0.0.4:8080/a/b?c=d:e/f").unwrap();
        assert_eq!(target.address(None).unwrap().to_string(), "10.0.0.4:8080");
        assert_eq!(http("http://10.0.0.4:8080/a/b?c=d:e/f"), "/a/b?c=d:e/f");
        assert_eq!((http("http://:80"), http("http://:80?a")), ("/".to_owned(), "/?a".to_owned()));
        assert_eq!(Target::parse("tcp://[::1]:1").unwrap().address(None).unwrap().to_string(), "[::1]:1");
        for (text, service) in [("grpc://:9000/", ""), ("grpc://:9000", ""), ("grpc://:9000/a.B/c", "a.B/c")]
        {
            assert_eq!(Target::parse(text).unwrap().kind, Kind::Grpc { service: service.to_owned() });
        }
    }

    #[test]
    fn an_empty_host_is_the_pods_own() {
        let target = Target::parse("tcp://:6379").unwrap();
        assert_eq!(target.address(None), None);
        assert_eq!(target.address(Some("fd00::7".parse().unwrap())).unwrap().to_string(), "[fd00::7]:6379");
    }

    #[test]
    fn anything_else_is_no_target() {
        for text in [
            "",
            "http",
            "http://",
            "http://localhost:80/",
            "http://10.0.0.4/",
            "http://10.0.0.4:0/",
            "http://10.0.0.4:http/",
            "http://user@10.0.0.4:80/",
            "http://::1:80/",
            "http://[10.0.0.4]:80/",
            "http://:80/a b",
            "http://:80/a\r\nX: y",
            "http://:80/#a",
            "https://:443/",
            "HTTP://:80/",
            "tcp://:80/",
            "grpc://:80/a\n",
            "grpc://:80?a",
            "exec://:80",
        ] {
            assert_eq!(Target::parse(text), None, "{text:?}");
        }
        assert_eq!(Target::parse(&format!("grpc://:80/{}", "x".repeat(4097))), None);
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        let header = |text| Header::parse(text).map(|header| (header.name, header.value));
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(header("X-A: b:c "), pair("X-A", "b:c"));
        assert_eq!(header("Accept:"), pair("Accept", ""));
        for text in ["", "X", ":b", "X A:b", "X:a\r\nY:b", "X:a\nY:b", "X\r:b", "X:\0"] {
            assert_eq!(header(text), None, "{text:?}");
        }
    }

    #[test]
    fn headers_are_for_http_only() {
        let header = Header::parse("A:b").unwrap();
        assert!(Target::parse("http://:80/").unwrap().add_header(header.clone()));
        assert!(!Target::parse("tcp://:80").unwrap().add_header(header.clone()));
        assert!(!Target::parse("grpc://:80/").unwrap().add_header(header));
    }
}
