//! Logs: one line per event on standard error, as text for people or as JSON for collectors.

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::str::FromStr;
use std::sync::Arc;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt as format};

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, target, message, `key=value` pairs.
    #[default]
    Text,
    /// For collectors: one JSON object, its fields flat.
    Json,
}

/// Which events are logged.
#[derive(Clone, Debug)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Text that is no [`LogFilter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a level or a list of target=level")]
pub struct LogFilterError;

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogInitError {
    /// The process logs already.
    #[error("logging can't be set up")]
    Again(#[from] TryInitError),
    /// There is no standard error to log to.
    #[error("logging can't be set up: standard error can't be used")]
    NoStandardError(#[from] io::Error),
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) is that of nmi-guard's own events,
    /// those of its libraries stay at `warn`. A list such as `info,kube=debug` sets each by itself.
    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        // `LevelFilter` and `Targets` would take more: the empty text for `error`, digits, and any
        // single word for a target to be logged in full, which here is a typing error.
        let is_level = |word: &str| LEVELS.contains(&word);
        let targets = if is_level(text) {
            own_events_at(text.parse().map_err(|_| LogFilterError)?)
        } else if text.contains('=') && text.split(',').all(|part| part.contains('=') || is_level(part)) {
            text.parse().map_err(|_| LogFilterError)?
        } else {
            return Err(LogFilterError);
        };
        Ok(Self { text: text.to_owned(), targets })
    }
}

fn own_events_at(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level)
        // Two lines without a reason for each failed request, whose reason we report ourselves, once.
        .with_target("kube_client::client::builder", LevelFilter::OFF)
}

impl Default for LogFilter {
    /// The level `info`.
    fn default() -> Self {
        Self { text: "info".to_owned(), targets: own_events_at(LevelFilter::INFO) }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for LogFilter {
    fn eq(&self, other: &Self) -> bool {
        self.targets == other.targets
    }
}

/// Logs this process's events to standard error from now on, panics included.
///
/// # Errors
/// When the process logs already, or has no standard error.
pub fn init_logs(log_format: LogFormat, filter: &LogFilter) -> Result<(), LogInitError> {
    let lines = lines(log_format, own_stderr()?).with_filter(filter.targets.clone());
    tracing_subscriber::registry().with(lines).try_init()?;
    // The default hook would write several lines of plain text in between.
    std::panic::set_hook(Box::new(|panic| {
        let message = panic_text(panic.payload());
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(message, location, "panic");
    }));
    Ok(())
}

/// One line for each event, written to `file` in one go and without a lock: the kernel does not mix what is written
/// to a pipe, if it has at most `PIPE_BUF` bytes (POSIX `write`; 4096 on Linux).
fn lines(log_format: LogFormat, file: File) -> Box<dyn Layer<Registry> + Send + Sync> {
    let is_terminal = file.is_terminal();
    let lines = format::layer().with_writer(Arc::new(file));
    match log_format {
        LogFormat::Text => lines.with_ansi(is_terminal).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Standard error without the lock of [`io::stderr`], for which the server's threads would wait while one of
/// them writes.
fn own_stderr() -> io::Result<File> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?))
}

/// The message of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    use super::*;
    use tracing::Level;

    #[test]
    fn a_bare_level_is_that_of_our_own_events() {
        let filter: LogFilter = "debug".parse().unwrap();
        assert!(filter.targets.would_enable("nmi_guard::server", &Level::DEBUG));
        assert!(!filter.targets.would_enable("hyper", &Level::INFO));
        assert!(filter.targets.would_enable("hyper", &Level::WARN));
        assert_eq!(filter.to_string(), "debug");
    }

    #[test]
    fn a_failed_request_to_the_api_server_is_logged_by_us_alone() {
        let filter = LogFilter::default();
        assert!(!filter.targets.would_enable("kube_client::client::builder", &Level::ERROR));
        assert!(filter.targets.would_enable("nmi_guard::cluster::report", &Level::WARN));
    }

    #[test]
    fn an_error_level_also_holds_for_the_libraries() {
        let filter: LogFilter = "error".parse().unwrap();
        assert!(!filter.targets.would_enable("hyper", &Level::WARN));
    }

    #[test]
    fn lines_of_several_threads_are_not_mixed() {
        const THREADS: usize = 4;
        const EVENTS: usize = 200;
        let (mut reader, writer) = io::pipe().unwrap();
        let lines = lines(LogFormat::Json, File::from(OwnedFd::from(writer)));
        let log = tracing::Dispatch::new(tracing_subscriber::registry().with(lines));
        let threads = (0..THREADS).map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || {
                tracing::dispatcher::with_default(&log, || {
                    (0..EVENTS).for_each(|event| tracing::info!(thread, event, padding = "-".repeat(1000)));
                });
            })
        });
        let threads: Vec<_> = threads.collect();
        drop(log);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(text.lines().count(), THREADS * EVENTS);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn targets_can_be_set_one_by_one() {
        let filter: LogFilter = "info,kube=debug".parse().unwrap();
        assert!(filter.targets.would_enable("kube", &Level::DEBUG));
        assert!(!filter.targets.would_enable("nmi_guard", &Level::DEBUG));
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in ["verbose", "", "1", "INFO", "kube=loud", "inof,kube=debug", "info,"] {
            assert_eq!(text.parse::<LogFilter>().err(), Some(LogFilterError), "{text:?}");
        }
    }
}
