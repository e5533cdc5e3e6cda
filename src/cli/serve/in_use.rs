//! The policy in use: what the configuration says, and what was found out of the cluster.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use nmi_guard::cluster;
use nmi_guard::config::Config;
use nmi_guard::mutate::Injector;
use nmi_guard::policy::{Auto, ClusterVersion, Policy};

/// The policy in use, made ready for reviews; replaced as a whole.
pub(super) struct InUse {
    injector: ArcSwap<Injector>,
    known: Mutex<Known>,
}

struct Known {
    configured: Policy,
    version: Auto<ClusterVersion>,
}

impl Known {
    fn injector(&self) -> Injector {
        let mut policy = self.configured.clone();
        if policy.kubernetes_version == Auto::Auto {
            policy.kubernetes_version = self.version;
        }
        Injector::new(policy)
    }
}

impl InUse {
    /// Of what is configured.
    pub(super) fn new(configured: Policy) -> Self {
        let known = Known { configured, version: Auto::Auto };
        Self { injector: ArcSwap::from_pointee(known.injector()), known: Mutex::new(known) }
    }

    /// What reviews go by now.
    pub(super) fn load(&self) -> Guard<Arc<Injector>> {
        self.injector.load()
    }

    /// Puts another configuration to use.
    pub(super) fn configure(&self, policy: Policy) {
        self.change(|known| known.configured = policy);
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        // Under the lock, so that of two changes the later one stays.
        self.injector.store(Arc::new(known.injector()));
    }
}

/// Reads the version of Kubernetes, once and in the background, where the configuration leaves it open and an API
/// server is known to be ours.
pub(super) async fn find_version(config: &Config, in_use: Arc<InUse>) -> anyhow::Result<()> {
    let is_in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let is_ours = config.certificates.tls_dir.is_none() || config.kubeconfig.is_some() || is_in_cluster;
    if config.policy.kubernetes_version != Auto::Auto || !is_ours {
        return Ok(());
    }
    let client = cluster::client(config.kubeconfig.as_deref()).await?;
    tokio::spawn(async move {
        let version = cluster::version(&client).await;
        in_use.change(|known| known.version = Auto::Set(ClusterVersion(version)));
    });
    Ok(())
}
