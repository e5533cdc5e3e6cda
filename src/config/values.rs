//! Values of the configuration as text: durations, numbers between bounds, names, addresses.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Parses a duration: digits and one of `ms`, `s`, `m`, `h`, `d` (days of 24 hours); `0` needs none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A duration between two bounds, both included.
pub(super) fn duration_in(bounds: RangeInclusive<Duration>, text: &str) -> Option<Duration> {
    duration(text).filter(|duration| bounds.contains(duration))
}

/// A whole number between two bounds, both included, as plain digits.
pub(super) fn number_in(bounds: RangeInclusive<usize>, text: &str) -> Option<usize> {
    // Digits only: `usize::from_str` also takes a leading plus.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| bounds.contains(number))
}

/// An address to listen on: `ADDRESS:PORT`, or `:PORT` for all addresses.
pub(super) fn listen_address(text: &str) -> Option<SocketAddr> {
    let text = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    text.parse().ok()
}

/// The name of a Kubernetes object: a DNS subdomain (RFC 1123).
pub(super) fn object_name(text: &str) -> Option<String> {
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (text.len() <= 253 && text.split('.').all(is_label)).then(|| text.to_owned())
}

/// A name a certificate can be for: a DNS name or an IP address.
pub(super) fn certificate_name(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() {
        return Some(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    object_name(lower.strip_prefix("*.").unwrap_or(&lower)).map(|_| lower)
}

/// A comma-separated list of what `one` parses; empty text is an empty list.
pub(super) fn list<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|item| one(item.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("90m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("30d"), Some(Duration::from_secs(2_592_000)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for text in
            ["", "5", "s", "-5s", "5 s", "1.5s", "5S", "1w", "99999999999999999999s", "213503982334602d"]
        {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_plain_digits_within_bounds() {
        assert_eq!(number_in(1..=64, "64"), Some(64));
        for text in ["", "0", "65", "+1", "1_0", "1.0", "3Mi", "99999999999999999999"] {
            assert_eq!(number_in(1..=64, text), None, "{text:?}");
        }
    }

    #[test]
    fn a_port_alone_listens_on_all_addresses() {
        assert_eq!(listen_address(":8443").map(|address| address.to_string()), Some("[::]:8443".to_owned()));
        assert_eq!(listen_address("127.0.0.1:0").map(|a| a.to_string()), Some("127.0.0.1:0".to_owned()));
        for text in ["", ":", "8443", "localhost:8443", "[::]", "1.2.3.4:65536"] {
            assert_eq!(listen_address(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_are_dns_names() {
        assert_eq!(object_name("nmi-guard.io"), Some("nmi-guard.io".to_owned()));
        for text in ["", "-a", "a-", "a..b", "A", "a_b", "a/b", &"a".repeat(64)] {
            assert_eq!(object_name(text), None, "{text:?}");
        }
        assert_eq!(certificate_name("*.Example.org"), Some("*.example.org".to_owned()));
        assert_eq!(certificate_name("::1"), Some("::1".to_owned()));
        assert_eq!(certificate_name("a b"), None);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(list("a, b", object_name), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(list("", object_name), Some(vec![]));
        assert_eq!(list("a,", object_name), None);
    }
}
