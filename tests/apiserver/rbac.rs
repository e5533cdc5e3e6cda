//! The installed rights are what nmi-guard uses, no more and no less.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Cluster, manifests};

/// Runs on what nmi-guard has asked for since the cluster was started: certificates were issued and the
/// configuration filled in, as the ServiceAccount of the install.
pub async fn what_is_granted_is_what_is_used(cluster: &mut Cluster) -> Result<()> {
    let mut used = BTreeSet::new();
    for event in cluster.api.audit_events()? {
        if event["user"]["username"] != "system:serviceaccount:nmi-guard:nmi-guard" {
            continue;
        }
        let status = &event["responseStatus"]["code"];
        ensure!(status != 401 && status != 403, "refused with {status}: {event}");
        if event["requestURI"] == "/version" {
            continue; // everybody's, by the cluster's own role system:public-info-viewer
        }
        let object = &event["objectRef"];
        used.insert(right(&event["verb"], &object["apiGroup"], &object["resource"], &object["name"])?);
    }
    ensure!(used == granted(&cluster.render(&manifests().join("base"))?)?, "used: {used:#?}");
    Ok(())
}

/// Every right in the rendered roles.
fn granted(objects: &[Value]) -> Result<BTreeSet<String>> {
    let mut rights = BTreeSet::new();
    for role in objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole") {
        for rule in list(&role["rules"])? {
            for verb in list(&rule["verbs"])? {
                for group in list(&rule["apiGroups"])? {
                    for resource in list(&rule["resources"])? {
                        for name in list(&rule["resourceNames"]).context("a rule without resourceNames")? {
                            rights.insert(right(verb, group, resource, name)?);
                        }
                    }
                }
            }
        }
    }
    Ok(rights)
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("not a list")
}

fn right(verb: &Value, group: &Value, resource: &Value, name: &Value) -> Result<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let group = text(group).unwrap_or_default();
    let [verb, resource, name] = [verb, resource, name].map(|value| text(value).unwrap_or("-".to_owned()));
    Ok(format!("{verb} {resource}.{group}/{name}"))
}
