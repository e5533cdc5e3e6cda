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
    attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    eventually_while(what, limit, || Ok(()), attempt).await
}

/// Like [`eventually`], but gives up as soon as `hope`, asked before each attempt, fails.
///
/// # Errors
/// Those of [`eventually`], and that of `hope`.
pub async fn eventually_while<T>(
    what: &str,
    limit: Duration,
    mut hope: impl FnMut() -> Result<()>,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    let mut last = anyhow::anyhow!("no attempt came to an end");
    while Instant::now() < end {
        hope().with_context(|| format!("waiting was in vain: {what}"))?;
        match tokio::time::timeout(end.saturating_duration_since(Instant::now()), attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error,
            Err(_) => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last).with_context(|| format!("not within {limit:?}: {what}"))
}
