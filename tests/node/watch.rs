//! What becomes of every Pod, and when, seen ten times a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http::Request;
use kube::Client;
use nmi_guard_testbed::NODE_NAME;
use nmi_guard_testkit::wait::eventually;
use serde_json::Value;

const INTERVAL: Duration = Duration::from_millis(100);

/// What a test depends on of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub ready: bool,
    /// Whether the first application container has been started at least once.
    pub started: bool,
    /// How often it has been restarted.
    pub restarts: u64,
    /// Pending, Running, Succeeded or Failed.
    pub phase: String,
    pub address: Option<String>,
    /// What the first init container does: whether it runs now.
    pub initializing: bool,
}

/// A state and when it was first seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub state: State,
}

type Histories = HashMap<String, Vec<Seen>>;

/// The histories of all Pods, by their uids. Dropping it ends the watch.
pub struct Watch {
    histories: Arc<Mutex<Histories>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    pub fn start(client: Client) -> Self {
        let histories = Arc::new(Mutex::default());
        let task = tokio::spawn(watch(client, Arc::clone(&histories)));
        Self { histories, task }
    }

    /// All states of a Pod so far, oldest first; empty before it has been seen.
    pub fn history(&self, uid: &str) -> Vec<Seen> {
        let histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        histories.get(uid).cloned().unwrap_or_default()
    }

    /// The state of a Pod now.
    pub fn state(&self, uid: &str) -> State {
        self.history(uid).pop().map(|seen| seen.state).unwrap_or_default()
    }

    /// Waits until a Pod is, at `since` or later, as `is` wants it. Returns how long after `since` that was.
    pub async fn until(
        &self,
        what: &str,
        uid: &str,
        since: Instant,
        limit: Duration,
        is: impl Fn(&State) -> bool,
    ) -> Result<Duration> {
        eventually(what, limit, async || {
            let found = self.first(uid, since, &is);
            found.with_context(|| format!("it is {:?}", self.state(uid)))
        })
        .await
    }

    /// How long a Pod took to be Ready, from when it was first seen.
    pub fn ready_after(&self, uid: &str) -> Option<Duration> {
        let history = self.history(uid);
        let ready = history.iter().find(|seen| seen.state.ready)?;
        Some(ready.at - history.first()?.at)
    }

    /// How long after `since` the application of a Pod was restarted for the first time since then.
    pub fn restarted(&self, uid: &str, since: Instant) -> Option<Duration> {
        let before =
            self.history(uid).iter().rfind(|seen| seen.at <= since).map_or(0, |seen| seen.state.restarts);
        self.first(uid, since, |state| state.restarts > before)
    }

    /// When the application of a Pod was seen to run for the first time since its last restart.
    pub fn last_start(&self, uid: &str) -> Option<Instant> {
        let history = self.history(uid);
        let restarts = history.last()?.state.restarts;
        let start = history.iter().find(|seen| seen.state.restarts == restarts && seen.state.started)?;
        Some(start.at)
    }

    /// How long after `since` a Pod first was as `is` wants it; zero where it was so then.
    pub fn first(&self, uid: &str, since: Instant, is: impl Fn(&State) -> bool) -> Option<Duration> {
        let history = self.history(uid);
        let current = history.iter().rposition(|seen| seen.at <= since).unwrap_or(0);
        let found = history[current.min(history.len())..].iter().find(|seen| is(&seen.state))?;
        Some(found.at.saturating_duration_since(since))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(client: Client, histories: Arc<Mutex<Histories>>) {
    // From the API server's memory, and only what has come to the node: others create hundreds that never do.
    let path = format!("/api/v1/pods?resourceVersion=0&fieldSelector=spec.nodeName%3D{NODE_NAME}");
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Ok(request) = Request::get(&path).body(Vec::new()) else { return };
        let Ok(pods) = client.request::<Value>(request).await else { continue };
        let at = Instant::now();
        let mut histories = histories.lock().unwrap_or_else(PoisonError::into_inner);
        for pod in pods["items"].as_array().into_iter().flatten() {
            let Some(uid) = pod["metadata"]["uid"].as_str() else { continue };
            let state = state(pod);
            let history = histories.entry(uid.to_owned()).or_default();
            if history.last().is_none_or(|last| last.state != state) {
                history.push(Seen { at, state });
            }
        }
    }
}

fn state(pod: &Value) -> State {
    let status = &pod["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let application = &status["containerStatuses"][0];
    let init = &status["initContainerStatuses"][0];
    State {
        ready: conditions.clone().any(|each| each["type"] == "Ready" && each["status"] == "True"),
        started: !application["state"]["running"].is_null()
            || !application["state"]["terminated"].is_null()
            || !application["lastState"]["terminated"].is_null(),
        restarts: application["restartCount"].as_u64().unwrap_or_default(),
        phase: status["phase"].as_str().unwrap_or_default().to_owned(),
        address: status["podIP"].as_str().map(str::to_owned),
        initializing: !init["state"]["running"].is_null(),
    }
}
