//! Putting changes of the configuration file to use.
//!
//! The file's content is compared every few seconds. In a cluster the file is a mounted ConfigMap,
//! which the kubelet replaces by swapping the symlink `..data`: a watch on the file would see the
//! first swap only. Reading is cheap, and right whatever the file is.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};

use super::{Config, Given};
use crate::observe::{ConditionState, Conditions, Metrics};
use crate::policy::Policy;

/// How often the file is read.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

const CONDITION: &str = "configuration";

/// Keeps a policy up to date with the configuration file. A file that can't be used leaves the last
/// good policy in place and is reported in the log, by metric, and as the condition `configuration`.
pub struct Reloader {
    path: PathBuf,
    arguments: Given,
    started_with: Config,
    seen: Result<String, String>,
    publish: Box<dyn Fn(Policy) + Send + Sync>,
    conditions: Conditions,
    metrics: Metrics,
}

impl Reloader {
    /// A reloader of the file `path`, which had this `content` when `config` was made of it and of
    /// the `arguments` (environment and flags). `publish` is given each policy that takes the
    /// place of the one before.
    pub fn new(
        path: PathBuf,
        content: String,
        arguments: Given,
        config: Config,
        publish: impl Fn(Policy) + Send + Sync + 'static,
        conditions: Conditions,
        metrics: Metrics,
    ) -> Self {
        conditions.set(CONDITION, ConditionState::Ok);
        metrics.configured(SystemTime::now());
        let (seen, publish) = (Ok(content), Box::new(publish));
        Self { path, arguments, started_with: config, seen, publish, conditions, metrics }
    }

    /// Reads the file every `interval`, for ever.
    pub async fn run(mut self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.poll().await;
        }
    }

    /// Reads the file once and, if it has changed, puts it to use or reports what is wrong with it.
    pub async fn poll(&mut self) {
        let read = tokio::fs::read_to_string(&self.path).await;
        let read = read.map_err(|error| format!("{} can't be read: {error}", self.path.display()));
        if read == self.seen {
            return;
        }
        let outcome = match &read {
            Ok(content) => self.validate(content),
            Err(reason) => Err(reason.clone()),
        };
        self.seen = read;
        self.metrics.reloaded(outcome.is_ok());
        match outcome {
            Ok(config) => self.apply(config),
            Err(reason) => self.keep(reason),
        }
    }

    fn validate(&self, content: &str) -> Result<Config, String> {
        Given::from_yaml(&self.path, content)
            .and_then(|file| Config::new([&file, &self.arguments]))
            .map_err(|errors| errors.to_string())
    }

    fn apply(&self, config: Config) {
        let waiting = config.restart_keys_unlike(&self.started_with);
        if !waiting.is_empty() {
            warn!(keys = waiting.join(", "), "these keys have changed and take effect after a restart");
        }
        (self.publish)(config.policy);
        self.metrics.configured(SystemTime::now());
        self.conditions.set(CONDITION, ConditionState::Ok);
        info!(file = %self.path.display(), "the configuration has changed and is in use");
    }

    fn keep(&self, reason: String) {
        error!(
            file = %self.path.display(),
            reason,
            "the configuration has changed and can't be used; the last good one stays in use"
        );
        let reason = format!("the last good one is in use: {}", reason.replace('\n', "; "));
        self.conditions.set(CONDITION, ConditionState::Degraded(reason));
    }
}
