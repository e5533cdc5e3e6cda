//! Waiting for a condition, instead of sleeping and hoping.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long [`eventually`] lets pass between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Repeats `attempt` until it succeeds and returns what it gave.
///
/// # Errors
/// Once `limit` has passed: what was waited for, and the error of the last attempt. An attempt under
/// way at that moment is cut off.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    let mut last = anyhow::anyhow!("no attempt came to an end");
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error,
            Err(_) => return Err(last).with_context(|| format!("not within {limit:?}: {what}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
