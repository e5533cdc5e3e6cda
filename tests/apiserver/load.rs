//! Pods created without pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail, ensure};
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cluster::{is_guarded, pod};

/// Workers that create one Pod after the other until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    workers: JoinSet<Result<usize>>,
}

impl Load {
    /// Starts creating Pods in `namespace`, several at a time.
    pub fn start(client: &Client, namespace: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for _ in 0..3 {
            workers.spawn(work(client.clone(), namespace.to_owned(), Arc::clone(&stop)));
        }
        Self { stop, workers }
    }

    /// Fails as soon as a Pod was refused, or came back without its guard.
    pub async fn check(&mut self) -> Result<()> {
        match self.workers.try_join_next() {
            None => Ok(()),
            Some(worker) => bail!("after {} Pods a worker stopped", worker??),
        }
    }

    /// Stops, and says how many Pods were created: each with its guard.
    pub async fn finish(mut self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut pods = 0;
        while let Some(worker) = self.workers.join_next().await {
            pods += worker??;
        }
        Ok(pods)
    }
}

async fn work(client: Client, namespace: String, stop: Arc<AtomicBool>) -> Result<usize> {
    let mut body = pod("unused");
    body["metadata"] = json!({"generateName": "load-", "labels": {"aadpodidbinding": "app"}});
    let mut pods = 0;
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let request = Request::post(path).header("content-type", "application/json");
        let created: Value = client.request(request.body(body.to_string().into_bytes())?).await?;
        ensure!(is_guarded(&created), "after {pods} Pods: not guarded: {created}");
        pods += 1;
    }
    Ok(pods)
}
