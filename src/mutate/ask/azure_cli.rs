//! The Azure CLI asks, by a login: in an init container, whatever the method is.

use k8s_openapi::api::core::v1::EnvVar;

use super::shell::{LOGIN, Script, wait};
use super::{Needs, Work, limit};
use crate::policy::{Identity, Settings, Within};

/// In seconds: an identity is assigned within a minute or so, and a login takes some seconds.
const LIMIT: Within<1, 86400> = Within::of::<300>();

/// Logs in, as `identity` where one is given, until it works.
pub(super) fn login(settings: &Settings, identity: Option<&Identity>) -> Work {
    // By `--object-id` NMI would let anybody pass: it picks the identity by client id or resource id (it reads
    // client_id and msi_res_id, pkg/nmi/server/server.go).
    let flags = identity.map(|identity| {
        let flag = if identity.is_resource_id() { "--resource-id" } else { "--client-id" };
        [flag.to_owned(), identity.to_string()]
    });
    let script = Script { body: LOGIN, parameters: flags.into_iter().flatten().collect() };
    Work {
        image: settings.az_image.clone(),
        command: wait(script, settings, limit(settings, Some(LIMIT))),
        env: vec![
            // The CLI keeps its settings and tokens in a folder of its own, which goes with the container.
            variable("HOME", "/tmp"),
            variable("AZURE_CONFIG_DIR", "/tmp/azure"),
            variable("AZURE_CORE_COLLECT_TELEMETRY", "false"),
        ],
        needs: Needs { cpu_request: "50m", cpu_limit: "1", memory_request: "128Mi", memory_limit: "512Mi" },
        writes: true,
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..EnvVar::default() }
}
