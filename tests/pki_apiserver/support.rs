//! Replicas of the built-in issuer, and the objects they work on.

use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use nmi_guard::cluster::issuer::{Issuer, IssuerConfig};
use nmi_guard::cluster::{CERTIFICATE, WEBHOOK_CONFIGURATION};
use nmi_guard::observe::{ConditionState, Conditions};
use nmi_guard::pki::{CertificateStore, Lifetimes, ServingNames, trusts};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const NAMESPACE: &str = "nmi-guard";
pub const HOST: &str = "nmi-guard.nmi-guard.svc";
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Replica {
    pub store: CertificateStore,
    pub conditions: Conditions,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Replica {
    pub fn start(client: Client, lifetimes: Lifetimes) -> Self {
        let (store, conditions) = (CertificateStore::default(), Conditions::default());
        let config = IssuerConfig {
            namespace: NAMESPACE.into(),
            secret: "nmi-guard-certs".into(),
            webhook_configuration: "nmi-guard".into(),
            names: ServingNames::for_service("nmi-guard", NAMESPACE, &[]).unwrap(),
            lifetimes,
            period: Duration::from_secs(1),
        };
        let issuer = Issuer::new(config, client, store.clone(), conditions.clone());
        assert!(!conditions.ready(), "not ready before there is a certificate");
        let (shutdown, stopped) = watch::channel(false);
        Self { store, conditions, shutdown, task: tokio::spawn(issuer.run(stopped)) }
    }

    pub fn state(&self, name: &str) -> ConditionState {
        state(&self.conditions, name)
    }

    pub fn says(&self, name: &str, words: &str) -> bool {
        says(&self.conditions, name, words)
    }

    pub fn well(&self) -> bool {
        [CERTIFICATE, WEBHOOK_CONFIGURATION].iter().all(|name| self.state(name) == ConditionState::Ok)
    }

    pub async fn stop(self) {
        self.shutdown.send(true).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The installed objects.
pub struct Installed {
    pub secrets: Api<Secret>,
    pub configurations: Api<MutatingWebhookConfiguration>,
}

impl Installed {
    /// The objects of the shipped manifests, as far as the issuer is concerned.
    pub async fn create(client: Client) -> Self {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let post = PostParams::default();
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        namespaces.create(&post, &serde_json::from_value(namespace).unwrap()).await.unwrap();
        let installed =
            Self { secrets: Api::namespaced(client.clone(), NAMESPACE), configurations: Api::all(client) };
        let secret = json!({"metadata": {"name": "nmi-guard-certs", "labels": {"kept": "yes"}}});
        installed.secrets.create(&post, &serde_json::from_value(secret).unwrap()).await.unwrap();
        let webhook = |name: &str| {
            let service = json!({"name": "nmi-guard", "namespace": NAMESPACE, "path": "/mutate"});
            json!({
                "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"service": service}, "failurePolicy": "Ignore",
            })
        };
        let configuration = json!({
            "metadata": {"name": "nmi-guard"},
            "webhooks": [webhook("pods.nmi-guard.io"), webhook("second.nmi-guard.io")],
        });
        let configuration = serde_json::from_value(configuration).unwrap();
        installed.configurations.create(&post, &configuration).await.unwrap();
        installed
    }

    pub async fn bundles(&self) -> Vec<Vec<u8>> {
        let configuration = self.configurations.get("nmi-guard").await.unwrap();
        let webhooks = configuration.webhooks.unwrap();
        webhooks.into_iter().map(|webhook| webhook.client_config.ca_bundle.unwrap_or_default().0).collect()
    }

    /// The versions of both objects: unchanged means nothing was written.
    pub async fn versions(&self) -> (Option<String>, Option<String>) {
        let secret = self.secrets.get("nmi-guard-certs").await.unwrap();
        let configuration = self.configurations.get("nmi-guard").await.unwrap();
        (secret.resource_version(), configuration.resource_version())
    }

    pub async fn wipe_bundles(&self) {
        self.set_bundles(serde_json::Value::Null).await;
    }

    pub async fn set_bundles(&self, bundle: serde_json::Value) {
        let webhooks: Vec<_> = ["pods.nmi-guard.io", "second.nmi-guard.io"]
            .iter()
            .map(|name| json!({"name": name, "clientConfig": {"caBundle": &bundle}}))
            .collect();
        let patch = Patch::Strategic(json!({"webhooks": webhooks}));
        self.configurations.patch("nmi-guard", &PatchParams::default(), &patch).await.unwrap();
    }

    /// Every replica's certificate is trusted by every webhook: read served first, then the bundle
    /// (a CA never goes before its last leaf).
    pub async fn assert_trusted(&self, replicas: &[Replica]) {
        let served: Vec<_> = replicas.iter().filter_map(|replica| replica.store.current()).collect();
        let bundles = self.bundles().await;
        for (leaf, bundle) in served.iter().flat_map(|leaf| bundles.iter().map(move |bundle| (leaf, bundle)))
        {
            let now = SystemTime::now();
            assert!(leaf.valid_at(now));
            assert_eq!(trusts(bundle, leaf, HOST, now), Ok(()));
        }
    }
}

pub fn says(conditions: &Conditions, name: &str, words: &str) -> bool {
    match state(conditions, name) {
        ConditionState::Failing(text) | ConditionState::Degraded(text) => text.contains(words),
        ConditionState::Ok => false,
    }
}

pub fn state(conditions: &Conditions, name: &str) -> ConditionState {
    let all = conditions.list();
    all.into_iter().find(|condition| condition.name == name).unwrap().state
}

pub async fn until_well(replicas: &[Replica]) {
    until("all is well", async || replicas.iter().all(Replica::well)).await;
}

pub fn two(client: &Client, lifetimes: Lifetimes) -> Vec<Replica> {
    (0..2).map(|_| Replica::start(client.clone(), lifetimes)).collect()
}
