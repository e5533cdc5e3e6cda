//! One point in time by which everything has to be done.

use std::time::{Duration, Instant};

/// The moment at which a check ends, however many connections, writes and reads it takes.
///
/// Socket timeouts alone bound each single read; a peer that sends one byte at a time would stretch a
/// check without end. So each of them gets what is [left](Self::left) of one deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `time` from now. A time beyond what the clock can count to ends now.
    pub fn after(time: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(time).unwrap_or(now))
    }

    /// How long until the deadline: more than zero, or `None` when it has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_ahead_has_time_left_and_one_reached_has_none() {
        let ahead = Deadline::after(Duration::from_secs(3600));
        assert!(ahead.left().is_some_and(|left| left <= Duration::from_secs(3600)));
        assert_eq!(Deadline::after(Duration::ZERO).left(), None);
    }

    #[test]
    fn a_time_the_clock_cannot_count_to_ends_now() {
        assert_eq!(Deadline::after(Duration::MAX).left(), None);
    }
}
