//! Where the serving certificate comes from: a folder, or the built-in issuer.

use std::path::Path;

use nmi_guard::cluster;
use nmi_guard::cluster::directory::{Directory, DirectoryConfig, InstalledCheck};
use nmi_guard::cluster::issuer::{Issuer, IssuerConfig};
use nmi_guard::config::{CertificatesConfig, Config};
use nmi_guard::server::Parts;
use tokio::sync::watch;

/// Supplies the certificate from now until `shutdown`. A folder is read before this returns.
pub(super) async fn supply(
    config: &Config,
    parts: &Parts,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let (store, conditions) = (parts.certificates.clone(), parts.conditions.clone());
    let certificates = &config.certificates;
    if let Some(dir) = &certificates.tls_dir {
        let webhook = installed_check(config).await?;
        let config = directory_config(dir, certificates, webhook);
        let directory = Directory::open(config, store, conditions)?;
        tokio::spawn(directory.run(shutdown));
    } else {
        let client = cluster::client(config.kubeconfig.as_deref()).await?;
        let issuer = Issuer::new(issuer_config(certificates), client, store, conditions);
        tokio::spawn(issuer.run(shutdown));
    }
    Ok(())
}

/// With certificates of a folder the API server is asked only where it is known to be ours: in a
/// cluster, or when a kubeconfig is given. The one in a developer's home folder may be any cluster's.
async fn installed_check(config: &Config) -> anyhow::Result<Option<InstalledCheck>> {
    let is_in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if config.kubeconfig.is_none() && !is_in_cluster {
        return Ok(None);
    }
    let client = cluster::client(config.kubeconfig.as_deref()).await?;
    let name = config.certificates.webhook_configuration.clone();
    Ok(Some(InstalledCheck { client, name, period: InstalledCheck::PERIOD }))
}

fn directory_config(
    dir: &Path,
    certificates: &CertificatesConfig,
    webhook: Option<InstalledCheck>,
) -> DirectoryConfig {
    DirectoryConfig {
        dir: dir.to_owned(),
        poll: DirectoryConfig::POLL,
        names: certificates.names.clone(),
        webhook,
    }
}

fn issuer_config(certificates: &CertificatesConfig) -> IssuerConfig {
    IssuerConfig {
        namespace: certificates.namespace.clone(),
        secret: certificates.secret.clone(),
        webhook_configuration: certificates.webhook_configuration.clone(),
        names: certificates.names.clone(),
        lifetimes: certificates.lifetimes,
        period: IssuerConfig::PERIOD,
    }
}
