//! The installed MutatingWebhookConfiguration: whom it trusts.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::problem::request;
use super::{FIELD_MANAGER, Problem};
use crate::pki::bundle::{Change, Installed, Webhook};

/// The configuration of one name, read and mended through the API server.
#[derive(Clone)]
pub struct Configuration {
    api: Api<MutatingWebhookConfiguration>,
    name: String,
    object: String,
}

/// What was read: the webhooks, and the version for an update that must not undo someone else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The webhooks.
    pub installed: Installed,
    /// `metadata.resourceVersion`.
    pub version: String,
}

impl Configuration {
    /// The configuration `name`; nothing is read yet.
    pub fn new(client: Client, name: &str) -> Self {
        let object = format!("MutatingWebhookConfiguration {name}");
        Self { api: Api::all(client), name: name.to_owned(), object }
    }

    /// Reads it (RBAC: `get`).
    ///
    /// # Errors
    /// Why it could not be read.
    pub async fn read(&self) -> Result<Read, Problem> {
        request("get", &self.object, self.api.get(&self.name)).await.map(Read::from)
    }

    /// Writes `changes`, and nothing else, provided that it still is at `version` (RBAC: `patch`).
    /// Returns it as it is afterwards.
    ///
    /// # Errors
    /// [`Problem::Conflict`] when someone changed it in between, or why it could not be written.
    pub async fn write(&self, changes: &[Change], version: &str) -> Result<Read, Problem> {
        let patch = Patch::Strategic(patch(changes, version));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        request("patch", &self.object, self.api.patch(&self.name, &params, &patch)).await.map(Read::from)
    }
}

/// A strategic merge patch: webhooks are matched by name, everything that is not named stays, and
/// the resourceVersion makes it conditional.
fn patch(changes: &[Change], version: &str) -> serde_json::Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let webhook = |change: &Change| {
        let ca_bundle = STANDARD.encode(&change.ca_bundle);
        json!({"name": change.webhook, "clientConfig": {"caBundle": ca_bundle}})
    };
    let webhooks: Vec<_> = changes.iter().map(webhook).collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"resourceVersion": version},
        "webhooks": webhooks,
    })
}

impl From<MutatingWebhookConfiguration> for Read {
    fn from(configuration: MutatingWebhookConfiguration) -> Self {
        let version = configuration.resource_version().unwrap_or_default();
        let webhooks = configuration.webhooks.unwrap_or_default();
        Self { installed: Installed(webhooks.into_iter().map(webhook).collect()), version }
    }
}

fn webhook(webhook: MutatingWebhook) -> Webhook {
    let host = host(&webhook.client_config);
    let ca_bundle = webhook.client_config.ca_bundle.map(|bundle| bundle.0).unwrap_or_default();
    Webhook { name: webhook.name, host, ca_bundle }
}

/// The name the API server expects in the certificate.
fn host(client: &WebhookClientConfig) -> String {
    if let Some(service) = &client.service {
        return format!("{}.{}.svc", service.name, service.namespace);
    }
    let url = client.url.as_deref().unwrap_or_default();
    let host = url.parse::<hyper::Uri>().ok().and_then(|url| url.host().map(str::to_owned));
    host.map_or_else(|| url.to_owned(), |host| host.trim_matches(['[', ']']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::admissionregistration::v1::ServiceReference;

    fn by_url(url: &str) -> String {
        host(&WebhookClientConfig { url: Some(url.into()), ..WebhookClientConfig::default() })
    }

    #[test]
    fn host_is_what_the_api_server_asks_for() {
        let service = ServiceReference {
            name: "nmi-guard".into(),
            namespace: "guards".into(),
            path: Some("/mutate".into()),
            port: Some(443),
        };
        let client = WebhookClientConfig { service: Some(service), ..WebhookClientConfig::default() };
        assert_eq!(host(&client), "nmi-guard.guards.svc");
        assert_eq!(by_url("https://127.0.0.1:8443/mutate"), "127.0.0.1");
        assert_eq!(by_url("https://[::1]:8443/mutate"), "::1");
        assert_eq!(by_url("https://guard.example.org/mutate"), "guard.example.org");
    }

    #[test]
    fn patch_names_only_the_ca_bundles_and_the_version() {
        let change = Change { webhook: "pods.nmi-guard.io".into(), ca_bundle: "PEM".into() };
        let expected = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"resourceVersion": "17"},
            "webhooks": [{"name": "pods.nmi-guard.io", "clientConfig": {"caBundle": "UEVN"}}],
        });
        assert_eq!(patch(&[change], "17"), expected);
    }
}
