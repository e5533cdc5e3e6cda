//! Durations as the command line takes them and as messages show them.

use std::time::Duration;

/// What [`parse`] takes, in words.
pub const ALLOWED: &str = "a duration from 1ms to 30 days, such as 2400ms, 3s or 3 (seconds)";

const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads `2400ms`, `3s` or `3` (seconds): whole numbers, from 1 ms to 30 days. `None` for anything else.
pub fn parse(text: &str) -> Option<Duration> {
    let (digits, unit): (&str, fn(u64) -> Duration) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, Duration::from_millis)
    } else {
        (text.strip_suffix('s').unwrap_or(text), Duration::from_secs)
    };
    // u64's own parser takes a leading `+`.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let duration = unit(digits.parse().ok()?);
    (!duration.is_zero() && duration <= LONGEST).then_some(duration)
}

/// A duration for people: `0.4s`, `12.3s`; tenths of a second, rounded down.
pub fn show(duration: Duration) -> String {
    format!("{}.{}s", duration.as_secs(), duration.subsec_millis() / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_seconds_and_plain_numbers_are_read() {
        assert_eq!(parse("2400ms"), Some(Duration::from_millis(2400)));
        assert_eq!(parse("3s"), Some(Duration::from_secs(3)));
        assert_eq!(parse("3"), Some(Duration::from_secs(3)));
        assert_eq!(parse("2592000"), Some(LONGEST));
    }

    #[test]
    fn anything_else_is_not() {
        let wrong = ["", "s", "ms", "0", "0ms", "-1", "+1", "1.5s", "1m", "3 s", " 3", "2592001", "3S"];
        for text in wrong.into_iter().chain(["99999999999999999999", "18446744073709551615"]) {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn tenths_of_a_second_are_shown() {
        assert_eq!(show(Duration::from_millis(0)), "0.0s");
        assert_eq!(show(Duration::from_millis(12_399)), "12.3s");
    }
}
