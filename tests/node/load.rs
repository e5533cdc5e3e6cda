//! Pods created without pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Result, bail, ensure};
use http::Request;
use kube::Client;
use nmi_guard_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::pods::guarded;
use crate::world::SOON;

/// A worker that creates one Pod after the other, which no node takes, until it is told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    pods: Arc<AtomicUsize>,
    worker: JoinHandle<Result<()>>,
}

impl Load {
    pub fn start(client: &Client, namespace: &str) -> Self {
        let (stop, pods) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let worker =
            tokio::spawn(work(client.clone(), namespace.to_owned(), Arc::clone(&stop), Arc::clone(&pods)));
        Self { stop, pods, worker }
    }

    /// Fails once a Pod was refused, or came back without its guard.
    pub async fn check(&mut self) -> Result<()> {
        if self.worker.is_finished() {
            (&mut self.worker).await??;
            bail!("the worker has stopped");
        }
        Ok(())
    }

    /// Goes on until `count` Pods have been created, then stops. Returns how many there are: all of them guarded.
    pub async fn until(mut self, count: usize) -> Result<usize> {
        eventually("enough Pods have been created", 2 * SOON, async || {
            self.check().await?;
            let pods = self.pods.load(Ordering::Relaxed);
            ensure!(pods >= count, "{pods} so far");
            Ok(())
        })
        .await?;
        self.stop.store(true, Ordering::Relaxed);
        self.worker.await??;
        Ok(self.pods.load(Ordering::Relaxed))
    }
}

async fn work(
    client: Client,
    namespace: String,
    stop: Arc<AtomicBool>,
    pods: Arc<AtomicUsize>,
) -> Result<()> {
    let mut pod = guarded("unused");
    pod["metadata"] = json!({"generateName": "load-", "labels": {"aadpodidbinding": "app"}});
    pod["spec"]["nodeSelector"] = json!({"no-node": "has-this"});
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let request = Request::post(path).header("content-type", "application/json");
        let created: Value = client.request(request.body(pod.to_string().into_bytes())?).await?;
        ensure!(created["spec"]["initContainers"][0]["name"] == "nmi-guard-init", "not guarded: {created}");
        pods.fetch_add(1, Ordering::Relaxed);
        // Ten a second are enough, and leave the API server time.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(())
}
