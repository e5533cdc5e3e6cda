//! The latest answers, for all who ask.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::duration;
use crate::guard::Answers;

/// Which of the answers is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// Whether the Pod is guarded.
    Ready,
    /// Whether it should go on living as it is.
    Live,
}

/// Holds what the latest round of questions came to.
#[derive(Debug)]
pub struct Board {
    latest: Mutex<Option<(Instant, Answers)>>,
    stale: Duration,
}

impl Board {
    /// A board whose answers count as failures once they are older than `stale`.
    pub fn new(stale: Duration) -> Self {
        Self { latest: Mutex::new(None), stale }
    }

    /// Puts new answers in place of those before.
    pub fn post(&self, answers: Answers) {
        // A thread that panicked cannot have left half an answer here.
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answers));
    }

    /// How the matter stands.
    ///
    /// # Errors
    /// Why the Pod counts as not guarded, in a line for people.
    pub fn read(&self, matter: Matter) -> Result<(), String> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, answers)) = &*latest else { return Err("not guarded: not known yet".to_owned()) };
        let age = at.elapsed();
        if age > self.stale {
            return Err(format!("not guarded: the last answer is {} old", duration::show(age)));
        }
        let answer = match matter {
            Matter::Ready => &answers.ready,
            Matter::Live => &answers.live,
        };
        answer.as_ref().map(|_guarded| ()).map_err(|unguarded| format!("not guarded: {unguarded}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Unguarded, Why};

    const LONG: Duration = Duration::from_secs(3600);

    fn unready() -> Answers {
        let unguarded = Unguarded { address: ([10, 0, 0, 4], 80).into(), why: Why::NotNmi(200) };
        Answers { ready: Err(unguarded), live: Ok(()) }
    }

    #[test]
    fn nothing_is_guarded_before_the_first_answer() {
        let board = Board::new(LONG);
        for matter in [Matter::Ready, Matter::Live] {
            assert_eq!(board.read(matter), Err("not guarded: not known yet".to_owned()));
        }
    }

    #[test]
    fn each_matter_has_its_answer_and_the_latest_counts() {
        let board = Board::new(LONG);
        board.post(unready());
        assert_eq!(board.read(Matter::Live), Ok(()));
        let words = "not guarded: 10.0.0.4:80 is answered by something that is not NMI (status 200)";
        assert_eq!(board.read(Matter::Ready), Err(words.to_owned()));
        board.post(Answers { ready: Ok(()), live: Ok(()) });
        assert_eq!(board.read(Matter::Ready), Ok(()));
    }

    #[test]
    fn an_answer_that_is_too_old_is_a_failure() {
        let board = Board::new(Duration::ZERO);
        board.post(Answers { ready: Ok(()), live: Ok(()) });
        let start = Instant::now();
        while start.elapsed().is_zero() {}
        for matter in [Matter::Ready, Matter::Live] {
            assert_eq!(board.read(matter), Err("not guarded: the last answer is 0.0s old".to_owned()));
        }
    }
}
