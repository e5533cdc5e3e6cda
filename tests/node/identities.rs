//! NMI's resources: which identity a Pod is given.

use anyhow::Result;
use nmi_guard_testbed::NODE_NAME;
use serde_json::{Value, json};

use crate::world::World;

/// The group and version of NMI's resources.
const RESOURCES: &str = "aadpodidentity.k8s.io/v1";
/// The identity that Pods with the label `aadpodidbinding: app` are bound to.
pub const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";

impl World {
    /// Gives an identity to the Pods of a namespace.
    pub async fn bind_identity(&self, namespace: &str) -> Result<()> {
        let resources = format!("/apis/{RESOURCES}/namespaces/{namespace}");
        self.post(&format!("{resources}/azureidentities"), &identity()).await?;
        self.post(&format!("{resources}/azureidentitybindings"), &binding()).await?;
        Ok(())
    }

    /// Does MIC's work for a Pod: in standard mode NMI looks for what it has assigned.
    pub async fn assign_identity(&self, namespace: &str, pod: &str) -> Result<()> {
        let mut identity = identity();
        identity["metadata"]["namespace"] = json!(namespace);
        let mut binding = binding();
        binding["metadata"]["namespace"] = json!(namespace);
        let assigned = json!({
            "apiVersion": RESOURCES,
            "kind": "AzureAssignedIdentity",
            // NMI asks for those of its node by this label.
            "metadata": {"name": format!("{pod}-{namespace}-app"), "labels": {"nodename": NODE_NAME}},
            "spec": {
                "azureIdentityRef": identity,
                "azureBindingRef": binding,
                "pod": pod,
                "podNamespace": namespace,
                "nodename": NODE_NAME,
            },
            "status": {"status": "Assigned"},
        });
        self.post(&format!("/apis/{RESOURCES}/namespaces/default/azureassignedidentities"), &assigned)
            .await?;
        Ok(())
    }
}

/// The AzureIdentity that Pods with the label `aadpodidbinding: app` are given.
fn identity() -> Value {
    json!({
        "apiVersion": RESOURCES,
        "kind": "AzureIdentity",
        "metadata": {"name": "app"},
        "spec": {"type": 0, "clientID": CLIENT_ID, "resourceID": "/subscriptions/none/app"},
    })
}

fn binding() -> Value {
    json!({
        "apiVersion": RESOURCES,
        "kind": "AzureIdentityBinding",
        "metadata": {"name": "app"},
        "spec": {"azureIdentity": "app", "selector": "app"},
    })
}
