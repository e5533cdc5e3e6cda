//! The kubelet asks the app itself.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::policy::AppEndpoint;

/// A probe of `endpoint`, of which only the handler is set.
pub(super) fn get(endpoint: &AppEndpoint) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(endpoint.path.to_string()),
            port: IntOrString::Int(endpoint.port.as_i32()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    }
}
