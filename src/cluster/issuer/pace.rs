//! How long to wait between two passes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::cluster::Problem;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const CONFLICT_RETRY: Duration = Duration::from_millis(100);
/// After so many conflicts in a row something is wrong: back off.
const CONFLICTS: u32 = 5;

/// The period when all is well; after a conflict (almost) at once; after a problem from a second up
/// to the period, doubling.
pub(super) struct Pace {
    period: Duration,
    failures: u32,
    conflicts: u32,
}

impl Pace {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, failures: 0, conflicts: 0 }
    }

    /// The time to wait after `outcome`: at most the period, and at least half of what is meant, so
    /// that replicas that met do not meet again.
    pub(super) fn after(&mut self, outcome: Result<(), Problem>) -> Duration {
        let meant = match outcome {
            Ok(()) => {
                (self.failures, self.conflicts) = (0, 0);
                self.period
            }
            Err(Problem::Conflict { .. }) if self.conflicts < CONFLICTS => {
                self.conflicts += 1;
                CONFLICT_RETRY
            }
            Err(_) => {
                let meant = FIRST_RETRY.saturating_mul(1 << self.failures.min(16));
                self.failures += 1;
                meant
            }
        };
        meant.min(self.period).mul_f64(0.5 + 0.5 * chance())
    }
}

/// A number from 0 to 1, different every time: enough for spreading.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);

    fn away() -> Result<(), Problem> {
        Err(Problem::Away("gone".into()))
    }

    fn conflict() -> Result<(), Problem> {
        Err(Problem::Conflict { object: "Secret".into() })
    }

    fn assert_about(delay: Duration, meant: Duration) {
        assert!(meant / 2 <= delay && delay <= meant, "{delay:?} is not half to all of {meant:?}");
    }

    #[test]
    fn failures_back_off_up_to_the_period_and_success_resets() {
        let mut pace = Pace::new(PERIOD);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_about(pace.after(away()), Duration::from_secs(seconds));
        }
        assert_about(pace.after(Ok(())), PERIOD);
        assert_about(pace.after(away()), Duration::from_secs(1));
    }

    #[test]
    fn conflicts_are_retried_at_once_but_not_for_ever() {
        let mut pace = Pace::new(PERIOD);
        for _ in 0..CONFLICTS {
            assert_about(pace.after(conflict()), CONFLICT_RETRY);
        }
        assert_about(pace.after(conflict()), FIRST_RETRY);
    }

    #[test]
    fn a_short_period_bounds_every_delay() {
        let mut pace = Pace::new(Duration::from_millis(50));
        assert_about(pace.after(away()), Duration::from_millis(50));
        assert_about(pace.after(conflict()), Duration::from_millis(50));
    }
}
