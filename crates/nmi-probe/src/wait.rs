//! Checks again and again until the Pod is guarded.

use std::thread;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::guard::Unguarded;

/// How often and how long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The pause between the end of one attempt and the start of the next.
    pub interval: Duration,
    /// The longest that one attempt may take.
    pub attempt: Duration,
    /// The longest that all attempts together may take; `None` for as long as it takes.
    pub limit: Option<Duration>,
}

/// The limit was reached without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaveUp {
    /// How long it was tried.
    pub after: Duration,
    /// Why the last attempt failed.
    pub reason: Unguarded,
}

/// Calls `check` until it succeeds, and returns how long that took. `changed` is told each reason of a
/// failure that is not the reason of the attempt before: the first one, and every change.
///
/// # Errors
/// [`GaveUp`] once the limit of `patience` is reached. At least one attempt is made.
pub fn wait(
    patience: Patience,
    mut check: impl FnMut(Deadline) -> Result<(), Unguarded>,
    mut changed: impl FnMut(&Unguarded),
) -> Result<Duration, GaveUp> {
    let start = Instant::now();
    let mut last = None;
    loop {
        let attempt = patience.left(start).min(patience.attempt);
        let Err(reason) = check(Deadline::after(attempt)) else { return Ok(start.elapsed()) };
        if last.as_ref() != Some(&reason) {
            changed(&reason);
        }
        thread::sleep(patience.left(start).min(patience.interval));
        if patience.left(start).is_zero() {
            return Err(GaveUp { after: start.elapsed(), reason });
        }
        last = Some(reason);
    }
}

impl Patience {
    fn left(&self, start: Instant) -> Duration {
        self.limit.map_or(Duration::MAX, |limit| limit.saturating_sub(start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Why;

    const QUICK: Patience =
        Patience { interval: Duration::from_millis(1), attempt: Duration::from_secs(10), limit: None };

    fn unguarded(why: Why) -> Unguarded {
        Unguarded { address: ([10, 0, 0, 4], 8085).into(), why }
    }

    #[test]
    fn each_change_is_told_once() {
        let status = |status| unguarded(Why::HealthzStatus(status));
        let answers = [
            Err(status(500)),
            Err(status(500)),
            Err(status(404)),
            Err(status(404)),
            Err(status(500)),
            Ok(()),
        ];
        let mut answers = answers.into_iter();
        let mut told = Vec::new();
        let ended = wait(QUICK, |_| answers.next().unwrap_or(Ok(())), |reason| told.push(reason.clone()));
        assert!(ended.is_ok());
        assert_eq!(told, [status(500), status(404), status(500)]);
        assert_eq!(answers.next(), None);
    }

    #[test]
    fn the_limit_ends_it_with_the_last_reason_after_at_least_one_attempt() {
        let patience =
            Patience { limit: Some(Duration::from_millis(1)), interval: Duration::from_secs(3600), ..QUICK };
        let mut attempts = 0;
        let ended = wait(
            patience,
            |_| {
                attempts += 1;
                Err(unguarded(Why::Imds))
            },
            |_| {},
        );
        assert!(ended.is_err_and(
            |gave_up| gave_up.reason == unguarded(Why::Imds) && gave_up.after >= Duration::from_millis(1)
        ));
        assert_eq!(attempts, 1);
    }

    #[test]
    fn an_attempt_gets_no_more_time_than_the_limit_leaves() {
        let patience = Patience { limit: Some(Duration::from_secs(5)), ..QUICK };
        let mut given = None;
        let ended = wait(
            patience,
            |deadline| {
                given = deadline.left();
                Ok(())
            },
            |_| {},
        );
        assert!(ended.is_ok());
        assert!(given.is_some_and(|time| time <= Duration::from_secs(5)), "{given:?}");
    }
}
