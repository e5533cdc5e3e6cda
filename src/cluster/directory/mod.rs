//! Certificates in files, of any origin: cert-manager, a company CA, `nmi-guard certs`.
//!
//! The folder holds `tls.crt`, `tls.key` and, if there is one, `ca.crt`: what a Secret of type
//! `kubernetes.io/tls` looks like when it is mounted. Contents are compared at intervals instead of
//! waiting for file events: the kubelet swaps a link (`..data`) to a new folder, and a watch of the
//! files themselves misses the second swap.

mod files;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kube::Client;
use tokio::sync::watch;
use tracing::info;

use self::files::{Files, ReadError};
pub use self::files::{WriteError, write_set};
use super::configuration::Configuration;
use super::{Problem, WEBHOOK_CONFIGURATION, report};
use crate::observe::{ConditionState, Conditions};
use crate::pki::bundle::Installed;
use crate::pki::{CertificateError, CertificateStore, ServingCertificate, ServingNames, trusts};

/// What the directory source works on.
#[derive(Clone)]
pub struct DirectoryConfig {
    /// The folder with `tls.crt`, `tls.key` and perhaps `ca.crt`.
    pub dir: PathBuf,
    /// The time between two looks at the files.
    pub poll: Duration,
    /// The names the certificate should be for; the first one is checked against `ca.crt`.
    pub names: ServingNames,
    /// The installed configuration to check, if an API server is known. It is only read: whoever
    /// brings the certificate (cert-manager's cainjector, or you) sets the caBundle.
    pub webhook: Option<InstalledCheck>,
}

impl DirectoryConfig {
    /// The default of `poll`: 2 seconds.
    pub const POLL: Duration = Duration::from_secs(2);
}

/// How the installed configuration is checked.
#[derive(Clone)]
pub struct InstalledCheck {
    /// The client to read it with.
    pub client: Client,
    /// The name of the MutatingWebhookConfiguration.
    pub name: String,
    /// The time between two checks; a new certificate is checked at once.
    pub period: Duration,
}

impl InstalledCheck {
    /// The default of `period`: 30 seconds.
    pub const PERIOD: Duration = Duration::from_secs(30);
}

/// Why the certificate of a folder can't be served.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A file can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The certificate or the key is bad.
    #[error("tls.crt and tls.key in {} can't be served: {reason}", .dir.display())]
    Certificate {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        reason: CertificateError,
    },
}

/// The certificate of a folder, kept up to date.
pub struct Directory {
    config: DirectoryConfig,
    store: CertificateStore,
    conditions: Conditions,
    /// What is served.
    loaded: Files,
}

impl Directory {
    /// Reads the folder for the first time and serves its certificate.
    ///
    /// # Errors
    /// What is wrong with the files: the process should not start with them.
    pub fn open(
        config: DirectoryConfig,
        store: CertificateStore,
        conditions: Conditions,
    ) -> Result<Self, DirectoryError> {
        let loaded = Files::read(&config.dir)?;
        let certificate = parse(&config, &loaded)?;
        info!(?certificate, dir = %config.dir.display(), "serving");
        store.store(certificate);
        let directory = Self { config, store, conditions, loaded };
        directory.report(None);
        if directory.config.webhook.is_some() {
            report::unread(&directory.conditions);
        }
        Ok(directory)
    }

    /// Runs until `shutdown` is true (or its sender is gone). Never fails: a bad pair keeps the last
    /// good one in force and is reported in the conditions.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let check = self.config.webhook.clone().map(|webhook| {
            let configuration = Configuration::new(webhook.client, &webhook.name);
            watch_installed(
                configuration,
                webhook.period,
                self.config.poll,
                self.store.clone(),
                self.conditions.clone(),
            )
        });
        let files = async {
            loop {
                tokio::time::sleep(self.config.poll).await;
                self.look();
            }
        };
        let check = async {
            match check {
                Some(check) => check.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = files => {}
            () = check => {}
            _ = shutdown.wait_for(|&down| down) => {}
        }
    }

    /// One look at the files: three small reads, so they are made in place.
    fn look(&mut self) {
        let problem = self.reload().err().map(|error| error.to_string());
        self.report(problem);
    }

    fn reload(&mut self) -> Result<(), DirectoryError> {
        let files = Files::read(&self.config.dir)?;
        if files == self.loaded {
            return Ok(());
        }
        let certificate = parse(&self.config, &files)?;
        info!(?certificate, dir = %self.config.dir.display(), "serving the new files");
        self.store.store(certificate);
        self.loaded = files;
        Ok(())
    }

    fn report(&self, problem: Option<String>) {
        let now = SystemTime::now();
        let served = self.store.current();
        let problem = problem.or_else(|| self.own_authority_problem(served.as_deref(), now));
        report::certificate(&self.conditions, served.as_deref(), problem, now);
    }

    /// What `ca.crt` has against the certificate beside it: a sign of files that do not belong
    /// together.
    fn own_authority_problem(&self, served: Option<&ServingCertificate>, now: SystemTime) -> Option<String> {
        let (bundle, served) = (self.loaded.authorities.as_deref()?, served?);
        let error = trusts(bundle, served, &self.config.names.primary(), now).err()?;
        Some(format!("ca.crt does not fit tls.crt: {error}"))
    }
}

fn parse(config: &DirectoryConfig, files: &Files) -> Result<ServingCertificate, DirectoryError> {
    ServingCertificate::from_pem(&files.certificate, &files.key, SystemTime::now())
        .map_err(|reason| DirectoryError::Certificate { dir: config.dir.clone(), reason })
}

/// Checks the installed configuration every `period`, and whenever another certificate is served.
async fn watch_installed(
    configuration: Configuration,
    period: Duration,
    poll: Duration,
    store: CertificateStore,
    conditions: Conditions,
) {
    loop {
        let served = store.current();
        let read = configuration.read().await.map(|read| read.installed);
        check_installed(&conditions, served.as_deref(), read);
        let next = Instant::now() + period;
        while Instant::now() < next && same(&served, &store.current()) {
            tokio::time::sleep(poll.min(period)).await;
        }
    }
}

fn same(one: &Option<Arc<ServingCertificate>>, other: &Option<Arc<ServingCertificate>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn check_installed(
    conditions: &Conditions,
    served: Option<&ServingCertificate>,
    read: Result<Installed, Problem>,
) {
    let system_roots = read
        .as_ref()
        .ok()
        .and_then(|installed| installed.0.iter().find(|webhook| webhook.ca_bundle.trim_ascii().is_empty()));
    if let Some(webhook) = system_roots {
        let reason = format!(
            "the webhook {} has no caBundle: unknown whether the API server's system trusts the certificate",
            webhook.name
        );
        report::report(conditions, WEBHOOK_CONFIGURATION, ConditionState::Degraded(reason));
        return;
    }
    report::configuration(conditions, served, read.as_ref(), None, SystemTime::now());
}
