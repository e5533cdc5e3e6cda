//! The version of Kubernetes, asked of the API server.

use std::time::Duration;

use kube::Client;
use tracing::{info, warn};

use super::problem::request;
use crate::policy::KubernetesVersion;

/// Time between two attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// Asks until there is an answer. `None` when it tells of no version that can be.
pub async fn version(client: &Client) -> Option<KubernetesVersion> {
    let mut said = None;
    let answer = loop {
        match request("get", "/version", client.apiserver_version()).await {
            Ok(answer) => break answer,
            Err(problem) if said.as_ref() == Some(&problem) => {}
            Err(problem) => {
                warn!(%problem, "the version of Kubernetes is not known yet, so the method auto is native");
                said = Some(problem);
            }
        }
        tokio::time::sleep(PAUSE).await;
    };
    let version = KubernetesVersion::new(&answer.major, &answer.minor);
    match version {
        Some(version) => info!(%version, "the version of Kubernetes"),
        None => warn!(
            major = answer.major,
            minor = answer.minor,
            "the version of Kubernetes can't be understood; policy.kubernetes-version can tell it"
        ),
    }
    version
}
