//! The client of the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig that was asked for can't be used.
    #[error("the kubeconfig {} can't be used", .path.display())]
    Kubeconfig {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// Neither a kubeconfig nor a Pod's ServiceAccount.
    #[error(
        "no API server is known: not in a Pod with a ServiceAccount token, and no kubeconfig (KUBECONFIG or ~/.kube/config)"
    )]
    Infer(#[source] kube::config::InferConfigError),
    /// The configuration was read but no client can be made of it.
    #[error("no client can be made for the API server")]
    Build(#[source] kube::Error),
}

/// A client for the cluster of `kubeconfig`, or, without one, of the environment: `KUBECONFIG`,
/// `~/.kube/config`, else the ServiceAccount of the Pod this runs in. Does not connect yet.
///
/// # Errors
/// See [`ClientError`].
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path)
            .await
            .map_err(|source| ClientError::Kubeconfig { path: path.to_owned(), source })?,
        None => Config::infer().await.map_err(ClientError::Infer)?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    Client::try_from(config).map_err(ClientError::Build)
}

async fn from_file(path: &Path) -> Result<Config, kube::config::KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}
