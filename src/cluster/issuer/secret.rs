//! The Secret that replicas share.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};

use crate::cluster::problem::request;
use crate::cluster::{FIELD_MANAGER, Problem};
use crate::pki::Material;

/// One Secret, read and written through the API server.
pub(super) struct SharedSecret {
    api: Api<Secret>,
    name: String,
    object: String,
}

impl SharedSecret {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        let object = format!("Secret {namespace}/{name}");
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), object }
    }

    /// The Secret, or `None` if there is none (RBAC: `get`).
    pub(super) async fn read(&self) -> Result<Option<Secret>, Problem> {
        request("get", &self.object, self.api.get_opt(&self.name)).await
    }

    /// Puts `material` into the Secret that was read, provided that it is still the same version
    /// (RBAC: `update`), or makes a new one (RBAC: `create`).
    pub(super) async fn write(&self, read: Option<Secret>, material: &Material) -> Result<(), Problem> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let written = match read {
            Some(secret) => {
                let secret = with(secret, material);
                request("update", &self.object, self.api.replace(&self.name, &params, &secret)).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let secret = with(Secret { metadata, ..Secret::default() }, material);
                request("create", &self.object, self.api.create(&params, &secret))
                    .await
                    .map_err(|problem| self.explain_create(problem))
            }
        };
        match written {
            Ok(_) => Ok(()),
            // Deleted since it was read: as good as changed.
            Err(Problem::Absent { object }) => Err(Problem::Conflict { object }),
            Err(problem) => Err(problem),
        }
    }

    /// The shipped RBAC grants no `create`, because that can't be limited to one name.
    fn explain_create(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Forbidden { verb, object, message } => {
                let message = format!(
                    "it does not exist, and this ServiceAccount may not create it: apply the manifests again, or run kubectl create secret generic {} in its namespace ({message})",
                    self.name
                );
                Problem::Forbidden { verb, object, message }
            }
            problem => problem,
        }
    }
}

/// What `secret` holds.
pub(super) fn material(secret: &Secret) -> Option<Material> {
    let data = secret.data.as_ref()?;
    Material::from_entries(|name| data.get(name).map(|content| content.0.clone()))
}

/// `secret` with `material` in it; other entries, labels and annotations stay.
fn with(mut secret: Secret, material: &Material) -> Secret {
    let data = secret.data.get_or_insert_with(BTreeMap::new);
    for (name, content) in material.entries() {
        data.insert(name.to_owned(), ByteString(content.to_vec()));
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_goes_in_and_comes_out_and_the_rest_stays() {
        let given = BTreeMap::from([("tls.crt", "a"), ("tls.key", "b"), ("ca.crt", "c"), ("ca.key", "d")]);
        let wanted = Material::from_entries(|name| given.get(name).map(|text| text.as_bytes().to_vec()));
        let other = BTreeMap::from([("note".to_owned(), ByteString(b"kept".to_vec()))]);
        let labels = BTreeMap::from([("team".to_owned(), "identity".to_owned())]);
        let metadata = ObjectMeta { labels: Some(labels.clone()), ..ObjectMeta::default() };
        let secret = Secret { data: Some(other), metadata, ..Secret::default() };
        let written = with(secret, &wanted.clone().unwrap_or_default());
        assert_eq!(material(&written), wanted);
        assert_eq!(written.metadata.labels, Some(labels));
        assert_eq!(written.data.and_then(|mut data| data.remove("note")), Some(ByteString(b"kept".to_vec())));
    }

    #[test]
    fn an_empty_secret_holds_nothing() {
        assert_eq!(material(&Secret::default()), None);
        let blank = BTreeMap::from([("tls.crt".to_owned(), ByteString(b"\n".to_vec()))]);
        assert_eq!(material(&Secret { data: Some(blank), ..Secret::default() }), None);
    }
}
