//! Where a redirect leads: pure.

use std::net::SocketAddr;

use crate::asked::RequestPath;

/// What becomes of an answer that is a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is followed.
    Follow {
        /// Where to.
        address: SocketAddr,
        /// The path to ask for.
        path: RequestPath,
        /// Whether the `Location` was relative, so that a `Host` that was given is kept.
        relative: bool,
    },
    /// It is the final answer: it leads to another host, or nowhere that can be asked.
    Stay,
}

/// Whether `status` is one that clients follow (Go's `redirectBehavior`).
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where the `Location` of an answer from `address` to a request for `path` leads, by the kubelet's rule:
/// followed only to the same host (`RedirectChecker` in pkg/probe/http/http.go of Kubernetes). A name is
/// never the same host, since probes ask addresses.
pub fn next(address: SocketAddr, path: &RequestPath, location: &str) -> Next {
    let location = location.split('#').next().unwrap_or_default();
    let (authority, target) = if let Some(rest) = strip_scheme(location, "http:") {
        (Some(rest), rest)
    } else if let Some(rest) = location.strip_prefix("//") {
        (Some(rest), rest)
    } else if has_scheme(location) {
        return Next::Stay;
    } else {
        (None, location)
    };
    let relative = authority.is_none();
    let (next, target) = match authority {
        None => (Some(address), join(path.as_str(), target)),
        Some(_) => {
            let (host, path) = target.split_at(target.find(['/', '?']).unwrap_or(target.len()));
            let slash = if path.starts_with('/') { "" } else { "/" };
            (parse_authority(host), format!("{slash}{path}"))
        }
    };
    match (next, RequestPath::parse(&target)) {
        (Some(next), Some(path)) if next.ip() == address.ip() => {
            Next::Follow { address: next, path, relative }
        }
        _ => Next::Stay,
    }
}

/// What follows `scheme` and two slashes.
fn strip_scheme<'a>(location: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = location.split_at_checked(scheme.len())?;
    if start.eq_ignore_ascii_case(scheme) { rest.strip_prefix("//") } else { None }
}

/// A colon before any slash or query ends a scheme (RFC 3986 section 4.2).
fn has_scheme(location: &str) -> bool {
    location.split(['/', '?']).next().is_some_and(|first| first.contains(':'))
}

/// An address with or without a port. Without one it is 80.
fn parse_authority(text: &str) -> Option<SocketAddr> {
    let with_port = || format!("{text}:80").parse().ok();
    text.parse().ok().or_else(with_port)
}

/// Puts a relative reference in place of the end of `path`; `.` and `..` are left to the server.
fn join(path: &str, reference: &str) -> String {
    let without_query = path.split('?').next().unwrap_or_default();
    let folder = without_query.rfind('/').and_then(|at| without_query.get(..=at)).unwrap_or("/");
    match reference.bytes().next() {
        None => path.to_owned(),
        Some(b'/') => reference.to_owned(),
        Some(b'?') => format!("{without_query}{reference}"),
        Some(_) => format!("{folder}{reference}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lead(location: &str) -> Option<String> {
        let address = "10.0.0.4:8080".parse().unwrap();
        match next(address, &RequestPath::parse("/a/b?c").unwrap(), location) {
            Next::Follow { address, path, relative } => {
                Some(format!("{address}{}{}", path.as_str(), if relative { " relative" } else { "" }))
            }
            Next::Stay => None,
        }
    }

    #[test]
    fn the_same_host_is_followed() {
        for (location, to) in [
            ("/x?y=http://z", "10.0.0.4:8080/x?y=http://z relative"),
            ("x#part", "10.0.0.4:8080/a/x relative"),
            ("?x", "10.0.0.4:8080/a/b?x relative"),
            ("", "10.0.0.4:8080/a/b?c relative"),
            ("http://10.0.0.4:8080/x", "10.0.0.4:8080/x"),
            ("HTTP://10.0.0.4:8081", "10.0.0.4:8081/"),
            ("http://10.0.0.4?x", "10.0.0.4:80/?x"),
            ("//10.0.0.4/x", "10.0.0.4:80/x"),
        ] {
            assert_eq!(lead(location).as_deref(), Some(to), "{location:?}");
        }
    }

    #[test]
    fn another_host_and_anything_else_is_not() {
        for location in [
            "http://10.0.0.5:8080/",
            "http://example.com/",
            "//example.com/",
            "https://10.0.0.4/",
            "ftp://10.0.0.4/",
            "http://10.0.0.4:99999/",
            "http://user@10.0.0.4/",
            "http:///x",
            "mailto:a",
            "/a b",
            "/a\u{e9}",
            "http:",
        ] {
            assert_eq!(lead(location), None, "{location:?}");
        }
    }

    #[test]
    fn only_statuses_that_clients_follow_are_redirects() {
        let all: Vec<u16> = (100..=599).filter(|status| is_redirect(*status)).collect();
        assert_eq!(all, [301, 302, 303, 307, 308]);
    }
}
